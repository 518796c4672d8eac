/**
 * The one engine of runs: the command's flows and the programs of `openRun` are run by it, on any root.
 *
 * What is always true, at whatever line the process is killed:
 * - **The journal is the truth.** Inputs, decisions and ends are appended to it in order, each before it is
 *   handled. They are not synced one by one: a barrier stands before everything that can be seen outside.
 * - **No work outside this process begins, and nothing is told, that the journal may still lose**: so what
 *   a power cut takes nobody has acted on.
 * - **Nobody writes an end that the journal has not.** When the journal fails, attempts that run are ended
 *   and stay open in the records; whoever goes on with the run finds them as if this process had died.
 * - **An attempt that was ended before its work was called for is none**: it has no event in the log.
 * - Whatever goes wrong, a run is broken off only when no work outside this process runs any more.
 */
import { defined } from "../../_internal/errors.ts";
import { durationOfMs, millisecondsOf } from "../../_internal/event_time.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import { stringifyCaptureBundle } from "../../capture/bundle/bundle_text.ts";
import {
  CapturingSession,
  type CapturingSessionOptions,
} from "../../capture/session/capturing_session.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import { type CaptureJournal, journalOver } from "../../capture/session/journal.ts";
import { createEvent } from "../../supervisor/core/create_event.ts";
import { Supervisor } from "../../supervisor/driver/supervisor.ts";
import { systemTimers } from "../../supervisor/driver/timers.ts";
import type {
  DecisionLogEntry,
  EventRetry,
  RunRequest,
  RunTermination,
  Timers,
} from "../../supervisor/types.ts";
import { attemptKey, errorKindOf } from "../attempt_key.ts";
import { messageOf } from "../error_record.ts";
import type { AttemptEnd, EndRecord, NodeAttempt } from "../types.ts";
import { runError } from "../run_error.ts";
import { Asks, membersOf, nodeOfEvent } from "./asks.ts";
import type { JournalHistory } from "./journal_history.ts";
import {
  type DamagedLines,
  type EventBody,
  nodeEnded,
  nodeStarted,
  type NodeText,
  pipeEnded,
  pipeStarted,
  wasBegun,
} from "./lifecycle.ts";
import { RunJournal } from "./run_journal.ts";
import { Teller } from "./teller.ts";
import type { Decided, EngineOptions, LeftRun, Payload, RunEnding } from "./types.ts";
import type { WaitHistory } from "./wait_history.ts";
import { Waits } from "./waits.ts";

/** An attempt whose begin was decided on, and its end not yet. */
interface OpenAttempt {
  /** Whether its work was called for, once that is known. */
  readonly called: PromiseWithResolvers<boolean>;
  /** What it does, and what it was given. */
  work?: { text: NodeText; payload: Payload };
  /** How it ended, once it has answered. */
  end?: EndRecord;
}

/** The recording of so many nodes is kept, as reading it back would take what a small run costs. */
const MOST_KEPT_NODES = 1000;

const UNBEGUN: AttemptEnd = { termination: "Aborted", end: { begun: false } };

/** A run that is at work. */
export class RunEngine {
  readonly #options: EngineOptions;
  readonly #asks = new Asks();
  /** Tells what is recorded, in order, when it is on disk. */
  readonly teller: Teller;
  readonly #open = new Map<string, OpenAttempt>();
  /** What has ended by itself, and was not told yet. */
  readonly #untold = new Map<string, NodeAttempt>();
  /** The work that is under way. */
  readonly #running = new Set<Promise<unknown>>();
  /** Ends the run from inside. */
  readonly #halt = new AbortController();
  /** Whether its recording is only in the journal. */
  #isLong: boolean;
  #failure: { error: unknown } | undefined;
  /** Whether it was broken off: a function that still runs then is in no record any more. */
  #isOver = false;
  /** The end of the run that the journal has. */
  #end: EventBody | undefined;
  readonly #sink: RunJournal;
  #journal: CaptureJournal | undefined;
  #session: CapturingSession<Supervisor> | undefined;
  #timers: Timers = systemTimers;
  /** What the journal had of waits when the run was gone on with. */
  #pastWaits: WaitHistory | undefined;
  #waits: Waits | undefined;

  private constructor(options: EngineOptions) {
    this.#options = options;
    const { held, fold, nodes } = options;
    this.#isLong = nodes.length > MOST_KEPT_NODES;
    this.#sink = new RunJournal(held, (error) => this.fail(error));
    this.teller = new Teller({
      held,
      fold,
      barrier: () => this.#barrier(),
      onFailure: (error) => this.fail(error),
    });
    this.stop = AbortSignal.any([options.signal, this.#halt.signal]);
    // What is not held can be recorded no more, and says why by itself.
    held.lost.addEventListener("abort", () => this.fail(held.lost.reason), { once: true });
  }

  /** Aborts when anything ends the run. */
  readonly stop: AbortSignal;

  /**
   * Begins a run: its first event is told when its first line is on disk.
   *
   * @param lostLines How many lines its journal has of which nobody was told.
   */
  static begin(options: EngineOptions, lostLines = 0): RunEngine {
    const engine = new RunEngine(options);
    const from = { lines: lostLines, synced: 0 };
    const journal = engine.#journal = journalOver(engine.#sink, from);
    engine.#session = new CapturingSession<Supervisor>({ ...engine.#sessionOptions(), journal });
    if (options.onStopAsked !== undefined) void engine.waits;
    // Who began it before was killed before anything was decided.
    engine.#tellBegun({ resumed: options.fold.hasBegun ? true : undefined });
    return engine;
  }

  /**
   * Goes on with a run: what is left of attempts without an end is ended, the log gets what it lacks of the
   * journal, and those attempts end as aborted. Nothing is asked for. Until the journal says that the run is
   * gone on with, its records stay as they are.
   *
   * @returns The engine, and what the journal had.
   */
  static async goOn(
    options: EngineOptions,
    left: LeftRun,
  ): Promise<{ engine: RunEngine; history: JournalHistory }> {
    const engine = new RunEngine(options);
    try {
      return { engine, history: await engine.#goOn(left) };
    } catch (error) {
      await engine.#endWork(error);
      // Without its line in the journal it was not gone on with, and its log says nothing of it.
      const isTold = await engine.teller.told().then(() => true, () => false);
      if (engine.#journal !== undefined && isTold) await engine.breakOff(error);
      throw error;
    }
  }

  async #goOn(
    { onHistory, endLeftovers, damaged = [], changed = [] }: LeftRun,
  ): Promise<JournalHistory> {
    const { held } = this.#options;
    let history: JournalHistory | undefined;
    // A new run loads none of what going on with one takes.
    const { resumeCapture } = await import("../../capture/session/resume_capture.ts");
    const { JournalHistory: History } = await import("./journal_history.ts");
    const resumed = await resumeCapture<Supervisor>({
      ...this.#sessionOptions(),
      lines: held.view.raw("capture"),
      changed,
      withdrawDeferred: true,
      onRecovered: async (recovered) => {
        history = History.of(recovered, this.#options.fold, { asks: this.#asks });
        onHistory?.(history, recovered);
        this.#pastWaits = history.waits;
        await endLeftovers(history.cutOff);
        this.stop.throwIfAborted();
        await held.putDocument("capture.json", undefined);
      },
      journal: (from) => {
        this.#journal = journalOver(this.#sink, from);
        // A kill may have left lines that are not on disk: their events are told behind the next barrier.
        const missing = history!.missingEvents(this.#options);
        // The n-th begin in a log is that of the n-th sitting, also of those in which nothing happened.
        if (!this.#options.fold.hasBegun && missing.length === 0) {
          for (let sitting = 1; sitting <= history!.sittings; sitting++) {
            this.#tellBegun({ resumed: sitting > 1 ? true : undefined });
          }
        }
        for (const event of missing) this.teller.tell({ event: () => event });
        this.#tellBegun({ resumed: true, damaged });
        for (const ended of history!.undecidedEnds) this.#takeEnd(ended, ended.end);
        return this.#journal;
      },
    });
    this.#session = resumed.session;
    this.#timers = resumed.timers ?? systemTimers;
    if (this.#options.onStopAsked !== undefined) void this.waits;
    this.#letGoWhenLong();
    // Who is asked for next looks there for what others have come to.
    await this.teller.told();
    // What a power cut took is written there again by nobody behind the end of the run.
    if (damaged.length > 0) await held.barrier({ of: ["events"] });
    return history!;
  }

  #tellBegun(how: { resumed: true | undefined; damaged?: DamagedLines }): void {
    const { name, nodes, span } = this.#options;
    const event = pipeStarted(Date.now(), { name, nodes, span, ...how });
    this.teller.tell({ event: () => event });
  }

  /** The supervisor, and what it records. */
  get session(): CapturingSession<Supervisor> {
    return this.#session!;
  }

  /** The time of the session, for events and timers. */
  get timers(): Timers {
    return this.#timers;
  }

  /** How many lines it has given to the log. */
  get logged(): number {
    return this.teller.written;
  }

  /** What has ended by itself and could not be told, of a run that was broken off. */
  get untold(): NodeAttempt[] {
    return [...this.#untold.values()];
  }

  /** What keeps the run from being recorded, if anything does. */
  get failure(): { error: unknown } | undefined {
    return this.#failure;
  }

  /** Whether anything will happen: attempts were begun that have not ended, or the run waits for something. */
  get hasOpen(): boolean {
    return this.#open.size > 0 || (this.#waits?.isWaiting ?? false);
  }

  /**
   * Asks for a node, to be tried as `retry` and, for all its asks, `maxAttempts` say where the constraints do not.
   * Resolves when that is decided on, which is not on disk yet.
   */
  async ask(
    nodeId: string,
    payload: string,
    how: { retry?: EventRetry; maxAttempts?: number } = {},
  ): Promise<void> {
    const ask = this.#asks.next(nodeId);
    const rest = membersOf(ask, { ...how, constraints: this.#options.constraints });
    const at = this.#timers.now();
    const event = createEvent({ id: ask.eventId, kind: "Command", at, payload, ...rest });
    // What is no event was not asked for.
    this.#asks.add(ask);
    this.#letGoWhenLong();
    await this.session.onEvent(event);
  }

  /** What it waits for; from the begin on where messages ask it to stop. */
  get waits(): Waits {
    const { held, observer, sleepsAreDue = false, onStopAsked } = this.#options;
    return this.#waits ??= new Waits({
      held,
      onStopAsked,
      observer,
      sleepsAreDue,
      past: this.#pastWaits,
      note: (note) => this.session.note(note),
      tell: (tale) => this.teller.tell(tale),
      timers: this.#timers,
      fail: (error) => this.fail(error),
      stop: this.stop,
    });
  }

  /** Takes out what waits, or of that only some nodes: nothing of it is begun any more. */
  async withdrawDeferred(isMeant: (nodeId: string) => boolean = () => true): Promise<void> {
    const { supervisor } = this.session;
    for (const { eventId, episodeId } of supervisor.deferred) {
      if (isMeant(nodeOfEvent(eventId))) await supervisor.withdraw({ episodeId });
    }
  }

  /**
   * Ends the run when nothing runs any more: what is left to tell is told, then the end is in the journal,
   * in the bundle and in the log, and all of it on disk.
   */
  async end({ reason, failed, skipped: all = {}, output }: RunEnding): Promise<CaptureBundle> {
    const { held, fold } = this.#options;
    // Nothing is polled, and no timer is set, for a run that is over.
    this.#waits?.leaveAll();
    await this.session.close();
    await this.teller.told();
    if (this.#failure !== undefined) throw this.#failure.error;
    const at = Date.now();
    const state = reason === undefined ? "Completed" : "Aborted";
    const skipped = Object.keys(all).length === 0 ? undefined : { ...all };
    const says = defined({ reason, failed, skipped, output });
    const ended = { at: durationOfMs(at), state, ...says } as const;
    await this.session.note({ type: "ended", ...ended });
    await this.#sink.appended();
    this.#end = pipeEnded(at, { startedTs: fold.sittingTs, reason, failed, skipped, output });
    const bundle = await this.#bundle();
    await held.putDocument("capture.json", encodeUtf8(stringifyCaptureBundle(bundle)));
    await this.teller.write([this.#end]);
    await held.barrier({ of: ["capture", "events"] });
    return bundle;
  }

  async #bundle(): Promise<CaptureBundle> {
    if (!this.#isLong) return this.session.intoBundle();
    const { held: { view } } = this.#options;
    const { recoverCapture } = await import("../../capture/session/recover_capture.ts");
    const { bundle, damage } = await recoverCapture(view.raw("capture"));
    if (damage === null) return bundle;
    const { runId } = view;
    const what = `line ${damage.line} of its journal is not what was written (${damage.message})`;
    throw runError("damaged", `Cannot make the bundle of ${runId}: ${what}`, {
      details: { runId },
      remedy: `let other programs leave an open run alone; taffrail verify ${runId} says more`,
    });
  }

  /** In a long run each command would be started by a program that has grown, and takes longer for that. */
  #letGoWhenLong(): void {
    if (this.#isLong || this.#asks.nodeCount <= MOST_KEPT_NODES) return;
    this.#isLong = true;
    this.session.letGoOfRecording();
  }

  /**
   * Ends a run that cannot be recorded any more, or is given up by its own program: what runs is ended, and
   * the log says why, if it can. Nothing is said of attempts that have no end in the journal, and an end of the
   * run that the journal has stands, whatever could not be written behind it.
   */
  async breakOff(error: unknown): Promise<void> {
    await this.#endWork(error);
    await this.teller.told().catch(() => {});
    this.#isOver = true;
    const { hasBegun, sittingTs: startedTs, run: { state } } = this.#options.fold;
    if (state !== "Running") return;
    const at = Date.now();
    const broken = { startedTs, reason: messageOf(error), failed: undefined };
    const end = this.#end ?? pipeEnded(at, broken);
    // That it was begun may not have been told yet.
    const bodies = hasBegun ? [end] : [pipeStarted(at, this.#options), end];
    await this.teller.write(bodies).catch(() => {});
  }

  /** Nothing more begins, what runs is ended, and of all that was to begin it is known whether it has. */
  async #endWork(error: unknown): Promise<void> {
    this.fail(error);
    await this.#session?.close().catch(() => {});
    // A function of this process cannot be ended, and may be the one that waits here.
    if (this.#options.isOutside) await this.#settled();
    for (const { called } of this.#open.values()) called.resolve(false);
  }

  /** Resolves when nothing runs any more. */
  async #settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  /** Ends the run because of this: nothing more begins, and what runs is asked to end. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#halt.abort(error);
  }

  #sessionOptions(): Omit<CapturingSessionOptions<Supervisor>, "journal"> {
    const { name, constraints, runtimeProvenance, endWithinMs } = this.#options;
    return {
      graphId: name,
      mode: "concurrent",
      constraints,
      runtimeProvenance,
      decisionLog: { log: (entry) => this.#decided(entry) },
      invoker: { run: (request) => this.#invoke(request) },
      beforeRun: () => this.#beforeRun(),
      createSupervisor: (options) => {
        const timers = options.timers && this.#options.attemptTimers?.(options.timers);
        const supervisor = new Supervisor({ ...options, ...defined({ attemptTimers: timers }) });
        // What cannot be recorded stops it: nobody is to wait for what it decides no more.
        supervisor.subscribe(() => supervisor.failure && this.fail(supervisor.failure.error));
        return supervisor;
      },
      timers: systemTimers,
      signal: this.stop,
      keepsRecording: !this.#isLong,
      ...defined({ deadlineGraceMs: endWithinMs }),
    };
  }

  /** Resolves when all that the journal has is on disk. */
  async #barrier(): Promise<void> {
    await this.#journal?.barrier();
  }

  /** What is done outside begins only when its begin is on disk; a function when it is appended. */
  #beforeRun(): Promise<void> {
    return this.#options.isOutside ? this.#barrier() : this.#sink.appended();
  }

  async #invoke(request: RunRequest): Promise<AttemptEnd> {
    const { mayBegin, describe, invoke, atPoint } = this.#options;
    const attempt = this.#asks.attemptOf(request.eventId, request.attempt);
    const key = attemptKey(attempt);
    const open = this.#open.get(key)!;
    const may = mayBegin?.(attempt) ?? true;
    if (may === false) return UNBEGUN;
    if (may !== true) return { ...may, end: open.end = may.end };
    atPoint?.(attempt, "decided");
    open.work = { text: describe(attempt.nodeId, request.payload), payload: request.payload };
    this.#asks.begun(attempt);
    const work = invoke(request, attempt);
    open.called.resolve(true);
    this.#running.add(work);
    atPoint?.(attempt, "begun");
    try {
      const answer = await work;
      atPoint?.(attempt, "ended");
      open.end = answer.end;
      // What was asked to end, or given up meanwhile, has no end of its own that could be missed.
      const isOwn = answer.termination !== "Aborted" && this.#open.get(key) === open;
      if (isOwn) this.#untold.set(key, attempt);
      return answer;
    } catch (error) {
      // What it did cannot be recorded, so nothing may go on.
      this.fail(error);
      open.end = { error: { message: messageOf(error) } };
      return { termination: "Aborted", end: open.end };
    } finally {
      this.#running.delete(work);
    }
  }

  #decided(entry: DecisionLogEntry): void {
    // What the supervisor cannot log stops it, and nothing may stand behind the end of the run.
    if (this.#isOver) throw this.#failure!.error;
    const { originEventId: eventId, decision, reason, retry_count: retries } = entry;
    const { attemptTermination: termination, schedule_at: dueAt } = entry;
    if (eventId === null) return;
    const at = millisecondsOf(entry.numbers.now);
    let errorKind: Decided["errorKind"];
    let begun = false;
    if (termination !== null) {
      // A retry at once counts itself already.
      const ended = decision === "Invoke" ? retries : retries + 1;
      const attempt = this.#asks.attemptOf(eventId, ended);
      const open = this.#tellEnd(attempt, { termination, at, isLast: decision === "Finish" });
      begun = open?.work !== undefined && wasBegun({ end: open.end });
      if (termination !== "Completed") errorKind = errorKindOf(termination, open?.end);
    }
    if (decision === "Invoke") this.#tellBegin(this.#asks.attemptOf(eventId, retries + 1), at);
    const nodeId = nodeOfEvent(eventId);
    this.#options.onDecided({ nodeId, decision, reason, at, dueAt, termination, begun, errorKind });
  }

  #tellBegin(attempt: NodeAttempt, at: number): void {
    const open: OpenAttempt = { called: Promise.withResolvers() };
    this.#open.set(attemptKey(attempt), open);
    this.teller.tell({
      happened: open.called.promise,
      event: () => nodeStarted(at, attempt, open.work!.text),
      then: () => this.#options.observer.attemptBegan(attempt, { ...open.work!, at }),
    });
  }

  /** An end that another process has recorded, and nobody has decided on. */
  #takeEnd(attempt: NodeAttempt, end: EndRecord | undefined): void {
    const called = Promise.withResolvers<boolean>();
    called.resolve(wasBegun({ end }));
    this.#open.set(attemptKey(attempt), { called, ...defined({ end }) });
  }

  /** An attempt that another process has begun is not open here, and was cut off unless it has a record. */
  #tellEnd(
    attempt: NodeAttempt,
    { termination, at, isLast }: { termination: RunTermination; at: number; isLast: boolean },
  ): OpenAttempt | undefined {
    const key = attemptKey(attempt);
    const open = this.#open.get(key);
    this.#open.delete(key);
    open?.called.resolve(false);
    const end = open?.end;
    // One that was not begun has no event, and whoever has asked for it hears of it all the same.
    const isNone = end?.error !== undefined && !wasBegun({ end });
    this.teller.tell({
      ...(open !== undefined && !isNone && { happened: open.called.promise }),
      ...(!isNone && { event: () => nodeEnded(at, attempt, { termination, end }) }),
      then: () => {
        this.#untold.delete(key);
        this.#options.observer.attemptEnded(attempt, { termination, end: end ?? {}, at, isLast });
        this.#options.atPoint?.(attempt, "told");
      },
    });
    return open;
  }
}
