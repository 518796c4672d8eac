import { denoFilePort, type FilePort } from "../_internal/file_port.ts";
import { linePiecesSync } from "../_internal/json_lines.ts";
import { checkTypes } from "../_internal/check.ts";
import type { DecodedLines } from "./event_codec.ts";
import { wrapIo } from "./event_log_error.ts";
import type { RunEvent } from "./run_event.ts";
import {
  locateSync,
  openForReading,
  type OpenRun,
  readingOf,
  refuseGap,
  RunReader,
} from "./run_reader.ts";
import type { FollowOptions, Gap, StandardSchema, Stored } from "./types.ts";

/** Options of {@linkcode followRun}. */
export interface FollowRunOptions<E> extends FollowOptions {
  /** Checks each event; what it refuses is a gap. */
  schema?: StandardSchema<E>;
}

const BLOCK_BYTES = 256 * 1024;

/**
 * Delivers the lines of a run that are there, then those that come, each once and in order. It
 * opens the log for reading only, so the run does not count as live because of it. A line that is
 * still being written is waited for. Nothing is polled busily: the file is watched, with a look
 * every second in case the file system tells nothing.
 *
 * Where an append fails halfway, on a full disk, lines of it may have been delivered before they
 * were taken back; what follows is then an error of kind `cursor`.
 *
 * It ends, without an error, when the signal aborts or the loop is left. Whether the run is over
 * is for {@linkcode deriveRunState} and {@linkcode isLive} to say.
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @typeParam E The events; by default the vocabulary of runs.
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @param options Where to begin, and when to end.
 * @returns The events, and the gaps between them.
 * @throws {TypeError} If the run id or the cursor is none.
 * @throws {EventLogError} `io` when there is no such log, `cursor` when the log is not the cursor's
 * or is rewound meanwhile, `malformed` in strict reading.
 *
 * @example Usage
 * ```ts
 * import { followRun, openEventLog } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await using log = await openEventLog<{ n: number }>({ root, runId: "demo" });
 * await log.append({ n: 1 });
 * for await (const item of followRun<{ n: number }>(root, "demo")) {
 *   assertEquals(item, { seq: 1, event: { n: 1 } });
 *   break;
 * }
 * ```
 */
export function followRun<E = RunEvent>(
  root: string,
  runId: string,
  options: FollowRunOptions<E> = {},
): AsyncIterableIterator<Stored<E> | Gap> {
  return followOnPort(denoFilePort, { root, runId }, options);
}

/** {@linkcode followRun} on a given file system. */
export function followOnPort<E>(
  port: FilePort,
  run: { root: string; runId: string },
  options: FollowRunOptions<E>,
): AsyncIterableIterator<Stored<E> | Gap> {
  checkTypes(options, { strict: "boolean?", signal: "object?" });
  const left = new AbortController();
  const signal = options.signal === undefined
    ? left.signal
    : AbortSignal.any([left.signal, options.signal]);
  const items = follow<E>(() => openForReading(port, run.root, run.runId), { ...options, signal });
  return {
    next: () => items.next(),
    // A generator that waits takes notice of return() only when it goes on; this makes it go on.
    return: (value) => {
      left.abort();
      return items.return(value);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* follow<E>(
  open: () => OpenRun,
  options: FollowRunOptions<E> & { signal: AbortSignal },
): AsyncGenerator<Stored<E> | Gap, void> {
  const { signal } = options;
  const run = open();
  const path = run.paths.events;
  using watcher = new ChangeWatcher(path);
  try {
    const reader = new RunReader<E>(run, { ...options, strict: false });
    let before = reader.cursor();
    while (!signal.aborted) {
      const reading = readingOf(run, reader.position.byteOffset, BLOCK_BYTES);
      for (const piece of linePiecesSync(run.file, reading)) {
        // A failed append may have been cut back: is the line before still there after this read?
        wrapIo(path, () => locateSync(run.file, { path, after: before }));
        if (piece.kind === "end") break;
        const decoded = wrapIo(path, () => reader.lines(piece));
        before = reader.cursor();
        for (const item of inOrder(decoded)) {
          if (options.strict && "reason" in item) refuseGap(path, item);
          yield item;
          if (signal.aborted) return;
        }
      }
      await watcher.wait(signal);
    }
  } finally {
    run.file.close();
  }
}

/** Events and gaps by seq; the gap first where bytes before an event were lost. */
function* inOrder<E>({ events, gaps }: DecodedLines<E>): Generator<Stored<E> | Gap> {
  let nextGap = 0;
  for (const stored of events) {
    while (nextGap < gaps.length && gaps[nextGap]!.seq <= stored.seq) yield gaps[nextGap++]!;
    yield stored;
  }
  yield* gaps.slice(nextGap);
}

/** How often to look all the same: a watcher sees nothing of other machines on a network drive. */
const WATCHED_POLL_MS = 1000;
/** How often to look where watching is not possible, for one because all watches are in use. */
const UNWATCHED_POLL_MS = 100;

/**
 * Tells when a file may have changed. A change between two waits is remembered, so none is missed
 * by whoever looks at the file after creating the watcher and after every wait.
 */
export class ChangeWatcher implements Disposable {
  readonly #watcher: Deno.FsWatcher | undefined;
  #changed = false;
  #wake = () => {};

  constructor(path: string) {
    try {
      this.#watcher = Deno.watchFs(path);
    } catch {
      return;
    }
    void this.#listen(this.#watcher);
  }

  /** Resolves at a change, at an abort, or after a while. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#changed && !signal.aborted) await this.#sleep(signal);
    this.#changed = false;
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }

  async #listen(watcher: Deno.FsWatcher): Promise<void> {
    try {
      for await (const { kind } of watcher) {
        // Reading the file, as the follower itself does, is an "access" too.
        if (kind === "access") continue;
        this.#changed = true;
        this.#wake();
      }
    } catch { /* Too many changes at once, for one: the poll sees them. */ }
  }

  async #sleep(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const pollMs = this.#watcher === undefined ? UNWATCHED_POLL_MS : WATCHED_POLL_MS;
    const timer = setTimeout(resolve, pollMs);
    const wake = () => resolve();
    signal.addEventListener("abort", wake);
    this.#wake = wake;
    await promise;
    signal.removeEventListener("abort", wake);
    clearTimeout(timer);
  }
}
