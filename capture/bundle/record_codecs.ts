import { mapConstraints } from "../../_internal/constraints.ts";
import {
  DECISION_REASONS,
  DECISIONS,
  ERROR_KINDS,
  EVENT_KINDS,
  PLAIN_TERMINATIONS,
  V3_DECISIONS,
} from "../../_internal/wire_names.ts";
import {
  array,
  checkObject,
  type Codec,
  leftOutWhenEmpty,
  nullable,
  optional,
  string,
  u64,
  u8,
  usize,
} from "../../_internal/wire_json/codec.ts";
import { duration, eventTime } from "../../_internal/wire_json/duration.ts";
import { externallyTagged, unit, unitEnum } from "../../_internal/wire_json/enums.ts";
import { openStruct, struct } from "../../_internal/wire_json/struct.ts";
import type {
  Backoff,
  CapturedIntentAck,
  CompletionInputRecord,
  Constraints,
  DecisionNumbers,
  DecisionRecord,
  EpisodeInvocationRecord,
  EventInputRecord,
  ExternalEventRecord,
  InputRecord,
  RunTermination,
} from "../types.ts";
import { capturedEffect } from "./effects.ts";

const closed = { denyUnknownFields: true };

const byteList = array(u8);

/** A payload. */
const payload: Codec<number[]> = {
  write: (bytes, writer) => {
    if (writer.isCompact && isByteList(bytes)) writer.write(JSON.stringify(bytes));
    else byteList.write(bytes, writer);
  },
  read: byteList.read,
};

/** A codec that lets the engine print the values which it prints just so. */
function withPlainText<T extends object>(
  codec: Codec<T>,
  plainText: (value: Readonly<Record<string, unknown>>) => string | undefined,
): Codec<T> {
  return {
    ...codec,
    write: (value, writer) => {
      const isRecord = typeof value === "object" && value !== null;
      const text = isRecord && writer.isCompact
        ? plainText(value as Readonly<Record<string, unknown>>)
        : undefined;
      if (text === undefined) codec.write(value, writer);
      else writer.write(text);
    },
  };
}

/** How an attempt ended. */
export const termination = externallyTagged({
  Completed: unit,
  TimedOut: unit,
  Aborted: unit,
  Failed: unitEnum(ERROR_KINDS),
}) as Codec<RunTermination>;

/** The limits of a supervisor. What is not known is refused, as it would not be obeyed. */
export const constraints: Codec<Constraints> = struct(
  mapConstraints(({ kind, isRequired }): Codec<unknown> => {
    const codec = (kind === "count" ? usize : duration) as Codec<unknown>;
    return isRequired ? codec : nullable(codec);
  }),
  closed,
) as unknown as Codec<Constraints>;

/** How long retries wait. */
export const backoff: Codec<Backoff> = struct(
  { initial: duration, factor: u64, max: duration },
  closed,
) as Codec<Backoff>;

/** The fields of an event record. */
export const eventFields = {
  event_id: string,
  event_time: eventTime,
  // `Tick` is what an early version of the seed called a Pump.
  kind: unitEnum(EVENT_KINDS, { aliases: { Tick: "Pump" } }),
  payload,
  payload_hash: string,
};

/** An event record. */
export const eventRecord: Codec<ExternalEventRecord> = withPlainText(
  openStruct(eventFields),
  plainEventText,
);

const intentAck: Codec<CapturedIntentAck> = openStruct({
  intent_id: string,
  channel: string,
  status: string,
  acceptance: string,
  egress_ref: optional(string),
});

/** The fields of a decision in the seed's format. */
export const seedDecisionFields = {
  event_id: string,
  decision: unitEnum(V3_DECISIONS),
  schedule_at: nullable(eventTime),
  episode_id: u64,
  deadline: nullable(duration),
  termination: nullable(termination),
  retry_count: usize,
  effects: array(capturedEffect),
  intent_acks: leftOutWhenEmpty(intentAck),
  interruption: optional(string),
};

/** A decision in the seed's format. */
export const seedDecision: Codec<EpisodeInvocationRecord> = withPlainText(
  openStruct(seedDecisionFields) as Codec<EpisodeInvocationRecord>,
  plainDecisionText,
);

const numbers: Codec<DecisionNumbers> = struct({
  now: eventTime,
  in_flight: usize,
  in_window: usize,
  deferred: usize,
  next_due: nullable(eventTime),
  defer_count: usize,
}, closed) as Codec<DecisionNumbers>;

/** The fields of a decision in this project's format: the seed's, and behind them what it lacks. */
export const decisionRecordFields = {
  ...seedDecisionFields,
  decision: unitEnum(DECISIONS),
  attempt_termination: nullable(termination),
  reason: unitEnum(DECISION_REASONS),
  numbers,
  origin_event_id: nullable(string),
};

/** A decision in this project's format. */
export const decisionRecord = openStruct(decisionRecordFields) as Codec<DecisionRecord>;

const inputTag = unitEnum(["event", "completion"]);

/** The fields of an event among the inputs. */
export const eventInputFields = { type: unitEnum(["event"]), ...eventFields };

const eventInput: Codec<EventInputRecord> = withPlainText(
  openStruct(eventInputFields),
  plainEventInputText,
);

const completionInput: Codec<CompletionInputRecord> = struct({
  type: unitEnum(["completion"]),
  episode_id: u64,
  attempt: u64,
  termination,
  at: eventTime,
}, closed);

/** An input. */
export const inputRecord: Codec<InputRecord> = {
  write: (value, writer) => {
    if (value.type === "event") eventInput.write(value, writer);
    else completionInput.write(value, writer);
  },
  read: (tree, place) => {
    const { type } = checkObject<typeof tree>(tree, place);
    if (type === undefined) return place.refuse("missing field `type`");
    return inputTag.read(type, place) === "event"
      ? eventInput.read(tree, place)
      : completionInput.read(tree, place);
  },
};

/**
 * Records that the engine prints as serde_json would, so that it may: it is ten times as fast as a writer
 * that is told field by field, and a bundle is little else than such records. Whatever is not plain, and
 * whatever is wrong, is left to the codecs, which know how to say so.
 */

const KINDS = new Set<unknown>(EVENT_KINDS);
const PLAIN_DECISIONS = new Set<unknown>(V3_DECISIONS);
const ENDS = new Set<unknown>(PLAIN_TERMINATIONS);
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
  if (countOf(record) !== 8 || !isText(event_id) || !PLAIN_DECISIONS.has(decision)) {
    return undefined;
  }
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
