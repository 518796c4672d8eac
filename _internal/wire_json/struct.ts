import { checkObject, type Codec, freeJson } from "./codec.ts";
import { expectedNames, type JsonPlace } from "./errors.ts";
import { type JsonValue, setMember } from "./json_value.ts";

/** The fields of a struct in the order in which they are printed. */
export type Fields<T> = { readonly [Name in keyof T]: Codec<T[Name]> };

type OptionalNames<T> = {
  [Name in keyof T]: undefined extends T[Name] ? Name : never;
}[keyof T];

/** The object that a struct describes: fields made with `optional` may be absent. */
export type Struct<T> =
  & { [Name in Exclude<keyof T, OptionalNames<T>>]: T[Name] }
  & { [Name in OptionalNames<T>]?: Exclude<T[Name], undefined> };

/** {@linkcode struct}, or another one that says what becomes of unknown fields. */
export type StructMaker = <T>(fields: Fields<T>) => Codec<Struct<T>>;

/** Options of {@linkcode struct}. */
export interface StructOptions {
  /**
   * Refuse fields that the struct does not have. Without it they are ignored (J-10).
   *
   * @default {false}
   */
  denyUnknownFields?: boolean;
}

/**
 * An object with named fields, printed in the order of their declaration (J-2). A field is required
 * unless it is made with `nullable`, `optional`, `omitEmpty` or `withDefault` (J-11). What is read
 * has its fields in the order of the declaration too.
 */
export function struct<T>(
  fields: Fields<T>,
  { denyUnknownFields = false }: StructOptions = {},
): Codec<Struct<T>> {
  const names = Object.keys(fields);
  const codecs: [name: string, codec: Codec<unknown>][] = Object.entries(fields);

  function members<V>(value: unknown, place: JsonPlace): Record<string, V> {
    const members = checkObject<V>(value, place);
    if (denyUnknownFields) {
      const unknown = Object.keys(members).find((name) => !Object.hasOwn(fields, name));
      if (unknown !== undefined) {
        place.refuse(`unknown field \`${unknown}\`, ${expectedNames(names, "fields")}`);
      }
    }
    return members;
  }

  return {
    write: (value, writer) => {
      const values = members<unknown>(value, writer);
      writer.open("{", values);
      for (const [name, codec] of codecs) {
        const member = values[name];
        if (codec.isOmitted?.(member)) continue;
        writer.member(name);
        codec.write(member, writer);
      }
      writer.close("}");
    },
    read: (tree, place) => {
      const trees = members<JsonValue>(tree, place);
      const result: Record<string, unknown> = {};
      for (const [name, codec] of codecs) {
        const value = readField(trees, { name, codec, place });
        if (value !== undefined) result[name] = value;
      }
      return result as Struct<T>;
    },
  };
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

/**
 * A struct that keeps the fields it does not know: they are read, and printed behind the others in the
 * order in which they stood. The seed's reader ignores them, and thereby loses a misspelt field.
 */
export function openStruct<T>(fields: Fields<T>): Codec<Struct<T>> {
  const known = struct(fields);
  const codecs: [name: string, codec: Codec<unknown>][] = Object.entries(fields);
  return {
    write: (value, writer) => {
      const members = value as Record<string, unknown>;
      writer.open("{", members);
      for (const [name, codec] of codecs) {
        const member = members[name];
        if (codec.isOmitted?.(member)) continue;
        writer.member(name);
        codec.write(member, writer);
      }
      for (const name of unknownNames(members, fields)) {
        writer.member(name);
        freeJson.write(members[name] as never, writer);
      }
      writer.close("}");
    },
    read: (tree, place) => {
      const value = known.read(tree, place);
      const members = tree as Record<string, unknown>;
      for (const name of unknownNames(members, fields)) setMember(value, name, members[name]);
      return value;
    },
  };
}

/** The names of members that a struct does not have. */
export function unknownNames(members: object, fields: object): string[] {
  return Object.keys(members).filter((name) => !Object.hasOwn(fields, name));
}
