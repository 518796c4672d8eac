import type { ValidationIssue } from "./types.ts";

/** The text members that each kind of envelope needs. */
const REQUIRED = {
  component: ["component_id", "operation"],
  tool: ["tool_id", "operation"],
} as const;

/** The members of the metadata that are text where they are. */
const METADATA = [["tenant_id"], ["trace_id"], ["session", "id"]] as const;

/**
 * Looks whether the envelope of an invocation is one (TRC-23): a component's needs `component_id` and
 * `operation`, a tool's `tool_id` and `operation`, texts that are not blank; in its `metadata`
 * `tenant_id`, `trace_id` and `session.id` are texts where they are. The issues are what
 * {@linkcode ExecutionObserver.onValidation} takes; whether they fail the flow, with
 * `invocation_validation_failed`, is the engine's choice.
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
 *   { code: "invalid_type", path: "/metadata/trace_id", message: "`trace_id` must be a string" },
 * ]);
 * ```
 */
export function validateInvocation(
  kind: "component" | "tool",
  envelope: unknown,
): ValidationIssue[] {
  return [
    ...REQUIRED[kind].flatMap((name) => checkRequired(envelope, name)),
    ...METADATA.flatMap((names) => checkText(memberOf(envelope, "metadata"), names)),
  ];
}

function checkRequired(envelope: unknown, name: string): ValidationIssue[] {
  const value = memberOf(envelope, name);
  const path = `/${name}`;
  if (value === undefined || value === null || (typeof value === "string" && !value.trim())) {
    const message = `missing required field \`${name}\``;
    return [{ code: "missing_required_field", path, message }];
  }
  return typeof value === "string" ? [] : [wrongType(path, name)];
}

function checkText(metadata: unknown, names: readonly string[]): ValidationIssue[] {
  const value = names.reduce(memberOf, metadata);
  if (value === undefined || value === null || typeof value === "string") return [];
  return [wrongType(`/metadata/${names.join("/")}`, names.join("."))];
}

function wrongType(path: string, name: string): ValidationIssue {
  return { code: "invalid_type", path, message: `\`${name}\` must be a string` };
}

function memberOf(holder: unknown, name: string): unknown {
  if (typeof holder !== "object" || holder === null || !Object.hasOwn(holder, name)) return;
  return (holder as Record<string, unknown>)[name];
}
