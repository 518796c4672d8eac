import type { DecisionReason, ExternalEvent } from "../../supervisor/types.ts";
import type { DecisionRecord } from "../types.ts";

/**
 * What is known of the limits of the supervisor that made a recording, by what it decided: with so many in flight it
 * has started an episode, and with so many it has let one wait. With fewer it starts one as well, and with more it
 * lets it wait, for that is what a limit is. Of what lies between nothing is known.
 *
 * How the end of an attempt is decided on does not depend on others, but for a bounded queue.
 */
export class Evidence {
  /** The most that was in no one's way: in flight, started in the rate window, deferred. */
  readonly #free = { in_flight: -1, in_window: -1, deferred: -1 };
  /** The least that was. */
  readonly #full = { in_flight: Infinity, in_window: Infinity, deferred: Infinity };

  /** Takes a decision that is known; `event`: what it is about, unless that is the end of an attempt. */
  add(decision: DecisionRecord, event: ExternalEvent | undefined): void {
    const { free, full } = countsOf(decision, event);
    for (const name of free) {
      this.#free[name] = Math.max(this.#free[name], decision.numbers[name]);
    }
    for (const name of full) {
      this.#full[name] = Math.min(this.#full[name], decision.numbers[name]);
    }
  }

  /** Whether a decision follows from those that are known. */
  supports(decision: DecisionRecord, event: ExternalEvent | undefined): boolean {
    const { free, full } = countsOf(decision, event);
    return free.every((name) => decision.numbers[name] <= this.#free[name]) &&
      full.every((name) => decision.numbers[name] >= this.#full[name]);
  }
}

type Count = "in_flight" | "in_window" | "deferred";

/** The number that is too high for a start, or for waiting for one. */
const OBSTACLES: { readonly [reason in DecisionReason]?: Count } = {
  saturated: "in_flight",
  rate_limited: "in_window",
  queue_full: "deferred",
};

/** What was in the way when this was decided, and what was looked at before and was not. */
function countsOf(
  { reason, decision, attempt_termination: ended }: DecisionRecord,
  event: ExternalEvent | undefined,
): { free: Count[]; full: Count[] } {
  if (reason === "nothing_due") return { free: [], full: [] };
  // A serial decision is made when the run is over that the event has started.
  const isStart = event !== undefined && (decision === "Invoke" || ended !== null);
  // What a Pump finds is in the queue, and may stay there.
  const joins = decision === "Defer" && event?.kind !== "Pump";
  const free: Count[] = joins ? ["deferred"] : [];
  if (isStart) free.push("in_flight", "in_window");
  if (reason === "rate_limited") free.push("in_flight");
  const obstacle = OBSTACLES[reason];
  return { free, full: obstacle === undefined ? [] : [obstacle] };
}
