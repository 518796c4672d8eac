import { assertEquals, assertThrows } from "@std/assert";
import { rawJson } from "../../_internal/wire_json/json_value.ts";
import { resolveTraceCall, type TraceStep } from "../../trace/mod.ts";

function stepOf(componentId: string, payload?: unknown): TraceStep {
  return {
    node_id: "n",
    component_id: componentId,
    operation: "of the step",
    input_hash: { algorithm: "blake3", value: "" },
    invocation_json: payload === undefined ? {} : { payload },
    duration_ms: 0,
  };
}

Deno.test("TRP-3: provider.invoke calls the provider that the payload names", () => {
  assertEquals(
    resolveTraceCall(stepOf("provider.invoke", { provider_id: "p", op: "send", input: [1] })),
    {
      kind: "provider",
      providerId: "p",
      providerType: undefined,
      operation: "send",
      input: [1],
    },
  );
  assertEquals(
    resolveTraceCall(stepOf("provider.invoke", { provider_type: "mail", operation: "list" })),
    {
      kind: "provider",
      providerId: undefined,
      providerType: "mail",
      operation: "list",
      input: null,
    },
  );
  const bare = resolveTraceCall(stepOf("provider.invoke"));
  assertEquals(bare.kind === "provider" && bare.operation, "of the step");
});

Deno.test("TRP-3: component.exec calls the component that the payload names", () => {
  for (const name of ["component", "component_ref"]) {
    const payload = { [name]: "qa", operation: "ask", input: { a: 1 }, config: { b: 2 } };
    assertEquals(resolveTraceCall(stepOf("component.exec", payload)), {
      kind: "component",
      component: "qa",
      operation: "ask",
      input: { a: 1 },
      config: { b: 2 },
    });
  }
  assertEquals(resolveTraceCall(stepOf("component.exec", { component: "qa" })), {
    kind: "component",
    component: "qa",
    operation: "of the step",
    input: null,
    config: null,
  });
});

Deno.test("TRP-3: component.exec without its component is an error", () => {
  for (const payload of [undefined, null, "qa", [], {}, { component: 7 }]) {
    assertThrows(
      () => resolveTraceCall(stepOf("component.exec", payload)),
      TypeError,
      "component.exec missing component ref",
    );
  }
});

Deno.test("TRP-3: emit.*, flow.call and session.wait call nothing", () => {
  for (const id of ["emit.", "emit.response", "flow.call", "session.wait"]) {
    assertEquals(resolveTraceCall(stepOf(id, { component: "qa" })), { kind: "none" });
  }
});

Deno.test("TRP-3: any other id is the component, and the payload its input", () => {
  for (const id of ["qa", "emit", "flow.call.more", "component.exec2", "provider"]) {
    assertEquals(resolveTraceCall(stepOf(id, { component: "x" })), {
      kind: "component",
      component: id,
      operation: "of the step",
      input: { component: "x" },
      config: null,
    });
  }
  const { invocation_json: _, ...unrecorded } = stepOf("qa");
  for (const step of [stepOf("qa"), { ...stepOf("qa"), invocation_json: "text" }, unrecorded]) {
    assertEquals(resolveTraceCall(step), {
      kind: "component",
      component: "qa",
      operation: "of the step",
      input: null,
      config: null,
    });
  }
});

Deno.test("resolveTraceCall() hands over numbers, but for integers that a number would round", () => {
  const input = ["1.0", "-0.0", "1e16", "9007199254740993"].map(rawJson);
  const call = resolveTraceCall(stepOf("qa", { list: input, deep: { x: input[0] } }));
  assertEquals(call.kind === "component" && call.input, {
    list: [1, -0, 1e16, input[3]],
    deep: { x: 1 },
  });
  const odd = resolveTraceCall(stepOf("qa", { ["__proto__"]: { a: 1 } }));
  assertEquals(JSON.stringify(odd.kind === "component" && odd.input), '{"__proto__":{"a":1}}');
});
