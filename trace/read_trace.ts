import {
  array,
  bool,
  checkObject,
  type Codec,
  freeJson,
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
import { struct } from "../_internal/wire_json/struct.ts";
import { TraceFileError } from "./trace_file_error.ts";
import type { TraceEnvelope, TraceHash, TraceReason, TraceStep } from "./types.ts";
import { reasonOf } from "../_internal/text.ts";

const MAX_TRACE_BYTES = 256 * 1024 * 1024;

/**
 * Reads a trace, the seed's or one with extras, and checks what the seed does not: the version, and that
 * every digest is of an algorithm that is known here (W-TRC-11). Fields that are not known are passed
 * over.
 *
 * A number in `invocation_json` that JavaScript would print as another text, such as `1.0`, is read as a
 * `JSON.rawJSON` value, so that the digests of the file can be checked.
 *
 * **Permissions**: `--allow-read` for the file.
 *
 * @param path The file, of at most 256 MiB.
 * @returns The trace.
 * @throws {TraceFileError} `read` when there is no such file, it cannot be read or is too large; `parse`
 * when it is no JSON in UTF-8, or JSON with duplicate keys; `shape`, `version` and `algorithm` when it is
 * no trace that this version understands. The message names the place.
 *
 * @example Usage
 * ```ts
 * import { readTrace, TraceFileError } from "@taffrail/taffrail/trace";
 * import { assertEquals, assertRejects } from "@std/assert";
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
 *
 * await Deno.writeTextFile(path, JSON.stringify({ ...trace, trace_version: 2 }));
 * await assertRejects(() => readTrace(path), TraceFileError, "its trace_version is 2");
 * ```
 */
export async function readTrace(path: string): Promise<TraceEnvelope> {
  return parseTrace(await readBytes(path), path);
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const { size } = await Deno.stat(path);
    if (size > MAX_TRACE_BYTES) throw new RangeError(`it is over ${MAX_TRACE_BYTES} bytes`);
    return await Deno.readFile(path);
  } catch (cause) {
    const message = `failed to read trace ${path}: ${reasonOf(cause)}`;
    throw new TraceFileError("read", message, { path, cause });
  }
}

function parseTrace(bytes: Uint8Array, path: string): TraceEnvelope {
  const tree = attempt("parse", path, () => parseJson(bytes));
  const version = attempt("shape", path, () => versionOf(tree));
  if (typeof version === "number" && version !== TRACE_VERSION) {
    const problem = `its trace_version is ${version}, and this version reads ${TRACE_VERSION}`;
    throw new TraceFileError("version", messageOf(problem, path), {
      path,
      expected: `${TRACE_VERSION}`,
      actual: `${version}`,
    });
  }
  const trace = attempt("shape", path, () => traceEnvelope.read(tree, new JsonPlace("read")));
  const problem = checkHashes(trace);
  if (problem === undefined) return trace;
  const { kind, message, ...details } = problem;
  throw new TraceFileError(kind, messageOf(message, path), { path, ...details });
}

/** Comes before the shape: of another version, another shape is to be expected. */
function versionOf(tree: JsonValue): unknown {
  return checkObject<JsonValue>(tree, new JsonPlace("read"))["trace_version"];
}

function attempt<T>(kind: "parse" | "shape", path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new TraceFileError(kind, messageOf(reasonOf(cause), path), { path, cause });
  }
}

function messageOf(problem: string, path: string): string {
  return `failed to parse trace.json: ${problem} (in ${path})`;
}

// Fields that are not known are passed over, as the seed's reader does: that is how it reads extras.

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

const traceHash: Codec<TraceHash> = struct({ algorithm: string, value: string });

const issues = optional(array(struct({ code: string, path: string, message: string })));

/** Left out when empty, and not there when left out. */
const validationIssues: typeof issues = { ...issues, isOmitted: (list) => !list?.length };

const traceError = struct({ code: string, message: string, details: exactJson });

/** One step: the seed's fields in its order, then the extras. */
export const traceStep = struct({
  node_id: string,
  component_id: string,
  operation: string,
  input_hash: traceHash,
  invocation_json: optional(exactJson),
  invocation_path: optional(string),
  output_hash: optional(traceHash),
  state_delta_hash: optional(traceHash),
  duration_ms: u64,
  validation_issues: validationIssues,
  error: optional(traceError),
  step: optional(u64),
  execution_id: optional(string),
  parent_execution_id: optional(string),
  started_at: optional(string),
  attempt: optional(u64),
  session_id: optional(string),
  status: optional(unitEnum(["ok", "error", "in_flight"])),
  input_dropped: optional(bool),
}) as Codec<TraceStep>;

/** A trace: the seed's fields in its order, with the extras of the whole before the steps. */
export const traceEnvelope = struct({
  trace_version: u32,
  runner_version: optional(string),
  git_sha: optional(string),
  pack: struct({ pack_ref: string, resolved_digest: optional(string) }),
  flow: struct({ id: string, version: string }),
  run_id: optional(string),
  started_at: optional(string),
  written_at: optional(string),
  reason: optional(unitEnum(REASONS)),
  snapshot: optional(u64),
  dropped_steps: optional(u64),
  dropped_bytes: optional(u64),
  steps: array(traceStep),
}) as Codec<TraceEnvelope>;

/** The format that this module writes and reads. */
export const TRACE_VERSION = 1;

const ALGORITHM = "blake3";
const DIGEST = /^[0-9a-f]{64}$/;

/** A digest that cannot be compared with any. */
export interface HashProblem {
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
export function checkHashes({ steps }: TraceEnvelope): HashProblem | undefined {
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
