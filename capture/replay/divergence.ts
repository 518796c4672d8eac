import { checkArray, checkObject, checkString } from "../../_internal/errors.ts";
import { unknownNames } from "../../_internal/wire_json/struct.ts";
import { isSameJson, listDifferences } from "../bundle/diff_bundles.ts";
import {
  decisionRecordFields,
  eventFields,
  eventInputFields,
  v3DecisionFields,
} from "../bundle/record_codecs.ts";
import { asV3Decision, attemptId } from "../bundle/records.ts";
import type {
  CaptureBundle,
  CapturedActionEffect,
  EpisodeInvocationRecord,
  TaffrailCaptureBundle,
} from "../types.ts";
import { replayError } from "./replay_error.ts";
import type { ReplayOutcome } from "./replay_run.ts";

/** What a program fills in afterwards, and no supervisor decides (RPL-8, EFX-5). */
const NOT_DECIDED = ["effects", "intent_acks", "interruption"];

/** The fields of a decision that v3 lets compare (RPL-7), and those of this project's format. */
const V3_FIELDS = Object.keys(v3DecisionFields).filter((name) => !NOT_DECIDED.includes(name));
const ALL_FIELDS = Object.keys(decisionRecordFields).filter((name) => !NOT_DECIDED.includes(name));

/**
 * The original program's comparison of two lists of decisions (RPL-7), effects included, which whoever runs
 * graphs fills in on both sides. Not compared are `intent_acks` and `interruption` (RPL-8). Numbers
 * inside effects are equal as numbers are, so that 0 is −0, but the hashes differ (RPL-9).
 *
 * To learn what is different, use the divergences of {@linkcode replayBundle} or
 * {@linkcode diffBundles}.
 *
 * Permissions: none.
 *
 * @param captured The recorded decisions.
 * @param replayed The decisions of the replay.
 * @returns Whether they are the same; `false` when there are more or fewer or a field differs.
 * @throws {ReplayError} `effect-mismatch` when the first difference is in the effects of a decision.
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
  checkDecisions(captured, "captured");
  checkDecisions(replayed, "replayed");
  if (captured.length !== replayed.length) return false;
  return captured.every((decision, index) => {
    const other = replayed[index]!;
    if (!isSameJson(fieldsOf(decision, V3_FIELDS), fieldsOf(other, V3_FIELDS))) return false;
    compareEffects(decision, other);
    return true;
  });
}

/** Refuses what cannot be compared; the fields may be whatever they are. */
function checkDecisions(decisions: unknown, name: string): void {
  checkArray(decisions, name, (decision, place) => {
    const { effects } = checkObject(decision, place);
    checkArray(effects, `${place}.effects`, (captured, where) => {
      const { effect, effect_hash: hash } = checkObject(captured, where);
      checkObject(effect, `${where}.effect`);
      checkString(hash, `${where}.effect_hash`);
    });
  });
}

function compareEffects(
  { event_id: eventId, effects: expected }: EpisodeInvocationRecord,
  { effects: actual }: EpisodeInvocationRecord,
): void {
  const mismatch = (effectIndex: number, problem: string) => {
    const pair = { expected: expected[effectIndex], actual: actual[effectIndex] };
    return replayError("effect-mismatch", { eventId, effectIndex, ...pair, problem });
  };
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

/**
 * In what way a replay went otherwise than the recording:
 * - `changed`: a field of a decision has another value
 * - `missing`: a recorded decision was not made again
 * - `extra`: a decision was made that is not recorded
 * - `termination`: an attempt that was made again ended otherwise than it is recorded
 * - `unmatched`: the end of an attempt is recorded that the replay did not make, or ended before; or a
 *   withdrawal of an episode that the replay had not deferred, or withdrew before
 * - `unknown`: a record has a field that this version does not know; strict replay only
 */
export type DivergenceKind =
  | "changed"
  | "missing"
  | "extra"
  | "termination"
  | "unmatched"
  | "unknown";

/** One place where a replay went otherwise than the recording. */
export interface Divergence {
  /** In what way. */
  kind: DivergenceKind;
  /**
   * Which record: the index in the list that `path` names, of the bundle; for `extra` of the decisions of
   * the replay.
   */
  index: number;
  /** The id of the event concerned. */
  event: string;
  /** The place in the bundle, such as `$.decisions[3].schedule_at.secs`. */
  path: string;
  /** What the bundle says; `undefined` when it says nothing. */
  recorded: unknown;
  /** What the replay said; `undefined` when it said nothing. */
  replayed: unknown;
  /** Up to three recorded decisions before the place, the nearest last. */
  context: EpisodeInvocationRecord[];
}

const CONTEXT = 3;

/** The decisions of a replay in the format of the bundle. */
export function decisionsOf(
  bundle: CaptureBundle,
  outcome: ReplayOutcome,
): EpisodeInvocationRecord[] {
  return "inputs" in bundle ? outcome.decisions : outcome.decisions.map(asV3Decision);
}

/** Where the decisions of a replay are not the recorded ones (RPL-7, but for effects). */
export function* decisionDivergences(
  bundle: CaptureBundle,
  replayed: readonly EpisodeInvocationRecord[],
): Generator<Divergence> {
  const recorded: readonly EpisodeInvocationRecord[] = bundle.decisions;
  const fields = "inputs" in bundle ? ALL_FIELDS : V3_FIELDS;
  const before = recorded.map((decision) => fieldsOf(decision, fields));
  const after = replayed.map((decision) => fieldsOf(decision, fields));
  for (const found of listDifferences("decisions", before, after)) {
    const { kind, index, path } = found;
    const record = (kind === "extra" ? replayed : recorded)[index]!;
    yield {
      kind,
      index,
      event: record.event_id,
      path,
      recorded: kind === "missing" ? record : found.before,
      replayed: kind === "extra" ? record : found.after,
      context: recorded.slice(Math.max(0, index - CONTEXT), index),
    };
  }
}

/** Where attempts did not end as they are recorded to have ended, and where nothing was to be withdrawn. */
export function* attemptDivergences(
  bundle: CaptureBundle,
  { terminations, origins, withdrawn }: ReplayOutcome,
): Generator<Divergence> {
  if (!("inputs" in bundle)) return;
  const seen = new Set<string>();
  const unmatched = (index: number, event: string): Divergence => {
    const place = { index, event, path: `$.inputs[${index}]`, context: [] };
    return { kind: "unmatched", ...place, recorded: bundle.inputs[index], replayed: undefined };
  };
  for (const [index, input] of bundle.inputs.entries()) {
    if (input.type === "event") continue;
    if (input.type === "withdraw") {
      if (!withdrawn.has(index)) yield unmatched(index, originOf(bundle, input.episode_id));
      continue;
    }
    const key = attemptId(input.episode_id, input.attempt);
    const replayed = terminations.get(key);
    const isAgain = seen.has(key);
    seen.add(key);
    const { termination: recorded } = input;
    if (!isAgain && replayed !== undefined && isSameJson(recorded, replayed)) continue;
    const event = origins.get(key) ?? "";
    if (isAgain || replayed === undefined) {
      yield unmatched(index, event);
    } else {
      const path = `$.inputs[${index}].termination`;
      yield { kind: "termination", index, event, path, recorded, replayed, context: [] };
    }
  }
}

/** The event that an episode was made for; none where no decision is about it. */
function originOf({ decisions }: TaffrailCaptureBundle, episodeId: number): string {
  return decisions.find(({ episode_id }) => episode_id === episodeId)?.origin_event_id ?? "";
}

/** The fields that are in the bundle by mistake, misspelt ones for instance (W-ERGO-10). */
export function* unknownFields(bundle: CaptureBundle): Generator<Divergence> {
  const isV3 = !("inputs" in bundle);
  const decisionFields = isV3 ? v3DecisionFields : decisionRecordFields;
  const lists = [
    isV3
      ? { name: "events", records: bundle.events, fields: eventFields }
      : { name: "inputs", records: bundle.inputs, fields: eventInputFields },
    { name: "decisions", records: bundle.decisions, fields: decisionFields },
  ];
  for (const { name, records, fields } of lists) {
    for (const [index, record] of records.entries()) {
      // What the end of an attempt does not know, parsing has refused.
      if (!("event_id" in record)) continue;
      for (const field of unknownNames(record, fields)) {
        yield {
          kind: "unknown",
          index,
          event: record.event_id,
          path: `$.${name}[${index}].${field}`,
          recorded: fieldOf(record, field),
          replayed: undefined,
          context: [],
        };
      }
    }
  }
}

function fieldOf(record: object, field: string): unknown {
  return (record as Record<string, unknown>)[field];
}

function fieldsOf(record: object, fields: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(fields.map((field) => [field, fieldOf(record, field)]));
}

/**
 * One line that says what a divergence is.
 *
 * Permissions: none.
 *
 * @param divergence The divergence.
 * @returns The line.
 *
 * @example Usage
 * ```ts
 * import { formatDivergence } from "@taffrail/taffrail/capture";
 * import { assertEquals } from "@std/assert";
 *
 * const place = { index: 4, event: "e2", path: "$.decisions[4].decision", context: [] };
 * assertEquals(
 *   formatDivergence({ kind: "changed", ...place, recorded: "Defer", replayed: "Invoke" }),
 *   `changed $.decisions[4].decision (event 'e2'): recorded "Defer", replayed "Invoke"`,
 * );
 * ```
 */
export function formatDivergence(divergence: Divergence): string {
  const { kind, path, event, recorded, replayed } = divergence;
  const values = `recorded ${format(recorded)}, replayed ${format(replayed)}`;
  return `${kind} ${path} (event '${event}'): ${values}`;
}

function format(value: unknown): string {
  return JSON.stringify(value) ?? "nothing";
}
