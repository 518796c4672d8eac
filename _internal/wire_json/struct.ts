import type { Defined } from "../errors.ts";
import { type Codec, isPlainObject, membersOf } from "./codec.ts";
import { expectedNames, type JsonPlace } from "./errors.ts";
import { type JsonValue, setMember } from "./json_value.ts";
import { writeJson } from "./print_json.ts";

/** The fields of a struct in the order in which they are printed. */
export type Fields<T> = { readonly [Name in keyof T]: Codec<T[Name]> };

/**
 * Makes the codec of an object, in which fields made with `optional` may be absent: {@linkcode struct}, or
 * another one that says what becomes of unknown fields.
 */
export type StructMaker = <T>(fields: Fields<T>) => Codec<Defined<T>>;

/**
 * An object with named fields, printed in the order of their declaration (J-2). A field is required
 * unless it is made with `nullable`, `optional`, `leftOutWhenEmpty` or `withDefault` (J-11). What is read
 * has its fields in the order of the declaration too. Fields that it does not have are ignored (J-10).
 */
export function struct<T>(fields: Fields<T>): Codec<Defined<T>> {
  return structThat("ignores", fields);
}

/** A struct that refuses fields that it does not have: serde's `deny_unknown_fields` (J-10). */
export function closedStruct<T>(fields: Fields<T>): Codec<Defined<T>> {
  return structThat("refuses", fields);
}

/**
 * A struct that keeps the fields it does not know: they are read, and printed behind the others in the
 * order in which they stood. The original program ignores them, and thereby loses a misspelt field.
 */
export function openStruct<T>(fields: Fields<T>): Codec<Defined<T>> {
  return structThat("keeps", fields);
}

/** A struct by what it does with fields that it does not have. */
function structThat<T>(
  handling: "ignores" | "refuses" | "keeps",
  fields: Fields<T>,
): Codec<Defined<T>> {
  const codecs: [name: string, codec: Codec<unknown>][] = Object.entries(fields);

  /** The members of an object, and the names of those that the struct does not have but keeps. */
  function look<V>(
    value: unknown,
    place: JsonPlace,
  ): { members: Record<string, V>; kept: string[] } {
    const members = membersOf<V>(value, place);
    if (handling === "ignores") return { members, kept: [] };
    const unknown = unknownNames(members, fields);
    if (handling === "refuses" && unknown.length > 0) {
      const names = expectedNames(Object.keys(fields), "fields");
      place.refuse(`unknown field \`${unknown[0]}\`, ${names}`);
    }
    return { members, kept: unknown };
  }

  return {
    isPlain: (value) => hasPlainFields(value, codecs),
    write: (value, writer) => {
      const { members, kept } = look<unknown>(value, writer);
      writer.open("{", members);
      for (const [name, codec] of codecs) {
        const member = members[name];
        if (codec.isOmitted?.(member)) continue;
        writer.member(name);
        codec.write(member, writer);
      }
      for (const name of kept) {
        writer.member(name);
        writeJson(members[name], writer);
      }
      writer.close("}");
    },
    read: (tree, place) => {
      const { members, kept } = look<JsonValue>(tree, place);
      const result: Record<string, unknown> = {};
      for (const [name, codec] of codecs) {
        const value = readField(members, { name, codec, place });
        if (value !== undefined) result[name] = value;
      }
      for (const name of kept) setMember(result, name, members[name]);
      return result as Defined<T>;
    },
  };
}

/** Whether an object has plain fields in the order of the struct, and nothing else. */
function hasPlainFields(
  value: unknown,
  codecs: readonly [name: string, codec: Codec<unknown>][],
): boolean {
  if (!isPlainObject(value)) return false;
  const names = Object.keys(value);
  let count = 0;
  // By index: this is looked at for every record of a document.
  for (let index = 0; index < codecs.length; index++) {
    const [name, codec] = codecs[index]!;
    if (names[count] === name) {
      if (codec.isPlain === undefined || !codec.isPlain(value[name])) return false;
      count++;
    } else if (codec.isOmitted === undefined) return false;
  }
  return count === names.length;
}

function readField(
  trees: Record<string, JsonValue>,
  { name, codec, place }: { name: string; codec: Codec<unknown>; place: JsonPlace },
): unknown {
  const tree = Object.hasOwn(trees, name) ? trees[name] : undefined;
  if (tree === undefined) {
    return codec.missing === undefined
      ? place.refuse(`missing field \`${name}\``)
      : codec.missing();
  }
  place.path.push(name);
  const value = codec.read(tree, place);
  place.path.pop();
  return value;
}

/** The names of members that a struct does not have. */
export function unknownNames(members: object, fields: object): string[] {
  return Object.keys(members).filter((name) => !Object.hasOwn(fields, name));
}
