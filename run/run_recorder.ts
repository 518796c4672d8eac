import { defined } from "../_internal/errors.ts";
import { VERSION } from "../_internal/version.ts";
import { RunFold } from "../eventlog/derive_run_state.ts";
import { newEventId, type NodeError, type RunEvent } from "../eventlog/run_event.ts";
import type { EventLog } from "../eventlog/types.ts";
import type { RunTermination } from "../supervisor/types.ts";
import { errorKindOf } from "./attempt_key.ts";
import type { RunTrace } from "./run_trace.ts";
import type { RunWorkers } from "./run_workers.ts";
import type { AttemptBegin, AttemptEnd, NodeAttempt } from "./types.ts";

/** What the log of a run has before this process goes on with it. */
export interface RecordedBegin {
  /** What its events tell; the recorder takes its own into it. */
  fold: RunFold;
  /** The line number of the last of them. */
  lastSeq: number;
}

/** The records that a {@linkcode RunRecorder} keeps. */
export interface RunRecords {
  /** The event log; the other two follow it. */
  log: EventLog<RunEvent>;
  /** The attempts as workers. */
  workers: RunWorkers;
  /** The attempts as steps. */
  trace: RunTrace;
  /** What there was before, when the run is resumed. */
  begun?: RecordedBegin;
  /** Makes the error that is thrown when an event cannot be recorded. By default its cause is. */
  toError?: (what: "log" | "store", cause: unknown) => unknown;
}

type EventBody = { type: string } & Record<string, unknown>;

/**
 * Writes the lifecycle of one run: to the event log, then to the store, then to the trace. The work itself
 * goes on when its step is recorded. The capture journal comes before all of them: hand an end over when
 * the supervisor has decided on it.
 *
 * A method whose event the log or the store does not take rejects with their error, or what `toError`
 * makes of it. What the log took and the store did not, {@linkcode RunWorkers.take} can catch up with.
 *
 * **Durability**: the log's own, and `"disk"` for the store.
 *
 * **Permissions**: those of the records.
 *
 * @example A run of one command
 * ```ts
 * import { openEventLog } from "@taffrail/taffrail/eventlog";
 * import { openRecords, RunRecorder } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await using log = await openEventLog({ root, runId: "build-1" });
 * await using records = await openRecords({ root, name: "build", log });
 * const recorder = new RunRecorder(records);
 * const attempt = { nodeId: "make", attempt: 1 };
 * await recorder.pipeStarted({ name: "build", nodes: ["make"] });
 * await recorder.nodeStarted({ ...attempt, kind: "command", name: "make all" });
 * await recorder.nodeEnded(attempt, { termination: { Failed: "RuntimeError" }, exitCode: 2 });
 * await recorder.pipeAborted("make failed");
 * const [worker] = records.workers.runtime.listWorkers();
 * assertEquals(worker?.status, "stopped");
 * ```
 */
export class RunRecorder {
  /** What the log tells of the run, as far as it was written by this recorder or had been before it. */
  readonly fold: RunFold;
  readonly #records: RunRecords;
  readonly #startedAt = performance.now();
  /** How long it had taken when this process took it up. */
  readonly #earlierMs: number;
  /** The id that those of new events come after. */
  readonly #afterId: string | undefined;
  #lastSeq: number;
  #isAlone = true;

  /**
   * Nothing is written before the first event.
   *
   * @param records The open records.
   */
  constructor(records: RunRecords) {
    this.#records = records;
    const { fold = new RunFold(), lastSeq = 0 } = records.begun ?? {};
    this.fold = fold;
    this.#afterId = fold.lastEventId;
    this.#lastSeq = lastSeq;
    const earlierMs = fold.hasBegun ? Date.now() - Date.parse(fold.startedTs ?? "") : 0;
    this.#earlierMs = earlierMs > 0 ? earlierMs : 0;
  }

  /** Whether nobody else has written to the log: then {@linkcode RunRecorder.fold} is all that it tells. */
  get isAlone(): boolean {
    return this.#isAlone;
  }

  /**
   * Records that the run begins.
   *
   * @param about The name of what is run, and the nodes that are known beforehand.
   * @throws {Error} When the log or the store does not take it, as every method here: see the class.
   */
  async pipeStarted({ name, nodes }: { name: string; nodes: readonly string[] }): Promise<void> {
    const body = { pipe: name, inputs: [], distro_version: VERSION, nodes };
    await this.#append({ type: "pipe.started", ...body });
  }

  /**
   * Records that all of the run has completed.
   *
   * @throws {Error} When the log or the store does not take it.
   */
  async pipeCompleted(): Promise<void> {
    await this.#append({ type: "pipe.completed", duration_ms: this.#durationMs() });
    await this.#records.trace.finish();
  }

  /**
   * Records that the run ends otherwise. Of one that has its end in the log nothing more is recorded.
   *
   * @param reason Why, for people.
   * @throws {Error} When the log or the store does not take it; the trace is written all the same.
   */
  async pipeAborted(reason: string): Promise<void> {
    if (this.fold.state().state !== "Running") return;
    try {
      await this.#append({ type: "pipe.aborted", reason, duration_ms: this.#durationMs() });
    } finally {
      // What cannot be recorded elsewhere can still be traced.
      await this.#records.trace.finish(reason);
    }
  }

  /**
   * Records that an attempt begins; to be awaited before anything is started.
   *
   * @param begin The attempt, what it does and what it is given.
   * @throws {Error} When the log or the store does not take it: then nothing may be started.
   */
  async nodeStarted(begin: AttemptBegin): Promise<void> {
    const { nodeId, attempt, kind, task, name } = begin;
    await this.#append({ type: "node.started", node_id: nodeId, kind, task, name, attempt });
    this.#records.trace.begin(begin);
  }

  /**
   * Records that an attempt has ended; to be called when the supervisor has decided on it.
   *
   * @param attempt The attempt.
   * @param end How it ended.
   * @throws {Error} When the log or the store does not take it; the trace has it all the same.
   */
  async nodeEnded({ nodeId, attempt }: NodeAttempt, end: AttemptEnd): Promise<void> {
    const { termination, durationMs, outputHash, errorHash } = end;
    const hashes = { output_hash: outputHash, error_hash: errorHash };
    const rest = { ...hashes, duration_ms: durationMs, attempt };
    try {
      await this.#append(
        termination === "Completed"
          ? { type: "node.completed", node_id: nodeId, ...rest }
          : { type: "node.failed", node_id: nodeId, ...failureOf(end, termination), ...rest },
      );
    } finally {
      // What cannot be recorded elsewhere can still be traced.
      this.#records.trace.end({ nodeId, attempt }, end);
    }
  }

  #durationMs(): number {
    return Math.round(performance.now() - this.#startedAt + this.#earlierMs);
  }

  async #append({ type, ...members }: EventBody): Promise<void> {
    const { log, workers, toError = (_, cause) => cause } = this.#records;
    const ts = new Date().toISOString();
    const id = newEventId(defined({ after: this.#afterId }));
    const event: RunEvent = { type, id, ts, run_id: log.runId, ...defined(members) };
    let what: "log" | "store" = "log";
    try {
      const { lastSeq } = await log.append(event);
      if (lastSeq !== ++this.#lastSeq) this.#isAlone = false;
      this.fold.take(event);
      what = "store";
      await workers.take(event);
    } catch (cause) {
      throw toError(what, cause);
    }
  }
}

function failureOf(
  { exitCode, signal, message }: AttemptEnd,
  termination: Exclude<RunTermination, "Completed">,
): { error: NodeError; message?: string } {
  const kind = errorKindOf(termination);
  const words = kind === "cancelled" ? { kind: "crash", cancelled: true } as const : { kind };
  const error: NodeError = { ...words, ...defined({ exit_code: exitCode, signal }) };
  if (message === undefined || message === "") return { error };
  // A text that was cut may end within a character, which no record takes.
  return { error, message: message.toWellFormed() };
}
