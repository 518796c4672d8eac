/**
 * The path functions that the modules need, for the system they run on.
 *
 * The entry `@std/path` itself would load Node's `process` to ask for the system, and that nearly
 * doubles the start-up time of a small program.
 */
import { basename as posixBasename } from "@std/path/posix/basename";
import { dirname as posixDirname } from "@std/path/posix/dirname";
import { join as posixJoin } from "@std/path/posix/join";
import { basename as windowsBasename } from "@std/path/windows/basename";
import { dirname as windowsDirname } from "@std/path/windows/dirname";
import { join as windowsJoin } from "@std/path/windows/join";
import { requireDeno } from "./file_port.ts";

/** Where there is no Deno, as in Node, what loads this file still loads; it works with POSIX paths. */
export const isWindows: boolean =
  (globalThis as { Deno?: { build: { os: string } } }).Deno?.build.os === "windows";

/** The last segment of a path. */
export const basename: typeof posixBasename = isWindows ? windowsBasename : posixBasename;

/** The directory part of a path. On Windows give it a resolved path: of `C:/a` it makes `C:`. */
export const dirname: typeof posixDirname = isWindows ? windowsDirname : posixDirname;

/** Joins paths and normalizes the result. */
export const join: typeof posixJoin = isWindows ? windowsJoin : posixJoin;

/** What stands between the segments of a normalized path. */
export const SEPARATOR: string = isWindows ? "\\" : "/";

/** The path that leads to the same place wherever the process goes later (`Deno.chdir`). */
export function absolute(path: string): string {
  return isAbsolute(path) ? path : join(requireDeno().cwd(), path);
}

/** Whether a path leads to the same place wherever the process is. */
export function isAbsolute(path: string): boolean {
  return isWindows ? /^([A-Za-z]:|[\\/])/.test(path) : path.startsWith("/");
}
