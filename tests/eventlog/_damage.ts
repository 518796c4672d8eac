import type { Random } from "../_util/random.ts";
import { bytesOf } from "./_runs.ts";

/** Twenty events like those of a run. */
export const TWENTY = bytesOf(
  ...Array.from({ length: 20 }, (_, index) => {
    const event = { type: "node.é😀", n: index + 1, error: { kind: "crash" }, list: [{}, "}"] };
    return JSON.stringify(event) + "\n";
  }),
);

/** The twenty lines with a few changes of bytes, ends of lines, and length. */
export function damaged(random: Random): Uint8Array {
  let content = bytesOf(TWENTY);
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const at = random.below(content.length + 1);
    const count = random.below(60);
    const [before, behind] = [content.subarray(0, at), content.subarray(at + count)];
    content = random.pick([
      () => bytesOf(before, random.bytes(count), behind),
      () => bytesOf(before, random.bytes(count), content.subarray(at)),
      () => bytesOf(before, behind),
      () => bytesOf(before),
      () => bytesOf(before, "\r\n", content.subarray(at)),
      () => bytesOf(before, "\n".repeat(count), content.subarray(at)),
      () => bytesOf(before, new Uint8Array(count * 100), behind),
      () => bytesOf("\ufeff", content),
    ])();
  }
  return content;
}
