import { assert, assertEquals } from "@std/assert";
import { SecretMask } from "../../cli/process/secret_mask.ts";
import { joinBytes } from "../../_internal/text.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function masked(mask: SecretMask, chunks: readonly Uint8Array[]): string {
  const stream = mask.stream();
  return decoder.decode(joinBytes([...chunks.map((chunk) => stream.take(chunk)), stream.end()]));
}

for (
  const { secrets, text, expected } of [
    { secrets: ["hunter2"], text: "pw=hunter2;", expected: "pw=***;" },
    { secrets: ["hunter2\n"], text: "hunter2hunter2", expected: "******" },
    { secrets: ["ab", "abc"], text: "abcab abd", expected: "****** ***d" },
    { secrets: ["aab"], text: "aaab aa", expected: "a*** aa" },
    { secrets: ["größe"], text: "die größe, grö", expected: "die ***, grö" },
    { secrets: ["a.b", "$1"], text: "axb a.b $1", expected: "axb *** ***" },
    { secrets: ["", "\n"], text: "all\n", expected: "all\n" },
    { secrets: ["l1\nl2"], text: "l1\nl2\nl1", expected: "***\nl1" },
  ]
) {
  Deno.test(`the secrets ${JSON.stringify(secrets)} are masked in ${JSON.stringify(text)}`, () => {
    const mask = new SecretMask(secrets);
    assertEquals(mask.text(text), expected);
    const bytes = encoder.encode(text);
    for (let cut = 0; cut <= bytes.length; cut++) {
      assertEquals(masked(mask, [bytes.slice(0, cut), bytes.slice(cut)]), expected, `cut ${cut}`);
    }
    assertEquals(masked(mask, Array.from(bytes, (byte) => Uint8Array.of(byte))), expected);
  });
}

Deno.test("only what may be the begin of a secret is held back", () => {
  const stream = new SecretMask(["hunter2"]).stream();
  assertEquals(decoder.decode(stream.take(encoder.encode("Password: "))), "Password: ");
  assertEquals(decoder.decode(stream.take(encoder.encode("with hunt"))), "with ");
  assertEquals(decoder.decode(stream.take(encoder.encode("ing"))), "hunting");
  assertEquals(stream.hasMasked, false);
});

Deno.test("however an output comes in chunks, it is masked as its text is (property)", () => {
  const random = new Random(seed());
  const letters = ["a", "b", "é", "\n"];
  const draw = (most: number) =>
    Array.from({ length: random.below(most) }, () => letters[random.below(letters.length)]!)
      .join("");
  for (let round = 0; round < longCount(300, 20_000); round++) {
    const secrets = Array.from({ length: 1 + random.below(3) }, () => draw(5));
    const mask = new SecretMask(secrets);
    const text = draw(40);
    const bytes = encoder.encode(text);
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const next = at + 1 + random.below(6);
      chunks.push(bytes.slice(at, next));
      at = next;
    }
    const says = `${JSON.stringify(secrets)} in ${JSON.stringify(text)}`;
    assertEquals(masked(mask, chunks), mask.text(text), says);
    for (const secret of secrets.map((one) => one.trimEnd())) {
      // What stands around a mask may look like a secret that never was there as a whole.
      if (secret !== "" && !text.includes(secret)) assert(!masked(mask, chunks).includes(secret));
    }
  }
});
