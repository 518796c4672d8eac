/** Tasks are gone on with as they are now, and it is told where they have changed. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { readFlowRecord } from "../../cli/flow/flow_record.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, startTaffrail, taffrail } from "./_command.ts";
import { onlyRun, placeOf } from "./_runs.ts";

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SIGNALS, fn: () => withTempDir(body) });
}

async function writeTasks(cwd: string, tasks: Record<string, unknown>): Promise<void> {
  await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify({ tasks }));
}

/** Starts a run, and kills it with SIGKILL when it has printed a line. */
async function killAt(cwd: string, args: string[], line: RegExp): Promise<string> {
  await using running = startTaffrail(args, { cwd });
  await running.stdout.find(line);
  running.kill("SIGKILL");
  await running.end();
  return await onlyRun(`${cwd}/.taffrail`);
}

const TASKS = {
  gen: "echo generated >>order",
  slow: { command: "echo one; sleep 100; echo two", dependencies: ["gen"] },
};

test("a task that was cut off and has changed is told, and runs as it is now", async (cwd) => {
  await writeTasks(cwd, TASKS);
  const args = ["run", "--tasks", "slow", "--", "--loud"];
  const runId = await killAt(cwd, args, /^slow \| one$/);
  await writeTasks(cwd, { ...TASKS, slow: { command: "echo TWO", dependencies: ["gen"] } });
  const { code, stdout, stderr } = await taffrail(["resume", "slow"], { cwd });
  assertEquals(code, 0, stderr);
  assertStringIncludes(
    stderr,
    "node slow has another text of its task than when the run began\n",
  );
  assertStringIncludes(stdout, "\nslow#2 | TWO --loud\n");
  assertEquals(await Deno.readTextFile(`${cwd}/order`), "generated\n");
  const record = await readFlowRecord(placeOf(`${cwd}/.taffrail`, runId));
  const node = record?.nodes.find(({ id }) => id === "slow");
  assertEquals(
    [node?.task, node?.task_text, node?.task_file],
    ["slow", "echo TWO", `${cwd}/deno.json`],
  );
  const request = { names: ["slow"], arguments: ["--loud"], cwd };
  assertEquals(record?.tasks, request);
});

test("a task that has completed and has changed is refused by name", async (cwd) => {
  await writeTasks(cwd, TASKS);
  await killAt(cwd, ["run", "--tasks", "slow"], /^slow \| one$/);
  const gen = "echo again >>order";
  await writeTasks(cwd, { gen, slow: { command: "echo two", dependencies: ["gen"] } });
  const refused = await taffrail(["resume", "slow"], { cwd });
  assertEquals(refused.code, 1, refused.stderr);
  assertStringIncludes(
    refused.stderr,
    "node gen, which has completed, has another text of its task now: --accept gen keeps what it " +
      "came to, --rerun gen runs it again",
  );
  const { code, stderr } = await taffrail(["resume", "--rerun", "gen", "slow"], { cwd });
  assertEquals(code, 0, stderr);
  assertEquals(await Deno.readTextFile(`${cwd}/order`), "generated\nagain\n");
});

test("a changed script of package.json is told, though it is run by its name", async (cwd) => {
  const write = (scripts: Record<string, string>) =>
    Deno.writeTextFile(`${cwd}/package.json`, JSON.stringify({ scripts }));
  await write({ pretest: "echo before", test: "echo one; sleep 100" });
  await killAt(cwd, ["run", "--tasks", "test"], /^one$/);
  await write({ pretest: "echo BEFORE", test: "echo TWO" });
  const { code, stdout, stderr } = await taffrail(["resume", "test"], { cwd });
  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, "node test has another text of its task than when the run began\n");
  assertStringIncludes(stdout, "\nBEFORE\nTWO\n");
});

test("the tasks of a flow file are recorded, and a changed one is told", async (cwd) => {
  await writeTasks(cwd, TASKS);
  const nodes = { a: { task: "slow" }, b: { task: "gen", env: { B: "1" } } };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ name: "flow", nodes }));
  await killAt(cwd, ["run", "flow.json"], /^▸ a: echo one; sleep 100; echo two$/);
  await writeTasks(cwd, { ...TASKS, slow: { command: "echo two", dependencies: ["gen"] } });
  const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, "node a has another text of its task than when the run began\n");
});

test("tasks that are gone are named", async (cwd) => {
  await writeTasks(cwd, TASKS);
  await killAt(cwd, ["run", "--tasks", "slow"], /^slow \| one$/);
  await writeTasks(cwd, { gen: "echo" });
  const { code, stderr } = await taffrail(["resume", "slow"], { cwd });
  assertEquals(code, 1);
  assertStringIncludes(
    stderr,
    'its tasks cannot be read again: Cannot run the task "slow", which is no task of ' +
      `${cwd}/deno.json: there are gen`,
  );
  await writeTasks(cwd, { ...TASKS, slow: { command: "echo", dependencies: ["gen"] } });
  assertEquals((await taffrail(["resume", "slow"], { cwd })).code, 0);
});
