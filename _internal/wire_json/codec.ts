import { isObject } from "../errors.ts";
import { JsonPlace } from "./errors.ts";
import {
  describeValue,
  isIntegerLiteral,
  isRawJson,
  type JsonValue,
  numberOf,
  printFloat,
  setMember,
} from "./json_value.ts";
import { parseJson } from "./parse_json.ts";
import { compareUtf8 } from "../text.ts";
import { isPlainJson, type JsonStyle, JsonWriter, writeJson } from "./print_json.ts";

/**
 * One type on the wire: how it is printed and how it is read, in one definition so that the two
 * cannot disagree. Codecs are made of smaller ones: `struct({ id: string, at: optional(u64) })`.
 */
export interface Codec<T> {
  /** Prints a value, or refuses it at the place where the writer stands. */
  readonly write: (value: T, writer: JsonWriter) => void;
  /** Makes the value of parsed JSON, or refuses it at `place`. */
  readonly read: (tree: JsonValue, place: JsonPlace) => T;
  /** The value of a struct's field that is not there; a field without this is required (J-11). */
  readonly missing?: () => T;
  /** Whether a struct leaves the field out when it prints (J-11). */
  readonly isOmitted?: (value: T) => boolean;
  /**
   * Whether `JSON.stringify` prints a value just as {@linkcode Codec.write} does, compact, and
   * {@linkcode Codec.read} takes it as it is: see {@linkcode printedByEngine}. A codec without it cannot
   * promise that of any value.
   */
  readonly isPlain?: (value: unknown) => boolean;
}

/**
 * Prints a value as serde_json prints the Rust type that the codec describes, no final newline.
 * Throws a `TypeError` or `RangeError` that names the path of what the type cannot hold.
 */
export function encodeJson<T>(
  codec: Codec<T>,
  value: T,
  { style = "compact" }: { style?: JsonStyle } = {},
): string {
  const writer = new JsonWriter(style);
  codec.write(value, writer);
  return writer.text;
}

/**
 * Reads a value from its text. Throws a `SyntaxError` for what {@linkcode parseJson} refuses, a
 * `TypeError` for another shape, a `RangeError` for an integer that the type cannot hold.
 */
export function decodeJson<T>(codec: Codec<T>, text: string | Uint8Array): T {
  return codec.read(parseJson(text), new JsonPlace("read"));
}

/**
 * A codec that has the engine print what is plain, and keeps what was parsed where that is plain: ten times
 * as fast as field by field. For records, of which a document has many. Whatever is not plain, and
 * whatever is wrong, is left to the codec, which knows how to say so.
 */
export function printedByEngine<T>(codec: Codec<T>): Codec<T> {
  return {
    ...codec,
    write: (value, writer) => {
      if (writer.isCompact && codec.isPlain?.(value)) writer.writePlain(value);
      else codec.write(value, writer);
    },
    read: (tree, place) => codec.isPlain?.(tree) ? tree as T : codec.read(tree, place),
  };
}

/** A string of whole Unicode characters (J-3). */
export const string: Codec<string> = {
  isPlain: (value) => typeof value === "string" && value.isWellFormed(),
  write: (value, writer) => writer.writeString(checkString(value, writer)),
  read: checkString,
};

/** True or false. */
export const bool: Codec<boolean> = {
  isPlain: (value) => typeof value === "boolean",
  write: (value, writer) => writer.write(`${checkBool(value, writer)}`),
  read: checkBool,
};

/** A double, always printed with a point or an exponent; integers are read too (J-4, J-5, J-6). */
export const f64: Codec<number> = {
  write: (value, writer) => {
    if (!Number.isFinite(value)) refuseType(value, "a finite f64", writer);
    writer.write(printFloat(value));
  },
  read: (tree, place) => numberOf(tree) ?? refuseType(tree, "f64", place),
};

/** A byte (J-13). */
export const u8: Codec<number> = unsigned("u8", 0xff);

/** An unsigned integer of 32 bits. */
export const u32: Codec<number> = unsigned("u32", 0xffff_ffff);

/** An unsigned integer; beyond 2^53−1, where doubles would round, it is a `RangeError` (J-8). */
export const u64: Codec<number> = unsigned("u64", Number.MAX_SAFE_INTEGER);

/** The same as {@linkcode u64}, for counts and positions. */
export const usize: Codec<number> = unsigned("usize", Number.MAX_SAFE_INTEGER);

/** Any JSON, printed as `printJson` does (serde_json's `Value`). */
export const freeJson: Codec<JsonValue> = {
  isPlain: (value) => isPlainJson(value),
  write: writeJson,
  read: (tree) => tree,
};

/** Refuses a value as serde refuses another type than the expected one. */
export function refuseType(value: unknown, expected: string, place: JsonPlace): never {
  return place.refuse(`invalid type: ${describeValue(value)}, expected ${expected}`);
}

function checkString(value: unknown, place: JsonPlace): string {
  return typeof value === "string" ? value : refuseType(value, "a string", place);
}

function checkBool(value: unknown, place: JsonPlace): boolean {
  return typeof value === "boolean" ? value : refuseType(value, "a boolean", place);
}

function unsigned(name: string, max: number): Codec<number> {
  function check(value: unknown, place: JsonPlace): number {
    if (typeof value !== "number" || !Number.isInteger(value) || Object.is(value, -0)) {
      refuseType(value, name, place);
    }
    if (value < 0 || value > max) refuseInteger(value, place);
    return value;
  }

  function refuseInteger(value: number | string, place: JsonPlace): never {
    // Rust's type reaches further than ours there, so its name alone would not explain the refusal.
    const isOurLimit = Number(value) > 0 && max === Number.MAX_SAFE_INTEGER;
    const expected = isOurLimit ? `${name} up to ${max}` : name;
    return place.refuseRange(`invalid value: integer \`${value}\`, expected ${expected}`);
  }

  return {
    isPlain: (value) => isPlainCount(value) && value <= max,
    write: (value, writer) => writer.write(`${check(value, writer)}`),
    read: (tree, place) => {
      if (!isIntegerLiteral(tree)) refuseType(tree, name, place);
      return typeof tree === "number" ? check(tree, place) : refuseInteger(tree.rawJSON, place);
    },
  };
}

/** A list of values of one type. */
export function array<T>(item: Codec<T>): Codec<T[]> {
  const { isPlain = () => false } = item;
  return {
    isPlain: (values) => {
      if (!Array.isArray(values)) return false;
      // A loop looks at holes too.
      for (let index = 0; index < values.length; index++) {
        if (!isPlain(values[index])) return false;
      }
      return true;
    },
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

/** A map from strings to values of one type, printed in the order of its keys' bytes (J-2). */
export function map<T>(value: Codec<T>): Codec<Record<string, T>> {
  return {
    write: (record, writer) => {
      const members = membersOf<T>(record, writer);
      writer.open("{", members);
      for (const key of Object.keys(members).sort(compareUtf8)) {
        writer.member(key);
        value.write(members[key] as T, writer);
      }
      writer.close("}");
    },
    read: (tree, place) => {
      const record: Record<string, T> = {};
      const members = membersOf<JsonValue>(tree, place);
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
    isPlain: (value) => value === null || codec.isPlain?.(value) === true,
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
    isPlain: (value) => value !== undefined && value !== null && codec.isPlain?.(value) === true,
    write: (value, writer) => {
      if (value === undefined) refuseType(value, "a value", writer);
      codec.write(value, writer);
    },
    read: (tree, place) => tree === null ? undefined : codec.read(tree, place),
    missing: () => undefined,
    isOmitted: (value) => value === undefined,
  };
}

/** A list that is left out when it is empty; what was left out stays so in memory. */
export function leftOutWhenEmpty<T>(item: Codec<T>): Codec<T[] | undefined> {
  const list = array(item);
  return {
    isPlain: (values) => list.isPlain!(values) && (values as T[]).length > 0,
    write: (values, writer) => list.write(values === undefined ? [] : values, writer),
    read: list.read,
    missing: () => undefined,
    isOmitted: (values) => values === undefined || Array.isArray(values) && values.length === 0,
  };
}

/** A field that is always printed, but may be missing when read (serde's `default`). */
export function withDefault<T>(codec: Codec<T>, missing: () => T): Codec<T> {
  return { ...codec, missing };
}

/** The members of an object; `V` is what the caller knows about them. */
export function membersOf<V>(value: unknown, place: JsonPlace): Record<string, V> {
  if (!isObject(value) || isRawJson(value)) refuseType(value, "an object", place);
  return value as Record<string, V>;
}

/** Whether a value is an integer from 0 to 2^53−1 that prints as digits alone. */
export function isPlainCount(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && Number.isSafeInteger(value) &&
    !Object.is(value, -0);
}

/** Whether a value is an object as literals make them, which has no `toJSON` of its class. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null &&
    Object.getPrototypeOf(value) === Object.prototype;
}

function writeItems<T>(values: ArrayLike<T>, item: Codec<T>, writer: JsonWriter): void {
  writer.open("[", values);
  for (let index = 0; index < values.length; index++) {
    writer.item(index);
    item.write(values[index] as T, writer);
  }
  writer.close("]");
}
