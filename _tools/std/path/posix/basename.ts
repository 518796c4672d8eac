import { stripSuffix } from "../_segments.ts";
import { fromFileUrl } from "./from_file_url.ts";

/** The last segment of `path`, without `suffix` if it ends in it. */
export function basename(path: string | URL, suffix = ""): string {
  const text = path instanceof URL ? fromFileUrl(path) : path;
  const trimmed = text.replace(/\/+$/, "");
  if (trimmed === "") return text.slice(0, 1);
  return stripSuffix(trimmed.slice(trimmed.lastIndexOf("/") + 1), suffix);
}
