import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { MAX_LINE_BYTES } from "../../_internal/json_lines.ts";
import { encodeEvent } from "../../eventlog/event_codec.ts";

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
