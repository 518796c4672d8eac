/**
 * Records that the engine prints as serde_json would, so that it may: it is ten times as fast as a writer
 * that is told field by field, and a bundle is little else than such records. Whatever is not plain, and
 * whatever is wrong, is left to the codecs, which know how to say so.
 */
import { ERROR_KINDS, EVENT_KINDS, SEED_DECISIONS } from "./wire_names.ts";

const KINDS = new Set<unknown>(EVENT_KINDS);
const DECISIONS = new Set<unknown>(SEED_DECISIONS);
const ENDS = new Set<unknown>(["Completed", "TimedOut", "Aborted"]);
const FAILURES = new Set<unknown>(ERROR_KINDS);
const NANOS_PER_SECOND = 1_000_000_000;

type Members = Readonly<Record<string, unknown>>;

/** The compact text of an event record; undefined when it is not plain. */
export function plainEventText(record: Members): string | undefined {
  const plain = countOf(record) === 5 ? plainEvent(record) : undefined;
  return plain && JSON.stringify(plain);
}

/** The compact text of an event among inputs; undefined when it is not plain. */
export function plainEventInputText(record: Members): string | undefined {
  const { type } = record;
  const plain = countOf(record) === 6 && type === "event" ? plainEvent(record) : undefined;
  return plain && JSON.stringify({ type, ...plain });
}

function plainEvent(record: Members): Members | undefined {
  const { event_id, event_time, kind, payload, payload_hash } = record;
  if (!isText(event_id) || !isText(payload_hash) || !KINDS.has(kind)) return undefined;
  const time = plainTime(event_time);
  if (!time || !isByteList(payload)) return undefined;
  return { event_id, event_time: time, kind, payload, payload_hash };
}

/** The compact text of a decision in the seed's format that has no effects; undefined when it is not plain. */
export function plainDecisionText(record: Members): string | undefined {
  const { event_id, decision, schedule_at, episode_id, deadline, termination } = record;
  const { retry_count, effects } = record;
  if (countOf(record) !== 8 || !isText(event_id) || !DECISIONS.has(decision)) return undefined;
  if (!isCount(episode_id) || !isCount(retry_count)) return undefined;
  if (!Array.isArray(effects) || effects.length > 0) return undefined;
  const scheduled = plainTime(schedule_at);
  const limit = plainTime(deadline);
  const end = plainTermination(termination);
  if (scheduled === undefined || limit === undefined || end === undefined) return undefined;
  return JSON.stringify({
    event_id,
    decision,
    schedule_at: scheduled,
    episode_id,
    deadline: limit,
    termination: end,
    retry_count,
    effects,
  });
}

/** Whether a value is a list of the integers 0 to 255. */
export function isByteList(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  for (let index = 0; index < value.length; index++) {
    const byte = value[index];
    if ((byte & 0xff) !== byte || Object.is(byte, -0)) return false;
  }
  return true;
}

function countOf(record: Members): number {
  return Object.keys(record).length;
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.isWellFormed();
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}

function isTime(value: unknown): value is Members {
  if (typeof value !== "object" || value === null) return false;
  const { secs, nanos } = value as Members;
  return isCount(secs) && isCount(nanos) && (nanos as number) < NANOS_PER_SECOND &&
    countOf(value as Members) === 2;
}

function plainTime(value: unknown): Members | null | undefined {
  if (value === null) return null;
  return isTime(value) ? { secs: value.secs, nanos: value.nanos } : undefined;
}

function plainTermination(value: unknown): unknown {
  if (value === null || ENDS.has(value)) return value;
  if (typeof value !== "object") return undefined;
  const { Failed } = value as Members;
  return FAILURES.has(Failed) && countOf(value as Members) === 1 ? { Failed } : undefined;
}
