import { checkObject } from "../_internal/wire_json/containers.ts";
import { JsonPlace } from "../_internal/wire_json/json_place.ts";
import type { JsonValue } from "../_internal/wire_json/json_value.ts";
import { parseJson } from "../_internal/wire_json/parse_json.ts";
import { checkHashes, TRACE_VERSION } from "./check_hashes.ts";
import { traceEnvelope } from "./trace_codec.ts";
import { reasonOf, TraceFileError } from "./trace_file_error.ts";
import type { TraceEnvelope } from "./types.ts";

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
