import { compareUtf8 } from "./compare_utf8.ts";
import { isRawJson, numberOf, type RawJson } from "./json_value.ts";
import { type JsonStyle, JsonWriter } from "./json_writer.ts";
import { printNumber } from "./print_number.ts";

/**
 * Prints any JSON value as serde_json prints its `Value`: members sorted by UTF-8 bytes (J-2),
 * numbers as {@linkcode printNumber} says, `JSON.rawJSON` values as written, no final newline.
 * What `JSON.stringify` would drop or turn into null or `{}` is refused with a `TypeError` that
 * names its path: undefined, functions, symbols, NaN and infinities, maps, sets and other objects
 * that keep their content elsewhere. `toJSON` methods are obeyed.
 */
export function printJson(
  value: unknown,
  { style = "compact" }: { style?: JsonStyle } = {},
): string {
  const writer = new JsonWriter(style);
  writeJson(value, writer);
  return writer.text;
}

/** Does the work of {@linkcode printJson} inside a larger document. */
export function writeJson(value: unknown, writer: JsonWriter): void {
  if (typeof value === "object" && value !== null && "toJSON" in value) {
    if (typeof value.toJSON === "function") {
      // As in JSON.stringify, the method is told its key, and its answer is not asked again.
      return writeAnswered(value.toJSON(String(writer.path.at(-1) ?? "")), writer);
    }
  }
  writeAnswered(value, writer);
}

function writeAnswered(value: unknown, writer: JsonWriter): void {
  switch (typeof value) {
    case "string":
      return writer.writeString(value);
    case "number":
      if (!Number.isFinite(value)) writer.refuse(`${value} is not JSON`);
      return writer.write(printNumber(value));
    case "boolean":
      return writer.write(value ? "true" : "false");
    case "object":
      if (value === null) return writer.write("null");
      return Array.isArray(value) ? writeArray(value, writer) : writeObject(value, writer);
    case "undefined":
      return writer.refuse("undefined is not JSON; leave the member out or write null");
    default:
      return writer.refuse(`a ${typeof value} is not JSON`);
  }
}

function writeArray(array: readonly unknown[], writer: JsonWriter): void {
  writer.open("[", array);
  for (let index = 0; index < array.length; index++) {
    writer.item(index);
    writeJson(array[index], writer);
  }
  writer.close("]");
}

function writeObject(value: object, writer: JsonWriter): void {
  if (isRawJson(value)) return writeRaw(value, writer);
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) refuseExotic(value, writer);
  writer.open("{", value);
  for (const name of Object.keys(value).sort(compareUtf8)) {
    writer.member(name);
    writeJson((value as Record<string, unknown>)[name], writer);
  }
  writer.close("}");
}

/** Writes the text as it is, unless it is one that no strict reader takes back. */
function writeRaw(value: RawJson, writer: JsonWriter): void {
  const number = numberOf(value);
  if (number !== undefined && !Number.isFinite(number)) writer.refuse("number out of range");
  if (value.rawJSON.startsWith('"') && !JSON.parse(value.rawJSON).isWellFormed()) {
    writer.refuse("lone surrogate in a string");
  }
  writer.write(value.rawJSON);
}

/** Lets instances of plain classes pass, but not a Map or an Error, which would print as `{}`. */
function refuseExotic(value: object, writer: JsonWriter): void {
  const tag = Object.prototype.toString.call(value).slice("[object ".length, -1);
  if (tag !== "Object") {
    writer.refuse(`a value of type ${tag} is not JSON; give it a toJSON method`);
  }
}
