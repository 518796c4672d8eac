import type { FilePort } from "./file_port.ts";
import { join } from "./path.ts";

/**
 * Removes a folder and all in it; a link is removed, and not what it leads to. Two may remove the same
 * one at the same time: what the other has removed is removed.
 */
export function removeTreeSync(port: FilePort, directory: string): void {
  for (const { name, isDirectory } of entriesOf(port, directory)) {
    const path = join(directory, name);
    if (isDirectory) removeTreeSync(port, path);
    else removeOneSync(port, path);
  }
  removeOneSync(port, directory);
}

function entriesOf(port: FilePort, directory: string): ReturnType<FilePort["readDirSync"]> {
  try {
    return Array.from(port.readDirSync(directory));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function removeOneSync(port: FilePort, path: string): void {
  try {
    port.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
