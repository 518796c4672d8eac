import type {
  DecisionReason,
  EventTime,
  JsonObject,
  RunTermination,
} from "../../supervisor/types.ts";
import { asV3Bundle, attemptId, isV3Input, TAFFRAIL_CAPTURE_VERSION } from "../bundle/records.ts";
import type {
  BundleNote,
  CaptureBundle,
  CapturedActionEffect,
  DecisionRecord,
  EndedRecord,
  EventInputRecord,
  InputRecord,
  NoteRecord,
  ProgramRecord,
  ResumedRecord,
  TaffrailCaptureBundle,
  WaitRecord,
} from "../types.ts";
import { isInput, type JournalLine, type SessionHeader } from "./journal_lines.ts";

/** An attempt that had begun and whose end no decision of the bundle is about. */
export interface InterruptedAttempt {
  /** The event that the episode was made for. */
  event_id: string;
  /** The episode. */
  episode_id: number;
  /** Which attempt: the first is 1. */
  attempt: number;
  /** How it ended, when that was recorded but not yet decided on. */
  termination: RunTermination | null;
  /** What else was said of that end. */
  end?: JsonObject;
}

/** An episode that waited in the deferred queue when the recording ends. */
export interface DeferredEpisode {
  /** The event that the episode was made for. */
  event_id: string;
  /** The episode. */
  episode_id: number;
  /** How many attempts were begun. */
  attempts: number;
  /** When it is due. */
  schedule_at: EventTime | null;
  /** Why it waits. */
  reason: DecisionReason;
}

/** A recording, as far as it can be replayed, and what is left over. */
export interface Recording {
  /** Ends with the last input whose decision is recorded. */
  bundle: CaptureBundle;
  /** The events behind it: recorded, perhaps begun to be handled, and not decided on. */
  undecided: EventInputRecord[];
  /**
   * Attempts without an end. Known in `"concurrent"` mode only: in `"serial"` mode the beginning of an
   * attempt is no decision, and an undecided event may have been begun.
   */
  interrupted: InterruptedAttempt[];
  /** The episodes that wait in the deferred queue, as far as it is decided, in the order of their ids. */
  deferred: DeferredEpisode[];
  /** What waits and has not been told to go on. */
  waits: WaitRecord[];
  /** What the program has recorded. */
  records: ProgramRecord[];
  /** Who went on with the session. */
  resumed: ResumedRecord[];
  /** How the session has ended, if nobody went on with it behind that. */
  ended: EndedRecord | null;
}

/** Puts a bundle together from inputs and decisions, in the order in which they are recorded. */
export class CaptureRecorder {
  /** Every input, those that are not decided on too. */
  inputs: InputRecord[] = [];
  /** Every decision. */
  decisions: DecisionRecord[] = [];
  /** What was recorded besides. */
  notes: BundleNote[] = [];
  /** How many inputs were decided on: all that there were when the last decision was recorded. */
  decidedInputs = 0;

  /** `header`: what is known of the session before its first input. */
  constructor(readonly header: SessionHeader) {}

  /** The runtime that ran the graph last. */
  get runtimeProvenance(): string {
    const resumed = this.notes.findLast((note) => note.type === "resumed");
    return resumed?.runtime_provenance ?? this.header.runtime_provenance;
  }

  /** Takes a line of a journal, but for the first. */
  add(line: Exclude<JournalLine, { type: "session" }>): void {
    switch (line.type) {
      case "decision": {
        const { type: _, ...decision } = line;
        return this.addDecision(decision);
      }
      case "effects":
        return this.setEffects(line.decision_index, line.effects);
      case "resumed": {
        const { lines: _lines, hash: _hash, ...resumed } = line;
        return this.addNote(resumed);
      }
    }
    if (isInput(line)) this.addInput(line);
    else this.addNote(line);
  }

  addInput(input: InputRecord): void {
    this.inputs.push(input);
  }

  addDecision(decision: DecisionRecord): void {
    this.decisions.push(decision);
    this.decidedInputs = this.inputs.length;
  }

  /** Lets go of all of it: whoever wants it now reads the journal. */
  forget(): void {
    this.inputs = [];
    this.decisions = [];
    this.notes = [];
    this.decidedInputs = 0;
  }

  /** Takes what nothing is decided by; `underWay`: how many inputs and decisions before it are still to come. */
  addNote(note: NoteRecord | ResumedRecord, underWay = 0): void {
    this.notes.push({ ...note, after: this.inputs.length + this.decisions.length + underWay });
  }

  /** Replaces the effects of a decision (EFX-5). */
  setEffects(decisionIndex: number, effects: CapturedActionEffect[]): void {
    const decision = this.decisions[decisionIndex];
    if (decision === undefined) {
      throw new RangeError(
        `Cannot set the effects of decision ${decisionIndex}: ` +
          `there are ${this.decisions.length} decisions`,
      );
    }
    decision.effects = effects;
  }

  /** What was recorded so far. */
  recording(): Recording {
    const bundle = this.#bundleOf(this.inputs.slice(0, this.decidedInputs));
    return {
      bundle: this.#fitsV3() ? asV3Bundle(bundle) : bundle,
      undecided: this.undecided,
      interrupted: this.interrupted,
      deferred: this.deferred,
      ...summaryOf(this.notes),
    };
  }

  /** The events behind the last decision. */
  get undecided(): EventInputRecord[] {
    return this.inputs.slice(this.decidedInputs).filter((input) => input.type === "event");
  }

  /** The episodes that wait in the deferred queue. */
  get deferred(): DeferredEpisode[] {
    const attempts = new Map<number, number>();
    const waiting = new Map<number, DeferredEpisode>();
    for (const record of this.decisions) {
      const { decision, reason, episode_id, origin_event_id: eventId, schedule_at } = record;
      // A Pump that found nothing due is about no episode.
      if (eventId === null) continue;
      waiting.delete(episode_id);
      if (decision === "Invoke") attempts.set(episode_id, record.retry_count + 1);
      if (decision !== "Defer") continue;
      const begun = attempts.get(episode_id) ?? 0;
      const episode = { event_id: eventId, episode_id, attempts: begun, schedule_at, reason };
      waiting.set(episode_id, episode);
    }
    return [...waiting.values()].toSorted((a, b) => a.episode_id - b.episode_id);
  }

  /** Whether the v3 format can say all of it. */
  #fitsV3(): boolean {
    const { mode, max_deferred: maxDeferred, backoff, redacted } = this.header;
    return mode === "serial" && maxDeferred === null && backoff === null && !redacted &&
      this.decisions.every(({ decision }) => decision !== "Skip") && this.inputs.every(isV3Input) &&
      // That it was resumed with the same runtime says nothing about the session.
      this.notes.every((note) => {
        return note.type === "resumed" &&
          note.runtime_provenance === this.header.runtime_provenance;
      });
  }

  #bundleOf(inputs: InputRecord[]): TaffrailCaptureBundle {
    const { graph_id, mode, config, max_deferred, backoff, redacted, ...provenance } = this.header;
    const end = inputs.length + this.decisions.length;
    const notes = this.notes.map((note) => ({ ...note, after: Math.min(note.after, end) }));
    return {
      capture_version: TAFFRAIL_CAPTURE_VERSION,
      graph_id,
      mode,
      config,
      max_deferred,
      backoff,
      redacted,
      inputs,
      decisions: [...this.decisions],
      ...(notes.length > 0 && { notes }),
      ...provenance,
    };
  }

  /** The attempts that have begun and whose ends are not decided on; none in serial mode. */
  get interrupted(): InterruptedAttempt[] {
    if (this.header.mode === "serial") return [];
    const inputs = this.inputs.slice(0, this.decidedInputs);
    const rest = this.inputs.slice(this.decidedInputs);
    const attempts = new Map<string, InterruptedAttempt>();
    for (const { decision, origin_event_id, episode_id, retry_count } of this.decisions) {
      if (decision !== "Invoke" || origin_event_id === null) continue;
      const attempt = retry_count + 1;
      const begun: InterruptedAttempt = {
        event_id: origin_event_id,
        episode_id,
        attempt,
        termination: null,
      };
      attempts.set(attemptId(episode_id, attempt), begun);
    }
    for (const input of inputs) {
      if (input.type === "completion") attempts.delete(attemptId(input.episode_id, input.attempt));
    }
    for (const input of rest) {
      if (input.type !== "completion") continue;
      const attempt = attempts.get(attemptId(input.episode_id, input.attempt));
      if (attempt === undefined) continue;
      attempt.termination = input.termination;
      if (input.end !== undefined) attempt.end = input.end;
    }
    return [...attempts.values()];
  }
}

function summaryOf(notes: readonly BundleNote[]) {
  const waits = new Map<string, WaitRecord>();
  const records: ProgramRecord[] = [];
  const resumed: ResumedRecord[] = [];
  let ended: EndedRecord | null = null;
  for (const { after: _, ...note } of notes) {
    if (note.type === "wait") waits.set(note.id, note);
    else if (note.type === "waited") waits.delete(note.id);
    else if (note.type === "record") records.push(note);
    else if (note.type === "resumed") resumed.push(note);
    ended = note.type === "ended" ? note : note.type === "resumed" ? null : ended;
  }
  return { waits: [...waits.values()], records, resumed, ended };
}
