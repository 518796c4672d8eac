import { lookAtSync } from "../../_internal/directories.ts";
import type { FileHandle, FilePort } from "../../_internal/file_port.ts";
import { lastLineEndSync } from "../../_internal/line_file.ts";
import { pause } from "../../_internal/lock.ts";
import { basename, join } from "../../_internal/path.ts";
import { type LogBytes, openLogBytes } from "../files/log_bytes.ts";
import { readSmallFileSync } from "../files/snapshot_reader.ts";
import {
  parseRuntimeSnapshot,
  parseWorkerSnapshot,
  type RuntimeSnapshot,
  type WorkerSnapshot,
} from "../files/snapshots.ts";
import { JournalFollower, Oddities } from "../journal/journal_follower.ts";
import { checkTornEndSync, type JournalOverlay } from "../journal/unapplied_mutations.ts";
import { idOfDirectory, type StorePaths } from "../layout.ts";
import { RuntimeStoreError } from "../runtime_store_error.ts";
import { asStoreError } from "../store_errors.ts";

/**
 * What stands on disk of one runtime, looked at without lock and without stopping at the first
 * problem, together with what its journal adds: the state that opening it would make.
 */

/** What was read, or why nothing was; neither when there is nothing to read. */
export interface Read<T> {
  found?: T;
  error?: RuntimeStoreError;
}

/** What a directory has. */
export interface Entry {
  name: string;
  path: string;
  isDirectory: boolean;
  isSymlink: boolean;
  size: number;
  mtime: Date | null;
}

/** One directory of `workers/` that can be a worker's. */
export interface WorkerView {
  directory: string;
  /** What the directory's name says. */
  directoryId: string;
  entries: Entry[];
  snapshot: Read<WorkerSnapshot>;
}

/** One runtime. */
export interface RuntimeView {
  paths: StorePaths;
  runtimeId: string;
  entries: Entry[];
  runtime: Read<RuntimeSnapshot>;
  /** Everything in `workers/`, and which of it are worker directories. */
  workerEntries: Entry[];
  workers: WorkerView[];
  journal: Read<JournalOverlay>;
}

const TRIES = 200;
const PAUSE_MS = 2;
/** How many workers are read before the journals are looked after. */
const PROGRESS_WORKERS = 16;

/**
 * Looks at a runtime: at the files first and then at the journals, which have everything that an owner
 * who works meanwhile puts into some of the files. Undefined when it was opened anew every time.
 */
export async function readRuntimeView(
  port: FilePort,
  paths: StorePaths,
  runtimeId: string,
): Promise<RuntimeView | undefined> {
  const oddities = new Oddities();
  for (let tries = 0; tries < TRIES; tries++) {
    const follower = new JournalFollower(port, paths);
    try {
      follower.catchUp();
      const files = lookAtFiles(port, { paths, runtimeId, follower });
      const journal = attempt(() => {
        const overlay = follower.finish(oddities);
        if (overlay !== undefined) checkTornEnd(port, files, overlay);
        return overlay;
      }, paths.directory);
      const { found, error } = journal;
      if (error !== undefined && oddities.isError(error)) return { ...files, journal: { error } };
      if (found !== undefined) return { ...files, journal: { found } };
    } finally {
      follower.close();
    }
    await pause(PAUSE_MS);
  }
  return undefined;
}

function lookAtFiles(
  port: FilePort,
  { paths, runtimeId, follower }: {
    paths: StorePaths;
    runtimeId: string;
    follower: JournalFollower;
  },
): Omit<RuntimeView, "journal"> {
  const entries = listSync(port, paths.directory);
  const runtime = readSnapshot(port, {
    path: paths.snapshot,
    operation: "read runtime snapshot",
    parse: parseRuntimeSnapshot,
  });
  const hasWorkers = entries.some(({ name, isDirectory }) => name === "workers" && isDirectory);
  const workerEntries = hasWorkers ? listSync(port, paths.workers) : [];
  const workers: WorkerView[] = [];
  for (const { name, path, isDirectory } of workerEntries) {
    const directoryId = idOfDirectory(name);
    if (!isDirectory || directoryId === undefined) continue;
    if (workers.length % PROGRESS_WORKERS === 0) follower.catchUp();
    workers.push({
      directory: path,
      directoryId,
      entries: listSync(port, path),
      snapshot: readSnapshot(port, {
        path: join(path, "worker.json"),
        operation: "read worker snapshot",
        parse: parseWorkerSnapshot,
      }),
    });
  }
  return { paths, runtimeId, entries, runtime, workerEntries, workers };
}

/** Without a runtime.json that can be read, nobody knows of which events it told. */
function checkTornEnd(
  port: FilePort,
  { paths, entries, runtime }: Omit<RuntimeView, "journal">,
  overlay: JournalOverlay,
): void {
  const events = entries.find(({ name }) => name === paths.events);
  const isFile = events?.isDirectory === false && !events.isSymlink;
  if (!isFile || (overlay.counters === undefined && runtime.error !== undefined)) return;
  const eventsSize = events.size;
  checkTornEndSync(port, paths, { overlay, runtime: runtime.found, eventsSize });
}

function attempt<T>(read: () => T | undefined, path: string): Read<T> {
  try {
    const found = read();
    return found === undefined ? {} : { found };
  } catch (cause) {
    const error = asStoreError({ operation: "verify runtime store", path }, cause);
    if (error instanceof RuntimeStoreError) return { error };
    throw error;
  }
}

function readSnapshot<T>(
  port: FilePort,
  { path, operation, parse }: {
    path: string;
    operation: "read runtime snapshot" | "read worker snapshot";
    parse: (bytes: Uint8Array, path: string) => T;
  },
): Read<T> {
  if (lookAtSync(port, path) === undefined) return {};
  return attempt(() => parse(readSmallFileSync(port, { operation, path }), path), path);
}

/** What is in a directory, in the order of the names. What vanishes meanwhile is left out. */
export function listSync(port: FilePort, directory: string): Entry[] {
  const entries: Entry[] = [];
  for (const { name } of port.readDirSync(directory)) {
    const path = join(directory, name);
    const info = lookAtSync(port, path);
    if (info === undefined) continue;
    const { isDirectory, isSymlink, size, mtime } = info;
    entries.push({ name, path, isDirectory, isSymlink, size, mtime });
  }
  return entries.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** A log as opening the runtime would leave it, and how much of that the journal adds. */
export interface LogView {
  log: LogBytes;
  /** How many bytes come from the file; a line begins behind them if the journal adds any. */
  fileEnd: number;
  /** How many bytes the file lacks before the lines of the journal. */
  missing: number;
}

/**
 * Opens a log as opening the runtime would leave it. `name` is that of the journal; the file may be in a
 * directory that has another name than it should. Undefined when there is neither file nor lines.
 */
export function openLogView(
  port: FilePort,
  { view, path, name, size }: {
    view: RuntimeView;
    path: string;
    name: string;
    size: number | undefined;
  },
): LogView | undefined {
  const journaled = view.journal.found?.logs.get(name);
  if (journaled === undefined) {
    if (size === undefined) return undefined;
    return { log: openLogBytes({ port, path, fileEnd: size }), fileEnd: size, missing: 0 };
  }
  const { start, bytes: tail } = journaled;
  const fileEnd = size !== undefined && size >= start ? start : lineEndIn(port, path, size ?? 0);
  const log = openLogBytes({ port, path, fileEnd, tail });
  return { log, fileEnd, missing: start - fileEnd };
}

function lineEndIn(port: FilePort, path: string, size: number): number {
  if (size === 0) return 0;
  const file: FileHandle = port.openSync(path, { read: true });
  try {
    return lastLineEndSync(file, size);
  } finally {
    file.close();
  }
}

/** How big the file of an entry is; undefined when there is none. */
export function sizeIn(entries: readonly Entry[], path: string): number | undefined {
  return entries.find(({ name }) => name === basename(path))?.size;
}
