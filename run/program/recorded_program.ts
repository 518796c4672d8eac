/**
 * What the journal has of a program that is gone on with: which steps and waits are over, in the order in which
 * they were, and what each was asked for with. Nothing here changes anything.
 *
 * What is always true:
 * - **What is over is given as it is recorded, and nothing of it runs again.** Whether it is about the same thing
 *   is looked at first: a result of something else is never given.
 * - A failure stands, so that a program that has compensated for it does so again, but for the one that ended the
 *   run, and for those that the program wants to have tried again.
 */
import { gateOfRefusal } from "../engine/wait_history.ts";
import type { JournalHistory, Over } from "../engine/journal_history.ts";
import type { EndedAttempt } from "../engine/lifecycle.ts";
import { type RunError, runError } from "../run_error.ts";
import { canonicalText } from "../program_json.ts";

/** Which mismatches the program accepts: all, or of some steps. */
export type Accepted = true | readonly string[] | undefined;

/** What is over, and its place in the order in which all of it was. */
export interface RecordedEnd extends Over {
  place: number;
}

/** What {@linkcode RecordedProgram} is made of. */
interface RecordedParts {
  runId: string;
  /** What the journal had; undefined for a run that begins. */
  history: JournalHistory | undefined;
  /** Nodes that have failed for good by what was recorded, and decided on only now. */
  failedNow: ReadonlySet<string>;
  accept: Accepted;
  /** Failures that do not stand: all, or those of some steps. */
  retryFailed: true | readonly string[] | undefined;
}

/** The recording of a program. */
export class RecordedProgram {
  readonly #parts: RecordedParts;
  readonly #ends = new Map<string, RecordedEnd>();

  constructor(parts: RecordedParts) {
    this.#parts = parts;
    const { history, failedNow } = parts;
    for (const [id, over] of history?.ends ?? []) this.#add(id, over);
    for (const ended of history?.undecidedEnds ?? []) {
      const { nodeId, termination } = ended;
      if (termination === "Completed") this.#add(nodeId, { as: "completed", ended });
      else if (failedNow.has(nodeId)) this.#add(nodeId, { as: "failed", ended });
    }
  }

  #add(id: string, over: Over): void {
    this.#ends.set(id, { ...over, place: this.#ends.size });
  }

  /** How many are over. */
  get size(): number {
    return this.#ends.size;
  }

  /** What was recorded and is not among these: first what is over. */
  without(ids: ReadonlySet<string>): string[] {
    const { history } = this.#parts;
    if (history === undefined) return [];
    const waiting = history.waits.waiting.map(({ id }) => id);
    // What is told of messages at a gate is no record of the program.
    const records = [...history.records].filter((id) => gateOfRefusal(id) === undefined);
    const all = new Set([...this.#ends.keys(), ...history.asked, ...waiting, ...records]);
    return [...all.difference(ids)];
  }

  /** Whether a gate or a sleep was waited for to the end of the recording. */
  isWaiting(id: string): boolean {
    return this.#parts.history?.waits.of(id).open !== undefined;
  }

  /** How often a gate was asked for. */
  asksOf(gate: string): number {
    return this.#parts.history?.waits.of(gate).asks ?? 0;
  }

  /**
   * Where in the order the program has recorded something; undefined where it has not.
   *
   * @throws {RunError} `mismatch`, when it was something else.
   */
  placeOfRecord(id: string): number | undefined {
    this.#checkKind(id, "record");
    return this.#ends.get(id)?.place;
  }

  /**
   * Whether work that was submitted has completed.
   *
   * @throws {RunError} `mismatch`, when it was something else.
   */
  hasCompleted(id: string): boolean {
    this.#checkKind(id, "step");
    return this.#ends.get(id)?.as === "completed";
  }

  /** The value with which the run has completed. */
  get output(): unknown {
    return this.#parts.history?.ended?.output;
  }

  /**
   * How a step is over, which was asked for with this payload; undefined when it is to be made.
   *
   * @throws {RunError} `mismatch`, when it was about something else.
   */
  stepEnd(id: string, payload: string): (RecordedEnd & { ended: EndedAttempt }) | undefined {
    this.#checkKind(id, "step");
    const recorded = this.#parts.history?.payloadOf(id);
    if (recorded === undefined) return undefined;
    if (!this.isAccepted(id) && !isSameInput(recorded, payload)) {
      throw this.mismatch(id, "its input is another one", {
        expected: inputOf(recorded),
        actual: inputOf(payload),
      });
    }
    const end = this.#standing(id);
    return end?.ended === undefined ? undefined : { ...end, ended: end.ended };
  }

  /**
   * How a gate or a sleep is over; undefined when it is to be waited for.
   *
   * @throws {RunError} `mismatch`, when it was something else.
   */
  waitEnd(id: string, kind: "gate" | "sleep"): RecordedEnd | undefined {
    this.#checkKind(id, kind);
    return this.#standing(id);
  }

  #standing(id: string): RecordedEnd | undefined {
    const end = this.#ends.get(id);
    if (end?.as !== "failed") return end;
    const { retryFailed = [] } = this.#parts;
    return retryFailed === true || retryFailed.includes(id) ? undefined : end;
  }

  /** Whether the recorded result of a step stands in spite of a mismatch. */
  isAccepted(id: string): boolean {
    const { accept = [] } = this.#parts;
    return accept === true || accept.includes(id);
  }

  /** Whether a step is made again whose result is not what it was. */
  isAskedAgain(id: string): boolean {
    const { retryFailed } = this.#parts;
    return Array.isArray(retryFailed) && retryFailed.includes(id);
  }

  /** The program is not the one that was recorded. */
  mismatch(
    id: string,
    what: string,
    { expected, actual }: { expected: unknown; actual: unknown },
  ): RunError {
    const name = JSON.stringify(id);
    const sides = `recorded is ${shown(expected)}, and now it is ${shown(actual)}`;
    const problem = `Cannot give the recorded result of ${name}: ${what}; ${sides}`;
    return runError("mismatch", problem, {
      details: { runId: this.#parts.runId, nodeId: id, expected, actual },
      remedy: `use another id for other work, or accept: [${name}] to take what is recorded`,
    });
  }

  /** Refuses what was recorded as something else. */
  #checkKind(id: string, actual: "step" | "gate" | "sleep" | "record"): void {
    const { history, runId } = this.#parts;
    if (history === undefined) return;
    const expected = history.payloadOf(id) !== undefined
      ? "step"
      : history.waits.of(id).kind ?? (history.records.has(id) ? "record" : actual);
    if (expected === actual) return;
    const name = JSON.stringify(id);
    const problem = `Cannot go on with ${name} as a ${actual}: it was recorded as a ${expected}`;
    const details = { runId, nodeId: id, expected, actual };
    throw runError("mismatch", problem, { details, remedy: "use another id for it" });
  }
}

function isSameInput(recorded: string, payload: string): boolean {
  return recorded === payload || canonicalText(recorded) === canonicalText(payload);
}

function inputOf(payload: string): unknown {
  return JSON.parse(payload === "" ? "{}" : payload).input;
}

const MOST_SHOWN = 200;

function shown(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN).toWellFormed()}…` : text;
}
