import { assertEquals } from "@std/assert";
import { decodeJson, encodeJson } from "../../../_internal/wire_json/codec.ts";
import {
  JsonRangeError,
  JsonShapeError,
  JsonSyntaxError,
} from "../../../_internal/wire_json/errors.ts";
import { SERDE_ANSWERS } from "./_serde_answers.ts";
import { type WireType, wireType } from "./_wire_types.ts";

/** What we print after reading the text, or `! ` and the problem. */
function answer(type: WireType, text: string): string {
  try {
    return encodeJson(wireType(type), decodeJson(wireType(type), text));
  } catch (error) {
    if (
      error instanceof JsonSyntaxError || error instanceof JsonShapeError ||
      error instanceof JsonRangeError
    ) return `! ${error.details.problem}`;
    throw error;
  }
}

Deno.test("decodeJson() and encodeJson() answer as Rust does, word for word (J-1 … J-13)", () => {
  for (const [type, text, rust, ours] of SERDE_ANSWERS) {
    assertEquals(answer(type, text), ours ?? rust, `${type} ${text}`);
  }
});

Deno.test("decodeJson() takes nothing that Rust refuses", () => {
  for (const [type, text, rust, ours = rust] of SERDE_ANSWERS) {
    if (rust.startsWith("! ")) assertEquals(ours.slice(0, 2), "! ", `${type} ${text}`);
  }
});
