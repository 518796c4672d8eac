import { reduceSegments } from "../_segments.ts";
import { splitRoot } from "./_root.ts";

/** Resolves `pathSegments` from right to left to an absolute path. */
export function resolve(...pathSegments: string[]): string {
  let device = "";
  let tail = "";
  let isAbsolute = false;
  for (let i = pathSegments.length - 1; i >= -1; i--) {
    const path = i >= 0 ? pathSegments[i]! : workingDirectoryOn(device);
    if (path === "") continue;
    const root = splitRoot(path);
    const isElsewhere = root.device.toLowerCase() !== device.toLowerCase();
    if (root.device !== "" && device !== "" && isElsewhere) continue;
    if (device === "") device = root.device;
    if (!isAbsolute) tail = `${path.slice(root.rootLength)}\\${tail}`;
    isAbsolute ||= root.isAbsolute;
    if (isAbsolute && device !== "") break;
  }
  const kept = reduceSegments(tail.split(/[\\/]/), isAbsolute).join("\\");
  return device + (isAbsolute ? "\\" : "") + kept || ".";
}

function workingDirectoryOn(device: string): string {
  const directory = Deno.cwd();
  const isThere = directory.slice(0, 3).toLowerCase() === `${device.toLowerCase()}\\`;
  return device === "" || isThere ? directory : `${device}\\`;
}
