import { defined } from "../_internal/errors.ts";
import { denoFilePort, lookAtSync } from "../_internal/file_port.ts";
import { type LinePiece, linePieces, linesOf } from "../_internal/json_lines.ts";
import { isUlid, runPaths } from "../_internal/root_layout.ts";
import { ioError, wrapIo } from "./event_log_error.ts";
import { openEventLog } from "./open_event_log.ts";
import { damagedLines } from "./derive_run_state.ts";
import {
  isKnownRunEvent,
  type KnownRunEvent,
  type PipeStarted,
  type RunEvent,
} from "./run_event.ts";
import { openForReading, readingToEndOf, RunReader } from "./run_reader.ts";
import type { EventLog, EventPage, Gap, GapReason, Recovery, Stored } from "./types.ts";

/**
 * What is wrong with a line: it gives no event ({@linkcode GapReason}), or, where it is a known
 * {@linkcode RunEvent}: `id-order` = its id does not fit between those before and behind it (OEV-1);
 * `id-double` = it has the same id as the one before; `foreign-run` = it names another run;
 * `after-end` = it follows the terminal event of a run that was not gone on with (OEV-6).
 */
export type RunProblemKind = GapReason | "id-order" | "id-double" | "foreign-run" | "after-end";

/** One thing that is wrong in a log. */
export interface RunProblem {
  /** What is wrong. */
  kind: RunProblemKind;
  /** The 1-based line. */
  line: number;
  /** Where the line begins in the file; left out where it is in none. */
  byteOffset?: number;
  /** What is wrong, for people. */
  message: string;
}

/** What {@linkcode verifyRun} found. */
export interface RunVerdict {
  /** Whether nothing is wrong. */
  ok: boolean;
  /** How many whole lines there are. */
  lines: number;
  /** Everything that is wrong, in order. */
  problems: RunProblem[];
  /** Lines that give no event, but were found so when the run was gone on with, so that all is known. */
  notes: RunProblem[];
}

const BLOCK_BYTES = 256 * 1024;

/**
 * Looks for everything that is wrong in a log, and changes nothing: lines that give no event, and,
 * in the vocabulary of runs, ids out of order or double, events of other runs, and events after the
 * terminal one. A whole line that is missing cannot be noticed in a plain log.
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @returns What was found.
 * @throws {TypeError} If the run id is not allowed.
 * @throws {EventLogError} `io` when there is no such log, `format` when a newer version wrote it.
 *
 * @example Usage
 * ```ts
 * import { openEventLog, verifyRun } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const log = await openEventLog<{ n: number }>({ root, runId: "demo" });
 * await log.append({ n: 1 });
 * await log.close();
 * await Deno.writeTextFile(log.path, "oops\n", { append: true });
 *
 * const { ok, problems } = await verifyRun(root, "demo");
 * assertEquals(ok, false);
 * assertEquals(problems[0]?.line, 2);
 * ```
 */
export async function verifyRun(root: string, runId: string): Promise<RunVerdict> {
  const run = openForReading(denoFilePort, root, runId);
  const path = run.paths.events;
  const gaps: RunProblem[] = [];
  const checker = new EventChecker(runId);
  try {
    const reader = new RunReader<RunEvent>(run, {});
    for await (const piece of linePieces(run.file, readingToEndOf(run, 0, BLOCK_BYTES))) {
      const firstSeq = reader.position.seq + 1;
      const decoded = wrapIo(path, () => reader.lines(piece));
      gaps.push(...decoded.gaps.map(problemOfGap));
      const offsetOf = lineOffsets(piece);
      for (const stored of decoded.events) {
        checker.take(stored, () => offsetOf(stored.seq - firstSeq));
      }
      if (piece.kind === "end") break;
    }
    return verdictOf(checker, gaps, reader.position.seq);
  } finally {
    run.file.close();
  }
}

/**
 * {@linkcode verifyRun} of a log that is read through its port, wherever it is kept.
 *
 * Permissions: those that reading the log needs.
 *
 * @param runId The run.
 * @param log The log.
 * @returns What was found.
 *
 * @example Usage
 * ```ts
 * import { openEventLog, verifyLog } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * await using log = await openEventLog({ root: await Deno.makeTempDir(), runId: "demo" });
 * const event = { type: "pipe.started", ts: "2026-01-01T00:00:00Z", pipe: "demo" } as const;
 * await log.append({ ...event, id: "1", run_id: "another" });
 * const { problems } = await verifyLog("demo", log);
 * assertEquals(problems[0]?.kind, "foreign-run");
 * ```
 */
export async function verifyLog(
  runId: string,
  log: Pick<EventLog<RunEvent>, "read">,
): Promise<RunVerdict> {
  const checker = new EventChecker(runId);
  const gaps: RunProblem[] = [];
  let lines = 0;
  let after: string | number = 0;
  for (let hasMore = true; hasMore;) {
    const page: EventPage<RunEvent> = await log.read({ after, limit: PAGE });
    gaps.push(...page.gaps.map(problemOfGap));
    for (const stored of page.events) checker.take(stored, () => undefined);
    lines = Math.max(lines, page.events.at(-1)?.seq ?? 0, page.gaps.at(-1)?.seq ?? 0);
    after = page.next;
    hasMore = page.hasMore;
  }
  return verdictOf(checker, gaps, lines);
}

/** A page has this many lines at most. */
const PAGE = 10_000;

function problemOfGap({ reason, seq, byteOffset, message }: Gap): RunProblem {
  return { kind: reason, line: seq, ...defined({ byteOffset }), message };
}

function verdictOf(checker: EventChecker, gaps: RunProblem[], lines: number): RunVerdict {
  const isNote = ({ line }: RunProblem) => {
    return checker.damaged.some(([first, last]) => first <= line && line <= last);
  };
  const problems = [...gaps.filter((gap) => !isNote(gap)), ...checker.problems()]
    .sort((a, b) => a.line - b.line);
  const notes = gaps.filter(isNote);
  return { ok: problems.length === 0, lines, problems, notes };
}

/** Where the lines of a piece begin, looked for when it is asked for the first time. */
function lineOffsets(piece: LinePiece): (index: number) => number {
  let offsets: number[] | undefined;
  return (index) => {
    if (piece.kind !== "lines") return piece.byteOffset;
    offsets ??= Array.from(linesOf(piece), ({ byteOffset }) => byteOffset);
    return offsets[index]!;
  };
}

/** An id, and where it stands. */
interface PlacedId {
  id: string;
  line: number;
  byteOffset: () => number | undefined;
}

/** Checks the rules that hold between the events of one run, which it is to be given in order. */
class EventChecker {
  /** The lines that were found damaged when the run was gone on with. */
  readonly damaged: (readonly [first: number, last: number])[] = [];
  readonly #runId: string;
  readonly #problems: RunProblem[] = [];
  /** The last two ids in order; the later one is in doubt until the next one follows it. */
  #last: PlacedId | undefined;
  #before = "";
  #end: { type: string; seq: number; ts: number } | undefined;
  /** What follows the end: it is none of the run's, unless the run was gone on with behind it. */
  #afterEnd: RunProblem[] = [];

  constructor(runId: string) {
    this.#runId = runId;
  }

  /** What is wrong, of all that was taken. */
  problems(): RunProblem[] {
    return [...this.#problems, ...this.#afterEnd];
  }

  /** Takes the next event. */
  take({ seq, event }: Stored<RunEvent>, byteOffset: () => number | undefined): void {
    if (!isKnownRunEvent(event) || typeof event.id !== "string") return;
    const placed = { id: event.id, line: seq, byteOffset };
    const idProblem = this.#takeId(placed);
    if (event.run_id !== this.#runId) {
      this.#add("foreign-run", `the event is of run "${event.run_id}"`, placed);
    } else if (this.#followsEnd(event)) {
      const { type, seq: endSeq } = this.#end!;
      const found = problemAt("after-end", `the run ended with ${type} in line ${endSeq}`, placed);
      // Of what tells of attempts it may still turn out that the log had lacked it.
      (event.type.startsWith("pipe.") ? this.#problems : this.#afterEnd).push(found);
    } else if (idProblem !== undefined) this.#problems.push(idProblem);
    this.#takeState(event, seq);
  }

  #add(kind: RunProblemKind, message: string, at: PlacedId): void {
    this.#problems.push(problemAt(kind, message, at));
  }

  /** Whether an event stands behind an end that it does not belong before. */
  #followsEnd(event: KnownRunEvent): boolean {
    if (this.#end === undefined || isResumed(event)) return false;
    // What whoever goes on, or repairs, tells of earlier attempts.
    return event.type.startsWith("pipe.") || !(Date.parse(event.ts) <= this.#end.ts);
  }

  #takeState(event: KnownRunEvent, seq: number): void {
    if (isResumed(event)) {
      this.damaged.push(...damagedLines(event));
      this.#end = undefined;
      this.#afterEnd = [];
    } else if (event.type === "pipe.completed" || event.type === "pipe.aborted") {
      this.#end ??= { type: event.type, seq, ts: Date.parse(event.ts) };
    }
  }

  #takeId(placed: PlacedId): RunProblem | undefined {
    const { id } = placed;
    const last = this.#last;
    const lastId = last?.id ?? "";
    const isInOrder = id > lastId;
    // It is the one before that is too great, not all that follow it.
    const isAfterOutlier = !isInOrder && id !== lastId && id > this.#before &&
      (isUlid(id) || !isUlid(lastId));
    if (isInOrder) this.#before = lastId;
    if (isInOrder || isAfterOutlier) this.#last = placed;
    if (isInOrder) return undefined;
    if (id === lastId) {
      return problemAt("id-double", `the id ${id} is that of an event before`, placed);
    }
    const isLastTooGreat = isAfterOutlier && last !== undefined;
    return isLastTooGreat
      ? problemAt("id-order", `the id ${last.id} is greater than the next, ${id}`, last)
      : problemAt("id-order", `the id ${id} is not greater than ${lastId}`, placed);
  }
}

function isResumed(event: KnownRunEvent): event is PipeStarted {
  return event.type === "pipe.started" && event.resumed === true;
}

function problemAt(kind: RunProblemKind, message: string, at: PlacedId): RunProblem {
  return { kind, line: at.line, ...defined({ byteOffset: at.byteOffset() }), message };
}

/**
 * Mends the end of a log, as opening it for writing does: an unterminated last line gets its
 * newline if it is a whole JSON object; anything else is moved to `events.jsonl.torn-<n>`. Nothing
 * else is changed. The run must not be open anywhere.
 *
 * **Durability**: what was mended is on disk when this returns.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @returns What was mended.
 * @throws {TypeError} If the run id is not allowed.
 * @throws {EventLogError} `live` when the run is open, `io` when there is no such log.
 *
 * @example Usage
 * ```ts
 * import { openEventLog, repairRun } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const log = await openEventLog<{ n: number }>({ root, runId: "demo" });
 * await log.append({ n: 1 });
 * await log.close();
 * await Deno.writeTextFile(log.path, '{"n":', { append: true });
 *
 * const { tornFile } = await repairRun(root, "demo");
 * assertEquals(await Deno.readTextFile(tornFile!), '{"n":');
 * assertEquals(await Deno.readTextFile(log.path), '{"n":1}\n');
 * ```
 */
export async function repairRun(root: string, runId: string): Promise<Recovery> {
  const { events } = runPaths(root, runId);
  if (wrapIo(events, () => lookAtSync(denoFilePort, events)) === undefined) {
    throw ioError(events, new Deno.errors.NotFound("there is no such log"));
  }
  await using log = await openEventLog({ root, runId, exclusive: true });
  return log.recovery;
}
