import { assertEquals } from "@std/assert";
import { LineEncoder } from "../../_internal/text.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";

const encoder = new TextEncoder();

Deno.test("LineEncoder gives every line its newline, whatever it encoded before", () => {
  const random = new Random(seed());
  const lineEncoder = new LineEncoder();
  const letters = ["a", "é", "→", "😀", "\u2028"];
  for (let round = 0; round < longCount(300, 3000); round++) {
    const length = random.pick([0, 1, 10, 1364, 1365, 1366, 4095, 4096, 20_000]);
    const lines = Array.from(
      { length: 1 + random.below(5) },
      () => random.pick(letters).repeat(random.below(length + 1)),
    );
    const bytes = lineEncoder.encode(lines);
    assertEquals(bytes.length, encoder.encode(lines.join("\n")).length + 1);
    assertEquals(new TextDecoder().decode(bytes), lines.join("\n") + "\n");
  }
});

Deno.test("LineEncoder encodes what is too long for the buffer it keeps", () => {
  const lineEncoder = new LineEncoder();
  for (const length of [349_524, 349_525, 349_526, 1_048_576, 3_000_000]) {
    const bytes = lineEncoder.encode(["😀".repeat(length / 2), "z"]);
    assertEquals(bytes.length, Math.floor(length / 2) * 4 + 3);
    assertEquals(new TextDecoder().decode(bytes.subarray(-3)), "\nz\n");
  }
});
