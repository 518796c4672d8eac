import { assert, assertEquals } from "@std/assert";
import { repairStoreOnPort } from "../../store/check/repair_store.ts";
import { RuntimeStoreError, type StoreVerdict, verifyStore } from "../../store/mod.ts";
import { openRuntimeOnPort } from "../../store/runtime/worker_runtime.ts";
import { namesIn } from "../_util/files.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withMemoryDir } from "../_util/temp.ts";
import { goldenPath } from "./_damages.ts";
import { copyTree, treeOf } from "./_tree.ts";

/** Random damage to a runtime that was closed or killed: it is found, mended as far as it goes, and kept. */

const REQUEST = { intent: { kind: "assistant" }, profile: { kind: "runtime_default" } } as const;

/** A runtime with a history; half of the time its owner was killed, so that it has a journal. */
async function makeRuntime(root: string, random: Random): Promise<void> {
  await withMemoryDir(async (elsewhere) => {
    const checkpointMutations = 1 + random.below(12);
    const options = { root: elsewhere, runtimeId: "rt-1" };
    const runtime = await openRuntimeOnPort(hastyFilePort, options, { checkpointMutations });
    for (let count = random.below(4); count >= 0; count--) {
      const { worker_ref } = await runtime.createWorker(REQUEST);
      for (let inputs = random.below(6); inputs > 0; inputs--) {
        await runtime.sendInput(worker_ref, { kind: "user", content: `input ${inputs}` });
      }
      if (random.chance(0.3)) await runtime.cancelWorker(worker_ref);
    }
    if (random.chance(0.2)) await runtime.stopRuntime();
    if (random.chance(0.5)) copyTree(elsewhere, root);
    await runtime.close();
    if (namesIn(root).length === 0) copyTree(elsewhere, root);
  });
}

function filesBelow(directory: string): string[] {
  const files: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) files.push(...filesBelow(path));
    else if (name !== "owner.lock") files.push(path);
  }
  return files.sort();
}

/** Does one thing to one file, as a bad disk or a careless person would. */
function damageOnce(root: string, random: Random): string {
  const files = filesBelow(goldenPath(root));
  if (files.length === 0) return "nothing is left";
  const path = random.pick(files);
  const bytes = Deno.readFileSync(path);
  const at = random.below(bytes.length + 1);
  const end = Math.min(bytes.length, at + random.below(60));
  const name = path.slice(goldenPath(root).length);
  switch (random.below(7)) {
    case 0:
      Deno.writeFileSync(path, bytes.subarray(0, at));
      return `${name} cut at ${at}`;
    case 1:
      Deno.writeFileSync(path, bytes.fill(0, at, end));
      return `${name} NUL from ${at} to ${end}`;
    case 2:
      for (let index = at; index < end; index++) bytes[index] = random.below(256);
      Deno.writeFileSync(path, bytes);
      return `${name} random from ${at} to ${end}`;
    case 3:
      Deno.removeSync(path);
      return `${name} removed`;
    case 4:
      Deno.writeFileSync(path, bytes.subarray(at), { append: true });
      return `${name} has its end from ${at} twice`;
    case 5: {
      const lines = new TextDecoder().decode(bytes).split(/(?<=\n)/);
      lines.splice(random.below(lines.length), 1);
      Deno.writeTextFileSync(path, lines.join(""));
      return `${name} lacks a line`;
    }
    default:
      Deno.renameSync(path, `${path}.${random.below(3)}`);
      return `${name} renamed`;
  }
}

async function tryRound(root: string, random: Random): Promise<void> {
  await makeRuntime(root, random);
  assertEquals((await verifyStore(root)).problems, [], "before any damage");
  const story: string[] = [];
  for (let count = random.below(3); count >= 0; count--) story.push(damageOnce(root, random));
  const context = story.join("; ");
  const before = treeOf(root);
  const found = await verifyStore(root);
  assertEquals(treeOf(root), before, context);

  const { actions, problems } = await repairStoreOnPort(hastyFilePort, root);
  assertEquals(problems.filter(({ repairable }) => repairable), [], context);
  if (actions.length > 0) assert(!found.ok, `${context}: ${JSON.stringify(actions)}`);
  assertNothingLost(found, await verifyStore(root), context);
  const after = treeOf(root);
  const again = await repairStoreOnPort(hastyFilePort, root);
  assertEquals([again.actions, again.problems], [[], problems], context);
  assertEquals(treeOf(root), after, context);
  await assertOpens(root, { isMended: problems.length === 0, context });
}

/** Whatever could be read before can be read afterwards. */
function assertNothingLost(before: StoreVerdict, after: StoreVerdict, context: string): void {
  const [{ workers }, repaired] = [before.runtimes[0]!, after.runtimes[0]!];
  const [events, left] = [eventsIn(before), eventsIn(after)];
  assert(left >= events, `${context}: ${events} events, and now ${left}`);
  assert(
    repaired.workers >= workers,
    `${context}: ${workers} workers, and now ${repaired.workers}`,
  );
}

/** How many events there are, each counted once. */
function eventsIn({ runtimes, problems }: StoreVerdict): number {
  const again = problems.filter(({ kind, path }) =>
    (kind === "duplicate" || kind === "order") && path.endsWith("events.jsonl")
  );
  return runtimes[0]!.events - again.length;
}

async function assertOpens(
  root: string,
  { isMended, context }: { isMended: boolean; context: string },
): Promise<void> {
  try {
    const options = { root, runtimeId: "rt-1" };
    const runtime = await openRuntimeOnPort(hastyFilePort, options, {});
    await runtime.close();
  } catch (error) {
    assert(error instanceof RuntimeStoreError, `${context}: ${error}`);
    assert(!isMended, `${context}: ${error.message}`);
  }
  if (isMended) assertEquals((await verifyStore(root)).problems, [], context);
}

async function tryRandom(seed: number, round: number): Promise<void> {
  const random = new Random(mixSeeds(seed, round));
  try {
    await withMemoryDir((root) => tryRound(root, random));
  } catch (error) {
    throw new Error(`Seed ${seed}, round ${round}: ${(error as Error).message}`, { cause: error });
  }
}

/** Seeds and rounds that once found something. */
const FOUND = [[31, 9], [41, 25], [42, 47], [74, 34], [202, 6]] as const;

Deno.test("repairStore() mends the random damage that it once did not", async () => {
  for (const [seed, round] of FOUND) await tryRandom(seed, round);
});

Deno.test("repairStore() mends random damage, or leaves it as it says (W-FRS-2, W-FRS-10, W-FRS-12)", async () => {
  for (let round = 0; round < longCount(60, 1500); round++) await tryRandom(seed(), round);
});
