/**
 * How often a run waits for the disk: a sync is the dearest thing that a node costs, so each that is
 * added has to be meant.
 */
import { assert, assertEquals } from "@std/assert";
import { pathOf, type SystemCall } from "../_util/system_calls.ts";
import { chain, eightAtOnce, syncsBelow, traceFlow, traceTaffrail, traceTest } from "./_traced.ts";

/** What a run costs beside its nodes. */
const OF_A_RUN = 15;
const silent = () => ["true"];
const printing = (id: string) => ["echo", id];

/** The syncs by the name of their file, in words. */
function describe(calls: readonly SystemCall[], cwd: string): string {
  const counts = new Map<string, number>();
  for (const call of syncsBelow(calls, cwd)) {
    const path = pathOf(call)!.replace(/^.*\/(?=[^/]+\/[^/]+$)/, "");
    counts.set(`${call.name} ${path}`, (counts.get(`${call.name} ${path}`) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([what, count]) => `${count} ${what}`)
    .join("\n");
}

function assertSyncs(calls: readonly SystemCall[], cwd: string, most: number): void {
  const count = syncsBelow(calls, cwd).length;
  assert(count <= most, `${count} syncs, at most ${most} are meant:\n${describe(calls, cwd)}`);
  assert(count > 0, "no sync was seen at all");
}

for (const count of [40, 120]) {
  traceTest(
    `a chain of ${count} nodes that print nothing makes at most 1.1 syncs a node`,
    async (cwd) => {
      const { calls } = await traceFlow(chain(count, silent), cwd);
      assertSyncs(calls, cwd, 1.1 * count + OF_A_RUN);
    },
  );

  traceTest(`${count} nodes, eight at once, make at most 0.4 syncs a node`, async (cwd) => {
    const { calls } = await traceFlow(eightAtOnce(count, silent), cwd);
    assertSyncs(calls, cwd, 0.4 * count + OF_A_RUN);
  });
}

traceTest("an output that another node needs adds at most two syncs", async (cwd) => {
  const count = 40;
  const { calls } = await traceFlow(chain(count, printing), cwd);
  // Nobody needs what the last one prints.
  assertSyncs(calls, cwd, 1.1 * count + OF_A_RUN + 2 * (count - 1));
});

traceTest("outputs that nobody needs add no sync", async (cwd) => {
  const { calls } = await traceFlow(eightAtOnce(80, printing), cwd);
  assertSyncs(calls, cwd, 0.4 * 80 + OF_A_RUN);
});

traceTest("outputs that one node needs add at most two syncs each", async (cwd) => {
  const flow = eightAtOnce(40, printing);
  const needs = Object.keys(flow.nodes);
  flow.nodes["last"] = { run: ["true"], needs };
  const { calls } = await traceFlow(flow, cwd);
  assertSyncs(calls, cwd, 0.4 * 41 + OF_A_RUN + 2 * 40);
});

traceTest("an exec in a root that is there makes at most 10 syncs", async (cwd) => {
  const first = await traceTaffrail(["exec", "--", "true"], cwd);
  assertEquals(first.code, 0, first.stderr);
  const { code, stderr, calls } = await traceTaffrail(["exec", "--", "true"], cwd);
  assertEquals(code, 0, stderr);
  assertSyncs(calls, cwd, 10);
});
