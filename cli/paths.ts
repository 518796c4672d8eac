/**
 * The path functions that only the command needs. They stand apart from `_internal/path.ts`, so that programs that
 * use the library do not load them.
 */
import { isAbsolute as posixIsAbsolute } from "@std/path/posix/is-absolute";
import { resolve as posixResolve } from "@std/path/posix/resolve";
import { isAbsolute as windowsIsAbsolute } from "@std/path/windows/is-absolute";
import { resolve as windowsResolve } from "@std/path/windows/resolve";
import { basename, dirname, isWindows, join } from "../_internal/path.ts";

/** Whether a path does not depend on a directory that it is seen from. */
export const isAbsolute: typeof posixIsAbsolute = isWindows ? windowsIsAbsolute : posixIsAbsolute;

/** The absolute path that a path means, seen from the one before it, and at last from here. */
export const resolve: typeof posixResolve = isWindows ? windowsResolve : posixResolve;

/** What stands between the directories of the variable `PATH`. */
export const delimiter: string = isWindows ? ";" : ":";

/** A path in a directory or above it, as it is seen from there: `../deno.json`. */
export function pathUpFrom(directory: string, path: string): string {
  const target = dirname(path);
  const up: string[] = [];
  for (let at = directory; at !== target && at !== dirname(at); at = dirname(at)) up.push("..");
  return join(...up, basename(path));
}
