/** What of a flow may have changed when its run is gone on with, and what is told and recorded of that. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { recoverCapture } from "../../capture/mod.ts";
import { openRun } from "../../run/mod.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { type Outcome, outcomeOf, type Point, saying, taffrailUntil } from "./_at_point.ts";
import { HAS_SIGNALS, taffrail } from "./_command.ts";
import { onlyRun } from "./_runs.ts";

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SIGNALS, fn: () => withTempDir(body) });
}

/** Nodes by their ids: a script, or more of them. */
type Nodes = Record<string, string | { run?: string } & Record<string, unknown>>;

async function writeFlow(
  directory: string,
  nodes: Nodes,
  { name = "flow", constraints = {} }: { name?: string; constraints?: object } = {},
): Promise<void> {
  const all = Object.entries(nodes).map(([id, node]) => {
    const { run = "true", ...rest } = typeof node === "string" ? { run: node } : node;
    return [id, { run: saying(run), ...rest }];
  });
  const flow = {
    name,
    nodes: Object.fromEntries(all),
    constraints: { max_in_flight: 1, ...constraints },
  };
  await Deno.writeTextFile(`${directory}/flow.json`, JSON.stringify(flow));
}

/** A node has completed, one has failed, one waits for its turn, and one for another node. */
const NODES: Nodes = { a: "true", b: "exit 3", c: "true", d: { needs: ["b"] } };

/** Leaves a run in which a node has failed. */
async function failedRun(cwd: string, nodes: Nodes = NODES): Promise<void> {
  await writeFlow(cwd, nodes);
  assertEquals((await taffrail(["run", "flow.json"], { cwd })).code, 1);
}

async function readRun(cwd: string) {
  const directory = `${cwd}/.taffrail/runs/${await onlyRun(`${cwd}/.taffrail`)}`;
  return {
    record: JSON.parse(await Deno.readTextFile(`${directory}/flow.json`)),
    resumed: (await recoverCapture(`${directory}/capture.jsonl`)).resumed,
    names: namesIn(directory).toSorted(),
  };
}

interface Choice {
  what: string;
  /** The flow as it is now. */
  nodes: Nodes;
  args?: string[];
  /** What is told; what refuses it is told with exit code 1. */
  says: string[];
  outcome?: Partial<Outcome>;
  changed?: string[];
}

const FAILS_ONCE = "test $TAFFRAIL_ATTEMPT -gt 1";
const MENDED = { ...NODES, b: "true" };
const B = ["1 crash", "2 Completed"];
const KEEPS = "--accept a keeps what it came to, --rerun a runs it again and all that needs it";

const CHOICES: Choice[] = [
  {
    what: "a node that failed has changed",
    nodes: MENDED,
    says: ['node b has another "run" than when the run began'],
    outcome: { asks: ["a", "b", "c", "b#2", "c#2", "d"], ran: ["a1", "b1", "b2", "c1", "d1"] },
    changed: ["b"],
  },
  {
    what: "a node that has completed has changed",
    nodes: { ...MENDED, a: "exit 0" },
    says: [`node a, which has completed, has another "run" now: ${KEEPS}`],
  },
  {
    what: "it has, and what it came to is kept",
    nodes: { ...MENDED, a: "exit 0" },
    args: ["--accept", "a"],
    says: ['node a has another "run" than when the run began; what it came to before is kept'],
    outcome: { ran: ["a1", "b1", "b2", "c1", "d1"], attempts: { a: ["1 Completed"] } },
    changed: ["a", "b"],
  },
  {
    what: "it has, and runs again",
    nodes: { ...MENDED, a: "exit 0" },
    args: ["--rerun", "a"],
    says: ['node a has another "run" than when the run began'],
    outcome: {
      asks: ["a", "b", "c", "a#2", "b#2", "c#2", "d"],
      ran: ["a1", "b1", "a2", "b2", "c1", "d1"],
      attempts: { a: ["1 Completed", "2 Completed"], b: B },
    },
    changed: ["a", "b"],
  },
  {
    what: "a node that has completed is gone",
    nodes: { b: "true", c: "true", d: "true" },
    says: ["node a, which has completed, is no longer in its flow: --accept a goes on without it"],
  },
  {
    what: "it is gone, and that is accepted",
    nodes: { b: "true", c: "true", d: { needs: ["b"] } },
    args: ["--accept", "a"],
    says: ["no longer in the flow: a\n"],
    outcome: { ran: ["a1", "b1", "b2", "c1", "d1"], attempts: { a: ["1 Completed"], b: B } },
    changed: ["b", "a"],
  },
  {
    what: "nodes that have not completed are gone, and others are new",
    nodes: { a: "true", e: { needs: ["a"] } },
    says: ["no longer in the flow: b, c, d\n", "new in the flow: e\n"],
    outcome: { asks: ["a", "b", "c", "e"], ran: ["a1", "b1", "e1"] },
    changed: ["b", "c", "d", "e"],
  },
  {
    what: "another node is asked for that is not in the flow",
    nodes: MENDED,
    args: ["--rerun", "x"],
    says: ['Cannot use --rerun "x": the flow has a, b, c, d\n'],
  },
  {
    what: "a node is accepted that never was in the flow",
    nodes: MENDED,
    args: ["--accept", "b,x"],
    says: ['Cannot use --accept "x": the flow has a, b, c, d\n'],
  },
];

for (const { what, nodes, args = [], says, outcome, changed } of CHOICES) {
  test(`resume of a flow in which ${what}`, async (cwd) => {
    await failedRun(cwd);
    const before = await readRun(cwd);
    await writeFlow(cwd, nodes);
    const { code, stderr } = await taffrail(["resume", ...args, "flow"], { cwd });
    for (const text of says) assertStringIncludes(stderr, text);
    const { record, resumed, names } = await readRun(cwd);
    if (outcome === undefined) {
      const isUsage = stderr.startsWith("Cannot use --");
      assertEquals(code, isUsage ? 2 : 1);
      assertEquals({ record, resumed, names }, before);
      return;
    }
    assertEquals(code, 0, stderr);
    const { attempts, ...come } = await outcomeOf(cwd);
    assertEquals({ ...come, ...outcome, attempts }, {
      ...come,
      attempts: { ...attempts, ...outcome.attempts },
    });
    assertEquals(record.nodes.map(({ id }: { id: string }) => id), Object.keys(nodes));
    assertEquals(resumed.map((line) => [line.changed, line.runtime_provenance]), [
      [changed, record.provenance],
    ]);
    assert(record.provenance !== before.record.provenance);
  });
}

test("resume --rerun runs again all that needs a node, and nothing else", async (cwd) => {
  const nodes = {
    a: "true",
    b: { needs: ["a"] },
    c: { needs: ["b"] },
    x: "true",
    z: { run: "exit 3", needs: ["c"] },
  };
  await failedRun(cwd, nodes);
  await writeFlow(cwd, { ...nodes, z: { needs: ["c"] } });
  const { code, stderr } = await taffrail(["resume", "--rerun", "b", "flow"], { cwd });
  assertEquals(code, 0, stderr);
  const { attempts, ran } = await outcomeOf(cwd);
  const [once, twice] = [["1 Completed"], ["1 Completed", "2 Completed"]];
  assertEquals(attempts, { a: once, b: twice, c: twice, x: once, z: ["1 crash", "2 Completed"] });
  assertEquals(ran.length, 8);
});

for (const nth of [1, 2, 3, 4]) {
  test(`a rerun that was killed behind its decision ${nth} is gone on with: nothing is left of what was before`, async (cwd) => {
    await failedRun(cwd, { a: "true", b: { needs: ["a"] }, c: { run: FAILS_ONCE, needs: ["b"] } });
    // Now all has completed but what ends the run.
    const nodes = { a: "true", b: { needs: ["a"] }, c: { needs: ["b"] } };
    await writeFlow(cwd, { ...nodes, z: { run: FAILS_ONCE, needs: ["c"] } });
    assertEquals((await taffrail(["resume", "flow"], { cwd })).code, 1);
    const point = { file: "capture.jsonl", at: { line: '"type":"decision"' }, nth, how: "behind" };
    const killed = await taffrailUntil(point as Point, ["resume", "--rerun", "a", "flow"], cwd);
    assertEquals(killed.code, 137);
    const { code, stdout, stderr } = await taffrail(["resume", "flow"], { cwd });
    assertEquals(code, 0, stderr);
    const { ran } = await outcomeOf(cwd);
    const [a, b, c] = ["a", "b", "c"].map((id) => ran.findLastIndex((name) => name[0] === id));
    assert(a! > ran.indexOf("z1") && a! < b! && b! < c!, `${ran}: ${stdout}`);
  });
}

test("what a rerun that was killed has made out of date is kept where that is accepted", async (cwd) => {
  const kills = "test $TAFFRAIL_ATTEMPT != 2 || { kill -KILL $PPID; exec sleep 1000; }";
  await failedRun(cwd, { a: kills, b: { needs: ["a"] }, c: { run: "exit 3", needs: ["b"] } });
  assertEquals((await taffrail(["resume", "--rerun", "a", "flow"], { cwd })).code, 137);
  const note = "node b runs again, as what it needs was asked for again since; --accept b keeps";
  const args = ["resume", "flow"];
  const kept = await taffrail([...args, "--accept", "b"], { cwd });
  assert(!kept.stderr.includes(note), kept.stderr);
  assertEquals((await outcomeOf(cwd)).ran, ["a1", "b1", "c1", "a2", "a3", "c2"]);
  assertStringIncludes((await taffrail(args, { cwd })).stderr, note);
  assertEquals((await outcomeOf(cwd)).ran.slice(6), ["b2", "c3"]);
});

test("resume --failed-only asks for nothing that was never begun", async (cwd) => {
  const nodes = { ...NODES, b: "test -e go || exit 3" };
  await failedRun(cwd, nodes);
  await Deno.writeTextFile(`${cwd}/go`, "");
  const { code, stdout } = await taffrail(["resume", "--failed-only", "flow"], { cwd });
  assertEquals(code, 1);
  assertStringIncludes(stdout, "reason  nodes were left out\n");
  const left = await outcomeOf(cwd);
  assertEquals(left, {
    asks: ["a", "b", "c", "b#2"],
    attempts: { a: ["1 Completed"], b: B, c: [], d: [] },
    ran: ["a1", "b1", "b2"],
  });
  assertEquals((await taffrail(["resume", "flow"], { cwd })).code, 0);
  assertEquals((await outcomeOf(cwd)).ran, ["a1", "b1", "b2", "c1", "d1"]);
});

test("the constraints with which a run began hold", async (cwd) => {
  await failedRun(cwd);
  await writeFlow(cwd, MENDED, { constraints: { max_in_flight: 999, max_retries: 2 } });
  const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
  assertEquals(code, 0, stderr);
  assertStringIncludes(
    stderr,
    "the constraints with which the run began hold: another max_in_flight, max_retries is not used",
  );
  const { record: { constraints } } = await readRun(cwd);
  assertEquals([constraints.max_in_flight, constraints.max_retries], [1, 0]);
  await outcomeOf(cwd);
});

test("the values of variables come from the flow file, wherever it is now", async (cwd) => {
  const flow = (SECRET: string) => ({
    a: { run: 'echo "$SECRET" >> env; test "$SECRET" = 2', env: { SECRET } },
  });
  await failedRun(cwd, flow("first value"));
  const runId = await onlyRun(`${cwd}/.taffrail`);
  const path = `${cwd}/.taffrail/runs/${runId}/flow.json`;
  const recorded = await Deno.readTextFile(path);
  assertEquals(recorded.includes("first value"), false);
  assertEquals(JSON.parse(recorded).nodes[0].env, ["SECRET"]);
  assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);

  await Deno.remove(`${cwd}/flow.json`);
  const gone = await taffrail(["resume", "flow"], { cwd });
  assertEquals(gone.code, 1);
  assertStringIncludes(
    gone.stderr,
    "there is no such file; name the flow that was run with --flow",
  );

  const moved = `${cwd}/moved`;
  await Deno.mkdir(moved);
  await writeFlow(moved, flow("2"), { name: "other" });
  const other = await taffrail(["resume", "--flow", "moved/flow.json", "flow"], { cwd });
  assertEquals(other.code, 1);
  assertStringIncludes(other.stderr, "is not the flow that was run: its name is other instead of");

  await writeFlow(moved, flow("2"));
  const { code, stderr } = await taffrail(["resume", "--flow", "moved/flow.json", "flow"], { cwd });
  // Where the file lies is no change.
  const told = "node a is given another value of SECRET than before\n";
  assertEquals([code, stderr.replace(told, "").includes("another")], [0, false], stderr);
  assertStringIncludes(stderr, told);
  assertEquals(await Deno.readTextFile(`${moved}/env`), "2\n");
  const { record, resumed } = await readRun(cwd);
  assertEquals([record.path, record.nodes[0].cwd], [
    `${await Deno.realPath(moved)}/flow.json`,
    moved,
  ]);
  assertEquals(resumed.map(({ changed }) => changed), [[]]);
});

test("the program of a node that has completed may be gone", async (cwd) => {
  const program = `${cwd}/program`;
  await Deno.writeTextFile(program, "#!/bin/sh\necho a1 >> ran\n", { mode: 0o700 });
  const nodes = { a: { run: [program] }, b: { run: saying(FAILS_ONCE) } };
  const flow = { name: "flow", nodes, constraints: { max_in_flight: 1 } };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
  assertEquals((await taffrail(["run", "flow.json"], { cwd })).code, 1);
  await Deno.remove(program);
  const again = await taffrail(["resume", "--rerun", "a", "flow"], { cwd });
  assertEquals(again.code, 2);
  assertStringIncludes(again.stderr, `node "a" runs "${program}", which does not exist`);
  const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
  assertEquals(code, 0, stderr);
  assertEquals((await outcomeOf(cwd)).ran, ["a1", "b1", "b2"]);
});

test("the run of a program is refused, and says what goes on with it", async (cwd) => {
  const run = await openRun({
    root: `${cwd}/.taffrail`,
    name: "import",
    constraints: { max_retries: 0 },
    invoker: { run: () => ({ Failed: "RuntimeError" }) },
  });
  await run.submit("part");
  await run.finish();
  const { code, stderr } = await taffrail(["resume", "import"], { cwd });
  const problem = "it is the run of a program, which has not recorded by what it is started";
  assertEquals(code, 1);
  assertStringIncludes(stderr, `Cannot resume ${run.runId}: ${problem}`);
});
