import { assertEquals } from "@std/assert";
import {
  addDuration,
  compareTimes,
  durationBetween,
  durationOfMs,
  earlierOf,
  hasElapsed,
  laterOf,
  LATEST,
  multiplyDuration,
  ZERO,
} from "../../../_internal/event_time.ts";
import type { EventTime } from "../../../supervisor/mod.ts";
import { mixSeeds, Random } from "../../_util/random.ts";
import { longCount, seed } from "../../_util/temp.ts";

/** SCH-18: event time, beside the same arithmetic in nanoseconds as a bigint. */

const SECOND = 1_000_000_000n;
const END = BigInt(LATEST.secs) * SECOND + BigInt(LATEST.nanos);

function big({ secs, nanos }: EventTime): bigint {
  return BigInt(secs) * SECOND + BigInt(nanos);
}

/** The time of a number of nanoseconds, saturated at both ends. */
function small(nanos: bigint): EventTime {
  const inRange = nanos < 0n ? 0n : nanos > END ? END : nanos;
  return { secs: Number(inRange / SECOND), nanos: Number(inRange % SECOND) };
}

/** A time, now and then at one of the edges. */
function randomTime(random: Random): EventTime {
  const secs = random.pick([0, 1, random.below(100), LATEST.secs, LATEST.secs - random.below(100)]);
  return { secs, nanos: random.pick([0, 1, 999_999_999, random.below(1_000_000_000)]) };
}

Deno.test("SCH-18 arithmetic saturates and is exact below that", () => {
  for (let round = 0; round < longCount(5_000, 200_000); round++) {
    const random = new Random(mixSeeds(seed(), round));
    const [a, b, c] = [randomTime(random), randomTime(random), randomTime(random)];
    const factor = 1 + random.below(1_000);
    const order = big(a) < big(b) ? -1 : big(a) > big(b) ? 1 : 0;
    assertEquals(Math.sign(compareTimes(a, b)), order);
    assertEquals(laterOf(a, b), order < 0 ? b : a);
    assertEquals(earlierOf(a, b), order < 0 ? a : b);
    assertEquals(addDuration(a, b), small(big(a) + big(b)));
    assertEquals(durationBetween(a, b), small(big(b) - big(a)));
    assertEquals(multiplyDuration(a, factor), small(big(a) * BigInt(factor)));
    const [start, now] = [earlierOf(a, b), laterOf(a, b)];
    assertEquals(hasElapsed(start, c, now), big(now) - big(start) >= big(c));
  }
});

Deno.test("durationOfMs() keeps every millisecond", () => {
  assertEquals(durationOfMs(0), ZERO);
  assertEquals(durationOfMs(999), { secs: 0, nanos: 999_000_000 });
  assertEquals(durationOfMs(61_001), { secs: 61, nanos: 1_000_000 });
  assertEquals(durationOfMs(Number.MAX_SAFE_INTEGER), {
    secs: 9_007_199_254_740,
    nanos: 991_000_000,
  });
});
