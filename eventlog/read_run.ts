import { denoFilePort } from "../_internal/file_port.ts";
import { wrapIo } from "./event_log_error.ts";
import { openForReading, runPieces, runPiecesSync, RunReader } from "./run_reader.ts";
import type { EventPage, ReadAfter, StandardSchema } from "./types.ts";
import type { RunEvent } from "./run_event.ts";

/** Options of {@linkcode readRun}. */
export interface ReadRunOptions<E> {
  /**
   * Where to begin.
   *
   * @default {0}
   */
  after?: ReadAfter;
  /**
   * Throw at the first bad line instead of returning gaps; blank lines are passed over.
   *
   * @default {false}
   */
  strict?: boolean;
  /** Checks each event; what it refuses is a gap. */
  schema?: StandardSchema<E>;
  /** Stops the reading, with its reason as the error. */
  signal?: AbortSignal;
}

const BLOCK_BYTES = 256 * 1024;

/**
 * Reads a whole run in pages of about 256 KiB. It streams: memory does not grow with the log. It
 * takes no lock, changes nothing, and never fails because of a writer beside it; a damaged line is
 * a gap of its page and costs nobody else (OLG-5 is what `strict` does).
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @typeParam E The events; by default the vocabulary of runs.
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @param options Where to begin, and what to do with bad lines.
 * @returns The pages.
 * @throws {TypeError} If the run id or the cursor is none.
 * @throws {EventLogError} `io` when there is no such log, `cursor` when it is not the cursor's log,
 * `malformed` in strict reading, `format` when a newer version wrote it.
 *
 * @example Usage
 * ```ts
 * import { openEventLog, readRun } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await using log = await openEventLog<{ n: number }>({ root, runId: "demo" });
 * await log.appendAll([{ n: 1 }, { n: 2 }]);
 *
 * for await (const page of readRun<{ n: number }>(root, "demo")) {
 *   assertEquals(page.events, [{ seq: 1, event: { n: 1 } }, { seq: 2, event: { n: 2 } }]);
 * }
 * ```
 */
export async function* readRun<E = RunEvent>(
  root: string,
  runId: string,
  options: ReadRunOptions<E> = {},
): AsyncGenerator<EventPage<E>, void> {
  const opened = openForReading(denoFilePort, root, runId);
  try {
    options.signal?.throwIfAborted();
    const reader = new RunReader<E>(opened, options);
    const start = reader.position.byteOffset;
    for await (const piece of runPieces(opened, { start, blockBytes: BLOCK_BYTES })) {
      options.signal?.throwIfAborted();
      const page = wrapIo(opened.paths.events, () => reader.page(piece));
      if (page !== undefined) yield page;
      if (piece.kind === "end") return;
    }
  } finally {
    opened.file.close();
  }
}

/**
 * {@linkcode readRun}, blocking: a tenth faster, for scripts and command lines.
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @typeParam E The events; by default the vocabulary of runs.
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @param options Where to begin, and what to do with bad lines.
 * @returns The pages.
 * @throws {TypeError} If the run id or the cursor is none.
 * @throws {EventLogError} As {@linkcode readRun}.
 *
 * @example Usage
 * ```ts
 * import { openEventLogSync, readRunSync } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * using log = openEventLogSync<{ n: number }>({ root, runId: "demo" });
 * log.appendSync({ n: 1 });
 *
 * const pages = [...readRunSync<{ n: number }>(root, "demo")];
 * assertEquals(pages[0]?.events, [{ seq: 1, event: { n: 1 } }]);
 * ```
 */
export function* readRunSync<E = RunEvent>(
  root: string,
  runId: string,
  options: ReadRunOptions<E> = {},
): Generator<EventPage<E>, void> {
  const opened = openForReading(denoFilePort, root, runId);
  try {
    options.signal?.throwIfAborted();
    const reader = new RunReader<E>(opened, options);
    const start = reader.position.byteOffset;
    for (const piece of runPiecesSync(opened, { start, blockBytes: BLOCK_BYTES })) {
      options.signal?.throwIfAborted();
      const page = wrapIo(opened.paths.events, () => reader.page(piece));
      if (page !== undefined) yield page;
      if (piece.kind === "end") return;
    }
  } finally {
    opened.file.close();
  }
}
