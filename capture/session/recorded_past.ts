import { type Difference, differencesOf } from "../bundle/diff_json.ts";
import { recordDecision } from "../bundle/records.ts";
import { CaptureJournalError } from "../errors.ts";
import type {
  CaptureBundle,
  DecisionLogEntry,
  DecisionRecord,
  EpisodeInvocationRecord,
  InputRecord,
  RunRequest,
  RunTermination,
  SeedCaptureBundle,
  SupervisorInput,
} from "../types.ts";
import type { CaptureRecorder, SessionHeader } from "./capture_recorder.ts";

/** What a session recorded, as a supervisor is led through it once more. */
export class RecordedPast {
  /** Has it all, and takes what follows. */
  readonly recorder: CaptureRecorder;
  readonly #path: string;
  readonly #inputs: readonly InputRecord[];
  readonly #decisions: readonly DecisionRecord[];
  #inputsTaken = 0;
  #decisionsTaken = 0;

  /** `path`: the journal, for messages. */
  constructor(recorder: CaptureRecorder, path: string) {
    this.recorder = recorder;
    this.#path = path;
    this.#inputs = [...recorder.inputs];
    this.#decisions = [...recorder.decisions];
  }

  /** The inputs whose decisions are recorded. */
  get decided(): readonly InputRecord[] {
    return this.#inputs.slice(0, this.recorder.decidedInputs);
  }

  /** The inputs behind them. */
  get undecided(): readonly InputRecord[] {
    return this.#inputs.slice(this.recorder.decidedInputs);
  }

  /** Refuses to go on with other rules than those of the session. */
  checkHeader(header: SessionHeader): void {
    const [difference] = differencesOf(this.recorder.header, header);
    if (difference === undefined) return;
    const { path, before, after } = difference;
    const values = `${JSON.stringify(before)}, and is to go on with ${JSON.stringify(after)}`;
    const message = `Cannot resume the session of ${this.#path}: ${path} was ${values}`;
    throw new CaptureJournalError("other-session", message, { path: this.#path });
  }

  /** Whether the recording has this input; false behind its end. */
  takesInput(input: SupervisorInput): boolean {
    const recorded = this.#inputs[this.#inputsTaken];
    if (recorded === undefined) return false;
    if (!isSameInput(recorded, input)) {
      throw this.diverged(`input ${this.#inputsTaken} is another one`);
    }
    this.#inputsTaken++;
    return true;
  }

  /** Whether the recording has this decision; false behind its end. */
  takesDecision(entry: DecisionLogEntry): boolean {
    const recorded = this.#decisions[this.#decisionsTaken];
    if (recorded === undefined) return false;
    const [difference] = differenceOf(recorded, recordDecision(entry));
    if (difference !== undefined) {
      const { path, before, after } = difference;
      const values = `${JSON.stringify(before)}, and is now ${JSON.stringify(after)}`;
      throw this.diverged(`decision ${this.#decisionsTaken}: ${path} was ${values}`);
    }
    this.#decisionsTaken++;
    return true;
  }

  /** The error of a supervisor that goes another way. */
  diverged(what: string, cause?: unknown): CaptureJournalError {
    const message = `Cannot resume the session of ${this.#path}: ` +
      `this supervisor decides otherwise than the one that recorded it (${what}); ` +
      "resume it with the version that began it";
    return new CaptureJournalError("diverged", message, { path: this.#path, cause });
  }
}

function isSameInput(recorded: InputRecord, input: SupervisorInput): boolean {
  if (recorded.type === "event") {
    return input.type === "event" && input.event.id === recorded.event_id;
  }
  return input.type === "completion" && input.episode_id === recorded.episode_id &&
    input.attempt === recorded.attempt;
}

/** Effects and what was said about them later are no part of a decision as it is made. */
function differenceOf(recorded: DecisionRecord, replayed: DecisionRecord): Difference[] {
  const { effects: _, ...made } = replayed;
  const known = Object.keys(made).map((name) => [name, recorded[name as keyof DecisionRecord]]);
  return differencesOf(Object.fromEntries(known), made);
}

/** How an attempt ended that the recording knows nothing of: it is not tried again. */
const UNKNOWN: RunTermination = "Aborted";
/** How an attempt ended that was tried again: the seed's format only says how often that was. */
const TRIED_AGAIN: RunTermination = Object.freeze({ Failed: "RuntimeError" });

/** Answers for the attempts of a serial replay, taken from the recording. */
export interface RecordedAnswers {
  /** The next event is about to be handed over. */
  begin(eventId: string): void;
  /** How the attempt ended. */
  answer(request: RunRequest): RunTermination;
}

/** The answers that a bundle holds. */
export function recordedAnswers(bundle: CaptureBundle): RecordedAnswers {
  if (!("inputs" in bundle)) return new SeedAnswers(bundle);
  const answers = new Map<string, RunTermination>();
  for (const input of bundle.inputs) {
    if (input.type === "completion") {
      answers.set(attemptKey(input.episode_id, input.attempt), input.termination);
    }
  }
  return {
    begin: () => {},
    answer: ({ episodeId, attempt }) => answers.get(attemptKey(episodeId, attempt)) ?? UNKNOWN,
  };
}

/** What tells an attempt from all others of its session. */
export function attemptKey(episodeId: number, attempt: number): string {
  return `${episodeId} ${attempt}`;
}

/** The seed's format has one decision an event; a missing one must not shift all behind it. */
class SeedAnswers implements RecordedAnswers {
  readonly #decisions = new Map<string, EpisodeInvocationRecord[]>();
  #current: EpisodeInvocationRecord | undefined;

  constructor(bundle: SeedCaptureBundle) {
    // From the last one, so that the first one can be popped.
    for (const decision of bundle.decisions.toReversed()) {
      const same = this.#decisions.get(decision.event_id);
      if (same === undefined) this.#decisions.set(decision.event_id, [decision]);
      else same.push(decision);
    }
  }

  begin(eventId: string): void {
    this.#current = this.#decisions.get(eventId)?.pop();
  }

  answer({ attempt }: RunRequest): RunTermination {
    const { termination = null, retry_count: retries = 0 } = this.#current ?? {};
    if (attempt <= retries) return TRIED_AGAIN;
    return attempt === retries + 1 && termination !== null ? termination : UNKNOWN;
  }
}
