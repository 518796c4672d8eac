import { reduceSegments } from "../_segments.ts";
import { fromFileUrl } from "./from_file_url.ts";

/** Joins `path` and `paths` and normalizes the result. */
export function join(path?: URL | string, ...paths: string[]): string {
  const first = path instanceof URL ? fromFileUrl(path) : path ?? "";
  const joined = [first, ...paths].filter((part) => part !== "").join("/");
  const isAbsolute = joined.startsWith("/");
  const kept = reduceSegments(joined.split("/"), isAbsolute).join("/");
  const body = kept === "" && !isAbsolute ? "." : kept;
  const end = body !== "" && joined.endsWith("/") ? "/" : "";
  return (isAbsolute ? "/" : "") + body + end;
}
