import { assertEquals } from "@std/assert";
import { validateInvocation } from "../../trace/mod.ts";

/** The issues, each as the words of the original program with its code and path in front. */
function issuesOf(kind: "component" | "tool", envelope: unknown): string[] {
  return validateInvocation(kind, envelope)
    .map(({ code, path, message }) => `${code} ${path}: ${message}`);
}

const COMPONENT = { component_id: "c", operation: "o" };

Deno.test("an envelope with all that its kind needs has no issue (TRC-23)", () => {
  const metadata = { tenant_id: "t", trace_id: "", session: { id: "s", other: 1 }, other: 1 };
  assertEquals(issuesOf("component", { ...COMPONENT, metadata }), []);
  assertEquals(issuesOf("tool", { tool_id: "t", operation: "o", metadata: {} }), []);
  assertEquals(issuesOf("tool", { tool_id: "t", operation: "o", input: 1, config: null }), []);
  // A component's envelope may say which tool it is, whatever that is.
  assertEquals(issuesOf("component", { ...COMPONENT, tool_id: "\ufeff" }), []);
});

Deno.test("every issue has the code, the place, the words and the order of the original program (TRC-23)", () => {
  const missing = (name: string) =>
    `missing_required_field /${name}: missing required field \`${name}\``;
  const empty = (name: string) => `invalid_type /${name}: \`${name}\` must be a non-empty string`;
  const schema = (path: string, value: string, type: string) =>
    `schema_validation ${path}: ${value} is not of type "${type}"`;
  const wrong = (path: string, name: string, type = "a string") =>
    `invalid_type /metadata${path}: ${name} must be ${type}`;
  const metadata = "/metadata";
  const cases: ["component" | "tool", unknown, string[]][] = [
    ["component", {}, [missing("component_id"), missing("operation")]],
    ["tool", { component_id: "c" }, [missing("tool_id"), missing("operation")]],
    ["component", null, [
      missing("component_id"),
      missing("operation"),
      schema("", "null", "object"),
    ]],
    ["tool", "x", [missing("tool_id"), missing("operation"), schema("", '"x"', "object")]],
    ["tool", [1, 2.5], [missing("tool_id"), missing("operation"), schema("", "[1,2.5]", "object")]],
    ["component", { operation: 123 }, [
      missing("component_id"),
      empty("operation"),
      schema("/operation", "123", "string"),
    ]],
    ["component", { component_id: null, operation: {} }, [
      empty("component_id"),
      empty("operation"),
      schema("/component_id", "null", "string"),
      schema("/operation", "{}", "string"),
    ]],
    ["component", { component_id: "", operation: " \u0085\u3000" }, [
      empty("component_id"),
      empty("operation"),
    ]],
    ["component", { ...COMPONENT, component_id: "\ufeff" }, []],
    ["tool", { tool_id: ["t"], operation: "o", component_id: true }, [
      empty("tool_id"),
      schema("/component_id", "true", "string"),
      schema("/tool_id", '["t"]', "string"),
    ]],
    ["component", { ...COMPONENT, metadata: null }, [
      schema(metadata, "null", "object"),
      wrong("", "metadata", "an object"),
    ]],
    [
      "component",
      { ...COMPONENT, metadata: { tenant_id: 1, trace_id: null, session: { id: [] } } },
      [
        wrong("/tenant_id", "tenant_id"),
        wrong("/trace_id", "trace_id"),
        wrong("/session/id", "session.id"),
      ],
    ],
    ["component", { ...COMPONENT, metadata: { session: "s" } }, [
      wrong("/session", "session", "an object"),
    ]],
    ["component", { ...COMPONENT, metadata: { session: null } }, [
      wrong("/session", "session", "an object"),
    ]],
  ];
  for (const [kind, envelope, expected] of cases) {
    assertEquals(issuesOf(kind, envelope), expected, JSON.stringify(envelope));
  }
});

Deno.test("what has no JSON text is an issue all the same, and throws nothing", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  let deep: unknown = 1;
  for (let level = 0; level < 100_000; level++) deep = [deep];
  for (const operation of [cycle, deep, 1n, () => {}, new Map(), NaN, Symbol("s"), "\ud800"]) {
    const codes = validateInvocation("component", { component_id: "c", operation })
      .map(({ code }) => code);
    const expected = typeof operation === "string" ? [] : ["invalid_type", "schema_validation"];
    assertEquals(codes, expected);
  }
});
