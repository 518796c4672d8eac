import { decodePathname, requireFileUrl } from "../_file_url.ts";

/** Converts a file URL to a path. */
export function fromFileUrl(url: URL | string): string {
  return decodePathname(requireFileUrl(url).pathname);
}
