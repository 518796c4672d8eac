/** What holds of every recording that `shrink` finds, tried on random ones. */
import { assert, assertEquals } from "@std/assert";
import {
  type CaptureBundle,
  diffBundles,
  parseCaptureBundle,
  replayBundle,
  showsDivergence,
  shrink,
  type ShrinkPredicate,
} from "../../../capture/mod.ts";
import { longCount } from "../../_util/temp.ts";
import { createSupervisor } from "../_util.ts";
import {
  changedSupervisor,
  decisionsIn,
  forEachCase,
  inputsOf,
  randomSession,
  textOf,
  withOneLess,
} from "./_sessions.ts";

/** Refuses a recording that is asked about twice, or that cannot be kept in a file. */
function strictly(predicate: ShrinkPredicate): ShrinkPredicate {
  const asked = new Set<string>();
  return async (candidate) => {
    const text = textOf(candidate);
    assert(!asked.has(text), "it asked twice about one recording");
    asked.add(text);
    assertEquals(diffBundles(candidate, parseCaptureBundle(text)), []);
    return await predicate(candidate);
  };
}

/** Shrinks a recording twice, and checks what does not depend on what is looked for. */
async function shrunkOf(
  bundle: CaptureBundle,
  predicate: ShrinkPredicate,
  supervisor: typeof createSupervisor,
): Promise<CaptureBundle> {
  const before = textOf(bundle);
  const options = { createSupervisor: supervisor };
  const result = await shrink(bundle, strictly(predicate), options);
  assertEquals(textOf(bundle), before);
  assert(result.isMinimal);
  assertEquals(await shrink(bundle, predicate, options), result);
  const again = parseCaptureBundle(textOf(result.bundle));
  assertEquals(textOf(again), textOf(result.bundle));
  assert(await predicate(again));
  for await (const smaller of withOneLess(bundle, again, supervisor)) {
    assert(!await predicate(smaller), "a recording of one input less shows it too");
  }
  return result.bundle;
}

Deno.test("shrink() of a recording that replays: what is asked about replays, and the result is 1-minimal", async () => {
  const reasons = new Set<string>();
  let inputs = 0;
  await forEachCase(longCount(150, 3000), async (random) => {
    const bundle = await randomSession(random);
    if (bundle.decisions.length === 0) return;
    const wanted = decisionsIn(bundle).map((text) => text.replace(/^\S+ /, ""));
    const reason = random.pick(wanted);
    reasons.add(reason);
    const shrunk = await shrunkOf(bundle, async (candidate) => {
      assertEquals((await replayBundle(candidate, { createSupervisor })).divergences, []);
      return decisionsIn(candidate).some((text) => text.endsWith(reason));
    }, createSupervisor);
    inputs += inputsOf(bundle) - inputsOf(shrunk);
  });
  // The cases are worth something only if they differ, and if something is left out.
  assert(reasons.size > 8, [...reasons].join());
  assert(inputs > 100);
});

Deno.test("shrink() of a recording that diverges: the first divergence stays, and the result is 1-minimal", async () => {
  let count = 0;
  await forEachCase(longCount(300, 5000), async (random) => {
    const bundle = await randomSession(random);
    const changed = changedSupervisor(random);
    const options = { createSupervisor: changed };
    const [first] = (await replayBundle(bundle, options)).divergences;
    if (first === undefined) return;
    count++;
    const shrunk = await shrunkOf(bundle, showsDivergence(bundle, first, options), changed);
    // Of what differed it is the first thing that differs now.
    const [still] = (await replayBundle(shrunk, options)).divergences;
    assertEquals(still?.path.replace(/\[\d+\]/, ""), first.path.replace(/\[\d+\]/, ""));
  });
  assert(count > 50);
});

Deno.test("shrink() of a recording that diverges says what its own supervisor would have decided", async () => {
  await forEachCase(longCount(400, 10_000), async (random) => {
    const bundle = await randomSession(random);
    const changed = changedSupervisor(random);
    const options = { createSupervisor: changed };
    const [first] = (await replayBundle(bundle, options)).divergences;
    if (first === undefined) return;
    const predicate = showsDivergence(bundle, first, options);
    const { bundle: shrunk } = await shrink(bundle, predicate, options);
    const { divergences } = await replayBundle(shrunk, options);
    const until = Math.min(...divergences.map(({ index }) => index));
    // Numbers that a decision does not depend on are those of the supervisor at hand.
    const others = (await replayBundle(shrunk, { createSupervisor })).divergences
      .filter(({ path, index }) => !path.includes(".numbers.") && index <= until);
    assertEquals(others, []);
  });
});
