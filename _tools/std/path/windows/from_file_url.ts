import { decodePathname, requireFileUrl } from "../_file_url.ts";

/** Converts a file URL to a path. */
export function fromFileUrl(url: URL | string): string {
  const { hostname, pathname } = requireFileUrl(url);
  const path = decodePathname(pathname.replaceAll("/", "\\"))
    .replace(/^\\*([A-Za-z]:)(\\|$)/, "$1\\");
  return hostname === "" ? path : `\\\\${hostname}${path}`;
}
