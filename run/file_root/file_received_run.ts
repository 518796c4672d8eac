/**
 * A run that a root of files takes in from elsewhere. What is always true:
 *
 * 1. **There is a run of the id, whole, or none**: it is made in a folder beside the runs that no reader looks
 *    into, and is given its name when all of it is on disk.
 * 2. **What is left of one whose process died is known by its lock**, which is free: the next that is received, and
 *    a sweep, take it away.
 * 3. Lines are written as they are: what is damaged is damaged in the same way, at the same place.
 */
import {
  isReceived,
  makeDirectoriesSync,
  newReceivedName,
  removeTreeSync,
  syncDirectorySync,
} from "../../_internal/directories.ts";
import {
  type FileHandle,
  type FilePort,
  isNotFound,
  lookAtSync,
  openRegularSync,
  runSteps,
  writeWholeSync,
} from "../../_internal/file_port.ts";
import { isWindows, join } from "../../_internal/path.ts";
import { outputName, type RunPaths, runPaths, runsDirectory } from "../../_internal/root_layout.ts";
import {
  type HeldRun,
  holdLiveSteps,
  refuseLinksSync,
  reserveRunFolderSync,
  RunFolderError,
} from "../../_internal/run_folder.ts";
import { joinBytes, NEWLINE } from "../../_internal/text.ts";
import type {
  NodeAttempt,
  OutputChunk,
  OutputRef,
  ReceivedRun,
  RunDocument,
  RunStream,
} from "../types.ts";
import { encodeOutputTimes } from "../outputs.ts";
import { refuseNewlines } from "../root_arguments.ts";
import { asRunError, runError } from "../run_error.ts";
import { documentPath, streamPath } from "./file_run_view.ts";
import { OutputFolder, SyncedFolder } from "./folders.ts";

/** Where a run is received, and under which id. */
interface Place {
  port: FilePort;
  root: string;
  runId: string;
}

const END_OF_LINE = Uint8Array.of(NEWLINE);

/** A run that is on its way in. */
export class FileReceivedRun implements ReceivedRun {
  readonly #place: Place;
  readonly #paths: RunPaths;
  readonly #live: HeldRun;
  readonly #outputs: OutputFolder;
  /** The files of lines, and the output that was last appended to. */
  readonly #open = new Map<string, FileHandle>();
  #output: { name: string; file: FileHandle } | undefined;
  #isOver = false;

  private constructor(place: Place, paths: RunPaths, live: HeldRun) {
    this.#place = place;
    this.#paths = paths;
    this.#live = live;
    const folder = new SyncedFolder(place.port, paths.directory);
    this.#outputs = new OutputFolder(place.port, paths.nodes, folder);
  }

  /** Begins to receive one. */
  static async begin(place: Place): Promise<FileReceivedRun> {
    const { port, root, runId } = place;
    refuseLinksSync(port, [runsDirectory(root)]);
    if (lookAtSync(port, runPaths(root, runId).directory) !== undefined) throw thereIsOne(place);
    await sweepReceived(port, root);
    const { paths, live } = await makeReceived(port, root);
    return new FileReceivedRun(place, paths, live);
  }

  appendLines(stream: RunStream | "events", lines: readonly Uint8Array[]): Promise<void> {
    return this.#attempt(() => {
      refuseNewlines(lines);
      const whole = joinBytes(lines.flatMap((line) => [line, END_OF_LINE]));
      writeWholeSync(this.#stream(stream), whole);
    });
  }

  putTail(stream: RunStream | "events", bytes: Uint8Array): Promise<boolean> {
    return this.#attempt(() => {
      refuseNewlines([bytes]);
      writeWholeSync(this.#stream(stream), bytes);
      return true;
    });
  }

  putDocument(name: RunDocument, bytes: Uint8Array): Promise<void> {
    return this.#attempt(() => {
      const file = this.#create(documentPath(this.#paths, name));
      try {
        writeWholeSync(file, bytes);
        file.syncDataSync();
      } finally {
        file.close();
      }
    });
  }

  appendOutput(of: OutputRef, bytes: Uint8Array): Promise<void> {
    return this.#attempt(() => {
      const name = outputName(of);
      if (this.#output?.name !== name) {
        this.#closeOutput();
        this.#output = { name, file: this.#outputs.create(of) };
      }
      writeWholeSync(this.#output.file, bytes);
    });
  }

  putTimes(of: NodeAttempt, chunks: readonly OutputChunk[]): Promise<void> {
    return this.#attempt(async () => {
      const file = this.#outputs.open({ ...of, stream: "times" });
      try {
        if (chunks.length > 0) file.write(encodeOutputTimes(chunks));
      } finally {
        await file.end({ sync: false });
      }
    });
  }

  commit(): Promise<void> {
    return this.#attempt(async () => {
      const { port, root, runId } = this.#place;
      this.#closeOutput();
      // A run has a log from the beginning on, though nothing may be in it yet.
      if (!this.#open.has("events")) {
        this.#open.set("events", this.#create(streamPath(this.#paths, "events")));
      }
      for (const file of this.#open.values()) file.syncDataSync();
      this.#closeFiles();
      await this.#outputs.reach();
      syncDirectorySync(port, this.#paths.directory);
      const paths = runPaths(root, runId);
      if (!reserveRunFolderSync(port, { root, runId, paths })) throw thereIsOne(this.#place);
      // Windows renames no folder with an open file in it, nor to a name that is taken.
      if (isWindows) {
        this.#live.release();
        port.removeSync(paths.directory);
      }
      port.renameSync(this.#paths.directory, paths.directory);
      this.#isOver = true;
      if (!isWindows) this.#live.release();
      for (const folder of [runsDirectory(root), root]) syncDirectorySync(port, folder);
    });
  }

  // deno-lint-ignore require-await -- what it throws is for who waits
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#output?.file.close();
    this.#closeFiles();
    removeReceived(this.#place.port, this.#paths.directory, this.#live);
  }

  #stream(stream: RunStream | "events"): FileHandle {
    const file = this.#open.get(stream) ?? this.#create(streamPath(this.#paths, stream));
    this.#open.set(stream, file);
    return file;
  }

  #create(path: string): FileHandle {
    return openRegularSync(this.#place.port, path, { write: true, createNew: true, mode: 0o600 });
  }

  #closeOutput(): void {
    this.#output?.file.syncDataSync();
    this.#output?.file.close();
    this.#output = undefined;
  }

  #closeFiles(): void {
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
  }

  async #attempt<T>(operation: () => T | Promise<T>): Promise<T> {
    const { runId, root: path } = this.#place;
    if (this.#isOver) {
      throw runError("lost", `Cannot receive ${runId}: that is over`, { details: { runId } });
    }
    try {
      return await operation();
    } catch (error) {
      throw asRunError(error, { runId, path });
    }
  }
}

/** Whoever sweeps may have the lock of a new folder for a moment, and takes that away. */
const MOST_TRIES = 3;
const HOLD_TIMEOUT_MS = 500;

/** Makes a folder for a run that is on its way in, and holds it. */
async function makeReceived(
  port: FilePort,
  root: string,
): Promise<{ paths: RunPaths; live: HeldRun }> {
  for (let tries = 1;; tries++) {
    const name = newReceivedName();
    const paths = runPaths(root, name);
    makeDirectoriesSync(port, root, ["runs", name]);
    try {
      const live = await hold(port, paths.liveLock, HOLD_TIMEOUT_MS);
      return { paths, live };
    } catch (error) {
      if (!isNotFound(error) || tries === MOST_TRIES) throw error;
    }
  }
}

function hold(port: FilePort, path: string, timeoutMs: number): Promise<HeldRun> {
  return runSteps(holdLiveSteps(port, { path, exclusive: true, timeoutMs }));
}

/** Removes what was on its way in when its process died; returns how many runs that were. */
export async function sweepReceived(port: FilePort, root: string): Promise<number> {
  const runs = runsDirectory(root);
  if (lookAtSync(port, runs) === undefined) return 0;
  let count = 0;
  for (const { name } of Array.from(port.readDirSync(runs)).filter(isReceived)) {
    const { directory, liveLock } = runPaths(root, name);
    // One look: who has it is at work.
    const live = await hold(port, liveLock, Number.MIN_VALUE).catch(unlessHeld);
    if (live === undefined) continue;
    removeReceived(port, directory, live);
    count++;
  }
  return count;
}

/** Held, made whole or removed meanwhile. */
function unlessHeld(error: unknown): undefined {
  if (!isNotFound(error) && !(error instanceof RunFolderError)) throw error;
}

function removeReceived(port: FilePort, directory: string, live: HeldRun): void {
  // Windows removes no folder with an open file in it.
  if (isWindows) live.release();
  try {
    removeTreeSync(port, directory);
  } finally {
    if (!isWindows) live.release();
  }
}

function thereIsOne({ root, runId }: Place) {
  return runError("exists", `Cannot receive the run ${runId}: there is one of this id`, {
    details: { runId, path: join(runsDirectory(root), runId) },
    remedy: "choose another id",
  });
}
