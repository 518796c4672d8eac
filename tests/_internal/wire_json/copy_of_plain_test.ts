import { assert, assertEquals } from "@std/assert";
import { copyOfPlain } from "../../../_internal/wire_json/json_value.ts";

Deno.test("copyOfPlain() copies at every depth, and takes members of any name as they are", () => {
  const value = JSON.parse('{"a":[{"b":null,"c":[1,[true]]}],"__proto__":{"d":{"e":"f"}}}');
  const copy = copyOfPlain(value);
  assertEquals(JSON.stringify(copy), JSON.stringify(value));
  assertEquals(Object.keys(copy), ["a", "__proto__"]);
  assert(copy.a[0].c[1] !== value.a[0].c[1]);
  value.a[0].c[1].push(2);
  Object.getOwnPropertyDescriptor(value, "__proto__")!.value.d.e = "g";
  assertEquals(
    JSON.stringify(copy),
    '{"a":[{"b":null,"c":[1,[true]]}],"__proto__":{"d":{"e":"f"}}}',
  );
});

Deno.test("copyOfPlain() gives what is no object as it is", () => {
  for (const value of [null, undefined, "text", 1, false]) assertEquals(copyOfPlain(value), value);
});
