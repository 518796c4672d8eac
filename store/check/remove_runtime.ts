import { isWindows } from "../../_internal/path.ts";
import { moveAsideSync, removeMovedAsideSync } from "../../_internal/directories.ts";
import { denoFilePort, type FilePort, lookAtSync } from "../../_internal/file_port.ts";
import { runtimesDirectory } from "../../_internal/root_layout.ts";
import { type RuntimeFolder, takeOwnerLock } from "../files/runtime_folder.ts";
import { checkWritable, folderOf } from "../runtime/open_runtime.ts";
import { storeMissingError, wrapIo } from "../store_errors.ts";

/**
 * Removes a runtime with all that is in its directory. It is done by its only owner, so one that
 * somebody has open stays as it is.
 *
 * The directory is renamed first, so that there is a whole runtime or none: if the process dies before
 * all files are gone, the next removal below the same root finishes that, even one that finds no
 * runtime. Meanwhile {@linkcode verifyStore} passes over what is left.
 *
 * **Durability**: that the runtime is gone is on disk when this returns.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param root The directory of the store.
 * @param runtimeId The runtime.
 * @throws {RuntimeStoreError} `owned` when somebody has it open, `store-missing` when there is none,
 * `store-corrupt` when it cannot be read or a newer version wrote it, `symlink` when a link stands in
 * its place, `store-io` when the file system refuses, `invalid-request` for an id that cannot be one.
 * @throws {TypeError} If `root` or `runtimeId` is not a string.
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
  const folder = folderOf(port, { root, runtimeId });
  const operation = "remove runtime store";
  const { directory: path } = folder;
  const runtimes = runtimesDirectory(root);
  wrapIo({ operation, path }, () => {
    const isThere = folder.isThere(operation);
    if (isThere) moveAway(folder);
    if (lookAtSync(port, runtimes) !== undefined) removeMovedAsideSync(port, runtimes);
    if (!isThere) throw storeMissingError({ operation, path });
  });
}

/** Takes the runtime out of the store, as its only owner. */
function moveAway(folder: RuntimeFolder): void {
  checkWritable(folder);
  const lock = takeOwnerLock(folder);
  try {
    // Windows renames no folder with an open file in it, and so guards the runtime by itself.
    if (isWindows) lock.release();
    moveAsideSync(folder.port, folder.directory);
  } finally {
    if (!isWindows) lock.release();
  }
}
