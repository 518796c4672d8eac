import { denoFilePort, type FilePort } from "../../_internal/file_port.ts";
import { basename, dirname } from "../../_internal/path.ts";
import { RuntimePaths } from "../../_internal/root_layout.ts";
import { listDirectory, type RuntimeFolder, takeOwnerLock } from "../files/runtime_folder.ts";
import { checkJournalFormats } from "../journal/mutation_record.ts";
import { readRuntimeSnapshot } from "../runtime/load_runtime.ts";
import { folderOf } from "../runtime/open_runtime.ts";
import { USE_NEWER, wrapIo } from "../store_errors.ts";
import { Quarantine } from "./repair_files.ts";

/**
 * Moves all that a runtime has into a new `quarantine-<n>` of its own, damaged or not, so that opening it
 * makes it anew. It is for a runtime that can be made again from something else; {@linkcode repairStore}
 * mends the others.
 *
 * Only its owner does that, so one that somebody has open stays as it is, and so does one of a newer
 * version. If the process dies meanwhile, some files are in their place and the others in the quarantine;
 * done again, it moves the rest.
 *
 * **Durability**: what was moved is on disk when this returns.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param root The directory of the store.
 * @param runtimeId The runtime.
 * @returns Where its files are now; undefined when it had none.
 * @throws {RuntimeStoreError} `owned` when somebody has it open, `store-corrupt` when a newer version wrote
 * it or something else stands in its place, `symlink` when a link does, `store-io` when the file system
 * refuses, `invalid-request` for an id that cannot be one.
 * @throws {TypeError} If `root` or `runtimeId` is not a string.
 *
 * @example Usage
 * ```ts
 * import { setRuntimeAside, WorkerRuntime } from "@taffrail/taffrail/store";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const runtime = await WorkerRuntime.open({ root, runtimeId: "rt-1" });
 * await runtime.close();
 * const kept = await setRuntimeAside(root, "rt-1");
 * assertEquals(kept, `${root}/runtimes/id-72742d31/quarantine-1`);
 * ```
 */
// deno-lint-ignore require-await -- what is thrown is to be a rejection
export async function setRuntimeAside(
  root: string,
  runtimeId: string,
): Promise<string | undefined> {
  return setRuntimeAsideOnPort(denoFilePort, root, runtimeId);
}

/** {@linkcode setRuntimeAside} on a given file system. */
export function setRuntimeAsideOnPort(
  port: FilePort,
  root: string,
  runtimeId: string,
): string | undefined {
  const folder = folderOf(port, { root, runtimeId });
  const operation = "repair runtime store";
  return wrapIo({ operation, path: folder.directory }, () => {
    if (!folder.isThere(operation)) return undefined;
    const { error } = readRuntimeSnapshot(folder);
    if (error?.remedy === USE_NEWER) throw error;
    checkJournalFormats(folder);
    const lock = takeOwnerLock(folder);
    try {
      return moveAll(folder);
    } finally {
      lock.release();
    }
  });
}

function moveAll(folder: RuntimeFolder): string | undefined {
  const quarantine = new Quarantine(folder);
  let kept: string | undefined;
  for (const { name, path } of listDirectory(folder.port, folder.directory)) {
    if (name === basename(folder.ownerLock) || RuntimePaths.isQuarantine(name)) continue;
    kept = dirname(quarantine.moveSync(path));
  }
  return kept;
}
