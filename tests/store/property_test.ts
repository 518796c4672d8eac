/**
 * Any sequence of mutations, with the runtime closed, killed and opened again anywhere, equals the
 * in-memory model (WRT-1 to WRT-16): what is answered, what readers see, and after a close the files.
 */
import { assert, assertEquals } from "@std/assert";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { type Operation, Refusal, type RuntimeModel } from "./_model.ts";
import { nextOperation } from "./_operations.ts";
import {
  assertClean,
  assertRefusal,
  assertSeedFiles,
  KillableRuntime,
  look,
  newModel,
  performAll,
  performBoth,
  seenIn,
} from "./_runtime.ts";

const SEQUENCES = longCount(12, 400);
const STEPS = 60;

/** A runtime and its model through closes and kills. */
class Life {
  readonly #root: string;
  readonly #random: Random;
  readonly model = newModel();
  #open: KillableRuntime;

  private constructor(root: string, random: Random, open: KillableRuntime) {
    this.#root = root;
    this.#random = random;
    this.#open = open;
  }

  static async begin(root: string, random: Random): Promise<Life> {
    return new Life(root, random, await openKillable(root, random));
  }

  async step(): Promise<void> {
    const draw = this.#random.next();
    if (draw < 0.04) await this.close();
    else if (draw < 0.1) this.#open.kill();
    else if (draw < 0.2) return await this.#transact();
    else if (draw < 0.25) return await this.#mutateTogether();
    else if (draw < 0.3) return await this.compare();
    else return await this.#mutate();
    this.#open = await openKillable(this.#root, this.#random);
    await this.compare();
  }

  async #mutate(): Promise<void> {
    const operation = await nextOperation(this.#random, this.model);
    await performBoth(this.#open.runtime, this.model, operation);
  }

  /** Several that nobody awaits before the next: they are done in the order of the calls. */
  async #mutateTogether(): Promise<void> {
    const sketch: RuntimeModel = this.model.clone();
    const operations: Operation[] = [];
    for (let left = this.#random.below(8); left > 0; left--) {
      const operation = await nextOperation(this.#random, sketch);
      attempt(sketch, operation);
      operations.push(operation);
    }
    await Promise.all(
      operations.map((operation) => performBoth(this.#open.runtime, this.model, operation)),
    );
  }

  /** Several at one sync: all or none. */
  async #transact(): Promise<void> {
    const operations: Operation[] = [];
    const sketch: RuntimeModel = this.model.clone();
    for (let left = this.#random.below(6); left > 0; left--) {
      const operation = await nextOperation(this.#random, sketch);
      // Most of them shall go through.
      if (attempt(sketch, operation) || this.#random.chance(0.1)) operations.push(operation);
    }
    let expected: string[];
    try {
      expected = this.model.applyAll(operations);
    } catch (refusal) {
      const error = await performAll(this.#open.runtime, operations)
        .then(() => undefined, (error) => error);
      assertRefusal(error, refusal);
      return await this.compare();
    }
    assertEquals(await performAll(this.#open.runtime, operations), expected);
  }

  /** What readers see is what the model holds, in pages of any size. */
  async compare(): Promise<void> {
    const page = this.#random.pick([1, 3, 100]);
    assertEquals(await look(this.#open.runtime, page), seenIn(this.model));
  }

  async close(): Promise<void> {
    await this.#open.runtime.close();
    assertSeedFiles(this.#root, this.model);
    await assertClean(this.#root);
  }

  /** Ends without the assertions of a close. */
  kill(): void {
    this.#open.kill();
  }
}

function openKillable(root: string, random: Random): Promise<KillableRuntime> {
  return KillableRuntime.open(root, random.pick([1, 2, 7, 1000]), random.pick(["os", "disk"]));
}

function attempt(model: RuntimeModel, operation: Operation): boolean {
  try {
    model.apply(operation);
    return true;
  } catch (error) {
    assert(error instanceof Refusal);
    return false;
  }
}

async function live(root: string, random: Random): Promise<void> {
  const life = await Life.begin(root, random);
  try {
    for (let step = 0; step < STEPS; step++) await life.step();
    await life.compare();
    await life.close();
  } finally {
    life.kill();
  }
}

Deno.test("any sequence of mutations, closed, killed and opened anywhere, equals the model (WRT-1 to WRT-16)", async () => {
  for (let n = 0; n < SEQUENCES; n++) {
    const random = new Random(mixSeeds(seed(), n));
    try {
      await withTempDir((root) => live(root, random));
    } catch (error) {
      throw new Error(`Sequence ${n} of TAFFRAIL_SEED=${seed()} failed`, { cause: error });
    }
  }
});
