import { countCommon, stepsBetween } from "../_segments.ts";
import { resolve } from "./resolve.ts";

/** The path that leads from `from` to `to`. */
export function relative(from: string, to: string): string {
  const fromSegments = resolve(from).split("/").filter((segment) => segment !== "");
  const toSegments = resolve(to).split("/").filter((segment) => segment !== "");
  const common = countCommon(fromSegments, toSegments);
  return stepsBetween(fromSegments, toSegments, common).join("/");
}
