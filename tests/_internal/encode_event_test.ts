import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { MAX_LINE_BYTES } from "../../_internal/json_lines.ts";
import { encodeEvent } from "../../_internal/event_codec.ts";

const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

function refusal(event: unknown): string {
  const { message } = assertThrows(
    () => encodeEvent(event),
    TypeError,
    "failed to serialize event: ",
  );
  return message;
}

Deno.test("encodeEvent() writes what JSON.stringify makes of an event, on one line", () => {
  const event = {
    type: "x",
    text: "line\nbreak \u2028 😀 \u0000 \u007f",
    nested: { list: [1, 2.5, -3, true, null, "null"] },
    absent: undefined,
    at: new Date(0),
    10: "integer-like keys first",
  };
  assertEquals(encodeEvent(event), JSON.stringify(event));
  assertEquals(encodeEvent({}), "{}");
});

Deno.test("encodeEvent() refuses what is not one JSON object", () => {
  const notObjects = [undefined, null, true, 1, "text", [], [{}], () => {}, Symbol(), new Date(0)];
  for (const event of notObjects) {
    assertEquals(
      refusal(event),
      "failed to serialize event: an event must be one JSON object",
    );
  }
});

Deno.test("encodeEvent() refuses NaN and infinities with their path (J-5)", () => {
  assertStringIncludes(refusal({ a: { b: [0, NaN] } }), "$.a.b[1] is NaN");
  assertStringIncludes(refusal({ a: Infinity }), "$.a is Infinity");
  assertStringIncludes(refusal({ "a b": -Infinity }), '$["a b"] is -Infinity');
  assertStringIncludes(refusal({ a: Object(NaN) }), "$.a is NaN");
});

Deno.test("encodeEvent() refuses lone surrogates in values and keys with their path (J-3)", () => {
  assertStringIncludes(refusal({ a: ["x\ud800"] }), "$.a[0] has a lone surrogate");
  assertStringIncludes(refusal({ a: "\udc00x" }), "$.a has a lone surrogate");
  assertStringIncludes(refusal({ a: { "\ud83d": 1 } }), "$.a has a key with a lone surrogate");
  assertStringIncludes(refusal({ "\udfff": 1 }), "$ has a key with a lone surrogate");
  assertStringIncludes(refusal({ a: Object("\ud800") }), "$.a has a lone surrogate");
  assertEquals(encodeEvent({ a: "😀", "😀": "\\ud800" }), '{"a":"😀","😀":"\\\\ud800"}');
});

Deno.test("encodeEvent() refuses integers that a reader would round, with their path (J-8)", () => {
  for (
    const [value, text] of [
      [2 ** 53, "9007199254740992"],
      [-(2 ** 53), "-9007199254740992"],
      [1e20, "100000000000000000000"],
      [123456789012345680000, "123456789012345680000"],
    ] as const
  ) {
    assertStringIncludes(refusal({ a: [value] }), `$.a[0] is ${text}, an integer beyond 2^53 - 1`);
  }
  assertEquals(
    encodeEvent({
      a: Number.MAX_SAFE_INTEGER,
      b: Number.MIN_SAFE_INTEGER,
      c: 1e21,
      d: 1e300,
      e: 0.1234567890123456,
      f: "12345678901234567890",
      "12345678901234567890": 1,
    }),
    '{"a":9007199254740991,"b":-9007199254740991,"c":1e+21,"d":1e+300,' +
      '"e":0.1234567890123456,"f":"12345678901234567890","12345678901234567890":1}',
  );
});

Deno.test("encodeEvent() refuses a BigInt with its path and the remedy", () => {
  const message = "is the BigInt 7, which JSON cannot hold: write it as a string";
  assertStringIncludes(refusal({ a: { b: 7n } }), `$.a.b ${message}`);
  assertStringIncludes(refusal({ a: Object(7n) }), `$.a ${message}`);
});

Deno.test("encodeEvent() refuses a cycle with the path that closes it", () => {
  const event: Record<string, unknown> = { list: [{}] };
  (event.list as Record<string, unknown>[])[0]!.back = event;
  assertStringIncludes(refusal(event), "$.list[0].back");
});

Deno.test("encodeEvent() writes what toJSON gives, and checks that", () => {
  assertEquals(encodeEvent({ toJSON: () => ({ n: 1 }) }), '{"n":1}');
  assertStringIncludes(refusal({ a: { toJSON: () => ({ b: NaN }) } }), "$.a.b is NaN");
  const failing = {
    toJSON() {
      throw new Error("not now");
    },
  };
  const error = assertThrows(() => encodeEvent({ a: failing }), TypeError, "not now");
  assertStringIncludes(error.message, "failed to serialize event: ");
  assertEquals((error.cause as Error).message, "not now");
});

Deno.test("encodeEvent() takes JSON.rawJSON members as they are written, unless a reader would not", () => {
  assertEquals(
    encodeEvent({ a: rawJSON("1.0"), b: rawJSON("1e300"), c: rawJSON('"\\u0041"') }),
    '{"a":1.0,"b":1e300,"c":"\\u0041"}',
  );
  assertStringIncludes(
    refusal({ a: [rawJSON("12345678901234567890")] }),
    "$.a[0] is 12345678901234567890, an integer beyond 2^53 - 1",
  );
  for (const escaped of ['"\\ud800"', '"\\uD800"', '"\\uDC00x"']) {
    assertStringIncludes(refusal({ a: rawJSON(escaped) }), "$.a has a lone surrogate", escaped);
  }
});

Deno.test("encodeEvent() allows a line of 16 MiB and not a byte more", () => {
  const fill = MAX_LINE_BYTES - '{"a":""}'.length;
  assertEquals(encodeEvent({ a: "x".repeat(fill) }).length, MAX_LINE_BYTES);
  assertThrows(() => encodeEvent({ a: "x".repeat(fill + 1) }), RangeError, "over 16777216 bytes");
  // Three bytes for one UTF-16 unit is the most there is.
  const arrows = Math.floor(fill / 3);
  encodeEvent({ a: "→".repeat(arrows) });
  assertThrows(() => encodeEvent({ a: "→".repeat(arrows + 1) }), RangeError, "over 16777216 bytes");
  const emoji = fill / 4;
  encodeEvent({ a: "😀".repeat(Math.floor(emoji)) });
  assertThrows(() => encodeEvent({ a: "😀".repeat(emoji + 1) }), RangeError, "over 16777216 bytes");
});

Deno.test("encodeEvent() asks the redactor about every member, objects before their members", () => {
  const paths: string[] = [];
  const text = encodeEvent(
    { env: { TOKEN: "s3cret", HOME: "/" }, list: ["s3cret"] },
    (value, path) => {
      paths.push(path);
      return value === "s3cret" ? "***" : value;
    },
  );
  assertEquals(text, '{"env":{"TOKEN":"***","HOME":"/"},"list":["***"]}');
  assertEquals(paths, ["$", "$.env", "$.env.TOKEN", "$.env.HOME", "$.list", "$.list[0]"]);
});

Deno.test("encodeEvent() masks what the redactor fails at, and writes the rest", () => {
  const redact = (value: unknown, path: string) => {
    if (path === "$.env") throw new Error("no");
    return value;
  };
  assertEquals(
    encodeEvent({ env: { TOKEN: "s3cret" }, n: 1 }, redact),
    '{"env":"[redaction failed]","n":1}',
  );
});

Deno.test("encodeEvent() masks what the redactor promises only, as nothing can wait for it", async () => {
  const redact = (value: unknown, path: string) =>
    path === "$.env" ? Promise.reject(new Error("later")) : value;
  assertEquals(
    encodeEvent({ env: { TOKEN: "s3cret" }, n: 1 }, redact),
    '{"env":"[redaction failed]","n":1}',
  );
  await Promise.resolve();
});

Deno.test("encodeEvent() checks what the redactor returned", () => {
  const nan = (value: unknown, path: string) => path === "$.a" ? NaN : value;
  assertThrows(() => encodeEvent({ a: 1 }, nan), TypeError, "$.a is NaN");
  assertThrows(() => encodeEvent({ a: 1 }, () => undefined), TypeError, "one JSON object");
  assertThrows(() => encodeEvent({ a: 1 }, () => 5), TypeError, "one JSON object");
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const message = assertThrows(() => encodeEvent(cycle, (value) => value), TypeError).message;
  assertStringIncludes(message, "failed to serialize event: ");
  assertStringIncludes(message, "$.self");
});

Deno.test("encodeEvent() leaves the event itself as it is when it redacts", () => {
  const event = { env: { TOKEN: "s3cret" } };
  encodeEvent(event, (value, path) => path === "$.env.TOKEN" ? "***" : value);
  assertEquals(event, { env: { TOKEN: "s3cret" } });
});

Deno.test("encodeEvent() refuses what JSON would print as an object without its content", () => {
  class Registry extends Map {
    size2 = 2;
  }
  const unseen: Record<string, unknown> = {
    Map: new Map([[1, 2]]),
    Set: new Set([1]),
    WeakMap: new WeakMap(),
    WeakSet: new WeakSet(),
    WeakRef: new WeakRef({}),
    RegExp: /a/g,
    Promise: Promise.resolve(1),
    ArrayBuffer: new ArrayBuffer(2),
    SharedArrayBuffer: new SharedArrayBuffer(2),
    DataView: new DataView(new ArrayBuffer(2)),
    Uint8Array: new Uint8Array([1, 2]),
    Float64Array: new Float64Array(1),
    Headers: new Headers({ a: "1" }),
    Blob: new Blob(["x"]),
    Symbol: Object(Symbol()),
  };
  for (const [type, value] of Object.entries(unseen)) {
    const words = `is of type ${type}, whose content JSON does not see: give it a toJSON method`;
    assertStringIncludes(refusal({ a: { b: [value] } }), `$.a.b[0] ${words}`);
    assertStringIncludes(refusal(value), `$ ${words}`);
  }
  assertStringIncludes(refusal({ a: new Registry() }), "$.a is of type Map");
  assertEquals(encodeEvent({ a: Object.assign(new Map(), { toJSON: () => "m" }) }), '{"a":"m"}');
});

Deno.test("encodeEvent() writes the members of objects of any class", () => {
  class Named {
    a = 1;
    get [Symbol.toStringTag]() {
      return "Named";
    }
  }
  class Plain {
    b = 2;
    #hidden = 3;
    get hidden() {
      return this.#hidden;
    }
  }
  const bare = Object.assign(Object.create(null), { c: 3 });
  assertEquals(
    encodeEvent({ named: new Named(), plain: new Plain(), bare, url: new URL("file:///x") }),
    '{"named":{"a":1},"plain":{"b":2},"bare":{"c":3},"url":"file:///x"}',
  );
});

Deno.test("encodeEvent() refuses invalid dates with their path, and writes valid ones", () => {
  const invalid = new Date(NaN);
  assertStringIncludes(refusal({ a: [{ at: invalid }] }), "$.a[0].at is an invalid Date");
  assertStringIncludes(refusal({ when: invalid, e: new Error("x") }), "$.when is an invalid Date");
  assertThrows(
    () => encodeEvent({ at: invalid }, (value) => value),
    TypeError,
    "$.at is an invalid",
  );
  assertEquals(
    encodeEvent({ at: invalid }, (value, path) => path === "$.at" ? new Date(0) : value),
    '{"at":"1970-01-01T00:00:00.000Z"}',
  );
});

Deno.test("encodeEvent() leaves out what JSON leaves out, and writes -0 as 0", () => {
  const event = { a: undefined, b: () => {}, c: Symbol(), d: -0, list: [undefined, -0, () => {}] };
  assertEquals(encodeEvent(event), '{"d":0,"list":[null,0,null]}');
  assertEquals(encodeEvent(event, (value) => value), '{"d":0,"list":[null,0,null]}');
});

Deno.test("encodeEvent() writes an error with its name, message, stack and causes, at any depth", () => {
  const cause = new RangeError("inner", { cause: "disk full" });
  const error = new TypeError("lost", { cause });
  const written = {
    name: "TypeError",
    message: "lost",
    stack: error.stack,
    cause: { name: "RangeError", message: "inner", stack: cause.stack, cause: "disk full" },
  };
  assertEquals(JSON.parse(encodeEvent({ error })), { error: written });
  assertEquals(JSON.parse(encodeEvent({ a: [{ b: error }] })), { a: [{ b: written }] });
  assertEquals(JSON.parse(encodeEvent(error)), written);
  const bare = new Error("no stack");
  delete bare.stack;
  assertEquals(encodeEvent({ bare }), '{"bare":{"name":"Error","message":"no stack"}}');
});

Deno.test("encodeEvent() writes what a program has added to an error, and the errors it is made of", () => {
  class CodedError extends Error {
    override readonly name = "CodedError";
    readonly code = "E1";
  }
  const coded = JSON.parse(encodeEvent({ error: new CodedError("x") })).error;
  assertEquals([coded.name, coded.message, coded.code], ["CodedError", "x", "E1"]);
  const { error } = JSON.parse(
    encodeEvent({ error: new AggregateError([new Error("one")], "all") }),
  );
  assertEquals([error.name, error.message], ["AggregateError", "all"]);
  assertEquals(error.errors.map(({ message }: Error) => message), ["one"]);
  const dom = JSON.parse(encodeEvent({ error: new DOMException("gone", "AbortError") })).error;
  assertEquals([dom.name, dom.message], ["AbortError", "gone"]);
  const own = Object.assign(new Error("x"), { toJSON: () => "own" });
  assertEquals(encodeEvent({ own }), '{"own":"own"}');
  assertStringIncludes(
    refusal({ error: Object.assign(new Error("x"), { got: NaN }) }),
    "$.error.got is NaN",
  );
});

Deno.test("encodeEvent() ends where an error leads back to itself", () => {
  const self = new Error("self");
  self.cause = self;
  const one = new Error("one");
  const two = new Error("two", { cause: one });
  one.cause = two;
  const all = new AggregateError([], "all");
  all.errors.push(new Error("part", { cause: all }));
  const { a, b, c } = JSON.parse(encodeEvent({ a: self, b: [one, one], c: all }));
  assertEquals(a.cause, "[circular: $.a]");
  for (const [index, first] of b.entries()) {
    assertEquals([first.message, first.cause.message], ["one", "two"]);
    assertEquals(first.cause.cause, `[circular: $.b[${index}]]`);
  }
  assertEquals(c.errors[0].cause, "[circular: $.c]");
});

Deno.test("encodeEvent() redacts what is in an error", () => {
  const error = new Error("token=s3cret", { cause: new Error("s3cret") });
  const redact = (value: unknown) => {
    return typeof value === "string" ? value.replaceAll("s3cret", "***") : value;
  };
  const text = encodeEvent({ error }, redact);
  assertEquals(text.includes("s3cret"), false);
  const written = JSON.parse(text).error;
  assertEquals([written.message, written.cause.message], ["token=***", "***"]);
  const made = (value: unknown, path: string) => path === "$.a" ? new Error("made") : value;
  assertEquals(JSON.parse(encodeEvent({ a: 1 }, made)).a.message, "made");
});

Deno.test("encodeEvent() takes the same depth with a redactor as without, and says where it is too deep", () => {
  for (const wrap of [(inner: unknown) => [inner], (inner: unknown) => ({ a: inner })]) {
    const nested = (depth: number, inner: unknown) => {
      let value = inner;
      for (let level = 1; level < depth; level++) value = wrap(value);
      return { deep: value };
    };
    for (const depth of [1, 100, 101, 3000, 10_000]) {
      for (const inner of ["s3cret", null, rawJSON("1.0")]) {
        const event = nested(depth, inner);
        const text = encodeEvent(event);
        assertEquals(encodeEvent(event, (value) => value), text);
        const redacted = encodeEvent(event, (value) => value === "s3cret" ? "***" : value);
        assertEquals(redacted, text.replace("s3cret", "***"));
      }
    }
    for (const depth of [10_001, 100_000, 2_000_000]) {
      const message = "failed to serialize event: $.deep is nested deeper than 10000 levels";
      const event = nested(depth, 1);
      assertEquals(refusal(event), message);
      assertThrows(() => encodeEvent(event, (value) => value), TypeError, message);
    }
  }
});

Deno.test("encodeEvent() never shows the engine's words for its stack", () => {
  const endless = { toJSON: (): unknown => endless.toJSON() };
  assertEquals(
    refusal({ a: endless }),
    "failed to serialize event: a member's own code calls itself too deeply",
  );
});
