import type { Codec } from "../_internal/wire_json/codec.ts";
import {
  array,
  checkObject,
  leftOutWhenEmpty,
  nullable,
  optional,
} from "../_internal/wire_json/containers.ts";
import { duration, eventTime } from "../_internal/wire_json/duration.ts";
import { externallyTagged, unit, unitEnum } from "../_internal/wire_json/enums.ts";
import { openStruct } from "../_internal/wire_json/open_struct.ts";
import { string, u64, u8, usize } from "../_internal/wire_json/scalars.ts";
import { struct } from "../_internal/wire_json/struct.ts";
import { capturedEffect } from "./effect_codec.ts";
import {
  isByteList,
  plainDecisionText,
  plainEventInputText,
  plainEventText,
} from "./plain_records.ts";
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
} from "./types.ts";
import { ERROR_KINDS, EVENT_KINDS, SEED_DECISIONS } from "./wire_names.ts";

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
export const constraints: Codec<Constraints> = struct({
  max_in_flight: nullable(usize),
  max_per_window: nullable(usize),
  rate_window: nullable(duration),
  deadline: nullable(duration),
  max_retries: usize,
}, closed) as Codec<Constraints>;

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
  decision: unitEnum(SEED_DECISIONS),
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
  decision: unitEnum([...SEED_DECISIONS, "Finish"]),
  attempt_termination: nullable(termination),
  reason: unitEnum([
    "admitted",
    "due",
    "retry",
    "saturated",
    "rate_limited",
    "backoff",
    "nothing_due",
    "queue_full",
    "completed",
    "not_retryable",
    "retries_exhausted",
  ]),
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
