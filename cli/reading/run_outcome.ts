/**
 * What became of a run, in the words that people use. Records say of a run that did not complete only that
 * it was aborted, and for what reason: how it came to that is told by the reason.
 */
import { endOfReason, failedNodeIn, failureWord } from "../../_internal/text.ts";
import type { WaitedRecord } from "../../capture/types.ts";
import type { PipeState } from "../../eventlog/run_state.ts";
import type { Colour } from "../text/screen.ts";

/** What may have become of a run; `ended` is a log of another program that nobody has open any more. */
export const OUTCOMES = [
  "running",
  "suspended",
  "completed",
  "failed",
  "cancelled",
  "timed-out",
  "unfinished",
  "orphan",
  "ended",
  "unreadable",
] as const;

/** One of these words. */
export type Outcome = (typeof OUTCOMES)[number];

/** What is to be known of a run. */
export type Told =
  | { state: PipeState; is_orphan: boolean; is_suspended: boolean }
  | { is_other_log: true; is_live: boolean }
  | { problem: string };

/** What became of a run. */
export function outcomeOf(run: Told): Outcome {
  if ("problem" in run) return "unreadable";
  if ("is_other_log" in run) return run.is_live ? "running" : "ended";
  const { state } = run;
  if (run.is_suspended) return "suspended";
  if (run.is_orphan) return "orphan";
  if (state === "Running") return "running";
  return state === "Completed" ? "completed" : endOfReason(state.Aborted.reason);
}

/** Why a run was aborted, for people. */
export function reasonText(reason: string): string {
  const failed = failedNodeIn(reason);
  if (failed !== undefined) return `${failed.nodeId} ${failureWord(failed.kind)}`;
  return reason === "deadline" ? "its deadline passed" : reason;
}

/** How a gate was answered. */
export function gateEndText({ how, by }: Pick<WaitedRecord, "how" | "by">): string {
  if (how === "timeout") return "nobody passed it in time";
  return `${how}${by === undefined ? "" : ` by ${by}`}`;
}

/** What a run that nobody works on any more, and that has no end, is marked with (OST-2). */
export const ORPHAN = "[ORPHAN?]";

/** What became of a run, in a few words, and their colour. */
export function outcomeText(outcome: Outcome): { text: string; colour: Colour } {
  switch (outcome) {
    case "running":
    case "suspended":
      return { text: outcome, colour: "yellow" };
    case "orphan":
      return { text: ORPHAN, colour: "yellow" };
    case "completed":
      return { text: outcome, colour: "green" };
    case "ended":
      return { text: outcome, colour: "dim" };
    case "timed-out":
      return { text: "timed out", colour: "red" };
    default:
      return { text: outcome, colour: "red" };
  }
}

/** How a run stands, in the word of a list: a program at work that waits says so. */
export function stateText(run: Told & { waits_for?: "gate" | "sleep" | null }): string {
  const outcome = outcomeOf(run);
  const waits = outcome === "running" ? run.waits_for ?? null : null;
  if (waits === null) return outcomeText(outcome).text;
  return waits === "gate" ? "waiting" : "sleeping";
}

/** How a run ended, as what is said of it. */
export function endText(outcome: Outcome): string {
  switch (outcome) {
    case "cancelled":
      return "was cancelled";
    case "unfinished":
      return "was left unfinished";
    case "timed-out":
      return "has timed out";
    default:
      return `has ${outcome}`;
  }
}

/** What can be asked for: an outcome, all that are worked on, all that were aborted, or all logs of others. */
export const STATE_WORDS = [...OUTCOMES, "aborted", "other"] as const;

/** One of these words. */
export type StateWord = (typeof STATE_WORDS)[number];

const ABORTED: readonly Outcome[] = ["failed", "cancelled", "timed-out", "unfinished"];

/** Whether a run is one of those that a word asks for. */
export function isAskedFor(word: StateWord, run: Told): boolean {
  const outcome = outcomeOf(run);
  if (word === "other") return "is_other_log" in run;
  if (word === "aborted") return ABORTED.includes(outcome);
  return outcome === word || (word === "running" && outcome === "suspended");
}
