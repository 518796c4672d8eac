import type { Codec } from "../_internal/wire_json/codec.ts";
import { array, optional } from "../_internal/wire_json/containers.ts";
import { unitEnum } from "../_internal/wire_json/enums.ts";
import {
  isRawJson,
  type JsonValue,
  rawJson,
  setMember,
} from "../_internal/wire_json/json_value.ts";
import { printFloat } from "../_internal/wire_json/print_number.ts";
import { bool, freeJson, string, u32, u64 } from "../_internal/wire_json/scalars.ts";
import { struct } from "../_internal/wire_json/struct.ts";
import type { TraceEnvelope, TraceHash, TraceReason, TraceStep } from "./types.ts";

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
