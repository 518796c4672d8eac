/** Kills while a run is gone on with: the next one goes on from there, and nothing is lost or done twice. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, startTaffrail, taffrail } from "./_command.ts";
import { outcomeOf, type Point, saying, taffrailUntil } from "./_at_point.ts";
import { eventsOf, isRunning, onlyRun, outlineOf } from "./_runs.ts";

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SIGNALS, fn: () => withTempDir(body) });
}

const HANGS = "echo $$ >> pids; test -e go || exec sleep 100";

/** The first node completes, the second hangs, the third waits, and the fourth is not asked for. */
async function writeFlow(cwd: string, { name = "d" } = {}): Promise<void> {
  const nodes = {
    a: { run: saying("true") },
    b: { run: saying(HANGS) },
    c: { run: saying("true") },
    [name]: { run: saying("true"), needs: ["b"] },
  };
  const flow = { name: "flow", nodes, constraints: { max_in_flight: 1 } };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
}

const at = (file: string, line: string, how: Point["how"], nth = 1): Point => {
  return { file: `${file}.jsonl`, at: { line }, how, nth };
};

/** The process of the second node runs, and is recorded. */
const BEGUN = at("processes", '"b"', "behind");

/** Where each process that goes on is killed, in this order: each leaves what the next one finds. */
const POINTS: Point[] = [
  { file: "capture.json", at: "remove", how: "before" },
  at("capture", '"type":"resumed"', "before"),
  at("capture", '"type":"resumed"', "behind"),
  at("capture", '"type":"completion"', "before"),
  at("events", '"pipe.started"', "before"),
  // Nothing is asked for before that is told, so that nothing is left to be withdrawn.
  BEGUN,
  at("capture", '"type":"withdraw"', "before"),
  at("capture", '"type":"withdraw"', "behind"),
  at("capture", '"type":"event"', "before"),
  at("capture", '"type":"event"', "behind"),
  at("capture", '"type":"decision"', "before"),
  at("capture", '"type":"decision"', "behind"),
  at("capture", '"decision":"Invoke"', "behind"),
  at("events", '"pipe.started"', "behind"),
  BEGUN,
  at("capture", '"type":"completion"', "behind"),
  at("capture", '"type":"decision"', "behind"),
  at("events", '"node.failed"', "before"),
  BEGUN,
  at("events", '"node.failed"', "behind"),
  BEGUN,
];

/** What must hold of the run at last, whatever has happened. */
async function checkEnd(
  cwd: string,
  nodes: readonly string[] = ["a", "b", "c", "d"],
): Promise<void> {
  await Deno.writeTextFile(`${cwd}/go`, "");
  const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
  assertEquals(code, 0, stderr);
  const { attempts, ran } = await outcomeOf(cwd);
  assertEquals(attempts.a, ["1 Completed"]);
  assertEquals(new Set(ran).size, ran.length, `an attempt was made twice: ${ran}`);
  for (const id of nodes) {
    const all = attempts[id]!;
    const ends = all.map((text) => text.split(" ")[1]);
    assertEquals(ends.pop(), "Completed", `${id}: ${all}`);
    assert(ends.every((end) => end === "cancelled"), `${id}: ${all}`);
    const numbers = all.map((text) => Number(text.split(" ")[0]));
    assertEquals(numbers, numbers.map((_, index) => index + 1));
  }
  const pids = (await Deno.readTextFile(`${cwd}/pids`)).trimEnd().split("\n").map(Number);
  assertEquals(pids.filter(isRunning), []);
}

test("a run is killed again and again while it is gone on with", async (cwd) => {
  await writeFlow(cwd);
  const first = await taffrailUntil(BEGUN, ["run", "flow.json"], cwd);
  assertEquals(first.code, 137, first.stderr);
  for (const [index, point] of POINTS.entries()) {
    const { code, stdout, stderr } = await taffrailUntil(point, ["resume", "flow"], cwd);
    const where = `${index}: ${JSON.stringify(point)}`;
    assertEquals(code, 137, `It was not killed at ${where}: ${stdout}${stderr}`);
    const shown = await taffrail(["show", "flow", "--json"], { cwd });
    assertEquals(shown.code, 0, where);
  }
  await checkEnd(cwd);
});

for (const point of POINTS.slice(0, 10)) {
  const where = typeof point.at === "string" ? point.at : point.at.line;
  test(`a run is killed while it is gone on with: ${point.how} ${where} in ${point.file}`, async (cwd) => {
    await writeFlow(cwd);
    await taffrailUntil(BEGUN, ["run", "flow.json"], cwd);
    assertEquals((await taffrailUntil(point, ["resume", "flow"], cwd)).code, 137);
    await checkEnd(cwd);
  });
}

test("a flow that has changed is kept when what is left has been ended, killed or not", async (cwd) => {
  const kept = async () => {
    const runId = await onlyRun(`${cwd}/.taffrail`);
    return await Deno.readTextFile(`${cwd}/.taffrail/runs/${runId}/flow.json`);
  };
  await writeFlow(cwd);
  await taffrailUntil(BEGUN, ["run", "flow.json"], cwd);
  await writeFlow(cwd, { name: "e" });
  for (const how of ["before", "behind"] as const) {
    const point: Point = { file: "flow.json", at: "replace", how };
    const { code, stderr } = await taffrailUntil(point, ["resume", "flow"], cwd);
    assertEquals(code, 137);
    assertStringIncludes(stderr, "new in the flow: e\n");
    assertEquals((await kept()).includes('"e"'), how === "behind");
  }
  await checkEnd(cwd, ["a", "b", "c", "e"]);
});

test("a process that goes on is killed while it ends what is left", async (cwd) => {
  const nodes = {
    a: { run: saying("true") },
    b: { run: saying(`trap '' TERM; echo $$ >> pids; while ! test -e go; do sleep 0.01; done`) },
  };
  const flow = { name: "flow", nodes, constraints: { max_in_flight: 1 } };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
  await taffrailUntil(BEGUN, ["run", "flow.json"], cwd);
  const root = `${cwd}/.taffrail`;
  const runId = await onlyRun(root);
  const before = outlineOf(eventsOf(root, runId));
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    await using resume = startTaffrail(["resume", "--grace", "1h", "flow"], { cwd });
    await resume.stderr.find(/^ending what is left of b/);
    resume.kill(signal);
    // What is left ignores the first signal, and the second one skips the grace.
    if (signal === "SIGTERM") {
      await resume.stderr.find(/^SIGTERM: ending what runs/);
      resume.kill("SIGINT");
    }
    const { code } = await resume.end();
    assertEquals(code, signal === "SIGKILL" ? 137 : 143);
    assertEquals(outlineOf(eventsOf(root, runId)), before);
  }
  await checkEnd(cwd, ["a", "b"]);
});
