/**
 * The power goes while a durable program runs, after any file operation, and again while it goes on: it comes to what
 * it would have come to by itself, and nothing runs again that it had learned of. See `_model/cut.ts`.
 */
import { assertGreater } from "@std/assert";
import { everyCut } from "../../_util/every_cut.ts";
import { EXTREME_SEEDS } from "../../_util/crash_image.ts";
import { FaultPort } from "../../_util/fault_port.ts";
import { comesFrom } from "../../_util/fault_run.ts";
import { CHANGING_CALLS, PowerCut } from "../../_util/fault_script.ts";
import { hastyFilePort } from "../../_util/hasty_port.ts";
import { mixSeeds, Random } from "../../_util/random.ts";
import { isLongRun, longCount, seed, withMemoryDir } from "../../_util/temp.ts";
import { CutWorld, goOnToEnd } from "./_model/cut.ts";
import type { PlannedProgram } from "./_model/planned.ts";
import { planProgram } from "./_model/planning.ts";

/** Everything once, and nothing that takes time. */
const PROGRAM: PlannedProgram = {
  by: "durable",
  durability: "os",
  constraints: { max_retries: 0, max_in_flight: 2 },
  main: {
    op: "seq",
    parts: [
      { op: "step", id: "list", gives: { json: "[1,2]" } },
      {
        op: "all",
        id: "all",
        branches: [
          { op: "step", id: "a", gives: { nothing: true }, delayMs: 1 },
          {
            op: "step",
            id: "b",
            gives: { text: "x", length: 70_000 },
            fails: "error",
            times: 1,
            retry: { maxRetries: 1 },
          },
          { op: "sleep", id: "rest", ms: 1 },
        ],
      },
      { op: "record", id: "seen", data: { json: '{"n":2}' } },
      {
        op: "race",
        id: "race",
        branches: [
          { op: "step", id: "slow", gives: { json: "1" }, delayMs: 2 },
          { op: "step", id: "quick", gives: { json: "2" } },
        ],
      },
      {
        op: "try",
        body: { op: "step", id: "broken", gives: { nothing: true }, fails: "fatal" },
        handler: { op: "step", id: "undo", gives: { json: "null" } },
      },
      {
        op: "step",
        id: "pass",
        gives: { nothing: true },
        passes: { gate: "ask", value: { json: "3" } },
      },
      { op: "gate", id: "ask", by: "step", value: { json: "3" } },
      { op: "submit", id: "work" },
      {
        op: "step",
        id: "fragile",
        gives: { json: "4" },
        fails: "error",
        times: 1,
        isFragile: true,
      },
    ],
  },
};

/** How far into its next life a program may be cut again. */
const SECOND_CUT_WITHIN = 80;

/** Lives on until the power goes, or to the end; gives where the disk is then. */
async function cutAgain(world: CutWorld, root: string, random: Random): Promise<string> {
  world.checkImage(root);
  const port = new FaultPort({ root, base: hastyFilePort });
  port.cutAt(1 + random.below(SECOND_CUT_WITHIN), { only: CHANGING_CALLS });
  try {
    await world.live(port, root);
  } catch (error) {
    if (!port.isCut || !comesFrom(error, (cause) => cause instanceof PowerCut)) throw error;
  } finally {
    port.closeAll();
    port.cutNow();
  }
  const image = `${root}+`;
  await Deno.remove(image, { recursive: true }).catch(() => {});
  port.crashImage(image, EXTREME_SEEDS + random.below(1_000_000));
  return image;
}

Deno.test("a program goes on after a power cut at any operation, and after a second one", async () => {
  const { cuts } = await everyCut<CutWorld>(
    async (port, root, acknowledged) => {
      const world = new CutWorld(PROGRAM);
      acknowledged.push(world);
      await world.live(port, root);
    },
    async (image, { n, seed, acknowledged: [cut] }) => {
      const world = cut!.copy();
      const random = new Random(mixSeeds(seed, n));
      const isCutAgain = seed >= EXTREME_SEEDS && random.chance(0.5);
      await goOnToEnd(world, isCutAgain ? await cutAgain(world, image, random) : image);
    },
    { base: hastyFilePort, only: CHANGING_CALLS, seeds: isLongRun() ? 12 : [0, seed()] },
  );
  assertGreater(cuts, 60);
});

Deno.test("made-up programs go on after power cuts at random operations", async () => {
  for (let index = 0; index < longCount(25, 400); index++) {
    const random = new Random(mixSeeds(seed(), index));
    const world = new CutWorld(planProgram(random));
    try {
      await withMemoryDir(async (directory) => {
        let root = `${directory}/root`;
        await Deno.mkdir(root, { mode: 0o700 });
        for (let cuts = 1 + random.below(4); cuts > 0; cuts--) {
          root = await cutAgain(world, root, random);
        }
        await goOnToEnd(world, root);
      });
    } catch (cause) {
      throw new Error(`Program ${index} of TAFFRAIL_SEED=${seed()} failed`, { cause });
    }
  }
});
