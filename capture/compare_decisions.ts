import { isSameJson } from "./diff_json.ts";
import { ReplayError } from "./replay_error.ts";
import type { CapturedActionEffect, EpisodeInvocationRecord } from "./types.ts";

/** The fields of a decision that the seed compares (RPL-7). */
export const SEED_FIELDS = [
  "event_id",
  "decision",
  "schedule_at",
  "episode_id",
  "deadline",
  "termination",
  "retry_count",
] as const;

/**
 * The seed's comparison of two lists of decisions (RPL-7), effects included, which a program that runs
 * graphs fills in on both sides. Not compared are `intent_acks` and `interruption` (RPL-8). Numbers
 * inside effects are equal as numbers are, so that 0 is −0, but the hashes tell them apart (RPL-9).
 *
 * To learn what is different, use the divergences of {@linkcode replayBundle} or
 * {@linkcode diffBundles}.
 *
 * Permissions: none.
 *
 * @param captured The recorded decisions.
 * @param replayed The decisions of the replay.
 * @returns Whether they are the same; `false` when there are more or fewer or a field differs.
 * @throws {ReplayError} `EffectMismatch` when the first difference is in the effects of a decision.
 *
 * @example Usage
 * ```ts
 * import { compareDecisions, type EpisodeInvocationRecord } from "@taffrail/taffrail/capture";
 * import { assert } from "@std/assert";
 *
 * const decision: EpisodeInvocationRecord = {
 *   event_id: "e1",
 *   decision: "Defer",
 *   schedule_at: { secs: 10, nanos: 0 },
 *   episode_id: 1,
 *   deadline: null,
 *   termination: null,
 *   retry_count: 0,
 *   effects: [],
 * };
 * assert(compareDecisions([decision], [{ ...decision }]));
 * assert(!compareDecisions([decision], [{ ...decision, episode_id: 2 }]));
 * ```
 */
export function compareDecisions(
  captured: readonly EpisodeInvocationRecord[],
  replayed: readonly EpisodeInvocationRecord[],
): boolean {
  if (captured.length !== replayed.length) return false;
  return captured.every((decision, index) => {
    const other = replayed[index]!;
    if (!SEED_FIELDS.every((field) => isSameJson(decision[field], other[field]))) return false;
    compareEffects(decision, other);
    return true;
  });
}

function compareEffects(
  { event_id: eventId, effects: expected }: EpisodeInvocationRecord,
  { effects: actual }: EpisodeInvocationRecord,
): void {
  const mismatch = (effectIndex: number, detail: string) =>
    new ReplayError({
      kind: "EffectMismatch",
      eventId,
      effectIndex,
      expected: expected[effectIndex],
      actual: actual[effectIndex],
      detail,
    });
  if (expected.length !== actual.length) {
    const effectIndex = Math.min(expected.length, actual.length);
    throw mismatch(effectIndex, `expected ${expected.length} effects, got ${actual.length}`);
  }
  for (const [index, effect] of expected.entries()) {
    const other = actual[index]!;
    if (isSameEffect(effect, other)) continue;
    const hashes = `expected hash '${effect.effect_hash}', got '${other.effect_hash}'`;
    throw mismatch(index, `effect mismatch at index ${index}: ${hashes}`);
  }
}

function isSameEffect(a: CapturedActionEffect, b: CapturedActionEffect): boolean {
  if (a.effect_hash !== b.effect_hash || a.effect.kind !== b.effect.kind) return false;
  return isSameJson(a.effect.writes, b.effect.writes) &&
    isSameJson(a.effect.intents ?? [], b.effect.intents ?? []);
}
