import { checkArray, checkObject, checkString } from "../../_internal/errors.ts";
import { readNamedFile } from "../../_internal/file_port.ts";
import { encodeUtf8, NEWLINE } from "../../_internal/text.ts";
import {
  array,
  bool,
  type Codec,
  encodeJson,
  leftOutWhenEmpty,
  membersOf,
  nullable,
  optional,
  string,
  usize,
} from "../../_internal/wire_json/codec.ts";
import { unitEnum } from "../../_internal/wire_json/enums.ts";
import { JsonPlace } from "../../_internal/wire_json/errors.ts";
import { parseJson } from "../../_internal/wire_json/parse_json.ts";
import { JsonChecker } from "../../_internal/wire_json/print_json.ts";
import { closedStruct } from "../../_internal/wire_json/struct.ts";
import { MODES } from "../../_internal/wire_names.ts";
import { replayError } from "../replay/replay_error.ts";
import type {
  CaptureBundle,
  CaptureStyle,
  TaffrailCaptureBundle,
  V3CaptureBundle,
} from "../types.ts";
import { sha256Hex, sha256HexOf } from "./effects.ts";
import { bundleNote } from "./note_codecs.ts";
import {
  backoff,
  constraints,
  decisionRecord,
  eventRecord,
  inputRecord,
  v3Decision,
} from "./record_codecs.ts";
import { TAFFRAIL_CAPTURE_VERSION } from "./records.ts";

/** Where a session comes from, as journals and bundles say it. */
export const provenance = {
  adapter_provenance: string,
  runtime_provenance: string,
  egress_provenance: optional(string),
};

/** A bundle in the v3 format. */
const v3Bundle = closedStruct({
  capture_version: string,
  graph_id: string,
  config: constraints,
  events: array(eventRecord),
  decisions: array(v3Decision),
  ...provenance,
}) as Codec<V3CaptureBundle>;

/** What both the header of a journal and a bundle in this project's format say first. */
export const sessionFields = {
  graph_id: string,
  mode: unitEnum(MODES),
  config: constraints,
  max_deferred: nullable(usize),
  backoff: nullable(backoff),
  redacted: bool,
};

const taffrailFields = {
  capture_version: unitEnum([TAFFRAIL_CAPTURE_VERSION]),
  ...sessionFields,
  inputs: array(inputRecord),
  decisions: array(decisionRecord),
  notes: leftOutWhenEmpty(bundleNote),
  ...provenance,
};

/** A bundle in this project's format, without its hash. */
const taffrailBundle = closedStruct(taffrailFields) as Codec<TaffrailCaptureBundle>;

/** A bundle in this project's format as it is in a file: the hash is over all that comes before. */
const hashedBundle = closedStruct({ ...taffrailFields, bundle_hash: string }) as Codec<
  TaffrailCaptureBundle & { bundle_hash: string }
>;

/** The engine holds no longer texts. */
const MAX_BUNDLE_BYTES = 500 * 1024 * 1024;

const TAFFRAIL_VERSION_PREFIX = "taffrail-";

/**
 * Reads a bundle of either format from its text. Numbers keep their exact values. Fields that a bundle
 * does not have are refused at its top and inside effects and limits; those of event and decision
 * records are kept, printed again and reported by a strict replay. The legacy kind `"Tick"` is read as
 * `"Pump"`.
 *
 * Only the shape is checked here, and the `bundle_hash` of a `"taffrail-v1"` bundle; hashes of payloads
 * and effects are checked by {@linkcode replayBundle}.
 *
 * Permissions: none.
 *
 * @param text The text, or its bytes in UTF-8.
 * @returns The bundle.
 * @throws {SyntaxError} When the text is not JSON, has duplicate keys, lone surrogates or a number
 * beyond the range of an f64; the message names line, column and path.
 * @throws {TypeError} When something has another shape; the message names its path.
 * @throws {RangeError} When an integer is beyond 2^53 − 1.
 * @throws {ReplayError} `bundle-hash-mismatch` when a `"taffrail-v1"` bundle was changed since it was
 * written, `unsupported-version` when a newer version of this module wrote it.
 *
 * @example Usage
 * ```ts
 * import { parseCaptureBundle } from "@taffrail/taffrail/capture";
 * import { assertThrows } from "@std/assert";
 *
 * assertThrows(
 *   () => parseCaptureBundle('{"capture_version":"v3","adapter_version":"1"}'),
 *   TypeError,
 *   "unknown field `adapter_version`",
 * );
 * ```
 */
export function parseCaptureBundle(text: string | Uint8Array): CaptureBundle {
  if (typeof text !== "string" && !(text instanceof Uint8Array)) {
    throw new TypeError("Cannot use text: expected a text or a Uint8Array");
  }
  const { bundle, hash } = readBundle(text);
  if (hash === undefined) return bundle;
  // A buffer of our own, for what is hashed is written into it.
  const bytes = typeof text === "string" ? encodeUtf8(text) : text.slice();
  const asWritten = hashedBytes(bytes, hash);
  if (asWritten !== undefined && sha256Hex(asWritten) === hash) return bundle;
  checkHash(hash, sha256Hex(encodeJson(taffrailBundle, bundle)));
  return bundle;
}

/** A bundle and the hash that it brings; v3 has none. */
type ReadBundle =
  | { bundle: TaffrailCaptureBundle; hash: string }
  | { bundle: V3CaptureBundle; hash?: undefined };

/** Reads a bundle whose hash is still to be checked. */
function readBundle(text: string | Uint8Array): ReadBundle {
  const tree = parseJson(text);
  const place = new JsonPlace("read");
  const { capture_version: version } = membersOf<unknown>(tree, place);
  if (typeof version !== "string" || !version.startsWith(TAFFRAIL_VERSION_PREFIX)) {
    return { bundle: v3Bundle.read(tree, place) };
  }
  if (version !== TAFFRAIL_CAPTURE_VERSION) {
    throw replayError("unsupported-version", { captureVersion: version });
  }
  const { bundle_hash: hash, ...bundle } = hashedBundle.read(tree, place);
  return { bundle, hash };
}

/**
 * What the hash is of, where it ends the document as it does in what
 * {@linkcode stringifyCaptureBundle} writes: then nothing has to be printed again to check it. The end
 * of the bytes is overwritten.
 */
function hashedBytes(bytes: Uint8Array, hash: string): Uint8Array<ArrayBuffer> | undefined {
  const length = bytes.at(-1) === NEWLINE ? bytes.length - 1 : bytes.length;
  const member = encodeUtf8(hashMember(hash));
  const start = length - member.length;
  if (start < 0 || member.some((byte, index) => bytes[start + index] !== byte)) return undefined;
  bytes[start] = CLOSE_BRACE;
  return bytes.subarray(0, start + 1) as Uint8Array<ArrayBuffer>;
}

const CLOSE_BRACE = 0x7d;

/** The end of a compact document. */
function hashMember(hash: string): string {
  return `,"bundle_hash":"${hash}"}`;
}

function checkHash(recorded: string, current: string): void {
  if (current !== recorded) throw replayError("bundle-hash-mismatch", { recorded, current });
}

/**
 * The text of a bundle, with its final newline: for format `"v3"` byte for byte what the original program writes.
 * A bundle of format `"taffrail-v1"` gets a `bundle_hash` at its end, which
 * {@linkcode parseCaptureBundle} checks and takes off again.
 *
 * Permissions: none.
 *
 * @param bundle The bundle.
 * @param style `"compact"`: all on one line; `"pretty"`: two spaces for each level.
 * @returns The text.
 * @throws {TypeError} When something in the bundle has another shape than its type says, or a number is
 * not finite; the message names its path.
 * @throws {RangeError} When an integer is out of range.
 *
 * @example Usage
 * ```ts
 * import { parseCaptureBundle, stringifyCaptureBundle } from "@taffrail/taffrail/capture";
 * import { assertEquals } from "@std/assert";
 *
 * const text = stringifyCaptureBundle({
 *   capture_version: "v3",
 *   graph_id: "g",
 *   config: {
 *     max_in_flight: null,
 *     max_per_window: null,
 *     rate_window: null,
 *     deadline: null,
 *     max_retries: 0,
 *   },
 *   events: [],
 *   decisions: [],
 *   adapter_provenance: "none",
 *   runtime_provenance: "rpv1:sha256:test",
 * });
 * assertEquals(text.slice(0, 42), '{"capture_version":"v3","graph_id":"g","co');
 * assertEquals(stringifyCaptureBundle(parseCaptureBundle(text)), text);
 * ```
 */
export function stringifyCaptureBundle(
  bundle: CaptureBundle,
  style: CaptureStyle = "compact",
): string {
  checkObject(bundle, "bundle");
  if (!("inputs" in bundle)) return encodeJson(v3Bundle, bundle, { style }) + "\n";
  const compact = encodeJson(taffrailBundle, bundle);
  const bundleHash = sha256Hex(compact);
  if (style === "compact") return `${compact.slice(0, -1)}${hashMember(bundleHash)}\n`;
  return encodeJson(hashedBundle, { ...bundle, bundle_hash: bundleHash }, { style }) + "\n";
}

/**
 * Throws a `TypeError` or `RangeError` that names the place where a bundle has another shape than its type
 * says. The effects are left to whoever looks at their hashes.
 */
export function checkBundleShape(bundle: CaptureBundle): void {
  checkString(bundle.capture_version, "bundle.capture_version");
  const list = "inputs" in bundle ? "inputs" : "events";
  checkArray(bundle[list as never], `bundle.${list}`);
  const decisions = checkArray(bundle.decisions, "bundle.decisions", (decision, name) => {
    const { effects } = checkObject(decision, name);
    return checkArray(effects, `${name}.effects`).length === 0
      ? decision
      : { ...decision as object, effects: [] };
  });
  const writer = new JsonChecker("use");
  const bare: unknown = { ...bundle, decisions };
  if ("inputs" in bundle) taffrailBundle.write(bare as TaffrailCaptureBundle, writer);
  else v3Bundle.write(bare as V3CaptureBundle, writer);
}

/**
 * Reads a bundle of either format from a file, or of its bytes: {@linkcode parseCaptureBundle}, with a faster digest.
 *
 * **Permissions**: `--allow-read` for the file.
 *
 * @param source The path of the file, or what is in it. The file is a regular one, or a link to one; also `/dev/stdin`
 * and the `/dev/fd/63` of a shell's `<(…)`. At most 500 MiB, since it has to fit into one text.
 * @returns The bundle.
 * @throws {Deno.errors.NotFound} When there is no such file; and the system's other errors, when it cannot be read.
 * @throws {SyntaxError} As {@linkcode parseCaptureBundle}.
 * @throws {TypeError} As {@linkcode parseCaptureBundle}; and when the path leads to a folder, a pipe or a device.
 * @throws {RangeError} As {@linkcode parseCaptureBundle}; and when the file is too large.
 * @throws {ReplayError} As {@linkcode parseCaptureBundle}.
 *
 * @example Usage
 * ```ts
 * import { readCaptureBundle } from "@taffrail/taffrail/capture";
 * import { assertRejects } from "@std/assert";
 *
 * const path = `${await Deno.makeTempDir()}/run.json`;
 * await Deno.writeTextFile(path, '{"capture_version":"v3"}');
 * await assertRejects(() => readCaptureBundle(path), TypeError, "missing field `graph_id`");
 * ```
 */
export async function readCaptureBundle(source: string | Uint8Array): Promise<CaptureBundle> {
  // A buffer of our own, for what is hashed is written into it.
  const bytes = source instanceof Uint8Array
    ? source.slice()
    : await readNamedFile(checkString(source, "path"), MAX_BUNDLE_BYTES);
  const { bundle, hash } = readBundle(bytes);
  if (hash === undefined) return bundle;
  const asWritten = hashedBytes(bytes, hash);
  if (asWritten !== undefined && await sha256HexOf(asWritten) === hash) return bundle;
  checkHash(hash, await sha256HexOf(encodeUtf8(encodeJson(taffrailBundle, bundle))));
  return bundle;
}
