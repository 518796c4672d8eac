import { type Duration, NANOS_PER_SECOND } from "../event_time.ts";
import { type Codec, isPlainCount, isPlainObject, u32, u64 } from "./codec.ts";
import type { JsonPlace } from "./errors.ts";
import type { JsonValue } from "./json_value.ts";
import type { JsonWriter } from "./print_json.ts";
import { closedStruct } from "./struct.ts";

/**
 * A span of time, or a point on the logical clock: beyond 2^53−1 seconds it is a `RangeError` (J-8, J-9).
 * Seconds that overflow with what the nanoseconds carry are refused too, as Rust refuses them.
 */
export const duration: Codec<Duration> = {
  isPlain,
  write: writeDuration,
  read: readDuration,
};

const fields = closedStruct({ secs: u64, nanos: u32 });

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
  const sum = secs + Math.floor(nanos / NANOS_PER_SECOND);
  if (!Number.isSafeInteger(sum)) {
    place.refuseRange(`invalid value: more than ${Number.MAX_SAFE_INTEGER} seconds`);
  }
  return { secs: sum, nanos: nanos % NANOS_PER_SECOND };
}

function named(items: JsonValue[], place: JsonPlace): JsonValue {
  const [secs, nanos] = items;
  if (secs === undefined || nanos === undefined || items.length > 2) {
    place.refuse(`invalid length ${items.length}, expected [secs, nanos]`);
  }
  return { secs, nanos };
}
