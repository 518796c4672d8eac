import { assertEquals } from "@std/assert";
import { LATEST } from "../../../_internal/event_time.ts";
import { backoffDelay } from "../../../supervisor/core/rules.ts";
import { at } from "../_util.ts";

/** How long retries wait. */

/** The waits before the first retries. */
function delays(initial: number, factor: number, max: number, count = 5): number[] {
  const backoff = { initial: at(initial), factor, max: at(max) };
  return Array.from({ length: count }, (_, index) => backoffDelay(backoff, index + 1).secs);
}

Deno.test("backoff: the wait grows by the factor up to the maximum", () => {
  assertEquals(delays(1, 2, 10), [1, 2, 4, 8, 10]);
  assertEquals(delays(3, 1, 10), [3, 3, 3, 3, 3]);
  assertEquals(delays(0, 1_000, 10), [0, 0, 0, 0, 0]);
  assertEquals(delays(20, 2, 10), [10, 10, 10, 10, 10]);
});

Deno.test("backoff: any retry, however late, is computed at once and saturates", () => {
  const backoff = { initial: at(0, 1), factor: 2, max: LATEST };
  assertEquals(backoffDelay(backoff, 31), { secs: 1, nanos: 73_741_824 });
  assertEquals(backoffDelay(backoff, Number.MAX_SAFE_INTEGER), LATEST);
});
