/**
 * Random mutations, and the power fails anywhere, again and again, also while what the last failure
 * left is brought into order: each opening finds what was acknowledged, each mutation whole or not at
 * all (W-FRS-3, W-FRS-8, W-FRS-13).
 */
import { assert, assertEquals } from "@std/assert";
import type { WorkerRuntime } from "../../store/mod.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { comesFrom } from "../_util/fault_run.ts";
import { PowerCut } from "../_util/fault_script.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withMemoryDir } from "../_util/temp.ts";
import { Refusal, type RuntimeModel } from "./_model.ts";
import { nextOperation } from "./_operations.ts";
import {
  assertClean,
  assertSeedFiles,
  look,
  newModel,
  openRuntime,
  perform,
  performBoth,
  seenIn,
} from "./_runtime.ts";
import { createPlain } from "./_scenes.ts";

const ROUNDS = longCount(20, 1000);
const LIVES = 4;
const MOST_OPERATIONS = 12;
const MOST_CALLS = 200;

/** What there may be after the power has failed: one state, or one of two around a mutation. */
class Expected {
  states: RuntimeModel[] = [newModel()];

  /** Which of them it is. From now on it is no other one. */
  recognize(seen: unknown): RuntimeModel {
    const text = JSON.stringify(seen);
    const found = this.states.find((state) => JSON.stringify(seenIn(state)) === text);
    assert(found !== undefined, `none of ${this.states.length} states that there may be: ${text}`);
    this.states = [found];
    return found;
  }
}

async function mutate(runtime: WorkerRuntime, expected: Expected, random: Random): Promise<void> {
  for (let left = random.below(MOST_OPERATIONS); left > 0; left--) {
    const [model] = expected.states;
    const operation = await nextOperation(random, model!);
    const after = model!.clone();
    try {
      after.apply(operation);
    } catch (error) {
      assert(error instanceof Refusal);
      continue;
    }
    expected.states = [model!, after];
    await perform(runtime, operation);
    expected.states = [after];
  }
}

/** Opens, mutates and perhaps closes, until the power fails. */
async function live(port: FaultPort, root: string, life: { expected: Expected; random: Random }) {
  const { expected, random } = life;
  port.cutAt(1 + random.below(MOST_CALLS));
  try {
    const checkpointMutations = random.pick([1, 2, 5, 1000]);
    const runtime = await openRuntime(root, { port, checkpointMutations });
    expected.recognize(await look(runtime));
    await mutate(runtime, expected, random);
    if (random.chance(0.5)) await runtime.close();
  } catch (error) {
    if (!port.isCut || !comesFrom(error, (cause) => cause instanceof PowerCut)) throw error;
  } finally {
    port.closeAll();
  }
  port.cutNow();
}

async function failAgainAndAgain(directory: string, random: Random): Promise<void> {
  const expected = new Expected();
  let root = `${directory}/0`;
  await Deno.mkdir(root);
  for (let life = 1; life <= LIVES; life++) {
    const port = new FaultPort({ root, base: hastyFilePort });
    await live(port, root, { expected, random });
    root = `${directory}/${life}`;
    // The extremes too.
    port.crashImage(root, random.chance(0.3) ? random.below(3) : random.below(2 ** 32));
  }
  await assertClean(root);
  const runtime = await openRuntime(root);
  const model = expected.recognize(await look(runtime));
  await performBoth(runtime, model, createPlain);
  assertEquals(await look(runtime), seenIn(model));
  await runtime.close();
  assertSeedFiles(root, model);
  await assertClean(root);
}

Deno.test("random mutations and power cuts, one after the other, leave what was acknowledged (W-FRS-3, W-FRS-8, W-FRS-13)", async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const random = new Random(mixSeeds(seed(), round));
    try {
      await withMemoryDir((directory) => failAgainAndAgain(directory, random));
    } catch (error) {
      throw new Error(`Round ${round} of TAFFRAIL_SEED=${seed()} failed`, { cause: error });
    }
  }
});
