/** Two runs in one project never wait for each other, and share no record. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { listRuns } from "../../eventlog/mod.ts";
import { checkWorkers, logOf } from "../run/_records.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, startTaffrail, taffrail, taffrailCommand } from "./_command.ts";
import { outlineOf } from "./_runs.ts";

/** A flow of a name, whose commands are one after the other. */
function flowOf(name: string, commands: string[][]): string {
  const nodes = Object.fromEntries(commands.map((run, index) => [
    `n${index}`,
    { run, ...(index > 0 && { needs: [`n${index - 1}`] }) },
  ]));
  return JSON.stringify({ name, nodes });
}

/** Tells the other one that it has come so far, and waits until that one has. */
function meet(own: string, other: string): string[][] {
  return ["begin", "middle", "end"].map((place) => [
    "sh",
    "-c",
    `: > ${own}.${place}; while ! test -e ${other}.${place}; do sleep 0.01; done`,
  ]);
}

/** All records of all runs are whole, and of each run its own. */
async function checkAll(cwd: string, names: string[]): Promise<void> {
  const root = `${cwd}/.taffrail`;
  const runs = await listRuns(root);
  assertEquals(runs.map((runId) => runId.replace(/-[^-]*$/, "")).toSorted(), names);
  for (const runId of runs) {
    await checkWorkers({ root, runId });
    assertEquals(logOf({ root, runId }).at(-1)?.type, "pipe.completed");
    const replay = await taffrail(["replay", runId], { cwd });
    assertEquals(replay.code, 0, replay.stderr);
  }
  const { code, stdout } = await taffrail(["verify"], { cwd });
  assertEquals(code, 0, stdout);
}

Deno.test({
  name: "two runs in one project go on side by side, from their begin to their end (issue 6)",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      await Deno.writeTextFile(`${cwd}/one.json`, flowOf("one", meet("one", "two")));
      await Deno.writeTextFile(`${cwd}/two.json`, flowOf("two", meet("two", "one")));
      // Each waits for the other in every node: were one to wait for the other's end, none would.
      await using one = startTaffrail(["run", "one.json"], { cwd });
      await using two = startTaffrail(["run", "two.json"], { cwd });
      for (const { code, stderr } of [await one.end(), await two.end()]) {
        assertEquals(code, 0, stderr);
      }
      await checkAll(cwd, ["one", "two"]);
    }),
});

Deno.test({
  name: "a node of a run can run a flow of the same project (issue 6)",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const inner = [["sh", "-c", 'echo "$TAFFRAIL_NODE_ID $TAFFRAIL_RUN_ID"']];
      await Deno.writeTextFile(`${cwd}/inner.json`, flowOf("inner", inner));
      const outer = [["true"], taffrailCommand(["run", "inner.json"]), ["true"]];
      await Deno.writeTextFile(`${cwd}/outer.json`, flowOf("outer", outer));
      const { code, stderr } = await taffrail(["run", "outer.json"], { cwd });
      assertEquals(code, 0, stderr);
      await checkAll(cwd, ["inner", "outer"]);
      const root = `${cwd}/.taffrail`;
      const [innerId = "", outerId = ""] = (await listRuns(root)).toSorted();
      assertEquals(outlineOf(logOf({ root, runId: innerId })), [
        "pipe.started",
        "node.started n0",
        "node.completed n0",
        "pipe.completed",
      ]);
      const output = await Deno.readTextFile(`${root}/runs/${innerId}/nodes/n0.1.out`);
      assertEquals(output, `n0 ${innerId}\n`);
      const told = await Deno.readTextFile(`${root}/runs/${outerId}/nodes/n1.1.out`);
      assertStringIncludes(told, `run_id=${innerId}`);
    }),
});
