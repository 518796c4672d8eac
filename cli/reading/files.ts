import { join } from "../../_internal/path.ts";

/** What stands at a path, a link followed; undefined when nothing does, or it cannot be looked at. */
export function lookAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    // That is no missing file: the message says which permission to give.
    if (error instanceof Deno.errors.NotCapable) throw error;
    return undefined;
  }
}

/** Whether a directory is there. */
export function isDirectory(path: string): boolean {
  return lookAt(path)?.isDirectory === true;
}

/** Whether something stands at a path; a link counts, wherever it leads. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

/** Whether it is a missing file that something could not be read because of. */
export function isNotFound(error: unknown): boolean {
  if (error instanceof Deno.errors.NotFound) return true;
  return error instanceof Error && error.cause instanceof Deno.errors.NotFound;
}

/** Bytes of all files in a directory and below; what goes away meanwhile has none. */
export function sizeOfDirectory(path: string): number {
  let bytes = 0;
  try {
    for (const { name, isDirectory } of Deno.readDirSync(path)) {
      const below = join(path, name);
      bytes += isDirectory ? sizeOfDirectory(below) : Deno.lstatSync(below).size;
    }
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  return bytes;
}
