/**
 * What a power cut leaves of a run, wherever it comes; see `_power_cut.ts` for what must hold. Here it is
 * shown that the check itself lets the rule pass and finds each way to break it.
 */
import { assert, assertGreater, assertRejects } from "@std/assert";
import { longCount } from "../_util/temp.ts";
import { cutPowerOfRuns, type PlannedNode } from "./_power_cut.ts";
import { toyEngine, type ToyFault } from "./_toy_engine.ts";

const SEEDS = longCount(6, 24);

/** Two at once, a node that waits for both, and one that fails once. */
const NODES: Record<string, PlannedNode> = {
  a: { needs: [], turns: 2 },
  b: { needs: [], turns: 3, fails: 1 },
  c: { needs: ["a", "b"] },
  d: { needs: ["c"], fails: 1 },
};

Deno.test("an engine that keeps the write-ahead rule survives a power cut after each operation, and a second one", async () => {
  const { cuts, images } = await cutPowerOfRuns(toyEngine(), NODES, { seeds: SEEDS });
  assertGreater(cuts, 30);
  assert(images === cuts * SEEDS);
});

/** What is found for each fault; which of it comes first is a matter of luck. */
const FOUND: Record<ToyFault, RegExp> = {
  "begins before the sync": /began a second time|logged/,
  "tells before the sync": /told that its node had ended well|logged/,
  "logs before the sync": /told that its node had ended well|logged/,
  "forgets begins": /began a second time|logged/,
  "leaves its log behind": /logged/,
};

for (const [fault, found] of Object.entries(FOUND)) {
  Deno.test(`an engine that ${fault} is found out by power cuts`, async () => {
    const error = await assertRejects(
      () => cutPowerOfRuns(toyEngine(fault as ToyFault), NODES, { seeds: SEEDS }),
      Error,
    );
    assert(found.test(error.message), error.message);
  });
}
