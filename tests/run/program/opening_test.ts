/** Which run a program gets, with which permissions, and what is recorded of where it comes from. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { runPaths } from "../../../_internal/root_layout.ts";
import { durable, openFileRoot, openRun, type OpenRunOptions } from "../../../run/mod.ts";
import { marksIn, resumeVariable } from "../../../run/marks.ts";
import { RunningProcess } from "../../_util/process.ts";
import { withMemoryDir, withTempDir } from "../../_util/temp.ts";
import { checkRecords } from "../_records.ts";
import { errorOf, open, placeIn, RUN_ID, runErrorOf, World } from "./_programs.ts";

type Opened = { runId?: string; attempt?: number; env?: Record<string, string>; kind?: string };

/** Starts a program that opens runs with these options. */
function start(
  permissions: string[],
  options: object[],
  { env, cwd }: { env?: Record<string, string>; cwd?: string } = {},
): RunningProcess {
  const program = new URL("./_programs/opens.ts", import.meta.url).href;
  const flags = ["run", "--quiet", "--no-prompt", "--no-check", ...permissions];
  const command = [
    Deno.execPath(),
    ...flags,
    program,
    ...options.map((one) => JSON.stringify(one)),
  ];
  return new RunningProcess(command, { ...(env && { env }), ...(cwd && { cwd }) });
}

/** What such a program says, once it has ended. */
async function opened(...args: Parameters<typeof start>): Promise<Opened[]> {
  await using running = start(...args);
  const { code, stderr } = await running.end();
  assertEquals([code, stderr], [0, ""]);
  return running.stdout.lines.map((line) => JSON.parse(line));
}

const filesOf = (root: string) => [`--allow-read=${root}`, `--allow-write=${root}`];

Deno.test("a program needs read and write of its root alone, however that is named", () =>
  withTempDir(async (cwd) => {
    const options = { name: "demo", runId: RUN_ID, trace: { mode: "always" } };
    for (const [sitting, root] of ["root", "./root", `${cwd}/root`].entries()) {
      const [run] = await opened(filesOf(root), [{ ...options, root, finish: sitting === 2 }], {
        cwd,
      });
      assertEquals([run!.runId, run!.attempt], [RUN_ID, 1]);
    }
    await checkRecords(placeIn(`${cwd}/root`));
  }));

Deno.test("of two programs that want the same run at the same time one gets it", () =>
  withTempDir(async (root) => {
    const options = { root, name: "demo", runId: RUN_ID, hold: true };
    await using first = start(filesOf(root), [options]);
    await using second = start(filesOf(root), [options]);
    const lines = [await first.stdout.find(/./), "", await second.stdout.find(/./)];
    const kinds = lines.filter((line) => line !== "").map((line) =>
      JSON.parse(line).kind ?? "runs"
    );
    assertEquals(kinds.toSorted(), ["live", "runs"]);
    await runErrorOf(open(root), "live");
  }));

Deno.test("of many openings in one process one gets the run, whenever it is made", () =>
  withMemoryDir(async (root) => {
    const all = await Promise.allSettled(Array.from({ length: 6 }, () => open(root)));
    const runs = all.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
    assertEquals(runs.length, 1);
    for (const one of all) if (one.status === "rejected") assertEquals(one.reason.kind, "live");
    await runs[0]![Symbol.asyncDispose]();
    await using _again = await open(root);
  }));

const EVENT = '{"line":2,"type":"withdraw","episode_id":0,"at":{"secs":1,"nanos":0}}\n';
for (
  const [what, text] of [
    ["nothing", ""],
    ["a part of its first line", '{"type":"sess'],
    ["what a power cut has left no first line of", `${"\0".repeat(4096)}"}\n${EVENT}`],
    ["one line in which there are only NULs", `${"\0".repeat(300)}\n`],
  ]
) {
  Deno.test(`a run of which ${what} was recorded when it was killed is begun`, () =>
    withMemoryDir(async (root) => {
      const place = placeIn(root);
      {
        await using runs = openFileRoot(root);
        await using _held = await runs.create({ about: { name: "demo" }, runId: RUN_ID });
      }
      if (text !== "") await Deno.writeTextFile(runPaths(root, RUN_ID).journal, text!);
      const world = new World();
      {
        await using run = await open(root);
        await run.step("a", world.act(1));
      }
      await using run = await open(root);
      await run.step("a", world.act(1));
      assertEquals((await run.finish()).state, "Completed");
      assertEquals(world.begun, ["a 1"]);
      await checkRecords(place);
    }));
}

for (
  const [what, text] of [
    ["is wrong", "[]\n"],
    ["was on disk", `${"\0".repeat(300)}\n${EVENT.replace(",", ',"synced":1,')}`],
  ]
) {
  Deno.test(`a run is not begun anew whose journal has a first line that ${what}`, () =>
    withMemoryDir(async (root) => {
      {
        await using runs = openFileRoot(root);
        await using _held = await runs.create({ about: { name: "demo" }, runId: RUN_ID });
      }
      const { journal } = runPaths(root, RUN_ID);
      await Deno.writeTextFile(journal, text!);
      const { message } = await runErrorOf(open(root), "damaged");
      assertStringIncludes(message, "no session begins in it: line 1 is unreadable");
      assertEquals(await Deno.readTextFile(journal), text);
    }));
}

for (const what of ["gone", "empty"] as const) {
  Deno.test(`a run whose journal is ${what} is not begun anew: its log says what was done`, () =>
    withMemoryDir(async (root) => {
      const world = new World();
      const work = () =>
        durable(
          { root, name: "demo", runId: RUN_ID },
          (run) => run.step("a", world.fail(new Error("no"))),
        );
      await errorOf(work());
      const { journal } = runPaths(root, RUN_ID);
      if (what === "gone") await Deno.remove(journal);
      else await Deno.truncate(journal);
      const { message } = await runErrorOf(work(), "damaged");
      assertStringIncludes(
        message,
        "its log has 4 lines, and its journal none; choose another runId",
      );
      assertEquals(world.begun, ["a 1"]);
    }));
}

Deno.test("a run of another name is refused too if it was killed before anything was recorded", () =>
  withMemoryDir(async (root) => {
    {
      await using runs = openFileRoot(root);
      await using _held = await runs.create({ about: { name: "other" }, runId: RUN_ID });
    }
    const { message } = await runErrorOf(open(root), "mismatch");
    assertStringIncludes(message, 'it is one of "other", and not of "demo"');
  }));

Deno.test('resume: "newest" goes on with the newest run of the name that was not chosen, if it has not completed', () =>
  withMemoryDir(async (root) => {
    const newest: OpenRunOptions = { root, name: "demo", resume: "newest" };
    const idOf = async (options: OpenRunOptions, finish = false) => {
      await using run = await openRun(options);
      if (finish) await run.finish();
      return run.runId;
    };
    await idOf({ root, name: "demo", runId: "demo-zzz" });
    await idOf({ root, name: "demo-b" });
    const first = await idOf(newest);
    assertMatch(first, /^demo-0/);
    assertEquals(await idOf(newest), first);
    const second = await idOf({ root, name: "demo" });
    assertNotEquals(second, first);
    assertEquals(await idOf(newest, true), second);
    const third = await idOf(newest);
    assert(![first, second].includes(third));
    {
      await using _held = await openRun({ root, name: "demo", runId: third });
      await runErrorOf(openRun(newest), "live");
    }
    assertEquals(await durable(newest, (run) => run.runId), third);
    // A flow of the same name is none of its runs.
    await using runs = openFileRoot(root);
    {
      await using flow = await runs.create({ about: { name: "demo" } });
      await flow.putDocument("flow.json", new TextEncoder().encode("{}"));
    }
    assertNotEquals(await idOf(newest), third);
  }));

Deno.test("TAFFRAIL_RESUME names the run for the first opening of that name and root, where it may be read", () =>
  withTempDir(async (root) => {
    const [a = "", b = ""] = [`${root}/a`, `${root}/b`];
    const env = { TAFFRAIL_RESUME: resumeVariable({ root: a, runId: RUN_ID }) };
    await (await open(a))[Symbol.asyncDispose]();
    const demo = { root: a, name: "demo" };
    const openings = [
      { root: b, name: "demo" },
      { root: a, name: "other" },
      { root: a, name: "demo", runId: "demo-2" },
      demo,
      demo,
      { ...demo, runId: RUN_ID },
    ];
    const isMeant = (runs: Opened[]) => runs.map(({ runId }) => runId === RUN_ID);
    const all = [...filesOf(root), "--allow-env"];
    const given = await opened(all, openings, { env });
    assertEquals(isMeant(given), [false, false, false, true, false, true]);
    assertEquals(given[2]!.runId, "demo-2");
    const one = [...filesOf(root), "--allow-env=TAFFRAIL_RESUME"];
    assertEquals(isMeant(await opened(one, [demo], { env })), [true]);
    assertEquals(isMeant(await opened(filesOf(root), [demo], { env })), [false]);
    // It is not there any more, or was never.
    const gone = { TAFFRAIL_RESUME: resumeVariable({ root: a, runId: "demo-3" }) };
    for (const variable of [gone, { TAFFRAIL_RESUME: "nonsense" }, { TAFFRAIL_RESUME: "" }]) {
      assertEquals(isMeant(await opened(all, [demo], { env: variable })), [false]);
    }
  }));

Deno.test("TAFFRAIL_RESUME with a run that has completed: its recording where it is named, else a new run", () =>
  withTempDir(async (root) => {
    const env = { TAFFRAIL_RESUME: resumeVariable({ root, runId: RUN_ID }) };
    const options = { root, name: "demo" };
    const all = [...filesOf(root), "--allow-env"];
    await opened(all, [{ ...options, runId: RUN_ID, finish: true }]);
    const [named] = await opened(all, [{ ...options, runId: RUN_ID }], { env });
    assertEquals([named!.runId, named!.attempt], [RUN_ID, 1]);
    const [other] = await opened(all, [options], { env });
    assertNotEquals(other!.runId, RUN_ID);
  }));

Deno.test("what a step starts bears the mark of its attempt, and that of whatever the program is a part of", () =>
  withTempDir(async (root) => {
    const options = { root, name: "demo" };
    const [bare] = await opened(filesOf(root), [options], {
      env: { TAFFRAIL_WITHIN: "x|y|z|1\n" },
    });
    const [whole] = await opened([...filesOf(root), "--allow-env"], [options], {
      env: { TAFFRAIL_WITHIN: "x|y|z|1\n" },
    });
    const outer = { root: "x", runId: "y", nodeId: "z", attempt: 1 };
    for (const [run, within] of [[bare, []], [whole, [outer]]] as const) {
      const { runId, env = {} } = run!;
      assertEquals(env.TAFFRAIL_RUN_ID, runId);
      assertEquals([env.TAFFRAIL_NODE_ID, env.TAFFRAIL_ATTEMPT], ["env", "1"]);
      assertEquals(env.TAFFRAIL_ROOT, root);
      const own = { root, runId: runId!, nodeId: "env", attempt: 1 };
      assertEquals(marksIn([`TAFFRAIL_WITHIN=${env.TAFFRAIL_WITHIN}`]), [...within, own]);
    }
  }));

Deno.test("run.json says how a program is started and where, only if it can be started by that", () =>
  withTempDir(async (root) => {
    const command = ["deno", "run", "-A", "import.ts"];
    const aboutOf = async (more: Partial<OpenRunOptions>) => {
      await using run = await openRun({ root, name: "demo", ...more });
      const { name, version, command, cwd } = JSON.parse(
        await Deno.readTextFile(runPaths(root, run.runId).run),
      );
      return { name, version, command, cwd };
    };
    const none = { version: undefined, command: undefined, cwd: undefined };
    assertEquals(await aboutOf({}), { name: "demo", ...none });
    assertEquals(await aboutOf({ version: "3" }), { name: "demo", ...none, version: "3" });
    assertEquals(await aboutOf({ command }), { name: "demo", ...none, command, cwd: Deno.cwd() });
  }));
