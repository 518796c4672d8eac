import type { Codec } from "./codec.ts";
import { setMember } from "./json_value.ts";
import { freeJson } from "./scalars.ts";
import { type Fields, type Struct, struct } from "./struct.ts";

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
