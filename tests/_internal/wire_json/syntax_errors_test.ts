/** Where serde_json 1.0.87 finds what is wrong with a text, and what it calls it. */
import { assertEquals, assertThrows } from "@std/assert";
import { JsonSyntaxError } from "../../../_internal/wire_json/errors.ts";
import { parseJson } from "../../../_internal/wire_json/parse_json.ts";

/**
 * A text and what a program with that crate printed. Where our answer differs on purpose, it stands in
 * third place.
 */
const ANSWERS: readonly (readonly [text: string, answer: string, ours?: string])[] = [
  ["", "EOF while parsing a value at line 1 column 0"],
  [" ", "EOF while parsing a value at line 1 column 1"],
  ["\n", "EOF while parsing a value at line 2 column 0"],
  ["{\n", "EOF while parsing an object at line 2 column 0"],
  ["[\n\n  ", "EOF while parsing a list at line 3 column 2"],
  ["nul", "EOF while parsing a value at line 1 column 3"],
  ["nulx", "expected ident at line 1 column 4"],
  ["tru]", "expected ident at line 1 column 4"],
  ["[tru, 1]", "expected ident at line 1 column 5"],
  ["-", "EOF while parsing a value at line 1 column 1"],
  ["-x", "invalid number at line 1 column 2"],
  ["01", "invalid number at line 1 column 2"],
  ["-01", "invalid number at line 1 column 3"],
  ["1.", "EOF while parsing a value at line 1 column 2"],
  ["1.x", "invalid number at line 1 column 3"],
  ["1e", "EOF while parsing a value at line 1 column 2"],
  ["1e+", "EOF while parsing a value at line 1 column 3"],
  ["1ex", "invalid number at line 1 column 3"],
  ["1e400", "number out of range at line 1 column 5"],
  ["[-1e400, 2]", "number out of range at line 1 column 7"],
  [".5", "expected value at line 1 column 1"],
  ["+1", "expected value at line 1 column 1"],
  ["[1,", "EOF while parsing a value at line 1 column 3"],
  ["[1", "EOF while parsing a list at line 1 column 2"],
  ["[", "EOF while parsing a list at line 1 column 1"],
  ["[1,]", "trailing comma at line 1 column 4"],
  ["[,]", "expected value at line 1 column 2"],
  ["[1 2]", "expected `,` or `]` at line 1 column 4"],
  ["{", "EOF while parsing an object at line 1 column 1"],
  ['{"a"', "EOF while parsing an object at line 1 column 4"],
  ['{"a" 1}', "expected `:` at line 1 column 6"],
  ['{"a":', "EOF while parsing a value at line 1 column 5"],
  ['{"a":1', "EOF while parsing an object at line 1 column 6"],
  ['{"a":1,', "EOF while parsing a value at line 1 column 7"],
  ['{"a":1,}', "trailing comma at line 1 column 8"],
  ["{,}", "key must be a string at line 1 column 2"],
  ["{a:1}", "key must be a string at line 1 column 2"],
  ['{"a":1 "b":2}', "expected `,` or `}` at line 1 column 8"],
  ["[1] x", "trailing characters at line 1 column 5"],
  ['{"é": [1, "😀", tru]}', "expected ident at line 1 column 23"],
  ["é", "expected value at line 1 column 1"],
  ['"é', "EOF while parsing a string at line 1 column 3"],
  ['"a', "EOF while parsing a string at line 1 column 2"],
  ['"a\tb"', "control character (\\u0000-\\u001F) found while parsing a string at line 1 column 3"],
  ['"a\nb"', "control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0"],
  ['"\\x"', "invalid escape at line 1 column 3"],
  ['"\\', "EOF while parsing a string at line 1 column 2"],
  ['"\\u12"', "EOF while parsing a string at line 1 column 6"],
  ['"\\u12g4"', "invalid escape at line 1 column 6"],
  ['"\\u12', "EOF while parsing a string at line 1 column 5"],
  ["[\n  1,\n  x\n]", "expected value at line 3 column 3"],
  ['{\n  "a": 1\n  "b": 2\n}', "expected `,` or `}` at line 3 column 3"],
  [
    "[".repeat(128),
    "recursion limit exceeded at line 1 column 128",
    "nesting deeper than 127 levels at line 1 column 128",
  ],
  [
    '"\\ud800"',
    "unexpected end of hex escape at line 1 column 8",
    "lone surrogate in a string at line 1 column 8",
  ],
  [
    '"\\ud800\\u0041"',
    "lone leading surrogate in hex escape at line 1 column 13",
    "lone surrogate in a string at line 1 column 13",
  ],
  [
    '"\\udc00"',
    "lone leading surrogate in hex escape at line 1 column 7",
    "lone surrogate in a string at line 1 column 7",
  ],
  [
    '"\\ud800\\n"',
    "unexpected end of hex escape at line 1 column 9",
    "lone surrogate in a string at line 1 column 9",
  ],
  ["\ufeff{}", "expected value at line 1 column 1", "byte order mark at line 1 column 1"],
  ["NaN", "expected value at line 1 column 1"],
  ["{'a':1}", "key must be a string at line 1 column 2"],
  ["[1]\n\n]", "trailing characters at line 3 column 1"],
];

Deno.test("parseJson() finds a mistake in the column in which serde_json does, and has its word", () => {
  for (const [text, ...answers] of ANSWERS) {
    const ours = answers.at(-1);
    for (const input of [text, new TextEncoder().encode(text)]) {
      for (const duplicates of ["refuse", "last"] as const) {
        const { details } = assertThrows(() => parseJson(input, { duplicates }), JsonSyntaxError);
        const { problem, line, column } = details;
        assertEquals(`${problem} at line ${line} column ${column}`, ours, JSON.stringify(text));
      }
    }
  }
});

Deno.test("parseJson() lets the last of equal names count where it is told to, and checks the others", () => {
  assertEquals(parseJson('{"a":1,"b":2,"a":{"a":3,"a":4}}', { duplicates: "last" }), {
    a: { a: 4 },
    b: 2,
  });
  const hidden: [string, string][] = [
    ['{"a":1e400,"a":1}', "number out of range"],
    ['{"a":"\\ud800","a":1}', "lone surrogate in a string"],
    [`{"a":${"[".repeat(127)}${"]".repeat(127)},"a":1}`, "nesting deeper than 127 levels"],
    ['{"a":{"b":[01]},"a":1}', "invalid number"],
  ];
  for (const [text, problem] of hidden) {
    const parse = () => parseJson(text, { duplicates: "last" });
    assertEquals(assertThrows(parse, JsonSyntaxError).details.problem, problem);
  }
});
