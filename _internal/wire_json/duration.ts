import { type Duration, LATEST, NANOS_PER_SECOND } from "../event_time.ts";
import { type Codec, isPlainCount, isPlainObject, u32, u64 } from "./codec.ts";
import type { JsonPlace } from "./errors.ts";
import { isIntegerLiteral, type JsonValue, numberOf } from "./json_value.ts";
import type { JsonWriter } from "./print_json.ts";
import { closedStruct } from "./struct.ts";

/** A span of time; beyond 2^53−1 seconds it is a `RangeError` (J-8, J-9). */
export const duration: Codec<Duration> = {
  isPlain,
  write: writeDuration,
  read: (tree, place) => {
    const { secs, nanos } = readDuration(tree, place);
    if (!Number.isSafeInteger(secs)) {
      place.refuseRange(`invalid value: more than ${Number.MAX_SAFE_INTEGER} seconds`);
    }
    return { secs, nanos };
  },
};

/** A point on the logical clock; beyond 2^53−1 seconds it is read as {@linkcode LATEST}. */
export const eventTime: Codec<Duration> = {
  isPlain,
  write: writeDuration,
  read: (tree, place) => {
    const { secs, nanos } = readDuration(tree, place);
    return Number.isSafeInteger(secs) ? { secs, nanos } : { ...LATEST };
  },
};

/** Any number of seconds that Rust can say; what a double cannot is read as infinite. */
const seconds: Codec<number> = {
  ...u64,
  read: (tree, place) => {
    const isBeyond = isIntegerLiteral(tree) && (numberOf(tree) ?? 0) > Number.MAX_SAFE_INTEGER;
    return isBeyond ? Infinity : u64.read(tree, place);
  },
};

const fields = closedStruct({ secs: seconds, nanos: u32 });

function isPlain(value: unknown): boolean {
  if (!isPlainObject(value)) return false;
  const names = Object.keys(value);
  return names.length === 2 && names[0] === "secs" && names[1] === "nanos" &&
    isPlainCount(value.secs) && isPlainCount(value.nanos) && value.nanos < NANOS_PER_SECOND;
}

function writeDuration(value: Duration, writer: JsonWriter): void {
  fields.write(value, writer);
  if (value.nanos >= NANOS_PER_SECOND) {
    writer.refuseRange(`invalid value: ${value.nanos} nanos, expected less than a second`);
  }
}

/** Takes the array form `[secs, nanos]` too, and carries whole seconds of nanos over (J-9). */
function readDuration(tree: JsonValue, place: JsonPlace): Duration {
  const { secs, nanos } = fields.read(Array.isArray(tree) ? named(tree, place) : tree, place);
  return {
    secs: secs + Math.floor(nanos / NANOS_PER_SECOND),
    nanos: nanos % NANOS_PER_SECOND,
  };
}

function named(items: JsonValue[], place: JsonPlace): JsonValue {
  const [secs, nanos] = items;
  if (secs === undefined || nanos === undefined || items.length > 2) {
    place.refuse(`invalid length ${items.length}, expected [secs, nanos]`);
  }
  return { secs, nanos };
}
