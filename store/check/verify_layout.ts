import {
  describeFileKind,
  type FileInfo,
  type FilePort,
  lookAtSync,
} from "../../_internal/file_port.ts";
import {
  type DirectoryLayout,
  isStoreTemp,
  isSystemFile,
  RUNTIME_LAYOUT,
  RuntimePaths,
  WORKER_LAYOUT,
} from "../../_internal/root_layout.ts";
import { type DirectoryEntry, listDirectory } from "../files/runtime_folder.ts";
import type { RuntimeFiles } from "../runtime/load_runtime.ts";
import { otherNameError } from "../store_errors.ts";
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
  if (isSystemFile(name)) return [];
  const isFile = layout.files.includes(name) ||
    (layout === RUNTIME_LAYOUT && RuntimePaths.journalNumberOf(name) !== undefined);
  const isKnown = isFile || layout.directories.includes(name);
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
  const info = isFile ? lookAtSync(port, path) : undefined;
  if (info !== undefined) return verifyFile(info, { name, path });
  if (isKnown && !isFile && !isDirectory) {
    const message = `${name} path exists but is not a directory`;
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

/** Snapshots are replaced as a whole, and so may have other names; all else is written in place. */
const SNAPSHOTS = ["runtime.json", "worker.json"];

/** Finds what stands in the place of a file, or is another file too. */
function verifyFile(info: FileInfo, { name, path }: { name: string; path: string }): Finding[] {
  if (!info.isFile) {
    const message = `${name} is ${describeFileKind(info)}, and a file is expected`;
    return [{ kind: "foreign-file", path, message, fix: { action: "quarantine", path } }];
  }
  if ((info.nlink ?? 1) <= 1 || SNAPSHOTS.includes(name)) return [];
  const { message } = otherNameError({ operation: "verify runtime store", path });
  return [{ kind: "symlink", path, message }];
}
