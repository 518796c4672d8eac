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
 * - Whatever goes wrong, {@linkcode RunEngine.settled} resolves only when no attempt runs any more.
 */
import { defined } from "../../_internal/errors.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import { stringifyCaptureBundle } from "../../capture/bundle/bundle_text.ts";
import {
  CapturingSession,
  type CapturingSessionOptions,
} from "../../capture/session/capturing_session.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import { type CaptureJournal, journalOver } from "../../capture/session/journal.ts";
import type { ErrorKind } from "../../eventlog/run_event.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import { createEvent } from "../../supervisor/core/create_event.ts";
import { Supervisor } from "../../supervisor/driver/supervisor.ts";
import { systemTimers } from "../../supervisor/driver/timers.ts";
import type {
  AttemptRef,
  ConstraintsInit,
  Decision,
  DecisionLogEntry,
  DecisionReason,
  EventTime,
  RunRequest,
  RunTermination,
  Timers,
} from "../../supervisor/types.ts";
import { attemptKey, errorKindOf } from "../attempt_key.ts";
import { messageOf } from "../error_record.ts";
import type { AttemptEnd, EndRecord, HeldRun } from "../port.ts";
import type { NodeAttempt } from "../types.ts";
import { Asks, nodeOfEvent } from "./asks.ts";
import type { JournalHistory } from "./journal_history.ts";
import {
  type DamagedLines,
  type DescribeNode,
  type EventBody,
  eventTimeOf,
  millisecondsOf,
  nodeEnded,
  nodeStarted,
  type NodeText,
  pipeEnded,
  pipeStarted,
  wasBegun,
} from "./lifecycle.ts";
import { Teller } from "./teller.ts";

/** What was decided about a node. */
export interface Decided {
  /** The node. */
  nodeId: string;
  /** What was decided. */
  decision: Decision;
  /** Why. */
  reason: DecisionReason;
  /** When a deferred episode is due. */
  dueAt: EventTime | null;
  /** How the attempt ended whose end was decided on; null when the decision is about none. */
  termination: RunTermination | null;
  /** What the log calls that end; undefined of one that completed. */
  errorKind: ErrorKind | "cancelled" | undefined;
}

type Payload = RunRequest["payload"];

/** Observes attempts as they are told: what is said here is on disk. */
export interface EngineObserver {
  /** The work of an attempt has begun, `at` this time as the log has it; `payload`: what its event carries. */
  attemptBegan(
    attempt: NodeAttempt,
    begin: { text: NodeText; payload: Payload; at: number },
  ): void;
  /** An attempt that had begun has ended. */
  attemptEnded(attempt: NodeAttempt, end: AttemptEnd & { at: number }): void;
}

/** What a {@linkcode RunEngine} works with. */
export interface EngineOptions {
  /** The run. */
  held: HeldRun;
  /** The name of what is run: its graph. */
  name: string;
  /** The nodes that are known beforehand. */
  nodes: readonly string[];
  /** What the supervisor keeps to. */
  constraints: ConstraintsInit;
  /** What stands for the flow or the program in the recording. */
  runtimeProvenance: string;
  /** Makes an attempt. */
  invoke: (request: RunRequest, attempt: NodeAttempt) => Promise<AttemptEnd>;
  /** Whether the work is done outside of this process: then its begin has to be on disk before. */
  isOutside: boolean;
  /** Whether the work of a node may begin now; else the attempt ends unbegun. */
  mayBegin?: (attempt: NodeAttempt) => boolean;
  /** Says what the payload of a node asks for. */
  describe: DescribeNode;
  /** Told of every decision about a node, before it can be seen outside. */
  onDecided: (decided: Decided) => void;
  /** Told of attempts. */
  observer: EngineObserver;
  /** What the log has. */
  fold: RunFold;
  /** Ends the run: what runs is asked to end, and nothing more begins. */
  signal: AbortSignal;
  /** How long what runs may take to end when it was asked to, in milliseconds. */
  endWithinMs?: number;
}

/** What to do about a run that another process has left. */
export interface LeftRun {
  /**
   * Sees to it that nothing of these attempts goes on, before the run is changed; what it throws ends all,
   * and the records stay as they are.
   */
  endLeftovers: (attempts: readonly NodeAttempt[]) => Promise<void>;
  /** The lines of the log that were found damaged now. */
  damaged?: DamagedLines;
  /** The nodes that are other ones now than when the run began. */
  changed?: readonly string[];
}

/** How a run ended, for whoever shows it. */
export interface RunEnding {
  /** Why it did not complete; undefined when it did. */
  reason: string | undefined;
  /** The node or step that ended it, if one did. */
  failed?: string;
}

/** An attempt whose begin was decided on, and its end not yet. */
interface OpenAttempt {
  /** Whether its work was called for: known when that happens, or when it ends before. */
  readonly called: PromiseWithResolvers<boolean>;
  /** What it does, and what it was given. */
  work?: { text: NodeText; payload: Payload };
  /** How it ended, once it has answered. */
  end?: EndRecord;
}

type Session = CapturingSession<Supervisor>;

const UNBEGUN: AttemptEnd = { termination: "Aborted", end: { begun: false } };

/** {@linkcode file} */
export class RunEngine {
  readonly #options: EngineOptions;
  readonly #asks = new Asks();
  readonly #teller: Teller;
  readonly #open = new Map<string, OpenAttempt>();
  /** What has ended by itself, and was not told yet. */
  readonly #untold = new Map<string, NodeAttempt>();
  /** The work that is under way. */
  readonly #running = new Set<Promise<unknown>>();
  /** Ends the run from inside. */
  readonly #halt = new AbortController();
  #failure: { error: unknown } | undefined;
  /** The end of the run that the journal has. */
  #end: EventBody | undefined;
  #journal: CaptureJournal | undefined;
  #session: Session | undefined;
  #timers: Timers = systemTimers;

  private constructor(options: EngineOptions) {
    this.#options = options;
    const { held, fold } = options;
    this.#teller = new Teller({
      held,
      fold,
      barrier: () => this.#barrier(),
      onFailure: (error) => this.fail(error),
    });
    this.stop = AbortSignal.any([options.signal, held.lost, this.#halt.signal]);
  }

  /** Aborts when anything ends the run. */
  readonly stop: AbortSignal;

  /** Begins a run: its first event is told when its first line is on disk. */
  static begin(options: EngineOptions): RunEngine {
    const engine = new RunEngine(options);
    const journal = engine.#journal = journalOver(journalSink(options.held));
    engine.#session = new CapturingSession<Supervisor>({ ...engine.#sessionOptions(), journal });
    // Who began it before was killed before anything was decided.
    engine.#tellBegun({ resumed: options.fold.hasBegun ? true : undefined });
    return engine;
  }

  /**
   * Goes on with a run: what is left of attempts without an end is ended, the log gets what it lacks of the
   * journal, and those attempts end as aborted. Nothing is asked for. Until the journal says that the run is
   * gone on with, its records stay as they are.
   *
   * @returns The engine, and the nodes that had completed.
   */
  static async goOn(
    options: EngineOptions,
    left: LeftRun,
  ): Promise<{ engine: RunEngine; completed: Set<string> }> {
    const engine = new RunEngine(options);
    try {
      return { engine, completed: await engine.#goOn(left) };
    } catch (error) {
      // Without its line in the journal it was not gone on with, and its log says nothing of it.
      if (engine.#journal !== undefined && await engine.#isTold()) await engine.breakOff(error);
      throw error;
    }
  }

  async #goOn({ endLeftovers, damaged = [], changed = [] }: LeftRun): Promise<Set<string>> {
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
        await endLeftovers(history.cutOff);
        this.stop.throwIfAborted();
        await held.putDocument("capture.json", undefined);
      },
      journal: (from) => {
        this.#journal = journalOver(journalSink(held), from);
        // A kill may have left lines that are not on disk: their events are told behind the next barrier.
        const missing = history!.missingEvents(this.#options);
        for (const event of missing) this.#teller.tell({ event: () => event });
        this.#tellBegun({ resumed: true, damaged });
        for (const ended of history!.undecidedEnds) this.#takeEnd(ended, ended.end);
        return this.#journal;
      },
    });
    this.#session = resumed.session;
    this.#timers = resumed.timers ?? systemTimers;
    return history!.completed;
  }

  /** Whether the log could take all that was to be told. */
  async #isTold(): Promise<boolean> {
    return await this.#teller.told().then(() => true, () => false);
  }

  #tellBegun(how: { resumed: true | undefined; damaged?: DamagedLines }): void {
    const { name, nodes } = this.#options;
    const event = pipeStarted(Date.now(), { name, nodes, ...how });
    this.#teller.tell({ event: () => event });
  }

  /** The supervisor, and what it records. */
  get session(): Session {
    return this.#session!;
  }

  /** The time of the session, for events and timers. */
  get timers(): Timers {
    return this.#timers;
  }

  /** How many lines it has given to the log. */
  get logged(): number {
    return this.#teller.written;
  }

  /** What has ended by itself and could not be told, of a run that was broken off. */
  get untold(): NodeAttempt[] {
    return [...this.#untold.values()];
  }

  /** What keeps the run from being recorded, if anything does. */
  get failure(): { error: unknown } | undefined {
    return this.#failure;
  }

  /** Asks for a node. Resolves when that is decided on, which is not on disk yet. */
  async ask(nodeId: string, payload: string): Promise<void> {
    const ask = this.#asks.next(nodeId);
    const { eventId: id, firstAttempt } = ask;
    const repeated = this.#asks.countOf(nodeId) > 0 ? { firstAttempt } : {};
    const at = this.#timers.now();
    const event = createEvent({ id, kind: "Command", at, payload, ...repeated });
    // What is no event was not asked for.
    this.#asks.add(ask);
    await this.session.onEvent(event);
  }

  /** Takes out what waits: nothing of it is begun any more. */
  async withdrawDeferred(): Promise<void> {
    const { supervisor } = this.session;
    for (const { episodeId } of supervisor.deferred) await supervisor.withdraw({ episodeId });
  }

  /**
   * Ends the run when nothing runs any more: what is left to tell is told, then the end is in the journal,
   * in the bundle and in the log, and all of it on disk.
   */
  async end({ reason, failed }: RunEnding): Promise<CaptureBundle> {
    const { held, fold } = this.#options;
    await this.session.close();
    await this.#teller.told();
    if (this.#failure !== undefined) throw this.#failure.error;
    const at = Date.now();
    const state = reason === undefined ? "Completed" : "Aborted";
    const ended = { at: eventTimeOf(at), state, ...defined({ reason, failed }) } as const;
    await this.session.note({ type: "ended", ...ended });
    this.#end = pipeEnded(at, { startedTs: fold.sittingTs, reason, failed });
    const bundle = this.session.intoBundle();
    await held.putDocument("capture.json", encodeUtf8(stringifyCaptureBundle(bundle)));
    await this.#teller.write([this.#end]);
    await held.barrier({ of: ["capture", "events"] });
    return bundle;
  }

  /**
   * Ends a run that cannot be recorded any more, or is given up by its own program: what runs is ended, and
   * the log says why, if it can. Nothing is said of attempts that have no end in the journal, and an end of the
   * run that the journal has stands, whatever could not be written behind it.
   */
  async breakOff(error: unknown): Promise<void> {
    this.fail(error);
    await this.#session?.close().catch(() => {});
    // A function of this process cannot be ended, and may be the one that waits here.
    if (this.#options.isOutside) await this.settled();
    for (const { called } of this.#open.values()) called.resolve(false);
    await this.#teller.told().catch(() => {});
    const { hasBegun, sittingTs: startedTs, run: { state } } = this.#options.fold;
    if (state !== "Running") return;
    const at = Date.now();
    const broken = { startedTs, reason: messageOf(error), failed: undefined };
    const end = this.#end ?? pipeEnded(at, broken);
    // That it was begun may not have been told yet.
    const bodies = hasBegun ? [end] : [pipeStarted(at, this.#options), end];
    await this.#teller.write(bodies).catch(() => {});
  }

  /** Resolves when nothing runs any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  /** Ends the run because of this: nothing more begins, and what runs is asked to end. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#halt.abort(error);
  }

  #sessionOptions(): Omit<CapturingSessionOptions<Supervisor>, "journal"> {
    const { name, constraints, runtimeProvenance, isOutside, endWithinMs } = this.#options;
    return {
      graphId: name,
      mode: "concurrent",
      constraints,
      runtimeProvenance,
      decisionLog: { log: (entry) => this.#decided(entry) },
      invoker: { run: (request) => this.#invoke(request) },
      ...(isOutside && { beforeRun: (attempt) => this.#beforeRun(attempt) }),
      createSupervisor: (options) => new Supervisor(options),
      timers: systemTimers,
      signal: this.stop,
      ...defined({ deadlineGraceMs: endWithinMs }),
    };
  }

  /** What is done outside begins only when its begin cannot be lost any more. */
  #beforeRun({ eventId, attempt }: AttemptRef): void | Promise<void> {
    const { mayBegin } = this.#options;
    if (mayBegin?.(this.#asks.attemptOf(eventId, attempt)) === false) return;
    return this.#barrier();
  }

  /** Resolves when all that the journal has is on disk. */
  async #barrier(): Promise<void> {
    await this.#journal?.barrier();
  }

  async #invoke(request: RunRequest): Promise<AttemptEnd> {
    const { mayBegin, describe, invoke } = this.#options;
    const attempt = this.#asks.attemptOf(request.eventId, request.attempt);
    const open = this.#open.get(attemptKey(attempt))!;
    if (mayBegin?.(attempt) === false || this.stop.aborted) return UNBEGUN;
    const { payload } = request;
    open.work = { text: describe(attempt.nodeId, payload), payload };
    this.#asks.begun(attempt);
    const work = invoke(request, attempt);
    open.called.resolve(true);
    this.#running.add(work);
    try {
      const answer = await work;
      open.end = answer.end;
      // What was asked to end has no end of its own that could be missed.
      if (answer.termination !== "Aborted") this.#untold.set(attemptKey(attempt), attempt);
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
    const { originEventId: eventId, decision, reason, retry_count: retries } = entry;
    const { attemptTermination: termination, schedule_at: dueAt } = entry;
    if (eventId === null) return;
    const at = millisecondsOf(entry.numbers.now);
    let errorKind: Decided["errorKind"];
    if (termination !== null) {
      // A retry at once counts itself already.
      const ended = decision === "Invoke" ? retries : retries + 1;
      const end = this.#tellEnd(this.#asks.attemptOf(eventId, ended), termination, at);
      if (termination !== "Completed") errorKind = errorKindOf(termination, end);
    }
    if (decision === "Invoke") this.#tellBegin(this.#asks.attemptOf(eventId, retries + 1), at);
    const nodeId = nodeOfEvent(eventId);
    this.#options.onDecided({ nodeId, decision, reason, dueAt, termination, errorKind });
  }

  #tellBegin(attempt: NodeAttempt, at: number): void {
    const open: OpenAttempt = { called: Promise.withResolvers() };
    this.#open.set(attemptKey(attempt), open);
    this.#teller.tell({
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
    termination: RunTermination,
    at: number,
  ): EndRecord | undefined {
    const key = attemptKey(attempt);
    const open = this.#open.get(key);
    this.#open.delete(key);
    open?.called.resolve(false);
    const end = open?.end;
    this.#teller.tell({
      ...(open !== undefined && { happened: open.called.promise }),
      event: () => nodeEnded(at, attempt, { termination, end }),
      then: () => {
        this.#untold.delete(key);
        this.#options.observer.attemptEnded(attempt, { termination, end: end ?? {}, at });
      },
    });
    return end;
  }
}

/** The journal of a run, which its records take line by line. */
function journalSink(held: HeldRun) {
  return {
    append: (text: string) => held.append({ capture: [text] }),
    barrier: () => held.barrier({ of: ["capture"] }),
    close: () => {},
  };
}
