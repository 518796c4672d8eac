import { fromFileUrl } from "./from_file_url.ts";

/** The path of the directory that holds `path`. */
export function dirname(path: string | URL): string {
  const text = path instanceof URL ? fromFileUrl(path) : path;
  const parent = text.replace(/\/+$/, "").replace(/[^/]*$/, "").replace(/\/+$/, "");
  if (parent !== "") return parent;
  return text.startsWith("/") ? "/" : ".";
}
