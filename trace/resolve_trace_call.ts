import { isRawJson, numberOf, setMember } from "../_internal/wire_json/json_value.ts";
import { TraceFileError } from "./trace_file_error.ts";
import type { TraceEnvelope, TraceStep } from "./types.ts";
import { reasonOf } from "../_internal/text.ts";

/** What a recorded step asks for, so that it can be done again. */
export type TraceCall =
  | {
    /** A component is to be called. */
    kind: "component";
    /** The component. */
    component: string;
    /** Its operation. */
    operation: string;
    /** The input. */
    input: unknown;
    /** The configuration; null where there is none. */
    config: unknown;
  }
  | {
    /** A provider is to be called. */
    kind: "provider";
    /** The provider's id, where the step names it. */
    providerId: string | undefined;
    /** The provider's type, where the step names it. */
    providerType: string | undefined;
    /** Its operation. */
    operation: string;
    /** The input. */
    input: unknown;
  }
  | {
    /** Nothing is to be called: the output is null. */
    kind: "none";
  };

/**
 * What a recorded step asks for (TRP-3). The seed's built-in components have rules of their own:
 *
 * | `component_id` | Call |
 * | --- | --- |
 * | `provider.invoke` | the provider that the payload names by `provider_id` or `provider_type` |
 * | `component.exec` | the component that the payload names as `component` or `component_ref` |
 * | `emit.*`, `flow.call`, `session.wait` | none |
 * | anything else | the component of that id, with the payload as input |
 *
 * The first two take operation, `input` and (components) `config` from the payload. Without a recorded
 * `invocation_json` the payload is null. Integers beyond 2^53 − 1, which a number would round, are
 * `JSON.rawJSON` values in the result; all others are numbers.
 *
 * Permissions: none.
 *
 * @param step The step.
 * @returns The call.
 * @throws {TypeError} For a `component.exec` that does not name its component.
 *
 * @example Usage
 * ```ts
 * import { resolveTraceCall } from "@taffrail/taffrail/trace";
 * import { assertEquals } from "@std/assert";
 *
 * const call = resolveTraceCall({
 *   node_id: "ask",
 *   component_id: "component.exec",
 *   operation: "process",
 *   input_hash: { algorithm: "blake3", value: "" },
 *   invocation_json: { payload: { component: "qa", input: { text: "hello" } } },
 *   duration_ms: 3,
 * });
 * assertEquals(call, {
 *   kind: "component",
 *   component: "qa",
 *   operation: "process",
 *   input: { text: "hello" },
 *   config: null,
 * });
 * ```
 */
export function resolveTraceCall(step: TraceStep): TraceCall {
  const { component_id: id, operation } = step;
  const payload = recordedPayload(step) ?? null;
  if (id === "provider.invoke") {
    return {
      kind: "provider",
      providerId: stringOf(member(payload, "provider_id")),
      providerType: stringOf(member(payload, "provider_type")),
      operation: stringOf(member(payload, "op") ?? member(payload, "operation")) ?? operation,
      input: plain(member(payload, "input") ?? null),
    };
  }
  if (id.startsWith("emit.") || id === "flow.call" || id === "session.wait") {
    return { kind: "none" };
  }
  if (id !== "component.exec") {
    return { kind: "component", component: id, operation, input: plain(payload), config: null };
  }
  const component = stringOf(member(payload, "component") ?? member(payload, "component_ref"));
  if (component === undefined) throw new TypeError("component.exec missing component ref");
  return {
    kind: "component",
    component,
    operation: stringOf(member(payload, "operation")) ?? operation,
    input: plain(member(payload, "input") ?? null),
    config: plain(member(payload, "config") ?? null),
  };
}

/** The payload that a step was called with; undefined where it was not recorded. */
export function recordedPayload({ invocation_json }: TraceStep): unknown {
  return member(invocation_json, "payload");
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function stringOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The value with numbers where a number says it exactly: `1.0` is for programs what `1` is. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isRawJson(value)) {
    const number = numberOf(value);
    const isRounded = Number.isInteger(number) && !Number.isSafeInteger(number) &&
      /^-?[0-9]+$/.test(value.rawJSON);
    return number === undefined || isRounded ? value : number;
  }
  if (Array.isArray(value)) return value.map(plain);
  const object: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value)) setMember(object, name, plain(item));
  return object;
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
  const path = trace.pack.pack_ref;
  try {
    await Deno.stat(path);
    return path;
  } catch (cause) {
    const message = `pack path not found; provide --pack (trace pack_ref was ${path})`;
    const isMissing = cause instanceof Deno.errors.NotFound;
    throw new TraceFileError("read", isMissing ? message : `${message}: ${reasonOf(cause)}`, {
      path,
      cause,
    });
  }
}
