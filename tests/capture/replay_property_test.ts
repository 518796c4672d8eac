/** What holds for every session, tried on random ones. */
import { assert, assertEquals } from "@std/assert";
import {
  type CaptureBundle,
  compareDecisions,
  diffBundles,
  parseCaptureBundle,
  replayBundle,
  stringifyCaptureBundle,
} from "../../capture/mod.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";
import { randomConcurrentSession, randomSerialSession } from "./_random_session.ts";
import { createSupervisor, EXPECTED } from "./_util.ts";

async function forEachCase(count: number, check: (random: Random) => Promise<void>): Promise<void> {
  for (let index = 0; index < count; index++) {
    try {
      await check(new Random(mixSeeds(seed(), index)));
    } catch (cause) {
      throw new Error(`Case ${index} of TAFFRAIL_SEED=${seed()} failed`, { cause });
    }
  }
}

function checkText(bundle: CaptureBundle, random: Random): CaptureBundle {
  const style = random.pick(["compact", "pretty"] as const);
  const text = stringifyCaptureBundle(bundle, style);
  const again = parseCaptureBundle(text);
  assertEquals(stringifyCaptureBundle(again, style), text);
  assertEquals(diffBundles(bundle, again), []);
  return again;
}

Deno.test("serial sessions replay to identical decisions, from the file too", async () => {
  await forEachCase(longCount(300, 5000), async (random) => {
    const { bundle, newInvoker } = await randomSerialSession(random);
    const again = checkText(bundle, random);
    const options = { createSupervisor, expected: EXPECTED };
    assertEquals((await replayBundle(again, options)).divergences, []);
    const live = await replayBundle(again, { ...options, invoker: newInvoker() });
    assertEquals(live.divergences, []);
    const bare = again.decisions.map((decision) => ({ ...decision, effects: [] }));
    assert(compareDecisions(bare, live.decisions));
  });
});

Deno.test("concurrent sessions replay to identical decisions, from the file too", async () => {
  const reasons = new Set<string>();
  const terminations = new Set<string>();
  await forEachCase(longCount(500, 5000), async (random) => {
    const bundle = checkText(await randomConcurrentSession(random), random);
    assert("inputs" in bundle);
    const report = await replayBundle(bundle, { createSupervisor, expected: EXPECTED });
    assertEquals(report.divergences, []);
    assertEquals(bundle.inputs.length, bundle.decisions.length);
    for (const { reason, termination } of bundle.decisions) {
      reasons.add(reason);
      terminations.add(JSON.stringify(termination));
    }
  });
  // The cases are worth something only if everything happens in them.
  assertEquals(reasons.size, 12);
  assert(terminations.has('"TimedOut"'));
});

Deno.test("concurrent sessions replay live, whatever the order of the answers now", async () => {
  await forEachCase(longCount(200, 3000), async (random) => {
    const bundle = await randomConcurrentSession(random);
    assert("inputs" in bundle);
    const ends = new Map(
      bundle.inputs.flatMap((input) =>
        input.type === "completion"
          ? [[`${input.episode_id} ${input.attempt}`, input.termination] as const]
          : []
      ),
    );
    const report = await replayBundle(bundle, {
      createSupervisor,
      invoker: {
        run: async ({ episodeId, attempt, signal }) => {
          for (let turn = random.below(20); turn > 0; turn--) await Promise.resolve();
          const end = ends.get(`${episodeId} ${attempt}`);
          if (end !== undefined) return end;
          // It was in flight when the recording ended, so the replay does not wait for it.
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          return "Aborted";
        },
      },
    });
    assertEquals(report.divergences, []);
  });
});
