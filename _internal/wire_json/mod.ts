/**
 * JSON text as Rust's serde_json prints and reads it: {@linkcode printJson} and
 * {@linkcode parseJson} for any JSON, {@linkcode encodeJson} and {@linkcode decodeJson} for types
 * that a codec describes.
 *
 * @module
 */
export { type Codec, decodeJson, encodeJson, type TypeOf } from "./codec.ts";
export { compareUtf8 } from "./compare_utf8.ts";
export { array, bytes, map, nullable, omitEmpty, optional, withDefault } from "./containers.ts";
export { type Duration, duration, eventTime, MAX_EVENT_TIME } from "./duration.ts";
export { externallyTagged, internallyTagged, unit, unitEnum } from "./enums.ts";
export { JsonRangeError, JsonShapeError, JsonSyntaxError } from "./errors.ts";
export { formatPath, type JsonPath } from "./json_path.ts";
export { isRawJson, type JsonValue, numberOf, type RawJson, rawJson } from "./json_value.ts";
export type { JsonStyle } from "./json_writer.ts";
export { parseJson } from "./parse_json.ts";
export { printJson } from "./print_json.ts";
export { printFloat, printNumber } from "./print_number.ts";
export { bool, f64, freeJson, string, u32, u64, u8, usize } from "./scalars.ts";
export { struct, type StructOptions } from "./struct.ts";
