/** A process that is killed while it makes runs leaves none that cannot be opened. */
import { assert, assertEquals } from "@std/assert";
import { isLive, listRuns, openEventLog, verifyRun } from "../../eventlog/mod.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withMemoryDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";
import { report } from "./_report.ts";

const KILLS = longCount(10, 200);
const MOST_RUNS = 8;

/** Makes some runs in a process that is killed; returns those that were acknowledged. */
async function createAndKill(root: string, name: string, random: Random): Promise<string[]> {
  await using child = new Child("./_programs/creator.ts", {
    args: [root, name, random.pick(["sync", "async"])],
  });
  const acknowledged: string[] = [];
  for (let left = random.below(MOST_RUNS); left > 0; left--) acknowledged.push(await child.next());
  const until = performance.now() + 3 * random.next();
  while (performance.now() < until);
  await child.kill();
  return [...acknowledged, ...child.takeLines()];
}

/** Opens a run that somebody may have begun to make, and appends to it. */
async function openAfterKill(root: string, runId: string, acknowledged: boolean): Promise<void> {
  assertEquals(await isLive(root, runId), false);
  await using log = await openEventLog<{ runId: string }>({ root, runId });
  const { events, gaps } = await log.read();
  assertEquals(gaps, []);
  if (acknowledged || events.length > 0) assertEquals(events, [{ seq: 1, event: { runId } }]);
  const { lastSeq } = await log.append({ runId: "after" });
  assertEquals(lastSeq, events.length + 1);
  assertEquals((await verifyRun(root, runId)).ok, true);
}

Deno.test("a run whose making was killed can be opened, and those before it are whole", async () => {
  const random = new Random(seed());
  let unfinished = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    await withMemoryDir(async (root) => {
      const acknowledged = new Set(await createAndKill(root, `life-${kill}`, random));
      const runIds = new Set(await listRuns(root));
      for (const runId of acknowledged) assert(runIds.has(runId), `${runId} is listed`);
      for (const runId of runIds) {
        await openAfterKill(root, runId, acknowledged.has(runId));
        if (!acknowledged.has(runId)) unfinished++;
      }
      await openAfterKill(root, "another", false);
    });
  }
  report(`${KILLS} kills left ${unfinished} unfinished runs`);
});
