import {
  array,
  type Codec,
  decodeJson,
  encodeJson,
  map,
  optional,
  string,
  u64,
  usize,
} from "../../_internal/wire_json/codec.ts";
import { GATE_METHODS } from "../../_internal/wire_names.ts";
import { duration } from "../../_internal/wire_json/duration.ts";
import { internallyTagged, unitEnum } from "../../_internal/wire_json/enums.ts";
import { type JsonValue, numberOf, setMember } from "../../_internal/wire_json/json_value.ts";
import { closedStruct } from "../../_internal/wire_json/struct.ts";
import type { BundleNote, NoteRecord } from "../types.ts";
import { isPlainJson, writeInOrder } from "./record_codecs.ts";

/**
 * What a recording says besides its inputs and decisions. Nothing is decided by it, so a bundle has it in
 * a list of its own, where `after` says in which place among the inputs and decisions each of it stood.
 */

/** Any JSON, with numbers as JavaScript has them. */
const anyJson: Codec<unknown> = { isPlain: isPlainJson, write: writeInOrder, read: plainOf };

/** The same where it may be left out; null is a value, as any other. */
const givenJson: Codec<unknown> = {
  ...anyJson,
  missing: () => undefined,
  isOmitted: (value) => value === undefined,
};

function plainOf(tree: JsonValue): unknown {
  const number = numberOf(tree);
  if (number !== undefined) return number;
  if (Array.isArray(tree)) return tree.map(plainOf);
  if (typeof tree !== "object" || tree === null) return tree;
  const object: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(tree)) setMember(object, name, plainOf(member));
  return object;
}

/** What each kind of note says, but for its tag. */
export const noteFields = {
  wait: {
    id: string,
    kind: unitEnum(["sleep", "gate"]),
    at: duration,
    until: optional(duration),
  },
  waited: {
    id: string,
    how: unitEnum(["passed", "denied", "due", "timeout"]),
    at: duration,
    inbox_line: optional(u64),
    value: givenJson,
    by: optional(string),
    method: optional(unitEnum(GATE_METHODS)),
  },
  record: { id: string, at: duration, data: anyJson },
  ended: {
    at: duration,
    state: unitEnum(["Completed", "Aborted"]),
    reason: optional(string),
    failed: optional(string),
    skipped: optional(map(string)),
    output: givenJson,
  },
};

/** Who went on with a session, and with what. */
export const resumedFields = {
  runtime_provenance: string,
  changed: array(string),
  pid: u64,
  host: optional(string),
  start_time: optional(u64),
  boot_id: optional(string),
};

/** A note as a line of a journal says it. */
export const note = internallyTagged("type", noteFields, closedStruct) as Codec<NoteRecord>;

/** A note that shares nothing with the caller's. Throws for what is none. */
export function copyOfNote(original: NoteRecord): NoteRecord {
  return decodeJson(note, encodeJson(note, original));
}

const after = { after: usize };

/** A note as a bundle says it. */
export const bundleNote = internallyTagged("type", {
  wait: { ...after, ...noteFields.wait },
  waited: { ...after, ...noteFields.waited },
  record: { ...after, ...noteFields.record },
  ended: { ...after, ...noteFields.ended },
  resumed: { ...after, ...resumedFields },
}, closedStruct) as Codec<BundleNote>;
