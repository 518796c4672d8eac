import { completeConstraints } from "../../_internal/constraints.ts";
import {
  checkArray,
  checkFunction,
  checkMethods,
  checkObject,
  checkString,
} from "../../_internal/errors.ts";
import type {
  Completion,
  DecisionLog,
  DecisionLogEntry,
  DeferredRef,
  ExternalEvent,
  SupervisorInput,
  SupervisorOptions,
  Withdrawal,
} from "../../supervisor/types.ts";
import { computeEffectHash } from "../bundle/effects.ts";
import { copyOfNote } from "../bundle/note_codecs.ts";
import {
  NO_ADAPTER_PROVENANCE,
  recordDecision,
  recordEventInput,
  recordOtherInput,
} from "../bundle/records.ts";
import type {
  ActionEffect,
  CaptureBundle,
  EventInputRecord,
  InputRecord,
  NoteRecord,
} from "../types.ts";
import { CaptureRecorder, type InterruptedAttempt } from "./capture_recorder.ts";
import type { CaptureJournal } from "./journal.ts";
import type { JournalLine } from "./journal_lines.ts";
import type { RecordedPast } from "./recorded_past.ts";
import { type RedactCapture, redactEffect, redactPayload } from "./redact.ts";

/**
 * What always holds in a session, in the order in which an event goes through it:
 *
 * - One input is handled at a time: the supervisor waits for each port that is called here.
 * - An input is in the journal before it is in memory, and in memory before the supervisor decides on it.
 *   A process that dies in between has recorded an input that was not acted on: it is decided on when the
 *   session is resumed.
 * - Nothing here waits for the disk but promises: those of who asked for durability `"disk"`, and of
 *   `barrier`. All handling in between is in memory, so a power cut takes it with the lines it is about.
 * - A decision goes to the caller's log first, then into the journal, then into memory. A process that
 *   dies before the journal has it decides the same again; the caller's log may get it twice.
 * - Inputs and decisions are never removed, changed or reordered. A bundle ends with the last input that
 *   a decision is recorded for, so that it replays however the process ended.
 * - What fails here stops the supervisor, which then takes nothing more. So a hole in the recording is
 *   always at its end.
 * - A resumed session is led through its past first: inputs and decisions are compared with the recorded
 *   ones and not written again, and no journal is open until all of them have been the same.
 */

/** What capture needs of a supervisor. The supervisor of `@taffrail/taffrail/supervisor` has it. */
export interface CapturableSupervisor {
  /** Takes an event; resolves when it is decided on. */
  onEvent(event: ExternalEvent): Promise<void>;
  /** Ends an attempt in flight; resolves when what follows from it is decided. */
  complete(completion: Completion): Promise<void>;
  /** Takes a deferred episode out of the queue; resolves when that is decided. */
  withdraw(withdrawal: Withdrawal): Promise<void>;
  /** Takes no more events, and waits until nothing more happens by itself. */
  close(): Promise<unknown>;
  /** The episodes that wait in the deferred queue; only who goes on without them needs it. */
  readonly deferred?: readonly DeferredRef[];
  /** Waits until nothing more happens by itself; only who goes on without deferred episodes needs it. */
  idle?(): Promise<unknown>;
}

/** Options of {@linkcode CapturingSession}: those of a supervisor, and what the recording is to say. */
export interface CapturingSessionOptions<S extends CapturableSupervisor>
  extends Omit<SupervisorOptions, "inputLog"> {
  /**
   * Makes the supervisor: `(options) => new Supervisor(options)`. It must pass on every option that it
   * gets, and the supervisor must not have seen anything yet.
   */
  createSupervisor: (options: SupervisorOptions) => S;
  /** The runtime that runs the graph, such as `rpv1:sha256:…` (PRV-2). */
  runtimeProvenance: string;
  /**
   * The adapter that the events come through (PRV-1).
   *
   * @default {"none"}
   */
  adapterProvenance?: string;
  /** The configuration of the outside channels (PRV-3). */
  egressProvenance?: string;
  /** Records as the session goes; without it nothing is on disk until a bundle is written (CAP-5). */
  journal?: CaptureJournal;
  /**
   * Whether the recording is kept in memory too, some kilobytes an event. Without that a long session needs
   * no more memory than a short one, and its journal alone has what it recorded: there is no
   * `intoBundle`, `setEffects`, `undecided` or `interrupted` (each is a `TypeError`), and
   * {@linkcode recoverCapture} makes the bundle of the journal, which then must be given.
   *
   * @default {true}
   */
  keepsRecording?: boolean;
  /**
   * Replaces values before they are recorded and hashed. The supervisor and its invoker get the real
   * ones, so a re-execution from the recording sees others.
   */
  redact?: RedactCapture;
}

/** The option by which {@linkcode resumedSession} hands a session its past. */
const PAST = Symbol("past");

interface HasPast {
  [PAST]?: RecordedPast;
}

/**
 * A session that goes on from a recording: it records nothing that the recording has, and the rest into
 * the journal of the recording, once that has one. Internal: `resumeCapture` makes such sessions.
 */
export function resumedSession<S extends CapturableSupervisor>(
  options: CapturingSessionOptions<S>,
  past: RecordedPast,
): CapturingSession<S> {
  const withPast: CapturingSessionOptions<S> & HasPast = { ...options, [PAST]: past };
  return new CapturingSession(withPast);
}

/**
 * A supervisor whose inputs and decisions are recorded, so that {@linkcode replayBundle} can prove that
 * it would decide so again.
 *
 * Each input is recorded before the supervisor handles it (CAP-2), each decision when the decision log
 * has taken it (CAP-3). The bundle of a session is of format `"v3"`, which the original program reads,
 * when the session is serial, neither bounds its queue nor lets retries wait nor redacts, and has no
 * `Skip`, no event with a `firstAttempt` or a `retry` and no completion with an `end`; of format
 * `"taffrail-v1"` otherwise, which loses nothing.
 *
 * **Durability**: the journal's. A crash loses at most what was not decided on: see
 * {@linkcode recoverCapture}. Without a journal everything is in memory.
 *
 * **Permissions**: none; the journal has its own.
 *
 * @typeParam S The supervisor.
 *
 * @example Capture, write, read, replay
 * ```ts
 * import {
 *   assertReplays,
 *   CapturingSession,
 *   readCaptureBundle,
 *   writeCaptureBundle,
 * } from "@taffrail/taffrail/capture";
 * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 *
 * const createSupervisor = (options: ConstructorParameters<typeof Supervisor>[0]) =>
 *   new Supervisor(options);
 * const session = new CapturingSession({
 *   graphId: "nightly",
 *   constraints: { max_retries: 2, max_per_window: 1, rate_window: { secs: 10, nanos: 0 } },
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: new FaultInvoker(),
 *   createSupervisor,
 *   runtimeProvenance: "rpv1:sha256:test",
 * });
 * const at = (secs: number) => ({ secs, nanos: 0 });
 * await session.onEvent(createEvent({ id: "e1", kind: "Command", at: at(0), payload: '{"n":1}' }));
 * await session.setEffects(0, [
 *   { kind: "set_context", writes: [{ key: "x", value: { Number: 906.7979265841685 } }] },
 * ]);
 * await session.onEvent(createEvent({ id: "e2", kind: "Command", at: at(1) }));
 *
 * const path = `${await Deno.makeTempDir()}/capture.json`;
 * await writeCaptureBundle(path, session.intoBundle());
 * await assertReplays(await readCaptureBundle(path), {
 *   createSupervisor,
 *   expected: { adapterProvenance: "none", runtimeProvenance: "rpv1:sha256:test" },
 * });
 * ```
 */
export class CapturingSession<S extends CapturableSupervisor> implements AsyncDisposable {
  /** The supervisor. What it is given directly is recorded too. */
  readonly supervisor: S;
  #recorder: CaptureRecorder | undefined;
  /** How many inputs and decisions were recorded, and of how many inputs when the last of these was. */
  readonly #count = { inputs: 0, decisions: 0, decidedInputs: 0 };
  readonly #journal: CaptureJournal | undefined;
  readonly #redact: RedactCapture | undefined;
  readonly #decisionLog: DecisionLog;
  /** The journal's first line, as long as it is under way. */
  #beginning: Promise<void> | undefined;
  /** How many inputs and decisions the journal was given that are not in memory yet: one at most. */
  #underWay = 0;
  #isTaken = false;
  #isJournalClosed = false;
  /** What another process recorded, if this one goes on with its session. */
  readonly #past: RecordedPast | undefined;

  /**
   * A session whose supervisor has seen nothing yet. It takes over the journal.
   *
   * @param options The supervisor's options, and what the recording is to say.
   * @throws {TypeError} As the supervisor.
   * @throws {RangeError} As the supervisor.
   * @throws {CaptureJournalError} When the journal cannot take its first line.
   */
  constructor(options: CapturingSessionOptions<S>) {
    checkOptions(options);
    const { [PAST]: past, ...given } = options as CapturingSessionOptions<S> & HasPast;
    const { createSupervisor, runtimeProvenance, journal, redact, ...others } = given;
    const { adapterProvenance = NO_ADAPTER_PROVENANCE, egressProvenance, ...more } = others;
    const { keepsRecording = true, ...rest } = more;
    const header = {
      graph_id: rest.graphId,
      mode: rest.mode ?? "serial",
      config: completeConstraints(rest.constraints),
      max_deferred: rest.maxDeferred ?? null,
      backoff: structuredClone(rest.backoff ?? null),
      redacted: redact !== undefined,
      adapter_provenance: adapterProvenance,
      runtime_provenance: runtimeProvenance,
      ...(egressProvenance === undefined ? {} : { egress_provenance: egressProvenance }),
    };
    this.#decisionLog = rest.decisionLog;
    this.#redact = redact;
    this.#journal = journal;
    this.#past = past;
    if (past !== undefined) this.#count = past.count;
    if (keepsRecording) this.#recorder = past?.recorder ?? new CaptureRecorder(header);
    try {
      this.supervisor = createSupervisor({
        ...rest,
        decisionLog: { log: (entry) => this.#log(entry) },
        inputLog: { record: (input) => this.#record(input) },
      });
      past?.checkHeader(header);
      this.#begin({ type: "session", journal_version: "taffrail-v1", ...header });
    } catch (error) {
      this.#closeJournal();
      throw error;
    }
  }

  /**
   * Lets go of the recording in memory, for a session that has become long: from now on it is as one that was
   * begun with `keepsRecording: false`, and {@linkcode recoverCapture} makes the bundle of its journal.
   *
   * @throws {TypeError} When it has no journal.
   */
  letGoOfRecording(): void {
    if (this.#recordsInto === undefined) {
      throw new TypeError("Cannot let go of the recording: this session has no journal");
    }
    this.#past?.forget();
    this.#recorder = undefined;
  }

  /** How many decisions are recorded; the last one's index is one less. */
  get decisionCount(): number {
    return this.#count.decisions;
  }

  /** The events that are recorded and not decided on. */
  get undecided(): EventInputRecord[] {
    return this.#kept("tell what is undecided").undecided;
  }

  /** In `"concurrent"` mode, the attempts that have begun and not ended. */
  get interrupted(): InterruptedAttempt[] {
    return this.#kept("tell what was interrupted").interrupted;
  }

  /**
   * Hands an event to the supervisor.
   *
   * @param event The event.
   * @returns A promise that resolves when its decision is recorded, with a journal of durability `"disk"`
   * when it is on disk. It rejects, and the supervisor stops, when the decision log, the journal or the
   * supervisor fails.
   */
  onEvent(event: ExternalEvent): Promise<void> {
    const decided = this.supervisor.onEvent(event);
    return this.#promisesDisk ? this.#onDisk(decided) : decided;
  }

  /**
   * Says what the episode of a decision did. Whoever runs the graph knows it, not the supervisor (EFX-5).
   * Called again for the same decision, it replaces what was said before.
   *
   * @param decisionIndex Which decision: the first is 0.
   * @param effects Its effects, in order; their hashes are computed here.
   * @returns A promise that resolves when the journal has them; the bundle has them at once.
   * @throws {RangeError} When there is no such decision yet.
   * @throws {TypeError} When an effect has another shape, or a number in it is not finite.
   */
  async setEffects(decisionIndex: number, effects: readonly ActionEffect[]): Promise<void> {
    this.#checkOpen("set effects");
    const recorder = this.#kept("set effects");
    checkArray(effects, "effects");
    const captured = effects.map((original) => {
      // What has a hash is plain enough to be copied.
      const effectHash = computeEffectHash(original);
      const copy = structuredClone(original);
      if (this.#redact === undefined) return { effect: copy, effect_hash: effectHash };
      const effect = redactEffect(copy, this.#redact);
      return { effect, effect_hash: computeEffectHash(effect) };
    });
    recorder.setEffects(decisionIndex, captured);
    const line = { type: "effects", decision_index: decisionIndex, effects: captured } as const;
    await this.#onDisk(this.#append(line));
  }

  /**
   * Records something that nothing is decided by: that something waits or does so no more, what the program
   * wants to have recorded, how the work has ended. It is recorded when this returns, before the promise
   * resolves, and never redacted.
   *
   * @param note What to record.
   * @returns A promise that resolves when the journal has it; the bundle has it at once.
   * @throws {TypeError} When it has another shape, or holds what is no JSON.
   * @throws {RangeError} When an integer in it is out of range, or it is too long for a line.
   */
  async note(note: NoteRecord): Promise<void> {
    this.#checkOpen("record a note");
    const copy = copyOfNote(note);
    const appended = this.#append(copy);
    this.#recorder?.addNote(copy, this.#underWay);
    await this.#onDisk(appended);
  }

  /**
   * Resolves when everything that was recorded so far is on disk: for whatever may be seen outside only
   * then, such as a program that is started, or an end that is told. Who waits at the same time shares one
   * sync.
   *
   * @returns A promise that rejects when that is not known, for good: the journal takes nothing more then.
   */
  async barrier(): Promise<void> {
    await this.#beginning;
    await this.#recordsInto?.barrier();
  }

  /**
   * Ends the recording and gives it away (CAP-4). The bundle ends with the last input that was decided
   * on; {@linkcode CapturingSession.undecided} and {@linkcode CapturingSession.interrupted} name what was
   * begun behind it, so wait for the supervisor first. What the supervisor is given from now on stops it.
   *
   * With a journal of durability `"disk"` all of it is on disk when this returns.
   *
   * @returns The bundle, which is plain data: fill in `intent_acks` and `interruption` as you need.
   * @throws {TypeError} When it was given away before.
   */
  intoBundle(): CaptureBundle {
    this.#checkOpen("make a bundle");
    const recorder = this.#kept("make a bundle");
    this.#isTaken = true;
    this.#closeJournal();
    return recorder.recording().bundle;
  }

  /**
   * Closes the supervisor, which waits for it, and the journal. The bundle can still be taken.
   *
   * @returns A promise that rejects when the supervisor failed. With a journal of durability `"disk"` all
   * of it is on disk when this resolves.
   */
  async close(): Promise<void> {
    try {
      await this.supervisor.close();
      await this.#onDisk();
    } finally {
      this.#closeJournal();
    }
  }

  /** {@linkcode CapturingSession.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #begin(line: JournalLine): void {
    const begun = this.#journal?.append(line);
    if (begun === undefined) return;
    this.#beginning = begun;
    // Whoever appends next waits for it, and gets its failure.
    begun.then(() => this.#beginning = undefined, () => {});
  }

  /** Takes an input before the supervisor handles it (CAP-2). */
  #record(input: SupervisorInput): void | Promise<void> {
    this.#checkOpen("record an input");
    if (this.#past?.takesInput(input)) return;
    const record = this.#recordOf(input);
    this.#underWay++;
    return after(this.#append(record), () => {
      this.#underWay--;
      this.#count.inputs++;
      this.#recorder?.addInput(record);
    });
  }

  #recordOf(input: SupervisorInput): InputRecord {
    if (input.type !== "event") return recordOtherInput(input);
    const { event } = input;
    if (this.#redact === undefined) return recordEventInput(event);
    const payload = redactPayload(event.payload, this.#redact);
    return recordEventInput({ ...event, payload });
  }

  /** Records a decision that the decision log has taken (CAP-3). */
  #log(entry: DecisionLogEntry): void | Promise<void> {
    if (this.#past?.takesDecision(entry)) return;
    if (this.#count.decidedInputs === this.#count.inputs) {
      throw new TypeError(
        "Cannot record a decision: its input was not recorded; " +
          "createSupervisor must pass on every option that it gets",
      );
    }
    return after(this.#decisionLog.log(entry), () => this.#logged(entry));
  }

  #logged(entry: DecisionLogEntry): void | Promise<void> {
    this.#checkOpen("record a decision");
    const decision = recordDecision(entry);
    this.#underWay++;
    const appended = this.#append({ type: "decision", ...decision });
    return after(appended, () => {
      this.#underWay--;
      this.#count.decisions++;
      this.#count.decidedInputs = this.#count.inputs;
      this.#recorder?.addDecision(decision);
    });
  }

  /** Where is recorded; nowhere yet as long as a session is only led through its past. */
  get #recordsInto(): CaptureJournal | undefined {
    return this.#journal ?? this.#past?.journal;
  }

  /** Whether what is promised is on disk; behind the end nothing is left to wait for. */
  get #promisesDisk(): boolean {
    return !this.#isJournalClosed && this.#recordsInto?.durability === "disk";
  }

  /** Resolves behind a step; where the caller is promised that it is on disk, behind the barrier. */
  async #onDisk(step?: void | Promise<void>): Promise<void> {
    await step;
    if (this.#promisesDisk) await this.barrier();
  }

  #append(line: JournalLine): void | Promise<void> {
    const journal = this.#recordsInto;
    if (journal === undefined || this.#isJournalClosed && line.type === "effects") return;
    return after(this.#beginning, () => journal.append(line));
  }

  #closeJournal(): void {
    if (this.#isJournalClosed) return;
    this.#isJournalClosed = true;
    this.#recordsInto?.close();
  }

  /** The recording, as far as it is kept. */
  #kept(what: string): CaptureRecorder {
    if (this.#recorder !== undefined) return this.#recorder;
    const remedy = "make a bundle of its journal, with recoverCapture";
    throw new TypeError(`Cannot ${what}: this session does not keep its recording; ${remedy}`);
  }

  #checkOpen(what: string): void {
    if (!this.#isTaken) return;
    throw new TypeError(`Cannot ${what}: the bundle of this session was taken`);
  }
}

/** What comes after a step: at once, unless that step is one that has to be waited for. */
export function after<T>(step: void | Promise<void>, next: () => T | Promise<T>): T | Promise<T> {
  return step === undefined ? next() : step.then(next);
}

/** Refuses what would fail later; the supervisor checks the options that are its own. */
function checkOptions(options: CapturingSessionOptions<CapturableSupervisor>): void {
  checkObject(options, "options");
  const { createSupervisor, decisionLog, invoker, journal, redact, keepsRecording } = options;
  checkFunction(createSupervisor, "createSupervisor");
  checkObject(options.constraints, "constraints");
  checkMethods(decisionLog, "decisionLog", ["log"]);
  checkMethods(invoker, "invoker", ["run"]);
  checkString(options.runtimeProvenance, "runtimeProvenance");
  for (const name of ["adapterProvenance", "egressProvenance"] as const) {
    if (options[name] !== undefined) checkString(options[name], name);
  }
  if (journal !== undefined) checkMethods(journal, "journal", ["append", "barrier", "close"]);
  if (redact !== undefined) checkFunction(redact, "redact");
  if (keepsRecording === false && journal === undefined && !(PAST in options)) {
    const problem = "Cannot record a session that neither has a journal nor keeps its recording";
    throw new TypeError(problem);
  }
}
