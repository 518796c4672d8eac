import {
  checkObject,
  checkString,
  describe,
  type TaffrailErrorOptions,
} from "../_internal/errors.ts";
import { isNotFound, readNamedFile, requireDeno } from "../_internal/file_port.ts";
import { reasonOf } from "../_internal/text.ts";
import {
  array,
  bool,
  type Codec,
  freeJson,
  leftOutWhenEmpty,
  membersOf,
  optional,
  string,
  u32,
  u64,
} from "../_internal/wire_json/codec.ts";
import { unitEnum } from "../_internal/wire_json/enums.ts";
import { JsonPlace } from "../_internal/wire_json/errors.ts";
import {
  isRawJson,
  type JsonValue,
  printFloat,
  rawJson,
  setMember,
} from "../_internal/wire_json/json_value.ts";
import { parseJson } from "../_internal/wire_json/parse_json.ts";
import { JsonWriter } from "../_internal/wire_json/print_json.ts";
import { struct } from "../_internal/wire_json/struct.ts";
import {
  TraceFileError,
  type TraceFileErrorDetails,
  type TraceFileErrorKind,
} from "./trace_file_error.ts";
import type { TraceEnvelope, TraceHash, TraceReason, TraceStep } from "./types.ts";

const MAX_TRACE_BYTES = 256 * 1024 * 1024;

/**
 * Reads a trace of a file: {@linkcode parseTrace} of its text.
 *
 * **Permissions**: `--allow-read` for the file.
 *
 * @param path The file, of at most 256 MiB: a regular one, or a link to one; also `/dev/stdin` and the
 * `/dev/fd/63` of a shell's `<(…)`.
 * @returns The trace.
 * @throws {TraceFileError} `read` when there is no such file, it cannot be read or is too large; else as
 * {@linkcode parseTrace}. The message names file and place.
 *
 * @example Usage
 * ```ts
 * import { readTrace } from "@taffrail/taffrail/trace";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${await Deno.makeTempDir()}/trace.json`;
 * const trace = {
 *   trace_version: 1,
 *   pack: { pack_ref: "demo" },
 *   flow: { id: "demo.flow", version: "0.0.0" },
 *   steps: [],
 * };
 * await Deno.writeTextFile(path, JSON.stringify(trace));
 * assertEquals(await readTrace(path), trace);
 * ```
 */
export async function readTrace(path: string): Promise<TraceEnvelope> {
  return parse(await readBytes(path), path);
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readNamedFile(checkString(path, "path"), MAX_TRACE_BYTES);
  } catch (cause) {
    const message = `failed to read trace ${path}: ${reasonOf(cause)}`;
    throw new TraceFileError("read", message, { details: { path }, cause });
  }
}

/**
 * Reads the text of a trace, one of the v1 format or one with extras, and checks what the original
 * program does not: the version, and that every digest is of an algorithm that is known here (W-TRC-11).
 * Fields that are not known are passed over.
 *
 * A number in `invocation_json` that JavaScript would print as another text, such as `1.0`, is read as a
 * `JSON.rawJSON` value, so that the digests can be checked.
 *
 * Permissions: none.
 *
 * @param text The text, or its bytes in UTF-8.
 * @returns The trace.
 * @throws {TraceFileError} `parse` when it is no JSON in UTF-8, or JSON with duplicate keys; `shape`,
 * `version` and `algorithm` when it is no trace that this version understands. The message names the place.
 *
 * @example Usage
 * ```ts
 * import { parseTrace, TraceFileError } from "@taffrail/taffrail/trace";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const trace = {
 *   trace_version: 1,
 *   pack: { pack_ref: "demo" },
 *   flow: { id: "demo.flow", version: "0.0.0" },
 *   steps: [],
 * };
 * assertEquals(parseTrace(JSON.stringify(trace)), trace);
 *
 * const later = JSON.stringify({ ...trace, trace_version: 2 });
 * assertThrows(() => parseTrace(later), TraceFileError, "its trace_version is 2");
 * ```
 */
export function parseTrace(text: string | Uint8Array): TraceEnvelope {
  return parse(text, undefined);
}

function parse(text: string | Uint8Array, path: string | undefined): TraceEnvelope {
  const where = path === undefined ? {} : { path };
  const refuse = (
    kind: TraceFileErrorKind,
    problem: string,
    options: TaffrailErrorOptions<TraceFileErrorDetails>,
  ) => {
    const place = path === undefined ? "" : ` (in ${path})`;
    return new TraceFileError(kind, `failed to parse trace.json: ${problem}${place}`, {
      ...options,
      details: { ...where, ...options.details },
    });
  };
  const attempt = <T>(kind: "parse" | "shape", read: () => T): T => {
    try {
      return read();
    } catch (cause) {
      throw refuse(kind, reasonOf(cause), { cause });
    }
  };
  const tree = attempt("parse", () => parseJson(text));
  // Before the rest of the shape: of another version, another shape is to be expected.
  const version = attempt("shape", () => membersOf(tree, new JsonPlace("read"))["trace_version"]);
  if (typeof version === "number" && version !== TRACE_VERSION) {
    const problem = `its trace_version is ${version}, and this version reads ${TRACE_VERSION}`;
    throw refuse("version", problem, {
      details: { expected: `${TRACE_VERSION}`, actual: `${version}` },
    });
  }
  const trace = attempt("shape", () => traceEnvelope.read(tree, new JsonPlace("read")));
  const problem = findHashProblem(trace);
  if (problem === undefined) return trace;
  const { kind, message, ...details } = problem;
  throw refuse(kind, message, { details });
}

/** Options of {@linkcode resolvePackPath}. */
export interface ResolvePackPathOptions {
  /** The path of the pack, where the caller knows better than the trace. */
  pack?: string;
}

/**
 * The pack to replay a trace with (TRP-1): the one that the caller names, else what the trace's `pack_ref`
 * names, if there is such a file or directory.
 *
 * **Permissions**: `--allow-read` for `pack_ref`, unless the caller names the pack.
 *
 * @param trace The trace.
 * @param options The path that the caller names.
 * @returns The path.
 * @throws {TraceFileError} `read`, when there is no such file, or nobody may look.
 *
 * @example Usage
 * ```ts
 * import { resolvePackPath } from "@taffrail/taffrail/trace";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const trace = {
 *   trace_version: 1,
 *   pack: { pack_ref: "no-such-pack" },
 *   flow: { id: "demo.flow", version: "0.0.0" },
 *   steps: [],
 * };
 * assertEquals(await resolvePackPath(trace, { pack: "demo.gtpack" }), "demo.gtpack");
 * await assertRejects(
 *   () => resolvePackPath(trace),
 *   Error,
 *   "pack path not found; provide --pack (trace pack_ref was no-such-pack)",
 * );
 * ```
 */
export async function resolvePackPath(
  trace: TraceEnvelope,
  { pack }: ResolvePackPathOptions = {},
): Promise<string> {
  if (pack !== undefined) return pack;
  const reference: unknown = checkObject(checkObject(trace, "trace").pack, "trace.pack").pack_ref;
  const path = checkString(reference, "trace.pack.pack_ref");
  try {
    await requireDeno().stat(path);
    return path;
  } catch (cause) {
    const message = `pack path not found; provide --pack (trace pack_ref was ${path})`;
    const isMissing = isNotFound(cause);
    throw new TraceFileError("read", isMissing ? message : `${message}: ${reasonOf(cause)}`, {
      details: { path },
      cause,
    });
  }
}

// Fields that are not known are passed over, as the original program does: that is how it reads extras.

/** Any JSON, so read that `JSON.stringify` prints every number as the one that was read. */
const exactJson: Codec<JsonValue> = { write: freeJson.write, read: exact };

function exact(tree: JsonValue): JsonValue {
  if (typeof tree === "number") {
    // Such a number is a float; JSON.stringify would print the digits of an integer.
    const looksIntegral = Number.isInteger(tree) && !Number.isSafeInteger(tree);
    return looksIntegral || Object.is(tree, -0) ? rawJson(printFloat(tree)) : tree;
  }
  if (typeof tree !== "object" || tree === null || isRawJson(tree)) return tree;
  if (Array.isArray(tree)) return tree.map(exact);
  const object: Record<string, JsonValue> = {};
  for (const [name, member] of Object.entries(tree)) setMember(object, name, exact(member));
  return object;
}

/** A text as UTF-8 can hold it. Programs without types may give something else than a text. */
export function printable(text: unknown): string {
  return (typeof text === "string" ? text : describe(text)).toWellFormed();
}

/** A text. What a recorder was given is printed as UTF-8 can hold it, be it a text or not. */
const text: Codec<string> = {
  write: (value, writer) => {
    if (writer.verb === "use") string.write(value, writer);
    else writer.writeString(printable(value));
  },
  read: string.read,
};

const REASONS = [
  "error",
  "success",
  "demand",
  "crash",
  "exit",
  "SIGHUP",
  "SIGINT",
  "SIGTERM",
  "SIGBREAK",
] as const satisfies TraceReason[];

const traceHash: Codec<TraceHash> = struct({ algorithm: text, value: text });

/** Left out when empty, and not there when left out. Null is not read: nobody writes it. */
const validationIssues = leftOutWhenEmpty(struct({ code: text, path: text, message: text }));

const traceError = struct({ code: text, message: text, details: exactJson });

/** One step: the fields of the v1 format in its order, then the extras. */
const traceStep = struct({
  node_id: text,
  component_id: text,
  operation: text,
  input_hash: traceHash,
  invocation_json: optional(exactJson),
  invocation_path: optional(text),
  output_hash: optional(traceHash),
  state_delta_hash: optional(traceHash),
  duration_ms: u64,
  validation_issues: validationIssues,
  error: optional(traceError),
  step: optional(u64),
  execution_id: optional(text),
  parent_execution_id: optional(text),
  started_at: optional(text),
  attempt: optional(u64),
  session_id: optional(text),
  status: optional(unitEnum(["ok", "error", "in_flight"])),
  input_dropped: optional(bool),
}) as Codec<TraceStep>;

/** A trace: the fields of the v1 format in its order, with the extras of the whole before the steps. */
export const traceEnvelope = struct({
  trace_version: u32,
  runner_version: optional(text),
  git_sha: optional(text),
  pack: struct({ pack_ref: text, resolved_digest: optional(text) }),
  flow: struct({ id: text, version: text }),
  run_id: optional(text),
  started_at: optional(text),
  written_at: optional(text),
  reason: optional(unitEnum(REASONS)),
  snapshot: optional(u64),
  dropped_steps: optional(u64),
  dropped_bytes: optional(u64),
  steps: array(traceStep),
}) as Codec<TraceEnvelope>;

/** Throws a `TypeError` or `RangeError` that names the place where a trace is none. */
export function checkTraceShape(trace: TraceEnvelope): void {
  traceEnvelope.write(trace, new JsonWriter("compact", "use"));
}

/** The format that this module writes and reads. */
export const TRACE_VERSION = 1;

const ALGORITHM = "blake3";
const DIGEST = /^[0-9a-f]{64}$/;

/** A digest that cannot be compared with any. */
interface HashProblem {
  /** Whether it is of another algorithm, or no digest at all. */
  kind: "algorithm" | "shape";
  /** What is wrong and where. */
  message: string;
  /** The number of the step, from 1. */
  step: number;
  /** What was required. */
  expected: string;
  /** What is there instead. */
  actual: string;
}

/** The first digest of a trace that is not one of this module's; undefined when all are. */
export function findHashProblem({ steps }: TraceEnvelope): HashProblem | undefined {
  for (const [index, step] of steps.entries()) {
    const { input_hash, output_hash, state_delta_hash } = step;
    for (const [name, hash] of Object.entries({ input_hash, output_hash, state_delta_hash })) {
      const problem = hash && problemOf(hash, `$.steps[${index}].${name}`);
      if (problem) return { ...problem, step: index + 1 };
    }
  }
  return undefined;
}

function problemOf(
  { algorithm, value }: TraceHash,
  place: string,
): Omit<HashProblem, "step"> | undefined {
  if (algorithm !== ALGORITHM) {
    const message = `Cannot compare ${place}: its algorithm is "${algorithm}", not "${ALGORITHM}"`;
    return { kind: "algorithm", message, expected: ALGORITHM, actual: algorithm };
  }
  if (DIGEST.test(value)) return undefined;
  const expected = "64 lower-case hexadecimal digits";
  const message = `Cannot compare ${place}: its value is not ${expected}`;
  return { kind: "shape", message, expected, actual: value };
}
