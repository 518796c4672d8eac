import type { Codec } from "./codec.ts";
import type { JsonPlace } from "./json_place.ts";
import { describeValue, isIntegerLiteral, type JsonValue, numberOf } from "./json_value.ts";
import { writeJson } from "./print_json.ts";
import { printFloat } from "./print_number.ts";

/** A string of whole Unicode characters (J-3). */
export const string: Codec<string> = {
  write: (value, writer) => writer.writeString(checkString(value, writer)),
  read: checkString,
};

/** True or false. */
export const bool: Codec<boolean> = {
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
    write: (value, writer) => writer.write(`${check(value, writer)}`),
    read: (tree, place) => {
      if (!isIntegerLiteral(tree)) refuseType(tree, name, place);
      return typeof tree === "number" ? check(tree, place) : refuseInteger(tree.rawJSON, place);
    },
  };
}
