/** Where a drill cuts a run off, and how: what an undisturbed run went through says which cuts there are. */
import type { DrillPoint } from "../../run/drill_point.ts";
import type { AttemptPoint } from "../../run/engine/types.ts";
import type { NodeAttempt } from "../../run/types.ts";

/** What is killed: the process of the run, the command of the attempt alone, or both. */
export type Killed = "program" | "command" | "both";

/** One way to cut a run off. */
export interface Cut extends DrillPoint {
  /** What is killed there. */
  kills: Killed;
}

/** An attempt that an undisturbed run has made. */
export interface MadeAttempt extends NodeAttempt {
  /** Whether it was a process of its own. */
  hasProcess: boolean;
}

const POINTS: readonly AttemptPoint[] = ["decided", "begun", "ended", "told"];

/** All cuts of a run, in the order of its attempts. */
export function cutsOf(attempts: readonly MadeAttempt[]): Cut[] {
  return attempts.flatMap(({ nodeId, attempt, hasProcess }) =>
    POINTS.flatMap((point) => {
      const kinds: Killed[] = point === "begun" && hasProcess
        ? ["program", "command", "both"]
        : ["program"];
      return kinds.map((kills) => ({ nodeId, attempt, point, kills }));
    })
  );
}

/** So many of the cuts, drawn by lot: the same ones for the same seed, in the order of the run. */
export function sampleCuts(cuts: readonly Cut[], count: number, seed: number): Cut[] {
  const next = numbersFrom(seed);
  const left = cuts.map((_, index) => index);
  const drawn = new Set<number>();
  while (drawn.size < Math.min(count, cuts.length)) {
    drawn.add(left.splice(Math.floor(next() * left.length), 1)[0]!);
  }
  return cuts.filter((_, index) => drawn.has(index));
}

/** Numbers in [0, 1) that are the same for the same seed everywhere (mulberry32). */
function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const WHEN: Record<AttemptPoint, string> = {
  decided: "before its work began",
  begun: "when its work had begun",
  ended: "when its work was over",
  told: "when its end was recorded",
};

/** A cut in words. */
export function cutText({ nodeId, attempt, point, kills }: Cut): string {
  const what = `attempt ${attempt} of ${nodeId}`;
  if (kills === "command") return `${what}, its command killed ${WHEN[point]}`;
  const both = kills === "both" ? "with its command " : "";
  return `${what}, cut off ${both}${WHEN[point]}`;
}
