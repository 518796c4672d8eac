import { countCommon, stepsBetween } from "../_segments.ts";
import { resolve } from "./resolve.ts";

/** The path that leads from `from` to `to`; letter case is ignored. */
export function relative(from: string, to: string): string {
  const target = resolve(to);
  const fromSegments = segmentsOf(resolve(from));
  const toSegments = segmentsOf(target);
  const common = countCommon(lower(fromSegments), lower(toSegments));
  if (common === 0) return target;
  return stepsBetween(fromSegments, toSegments, common).join("\\");
}

function segmentsOf(path: string): string[] {
  return path.split("\\").filter((segment) => segment !== "");
}

function lower(segments: string[]): string[] {
  return segments.map((segment) => segment.toLowerCase());
}
