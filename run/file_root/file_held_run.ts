/**
 * A run of a root of files that this process alone writes. What is always true:
 *
 * 1. **The run's lock is held from before the first file is opened until behind the last one is closed**: by
 *    the system, so that it is free when this process dies, whatever kills it.
 * 2. **What is appended is in the files when `append` returns**, capture before events before processes.
 * 3. **A barrier covers names too**: a file counts as on disk when the folders down to it are.
 * 4. When a file is not what it was, this process holds the run no more, and says so once.
 */
import { atomicReplace } from "../../_internal/atomic_replace.ts";
import { type FilePort, isNotFound } from "../../_internal/file_port.ts";
import { lockBesidePath, type RunPaths } from "../../_internal/root_layout.ts";
import { refuseNewlines } from "../root_arguments.ts";
import type { HeldRun as HeldFolder } from "../../_internal/run_folder.ts";
import type { HeldRun, OutputRef, OutputSink, RunDocument, RunLines, RunView } from "../types.ts";
import { AttemptOutputs } from "../outputs.ts";
import { asRunError, runError } from "../run_error.ts";
import { documentPath } from "./file_run_view.ts";
import { LineStream } from "./line_stream.ts";
import type { StoreFollower } from "./store_follower.ts";
import { OutputFolder, type SyncedFolder } from "./folders.ts";

/** The streams that the holder appends to, in the order in which they are written. */
const STREAMS = ["capture", "events", "processes"] as const;
type Stream = (typeof STREAMS)[number];

/** What a {@linkcode FileHeldRun} is made of. */
export interface HeldRunParts {
  port: FilePort;
  view: RunView;
  paths: RunPaths;
  token: bigint;
  folder: SyncedFolder;
  live: HeldFolder;
  durability: "os" | "disk";
  lockTimeoutMs: number;
  /** Takes the events into the store; undefined where there is none. */
  store: StoreFollower | undefined;
}

/** A held run. */
export class FileHeldRun implements HeldRun {
  readonly view: RunView;
  readonly token: bigint;
  readonly #parts: HeldRunParts;
  readonly #lost = new AbortController();
  readonly #streams: Readonly<Record<Stream, LineStream>>;
  readonly #outputs: AttemptOutputs;
  #closing: Promise<void> | undefined;

  constructor(parts: HeldRunParts) {
    const { port, view, paths, folder } = parts;
    this.view = view;
    this.token = parts.token;
    this.#parts = parts;
    this.#streams = {
      capture: this.#stream(paths.journal, lockBesidePath(paths.journal)),
      events: this.#stream(paths.events, paths.eventsLock),
      processes: this.#stream(paths.processes, lockBesidePath(paths.processes)),
    };
    const outputs = new OutputFolder(port, paths.nodes, folder);
    this.#outputs = new AttemptOutputs((of) => outputs.open(of));
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Opens files now that would be opened with their first line. */
  open(streams: readonly Stream[]): void {
    for (const name of streams) this.#streams[name].open();
  }

  append(lines: RunLines): Promise<void> {
    try {
      this.#checkHeld();
      for (const name of STREAMS) {
        const texts = lines[name];
        if (texts === undefined || texts.length === 0) continue;
        refuseNewlines(texts);
        this.#streams[name].append(texts);
        if (name === "events") this.#parts.store?.take(texts);
      }
    } catch (error) {
      return Promise.reject(this.#asError(error));
    }
    return this.#parts.durability === "disk"
      ? this.barrier({ of: STREAMS.filter((name) => lines[name] !== undefined) })
      : Promise.resolve();
  }

  async barrier(options: { of?: readonly Stream[] } = {}): Promise<void> {
    this.#checkHeld();
    const { of = STREAMS } = options;
    await this.#attempt(() => Promise.all(of.map((name) => this.#streams[name].reach())));
  }

  async putDocument(name: RunDocument, bytes: Uint8Array | undefined): Promise<void> {
    this.#checkHeld();
    const { port, folder } = this.#parts;
    const path = documentPath(this.#parts.paths, name);
    await this.#attempt(async () => {
      if (bytes === undefined) removeIfThere(port, path);
      else await atomicReplace(port, { path, bytes, syncsDirectory: false, toError: asError });
      await folder.reach(folder.add());
    });
  }

  openOutput(of: OutputRef, options: { maxBytes: number }): OutputSink {
    this.#checkHeld();
    return this.#outputs.open(of, options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const { store, live } = this.#parts;
    const failures: unknown[] = [];
    await this.#outputs.close();
    for (const name of STREAMS) {
      await this.#streams[name].close().catch((error) => failures.push(error));
    }
    await store?.close().catch((error) => failures.push(error));
    live.release();
    if (failures.length > 0) throw this.#asError(failures[0]);
  }

  #stream(path: string, lockPath: string): LineStream {
    const { port, view: { runId }, lockTimeoutMs, folder, live: held } = this.#parts;
    const onLost = (error: Error) => this.#lost.abort(error);
    const isAlone = path === this.#parts.paths.journal;
    const parts = { port, runId, path, lockPath, lockTimeoutMs, folder, held, onLost };
    return new LineStream({ ...parts, isAlone });
  }

  #checkHeld(): void {
    if (this.#closing === undefined) return;
    const { runId } = this.view;
    throw runError("lost", `Cannot write the run ${runId}: it is not held any more`, {
      details: { runId },
    });
  }

  async #attempt(operation: () => Promise<unknown>): Promise<void> {
    try {
      await operation();
    } catch (error) {
      throw this.#asError(error);
    }
  }

  #asError(error: unknown): unknown {
    return asRunError(error, { runId: this.view.runId, path: this.#parts.paths.directory });
  }
}

function asError({ cause }: { cause: unknown }): Error {
  return cause instanceof Error ? cause : new Error(String(cause));
}

function removeIfThere(port: FilePort, path: string): void {
  try {
    port.removeSync(path);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
