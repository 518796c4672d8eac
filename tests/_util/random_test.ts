import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { mixSeeds, Random } from "./random.ts";

Deno.test("Random gives mulberry32's numbers for a seed", () => {
  const random = new Random(42);
  const first = [random.next(), random.next(), random.next()];
  assertEquals(first, [0.6011037519201636, 0.44829055899754167, 0.8524657934904099]);
});

Deno.test("Random draws within the limits and repeats with the seed", () => {
  const draw = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 1000 }, () => random.below(7));
  };
  assertEquals(draw(3), draw(3));
  assertNotEquals(draw(3), draw(4));
  assertEquals([...new Set(draw(3))].sort(), [0, 1, 2, 3, 4, 5, 6]);
  const random = new Random(1);
  assert(["a", "b"].includes(random.pick(["a", "b"])));
  assertEquals(random.bytes(10).length, 10);
  assertEquals([random.chance(0), random.chance(1)], [false, true]);
  assertThrows(() => random.pick([]), RangeError, "there are no values");
});

Deno.test("mixSeeds() keeps neighbours apart", () => {
  const mixed = new Set<number>();
  for (let a = 0; a < 50; a++) for (let b = 0; b < 50; b++) mixed.add(mixSeeds(a, b));
  assertEquals(mixed.size, 2500);
});
