import {
  array,
  bool,
  type Codec,
  f64,
  freeJson,
  nullable,
  optional,
  string,
  u32,
  u64,
  u8,
  usize,
} from "../../../_internal/wire_json/codec.ts";
import { duration } from "../../../_internal/wire_json/duration.ts";
import {
  externallyTagged,
  internallyTagged,
  unit,
  unitEnum,
} from "../../../_internal/wire_json/enums.ts";
import { closedStruct, struct } from "../../../_internal/wire_json/struct.ts";

const byteList = array(u8);

/** A byte vector, on the wire an array of the numbers 0–255 (J-13). */
export const bytes: Codec<Uint8Array> = {
  write: (value, writer) => byteList.write([...value], writer),
  read: (tree, place) => new Uint8Array(byteList.read(tree, place)),
};

/** A list that is left out when empty, and empty when left out (J-11). */
export function omitEmpty<T>(list: Codec<T[]>): Codec<T[]> {
  return { ...list, missing: () => [], isOmitted: (value) => value?.length === 0 };
}

/** The types for which Rust's answers were recorded, most of them from the seeds. */
const TYPES = {
  value: freeJson,
  f64,
  u64,
  u32,
  u8,
  bool,
  string,
  bytes,
  duration,
  kind: unitEnum(["Pump", "DataAvailable", "Command"], { aliases: { Tick: "Pump" } }),
  term: externallyTagged({
    Completed: unit,
    TimedOut: unit,
    Aborted: unit,
    Failed: unitEnum(["NetworkTimeout", "RuntimeError"]),
  }),
  val: externallyTagged({ Number: f64, Series: array(f64), Bool: bool, String: string }),
  constraints: struct({
    max_in_flight: nullable(usize),
    max_per_window: nullable(usize),
    rate_window: nullable(duration),
    deadline: nullable(duration),
    max_retries: usize,
  }),
  strict: closedStruct({ a: u64, b: optional(string), c: omitEmpty(array(u8)) }),
  one: closedStruct({ a: u64 }),
  intent: internallyTagged("kind", {
    assistant: { purpose: optional(string) },
    task: { objective: string },
  }),
  sel: internallyTagged("kind", { runtime_default: {}, builtin: { value: string } }),
};

/** The name of one of them. */
export type WireType = keyof typeof TYPES;

/** The codec of a type, for reading and printing what is read. */
export function wireType(name: WireType): Codec<unknown> {
  return TYPES[name] as Codec<unknown>;
}
