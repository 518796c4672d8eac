import { splitRoot } from "./_root.ts";
import { fromFileUrl } from "./from_file_url.ts";

/** The path of the directory that holds `path`. */
export function dirname(path: string | URL): string {
  const text = path instanceof URL ? fromFileUrl(path) : path;
  const { device, rootLength } = splitRoot(text);
  if (device.startsWith("\\") && rootLength === text.length) return text;
  const offset = device.startsWith("\\") ? rootLength + 1 : rootLength;
  const name = /[\\/][^\\/]+[\\/]*$/.exec(text.slice(offset));
  const parent = text.slice(0, name === null ? offset : offset + name.index);
  if (parent === "") return ".";
  // As the real function has it, only forward slashes are taken off the end.
  return parent.slice(0, 1) + parent.slice(1).replace(/\/+$/, "");
}
