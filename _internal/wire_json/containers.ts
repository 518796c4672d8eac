import type { Codec } from "./codec.ts";
import { compareUtf8 } from "./compare_utf8.ts";
import type { JsonPlace } from "./json_place.ts";
import { isRawJson, type JsonValue, setMember } from "./json_value.ts";
import type { JsonWriter } from "./json_writer.ts";
import { refuseType, u8 } from "./scalars.ts";

/** A list of values of one type. */
export function array<T>(item: Codec<T>): Codec<T[]> {
  return {
    write: (values, writer) => {
      if (!Array.isArray(values)) refuseType(values, "a sequence", writer);
      writeItems(values, item, writer);
    },
    read: (tree, place) => {
      if (!Array.isArray(tree)) refuseType(tree, "a sequence", place);
      const depth = place.path.push(0) - 1;
      const values = tree.map((member, index) => {
        place.path[depth] = index;
        return item.read(member, place);
      });
      place.path.pop();
      return values;
    },
  };
}

const byteList = array(u8);

/** A byte vector, on the wire an array of the numbers 0–255 (J-13). */
export const bytes: Codec<Uint8Array> = {
  write: (value, writer) => {
    if (!(value instanceof Uint8Array)) refuseType(value, "a Uint8Array", writer);
    writeItems(value, u8, writer);
  },
  read: (tree, place) => new Uint8Array(byteList.read(tree, place)),
};

/** A map from strings to values of one type, printed in the order of its keys' bytes (J-2). */
export function map<T>(value: Codec<T>): Codec<Record<string, T>> {
  return {
    write: (record, writer) => {
      const members = checkObject<T>(record, writer);
      writer.open("{", members);
      for (const key of Object.keys(members).sort(compareUtf8)) {
        writer.member(key);
        value.write(members[key] as T, writer);
      }
      writer.close("}");
    },
    read: (tree, place) => {
      const record: Record<string, T> = {};
      const members = checkObject<JsonValue>(tree, place);
      const depth = place.path.push("") - 1;
      for (const [key, member] of Object.entries(members)) {
        place.path[depth] = key;
        setMember(record, key, value.read(member, place));
      }
      place.path.pop();
      return record;
    },
  };
}

/** Rust's `Option`: printed as null when empty; a missing field is read as null too (J-11). */
export function nullable<T>(codec: Codec<T>): Codec<T | null> {
  return {
    write: (value, writer) => {
      if (value === null) writer.write("null");
      else codec.write(value, writer);
    },
    read: (tree, place) => tree === null ? null : codec.read(tree, place),
    missing: () => null,
  };
}

/** Rust's `Option` that is left out when empty; null is read as absent too (J-11). */
export function optional<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    write: (value, writer) => {
      if (value === undefined) refuseType(value, "a value", writer);
      codec.write(value, writer);
    },
    read: (tree, place) => tree === null ? undefined : codec.read(tree, place),
    missing: () => undefined,
    isOmitted: (value) => value === undefined,
  };
}

/** A list that is left out when empty, and empty when left out (J-11). */
export function omitEmpty<T>(list: Codec<T[]>): Codec<T[]> {
  return { ...list, missing: () => [], isOmitted: (value) => value?.length === 0 };
}

/** A list that is left out when it is empty; what was left out stays so in memory. */
export function leftOutWhenEmpty<T>(item: Codec<T>): Codec<T[] | undefined> {
  const list = array(item);
  return {
    write: (values, writer) => list.write(values ?? [], writer),
    read: list.read,
    missing: () => undefined,
    isOmitted: (values) => values === undefined || values.length === 0,
  };
}

/** A field that is always printed, but may be missing when read (serde's `default`). */
export function withDefault<T>(codec: Codec<T>, missing: () => T): Codec<T> {
  return { ...codec, missing };
}

/** The members of an object; `V` is what the caller knows about them. */
export function checkObject<V>(value: unknown, place: JsonPlace): Record<string, V> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || isRawJson(value)) {
    refuseType(value, "an object", place);
  }
  return value as Record<string, V>;
}

function writeItems<T>(values: ArrayLike<T>, item: Codec<T>, writer: JsonWriter): void {
  writer.open("[", values);
  for (let index = 0; index < values.length; index++) {
    writer.item(index);
    item.write(values[index] as T, writer);
  }
  writer.close("]");
}
