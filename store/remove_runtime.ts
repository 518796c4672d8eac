import { syncDirectorySync } from "../_internal/directories.ts";
import { denoFilePort, type FilePort } from "../_internal/file_port.ts";
import { join } from "../_internal/path.ts";
import { removeTreeSync } from "../_internal/remove_tree.ts";
import { readRuntimeSnapshotSync } from "./load_store.ts";
import { OwnerLock } from "./owner_lock.ts";
import { asStoreError, storeMissingError } from "./store_errors.ts";
import { isDirectorySync, StorePaths } from "./store_paths.ts";

/** The directories of runtimes that are being removed; none of a runtime begins with a dot. */
const REMOVED_PREFIX = ".removed-";

/**
 * Removes a runtime with all that is in its directory. It is done by its only owner, so one that
 * somebody has open stays as it is.
 *
 * The directory is renamed first, so that there is a whole runtime or none: if the process dies before
 * all files are gone, the next removal below the same root finishes that.
 *
 * **Durability**: that the runtime is gone is on disk when this returns.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param root The directory of the store.
 * @param runtimeId The runtime.
 * @throws {RuntimeStoreError} When it is open, when there is none, when a newer version wrote it, or
 * when the file system refuses.
 *
 * @example Usage
 * ```ts
 * import { removeRuntime, verifyStore, WorkerRuntime } from "@taffrail/taffrail/store";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const runtime = await WorkerRuntime.open({ root, runtimeId: "rt-1" });
 * await assertRejects(() => removeRuntime(root, "rt-1"), Error, "rt-1");
 * await runtime.close();
 * await removeRuntime(root, "rt-1");
 * assertEquals((await verifyStore(root)).runtimes, []);
 * ```
 */
// deno-lint-ignore require-await -- what is thrown is to be a rejection
export async function removeRuntime(root: string, runtimeId: string): Promise<void> {
  removeRuntimeOnPort(denoFilePort, root, runtimeId);
}

/** {@linkcode removeRuntime} on a given file system. */
export function removeRuntimeOnPort(port: FilePort, root: string, runtimeId: string): void {
  const paths = new StorePaths(root, runtimeId);
  const operation = "remove runtime store";
  const { directory: path } = paths;
  const runtimes = join(root, paths.folders[0]!);
  const moved = join(runtimes, `${REMOVED_PREFIX}${crypto.randomUUID()}`);
  try {
    if (!isDirectorySync(port, path, { operation, what: "runtime" })) {
      throw storeMissingError({ operation, path });
    }
    readRuntimeSnapshotSync(port, paths, runtimeId);
    const lock = OwnerLock.takeSync(port, paths.ownerLock, runtimeId);
    try {
      // Windows renames no folder with an open file in it, and so guards the runtime by itself.
      if (Deno.build.os === "windows") lock.release();
      port.renameSync(path, moved);
      syncDirectorySync(port, runtimes);
    } finally {
      if (Deno.build.os !== "windows") lock.release();
    }
    for (const entry of port.readDirSync(runtimes)) {
      if (isRemoved(entry)) removeTreeSync(port, join(runtimes, entry.name));
    }
  } catch (error) {
    throw asStoreError({ operation, path }, error);
  }
}

/** Whether a directory is what a removal that was cut short has left. */
export function isRemoved(entry: { name: string; isDirectory: boolean }): boolean {
  return entry.isDirectory && entry.name.startsWith(REMOVED_PREFIX);
}
