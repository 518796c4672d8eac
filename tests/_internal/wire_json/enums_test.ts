import { assertEquals, assertThrows } from "@std/assert";
import {
  type Codec,
  decodeJson,
  encodeJson,
  f64,
  optional,
  string,
} from "../../../_internal/wire_json/codec.ts";
import {
  externallyTagged,
  internallyTagged,
  unit,
  unitEnum,
} from "../../../_internal/wire_json/enums.ts";
import { JsonShapeError } from "../../../_internal/wire_json/errors.ts";

type Termination = "Completed" | "TimedOut" | { Failed: "RuntimeError" | "Cancelled" };

const termination: Codec<Termination> = externallyTagged({
  Completed: unit,
  TimedOut: unit,
  Failed: unitEnum(["RuntimeError", "Cancelled"]),
});

type Intent =
  | { kind: "assistant"; purpose?: string }
  | { kind: "task"; objective: string }
  | { kind: "role"; role: string; purpose?: string };

const intent: Codec<Intent> = internallyTagged("kind", {
  assistant: { purpose: optional(string) },
  task: { objective: string },
  role: { role: string, purpose: optional(string) },
});

Deno.test("unitEnum() is the variant's name, case-sensitive (J-12)", () => {
  const kind = unitEnum(["Pump", "DataAvailable", "Command"]);
  assertEquals(encodeJson(kind, "Pump"), '"Pump"');
  assertEquals(decodeJson(kind, '"Command"'), "Command");
  const problem = "unknown variant `pump`, expected one of `Pump`, `DataAvailable`, `Command`";
  assertThrows(() => decodeJson(kind, '"pump"'), JsonShapeError, `Cannot read $: ${problem}`);
  assertThrows(
    () => encodeJson(kind, "pump" as "Pump"),
    JsonShapeError,
    `Cannot print $: ${problem}`,
  );
  assertThrows(() => decodeJson(kind, "null"), JsonShapeError, "null, expected variant identifier");
});

Deno.test("unitEnum() lists one or two variants as serde does (J-12)", () => {
  assertThrows(() => decodeJson(unitEnum(["A"]), '"x"'), TypeError, "`x`, expected `A`");
  assertThrows(
    () => decodeJson(unitEnum(["A", "B"]), '"x"'),
    TypeError,
    "`x`, expected `A` or `B`",
  );
});

Deno.test("unitEnum() reads aliases, but neither writes nor lists them", () => {
  const kind = unitEnum(["Pump", "Command"], { aliases: { Tick: "Pump" } });
  assertEquals(encodeJson(kind, decodeJson(kind, '"Tick"')), '"Pump"');
  assertThrows(() => encodeJson(kind, "Tick" as "Pump"), TypeError, "unknown variant `Tick`");
  assertThrows(() => decodeJson(kind, '"toString"'), TypeError, "expected `Pump` or `Command`");
});

Deno.test("externallyTagged() is a string, or an object of one member (J-12)", () => {
  const values: [Termination, string][] = [
    ["Completed", '"Completed"'],
    [{ Failed: "RuntimeError" }, '{"Failed":"RuntimeError"}'],
  ];
  for (const [value, text] of values) {
    assertEquals(encodeJson(termination, value), text);
    assertEquals(decodeJson(termination, text), value);
  }
  assertEquals(decodeJson(termination, '{"Completed":null}'), "Completed");
  const number = externallyTagged({ Number: f64 });
  assertEquals(encodeJson(number, { Number: 1 }, { style: "pretty" }), '{\n  "Number": 1.0\n}');
});

Deno.test("externallyTagged() refuses other variants and other shapes (J-12)", () => {
  const expected = "expected one of `Completed`, `TimedOut`, `Failed`";
  const refused: [string, string][] = [
    ['"x"', `$: unknown variant \`x\`, ${expected}`],
    ['{"x":1}', `$: unknown variant \`x\`, ${expected}`],
    ['{"Failed":"x"}', "$.Failed: unknown variant `x`, expected `RuntimeError` or `Cancelled`"],
    ['"Failed"', "$: variant `Failed` needs a value"],
    ['{"Completed":1}', "$.Completed: invalid type: integer `1`, expected unit"],
    ['{"Failed":"Cancelled","x":1}', "$: expected an object with one member, the variant"],
    ["{}", "$: expected an object with one member, the variant"],
    ["[]", "$: invalid type: sequence, expected an object"],
    ["null", "$: invalid type: null, expected an object"],
  ];
  for (const [text, message] of refused) {
    assertThrows(
      () => decodeJson(termination, text),
      JsonShapeError,
      `Cannot read ${message}`,
      text,
    );
    const value: Termination = JSON.parse(text);
    if (text.includes("Completed")) continue;
    assertThrows(
      () => encodeJson(termination, value),
      JsonShapeError,
      `Cannot print ${message}`,
      text,
    );
  }
});

Deno.test("internallyTagged() prints the tag first and reads it anywhere (J-12)", () => {
  const value: Intent = { purpose: "p", role: "r", kind: "role" };
  assertEquals(encodeJson(intent, value), '{"kind":"role","role":"r","purpose":"p"}');
  assertEquals(decodeJson(intent, '{"role":"r","kind":"role","purpose":"p"}'), value);
  assertEquals(decodeJson(intent, '{"kind":"assistant"}'), { kind: "assistant" });
  assertEquals(encodeJson(intent, { kind: "assistant" }), '{"kind":"assistant"}');
});

Deno.test("internallyTagged() refuses a missing or unknown tag, read or printed (J-12)", () => {
  const refused: [string, string][] = [
    ["{}", "$: missing field `kind`"],
    ['{"kind":"x"}', "$: unknown variant `x`, expected one of `assistant`, `task`, `role`"],
    ['{"kind":5}', "$: invalid type: integer `5`, expected variant identifier"],
    ["5", "$: invalid type: integer `5`, expected an object"],
  ];
  for (const [text, message] of refused) {
    assertThrows(() => decodeJson(intent, text), JsonShapeError, `Cannot read ${message}`);
    const value: Intent = JSON.parse(text);
    assertThrows(() => encodeJson(intent, value), JsonShapeError, `Cannot print ${message}`);
  }
  assertThrows(() => decodeJson(intent, '{"kind":"task"}'), TypeError, "missing field `objective`");
});

Deno.test("internallyTagged() with a field named value is adjacently tagged (J-12)", () => {
  const profile = internallyTagged("kind", {
    runtime_default: {},
    builtin: { value: string },
  });
  for (const text of ['{"kind":"runtime_default"}', '{"kind":"builtin","value":"builtin:coder"}']) {
    assertEquals(encodeJson(profile, decodeJson(profile, text)), text);
  }
  assertThrows(() => decodeJson(profile, '{"kind":"builtin"}'), TypeError, "missing field `value`");
});
