/** The rules EVT-3 and EVT-4: what a payload may be, and the context derived from it. */
import { assertEquals, assertNotEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  createEvent,
  type ExternalEventKind,
  ExternalEventPayloadError,
} from "../../supervisor/mod.ts";
import { at, event } from "./_util.ts";

function context(payload: string): unknown[] {
  return [...event("e1", 0, { payload }).context];
}

function refusal(payload: string | Uint8Array): ExternalEventPayloadError {
  return assertThrows(
    () => createEvent({ id: "e1", kind: "Command", at: at(0), payload }),
    ExternalEventPayloadError,
  );
}

Deno.test("EVT-3 no bytes make an empty context", () => {
  for (const payload of [undefined, "", new Uint8Array()]) {
    const made = createEvent({ id: "", kind: "Pump", at: at(0), ...(payload && { payload }) });
    assertEquals([made.context.size, made.payload.length], [0, 0]);
  }
});

Deno.test("EVT-3 anything but one JSON object is refused with what it is", () => {
  for (
    const [payload, got] of [
      ["null", "null"],
      ["true", "boolean"],
      ["-1.5", "number"],
      ['"x"', "string"],
      ["[1]", "array"],
    ] as const
  ) {
    const error = refusal(payload);
    assertEquals([error.kind, error.details.actual], ["not-an-object", got]);
    assertEquals(error.message, `payload must be a JSON object, got ${got}`);
  }
});

Deno.test("EVT-3 what is not strict JSON is refused, and the message says so", () => {
  const bad: (string | Uint8Array)[] = [
    "{",
    "{} {}",
    " ",
    "{'a':1}",
    '{"a":01}',
    '{"a":NaN}',
    '{"a":1e400}',
    '{"a":[-1e999]}',
    '{"a":"\\ud800"}',
    '{"\\udc00":1}',
    Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d),
    Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d),
    `{"a":${"[".repeat(127)}${"]".repeat(127)}}`,
    `{"a":${"[".repeat(2_000_000)}${"]".repeat(2_000_000)}}`,
    "[".repeat(2_000_000),
  ];
  for (const payload of bad) {
    const error = refusal(payload);
    assertEquals(error.kind, "invalid-json");
    assertEquals(error.message, `payload bytes are not valid JSON: ${error.details.problem}`);
  }
});

Deno.test("EVT-3 the message is the original program's: word, line and column", () => {
  const problems: [string | Uint8Array, string][] = [
    ["{", "EOF while parsing an object at line 1 column 1"],
    ["{\n'a':1}", "key must be a string at line 2 column 1"],
    ['{"a":}', "expected value at line 1 column 6"],
    ['{"a":1} x', "trailing characters at line 1 column 9"],
    ['{"é":1e400}', "number out of range at line 1 column 11"],
    [
      Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d),
      "invalid unicode code point at line 1",
    ],
    [Uint8Array.of(0xff, 0xfe, 0x7b, 0), "the text is UTF-16, not UTF-8 at line 1 column 1"],
  ];
  for (const [payload, problem] of problems) {
    assertStringIncludes(refusal(payload).details.problem ?? "", problem);
  }
});

Deno.test("EVT-3 nesting is refused beyond 127, and only there", () => {
  const nested = (depth: number) => `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  assertEquals(context(nested(127)), []);
  const problem = "nesting deeper than 127 levels at line 1 column 132";
  assertEquals(refusal(nested(128)).details.problem, problem);
  // Brackets in a string, and beside each other, are no depth.
  assertEquals(context(`{"a":"${"[".repeat(500)}","b":[${"[],".repeat(500)}[]]}`).length, 1);
});

Deno.test("EVT-3 what a later member of the same name hides is checked too", () => {
  const deep = "[".repeat(127) + "]".repeat(127);
  for (
    const hidden of ["1e400", "-1E+999", "9".repeat(400), '"\\uD800"', '{"b":"\\udc00"}', deep]
  ) {
    assertEquals(refusal(`{"a":${hidden},"a":1}`).kind, "invalid-json", hidden);
    assertEquals(refusal(`{"x":[{"a":${hidden},"a":1}]}`).kind, "invalid-json", hidden);
  }
  for (const taken of ["1e308", "1e-400", '"\\ud83d\\ude00"', "[".repeat(126) + "]".repeat(126)]) {
    assertEquals(context(`{"a":${taken},"a":1}`), [["a", { Number: 1 }]]);
  }
});

// nodejs/node#63785
Deno.test("EVT-4 escaped names are kept that V8's JSON.parse confuses with a backslash", () => {
  for (const name of ["\\", "\n", '"', "\u0000", "\\n"]) {
    const payload = `{"y":1,${JSON.stringify(name)}:2}`;
    assertEquals(context(payload), [["y", { Number: 1 }], [name, { Number: 2 }]]);
  }
});

Deno.test("EVT-4 a number is the double that its text stands for, however it is written", () => {
  const payload =
    '{"a":1.0,"b":[1e2,-0.0,2],"c":9007199254740993,"d":18446744073709551616,"e":1e-400}';
  assertEquals(context(payload), [
    ["a", { Number: 1 }],
    ["b", { Series: [100, -0, 2] }],
    ["c", { Number: 9007199254740992 }],
    ["d", { Number: 18446744073709552000 }],
    ["e", { Number: 0 }],
  ]);
  assertEquals(context('{"__proto__":1.0}'), [["__proto__", { Number: 1 }]]);
});

Deno.test("EVT-4 numbers, strings, booleans and arrays of numbers make the context", () => {
  const payload = '{"n":1,"z":-0.0,"s":"é\\n","b":false,"list":[1,2.5],"none":[]}';
  assertEquals(context(payload), [
    ["n", { Number: 1 }],
    ["z", { Number: -0 }],
    ["s", { String: "é\n" }],
    ["b", { Bool: false }],
    ["list", { Series: [1, 2.5] }],
    ["none", { Series: [] }],
  ]);
});

Deno.test("EVT-4 nulls, objects and mixed arrays are left out", () => {
  assertEquals(context('{"a":null,"b":{"c":1},"d":[1,"x"],"e":[[1]],"f":[null]}'), []);
});

Deno.test("EVT-4 the last of equal keys counts, and __proto__ is a key like any other", () => {
  assertEquals(context('{"a":1,"a":2}'), [["a", { Number: 2 }]]);
  assertEquals(context('{"__proto__":1}'), [["__proto__", { Number: 1 }]]);
});

Deno.test("EVT-4 integers become f64", () => {
  assertEquals(context('{"a":18446744073709551615}'), [["a", { Number: 2 ** 64 }]]);
});

Deno.test("createEvent() keeps a copy of the payload and freezes the event", () => {
  const payload = new TextEncoder().encode('{"x":1}');
  const made = createEvent({ id: "e1", kind: "Command", at: at(1, 5), payload });
  payload[2] = 0x79;
  assertNotEquals(made.payload, payload);
  assertEquals([...made.context.keys()], ["x"]);
  assertEquals([Object.isFrozen(made), Object.isFrozen(made.at)], [true, true]);
});

Deno.test("createEvent() names the field that is wrong", () => {
  const good = { id: "e1", kind: "Command", at: at(0) } as const;
  const make = (wrong: object) => () => createEvent({ ...good, ...wrong });
  assertThrows(make({ id: 1 }), TypeError, "event.id: expected a string");
  assertThrows(make({ kind: "Tick" as ExternalEventKind }), TypeError, "event.kind: expected Pump");
  assertThrows(make({ at: null }), TypeError, "event.at: expected { secs, nanos }");
  assertThrows(make({ at: { secs: 1 } }), TypeError, "event.at.nanos");
  assertThrows(make({ at: { secs: 1, nanos: 0, x: 1 } }), TypeError, 'unknown field "x"');
  assertThrows(make({ at: at(0.5) }), RangeError, "event.at.secs");
  assertThrows(make({ at: at(-1) }), RangeError, "event.at.secs");
  assertThrows(make({ at: at(0, 1_000_000_000) }), RangeError, "event.at.nanos");
  assertThrows(make({ at: at(2 ** 53) }), RangeError, "event.at.secs");
});
