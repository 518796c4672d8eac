import { type JsonValue, printFloat, rawJson } from "../../../_internal/wire_json/json_value.ts";
import type { Random } from "../../_util/random.ts";

const view = new DataView(new ArrayBuffer(8));

/** A finite double with random bits, so that every exponent is as likely. */
export function randomDouble(random: Random): number {
  view.setUint32(0, random.below(2 ** 32));
  view.setUint32(4, random.below(2 ** 32));
  const value = view.getFloat64(0);
  return Number.isFinite(value) ? value : randomDouble(random);
}

/** Characters of every length in UTF-8, around the surrogates, and all that is escaped. */
const CHARACTERS = [
  ...'ab10_ /"\\\b\f\n\r\t\u0000\u001f\u007f',
  ..."é\u2028\ud7ff\ue000\uffff😀\u{10ffff}",
];

/** A string of up to nine such characters. */
export function randomString(random: Random): string {
  return Array.from({ length: random.below(10) }, () => random.pick(CHARACTERS)).join("");
}

/** A number in every form that printing keeps apart. */
function randomNumber(random: Random): JsonValue {
  switch (random.below(6)) {
    case 0:
      return randomDouble(random);
    case 1:
      return random.next() * 1000;
    case 2:
      return rawJson(printFloat(random.below(1000)));
    case 3:
      return rawJson(String(2n ** 53n + BigInt(random.below(1000))));
    default:
      return random.below(2 ** 32) - 2 ** 31;
  }
}

/** Any JSON of up to `depth` levels. */
export function randomJson(random: Random, depth: number): JsonValue {
  switch (random.below(depth > 0 ? 7 : 4)) {
    case 0:
      return random.pick([null, true, false]);
    case 1:
      return randomNumber(random);
    case 2:
    case 3:
      return randomString(random);
    case 4:
      return Array.from({ length: random.below(6) }, () => randomJson(random, depth - 1));
    default:
      return Object.fromEntries(
        Array.from(
          { length: random.below(6) },
          () => [randomName(random), randomJson(random, depth - 1)],
        ),
      );
  }
}

function randomName(random: Random): string {
  return random.chance(0.1)
    ? random.pick(["__proto__", "toString", "10", "9"])
    : randomString(random);
}
