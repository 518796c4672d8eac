/** What would have been decided otherwise, in words. */
import { millisecondsOf } from "../../_internal/event_time.ts";
import { reasonOf } from "../../_internal/text.ts";
import { ReplayDivergedError } from "../../capture/replay/replay_bundle.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import type { AttemptView } from "../../capture/what_if/attempt_view.ts";
import type { UnknownAttempt, WhatIfAttempt } from "../../capture/what_if/types.ts";
import { Asks } from "../../run/engine/asks.ts";
import type { DecisionReason, RunTermination } from "../../supervisor/types.ts";
import { UsageError } from "../exit_codes.ts";
import { printableLine } from "../text/printable.ts";
import { formatDuration } from "../text/units.ts";

/** An attempt by the event that asked for it. */
export interface EventAttempt {
  readonly eventId: string;
  readonly attempt: number;
}

/** An attempt by what people know: the node or step, and which attempt at it. */
interface NodeAttempt {
  nodeId: string;
  attempt: number;
}

/** Which attempt at its node an attempt of an event is. */
export type Numbering = (attempt: EventAttempt) => NodeAttempt;

/** The same for all events of a recording. */
export function attemptsOf(bundle: CaptureBundle): Numbering {
  const asks = Asks.of(bundle);
  return ({ eventId, attempt }) => asks.attemptOf(eventId, attempt);
}

/** What an attempt is called: `build, attempt 2`. */
export function attemptName({ nodeId, attempt }: NodeAttempt): string {
  return printableLine(attempt === 1 ? nodeId : `${nodeId}, attempt ${attempt}`);
}

/** What an attempt waits for, or before, by why it is deferred. */
const WAITS: { readonly [reason in DecisionReason]?: string } = {
  saturated: "for a free place",
  rate_limited: "for its turn in the rate",
  backoff: "before its retry",
};

/** Why the end of an attempt is not known, by the word of the library. */
const UNKNOWN: { readonly [why in UnknownAttempt["why"]]: string } = {
  "never-made": "it was never made, so nobody knows how it would have gone",
  "no-end": "its end is not recorded",
  "cut-off": "it was ended from outside, before it was done",
  "timed-out": "it was ended by its deadline, and would have had longer",
  "no-length": "how long it took is not recorded",
  "waits": "it would still wait for one of these",
  "not-asked": "it would not have been started before one of these had ended",
};

/** Shorter differences are those between two runs of the same. */
const LEAST_DIFFERENCE_MS = 100;

/** Why the end of an attempt is not known. */
export function unknownText({ why }: Pick<UnknownAttempt, "why">): string {
  return UNKNOWN[why];
}

/** The error of a recording that cannot be asked about other limits, in words; any other one as it is. */
export function unaskable(
  error: unknown,
  { cannot, remedy }: { cannot: string; remedy: string },
): unknown {
  // Only one of two limits that are one, for instance.
  if (error instanceof TypeError && error.message.startsWith("Cannot use constraints")) {
    return new UsageError(error.message, { cause: error });
  }
  if (!(error instanceof ReplayDivergedError)) return error;
  const problem = `it does not replay as it was recorded (${reasonOf(error).split("\n", 1)[0]})`;
  return new Error(`${cannot}: ${problem}; ${remedy}`, { cause: error });
}

/** What would have been otherwise about an attempt; undefined when nothing would. */
export function changeText({ attempt, recorded, whatIf, isChanged }: WhatIfAttempt):
  | string
  | undefined {
  // What was never made is among what is not known.
  if (recorded === null) return undefined;
  if (whatIf === null) {
    if (!isChanged) return undefined;
    return attempt === 1 ? "would not have been started" : "would not have been made";
  }
  const parts = [waitChange(recorded, whatIf), isChanged && endChange(recorded, whatIf)];
  const text = parts.filter((part) => typeof part === "string").join("; ");
  return text === "" ? undefined : text;
}

function waitChange(recorded: AttemptView, whatIf: AttemptView): string | undefined {
  const [before, after] = [waitOf(recorded), waitOf(whatIf)];
  const isOther = before.for !== after.for || before.hasBegun !== after.hasBegun ||
    Math.abs(before.ms - after.ms) >= LEAST_DIFFERENCE_MS;
  if (!isOther) return undefined;
  return `${waitedText(before)}, ${wouldHaveWaitedText(after)}`;
}

/** How an attempt waited. */
interface Wait {
  for: string;
  ms: number;
  hasBegun: boolean;
  isGivenUp: boolean;
}

function waitOf({ askedAt, waits, begun, skipped }: AttemptView): Wait {
  const reasons = waits.map((reason) => WAITS[reason] ?? `as ${reason.replaceAll("_", " ")}`);
  const ms = begun?.at ? millisecondsOf(begun.at) - millisecondsOf(askedAt) : 0;
  const hasWaited = reasons.length > 0;
  return {
    for: [...new Set(reasons)].join(" and "),
    ms: hasWaited ? ms : 0,
    hasBegun: begun !== null,
    isGivenUp: skipped !== null,
  };
}

function waitedText({ for: reason, ms, hasBegun, isGivenUp }: Wait): string {
  if (!hasBegun) {
    return reason === "" || isGivenUp ? "was not started" : `waited ${reason} to the end`;
  }
  return reason === "" ? "started at once" : `waited ${formatDuration(ms)} ${reason}`;
}

function wouldHaveWaitedText({ for: reason, ms, hasBegun, isGivenUp }: Wait): string {
  if (!hasBegun) {
    return reason === "" || isGivenUp
      ? "would not have been started"
      : `would still wait ${reason}`;
  }
  if (reason === "") return "would have started at once";
  return `would have waited ${formatDuration(ms)} ${reason}`;
}

function endChange(recorded: AttemptView, whatIf: AttemptView): string | undefined {
  if (whatIf.ended === null) return undefined;
  const [before, after] = [endWords(recorded.ended), endWords(whatIf.ended)];
  return before.did === after.did ? undefined : `${before.did}, would have ${after.done}`;
}

/** How an attempt ended: as it did, and as it would have. */
function endWords(ended: AttemptView["ended"]): { did: string; done: string } {
  if (ended === null) return { did: "did not end", done: "not ended" };
  const { termination, reason } = ended;
  const isAgain = reason === "retry" || reason === "backoff";
  const [did, done] = wordsOf(termination, isAgain);
  return isAgain
    ? { did: `${did} and was tried again`, done: `${done} and been tried again` }
    : { did, done };
}

function wordsOf(termination: RunTermination, isAgain: boolean): readonly [string, string] {
  if (termination === "Completed") return ["completed", "completed"];
  if (termination === "Aborted") return ["was ended from outside", "been ended from outside"];
  if (termination === "TimedOut") return ["ran out of time", "run out of time"];
  return isAgain ? ["failed", "failed"] : ["failed for good", "failed for good"];
}
