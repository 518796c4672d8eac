import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { FsRuntimeStore, removeRuntime, runtimeDirectory, WorkerRuntime } from "../../store/mod.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, recordAndKill, startAtWork, taffrail } from "./_command.ts";

/** A problem, as `--json` prints it. */
interface Problem {
  run_id: string | null;
  part: string;
  kind: string;
  path: string;
  line: number | null;
  repair: string | null;
}

async function verify(cwd: string, args: string[] = []) {
  const { code, stdout } = await taffrail(["verify", "--json", ...args], { cwd });
  const { ok, runs, problems, notes } = JSON.parse(stdout);
  assertEquals(code, ok ? 0 : 1);
  return { ok, runs, problems: problems as Problem[], notes: notes as Problem[] };
}

async function repair(cwd: string, args: string[] = []) {
  const { code, stdout } = await taffrail(["repair", "--json", ...args], { cwd });
  const outcome = JSON.parse(stdout);
  assertEquals(code, outcome.ok ? 0 : 1);
  return outcome;
}

/** Records a run, and gives the folder of it. */
async function record(cwd: string): Promise<string> {
  const { stderr, code } = await taffrail(["exec", "--", "echo", "hi"], { cwd });
  assertEquals(code, 0);
  return `.taffrail/runs/${/run_id=(\S+)/.exec(stderr)![1]}`;
}

/** The files below a directory with what is in them. */
async function contentOf(directory: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (!isDirectory) found.set(path, await Deno.readTextFile(path));
    else for (const [inner, text] of await contentOf(path)) found.set(inner, text);
  }
  return found;
}

async function append(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text, { append: true });
}

const DAMAGES: {
  what: string;
  file: string;
  damage: (path: string) => Promise<void>;
  part: string;
  kind: string;
  line: number | null;
  /** Whether `repair` leaves nothing. */
  mended: boolean;
}[] = [
  {
    what: "a torn last line of the log",
    file: "events.jsonl",
    damage: (path) => append(path, '{"type":"node'),
    part: "log",
    kind: "torn",
    line: 5,
    mended: true,
  },
  {
    what: "a line of the log that is no JSON",
    file: "events.jsonl",
    damage: (path) => append(path, "oops\n"),
    part: "log",
    kind: "not-json",
    line: 5,
    mended: false,
  },
  {
    what: "a torn last line of the journal",
    file: "capture.jsonl",
    damage: (path) => append(path, '{"n":'),
    part: "capture",
    kind: "torn",
    line: 7,
    mended: true,
  },
  {
    what: "a line of the journal that is no JSON",
    file: "capture.jsonl",
    damage: (path) => append(path, "oops\n"),
    part: "capture",
    kind: "unreadable",
    line: 7,
    mended: true,
  },
  {
    what: "a bundle that cannot be read",
    file: "capture.json",
    damage: (path) => append(path, "oops"),
    part: "bundle",
    kind: "unreadable",
    line: null,
    mended: true,
  },
  {
    what: "a run of a newer format",
    file: "run.json",
    damage: (path) => Deno.writeTextFile(path, '{"format":2}'),
    part: "log",
    kind: "unreadable",
    line: null,
    mended: false,
  },
  {
    what: "a trace that cannot be read",
    file: "trace.json",
    damage: (path) => Deno.writeTextFile(path, "oops"),
    part: "trace",
    kind: "unreadable",
    line: null,
    mended: true,
  },
  {
    what: "a torn last line of the store's events",
    file: "runtime/events.jsonl",
    damage: (path) => append(path, '{"id":'),
    part: "store",
    kind: "torn",
    line: 7,
    mended: true,
  },
];

/** The file of a run, or of its runtime. */
function pathOf(cwd: string, run: string, file: string): string {
  const runtime = runtimeDirectory(".taffrail", run.split("/").at(-1)!);
  return `${cwd}/${
    file.startsWith("runtime/") ? file.replace("runtime", runtime) : `${run}/${file}`
  }`;
}

for (const { what, file, damage, part, kind, line, mended } of DAMAGES) {
  Deno.test(`verify and repair: ${what}`, async () => {
    await withTempDir(async (cwd) => {
      const run = await record(cwd);
      assertEquals((await verify(cwd)).problems, []);
      const path = pathOf(cwd, run, file);
      await damage(path);
      const damaged = await Deno.readTextFile(path);
      const before = await contentOf(cwd);

      const { problems } = await verify(cwd);
      assertEquals(problems.length, 1);
      assertEquals(problems[0]!.part, part);
      assertEquals(problems[0]!.kind, kind);
      assertEquals(problems[0]!.line, line);
      assertEquals(problems[0]!.repair !== null, mended);
      const dry = await repair(cwd, ["--dry-run"]);
      assertEquals([dry.repairs.length, dry.remaining.length], mended ? [1, 0] : [0, 1]);
      assertEquals(await contentOf(cwd), before);

      const { repairs, remaining } = await repair(cwd);
      assertEquals([repairs.length, remaining.length], mended ? [1, 0] : [0, 1]);
      if (!mended) return assertEquals(await Deno.readTextFile(path), damaged);
      const kept = await Deno.readTextFile(`${cwd}/${repairs[0].kept}`);
      assert(kept.length > 0 && damaged.endsWith(kept));
      assertEquals((await verify(cwd)).ok, true);
      assertEquals((await repair(cwd)).repairs, []);
    });
  });
}

Deno.test("verify tells of a bundle that says something else than the journal", async () => {
  await withTempDir(async (cwd) => {
    const [first, second] = [await record(cwd), await record(cwd)];
    await Deno.copyFile(`${cwd}/${first}/capture.json`, `${cwd}/${second}/capture.json`);
    const { problems, runs } = await verify(cwd);
    assertEquals(runs, 2);
    assertEquals(problems.map(({ part, kind }) => [part, kind]), [["bundle", "differs"]]);
    assertEquals((await repair(cwd)).ok, true);
    assertEquals((await verify(cwd)).ok, true);
  });
});

Deno.test("verify looks at the named runs only, and prints places for editors", async () => {
  await withTempDir(async (cwd) => {
    const [first, second] = [await record(cwd), await record(cwd)];
    await append(`${cwd}/${second}/events.jsonl`, "oops\n");
    const { stdout, code } = await taffrail(["verify", first.split("/").at(-1)!], { cwd });
    assertEquals(code, 0);
    assertStringIncludes(stdout, "✓ 1 run in .taffrail: nothing is wrong");
    const all = await taffrail(["verify"], { cwd });
    assertEquals(all.code, 1);
    assertMatch(all.stdout, /✗ \.taffrail\/runs\/\S+\/events\.jsonl:5: not-json: /);
    assertStringIncludes(all.stdout, "✗ 2 runs in .taffrail: 1 problem found");
  });
});

Deno.test("verify passes over the unfinished line of a run at work, and repair leaves the run alone", async () => {
  await withTempDir(async (cwd) => {
    const { running, runId } = await startAtWork(cwd);
    await using _ = running;
    const run = `${cwd}/.taffrail/runs/${runId}`;
    assertEquals((await verify(cwd)).ok, true);
    await append(`${run}/capture.jsonl`, '{"n":');
    assertEquals((await verify(cwd)).ok, true);
    await append(`${run}/events.jsonl`, "oops\n");
    const before = await contentOf(run);
    const { repairs, refused } = await repair(cwd);
    assertEquals(repairs, []);
    assertMatch(refused[0].message, /^it is at work/);
    assertEquals(await contentOf(run), before);
    await running.closeInput();
    await running.end();
  });
});

Deno.test({
  name: "verify finds nothing wrong in what SIGKILL leaves: no bundle, no store, a temporary file",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const runId = await recordAndKill(cwd);
      const run = `${cwd}/.taffrail/runs/${runId}`;
      await Deno.writeTextFile(`${run}/trace.json.17.1.tmp`, "{");
      await Deno.utime(`${run}/trace.json.17.1.tmp`, 1, 1);
      const before = await contentOf(`${cwd}/.taffrail`);
      assertEquals(before.has(`${run}/capture.json`), false);
      const { problems, notes } = await verify(cwd);
      assertEquals(problems, []);
      // The store of a run follows its log in batches.
      assertEquals(notes.map(({ part, kind }) => [part, kind]), [["store", "unfinished"]]);
      assertEquals((await repair(cwd)).repairs, []);
      assertEquals(await contentOf(`${cwd}/.taffrail`), before);
    }),
});

Deno.test("verify and repair look at runtimes without a run, and at what is beside runs and runtimes", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    const run = await record(cwd);
    // A program of the user's has the store alone.
    await (await WorkerRuntime.open({ root, runtimeId: "mine" })).close();
    await Deno.writeTextFile(`${root}/runs/notes.txt`, "not a run");
    assertEquals(await verify(cwd), { ok: true, runs: 1, problems: [], notes: [] });
    await Deno.writeTextFile(`${root}/runtimes/notes.txt`, "not a runtime");
    await Deno.mkdir(`${root}/runtimes/foreign`);
    await append(`${runtimeDirectory(root, "mine")}/events.jsonl`, '{"id":');
    const found = (await verify(cwd)).problems;
    assertEquals(found.map(({ run_id, kind, repair }) => [run_id, kind, repair !== null]), [
      [null, "foreign-file", false],
      [null, "foreign-file", false],
      ["mine", "torn", true],
    ]);
    const { repairs, remaining } = await repair(cwd);
    assertEquals(repairs.map((done: { run_id: string }) => done.run_id), ["mine"]);
    assertEquals(remaining.length, 2);
    assertEquals(await Deno.readTextFile(`${root}/runtimes/notes.txt`), "not a runtime");
    // What belongs to no run is no matter of a named one.
    assertEquals((await verify(cwd, [run.split("/").at(-1)!])).ok, true);
  });
});

Deno.test("verify tells of a link in place of a run's runtime once", {
  ignore: !HAS_SIGNALS,
}, async () => {
  await withTempDir(async (cwd) => {
    const runId = (await record(cwd)).split("/").at(-1)!;
    const runtime = runtimeDirectory(`${cwd}/.taffrail`, runId);
    await Deno.rename(runtime, `${cwd}/elsewhere`);
    await Deno.symlink(`${cwd}/elsewhere`, runtime);
    for (const args of [[], [runId]]) {
      const { problems } = await verify(cwd, args);
      assertEquals(problems.map(({ run_id, kind }) => [run_id, kind]), [[runId, "symlink"]]);
    }
    assertEquals((await repair(cwd)).remaining.length, 1);
  });
});

Deno.test("hints name the root where it is not the one that would be found", async () => {
  await withTempDir(async (cwd) => {
    await Deno.mkdir(`${cwd}/my runs/runs/x`, { recursive: true });
    const started = { type: "pipe.started", id: "a", ts: "t", run_id: "x", pipe: "p", nodes: [] };
    await Deno.writeTextFile(`${cwd}/my runs/runs/x/events.jsonl`, `${JSON.stringify(started)}\n`);
    await Deno.writeTextFile(`${cwd}/my runs/runs/x/flow.json`, "{}");
    const root = ["--root", "my runs"];
    for (const verb of ["show", "stop"]) {
      const { stdout } = await taffrail([verb, ...root, "x"], { cwd });
      assertStringIncludes(stdout, "taffrail resume --root 'my runs' x\n");
    }
    const unknown = await taffrail(["show", ...root, "y"], { cwd });
    assertStringIncludes(unknown.stderr, "taffrail ls --root 'my runs' lists its only run");
    const none = await taffrail(["ls", "--root", "empty"], { cwd });
    assertStringIncludes(none.stdout, "taffrail exec --root empty -- COMMAND, or\n");
    // From the directory that is found anyway it can be left out.
    await Deno.rename(`${cwd}/my runs`, `${cwd}/.taffrail`);
    const found = await taffrail(["show", "--root", `${cwd}/.taffrail`, "x"], { cwd });
    assertStringIncludes(found.stdout, "taffrail resume x\n");
  });
});

Deno.test("verify tells of ends that a log has lost, and repair brings them back", async () => {
  await withTempDir(async (cwd) => {
    const run = await record(cwd);
    await Deno.writeTextFile(`${cwd}/${run}/events.jsonl`, "");
    const { problems } = await verify(cwd);
    assertEquals(problems.map(({ part, kind }) => [part, kind]), [["log", "lost-events"]]);
    const runId = run.split("/").at(-1)!;
    // Nothing is left to do of it, whatever its log says.
    const resumed = await taffrail(["resume", runId], { cwd });
    assertEquals(resumed.code, 1);
    assertStringIncludes(
      resumed.stderr,
      `it has completed, and its log lacks the end; taffrail repair`,
    );
    const shown = async () => {
      const { state, nodes } = JSON.parse(
        (await taffrail(["show", "--json", runId], { cwd })).stdout,
      );
      return [state, nodes[0].status, nodes[0].exit_code];
    };
    assertEquals(await shown(), ["Completed", "Completed", 0]);
    assertEquals((await repair(cwd)).ok, true);
    assertEquals(await shown(), ["Completed", "Completed", 0]);
    assertEquals(await verify(cwd), { ok: true, runs: 1, problems: [], notes: [] });
  });
});

Deno.test("verify tells of a store that lacks the end of its run, and repair makes it of the log", async () => {
  await withTempDir(async (cwd) => {
    const run = await record(cwd);
    const runId = run.split("/").at(-1)!;
    await removeRuntime(`${cwd}/.taffrail`, runId);
    const { problems, notes } = await verify(cwd);
    assertEquals(problems, []);
    assertEquals(notes.map(({ part, kind }) => [part, kind]), [["store", "behind-log"]]);
    const { ok, repairs } = await repair(cwd);
    assertEquals([ok, repairs.length], [true, 1]);
    const options = { root: `${cwd}/.taffrail`, runtimeId: runId, readOnly: true };
    await using store = await FsRuntimeStore.open(options);
    const { status, worker_count: workers } = store.summary();
    assertEquals([status, workers], ["stopped", 1]);
  });
});

Deno.test("taffrail verify notes a run that was made and has no log yet", async () => {
  await withTempDir(async (cwd) => {
    const folder = `${cwd}/${await record(cwd)}`;
    await Deno.remove(`${cwd}/.taffrail/runtimes`, { recursive: true });
    for (const name of namesIn(folder)) {
      if (name !== "run.json") await Deno.remove(`${folder}/${name}`, { recursive: true });
    }
    const { problems, notes } = await verify(cwd);
    assertEquals(problems, []);
    assertEquals(notes.map(({ part, kind }) => [part, kind]), [["log", "unfinished"]]);
  });
});
