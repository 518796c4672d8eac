/**
 * Paths, and what stands at them, as far as only the command needs to know. The library has its own part
 * of this in `_internal/path.ts`, so that programs that use it load no more than that.
 */
import { isAbsolute as posixIsAbsolute } from "@std/path/posix/is-absolute";
import { resolve as posixResolve } from "@std/path/posix/resolve";
import { isAbsolute as windowsIsAbsolute } from "@std/path/windows/is-absolute";
import { resolve as windowsResolve } from "@std/path/windows/resolve";
import { isNotFound } from "../_internal/file_port.ts";
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

/** What stands at a path, a link followed; undefined when nothing does, or it cannot be looked at. */
export function lookAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    throwIfNotCapable(error);
    return undefined;
  }
}

/** Whether a directory is there. */
export function isDirectory(path: string): boolean {
  return lookAt(path)?.isDirectory === true;
}

/** What stands in place of the name of a file for standard output. */
export const STDOUT = "-";

/** Where what has a name of its own is written: as somebody says, and in a directory that is there under that name. */
export function pathOfOutput(name: string, output: string | undefined): string {
  if (output === undefined) return name;
  return isDirectory(output) ? join(output, name) : output;
}

/** Whether something stands at a path; a link counts, wherever it leads. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (isNothingThere(error)) return false;
    throw error;
  }
}

/** Removes what stands at a path, and all below; a link goes, and not where it leads. */
export function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!isNothingThere(error)) throw error;
  }
}

function isNothingThere(error: unknown): boolean {
  return isNotFound(error) || error instanceof Deno.errors.NotADirectory;
}

/** Whether it is a missing file that something could not be read because of. */
export function isFromMissingFile(error: unknown): boolean {
  return isNotFound(error) || (error instanceof Error && isNotFound(error.cause));
}

/**
 * Bytes of all files in a directory and below. What goes away meanwhile, or cannot be looked at, has none:
 * it is no reason not to tell of the rest.
 */
export function sizeOfDirectory(path: string): number {
  let bytes = 0;
  try {
    for (const { name, isDirectory } of Deno.readDirSync(path)) {
      const below = join(path, name);
      bytes += isDirectory ? sizeOfDirectory(below) : sizeOfFile(below);
    }
  } catch (error) {
    throwIfNotCapable(error);
  }
  return bytes;
}

/** The largest file of a directory, and how many bytes it has. */
export function largestFile(directory: string): [path: string, bytes: number] {
  let [largest, most] = ["", 0];
  try {
    for (const { name } of Deno.readDirSync(directory)) {
      const path = join(directory, name);
      const bytes = sizeOfFile(path);
      if (bytes > most) [largest, most] = [path, bytes];
    }
  } catch (error) {
    throwIfNotCapable(error);
  }
  return [largest, most];
}

function sizeOfFile(path: string): number {
  try {
    return Deno.lstatSync(path).size;
  } catch (error) {
    throwIfNotCapable(error);
    return 0;
  }
}

/** That is no missing file: the message says which permission to give. */
function throwIfNotCapable(error: unknown): void {
  if (error instanceof Deno.errors.NotCapable) throw error;
}
