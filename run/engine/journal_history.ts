/**
 * What the journal of a run says happened, and what of it the log lacks: for whoever brings the log up to
 * it, by going on with the run or by repairing it, and for whoever only looks at it.
 *
 * What is always true:
 * - What the log says stands: an event is made only of what it does not have.
 * - Nothing is kept of an attempt that both have, so that a long journal needs no memory. The log is read
 *   before it, so that the journal of a run at work is never behind.
 * - The n-th `pipe.started` of a log is that of the n-th sitting, which begins with `session` or `resumed`.
 */
import { defined } from "../../_internal/errors.ts";
import { millisecondsOf } from "../../_internal/event_time.ts";
import type { CaptureLine } from "../../capture/session/read_capture_lines.ts";
import type { RecoveredCapture } from "../../capture/session/recover_capture.ts";
import type {
  DecisionRecord,
  EndedRecord,
  InputRecord,
  NoteRecord,
  ResumedRecord,
  WaitedRecord,
  WaitRecord,
} from "../../capture/types.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { EventTime } from "../../supervisor/types.ts";
import { attemptKey } from "../attempt_key.ts";
import type { NodeAttempt } from "../types.ts";
import { Asks, nodeOfEvent } from "./asks.ts";
import {
  type DescribeNode,
  type EndedAttempt,
  type EventBody,
  gateEnd,
  gateEnded,
  nodeEnded,
  nodeStarted,
  pipeEnded,
  pipeStarted,
  wasBegun,
} from "./lifecycle.ts";
import { gateOfRefusal, WaitHistory } from "./wait_history.ts";

/** An attempt that was or may have been begun, and whose end is not decided on. */
interface OpenAttempt extends NodeAttempt {
  /** How it has ended, when that is recorded. */
  ended?: EndedAttempt;
}

/**
 * How a node is over: by its last attempt, where that is known, or by the end of a wait. What a program has
 * recorded is over by that.
 */
export interface Over {
  /** Whether it has completed; a gate has when it was passed, and a sleep when it was over. */
  as: "completed" | "failed";
  /** The attempt with which it was over. */
  ended?: EndedAttempt;
  /** How the wait ended. */
  waited?: WaitedRecord;
}

/** What the log lacks, in the order in which it happened. */
type Missing =
  | { what: "gate"; attempt: NodeAttempt; waited: WaitedRecord; since: EventTime }
  | { what: "sitting"; number: number; at: number }
  | { what: "begin"; attempt: NodeAttempt; payload: string; at: number }
  | { what: "end"; attempt: EndedAttempt };

/** What {@linkcode JournalHistory} works with. */
interface JournalHistoryOptions {
  /** Takes all asks and attempts of the journal. */
  asks?: Asks;
  /** Told of every end of an attempt that was begun, and of a wait at a gate. */
  onEnd?: (ended: EndedAttempt) => void;
}

/** How to tell what the log lacks. */
interface Telling {
  /** The name of what is run. */
  name: string;
  /** The nodes that are known beforehand. */
  nodes: readonly string[];
  /** Says what the event of a node asks for. */
  describe: DescribeNode;
}

/** What the journal of a run says, line by line or as a whole. */
export class JournalHistory {
  readonly #log: RunFold;
  readonly #asks: Asks;
  readonly #onEnd: ((ended: EndedAttempt) => void) | undefined;
  /** Whether it is kept what became of each node: whoever only looks at a run has that from its log. */
  #keepsNodes = false;
  /** A session in which attempts are no decisions tells nothing of a run. */
  #isConcurrent = false;
  #name = "";
  #sitting = 0;
  #lastAt = NaN;
  #ended: EndedRecord | undefined;
  /** What is not decided on yet. */
  #undecided: InputRecord[] = [];
  /** By episode that is not over, the event that it was made for. */
  readonly #episodes = new Map<number, string>();
  /** By event whose episode is not over, what it asked for. */
  readonly #payloads = new Map<string, string>();
  readonly #open = new Map<string, OpenAttempt>();
  readonly #missing = new Map<string, Missing>();
  /** What waits, and how other waits have ended. */
  readonly waits: WaitHistory = new WaitHistory();
  /** What is over and was not asked for again, in the order in which it was over. */
  readonly #over = new Map<string, Over>();
  /** What each node was asked for with last. */
  readonly #asked = new Map<string, string>();
  readonly #begun = new Set<string>();

  /** `log`: what the log has. */
  constructor(log: RunFold, { asks = new Asks(), onEnd }: JournalHistoryOptions = {}) {
    this.#log = log;
    this.#asks = asks;
    this.#onEnd = onEnd;
  }

  /** The history of a session that was read as a whole, for whoever goes on with it. */
  static of(
    { bundle, undecided, interrupted }: RecoveredCapture,
    log: RunFold,
    options: JournalHistoryOptions = {},
  ): JournalHistory {
    const history = new JournalHistory(log, options);
    history.#keepsNodes = true;
    history.#begin(bundle);
    if (!history.#isConcurrent || !("inputs" in bundle)) return history;
    const { inputs, decisions, notes = [] } = bundle;
    let noted = 0;
    const takeNotes = (before: number) => {
      while (noted < notes.length && notes[noted]!.after <= before) {
        history.#takeNote(notes[noted++]!);
      }
    };
    for (const [index, decision] of decisions.entries()) {
      takeNotes(2 * index);
      history.#takeInput(inputs[index]!);
      takeNotes(2 * index + 1);
      history.#takeDecision(decision);
    }
    for (const input of undecided) history.#takeInput(input);
    takeNotes(Infinity);
    for (const { event_id: eventId, attempt, termination, end } of interrupted) {
      if (termination !== null) {
        history.#end(eventId, attempt, { termination, end, at: history.#lastAt });
      }
    }
    for (const open of history.#open.values()) {
      if (mayHaveBegun(open)) history.#asks.begun(open);
    }
    return history;
  }

  /** What is run, by its journal. */
  get name(): string {
    return this.#name;
  }

  /** How often the run was begun or gone on with. */
  get sittings(): number {
    return this.#sitting;
  }

  /** The end of the run; undefined when it has none, or was gone on with since. */
  get ended(): EndedRecord | undefined {
    return this.#ended;
  }

  /**
   * The nodes that have completed, and the gates that were passed, and were not asked for again since, in the
   * order in which they did, of a session that was read as a whole.
   */
  get completed(): Set<string> {
    const undecided = this.undecidedEnds.filter(({ termination }) => termination === "Completed");
    const nodes = undecided.map(({ nodeId }) => nodeId);
    return new Set([...this.#overAs("completed"), ...nodes]);
  }

  /** The same of the nodes that have failed for good. */
  get failed(): Set<string> {
    return new Set(this.#overAs("failed"));
  }

  /** All of these, those that have completed and those that have failed for good, in the order in which they did. */
  get over(): Set<string> {
    return new Set([...this.#over.keys(), ...this.completed]);
  }

  #overAs(how: Over["as"]): string[] {
    return [...this.#over].filter(([, { as }]) => as === how).map(([id]) => id);
  }

  /**
   * How nodes and waits are over, in the order in which they were, but for what was not decided on, and for
   * the failure that ended the run: whoever goes on with that asks for it again.
   */
  get ends(): ReadonlyMap<string, Over> {
    return this.#over;
  }

  /** The payload with which a node was asked for last; undefined where it never was. */
  payloadOf(nodeId: string): string | undefined {
    return this.#asked.get(nodeId);
  }

  /** The nodes that were asked for. */
  get asked(): MapIterator<string> {
    return this.#asked.keys();
  }

  /** What the program has recorded, by id. */
  get records(): ReadonlySet<string> {
    return this.waits.records;
  }

  /** The nodes whose work was or may have been begun, and the gates asked for, of a session read as a whole. */
  get begun(): Set<string> {
    const open = [...this.#open.values()].filter(mayHaveBegun);
    const nodes = open.map(({ nodeId }) => nodeId);
    return new Set([...this.#begun, ...nodes, ...this.waits.asked]);
  }

  /** Attempts that were or may have been begun, and whose ends nobody has seen. */
  get cutOff(): NodeAttempt[] {
    return this.#openAttempts(false).map(({ nodeId, attempt }) => ({ nodeId, attempt }));
  }

  /** The ends that are recorded and were not decided on, of attempts that were not begun too. */
  get undecidedEnds(): EndedAttempt[] {
    return this.#openAttempts(true).map(({ ended }) => ended!);
  }

  /** Takes the next line of the journal that counts. */
  take(line: CaptureLine): void {
    switch (line.type) {
      case "session":
        this.#begin(line);
        break;
      case "event":
      case "completion":
      case "withdraw":
        if (this.#isConcurrent) this.#takeInput(line);
        break;
      case "decision":
        if (this.#isConcurrent) this.#takeDecision(line);
        break;
      case "resumed":
      case "ended":
      case "wait":
      case "waited":
      case "record":
        this.#takeNote(line);
    }
  }

  /** What the log lacks, in a few words each, in order. */
  missingWords(): string[] {
    const words = Array.from(this.#lacking(), (missing) => {
      if (missing.what === "sitting") {
        return missing.number === 1 ? "the begin of the run" : "that it was gone on with";
      }
      const { nodeId, attempt } = missing.attempt;
      if (missing.what === "gate") return `how the wait at the gate ${nodeId} ended`;
      return `the ${missing.what} of ${nodeId} (attempt ${attempt})`;
    });
    return this.#lacksEnd() ? [...words, "the end of the run"] : words;
  }

  /**
   * The events that a log lacks, in the order of the journal: begins of sittings, begins and ends of
   * attempts that were decided on, and the end of the run.
   */
  missingEvents(telling: Telling): EventBody[] {
    return this.#eventsOf([...this.#lacking()], telling);
  }

  /** The same, and the ends that were not decided on: what a reader is to see. */
  untoldEvents(telling: Telling): EventBody[] {
    const undecided = this.undecidedEnds.filter(wasBegun)
      .filter((ended) => !isLogged(this.#log, ended))
      .map((attempt): Missing => ({ what: "end", attempt }));
    return this.#eventsOf([...this.#lacking(), ...undecided], telling);
  }

  #eventsOf(missing: readonly Missing[], { name, nodes, describe }: Telling): EventBody[] {
    let startedTs = this.#log.sittingTs;
    const bodies = missing.map((one): EventBody => {
      if (one.what === "gate") return gateEnded(one.attempt, one.waited, one.since);
      if (one.what === "end") return nodeEnded(one.attempt.at, one.attempt, one.attempt);
      if (one.what === "begin") {
        const payload = one.payload === "" ? {} : JSON.parse(one.payload);
        return nodeStarted(one.at, one.attempt, describe(one.attempt.nodeId, payload));
      }
      const at = this.#timeOf(one);
      startedTs = new Date(at).toISOString();
      // Behind an end nothing counts but what goes on with the run.
      const isFirst = one.number === 1 && !this.#isLogOver();
      return pipeStarted(at, { name, nodes, ...(!isFirst && { resumed: true }) });
    });
    if (!this.#lacksEnd()) return bodies;
    const { at: time, reason, failed, skipped, output } = this.#ended!;
    const at = millisecondsOf(time);
    if (this.#isLogOver() && !missing.some(({ what }) => what === "sitting")) {
      bodies.push(pipeStarted(at, { name, nodes, resumed: true }));
      startedTs = new Date(at).toISOString();
    }
    return [...bodies, pipeEnded(at, { startedTs, reason, failed, skipped, output })];
  }

  /** What is missing; of a run in which nothing has happened nobody knows when it began. */
  *#lacking(): Generator<Missing, void> {
    if (this.#log.hasBegun || !Number.isNaN(this.#lastAt)) yield* this.#missing.values();
  }

  /** Whether the log has not the end that the run has. What its records broke off with is none. */
  #lacksEnd(): boolean {
    if (this.#ended === undefined) return false;
    return !this.#isLogOver() || this.#missing.has(`sitting ${this.#sitting}`) ||
      (this.#ended.state === "Completed" && this.#log.run.state !== "Completed");
  }

  #isLogOver(): boolean {
    return this.#log.run.state !== "Running";
  }

  /** Nothing may have happened since it began. */
  #timeOf({ at }: { at: number }): number {
    if (!Number.isNaN(at)) return at;
    const last = Date.parse(this.#log.run.last_ts ?? "");
    return Number.isNaN(this.#lastAt) ? last || 0 : this.#lastAt;
  }

  /** A journal may hold several sessions one behind the other, of which the last counts. */
  #begin({ mode, graph_id: name }: { mode?: string; graph_id: string }): void {
    this.#isConcurrent = mode === "concurrent";
    this.#name = name;
    this.#sitting = 0;
    this.#ended = undefined;
    this.#undecided = [];
    for (const kept of [this.#episodes, this.#payloads, this.#open, this.#missing]) kept.clear();
    for (const kept of [this.#over, this.#asked, this.#begun, this.waits]) {
      kept.clear();
    }
    this.#asks.clear();
    this.#beginSitting();
  }

  #takeNote(note: NoteRecord | Pick<ResumedRecord, "type">): void {
    if (note.type === "resumed") {
      this.#ended = undefined;
      this.#beginSitting();
    } else if (note.type === "ended") {
      this.#ended = note;
      if (note.failed !== undefined) this.#over.delete(note.failed);
      this.#passTime(note.at);
    } else if (note.type === "record") {
      this.waits.records.add(note.id);
      if (gateOfRefusal(note.id) === undefined) this.#over.set(note.id, { as: "completed" });
      this.#passTime(note.at);
    } else this.#takeWait(note);
  }

  #takeWait(note: WaitRecord | WaitedRecord): void {
    const at = this.#passTime(note.at);
    const { open, asks } = this.waits.of(note.id);
    this.waits.take(note);
    this.#over.delete(note.id);
    if (note.type !== "waited" || open === undefined) return;
    const as = note.how === "passed" || note.how === "due" ? "completed" : "failed";
    this.#over.set(note.id, { as, waited: note });
    if (open.kind === "sleep") return;
    const attempt = { nodeId: note.id, attempt: asks };
    this.#onEnd?.({ ...attempt, ...gateEnd(note), at, sitting: this.#sitting });
    if (isLogged(this.#log, attempt)) return;
    const missing = { what: "gate", attempt, waited: note, since: open.at } as const;
    this.#missing.set(`gate ${attemptKey(attempt)}`, missing);
  }

  #beginSitting(): void {
    const number = ++this.#sitting;
    if (number <= this.#log.sittings) return;
    this.#missing.set(`sitting ${number}`, { what: "sitting", number, at: NaN });
  }

  /** What began at a time that is not known began when the next thing happened. */
  #passTime(time: EventTime): number {
    const at = this.#lastAt = millisecondsOf(time);
    for (let number = this.#sitting; number > 0; number--) {
      const sitting = this.#missing.get(`sitting ${number}`);
      if (sitting?.what !== "sitting" || !Number.isNaN(sitting.at)) break;
      sitting.at = at;
    }
    return at;
  }

  #takeInput(input: InputRecord): void {
    this.#undecided.push(input);
    if (input.type === "completion") return this.#takeCompletion(input);
    if (input.type !== "event" || input.kind !== "Command") return;
    const { event_id: eventId, first_attempt: firstAttempt = 1, payload } = input;
    if (this.#keepsNodes || firstAttempt !== 1) this.#asks.add({ eventId, firstAttempt });
    const nodeId = nodeOfEvent(eventId);
    this.#over.delete(nodeId);
    this.#payloads.set(eventId, payload);
    if (this.#keepsNodes) this.#asked.set(nodeId, payload);
  }

  #takeCompletion(
    { episode_id, attempt, termination, end, at }: InputRecord & { type: "completion" },
  ): void {
    const eventId = this.#episodes.get(episode_id);
    if (eventId === undefined) return;
    this.#end(eventId, attempt, { termination, end, at: millisecondsOf(at) });
  }

  #end(
    eventId: string,
    number: number,
    how: Pick<EndedAttempt, "termination" | "end" | "at">,
  ): void {
    const attempt = this.#asks.attemptOf(eventId, number);
    const key = attemptKey(attempt);
    const open = this.#open.get(key);
    if (open === undefined) return;
    open.ended = { ...attempt, ...how, sitting: this.#sitting };
    if (wasBegun(open.ended)) this.#onEnd?.(open.ended);
    // It was none.
    else this.#missing.delete(`begin ${key}`);
  }

  #takeDecision(
    { decision, origin_event_id: eventId, episode_id, retry_count: retries, ...rest }:
      DecisionRecord,
  ): void {
    const at = this.#passTime(rest.numbers.now);
    let ended: EndedAttempt | undefined;
    for (const input of this.#undecided.splice(0)) {
      if (input.type === "completion") ended = this.#close(input, at);
    }
    if (eventId === null) return;
    this.#episodes.set(episode_id, eventId);
    if (decision === "Invoke") this.#invoke(eventId, retries + 1, at);
    if (decision !== "Finish" && decision !== "Skip") return;
    this.#episodes.delete(episode_id);
    this.#payloads.delete(eventId);
    if (decision !== "Finish" || !this.#keepsNodes || rest.termination === "Aborted") return;
    const as = rest.termination === "Completed" ? "completed" : "failed";
    this.#over.set(nodeOfEvent(eventId), { as, ...defined({ ended }) });
  }

  #invoke(eventId: string, number: number, at: number): void {
    const attempt = this.#asks.attemptOf(eventId, number);
    const key = attemptKey(attempt);
    this.#open.set(key, attempt);
    const logged = this.#log.attemptOf(attempt.nodeId, attempt.attempt);
    if (logged?.started_ts !== undefined) return;
    const payload = this.#payloads.get(eventId) ?? "";
    this.#missing.set(`begin ${key}`, { what: "begin", attempt, payload, at });
  }

  #close(
    { episode_id, attempt: number }: InputRecord & { type: "completion" },
    at: number,
  ): EndedAttempt | undefined {
    const eventId = this.#episodes.get(episode_id);
    if (eventId === undefined) return undefined;
    const key = attemptKey(this.#asks.attemptOf(eventId, number));
    const ended = this.#open.get(key)?.ended;
    this.#open.delete(key);
    if (ended === undefined || !wasBegun(ended)) return ended;
    this.#asks.begun(ended);
    if (this.#keepsNodes) this.#begun.add(ended.nodeId);
    if (!isLogged(this.#log, ended)) {
      this.#missing.set(`end ${key}`, { what: "end", attempt: { ...ended, at } });
    }
    return ended;
  }

  #openAttempts(hasEnded: boolean): OpenAttempt[] {
    return [...this.#open.values()].filter(({ ended }) => (ended !== undefined) === hasEnded);
  }
}

function mayHaveBegun({ ended }: OpenAttempt): boolean {
  return ended === undefined || wasBegun(ended);
}

/** Whether a log has the end of an attempt. */
function isLogged(log: RunFold, { nodeId, attempt }: NodeAttempt): boolean {
  const logged = log.attemptOf(nodeId, attempt);
  return logged !== undefined && logged.status !== "Running";
}
