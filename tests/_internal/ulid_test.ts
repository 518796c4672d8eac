import { assert, assertEquals, assertFalse, assertGreater, assertThrows } from "@std/assert";
import { createUlid, incrementUlid, isUlid, ulidAfter } from "../../_internal/root_layout.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";

const TIME_MS = Date.UTC(2026, 3, 15, 12);
const GREATEST = "7zzzzzzzzzzzzzzzzzzzzzzzzz";
const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";

Deno.test("createUlid() puts the time into the first ten digits", () => {
  assertEquals(createUlid(0).slice(0, 10), "0000000000");
  assertEquals(createUlid(2 ** 48 - 1).slice(0, 10), "7zzzzzzzzz");
  // The example of the reference implementation, 01ARYZ6S41TSV4RRFFQ69G5FAV.
  assertEquals(createUlid(1469918176385).slice(0, 10), "01aryz6s41");
  assert(createUlid(TIME_MS) < createUlid(TIME_MS + 1));
});

Deno.test("createUlid() gives 26 lower-case digits and no two alike (OEV-1)", () => {
  const ulids = Array.from({ length: 2000 }, () => createUlid(TIME_MS));
  assert(ulids.every(isUlid));
  assertEquals(new Set(ulids).size, ulids.length);
});

Deno.test("createUlid() refuses a time that 48 bits cannot hold", () => {
  for (const timeMs of [-1, 2 ** 48, 1.5, NaN, Infinity]) {
    assertThrows(() => createUlid(timeMs), RangeError, "Cannot make a ULID of the time");
  }
});

Deno.test("isUlid() refuses upper case, foreign letters and wrong lengths", () => {
  assert(isUlid("01kpfntqeej7vhn935kc0tm9vp"));
  assert(isUlid(GREATEST));
  for (
    const text of [
      "",
      "01KPFNTQEEJ7VHN935KC0TM9VP",
      "01kpfntqeej7vhn935kc0tm9v",
      "01kpfntqeej7vhn935kc0tm9vpp",
      "81kpfntqeej7vhn935kc0tm9vp",
      "01kpfntqeej7vhn935kc0tm9vi",
      "01kpfntqeej7vhn935kc0tm9vl",
      "01kpfntqeej7vhn935kc0tm9vo",
      "01kpfntqeej7vhn935kc0tm9vu",
      "01kpfntqeej7vhn935kc0tm9vp\n",
    ]
  ) assertFalse(isUlid(text), JSON.stringify(text));
});

Deno.test("incrementUlid() carries, into the time too, and knows the greatest (OUL-2, OUL-3)", () => {
  assertEquals(incrementUlid("01kpfntqeej7vhn935kc0tm9vp"), "01kpfntqeej7vhn935kc0tm9vq");
  assertEquals(incrementUlid("01kpfntqeej7vhn935kc0tm9vz"), "01kpfntqeej7vhn935kc0tm9w0");
  assertEquals(incrementUlid("01kpfntqeezzzzzzzzzzzzzzzz"), "01kpfntqef0000000000000000");
  assertThrows(() => incrementUlid(GREATEST), RangeError, "Cannot make a ULID greater than 7z");
});

Deno.test("incrementUlid() is the next number in base 32, for any ULID", () => {
  const random = new Random(seed());
  const valueOf = (ulid: string) =>
    [...ulid].reduce((sum, digit) => sum * 32n + BigInt(DIGITS.indexOf(digit)), 0n);
  for (let round = 0; round < longCount(500, 20_000); round++) {
    const tail = random.below(27);
    const ulid = createUlid(TIME_MS).slice(0, 26 - tail) + "z".repeat(tail);
    if (!isUlid(ulid) || ulid === GREATEST) continue;
    assertEquals(valueOf(incrementUlid(ulid)), valueOf(ulid) + 1n, ulid);
  }
});

Deno.test("ulidAfter() is greater than the last one, also when the clock has gone back (OUL-2)", () => {
  let last: string | undefined;
  for (const timeMs of [5000, 5000, 5001, 17, 17, 5001, 5002]) {
    const next = ulidAfter(last, timeMs);
    if (last !== undefined) assertGreater(next, last);
    last = next;
  }
  assertEquals(last?.slice(0, 10), createUlid(5002).slice(0, 10));
});

Deno.test("ulidAfter() gives of one time, and of an earlier one, the ULID that follows", () => {
  const last = createUlid(TIME_MS);
  for (const timeMs of [TIME_MS, TIME_MS - 1, 0]) {
    assertEquals(ulidAfter(last, timeMs), incrementUlid(last));
  }
  assertEquals(ulidAfter(last, TIME_MS + 1).slice(0, 10), createUlid(TIME_MS + 1).slice(0, 10));
});
