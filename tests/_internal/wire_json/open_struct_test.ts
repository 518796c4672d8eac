import { assertEquals, assertThrows } from "@std/assert";
import {
  decodeJson,
  encodeJson,
  optional,
  string,
  u64,
} from "../../../_internal/wire_json/codec.ts";
import { internallyTagged } from "../../../_internal/wire_json/enums.ts";
import { openStruct, unknownNames } from "../../../_internal/wire_json/struct.ts";

Deno.test("openStruct() prints unknown fields behind its own, as they stood (J-10)", () => {
  const codec = openStruct({ id: u64, name: optional(string) });
  const text = '{"zebra":1.0,"id":1,"apple":{"n":12345678901234567890}}';
  const value = decodeJson(codec, text);
  assertEquals(unknownNames(value, { id: 0, name: 0 }), ["zebra", "apple"]);
  const printed = '{"id":1,"zebra":1.0,"apple":{"n":12345678901234567890}}';
  assertEquals(encodeJson(codec, value), printed);
  assertThrows(() => decodeJson(codec, '{"zebra":1}'), TypeError, "missing field `id`");
});

Deno.test("internallyTagged() of open structs keeps unknown fields of a variant (J-10)", () => {
  const variants = { task: { objective: string }, assistant: {} };
  const text = '{"kind":"task","objective":"x","since":2}';
  const open = internallyTagged("kind", variants, openStruct);
  assertEquals(encodeJson(open, decodeJson(open, text)), text);
  const closed = internallyTagged("kind", variants);
  const without = '{"kind":"task","objective":"x"}';
  assertEquals(encodeJson(closed, decodeJson(closed, text)), without);
});
