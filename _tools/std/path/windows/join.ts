import { reduceSegments } from "../_segments.ts";
import { splitRoot } from "./_root.ts";
import { fromFileUrl } from "./from_file_url.ts";

/** Joins `path` and `paths` and normalizes the result. */
export function join(path?: URL | string, ...paths: string[]): string {
  const first = path instanceof URL ? fromFileUrl(path) : path ?? "";
  const parts = [first, ...paths].filter((part) => part !== "");
  if (parts.length === 0) return ".";
  const joined = parts.join("\\");
  // Two separators at the start name a server only where the first part says so by itself.
  const namesServer = /^[\\/]{2}[^\\/]/.test(parts[0]!);
  return normalize(namesServer ? joined : joined.replace(/^[\\/]{2,}/, "\\"));
}

function normalize(path: string): string {
  const { device, isAbsolute, rootLength } = splitRoot(path);
  const kept = reduceSegments(path.slice(rootLength).split(/[\\/]/), isAbsolute).join("\\");
  const body = kept === "" && !isAbsolute ? "." : kept;
  const end = body !== "" && /[\\/]$/.test(path) ? "\\" : "";
  return device + (isAbsolute ? "\\" : "") + body + end;
}
