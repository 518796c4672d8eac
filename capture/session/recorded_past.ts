import { limitsOf } from "../../_internal/constraints.ts";
import type { DecisionLogEntry, SupervisorInput } from "../../supervisor/types.ts";
import { type Difference, differencesOf, isSameJson } from "../bundle/diff_bundles.ts";
import { recordDecision } from "../bundle/records.ts";
import { CaptureJournalError, type CaptureJournalErrorKind } from "../errors.ts";
import type { DecisionRecord, InputRecord } from "../types.ts";
import type { CaptureRecorder } from "./capture_recorder.ts";
import type { CaptureJournal } from "./journal.ts";
import type { SessionHeader } from "./journal_lines.ts";

interface RecordedPastOptions {
  /** The journal, for messages, where it is a file. */
  path: string | undefined;
  /** Whether the runtime may be another one than the recorded. */
  mayHaveChanged: boolean;
}

/** What a session recorded, as a supervisor is led through it once more. */
export class RecordedPast {
  /** Takes what follows too; undefined as long as nothing may be recorded. */
  journal: CaptureJournal | undefined;
  #inputs: readonly InputRecord[];
  #decisions: readonly DecisionRecord[];
  #inputsTaken = 0;
  #decisionsTaken = 0;

  readonly #options: RecordedPastOptions;

  /** `recorder`: holds all of it, and takes what follows. */
  constructor(readonly recorder: CaptureRecorder, options: RecordedPastOptions) {
    this.#options = options;
    this.#inputs = [...recorder.inputs];
    this.#decisions = [...recorder.decisions];
  }

  /** How many inputs and decisions there are. */
  get count(): { inputs: number; decisions: number; decidedInputs: number } {
    const { inputs, decisions, decidedInputs } = this.recorder;
    return { inputs: inputs.length, decisions: decisions.length, decidedInputs };
  }

  /** Lets go of what was gone through, for a session that does not keep its recording. */
  forget(): void {
    this.#inputs = [];
    this.#decisions = [];
    this.recorder.forget();
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
    const recorded = this.recorder.header;
    const expected = {
      ...recorded,
      config: limitsOf(recorded.config),
      runtime_provenance: this.#options.mayHaveChanged
        ? header.runtime_provenance
        : this.recorder.runtimeProvenance,
    };
    const [difference] = differencesOf(expected, header);
    if (difference === undefined) return;
    throw this.#error("other-session", describe(difference, "is to go on with"));
  }

  /** Whether the recording has this input; false after its end. */
  takesInput(input: SupervisorInput): boolean {
    const recorded = this.#inputs[this.#inputsTaken];
    if (recorded === undefined) return false;
    if (!isSameInput(recorded, input)) {
      throw this.diverged(`input ${this.#inputsTaken} is another one`);
    }
    this.#inputsTaken++;
    return true;
  }

  /** Whether the recording has this decision; false after its end. */
  takesDecision(entry: DecisionLogEntry): boolean {
    const recorded = this.#decisions[this.#decisionsTaken];
    if (recorded === undefined) return false;
    const difference = decisionDifference(recorded, recordDecision(entry));
    if (difference !== undefined) {
      throw this.diverged(`decision ${this.#decisionsTaken}: ${describe(difference, "is now")}`);
    }
    this.#decisionsTaken++;
    return true;
  }

  /** The error of a supervisor that goes another way. */
  diverged(what: string, cause?: unknown): CaptureJournalError {
    const remedy = "resume it with the version that began it";
    const reason = `this supervisor decides otherwise than the one that recorded it (${what})`;
    return this.#error("diverged", `${reason}; ${remedy}`, { cause, remedy });
  }

  /** The error of an event that is not what was recorded. */
  damaged(cause: Error): CaptureJournalError {
    return this.#error("damaged", cause.message, { cause });
  }

  #error(
    kind: CaptureJournalErrorKind,
    reason: string,
    options: { cause?: unknown; remedy?: string } = {},
  ): CaptureJournalError {
    const { path } = this.#options;
    const message = `Cannot resume the session of ${path ?? "the lines of the journal"}: ${reason}`;
    const details = path === undefined ? {} : { path };
    return new CaptureJournalError(kind, message, { details, ...options });
  }
}

function describe({ path, before, after }: Difference, now: string): string {
  return `${path} was ${JSON.stringify(before)}, and ${now} ${JSON.stringify(after)}`;
}

/** Where a decision is not the recorded one, if it is not, in what a decision says as it is made. */
function decisionDifference(
  recorded: DecisionRecord,
  made: DecisionRecord,
): Difference | undefined {
  for (const name of Object.keys(made) as (keyof DecisionRecord)[]) {
    // Effects and what was said about them later are no part of it.
    if (name === "effects" || isSameJson(recorded[name], made[name])) continue;
    return differencesOf(recorded[name], made[name], [name]).next().value ?? undefined;
  }
}

function isSameInput(recorded: InputRecord, input: SupervisorInput): boolean {
  if (recorded.type === "event") {
    return input.type === "event" && input.event.id === recorded.event_id;
  }
  if (input.type === "event" || input.episode_id !== recorded.episode_id) return false;
  if (recorded.type === "withdraw") return input.type === "withdraw";
  return input.type === "completion" && input.attempt === recorded.attempt;
}
