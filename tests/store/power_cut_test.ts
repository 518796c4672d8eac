/**
 * The power fails after each file operation there is, of each kind of mutation, of opening, checkpoints
 * and closing: on opening again each mutation is there whole or not at all, those that were acknowledged
 * are there, the next one works, and `verifyStore` finds nothing (W-FRS-3, W-FRS-8, W-FRS-13).
 */
import { assert, assertEquals, assertGreater, assertInstanceOf } from "@std/assert";
import { RuntimeStoreError, type WorkerRuntime } from "../../store/mod.ts";
import { type CutInfo, everyCut, type EveryCutOptions } from "../_util/every_cut.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { CHANGING_CALLS } from "../_util/fault_script.ts";
import { isThere, readBytes, write } from "../_util/files.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { isLongRun, longCount, withMemoryDir } from "../_util/temp.ts";
import type { Operation, RuntimeModel } from "./_model.ts";
import {
  assertClean,
  assertSeedFiles,
  KillableRuntime,
  look,
  newModel,
  openRuntime,
  openStore,
  pathOf,
  perform,
  performAll,
  performBoth,
  seenIn,
  writeSeedFiles,
} from "./_runtime.ts";
import {
  createFull,
  createPlain,
  everyKind,
  input,
  stopAll,
  stopFirst,
  storeBundle,
  storeOther,
} from "./_scenes.ts";

const SEEDS = longCount(3, 8);

/** Mutations that are done, and are to be found, together. */
type Step = readonly Operation[];

/** What was there before the workload, and what it does. */
interface Scene {
  /** Written by the seed's program, closed. */
  before?: readonly Operation[];
  /** Then done by a process that was killed, so that its journal is still there. */
  journal?: readonly Operation[];
  /** Then done after a checkpoint, whose removal of the first journal a power cut has undone. */
  nextJournal?: readonly Operation[];
  steps: readonly Step[];
  /** Whether all steps are begun before any is awaited, so that they share writes and syncs. */
  together?: boolean;
  /** How many mutations make a checkpoint. */
  checkpointMutations?: number;
}

/** The model after 0, 1, 2, … steps. */
function statesOf({ before = [], journal = [], nextJournal = [], steps }: Scene): RuntimeModel[] {
  const model = newModel();
  model.applyAll([...before, ...journal, ...nextJournal]);
  const states = [model.clone()];
  for (const step of steps) {
    model.applyAll(step);
    states.push(model.clone());
  }
  return states;
}

async function prepare(
  root: string,
  { before, journal, nextJournal = [] }: Scene,
): Promise<void> {
  if (before === undefined && journal === undefined) return;
  const model = newModel();
  model.applyAll(before ?? []);
  writeSeedFiles(root, model);
  if (journal === undefined) return;
  const open = await KillableRuntime.open(root, journal.length);
  for (const operation of journal) await perform(open.runtime, operation);
  const stale = pathOf(root, "journal-1.jsonl");
  const bytes = readBytes(stale);
  for (const operation of nextJournal) await perform(open.runtime, operation);
  open.kill();
  assertEquals(isThere(stale), nextJournal.length === 0, "a checkpoint removes the journal");
  write(stale, bytes);
}

/** Opens, does the steps, closes; acknowledges by number how many steps are safe. */
async function workload(
  port: FaultPort,
  root: string,
  { acknowledged, scene }: { acknowledged: number[]; scene: Scene },
): Promise<void> {
  const { checkpointMutations = 1000, steps, together = false } = scene;
  const runtime = await openRuntime(root, { port, checkpointMutations });
  acknowledged.push(0);
  const begun: Promise<unknown>[] = [];
  for (const [index, step] of steps.entries()) {
    const done = take(runtime, step).then(() => acknowledged.push(index + 1));
    if (together) begun.push(done);
    else await done;
  }
  await allOrFirstError(begun);
  await runtime.close();
}

function take(runtime: WorkerRuntime, step: Step): Promise<unknown> {
  return step.length === 1 ? perform(runtime, step[0]!) : performAll(runtime, step);
}

/** Waits for all, so that nothing goes on behind the workload's back. */
async function allOrFirstError(promises: Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

async function checkImage(
  root: string,
  { acknowledged }: CutInfo<number>,
  { states, together = false }: Pick<Scene, "together"> & { states: readonly RuntimeModel[] },
): Promise<void> {
  const safe = acknowledged.at(-1) ?? 0;
  const readBefore = await lookWithoutChanging(root);
  const runtime = await openRuntime(root);
  const seen = JSON.stringify(await look(runtime));
  // Before the runtime was recorded there was nothing to read, and now it has been made.
  if (readBefore !== undefined) assertEquals(readBefore, seen, "readers see what the owner sees");
  const found = states.findIndex((state) => JSON.stringify(seenIn(state)) === seen);
  assert(found >= 0, `what is there is not the state after any number of steps: ${seen}`);
  assert(found >= safe, `${safe} steps were acknowledged and ${found} are there`);
  if (!together) assert(found <= safe + 1, `${safe} steps were acknowledged, ${found} are there`);
  const model = states[found]!.clone();
  await performBoth(runtime, model, createPlain);
  if (!model.isStopped) await performBoth(runtime, model, input(model.refs.length, "next"));
  assertEquals(await look(runtime), seenIn(model));
  await runtime.close();
  assertSeedFiles(root, model);
  await assertClean(root);
}

/** What a reader sees of what the power cut left; undefined when there is no runtime yet. */
async function lookWithoutChanging(root: string): Promise<string | undefined> {
  try {
    await using store = await openStore(root);
    return JSON.stringify(await look(store));
  } catch (error) {
    assertInstanceOf(error, RuntimeStoreError);
    assertEquals(error.kind, "store-missing");
    return undefined;
  }
}

async function cutEverywhere(
  scene: Scene,
  options: Pick<EveryCutOptions, "seeds" | "only"> = {},
): Promise<number> {
  const states = statesOf(scene);
  const { cuts } = await everyCut<number>(
    (port, root, acknowledged) => workload(port, root, { acknowledged, scene }),
    (image, info) => checkImage(image, info, { ...scene, states }),
    {
      seeds: SEEDS,
      before: (root) => prepare(root, scene),
      base: hastyFilePort,
      ...(!isLongRun() && { only: CHANGING_CALLS }),
      ...options,
    },
  );
  return cuts;
}

const one = (operations: readonly Operation[]): Step[] => operations.map((step) => [step]);
const oneWorker = [storeBundle, createFull];

const scenes: Record<string, Scene> = {
  "opening in an empty directory and closing": { steps: one([createPlain]) },
  "every kind of mutation, with a checkpoint at the close": {
    before: [],
    steps: one(everyKind),
  },
  "every kind of mutation, with checkpoints between them": {
    before: oneWorker,
    steps: one([storeOther, ...everyKind.slice(2)]),
    checkpointMutations: 2,
  },
  "transactions": {
    before: oneWorker,
    steps: [[createPlain, input(2, "a"), stopFirst, storeOther], [
      input(2, "page ", 5000),
      stopAll,
    ]],
  },
  "mutations that share writes and syncs": {
    before: oneWorker,
    steps: [...one([input(1, "a"), createPlain, input(2, "page ", 5000)]), [
      input(1, "b"),
      input(2, "c"),
    ], [stopFirst]],
    together: true,
  },
  "inputs past the room that a journal has reserved": {
    before: oneWorker,
    steps: one(["a", "b", "c", "d"].map((text) => input(1, text, 30_000))),
  },
  "redoing the journal of a killed process": {
    before: oneWorker,
    journal: [input(1, "a"), createPlain, input(2, "page ", 5000), stopFirst],
    steps: one([input(2, "b")]),
  },
};

for (const [name, scene] of Object.entries(scenes)) {
  Deno.test(`a power cut after any operation of ${name} leaves each mutation whole or not at all (W-FRS-3, W-FRS-8, W-FRS-13)`, async () => {
    assertGreater(await cutEverywhere(scene), 20);
  });
}

Deno.test("a power cut never leaves an older journal alone (W-FRS-3)", async () => {
  const scene = {
    before: oneWorker,
    journal: [input(1, "a"), createPlain],
    nextJournal: [input(2, "b")],
    steps: one([input(2, "c")]),
  };
  // Which of several removals is undone is a matter of luck.
  await cutEverywhere(scene, {
    seeds: longCount(12, 40),
    only: ["removeSync", "sync", "syncSync"],
  });
});

Deno.test("after a close no power cut brings a journal back, or takes anything away", () =>
  withMemoryDir(async (directory) => {
    const root = `${directory}/root`;
    await Deno.mkdir(root);
    const port = new FaultPort({ root, base: hastyFilePort });
    const runtime = await openRuntime(root, { port, checkpointMutations: 3 });
    for (const operation of everyKind) await perform(runtime, operation);
    await runtime.close();
    const model = newModel();
    model.applyAll(everyKind);
    for (let seed = 0; seed < 20; seed++) {
      const image = `${directory}/${seed}`;
      port.crashImage(image, seed);
      assertSeedFiles(image, model);
    }
  }));
