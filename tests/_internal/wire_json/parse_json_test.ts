import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { JsonSyntaxError } from "../../../_internal/wire_json/errors.ts";
import { isRawJson, numberOf } from "../../../_internal/wire_json/json_value.ts";
import { parseJson } from "../../../_internal/wire_json/parse_json.ts";
import { printJson } from "../../../_internal/wire_json/print_json.ts";

const encoder = new TextEncoder();

function refusal(text: string | Uint8Array): JsonSyntaxError {
  return assertThrows(() => parseJson(text), JsonSyntaxError);
}

Deno.test("parseJson() gives what JSON.parse gives, from text and from bytes", () => {
  const texts = [
    "null",
    " true ",
    "-12.5",
    '"é\\n\\u00e9\\ud83d\\ude00 \u2028"',
    '\t{ "a" : [ ] ,\r\n "b" : { } , "c" : [ 1 , "x" , { "d" : null } ] } ',
    '{"10":1,"9":2,"":3,"toString":4,"constructor":5}',
  ];
  for (const text of texts) {
    assertEquals(parseJson(text), JSON.parse(text));
    assertEquals(parseJson(encoder.encode(text)), JSON.parse(text));
  }
});

Deno.test("parseJson() keeps a member named __proto__ as a member", () => {
  const value = parseJson('{"__proto__":{"x":1}}') as Record<string, unknown>;
  assertEquals(Object.keys(value), ["__proto__"]);
  assertEquals(Object.getPrototypeOf(value), Object.prototype);
});

Deno.test("parseJson() keeps literals that would print as another text (J-6, J-8)", () => {
  const kept: [string, string][] = [
    ["1.0", "1.0"],
    ["1e2", "100.0"],
    ["-5.00", "-5.0"],
    ["1e-400", "0.0"],
    ["9007199254740992", "9007199254740992"],
    ["18446744073709551615", "18446744073709551615"],
    ["-9223372036854775808", "-9223372036854775808"],
  ];
  for (const [text, printed] of kept) {
    const value = parseJson(text);
    assert(isRawJson(value), text);
    assertEquals(value.rawJSON, printed);
    assertEquals(numberOf(value), Number(text));
  }
  const plain: [string, number, string][] = [
    ["-0", -0, "-0.0"],
    ["-0.0", -0, "-0.0"],
    ["0", 0, "0"],
    ["1.50", 1.5, "1.5"],
    ["-9007199254740991", -9007199254740991, "-9007199254740991"],
    ["9007199254740992.0", 2 ** 53, "9007199254740992.0"],
    ["18446744073709551616", 2 ** 64, "1.8446744073709552e19"],
    ["-9223372036854775809", -(2 ** 63), "-9.223372036854776e18"],
    ["1e300", 1e300, "1e300"],
  ];
  for (const [text, number, printed] of plain) {
    const value = parseJson(text);
    assertFalse(isRawJson(value), text);
    assertEquals(value, number);
    assertEquals(printJson(value), printed);
  }
});

Deno.test("parseJson() refuses duplicate names wherever they are (J-10)", () => {
  const error = refusal('{"a":[{"event_id":1,"x":{},"event_id":1}]}');
  assertEquals(
    error.message,
    "Cannot parse JSON at line 1, column 28 (byte 27, $.a[0].event_id): duplicate field `event_id`",
  );
  assertEquals(refusal('{"a":1,"\\u0061":2}').details.problem, "duplicate field `a`");
  assertEquals(
    refusal('{"__proto__":1,"__proto__":2}').details.problem,
    "duplicate field `__proto__`",
  );
});

Deno.test("parseJson() refuses lone surrogates, escaped or not (J-3)", () => {
  for (const text of ['"\\ud800"', '"\\udc00\\ud800"', '"a\ud800"', '{"\\udfff":1}']) {
    assertEquals(refusal(text).details.problem, "lone surrogate in a string", text);
  }
  assertEquals(parseJson('"\\ud83d\\ude00"'), "😀");
});

Deno.test("parseJson() refuses numbers that overflow to infinity", () => {
  for (const text of ["1e400", "-1e400", "1".repeat(310), "1.8e308"]) {
    assertEquals(refusal(text).details.problem, "number out of range", text);
  }
});

Deno.test("parseJson() refuses nesting deeper than 127 levels", () => {
  for (const [open, close] of [["[", "]"], ['{"a":', "}"]] as const) {
    const inner = open === "[" ? "" : "1";
    parseJson(open.repeat(127) + inner + close.repeat(127));
    for (const depth of [128, 2_000_000]) {
      const { problem, column } = refusal(open.repeat(depth) + inner + close.repeat(depth)).details;
      assertEquals(problem, "nesting deeper than 127 levels");
      assertEquals(column, 127 * open.length + 1);
    }
  }
});

Deno.test("parseJson() names line, column, byte and path of a mistake", () => {
  const error = refusal('{\n  "é": [1, "😀", tru]\n}');
  assertEquals(
    error.message,
    "Cannot parse JSON at line 2, column 24 (byte 25, $.é[2]): expected ident",
  );
  assert(error instanceof SyntaxError);
  const { line, column, byteOffset, path, problem } = error.details;
  assertEquals(
    { line, column, byteOffset, path, problem },
    { line: 2, column: 24, byteOffset: 25, path: "$.é[2]", problem: "expected ident" },
  );
});

Deno.test("parseJson() refuses invalid UTF-8 where it begins", () => {
  const bad: [number[], number][] = [
    [[0x22, 0xff, 0x22], 1],
    [[0x22, 0xc3, 0x28, 0x22], 1],
    [[0x22, 0xed, 0xa0, 0x80, 0x22], 1],
    [[0x22, 0xc0, 0xaf, 0x22], 1],
    [[0x22, 0xf4, 0x90, 0x80, 0x80, 0x22], 1],
    [[0x22, 0xe2, 0x82], 1],
    [[0x22, 0xef, 0xbf, 0xbd, 0xf0, 0x9f, 0x98, 0x22], 4],
    [[0x35, 0x0a, 0x80], 2],
  ];
  for (const [bytes, byteOffset] of bad) {
    const error = refusal(Uint8Array.from(bytes));
    assertEquals(error.details.problem, "invalid unicode code point", String(bytes));
    assertEquals(error.details.byteOffset, byteOffset, String(bytes));
  }
  const inside = encoder.encode('{"a":\n["x\0"]}').map((byte) => byte === 0 ? 0xff : byte);
  const { line, column, path } = refusal(inside).details;
  assertEquals({ line, column, path }, { line: 2, column: 4, path: "$.a[0]" });
});

Deno.test("parseJson() reports an earlier mistake before invalid UTF-8", () => {
  const { problem, byteOffset } = refusal(Uint8Array.from([0x5b, 0x2c, 0xff])).details;
  assertEquals({ problem, byteOffset }, { problem: "expected value", byteOffset: 1 });
});

Deno.test("parseJson() refuses a byte order mark", () => {
  for (const text of ["\ufeff1", encoder.encode("\ufeff{}")]) {
    const { problem, byteOffset } = refusal(text).details;
    assertEquals({ problem, byteOffset }, { problem: "byte order mark", byteOffset: 0 });
  }
});

Deno.test("parseJson() refuses a text cut anywhere", () => {
  const text =
    '{"a":[1,-2.5e-3,{"b":null,"é😀":"x\\n\\u00e9\\ud83d\\ude00"}],"c":true,"d":[[],{}]}';
  parseJson(text);
  for (let length = 0; length < text.length; length++) {
    const problem = refusal(text.slice(0, length)).details.problem;
    assert(/^EOF while parsing/.test(problem), `${length}: ${problem}`);
  }
  const bytes = encoder.encode(text);
  for (let length = 0; length < bytes.length; length++) refusal(bytes.subarray(0, length));
});

Deno.test("parseJson() refuses a text with one character too many", () => {
  const text = '{"a":[1,-2.5e-3,{"b":null}]}';
  for (const extra of ["x", ",", "]", "}", '"', ":", "\u0000", "\u00a0", "\ufeff"]) {
    for (let at = 0; at <= text.length; at++) {
      const isInName = /"[a-z]?$/.test(text.slice(0, at)) && /^[a-z]?"/.test(text.slice(at));
      if (isInName && extra !== '"' && extra !== "\u0000") continue;
      refusal(text.slice(0, at) + extra + text.slice(at));
    }
  }
});
