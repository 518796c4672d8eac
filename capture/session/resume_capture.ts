import {
  checkArray,
  checkFunction,
  checkMethods,
  checkObject,
  checkString,
} from "../../_internal/errors.ts";
import { type EventTime, ZERO } from "../../_internal/event_time.ts";
import {
  denoFilePort,
  readRangeSync,
  requireDeno,
  withFileSync,
} from "../../_internal/file_port.ts";
import { ownBegin } from "../../_internal/lock.ts";
import { encodeUtf8, reasonOf } from "../../_internal/text.ts";
import { copyOfPlain } from "../../_internal/wire_json/json_value.ts";
import type {
  AttemptRef,
  RunAnswer,
  RunRequest,
  RunTermination,
  RuntimeInvoker,
  Timers,
} from "../../supervisor/types.ts";
import { attemptId, rehydrateEvent } from "../bundle/records.ts";
import { CaptureError, CaptureJournalError } from "../errors.ts";
import type { InputRecord, ResumedRecord } from "../types.ts";
import {
  type CapturableSupervisor,
  type CapturingSession,
  type CapturingSessionOptions,
  resumedSession,
} from "./capturing_session.ts";
import {
  type CaptureJournal,
  openCaptureJournal,
  type OpenCaptureJournalOptions,
} from "./journal.ts";
import {
  type CaptureLine,
  type CaptureLines,
  type CaptureReading,
  checkSource,
} from "./read_capture_lines.ts";
import { RecordedPast } from "./recorded_past.ts";
import {
  type ReadCapture,
  readCaptureJournal,
  type RecoveredCapture,
  recoveredOf,
} from "./recover_capture.ts";
import { ResumedTimers } from "./resumed_timers.ts";

/** Options of {@linkcode resumeCapture}: those of the session that is resumed, and its journal. */
export interface ResumeCaptureOptions<S extends CapturableSupervisor>
  extends Omit<CapturingSessionOptions<S>, "journal">, OpenCaptureJournalOptions {
  /** The journal of the session, where it is a file; else give `lines` and `journal`. */
  journalPath?: string;
  /** The lines of the journal, where it is no file. */
  lines?: CaptureLines;
  /**
   * With `lines`, what the session goes on into, behind the last of them: see {@linkcode journalOver}. A
   * function is called when it is known how many there are, behind `onRecovered`.
   */
  journal?: CaptureJournal | ((recovered: RecoveredCapture) => CaptureJournal);
  /**
   * What of the graph is not as it was, by name. With it, also with none, the runtime's provenance may be
   * another one than the recorded.
   *
   * @default {the provenance has to be the recorded one}
   */
  changed?: readonly string[];
  /**
   * Takes every deferred episode out of the queue before the session goes on, for a program that asks anew
   * for what it still wants done: the invoker is not called before that, and an attempt that is decided on
   * meanwhile ends as `Aborted`, not begun. The supervisor needs `withdraw`, `deferred` and `idle`.
   *
   * @default {false}
   */
  withdrawDeferred?: boolean;
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
 * | deferred episodes | they wait on, and need Pumps as before; with `withdrawDeferred` they are taken out |
 * | a torn last line | it is moved aside; it was never acknowledged |
 * | a tail of which a power cut took a part | it stays, and a line behind it says that it does not count |
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
  const source = checkOptions(options);
  const isFile = typeof source === "string";
  // What is no journal is refused, and stays as it is.
  if (isFile && !beginsSession(source)) await readCaptureJournal(source);
  // Opening it mends its end: a line that only lacks its newline counts from then on.
  const given = isFile ? openCaptureJournal(source, options) : options.journal!;
  let journal = typeof given === "function" ? undefined : given;
  let resumption: SessionResumption<S>;
  let recovered: RecoveredCapture;
  try {
    const read = await readCaptureJournal(source, { checkHashes: true });
    checkDamage(source, read.reading);
    // A copy: what was read goes on growing with the session.
    recovered = copyOfPlain(recoveredOf(read));
    resumption = new SessionResumption(options, read);
    await resumption.goThroughPast();
    await options.onRecovered?.(recovered);
    options.signal?.throwIfAborted();
    if (typeof given === "function") journal = checkJournal(given(recovered));
    await resumption.goOnInto(journal!, read.reading);
  } catch (error) {
    journal?.close();
    throw error;
  }
  return await resumption.goOn(recovered);
}

/** Returns where the journal is read from. */
function checkOptions(
  options: ResumeCaptureOptions<CapturableSupervisor>,
): string | CaptureLines {
  checkObject(options, "options");
  const { journalPath, lines, journal, onRecovered, changed } = options;
  checkMethods(options.decisionLog, "decisionLog", ["log"]);
  checkMethods(options.invoker, "invoker", ["run"]);
  if (onRecovered !== undefined) checkFunction(onRecovered, "onRecovered");
  if (changed !== undefined) checkArray(changed, "changed", checkString);
  if (lines === undefined && journal === undefined) return checkString(journalPath, "journalPath");
  if (journalPath !== undefined) {
    throw new TypeError("Cannot use journalPath: lines or a journal are given too");
  }
  checkSource(lines);
  if (typeof journal !== "function") checkJournal(journal);
  return lines!;
}

function checkJournal(journal: CaptureJournal | undefined): CaptureJournal {
  checkMethods(journal, "journal", ["append", "barrier", "close"]);
  return journal!;
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

/** What is damaged and was on disk is missed; what a power cut took of an end that was not is not. */
function checkDamage(source: string | CaptureLines, { damage }: CaptureReading): void {
  if (damage === null || damage.lost) return;
  const { line, kind, byteOffset } = damage;
  const message = `Cannot resume the session of ${checkSource(source)}: line ${line} is damaged ` +
    `(${kind}: ${damage.message}), and what stands behind it cannot be used without it`;
  const details = {
    ...(typeof source === "string" && { path: source }),
    line,
    ...(byteOffset !== undefined && { byteOffset }),
  };
  const remedy = "restore it from a copy, or from the bundle that was made of it";
  throw new CaptureJournalError("damaged", message, { details, remedy });
}

/** What the line `resumed` says of this process, as far as it may be known without being asked for. */
function ownProcess(): Pick<ResumedRecord, "pid" | "host" | "start_time" | "boot_id"> {
  const { pid, permissions, hostname } = requireDeno();
  const { state } = permissions.querySync({ name: "sys", kind: "hostname" });
  return { pid, ...(state === "granted" && { host: hostname() }), ...ownBegin() };
}

/** The end of an attempt that was decided on, and not begun. */
const NOT_BEGUN: RunAnswer = { termination: "Aborted", end: { begun: false } };

/** The options that are those of the session. */
function sessionOptionsOf<S extends CapturableSupervisor>(
  options: ResumeCaptureOptions<S>,
): Omit<CapturingSessionOptions<S>, "journal"> {
  const { journalPath: _, lines: _lines, journal: _journal, ...rest } = options;
  const { durability: _durability, lockTimeoutMs: _timeout, onRecovered: _called, ...own } = rest;
  const { changed: _changed, withdrawDeferred: _withdraws, ...session } = own;
  return session;
}

/** Leads a supervisor through a recording, and on. */
class SessionResumption<S extends CapturableSupervisor> {
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
  #phase: "past" | "settling" | "live" = "past";

  constructor(options: ResumeCaptureOptions<S>, read: ReadCapture) {
    const { recorder } = read;
    this.#options = options;
    this.past = new RecordedPast(recorder, {
      path: options.journalPath,
      mayHaveChanged: options.changed !== undefined,
    });
    this.#isSerial = recorder.header.mode === "serial";
    for (const input of recorder.inputs) {
      if (input.type !== "completion") continue;
      this.#terminations.set(attemptId(input.episode_id, input.attempt), input.termination);
    }
    this.#timers = new ResumedTimers(options.timers ?? NO_TIMERS);
    this.#session = resumedSession({
      ...sessionOptionsOf(options),
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

  /** Records that the session goes on; from now on it is recorded what happens. */
  async goOnInto(journal: CaptureJournal, { damage, lines, hash }: CaptureReading): Promise<void> {
    const line: CaptureLine & { type: "resumed" } = {
      type: "resumed",
      lines: damage === null ? lines : damage.line - 1,
      runtime_provenance: this.#options.runtimeProvenance,
      changed: [...this.#options.changed ?? []],
      ...ownProcess(),
      hash: hash!,
    };
    await journal.append(line);
    this.past.recorder.add(line);
    this.past.journal = journal;
  }

  /** Decides on what was left undecided, and ends what was left without an end. */
  async goOn(recovered: RecoveredCapture): Promise<ResumedCapture<S>> {
    const session = this.#session;
    const { withdrawDeferred = false, keepsRecording = true, timers } = this.#options;
    this.#timers.goOn();
    // A serial run that was not over may have begun: it is not gone on with, but ends.
    if (!this.#isSerial) this.#phase = withdrawDeferred ? "settling" : "live";
    try {
      const left = this.past.undecided.map((input) => this.#feed(input));
      // At once: no deadline of an attempt that is not being made may pass before.
      const ends = recovered.interrupted.filter(({ termination }) => termination === null)
        .map(({ episode_id: episodeId, attempt }) =>
          session.supervisor.complete({ episodeId, attempt, termination: "Aborted" })
        );
      this.#timers.setWaiting();
      this.#followSignal();
      await Promise.all([...left, ...ends]);
      if (withdrawDeferred) await this.#withdrawDeferred();
    } catch (error) {
      // It has failed, so there is nothing to wait for.
      await session.close().catch(() => {});
      throw error;
    }
    this.#phase = "live";
    this.#terminations.clear();
    if (!keepsRecording) this.past.forget();
    return { session, recovered, timers: timers && this.#timers };
  }

  /** Takes out what is deferred, when all that was decided on meanwhile has ended. */
  async #withdrawDeferred(): Promise<void> {
    const { supervisor } = this.#session;
    await supervisor.idle!();
    for (const { episodeId } of supervisor.deferred!) await supervisor.withdraw({ episodeId });
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
    if (this.#phase === "live") return this.#options.beforeRun?.(attempt);
  }

  #run(request: RunRequest): ReturnType<RuntimeInvoker["run"]> {
    if (this.#phase === "live") return this.#options.invoker.run(request);
    if (this.#phase === "settling") return NOT_BEGUN;
    const { episodeId, attempt } = request;
    // The ends of concurrent attempts are fed, as they are inputs.
    if (!this.#isSerial) return new Promise(() => {});
    return this.#terminations.get(attemptId(episodeId, attempt)) ?? "Aborted";
  }

  #explain(error: unknown): unknown {
    if (error instanceof CaptureJournalError) return error;
    if (error instanceof CaptureError) return this.past.damaged(error);
    return this.past.diverged(reasonOf(error), error);
  }
}

function timeOf(input: InputRecord): EventTime {
  return input.type === "event" ? input.event_time : input.at;
}
