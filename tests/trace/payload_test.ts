import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  hashValue,
  readTrace,
  type RedactTrace,
  type TraceConfig,
  TraceRecorder,
  type TraceStep,
} from "../../trace/mod.ts";
import { rawJson } from "../../_internal/wire_json/json_value.ts";
import { readText } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { eventOf, optionsFor } from "./_util.ts";

/** The step that a node with this input and output gives. */
function stepOf(
  payload: unknown,
  more: { output?: unknown; redact?: RedactTrace; config?: Partial<TraceConfig> } = {},
): Promise<TraceStep> {
  return withTempDir(async (directory) => {
    const { redact, config } = more;
    const options = optionsFor(directory, { captureInputs: true, ...config });
    const recorder = new TraceRecorder({ ...options, ...(redact && { redact }) });
    recorder.onNodeStart(eventOf("a", { payload }));
    recorder.onNodeEnd(eventOf("a"), more.output);
    const result = recorder.flushBufferSync();
    assertEquals(result.outcome, "written");
    return (await readTrace(recorder.path)).steps[0]!;
  });
}

function payloadOf({ invocation_json }: TraceStep): unknown {
  return (invocation_json as { payload: unknown }).payload;
}

Deno.test("a payload that is changed after the start is recorded as it was", () =>
  withTempDir(async (directory) => {
    const recorder = new TraceRecorder(optionsFor(directory, { captureInputs: true }));
    const payload = { items: [1, { deep: "before" }] };
    const output = { text: "before" };
    recorder.onNodeStart(eventOf("a", { payload }));
    (payload.items[1] as { deep: string }).deep = "after";
    payload.items.push(3);
    recorder.onNodeEnd(eventOf("a"), output);
    output.text = "after";
    recorder.flushBufferSync();
    const [step] = (await readTrace(recorder.path)).steps;
    const before = { items: [1, { deep: "before" }] };
    assertEquals(payloadOf(step!), before);
    assertEquals(step!.input_hash, hashValue(before));
    assertEquals(step!.output_hash, hashValue({ text: "before" }));
  }));

const cycle: Record<string, unknown> = { a: { "x/y~z": [] as unknown[] } };
(cycle.a as Record<string, unknown[]>)["x/y~z"]!.push(0, cycle);

let deep: unknown = 1;
for (let depth = 0; depth < 100_000; depth++) deep = [deep];
let tooDeep: unknown = 1;
for (let depth = 0; depth < 140; depth++) tooDeep = [tooDeep];

/** Values that JSON cannot hold, and the place that is at fault. */
const NO_JSON: Record<string, [value: unknown, path: string]> = {
  "a cycle": [cycle, "/a/x~1y~0z/1"],
  "a BigInt": [{ n: [1, 2n] }, "/n/1"],
  "NaN": [{ n: { m: NaN } }, "/n/m"],
  "an infinity": [[-Infinity], "/0"],
  "a lone surrogate": [{ text: "\ud800" }, "/text"],
  "a lone surrogate in a name": [{ a: { "\udc00": 1 } }, "/a/\ufffd"],
  "a toJSON that throws": [{ a: { toJSON: () => fail("secret") } }, "/a"],
  "a getter that throws": [{
    a: {
      get b() {
        return fail("secret");
      },
    },
  }, "/a/b"],
  "a function": [() => 1, ""],
  "a symbol": [Symbol("s"), ""],
  "a function in a list": [{ a: [1, () => 1] }, "/a/1"],
  "a symbol in a list": [[[Symbol("s")]], "/0/0"],
  "no member but a function": [{ a: { "b/c": () => 1, d: undefined } }, "/a/b~1c"],
  "no member but a symbol": [{ s: Symbol("s") }, "/s"],
  "a Map": [new Map([[1, "secret"]]), ""],
  "a Map as a member": [{ a: [new Map()], b: 1 }, "/a/0"],
  "a Set": [{ a: 1, s: new Set(["secret"]) }, "/s"],
  "an invalid date": [{ at: [new Date(NaN)] }, "/at/0"],
  "an invalid date of an error": [Object.assign(new Error("secret"), { at: new Date(NaN) }), "/at"],
  "an error whose cause is a BigInt": [[new Error("secret", { cause: 1n })], ""],
  "a regular expression": [{ a: { pattern: /secret/ } }, "/a/pattern"],
  "a promise": [Promise.resolve("secret"), ""],
  "a number object without a number": [[new Number(NaN)], "/0"],
  "a proxy that answers nothing": [new Proxy({}, { ownKeys: () => fail("secret") }), ""],
  "a value nested deeper than the stack": [deep, ""],
  "a value nested deeper than the format": [tooDeep, ""],
};

function fail(message: string): never {
  throw new Error(message);
}

for (const [name, [value, path]] of Object.entries(NO_JSON)) {
  Deno.test(`an input or output with ${name} is an issue that names the place, and has the digest of null (W-TRC-12)`, async () => {
    const asInput = await stepOf(value);
    const asOutput = await stepOf(1, { output: value });
    for (const [what, step] of [["input", asInput], ["output", asOutput]] as const) {
      const [issue, ...more] = step.validation_issues!;
      assertEquals([issue!.code, issue!.path, more], ["not_json", path, []]);
      assertStringIncludes(issue!.message, `the ${what} cannot be recorded: `);
      assert(!JSON.stringify(step).includes("secret"));
    }
    assertEquals(asInput.input_hash, hashValue(null));
    assertEquals("invocation_json" in asInput, false);
    assertEquals(asInput.input_dropped, true);
    assertEquals(asOutput.output_hash, hashValue(null));
    assertEquals(payloadOf(asOutput), 1);
  });
}

Deno.test("an error in a payload is recorded with what it says, its causes, and what was added to it", async () => {
  const cause = new TypeError("no route");
  const error = Object.assign(new Error("lost", { cause }), { code: "E" });
  const written = (thrown: Error) => ({
    name: thrown.name,
    message: thrown.message,
    stack: thrown.stack,
  });
  const recorded = { ...written(error), cause: written(cause), code: "E" };
  const values: [unknown, unknown][] = [
    [error, recorded],
    [{ error, n: 1 }, { error: recorded, n: 1 }],
    [{ list: [1, cause] }, { list: [1, written(cause)] }],
    [{ e: new AggregateError([cause]) }, undefined],
  ];
  for (const [value, expected] of values) {
    const step = await stepOf(value, { output: value });
    assertEquals(step.validation_issues ?? [], []);
    if (expected === undefined) continue;
    assertEquals(payloadOf(step), expected);
    assertEquals(step.output_hash, hashValue(expected));
  }
  const redact = (value: unknown, path: string) => path.endsWith(".message") ? "***" : value;
  const masked = JSON.stringify(payloadOf(await stepOf({ error: cause }, { redact })));
  assertStringIncludes(masked, '"message":"***"');
});

Deno.test("an integer beyond 2^53 - 1 is recorded as it is printed, or as its literal says", async () => {
  const exact = rawJson("9007199254740993");
  const step = await stepOf({ n: 2 ** 60, m: exact, big: 1e300, at21: 1e21 });
  assertEquals(step.validation_issues ?? [], []);
  const recorded = JSON.stringify(payloadOf(step));
  assertEquals(recorded, '{"at21":1e21,"big":1e300,"m":9007199254740993,"n":1152921504606847000}');
});

/** An object whose type says nothing of content elsewhere. */
class Bare {}

Deno.test("what JSON can hold is recorded without an issue", async () => {
  const now = new Date(0);
  const values: [unknown, unknown][] = [
    [undefined, null],
    [null, null],
    [{ a: null, b: [null], c: undefined, d: () => 1 }, { a: null, b: [null] }],
    [{ at: now }, { at: now.toJSON() }],
    [{ a: {}, b: [{ c: undefined }], d: [undefined] }, { a: {}, b: [{}], d: [null] }],
    [{ a: new Bare(), b: Object.create(null), c: {} }, { a: {}, b: {}, c: {} }],
    [[new String("\ud83d\ude00"), new Number(1), new Boolean(false), {}], [
      "\ud83d\ude00",
      1,
      false,
      {},
    ]],
    [{ map: { toJSON: () => [[1, 2]] }, c: {} }, { map: [[1, 2]], c: {} }],
    // What its members say is recorded, even where that is not all of it.
    [{ bytes: new Uint8Array([7]), c: {} }, { bytes: { 0: 7 }, c: {} }],
    ["\ud83d\ude00 \\ud800 null", "\ud83d\ude00 \\ud800 null"],
    [{ 10: "b", 9: "a", "é": [] }, { 9: "a", 10: "b", "é": [] }],
  ];
  for (const [value, recorded] of values) {
    const step = await stepOf(value, { output: value });
    assertEquals(step.validation_issues ?? [], []);
    assertEquals(payloadOf(step), recorded);
    assertEquals(step.input_hash, hashValue(recorded));
    assertEquals(step.output_hash, hashValue(recorded));
  }
});

Deno.test("a payload too deep to be put into a trace is kept by its digest", async () => {
  let payload: unknown = 1;
  for (let depth = 0; depth < 125; depth++) payload = { a: payload };
  const step = await stepOf(payload);
  assertEquals([step.input_hash, step.input_dropped], [hashValue(payload), true]);
  assertEquals(step.validation_issues, undefined);
});

Deno.test("inputs are not in the file unless that is asked for (W-TRC-8)", () =>
  withTempDir((directory) => {
    const recorder = new TraceRecorder(optionsFor(directory));
    recorder.onNodeStart(eventOf("a", { payload: { token: "hunter2" } }));
    recorder.onNodeEnd(eventOf("a"), "hunter2");
    recorder.flushBufferSync();
    assert(!readText(recorder.path).includes("hunter2"));
  }));

/** Hides the members named token, at any depth. */
const hideTokens: RedactTrace = (value, path) => path.endsWith(".token") ? "***" : value;

Deno.test("a redactor reaches every depth, before anything is kept or hashed (W-TRC-8)", async () => {
  const payload = (token: unknown) => ({ token, list: [{ deep: { token, kept: 1 } }] });
  const secret = { password: "hunter2" };
  const step = await stepOf(payload(secret), { output: payload(secret), redact: hideTokens });
  assertEquals(payloadOf(step), payload("***"));
  assertEquals(step.input_hash, hashValue(payload("***")));
  assertEquals(step.output_hash, hashValue(payload("***")));
});

Deno.test("a redactor that fails masks: the member, or all of the value (W-TRC-8)", async () => {
  const mask = "[redaction failed]";
  const throwing: RedactTrace = (value, path) => path === "$.a.b" ? fail("no") : value;
  const step = await stepOf({ a: { b: { secret: 1 } }, c: 2 }, { redact: throwing });
  assertEquals(payloadOf(step), { a: { b: mask }, c: 2 });
  for (const odd of [1n, cycle, undefined]) {
    const all: RedactTrace = (value, path) => path === "$.a" || path === "$" ? odd : value;
    const masked = await stepOf({ a: { secret: 1 } }, { redact: all });
    assertEquals(payloadOf(masked), mask);
    assertEquals(masked.input_hash, hashValue(mask));
  }
  const late: RedactTrace = (value, path) => path === "$.a" ? Promise.reject(value) : value;
  assertEquals(payloadOf(await stepOf({ a: "secret" }, { redact: late })), { a: mask });
});

Deno.test("messages of errors and issues pass the redactor too", () =>
  withTempDir((directory) => {
    const paths: string[] = [];
    const redact: RedactTrace = (value, path) => {
      if (typeof value !== "string") return value;
      paths.push(path);
      return value.replaceAll("hunter2", "***");
    };
    const recorder = new TraceRecorder({ ...optionsFor(directory), redact });
    const event = eventOf("a", { payload: null });
    recorder.onNodeStart(event);
    recorder.onValidation(event, [{ code: "c", path: "/p", message: "hunter2 is wrong" }]);
    const cause = new Error("login with hunter2");
    recorder.onNodeError(event, new Error("hunter2 failed", { cause }));
    recorder.flushErrorSync("hunter2!");
    assert(!readText(recorder.path).includes("hunter2"));
    assertEquals([...new Set(paths)], [
      "$.validation_issues[0].message",
      "$.error.message",
      "$.error.details[1].message",
    ]);
  }));

Deno.test("numbers are recorded as they are written", async () => {
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
  await withTempDir((directory) => {
    const recorder = new TraceRecorder(optionsFor(directory, { captureInputs: true }));
    const payload = { float: rawJSON("1.0"), integer: 1, large: 1e300, negative: -0 };
    recorder.onNodeStart(eventOf("a", { payload }));
    recorder.onNodeEnd(eventOf("a"), null);
    recorder.flushBufferSync();
    const text = readText(recorder.path);
    assertStringIncludes(text, '"float": 1.0,');
    assertStringIncludes(text, '"integer": 1,');
    assertStringIncludes(text, '"large": 1e300,');
  });
});
