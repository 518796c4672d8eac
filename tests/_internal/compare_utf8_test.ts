import { assertEquals } from "@std/assert";
import { compareUtf8 } from "../../_internal/text.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";
import { randomString } from "./wire_json/_random_json.ts";

const encoder = new TextEncoder();

function compareBytes(a: string, b: string): number {
  const bytesA = encoder.encode(a);
  const bytesB = encoder.encode(b);
  const at = bytesA.findIndex((byte, index) => byte !== bytesB[index]);
  return at === -1 ? bytesA.length - bytesB.length : (bytesA[at] ?? 0) - (bytesB[at] ?? -1);
}

Deno.test("compareUtf8() puts astral characters last, unlike JavaScript (J-2)", () => {
  const names = ["\u{1f600}", "\uffff", "\ue000", "\ud7ff", "é", "b", "a", "10", "9", ""];
  const sorted = ["", "10", "9", "a", "b", "é", "\ud7ff", "\ue000", "\uffff", "\u{1f600}"];
  assertEquals(names.toSorted(compareUtf8), sorted);
  assertEquals(names.toSorted().at(-1), "\uffff");
});

Deno.test("compareUtf8() orders any two strings as their bytes (J-2)", () => {
  const random = new Random(seed());
  for (let round = 0; round < longCount(5_000, 200_000); round++) {
    const [a, b] = [randomString(random), randomString(random)];
    assertEquals(
      Math.sign(compareUtf8(a, b)),
      Math.sign(compareBytes(a, b)),
      JSON.stringify([a, b]),
    );
  }
});
