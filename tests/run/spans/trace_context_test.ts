import { assert, assertEquals } from "@std/assert";
import { traceVariables } from "../../../run/marks.ts";
import { parseTraceContext, traceContextOf } from "../../../run/spans/trace_context.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const VALID = `00-${TRACE}-${SPAN}-01`;

Deno.test("a trace context is read by the rules of W3C", () => {
  const expected = { traceId: TRACE, spanId: SPAN, traceFlags: 1, isRemote: true };
  assertEquals(parseTraceContext({ traceparent: VALID }), expected);
  // Of flags only that of sampling is known, and of a later version only what this one has.
  assertEquals(parseTraceContext({ traceparent: `00-${TRACE}-${SPAN}-ff` }), expected);
  assertEquals(
    parseTraceContext({ traceparent: `cc-${TRACE}-${SPAN}-01-what-the-future` }),
    expected,
  );
  const unsampled = parseTraceContext({ traceparent: `00-${TRACE}-${SPAN}-02` });
  assertEquals(unsampled?.traceFlags, 0);
});

Deno.test("what is no trace context is none", () => {
  const wrong = [
    "",
    "x",
    VALID.toUpperCase(),
    ` ${VALID}`,
    `${VALID}\n`,
    `${VALID}-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `0-${TRACE}-${SPAN}-01`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.slice(1)}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-1`,
    `00-${TRACE}-${SPAN}`,
    `cc-${TRACE}-${SPAN}-01.x`,
    `00-${TRACE}-${SPAN}-0g`,
    "00-; rm -rf /-x-01",
    VALID.repeat(1000),
  ];
  for (const traceparent of wrong) {
    assertEquals(parseTraceContext({ traceparent }), undefined, traceparent);
  }
});

Deno.test("a state is read whole, or not at all, and is handed on as it was", () => {
  const stateOf = (tracestate: string) => {
    const context = parseTraceContext({ traceparent: VALID, tracestate });
    assert(context !== undefined);
    return traceContextOf(context)?.tracestate;
  };
  assertEquals(
    stateOf("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
    "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
  );
  assertEquals(stateOf(" a=1 ,, 0tenant@vendor=x y\t"), "a=1,0tenant@vendor=x y");
  const wrong = [
    "",
    ",",
    "a",
    "A=1",
    "a=",
    "a=1,a=2",
    "a=x\u0001",
    "a=ä",
    "a=1;b=2,=",
    Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(","),
    `a=${"x".repeat(600)}`,
  ];
  for (const tracestate of wrong) assertEquals(stateOf(tracestate), undefined, tracestate);
});

Deno.test("a state can be changed as the API does it", () => {
  const { traceState } = parseTraceContext({ traceparent: VALID, tracestate: "a=1,b=2" })!;
  assertEquals(traceState!.get("b"), "2");
  assertEquals(traceState!.set("b", "3").serialize(), "b=3,a=1");
  assertEquals(traceState!.unset("a").serialize(), "b=2");
  assertEquals(traceState!.serialize(), "a=1,b=2");
});

Deno.test("a span is told to others where it is valid", () => {
  const span = { traceId: TRACE, spanId: SPAN, traceFlags: 1 };
  assertEquals(traceVariables(traceContextOf(span)), { TRACEPARENT: VALID });
  const state = parseTraceContext({ traceparent: VALID, tracestate: "a=1" })!;
  assertEquals(traceVariables(traceContextOf(state)), { TRACEPARENT: VALID, TRACESTATE: "a=1" });
  const none = { traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 0 };
  assertEquals(traceVariables(traceContextOf(none)), {});
});
