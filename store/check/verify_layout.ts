import { lookAtSync } from "../../_internal/directories.ts";
import type { FileInfo, FilePort } from "../../_internal/file_port.ts";
import { join } from "../../_internal/path.ts";
import {
  type DirectoryLayout,
  isStoreTemp,
  RUNTIME_LAYOUT,
  WORKER_LAYOUT,
} from "../../_internal/root_layout.ts";
import type { RuntimeFiles } from "../runtime/load_runtime.ts";
import type { Finding } from "./store_problem.ts";

/** Finds what does not belong into the directories of a runtime, or has another shape than it must. */

const STALE_TEMP_MS = 60_000;
const NOTHING: DirectoryLayout = { files: [], directories: [], kept: [] };

/** What a directory has. */
export interface Entry extends FileInfo {
  name: string;
  path: string;
}

/** What stands at a path; undefined when it has vanished. */
export function entryAt(port: FilePort, place: { name: string; path: string }): Entry | undefined {
  const info = lookAtSync(port, place.path);
  if (info === undefined) return undefined;
  const { isFile, isDirectory, isSymlink, size, mode, mtime } = info;
  return { name: place.name, path: place.path, isFile, isDirectory, isSymlink, size, mode, mtime };
}

/** What is in a directory, in the order of the names. What vanishes meanwhile is left out. */
export function listDirectory(port: FilePort, directory: string): Entry[] {
  const names = Array.from(port.readDirSync(directory), ({ name }) => name).sort();
  return names.flatMap((name) => entryAt(port, { name, path: join(directory, name) }) ?? []);
}

/** Finds what is out of place in a runtime (FRS-6, W-FRS-14). */
export function verifyLayout({ folder, workers, strays }: RuntimeFiles): Finding[] {
  const { port, directory } = folder;
  const now = Date.now();
  return [
    ...listDirectory(port, directory).flatMap((entry) => verifyEntry(entry, RUNTIME_LAYOUT, now)),
    ...strays.flatMap((stray) => entryAt(port, stray) ?? [])
      .flatMap((entry) => verifyEntry(entry, NOTHING, now)),
    ...workers.flatMap((worker) => listDirectory(port, worker.directory))
      .flatMap((entry) => verifyEntry(entry, WORKER_LAYOUT, now)),
  ];
}

function verifyEntry(entry: Entry, layout: DirectoryLayout, now: number): Finding[] {
  const { name, path, isDirectory, isSymlink, mtime } = entry;
  const isKnown = layout.files.includes(name) || layout.directories.includes(name);
  if (isSymlink && isKnown) {
    const message = "it is a symbolic link; put what it leads to in its place";
    return [{ kind: "symlink", path, message }];
  }
  const fix = { action: "quarantine", path } as const;
  if (isStoreTemp(name)) {
    const ageMs = mtime === null ? Infinity : now - mtime.getTime();
    if (ageMs < STALE_TEMP_MS) return [];
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
