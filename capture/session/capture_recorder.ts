import type { RunTermination } from "../../supervisor/types.ts";
import { asV3Bundle, attemptId, isV3Input, TAFFRAIL_CAPTURE_VERSION } from "../bundle/records.ts";
import type {
  BundleProvenance,
  CaptureBundle,
  CapturedActionEffect,
  DecisionRecord,
  EventInputRecord,
  InputRecord,
  TaffrailCaptureBundle,
} from "../types.ts";

/** What is known of a session before its first input. */
export type SessionHeader =
  & Pick<
    TaffrailCaptureBundle,
    "graph_id" | "mode" | "config" | "max_deferred" | "backoff" | "redacted"
  >
  & BundleProvenance;

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
}

/** Puts a bundle together from inputs and decisions, in the order in which they are recorded. */
export class CaptureRecorder {
  /** Every input, those that are not decided on too. */
  readonly inputs: InputRecord[] = [];
  /** Every decision. */
  readonly decisions: DecisionRecord[] = [];
  /** How many inputs were decided on: all that there were when the last decision was recorded. */
  decidedInputs = 0;

  /** `header`: what is known of the session before its first input. */
  constructor(readonly header: SessionHeader) {}

  /** Whether an input was recorded since the last decision. */
  get hasUndecided(): boolean {
    return this.inputs.length > this.decidedInputs;
  }

  addInput(input: InputRecord): void {
    this.inputs.push(input);
  }

  addDecision(decision: DecisionRecord): void {
    this.decisions.push(decision);
    this.decidedInputs = this.inputs.length;
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
    const inputs = this.inputs.slice(0, this.decidedInputs);
    const rest = this.inputs.slice(this.decidedInputs);
    const bundle = this.#bundleOf(inputs);
    return {
      bundle: this.#fitsV3() ? asV3Bundle(bundle) : bundle,
      undecided: rest.filter((input) => input.type === "event"),
      interrupted: this.#interrupted(inputs, rest),
    };
  }

  /** Whether the v3 format can say all of it. */
  #fitsV3(): boolean {
    const { mode, max_deferred: maxDeferred, backoff, redacted } = this.header;
    return mode === "serial" && maxDeferred === null && backoff === null && !redacted &&
      this.decisions.every(({ decision }) => decision !== "Skip") && this.inputs.every(isV3Input);
  }

  #bundleOf(inputs: InputRecord[]): TaffrailCaptureBundle {
    const { graph_id, mode, config, max_deferred, backoff, redacted, ...provenance } = this.header;
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
      ...provenance,
    };
  }

  #interrupted(
    inputs: readonly InputRecord[],
    rest: readonly InputRecord[],
  ): InterruptedAttempt[] {
    if (this.header.mode === "serial") return [];
    const attempts = new Map<string, InterruptedAttempt>();
    for (const { decision, origin_event_id, episode_id, retry_count } of this.decisions) {
      if (decision !== "Invoke" || origin_event_id === null) continue;
      const attempt = retry_count + 1;
      const begun = { event_id: origin_event_id, episode_id, attempt, termination: null };
      attempts.set(attemptId(episode_id, attempt), begun);
    }
    for (const input of inputs) {
      if (input.type === "completion") attempts.delete(attemptId(input.episode_id, input.attempt));
    }
    for (const input of rest) {
      if (input.type !== "completion") continue;
      const attempt = attempts.get(attemptId(input.episode_id, input.attempt));
      if (attempt !== undefined) attempt.termination = input.termination;
    }
    return [...attempts.values()];
  }
}
