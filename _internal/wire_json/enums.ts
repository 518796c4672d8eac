import type { Defined } from "../errors.ts";
import { type Codec, isPlainObject, membersOf, refuseType } from "./codec.ts";
import { expectedNames, type JsonPlace } from "./errors.ts";
import type { JsonValue } from "./json_value.ts";
import { type Fields, struct, type StructMaker } from "./struct.ts";

/** Options of {@linkcode unitEnum}. */
interface UnitEnumOptions<Name extends string> {
  /** Names that are read, never written, each with the variant it stands for. */
  aliases?: Readonly<Record<string, Name>>;
}

/** An enum whose variants carry nothing; on the wire the variant's name (J-12). */
export function unitEnum<const Name extends string>(
  names: readonly Name[],
  { aliases = {} }: UnitEnumOptions<Name> = {},
): Codec<Name> {
  function check(value: unknown, place: JsonPlace): Name {
    if (typeof value !== "string") refuseType(value, "variant identifier", place);
    return names.find((name) => name === value) ?? refuseVariant(value, names, place);
  }

  const known = new Set<unknown>(names);
  return {
    isPlain: (value) => known.has(value),
    write: (value, writer) => writer.writeString(check(value, writer)),
    read: (tree, place) => {
      const isAlias = typeof tree === "string" && Object.hasOwn(aliases, tree);
      return check(isAlias ? aliases[tree] : tree, place);
    },
  };
}

/** In {@linkcode externallyTagged}, a variant that carries nothing. */
export const unit: Codec<null> = {
  write: (_value, writer) => writer.write("null"),
  read: (tree, place) => tree === null ? null : refuseType(tree, "unit", place),
};

/** The values of {@linkcode externallyTagged}: `"Completed" | { Failed: ErrKind }`. */
type ExternallyTagged<T> = {
  [Name in keyof T]: T[Name] extends null ? Name : { [Tag in Name]: T[Name] };
}[keyof T];

/**
 * An enum whose variants are written as a string if they carry nothing, else as an object of one
 * member named after the variant (J-12): `"Completed"`, `{"Failed":"NetworkTimeout"}`.
 */
export function externallyTagged<T>(variants: Fields<T>): Codec<ExternallyTagged<T>> {
  const names = Object.keys(variants);
  const codecs = new Map<string, Codec<unknown>>(Object.entries(variants));

  function variant(name: string, place: JsonPlace): Codec<unknown> {
    return codecs.get(name) ?? refuseVariant(name, names, place);
  }

  function onlyMember<V>(value: unknown, place: JsonPlace): [name: string, member: V] {
    const [member, ...others] = Object.entries(membersOf<V>(value, place));
    if (member === undefined || others.length > 0) {
      place.refuse("expected an object with one member, the variant");
    }
    return member;
  }

  return {
    isPlain: (value) => {
      if (typeof value === "string") return codecs.get(value) === unit;
      if (!isPlainObject(value)) return false;
      const [name, ...others] = Object.keys(value);
      return name !== undefined && others.length === 0 &&
        codecs.get(name)?.isPlain?.(value[name]) === true;
    },
    write: (value, writer) => {
      if (typeof value === "string") {
        if (variant(value, writer) !== unit) writer.refuse(`variant \`${value}\` needs a value`);
        return writer.writeString(value);
      }
      const [name, member] = onlyMember<unknown>(value, writer);
      const codec = variant(name, writer);
      if (codec === unit) return writer.writeString(name);
      writer.open("{", value as object);
      writer.member(name);
      codec.write(member, writer);
      writer.close("}");
    },
    read: (tree, place) => {
      if (typeof tree === "string") {
        if (variant(tree, place) !== unit) place.refuse(`variant \`${tree}\` needs a value`);
        return tree as ExternallyTagged<T>;
      }
      const [name, member] = onlyMember<JsonValue>(tree, place);
      const codec = variant(name, place);
      place.path.push(name);
      const value = codec.read(member, place);
      place.path.pop();
      return (codec === unit ? name : { [name]: value }) as ExternallyTagged<T>;
    },
  };
}

/** The values of {@linkcode internallyTagged}: `{ kind: "task"; objective: string } | …`. */
type InternallyTagged<Tag extends string, T> = {
  [Name in keyof T]: { [Key in Tag]: Name } & Defined<T[Name]>;
}[keyof T];

/**
 * An enum whose variants are objects that hold the variant's name in one more field, printed first
 * and read anywhere (J-12): `{"kind":"task","objective":"do it"}`. An adjacently tagged enum is one
 * whose variants have the field `value`. The structs of the variants are made by `structOf`, which
 * decides what becomes of fields that they do not know.
 */
export function internallyTagged<Tag extends string, T>(
  tag: Tag,
  variants: { readonly [Name in keyof T]: Fields<T[Name]> },
  structOf: StructMaker = struct,
): Codec<InternallyTagged<Tag, T>> {
  const names = Object.keys(variants);
  const structs = new Map(names.map((name) => {
    const fields = variants[name as keyof T];
    return [name, structOf({ [tag]: unitEnum([name]), ...fields }) as Codec<unknown>];
  }));

  function variantOf(value: unknown, place: JsonPlace): Codec<unknown> {
    const object = membersOf<unknown>(value, place);
    if (!Object.hasOwn(object, tag)) place.refuse(`missing field \`${tag}\``);
    const name = object[tag];
    if (typeof name !== "string") refuseType(name, "variant identifier", place);
    return structs.get(name) ?? refuseVariant(name, names, place);
  }

  return {
    write: (value, writer) => variantOf(value, writer).write(value, writer),
    read: (tree, place) => variantOf(tree, place).read(tree, place) as InternallyTagged<Tag, T>,
  };
}

function refuseVariant(name: string, names: readonly string[], place: JsonPlace): never {
  return place.refuse(`unknown variant \`${name}\`, ${expectedNames(names, "variants")}`);
}
