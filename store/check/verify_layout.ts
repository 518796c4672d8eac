import { lookAtSync } from "../../_internal/file_port.ts";
import type { FilePort } from "../../_internal/file_port.ts";
import {
  type DirectoryLayout,
  isStoreTemp,
  RUNTIME_LAYOUT,
  WORKER_LAYOUT,
} from "../../_internal/root_layout.ts";
import { type DirectoryEntry, listDirectory } from "../files/runtime_folder.ts";
import type { RuntimeFiles } from "../runtime/load_runtime.ts";
import type { Finding } from "./store_problem.ts";

/** Finds what does not belong into the directories of a runtime, or has another shape than it must. */

const STALE_TEMP_MS = 60_000;
const NOTHING: DirectoryLayout = { files: [], directories: [], kept: [] };

/** Finds what is out of place in a runtime (FRS-6, W-FRS-14). */
export function verifyLayout({ folder, workers, strays }: RuntimeFiles): Finding[] {
  const { port, directory } = folder;
  const layouts: [layout: DirectoryLayout, entries: DirectoryEntry[]][] = [
    [RUNTIME_LAYOUT, listDirectory(port, directory)],
    [NOTHING, strays],
    ...workers.map((worker): [DirectoryLayout, DirectoryEntry[]] => {
      return [WORKER_LAYOUT, listDirectory(port, worker.directory)];
    }),
  ];
  return layouts.flatMap(([layout, entries]) =>
    entries.flatMap((entry) => verifyEntry(port, entry, layout))
  );
}

function verifyEntry(port: FilePort, entry: DirectoryEntry, layout: DirectoryLayout): Finding[] {
  const { name, path, isDirectory, isSymlink } = entry;
  const isKnown = layout.files.includes(name) || layout.directories.includes(name);
  if (isSymlink && isKnown) {
    const message = "it is a symbolic link; put what it leads to in its place";
    return [{ kind: "symlink", path, message }];
  }
  const fix = { action: "quarantine", path } as const;
  if (isStoreTemp(name)) {
    const info = lookAtSync(port, path);
    const ageMs = info?.mtime ? Date.now() - info.mtime.getTime() : Infinity;
    if (info === undefined || ageMs < STALE_TEMP_MS) return [];
    const message = "a killed process left it, and nothing refers to it";
    return [{ kind: "stale-temp", path, message, fix }];
  }
  if (isKnown && isDirectory !== layout.directories.includes(name)) {
    const message = isDirectory
      ? `${name} is a directory, and a file is expected`
      : `${name} path exists but is not a directory`;
    return [{ kind: "foreign-file", path, message, fix }];
  }
  if (isKnown || layout.kept.some((pattern) => pattern.test(name))) return [];
  const message = isDirectory
    ? "the directory does not belong to the store"
    : layout === NOTHING
    ? "worker path exists but is not a directory"
    : "the file does not belong to the store";
  return [{ kind: "foreign-file", path, message, fix }];
}
