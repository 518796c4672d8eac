import { checkFunction, checkMethods, checkObject, checkString } from "../../_internal/errors.ts";
import { addDuration, durationBetween, laterOf, ZERO } from "../../_internal/event_time.ts";
import { denoFilePort, readRangeSync, withFileSync } from "../../_internal/file_port.ts";
import { encodeUtf8, reasonOf } from "../../_internal/text.ts";
import type {
  AttemptRef,
  Duration,
  EventTime,
  RunRequest,
  RunTermination,
  RuntimeInvoker,
  Timers,
} from "../../supervisor/types.ts";
import { attemptId, rehydrateEvent } from "../bundle/records.ts";
import { CaptureError, CaptureJournalError } from "../errors.ts";
import type { InputRecord } from "../types.ts";
import {
  type CapturableSupervisor,
  type CapturingSession,
  type CapturingSessionOptions,
  resumedSession,
} from "./capturing_session.ts";
import { openCaptureJournal, type OpenCaptureJournalOptions } from "./journal.ts";
import { RecordedPast } from "./recorded_past.ts";
import { type ReadCapture, readCaptureJournal, type RecoveredCapture } from "./recover_capture.ts";

/** Options of {@linkcode resumeCapture}: those of the session that is resumed, and its journal. */
export interface ResumeCaptureOptions<S extends CapturableSupervisor>
  extends Omit<CapturingSessionOptions<S>, "journal">, OpenCaptureJournalOptions {
  /** The journal of the session. */
  journalPath: string;
  /**
   * Called when the recording has been gone through, and nothing new is decided or recorded yet. Here a
   * program brings its other records up to what the journal has, and makes sure that nothing of the
   * attempts in `interrupted` goes on. What it throws ends the resuming, and the journal stays as it is.
   */
  onRecovered?: (recovered: RecoveredCapture) => void | Promise<void>;
}

/** A session that goes on. */
export interface ResumedCapture<S extends CapturableSupervisor> {
  /** The session. */
  session: CapturingSession<S>;
  /** What it went on from. */
  recovered: RecoveredCapture;
  /**
   * The time of the session: the given timers, never behind what is recorded, though the clock may have
   * been set back meanwhile. Events to come need their times from it.
   */
  timers: Timers | undefined;
}

const NO_TIMERS: Timers = { now: () => ZERO, setTimer: () => () => {} };

/**
 * Goes on with a session whose process died, and records on into its journal: the whole replays
 * strictly, as one session.
 *
 * A fresh supervisor is led through all that is recorded. The invoker is not called for it, nor is the
 * decision log, which had taken it before. An attempt whose end is recorded is never made again. Then:
 *
 * | What the journal has | What happens to it |
 * | --- | --- |
 * | an input that was not decided on | it is decided on now |
 * | an attempt without an end | it ends as `Aborted`, which is never tried again |
 * | deferred episodes | they wait on, and need Pumps as before |
 * | a torn last line | it is moved aside; it was never acknowledged |
 * | a last line that a power cut made unreadable | it stays, and a line behind it says that it does not count |
 *
 * To have aborted work done again, hand over a new event for it, with an id of its own. Of a recording
 * with `redact` what waits in the queue gets the recorded values. Of two who resume the same session at
 * the same time one gets `conflict`, before it has invoked anything; but what its `onRecovered` did, it
 * did, so a program should hold a lock of its own.
 *
 * **Durability**: as {@linkcode openCaptureJournal}.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the journal's directory.
 *
 * @typeParam S The supervisor.
 * @param options The journal, and the options that the session was begun with.
 * @returns The session, what it went on from, and its time.
 * @throws {CaptureJournalError} `no-session`, `damaged` inside, `other-session` when the rules or the
 * provenance are not those of the recording, `diverged` when the supervisor decides otherwise now;
 * otherwise as {@linkcode openCaptureJournal}.
 *
 * @example A process dies while it works on the second event
 * ```ts
 * import { assertReplays, CapturingSession, openCaptureJournal, resumeCapture } from "@taffrail/taffrail/capture";
 * import { createEvent, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const journalPath = `${await Deno.makeTempDir()}/capture.jsonl`;
 * const rules = { graphId: "g", mode: "concurrent", constraints: { max_retries: 0 } } as const;
 * const createSupervisor = (options: ConstructorParameters<typeof Supervisor>[0]) =>
 *   new Supervisor(options);
 * const common = { ...rules, createSupervisor, runtimeProvenance: "rpv1:sha256:test" };
 * const at = { secs: 0, nanos: 0 };
 * const first = new CapturingSession({
 *   ...common,
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: { run: ({ eventId }) => eventId === "a" ? "Completed" : new Promise(() => {}) },
 *   journal: openCaptureJournal(journalPath),
 * });
 * for (const id of ["a", "b"]) await first.onEvent(createEvent({ id, kind: "Command", at }));
 *
 * const made: string[] = [];
 * const { session, recovered } = await resumeCapture({
 *   ...common,
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: { run: ({ eventId }) => (made.push(eventId), "Completed" as const) },
 *   journalPath,
 * });
 * assertEquals(recovered.interrupted.map(({ event_id }) => event_id), ["b"]);
 * await session.onEvent(createEvent({ id: "b#2", kind: "Command", at }));
 * await session.close();
 * assertEquals(made, ["b#2"]);
 * await assertReplays(session.intoBundle(), { createSupervisor });
 * ```
 */
export async function resumeCapture<S extends CapturableSupervisor>(
  options: ResumeCaptureOptions<S>,
): Promise<ResumedCapture<S>> {
  checkObject(options, "options");
  const { journalPath, onRecovered } = options;
  checkString(journalPath, "journalPath");
  checkMethods(options.decisionLog, "decisionLog", ["log"]);
  checkMethods(options.invoker, "invoker", ["run"]);
  if (onRecovered !== undefined) checkFunction(onRecovered, "onRecovered");
  // What is no journal is refused, and stays as it is.
  if (!beginsSession(journalPath)) await readCaptureJournal(journalPath);
  // Opening it mends its end: a line that only lacks its newline counts from then on.
  const journal = openCaptureJournal(journalPath, options);
  let resumption: SessionResumption<S>;
  try {
    const read = await readCaptureJournal(journalPath);
    checkDamage(journalPath, read);
    resumption = new SessionResumption(options, read);
    await resumption.goThroughPast();
    await onRecovered?.(resumption.recovered);
    options.signal?.throwIfAborted();
    await journal.append({ type: "resumed", lines: (read.damage?.line ?? read.lines + 1) - 1 });
  } catch (error) {
    journal.close();
    throw error;
  }
  resumption.past.journal = journal;
  return await resumption.goOn();
}

/** What a journal begins with. */
const BEGINNING = '{"line":1,"type":"session",';

function beginsSession(journalPath: string): boolean {
  try {
    return withFileSync(denoFilePort, { path: journalPath, read: true }, (file) => {
      const start = readRangeSync(file, 0, BEGINNING.length);
      return encodeUtf8(BEGINNING).every((byte, index) => byte === start[index]);
    });
  } catch {
    // Whoever reads it next says why it cannot be read.
    return false;
  }
}

/** A line that is no longer what was written may only be the last one, which was never acknowledged. */
function checkDamage(path: string, { damage, lines }: ReadCapture): void {
  if (damage === null || damage.kind === "unreadable" && damage.line === lines) return;
  const message = `Cannot resume the session of ${path}: line ${damage.line} is damaged ` +
    `(${damage.kind}: ${damage.message}), and what stands behind it cannot be used without it`;
  const details = { path, line: damage.line, byteOffset: damage.byteOffset };
  const remedy = "restore it from a copy, or from the bundle that was made of it";
  throw new CaptureJournalError("damaged", message, { details, remedy });
}

/** Leads a supervisor through a recording, and on. */
class SessionResumption<S extends CapturableSupervisor> {
  /** What the recording is. */
  readonly recovered: RecoveredCapture;
  /** The recording, as the session takes it. */
  readonly past: RecordedPast;
  readonly #options: ResumeCaptureOptions<S>;
  readonly #timers: ResumedTimers;
  readonly #session: CapturingSession<S>;
  readonly #isSerial: boolean;
  /** How the attempts ended whose ends are recorded: in serial mode the supervisor asks for them. */
  readonly #terminations = new Map<string, RunTermination>();
  /** What stops the session must not end attempts that are only gone through. */
  readonly #stop = new AbortController();
  #isLive = false;

  constructor(options: ResumeCaptureOptions<S>, { recorder, damage, session }: ReadCapture) {
    const { journalPath, durability: _, lockTimeoutMs: __, onRecovered: ___, ...rest } = options;
    this.#options = options;
    this.recovered = { ...structuredClone(recorder.recording()), damage, session };
    this.past = new RecordedPast(recorder, journalPath);
    this.#isSerial = recorder.header.mode === "serial";
    for (const input of recorder.inputs) {
      if (input.type !== "completion") continue;
      this.#terminations.set(attemptId(input.episode_id, input.attempt), input.termination);
    }
    this.#timers = new ResumedTimers(options.timers ?? NO_TIMERS);
    this.#session = resumedSession({
      ...rest,
      ...(options.timers !== undefined && { timers: this.#timers }),
      ...(options.beforeRun !== undefined && { beforeRun: (attempt) => this.#beforeRun(attempt) }),
      invoker: { run: (request) => this.#run(request) },
      signal: this.#stop.signal,
    }, this.past);
  }

  /** Has all decided again that was decided. */
  async goThroughPast(): Promise<void> {
    try {
      for (const input of this.past.decided) {
        this.#options.signal?.throwIfAborted();
        this.#timers.moveTo(timeOf(input));
        await this.#feed(input);
      }
      for (const input of this.past.undecided) {
        this.#timers.moveTo(timeOf(input));
        if (input.type === "event") rehydrateEvent(input);
      }
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      throw this.#explain(error);
    }
  }

  /** Decides on what was left undecided, and ends what was left without an end. */
  async goOn(): Promise<ResumedCapture<S>> {
    const session = this.#session;
    this.#timers.goOn();
    // A serial run that was not over may have begun: it is not gone on with, but ends.
    this.#isLive = !this.#isSerial;
    try {
      const left = this.past.undecided.map((input) => this.#feed(input));
      // At once: no deadline of an attempt that is not being made may pass before.
      const ends = this.recovered.interrupted.filter(({ termination }) => termination === null)
        .map(({ episode_id: episodeId, attempt }) =>
          session.supervisor.complete({ episodeId, attempt, termination: "Aborted" })
        );
      this.#timers.setWaiting();
      this.#followSignal();
      await Promise.all([...left, ...ends]);
    } catch (error) {
      // It has failed, so there is nothing to wait for.
      await session.close().catch(() => {});
      throw error;
    }
    this.#isLive = true;
    const { timers } = this.#options;
    return { session, recovered: this.recovered, timers: timers && this.#timers };
  }

  #followSignal(): void {
    const { signal } = this.#options;
    const abort = () => this.#stop.abort(signal?.reason);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  }

  #feed(input: InputRecord): Promise<void> {
    if (input.type === "event") return this.#session.onEvent(rehydrateEvent(input));
    const { supervisor } = this.#session;
    const { episode_id: episodeId, at } = input;
    if (input.type === "withdraw") return supervisor.withdraw({ episodeId, at });
    // A serial supervisor gets it from its invoker.
    if (this.#isSerial) return Promise.resolve();
    const { attempt, termination } = input;
    return supervisor.complete({ episodeId, attempt, termination, at });
  }

  /** Nothing is recorded anew of an attempt that is only gone through. */
  #beforeRun(attempt: AttemptRef): void | Promise<void> {
    if (this.#isLive) return this.#options.beforeRun?.(attempt);
  }

  #run(request: RunRequest): ReturnType<RuntimeInvoker["run"]> {
    if (this.#isLive) return this.#options.invoker.run(request);
    const { episodeId, attempt } = request;
    // The ends of concurrent attempts are fed, as they are inputs.
    if (!this.#isSerial) return new Promise(() => {});
    return this.#terminations.get(attemptId(episodeId, attempt)) ?? "Aborted";
  }

  #explain(error: unknown): unknown {
    if (error instanceof CaptureJournalError) return error;
    const { journalPath: path } = this.#options;
    if (error instanceof CaptureError) {
      const message = `Cannot resume the session of ${path}: ${error.message}`;
      return new CaptureJournalError("damaged", message, { details: { path }, cause: error });
    }
    return this.past.diverged(reasonOf(error), error);
  }
}

function timeOf(input: InputRecord): EventTime {
  return input.type === "event" ? input.event_time : input.at;
}

/** A timer that was set while the recording was gone through. */
interface WaitingTimer {
  readonly at: EventTime;
  readonly callback: () => void;
  cancel: () => void;
}

/**
 * The time of a session that is resumed. First it is what the recording says and no timer rings; from
 * {@linkcode ResumedTimers.goOn} on it passes evenly, from the end of the recording at the earliest: a
 * clock that has been set back meanwhile makes nothing wait.
 */
class ResumedTimers implements Timers {
  readonly #timers: Timers;
  readonly #waiting = new Set<WaitingTimer>();
  #recorded = ZERO;
  /** What the recording was ahead of the clock; null until the session goes on. */
  #ahead: Duration | null = null;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** The recording is at this time. */
  moveTo(time: EventTime): void {
    this.#recorded = laterOf(this.#recorded, time);
  }

  /** From now on time passes. */
  goOn(): void {
    this.#ahead = durationBetween(this.#timers.now(), this.#recorded);
  }

  /** Sets the timers that were waiting for that. */
  setWaiting(): void {
    for (const waiting of this.#waiting) {
      waiting.cancel = this.setTimer(waiting.at, waiting.callback);
    }
    this.#waiting.clear();
  }

  /** The time now. */
  now(): EventTime {
    if (this.#ahead === null) return this.#recorded;
    return addDuration(this.#timers.now(), this.#ahead);
  }

  /** Calls back when the time has come. */
  setTimer(at: EventTime, callback: () => void): () => void {
    if (this.#ahead !== null) {
      return this.#timers.setTimer(durationBetween(this.#ahead, at), callback);
    }
    const waiting: WaitingTimer = { at, callback, cancel: () => this.#waiting.delete(waiting) };
    this.#waiting.add(waiting);
    return () => waiting.cancel();
  }
}
