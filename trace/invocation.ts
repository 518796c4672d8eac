import { MAX_DEPTH } from "../_internal/wire_json/errors.ts";
import { checkObject, checkString, isObject } from "../_internal/errors.ts";
import { isBlank } from "../_internal/text.ts";
import {
  describeValue,
  isRawJson,
  numberOf,
  setMember,
} from "../_internal/wire_json/json_value.ts";
import { printJson } from "../_internal/wire_json/print_json.ts";
import type { TraceStep, ValidationIssue } from "./types.ts";

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
 * What a recorded step asks for (TRP-3). The original program's built-in components have rules of their own:
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
 * @throws {TypeError} For a `component.exec` that does not name its component, and for what is no step.
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
  checkObject(step, "step");
  const id = checkString(step.component_id, "step.component_id");
  const operation = checkString(step.operation, "step.operation");
  const payload = recordedPayload(step) ?? null;
  if (id === "provider.invoke") {
    return {
      kind: "provider",
      providerId: stringOf(memberOf(payload, "provider_id")),
      providerType: stringOf(memberOf(payload, "provider_type")),
      operation: stringOf(memberOf(payload, "op") ?? memberOf(payload, "operation")) ?? operation,
      input: plain(memberOf(payload, "input") ?? null),
    };
  }
  if (id.startsWith("emit.") || id === "flow.call" || id === "session.wait") {
    return { kind: "none" };
  }
  if (id !== "component.exec") {
    return { kind: "component", component: id, operation, input: plain(payload), config: null };
  }
  const component = stringOf(memberOf(payload, "component") ?? memberOf(payload, "component_ref"));
  if (component === undefined) throw new TypeError("component.exec missing component ref");
  return {
    kind: "component",
    component,
    operation: stringOf(memberOf(payload, "operation")) ?? operation,
    input: plain(memberOf(payload, "input") ?? null),
    config: plain(memberOf(payload, "config") ?? null),
  };
}

/** The payload that a step was called with; undefined where it was not recorded. */
export function recordedPayload({ invocation_json }: TraceStep): unknown {
  return memberOf(invocation_json, "payload");
}

function stringOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The value with numbers where a number says it exactly: `1.0` is for programs what `1` is. */
function plain(value: unknown, depth = 0): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth > MAX_DEPTH) {
    throw new TypeError(`Cannot use step: its payload nests deeper than ${MAX_DEPTH} levels`);
  }
  if (isRawJson(value)) {
    const number = numberOf(value);
    const isRounded = Number.isInteger(number) && !Number.isSafeInteger(number) &&
      /^-?[0-9]+$/.test(value.rawJSON);
    return number === undefined || isRounded ? value : number;
  }
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1));
  const object: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value)) {
    setMember(object, name, plain(item, depth + 1));
  }
  return object;
}

/** The text members that each kind of envelope needs. */
const REQUIRED = {
  component: ["component_id", "operation"],
  tool: ["tool_id", "operation"],
} as const;

/** What the original program's schema says of members that are there, in the order in which it looks. */
const SCHEMA = [
  ["component_id", "string"],
  ["metadata", "object"],
  ["operation", "string"],
  ["tool_id", "string"],
] as const;

/**
 * Looks whether the envelope of an invocation is one (TRC-23), and finds what the original program finds,
 * in its order and its words:
 *
 * | Code | Found for |
 * | --- | --- |
 * | `missing_required_field` | a component's `component_id` or `operation`, a tool's `tool_id` or `operation`, that is not there |
 * | `invalid_type` | one of these that is no text, or a blank one; `metadata` and its `session` that are no objects; `tenant_id`, `trace_id` and `session.id` in it that are no texts |
 * | `schema_validation` | an envelope or its `metadata` that is no object; `component_id`, `tool_id` or `operation` that is no text |
 *
 * So one mistake may be two issues. The issues are what {@linkcode ExecutionObserver.onValidation} takes;
 * whether they fail the flow, with `invocation_validation_failed`, is the engine's choice.
 *
 * Permissions: none.
 *
 * @param kind What is invoked.
 * @param envelope The envelope.
 * @returns The issues; none if all is well.
 *
 * @example Usage
 * ```ts
 * import { validateInvocation } from "@taffrail/taffrail/trace";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(validateInvocation("component", { component_id: "qa", metadata: { trace_id: 7 } }), [
 *   {
 *     code: "missing_required_field",
 *     path: "/operation",
 *     message: "missing required field `operation`",
 *   },
 *   { code: "invalid_type", path: "/metadata/trace_id", message: "trace_id must be a string" },
 * ]);
 * ```
 */
export function validateInvocation(
  kind: "component" | "tool",
  envelope: unknown,
): ValidationIssue[] {
  return [
    ...REQUIRED[kind].flatMap((name) => checkRequired(envelope, name)),
    ...checkSchema(envelope),
    ...checkMetadata(memberOf(envelope, "metadata")),
  ];
}

function checkRequired(envelope: unknown, name: string): ValidationIssue[] {
  const value = memberOf(envelope, name);
  const path = `/${name}`;
  if (value === undefined) {
    const message = `missing required field \`${name}\``;
    return [{ code: "missing_required_field", path, message }];
  }
  if (typeof value === "string" && !isBlank(value)) return [];
  return [invalidType(path, `\`${name}\` must be a non-empty string`)];
}

function checkSchema(envelope: unknown): ValidationIssue[] {
  if (!isObject(envelope)) return [schemaIssue("", envelope, "object")];
  return SCHEMA.flatMap(([name, type]) => {
    const value = memberOf(envelope, name);
    const fits = value === undefined ||
      (type === "object" ? isObject(value) : typeof value === "string");
    return fits ? [] : [schemaIssue(`/${name}`, value, type)];
  });
}

function schemaIssue(path: string, value: unknown, type: string): ValidationIssue {
  return { code: "schema_validation", path, message: `${textOf(value)} is not of type "${type}"` };
}

/** The JSON text of a value, as far as it has one. */
function textOf(value: unknown): string {
  try {
    return printJson(value);
  } catch {
    return describeValue(value);
  }
}

function checkMetadata(metadata: unknown): ValidationIssue[] {
  if (metadata === undefined) return [];
  if (!isObject(metadata)) return [invalidType("/metadata", "metadata must be an object")];
  const session = memberOf(metadata, "session");
  const isSession = session === undefined || isObject(session);
  return [
    ...checkText("tenant_id", memberOf(metadata, "tenant_id")),
    ...checkText("trace_id", memberOf(metadata, "trace_id")),
    ...(isSession ? [] : [invalidType("/metadata/session", "session must be an object")]),
    ...checkText("session.id", memberOf(session, "id")),
  ];
}

function checkText(name: string, value: unknown): ValidationIssue[] {
  if (value === undefined || typeof value === "string") return [];
  return [invalidType(`/metadata/${name.replace(".", "/")}`, `${name} must be a string`)];
}

function invalidType(path: string, message: string): ValidationIssue {
  return { code: "invalid_type", path, message };
}

function memberOf(holder: unknown, name: string): unknown {
  if (typeof holder !== "object" || holder === null || !Object.hasOwn(holder, name)) return;
  return (holder as Record<string, unknown>)[name];
}
