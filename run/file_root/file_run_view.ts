/** A run of a root of files, as it can be read. Nothing here changes a file or keeps one open. */
import {
  denoFilePort,
  type FilePort,
  lookAtSync,
  openRegularSync,
  readFileSync,
  readRangeSync,
  sizeOf,
  withFileSync,
} from "../../_internal/file_port.ts";
import { linePieces, linesOf, MAX_LINE_BYTES } from "../../_internal/json_lines.ts";
import { lastLineEndSync } from "../../_internal/line_file.ts";
import { parseOpener, readOwnerSync } from "../../_internal/lock.ts";
import { join } from "../../_internal/path.ts";
import {
  type AttemptFile,
  MAX_RUN_FILE_BYTES,
  outputPath,
  type RunPaths,
  runPaths,
  runtimeDirectory,
} from "../../_internal/root_layout.ts";
import { viewRun } from "../../eventlog/file_event_log.ts";
import { followRun, peekRun, type RunPeek } from "../../eventlog/read_run.ts";
import type { RunEvent } from "../../eventlog/run_event.ts";
import { isLive } from "../../eventlog/runs_directory.ts";
import type { EventPage, ReadOptions } from "../../eventlog/types.ts";
import type {
  OutputChunk,
  OutputRange,
  OutputRef,
  RunDocument,
  RunEvents,
  RunHolder,
  RunStream,
  RunView,
} from "../types.ts";
import { asRunError, isMissingFile, missingError } from "../run_error.ts";

/** Where a document of a run is. */
export function documentPath(paths: RunPaths, name: RunDocument): string {
  switch (name) {
    case "run.json":
      return paths.run;
    case "flow.json":
      return paths.flow;
    case "trace.json":
      return paths.trace;
    case "capture.json":
      return paths.bundle;
  }
}

/** Where a stream of a run is. */
export function streamPath(paths: RunPaths, stream: RunStream | "events"): string {
  const { events, journal: capture, processes, inbox } = paths;
  return { events, capture, processes, inbox }[stream];
}

/** Refuses a run that is not there. */
export function refuseMissingSync(
  port: FilePort,
  { root, runId, paths }: { root: string; runId: string; paths: RunPaths },
): void {
  if (lookAtSync(port, paths.directory)?.isDirectory) return;
  throw missingError(runId, root);
}

const BLOCK_BYTES = 256 * 1024;

/** Reads one run. */
export class FileRunView implements RunView {
  readonly runId: string;
  readonly #root: string;
  readonly #paths: RunPaths;
  #events: RunEvents | undefined;

  constructor(root: string, runId: string) {
    this.runId = runId;
    this.#root = root;
    this.#paths = runPaths(root, runId);
  }

  get events(): RunEvents {
    return this.#events ??= this.#viewEvents();
  }

  #viewEvents(): RunEvents {
    const events = viewRun(this.#root, this.runId);
    return {
      read: (options) => this.#orMissing(() => events.read(options)),
      follow: (options) => followRun(this.#root, this.runId, options),
      lastSeq: () => this.#orMissing(() => events.lastSeq()),
    };
  }

  async holder(): Promise<RunHolder | undefined> {
    if (!await isLive(this.#root, this.runId)) return undefined;
    return readHolder(this.#paths.liveLock);
  }

  peek(): Promise<RunPeek<RunEvent>> {
    return this.#orMissing(() => peekRun(this.#root, this.runId));
  }

  lines(stream: RunStream, options?: ReadOptions): Promise<EventPage<unknown>> {
    return this.#orMissing(() => {
      return viewRun<unknown>(this.#root, this.runId, { lines: stream }).read(options);
    });
  }

  async *raw(
    stream: RunStream | "events",
  ): AsyncGenerator<Uint8Array | { unreadable: string }> {
    const path = streamPath(this.#paths, stream);
    const file = await this.#orMissing(() => {
      return ifThere(() => openRegularSync(denoFilePort, path, { read: true }));
    });
    if (file === undefined) return;
    try {
      // Its holder may go on to append, faster than this reads.
      const end = sizeOf(file);
      for await (const piece of linePieces(file, { start: 0, blockBytes: BLOCK_BYTES, end })) {
        if (piece.kind === "end") return;
        if (piece.kind !== "lines") yield tooLong(piece);
        else {
          for (const line of linesOf(piece)) {
            // NULs by the megabyte in front of it are not held, and without them it were another line.
            yield line.byteLength === line.bytes.length ? line.bytes : tooLong(line);
          }
        }
      }
    } finally {
      file.close();
    }
  }

  tail(stream: RunStream | "events"): Promise<Uint8Array | { unreadable: string } | undefined> {
    return this.#orMissing(() => ifThere(() => readTail(streamPath(this.#paths, stream))));
  }

  lastLine(stream: RunStream): Promise<unknown> {
    return this.#orMissing(() => ifThere(() => readLastLine(streamPath(this.#paths, stream))));
  }

  get journal(): string {
    return this.#paths.journal;
  }

  has(name: RunDocument): Promise<boolean> {
    const path = documentPath(this.#paths, name);
    return this.#orMissing(() => lookAtSync(denoFilePort, path) !== undefined);
  }

  document(name: RunDocument): Promise<Uint8Array | undefined> {
    const path = documentPath(this.#paths, name);
    const most = name === "run.json" ? MAX_RUN_FILE_BYTES : undefined;
    return this.#orMissing(() => ifThere(() => readFileSync(denoFilePort, path, most)));
  }

  output(of: OutputRef, range?: OutputRange): Promise<Uint8Array | undefined> {
    return this.#orMissing(() => ifThere(() => readPart(this.#pathOf(of), range)));
  }

  times(of: { nodeId: string; attempt: number }): Promise<OutputChunk[] | undefined> {
    const path = this.#pathOf({ ...of, stream: "times" });
    return this.#orMissing(async () => {
      // Few ask for it.
      const { parseOutputTimes } = await import("../outputs.ts");
      const bytes = ifThere(() => readFileSync(denoFilePort, path));
      return bytes && parseOutputTimes(bytes);
    });
  }

  size(): Promise<number> {
    return this.#orMissing(() => {
      return sizeBelow(denoFilePort, this.#paths.directory) +
        sizeBelow(denoFilePort, runtimeDirectory(this.#root, this.runId));
    });
  }

  #pathOf(of: AttemptFile): string {
    return outputPath({ root: this.#root, runId: this.runId }, of);
  }

  /** Of a run that is not there nothing can be read, whatever was asked for. */
  async #orMissing<T>(read: () => T | Promise<T>): Promise<T> {
    const { directory } = this.#paths;
    try {
      refuseMissingSync(denoFilePort, {
        root: this.#root,
        runId: this.runId,
        paths: this.#paths,
      });
      return await read();
    } catch (error) {
      const isPlace = error instanceof Error && Reflect.get(error, "kind") === "cursor";
      throw isPlace ? error : asRunError(error, { runId: this.runId, path: directory });
    }
  }
}

function tooLong({ byteLength }: { byteLength: number }): { unreadable: string } {
  return { unreadable: `it is ${byteLength} bytes long` };
}

function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw error;
  }
}

/** Who has written into the lock that is held. A lock that was removed, or is no file of ours, names nobody. */
function readHolder(path: string): RunHolder {
  try {
    return withFileSync(denoFilePort, { path, read: true }, (file) => {
      const { mtime, dev, ino } = file.statSync();
      const opener = parseOpener(readOwnerSync(file));
      const isOwn = opener?.ino === undefined || (opener.ino === ino && opener.dev === dev);
      return { host: undefined, pid: isOwn ? opener?.pid : undefined, since: mtime?.getTime() };
    });
  } catch {
    return { host: undefined, pid: undefined, since: undefined };
  }
}

/** What stands behind the last newline; undefined where nothing does. */
function readTail(path: string): Uint8Array | { unreadable: string } | undefined {
  return withFileSync(denoFilePort, { path, read: true }, (file) => {
    const size = sizeOf(file);
    const start = lastLineEndSync(file, size);
    if (start === size) return undefined;
    const byteLength = size - start;
    return byteLength > MAX_LINE_BYTES ? tooLong({ byteLength }) : readRangeSync(file, start, size);
  });
}

/** More than a line takes that was not made by somebody for this. */
const LAST_LINE_BYTES = 64 * 1024;

function readLastLine(path: string): unknown {
  const tail = withFileSync(denoFilePort, { path, read: true }, (file) => {
    const size = sizeOf(file);
    // It may begin within a character.
    return new TextDecoder().decode(readRangeSync(file, Math.max(0, size - LAST_LINE_BYTES), size));
  });
  try {
    return JSON.parse(tail.trimEnd().split("\n").at(-1)!);
  } catch {
    return undefined;
  }
}

function readPart(path: string, range: OutputRange | undefined): Uint8Array {
  return withFileSync(denoFilePort, { path, read: true }, (file) => {
    const size = sizeOf(file);
    if (range === undefined) return readRangeSync(file, 0, size);
    const start = "last" in range ? size - range.last : range.from;
    const end = "last" in range ? size : range.from + range.length;
    const from = Math.min(Math.max(0, start), size);
    return readRangeSync(file, from, Math.min(Math.max(from, end), size));
  });
}

/** What the files below a folder take together. What is removed meanwhile, or cannot be looked at, takes nothing. */
function sizeBelow(port: FilePort, directory: string): number {
  let size = 0;
  try {
    for (const { name, isDirectory } of port.readDirSync(directory)) {
      const path = join(directory, name);
      size += isDirectory ? sizeBelow(port, path) : lookAtSync(port, path)?.size ?? 0;
    }
  } catch (error) {
    // That is no missing file: the message says which permission to give.
    if (error instanceof Deno.errors.NotCapable) throw error;
  }
  return size;
}
