import { assertEquals } from "@std/assert";
import { validateInvocation } from "../../trace/mod.ts";

function issuesOf(kind: "component" | "tool", envelope: unknown): string[] {
  return validateInvocation(kind, envelope).map(({ code, path }) => `${code} ${path}`);
}

Deno.test("an envelope with all that its kind needs has no issue (TRC-23)", () => {
  const metadata = { tenant_id: "t", trace_id: null, session: { id: "s" }, other: 1 };
  assertEquals(issuesOf("component", { component_id: "c", operation: "o", metadata }), []);
  assertEquals(issuesOf("tool", { tool_id: "t", operation: "o", metadata: {} }), []);
  assertEquals(issuesOf("tool", { tool_id: "t", operation: "o" }), []);
});

Deno.test("every missing, blank or mistyped member is an issue with its JSON pointer (TRC-23)", () => {
  const missing = ["missing_required_field /component_id", "missing_required_field /operation"];
  for (const envelope of [{}, null, 7, [], { component_id: "", operation: " " }]) {
    assertEquals(issuesOf("component", envelope), missing);
  }
  assertEquals(issuesOf("tool", { component_id: "c", operation: null }), [
    "missing_required_field /tool_id",
    "missing_required_field /operation",
  ]);
  const metadata = { tenant_id: 1, trace_id: {}, session: { id: false } };
  assertEquals(issuesOf("component", { component_id: 1, operation: "o", metadata }), [
    "invalid_type /component_id",
    "invalid_type /metadata/tenant_id",
    "invalid_type /metadata/trace_id",
    "invalid_type /metadata/session/id",
  ]);
  assertEquals(issuesOf("tool", { tool_id: "t", operation: "o", metadata: { session: "x" } }), []);
});

Deno.test("the message of a missing operation is the golden's (TRC-23)", () => {
  assertEquals(validateInvocation("component", { component_id: "c" }), [{
    code: "missing_required_field",
    path: "/operation",
    message: "missing required field `operation`",
  }]);
});
