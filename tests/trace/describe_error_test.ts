import { assert, assertEquals } from "@std/assert";
import { describeError } from "../../trace/step_recorder.ts";

function textsOf(error: unknown): string[] {
  return describeError(error, undefined).map(({ name, message }) => `${name}: ${message}`);
}

Deno.test("an error is described with its whole chain of causes (W-TRC-9)", () => {
  const error = new Error("a", { cause: new TypeError("b", { cause: "c" }) });
  assertEquals(textsOf(error), ["Error: a", "TypeError: b", "string: c"]);
});

Deno.test("the errors of an AggregateError come before its cause, each with its own", () => {
  const first = new Error("1", { cause: new Error("1a") });
  const error = new AggregateError([first, "2"], "all", { cause: new Error("why") });
  assertEquals(textsOf(error), [
    "AggregateError: all",
    "Error: 1",
    "Error: 1a",
    "string: 2",
    "Error: why",
  ]);
});

Deno.test("a chain that leads back to itself ends", () => {
  const a = new Error("a");
  const b = new Error("b", { cause: a });
  a.cause = b;
  assertEquals(textsOf(a), ["Error: a", "Error: b"]);
  const own = new AggregateError([], "own");
  own.errors.push(own, own);
  assertEquals(textsOf(own), ["AggregateError: own"]);
});

Deno.test("a chain without end is cut", () => {
  let error = new Error("last");
  for (let n = 0; n < 100_000; n++) error = new Error(`${n}`, { cause: error });
  assertEquals(textsOf(error).length, 100);
  const many = Array.from({ length: 100_000 }, (_, n) => new Error(`${n}`));
  assertEquals(textsOf(new AggregateError(many)).length, 100);
});

Deno.test("anything may be thrown", () => {
  const values: [unknown, string][] = [
    ["text", "string: text"],
    [undefined, "undefined: undefined"],
    [null, "null: null"],
    [7, "number: 7"],
    [7n, "bigint: 7"],
    [Symbol("s"), "symbol: Symbol(s)"],
    [{ code: 7 }, 'object: {"code":7}'],
    [{ n: 7n }, "object: (unreadable)"],
    [Object.create(null), "object: {}"],
    [new Error(""), "Error: "],
  ];
  for (const [value, expected] of values) assertEquals(textsOf(value), [expected]);
});

Deno.test("an error whose parts cannot be read is described all the same", () => {
  const error = new Error("x");
  const refuse = { get: () => assert(false), configurable: true };
  Object.defineProperties(error, { message: refuse, name: refuse, cause: refuse });
  assertEquals(textsOf(error), ["Error: (unreadable)"]);
});
