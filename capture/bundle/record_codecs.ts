import { mapConstraints } from "../../_internal/constraints.ts";
import {
  array,
  type Codec,
  isPlainObject,
  leftOutWhenEmpty,
  membersOf,
  nullable,
  optional,
  printedByEngine,
  string,
  u64,
  u8,
  usize,
} from "../../_internal/wire_json/codec.ts";
import { duration } from "../../_internal/wire_json/duration.ts";
import { externallyTagged, unit, unitEnum } from "../../_internal/wire_json/enums.ts";
import { MAX_DEPTH } from "../../_internal/wire_json/errors.ts";
import { type JsonWriter, writeJson } from "../../_internal/wire_json/print_json.ts";
import { closedStruct, openStruct } from "../../_internal/wire_json/struct.ts";
import {
  DECISION_REASONS,
  DECISIONS,
  ERROR_KINDS,
  EVENT_KINDS,
  V3_DECISIONS,
} from "../../_internal/wire_names.ts";
import type {
  Backoff,
  Constraints,
  DecisionNumbers,
  EventRetry,
  JsonObject,
  RunTermination,
} from "../../supervisor/types.ts";
import type {
  CapturedIntentAck,
  CompletionInputRecord,
  DecisionRecord,
  EpisodeInvocationRecord,
  EventInputRecord,
  ExternalEventRecord,
  InputRecord,
  WithdrawInputRecord,
} from "../types.ts";
import { capturedEffect } from "./effects.ts";

const byteList = array(u8);

/** The payload of the v3 format: its bytes, each a number. */
const payloadBytes: Codec<number[]> = {
  isPlain: isByteList,
  write: (bytes, writer) => {
    if (writer.isCompact && isByteList(bytes)) writer.writePlain(bytes);
    else byteList.write(bytes, writer);
  },
  read: byteList.read,
};

/** Whether a value is a list of the integers 0 to 255. A payload may be long, so this is one loop. */
export function isByteList(value: unknown): value is number[] {
  if (!Array.isArray(value)) return false;
  for (let index = 0; index < value.length; index++) {
    const byte = value[index];
    if (typeof byte !== "number" || (byte & 0xff) !== byte || Object.is(byte, -0)) return false;
  }
  return true;
}

/** How an attempt ended. */
export const termination = externallyTagged({
  Completed: unit,
  TimedOut: unit,
  Aborted: unit,
  Failed: unitEnum(ERROR_KINDS),
}) as Codec<RunTermination>;

/** The limits of a supervisor. What is not known is refused, as it would not be obeyed. */
export const constraints: Codec<Constraints> = closedStruct(
  mapConstraints(({ kind, isRequired }): Codec<unknown> => {
    const codec = (kind === "count" ? usize : duration) as Codec<unknown>;
    return isRequired ? codec : nullable(codec);
  }),
) as unknown as Codec<Constraints>;

/** How long retries wait. */
export const backoff: Codec<Backoff> = closedStruct(
  { initial: duration, factor: u64, max: duration },
) as Codec<Backoff>;

/** How the episode of one event is tried. What is not known is refused, as it would not be obeyed. */
const eventRetry = closedStruct({
  max_retries: optional(usize),
  deadline: optional(duration),
  backoff: optional(backoff),
}) as Codec<EventRetry>;

/** The fields of an event in the v3 format. */
export const eventFields = {
  event_id: string,
  event_time: duration,
  // `Tick` is what an early version of the v3 format called a Pump.
  kind: unitEnum(EVENT_KINDS, { aliases: { Tick: "Pump" } }),
  payload: payloadBytes,
  payload_hash: string,
};

/** An event in the v3 format. */
export const eventRecord: Codec<ExternalEventRecord> = printedByEngine(openStruct(eventFields));

const intentAck: Codec<CapturedIntentAck> = openStruct({
  intent_id: string,
  channel: string,
  status: string,
  acceptance: string,
  egress_ref: optional(string),
});

/** The fields of a decision in the v3 format. */
export const v3DecisionFields = {
  event_id: string,
  decision: unitEnum(V3_DECISIONS),
  schedule_at: nullable(duration),
  episode_id: u64,
  deadline: nullable(duration),
  termination: nullable(termination),
  retry_count: usize,
  effects: array(capturedEffect),
  intent_acks: leftOutWhenEmpty(intentAck),
  interruption: optional(string),
};

/** A decision in the v3 format. */
export const v3Decision: Codec<EpisodeInvocationRecord> = printedByEngine(
  openStruct(v3DecisionFields) as Codec<EpisodeInvocationRecord>,
);

const numbers: Codec<DecisionNumbers> = closedStruct({
  now: duration,
  in_flight: usize,
  in_window: usize,
  deferred: usize,
  next_due: nullable(duration),
  defer_count: usize,
  max_retries: optional(usize),
}) as Codec<DecisionNumbers>;

/** The fields of a decision in this project's format: those of v3, and behind them what it lacks. */
export const decisionRecordFields = {
  ...v3DecisionFields,
  decision: unitEnum(DECISIONS),
  attempt_termination: nullable(termination),
  reason: unitEnum(DECISION_REASONS),
  numbers,
  origin_event_id: nullable(string),
};

/** A decision in this project's format. */
export const decisionRecord = printedByEngine(
  openStruct(decisionRecordFields) as Codec<DecisionRecord>,
);

/** A payload as its text. The list that was written before is not damage, and whoever meets it is told so. */
const payloadText: Codec<string> = {
  ...string,
  read: (tree, place) => {
    if (!Array.isArray(tree)) return string.read(tree, place);
    return place.refuse("it is a list of bytes, as builds before 0.1.0 wrote it; record it again");
  },
};

/** The fields of an event among the inputs: those of v3, but the payload is its text. */
export const eventInputFields = {
  type: unitEnum(["event"]),
  ...eventFields,
  payload: payloadText,
  first_attempt: optional(u64),
  retry: optional(eventRetry),
};

const eventInput = printedByEngine(openStruct(eventInputFields) as Codec<EventInputRecord>);

/** Any JSON object, its members in the order in which they stand. */
const jsonObject: Codec<JsonObject> = {
  isPlain: (value) => isPlainObject(value) && isPlainJson(value),
  write: (value, writer) => writeInOrder(membersOf(value, writer), writer),
  read: (tree, place) => membersOf(tree, place),
};

/** Whether `JSON.stringify` prints a value just as {@linkcode writeInOrder} does. */
export function isPlainJson(value: unknown, depth = 0): boolean {
  if (value === null || typeof value === "boolean") return true;
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value === "number") return isPlainNumber(value);
  if (depth > MAX_DEPTH) return false;
  if (Array.isArray(value)) {
    return Array.from(value).every((item) => isPlainJson(item, depth + 1));
  }
  return isPlainObject(value) &&
    Object.keys(value).every((name) => name.isWellFormed() && isPlainJson(value[name], depth + 1));
}

/** Small fractions and large numbers are printed with an exponent from another size on. */
function isPlainNumber(value: number): boolean {
  if (Number.isInteger(value)) return Number.isSafeInteger(value) && !Object.is(value, -0);
  return Number.isFinite(value) && Math.abs(value) >= 1e-5;
}

/** Prints any JSON, the members of objects in the order in which they stand. */
export function writeInOrder(value: unknown, writer: JsonWriter): void {
  if (Array.isArray(value)) {
    writer.open("[", value);
    for (let index = 0; index < value.length; index++) {
      writer.item(index);
      writeInOrder(value[index], writer);
    }
    return writer.close("]");
  }
  if (!isPlainObject(value)) return writeJson(value, writer);
  writer.open("{", value);
  for (const [name, member] of Object.entries(value)) {
    writer.member(name);
    writeInOrder(member, writer);
  }
  writer.close("}");
}

const completionInput: Codec<CompletionInputRecord> = printedByEngine(closedStruct({
  type: unitEnum(["completion"]),
  episode_id: u64,
  attempt: u64,
  termination,
  at: duration,
  end: optional(jsonObject),
}));

const withdrawInput: Codec<WithdrawInputRecord> = printedByEngine(closedStruct({
  type: unitEnum(["withdraw"]),
  episode_id: u64,
  at: duration,
}));

const inputs = {
  event: eventInput,
  completion: completionInput,
  withdraw: withdrawInput,
} as unknown as Record<InputRecord["type"], Codec<InputRecord>>;

const inputTag = unitEnum(Object.keys(inputs) as InputRecord["type"][]);

/** An input. */
export const inputRecord: Codec<InputRecord> = {
  isPlain: (value) => {
    const { type } = value as { type: InputRecord["type"] };
    return Object.hasOwn(inputs, type) && inputs[type].isPlain!(value);
  },
  write: (value, writer) => {
    const { type } = membersOf<InputRecord["type"]>(value, writer);
    if (type === undefined) return writer.refuse("missing field `type`");
    inputs[inputTag.read(type, writer)].write(value, writer);
  },
  read: (tree, place) => {
    const { type } = membersOf<typeof tree>(tree, place);
    if (type === undefined) return place.refuse("missing field `type`");
    return inputs[inputTag.read(type, place)].read(tree, place);
  },
};
