/** `taffrail export --redact`: nothing of what may be private is in the archive, and what happened still is. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openEventLog } from "../../eventlog/mod.ts";
import { openFileRoot, openRun, passGate, RunError } from "../../run/mod.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { filesOf, textOf, unpack } from "./_archives.ts";
import { ask, HAS_SIGNALS, startTaffrail, taffrail } from "./_command.ts";
import { dataIn } from "./_page.ts";
import { ProgramFolder } from "./_program.ts";

/** Stands in all that may be private. */
const SECRET = "s3cr3t";

const FLOW = {
  name: "nightly",
  description: `about ${SECRET}`,
  env: { [`${SECRET.toUpperCase()}_NAME`]: SECRET, TOKEN: `${SECRET}-token` },
  secret: ["TOKEN"],
  nodes: {
    "fetch": { sh: `echo ${SECRET} $TOKEN`, description: SECRET, cwd: `${SECRET}-dir` },
    "fail": { sh: `echo ${SECRET} >&2; exit 3`, needs: ["fetch"], retry: { max: 1 } },
    "gone": { run: [`./${SECRET}-program`], needs: ["fetch"], allow_failure: true },
    "ask": { gate: `Deploy ${SECRET}?`, needs: ["fetch"] },
    "after": { sh: `echo ${SECRET}`, needs: ["fail"] },
  },
};

async function recordFlow(cwd: string): Promise<string> {
  await Deno.mkdir(`${cwd}/${SECRET}-dir`);
  await Deno.writeTextFile(`${cwd}/${SECRET}.flow.json`, JSON.stringify(FLOW));
  const { stdout } = await taffrail(["run", `${SECRET}.flow.json`], { cwd });
  const runId = /run_id=(\S+)/.exec(stdout)![1]!;
  const by = ["--by", SECRET];
  assertEquals((await ask(["pass", runId, "ask", "--value", `"${SECRET}"`, ...by], cwd)).code, 0);
  // Gone on with by another flow than it began with.
  const nodes = { ...FLOW.nodes, fail: { sh: `echo ${SECRET} 2; exit 4`, needs: ["fetch"] } };
  await Deno.writeTextFile(`${cwd}/${SECRET}.flow.json`, JSON.stringify({ ...FLOW, nodes }));
  await taffrail(["resume", runId], { cwd });
  return runId;
}

async function recordProgram(cwd: string): Promise<string> {
  const program = new ProgramFolder(cwd);
  const ops = [
    { step: "short", gives: { text: SECRET }, input: { text: SECRET } },
    { step: "long", gives: SECRET.repeat(20_000) },
    { step: "fails", fails: 9, caught: true, message: `no ${SECRET}`, maxRetries: 1 },
    { record: "seen", data: { text: SECRET } },
  ];
  await program.killAt({ ops: [...ops, { step: "last", hangs: true }], version: "7" }, /hangs/);
  const runId = await program.runId();
  for (const value of [`"${SECRET}"`, `{"by":"${SECRET}"}`]) {
    await program.tells("pass", runId, "approved", "--value", value, "--by", SECRET);
  }
  const more = [{ step: "last", gives: SECRET }, { gate: "approved", wants: true }];
  await program.run({ ops: [...ops, ...more], returns: { text: SECRET }, version: "7" });
  return runId;
}

async function recordTask(cwd: string): Promise<string> {
  const tasks = { build: `echo ${SECRET}` };
  await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify({ tasks }));
  const { stderr } = await taffrail(["run", "--tasks", "build", "--json", "--", SECRET], { cwd });
  return /run_id=(\S+)/.exec(stderr)![1]!;
}

async function recordCommand(cwd: string): Promise<string> {
  const { stderr } = await taffrail(["exec", "--", "echo", SECRET], { cwd });
  return /run_id=(\S+)/.exec(stderr)![1]!;
}

async function recordKilled(cwd: string): Promise<string> {
  await using running = startTaffrail(["exec", "--", "sh", "-c", `echo ${SECRET}; cat`], { cwd });
  const runId = (await running.stderr.find(/^run_id=/)).slice("run_id=".length);
  await running.stdout.find(new RegExp(SECRET));
  running.kill("SIGKILL");
  await running.end();
  return runId;
}

/** Exports a run without what may be private, and imports it elsewhere. */
async function redact(cwd: string, runId: string): Promise<void> {
  const exported = await taffrail(["export", "--redact", runId, "-o", "x"], { cwd });
  assertEquals([exported.code, exported.stderr], [0, ""]);
  assertStringIncludes(exported.stdout, "what may be private is left out");
  const imported = await ask(["import", "x", "--root", "b"], cwd);
  assertEquals([imported.code, imported.stderr], [0, ""]);
}

/** What is the same with and without what may be private. */
async function facts(cwd: string, root: string, runId: string) {
  const show = JSON.parse((await ask(["show", "--json", "--root", root, runId], cwd)).stdout);
  const nodes = show.nodes.map((node: Record<string, unknown>) => {
    const { id, status, attempt, started_ts, last_ts, duration_ms, exit_code, signal } = node;
    const failed = Object(status).Failed as { kind: string } | undefined;
    const { skipped, waits, deferrals } = node;
    const attempts = (node.attempts as typeof node[] | undefined)?.map((one) => {
      const { attempt, started_ts, duration_ms, exit_code } = one;
      return { attempt, started_ts, duration_ms, exit_code };
    });
    const times = { started_ts, last_ts, duration_ms, waits, deferrals };
    return {
      id,
      status: failed?.kind ?? status,
      attempt,
      times,
      exit_code,
      signal,
      skipped,
      attempts,
    };
  });
  const { pipe, state, outcome, started_ts, last_ts, duration_ms, version } = show;
  const replay = JSON.parse((await ask(["replay", "--json", "--root", root, runId], cwd)).stdout);
  const { redacted: _, ...replayed } = replay;
  return { pipe, state, outcome, started_ts, last_ts, duration_ms, version, nodes, replayed };
}

const RUNS: Readonly<Record<string, (cwd: string) => Promise<string>>> = {
  "of a flow that was gone on with": recordFlow,
  "of a program": recordProgram,
  "of tasks": recordTask,
  "of one command": recordCommand,
  "that was killed": recordKilled,
};

for (const [which, make] of Object.entries(RUNS)) {
  Deno.test({
    name: `a run ${which} is exported without what may be private, and is right without it`,
    ignore: !HAS_SIGNALS,
    fn: () =>
      withTempDir(async (cwd) => {
        const runId = await make(cwd);
        const before = Object.values(await filesOf(cwd, ".taffrail", runId)).join("\n");
        assert(before.includes(SECRET));
        await redact(cwd, runId);
        const entries = await unpack(`${cwd}/x`);
        const paths = entries.map(({ name }) => name.slice(runId.length + 1));
        for (const path of paths) {
          const text = textOf(entries, path);
          for (
            const word of [
              SECRET,
              SECRET.toUpperCase(),
              "_NAME",
              "TOKEN",
              cwd,
              `"${Deno.hostname()}"`,
            ]
          ) {
            assert(!text.includes(word), `${path} has ${word}`);
          }
          // By a digest of what is short that could be guessed.
          const known = new Set([...before.matchAll(/[0-9a-f]{64}/g)].map(([digest]) => digest));
          for (const text of ["", "{}"]) {
            const bytes = new TextEncoder().encode(text);
            const digest = await crypto.subtle.digest("SHA-256", bytes);
            known.delete(new Uint8Array(digest).toHex());
          }
          for (const [digest] of text.matchAll(/[0-9a-f]{64}/g)) {
            assert(!known.has(digest), `${path} has the digest ${digest}`);
          }
        }
        assert(paths.every((path) => !path.startsWith("nodes/") && path !== "trace.json"));
        assertEquals(JSON.parse(textOf(entries, "manifest.json")).redacted, true);
        const verified = await ask(["verify", "--root", "b", runId, "--json"], cwd);
        const { ok, problems, notes } = JSON.parse(verified.stdout);
        assertEquals([ok, problems], [true, []]);
        assert(notes.some(({ kind }: { kind: string }) => kind === "redacted"));
        assertEquals(await facts(cwd, "b", runId), await facts(cwd, ".taffrail", runId));
        const shown = JSON.parse((await ask(["show", "--json", "--root", "b", runId], cwd)).stdout);
        assertEquals(shown.redacted, true);
        // Without what may be private it is the same each time, from wherever it is.
        for (
          const [root, ...more] of [[".taffrail", "--redact"], ["b", "--redact"], ["b"]] as const
        ) {
          const args = ["export", "--root", root, runId, "-o", "again", "--force", ...more];
          assertEquals((await ask(args, cwd)).code, 0);
          assertEquals(await Deno.readFile(`${cwd}/again`), await Deno.readFile(`${cwd}/x`), root);
        }
      }),
  });
}

Deno.test("what was left out is told wherever it is missed, and such a run is not gone on with", () =>
  withTempDir(async (cwd) => {
    const runId = await recordFlow(cwd);
    await redact(cwd, runId);
    const at = (...args: string[]) => ask([...args, "--root", "b"], cwd);
    const { stdout } = await at("show", runId);
    assertStringIncludes(stdout, "note    it was redacted: commands, outputs, inputs and results");
    assert(!/resume|taffrail pass|all of it/.test(stdout), stdout);
    const logs = await at("logs", runId);
    assertEquals([logs.code, logs.stdout], [0, ""]);
    assertStringIncludes(
      logs.stderr,
      "it was redacted, so that what it printed and gave is left out",
    );
    const trace = await at("trace", runId);
    assertEquals(trace.code, 1);
    assertStringIncludes(trace.stderr, "it was redacted, so that its trace is left out");
    const replayed = await at("replay", runId);
    assertEquals(replayed.code, 0);
    assertStringIncludes(replayed.stdout, "it was redacted: its decisions are compared");
    for (const more of [["--live"], ["--flow", `${SECRET}.flow.json`]]) {
      const { code, stderr } = await at("replay", runId, ...more);
      assertEquals(code, 1);
      assertStringIncludes(stderr, "it was redacted, so that what it ran is not there any more");
    }
    const page = await at("report", runId, "-o", "-");
    assertEquals(page.code, 0);
    const { run } = dataIn(page.stdout);
    assertStringIncludes(run.damage[0]!, "it was redacted: ");
    assert(run.next.every(({ command = "" }) => !/resume|pass|logs/.test(command)));
    const summary = (await at("report", runId, "--markdown")).stdout;
    assertStringIncludes(summary, "it was redacted: ");
    assert(!/taffrail (?:resume|pass)/.test(summary), summary);
    const resumed = await taffrail(["resume", "--root", "b", runId], { cwd });
    assertEquals([resumed.code, resumed.stdout], [1, ""]);
    assertStringIncludes(resumed.stderr, `Cannot go on with the run ${runId} in `);
    assertStringIncludes(
      resumed.stderr,
      "it was redacted; it can be looked at; go on with the one",
    );
    const passed = await at("pass", runId, "ask");
    assertEquals(passed.code, 1);
    assertStringIncludes(passed.stderr, "the run was redacted when it was exported");
    for (const verb of ["what-if", "ls", "follow", "diff"]) {
      const runs = verb === "ls" ? [] : verb === "diff" ? [runId, runId] : [runId];
      const { code, stderr } = await at(
        verb,
        ...runs,
        ...verb === "what-if" ? ["--max-in-flight", "1"] : [],
      );
      assert(code <= 1 && stderr === "", `${verb}: ${stderr}`);
    }
  }));

Deno.test("a program does not go on with its run when results are left out of that", () =>
  withTempDir(async (cwd) => {
    const options = { root: `${cwd}/.taffrail`, name: "import", runId: "import-1" };
    {
      await using run = await openRun(options);
      await run.step("read", () => SECRET);
    }
    await redact(cwd, "import-1");
    const error = await assertRejects(() => openRun({ ...options, root: `${cwd}/b` }), RunError);
    assertEquals(error.kind, "damaged");
    await using root = openFileRoot(`${cwd}/b`);
    const refused = await assertRejects(() => passGate(root, "import-1", "any"), RunError);
    assertEquals(refused.kind, "damaged");
    // It is told by the journal, too, when the head of the run is made again.
    await Deno.writeTextFile(`${cwd}/b/runs/import-1/run.json`, "{");
    const repaired = await ask(["repair", "--root", "b", "import-1"], cwd);
    assertStringIncludes(repaired.stdout, "run.json");
    const again = await assertRejects(() => openRun({ ...options, root: `${cwd}/b` }), RunError);
    assertStringIncludes(again.message, "it was redacted");
  }));

Deno.test("damage stays damage without what may be private, at the same places", () =>
  withTempDir(async (cwd) => {
    const runId = await recordFlow(cwd);
    const folder = `${cwd}/.taffrail/runs/${runId}`;
    for (const name of ["events.jsonl", "capture.jsonl", "processes.jsonl", "inbox.jsonl"]) {
      const lines = (await Deno.readTextFile(`${folder}/${name}`)).split("\n");
      const damaged = lines.toSpliced(1, 0, "", `{"${SECRET}`, `\0\0{"text":"${SECRET}"}`);
      await Deno.writeTextFile(`${folder}/${name}`, `${damaged.join("\n")}{"text":"${SECRET}`);
    }
    await Deno.writeTextFile(`${folder}/flow.json`, `{"${SECRET}`);
    await Deno.writeTextFile(`${folder}/capture.json`, `{"${SECRET}`);
    await redact(cwd, runId);
    for (const [name, text] of Object.entries(await filesOf(cwd, "b", runId))) {
      assert(!text.includes(SECRET), name);
    }
    const found = await Promise.all([".taffrail", "b"].map(async (root) => {
      const { stdout } = await ask(["verify", "--root", root, runId, "--json"], cwd);
      const { problems, notes } = JSON.parse(stdout);
      return [...problems, ...notes].map(({ part, line }) => `${part} ${line}`)
        // What is not there is not compared, and the store is not copied.
        .filter((one) => !/^(?:output|store|trace|run) /.test(one));
    }));
    assertEquals(new Set(found[1]), new Set(found[0]));
  }));

Deno.test("a run of which nobody can tell what is private in it is not exported so", () =>
  withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    {
      await using log = await openEventLog<{ text: string }>({ root, runId: "other-1" });
      await log.append({ text: SECRET });
    }
    await Deno.mkdir(`${root}/runs/old-1`);
    await Deno.writeTextFile(`${root}/runs/old-1/events.jsonl`, '{"text":1}\n');
    const { stderr } = await taffrail(["exec", "--", "true"], { cwd });
    const newer = /run_id=(\S+)/.exec(stderr)![1]!;
    await Deno.writeTextFile(`${root}/runs/${newer}/flow.json`, '{"format":2}');
    const damaged = await recordCommand(cwd);
    await Deno.writeTextFile(`${root}/runs/${damaged}/run.json`, "{");
    for (
      const [runId, problem] of [
        ["other-1", "its log is one of a program's own, and only that knows what is private"],
        ["old-1", "it has no run.json, so that nobody can tell what wrote it"],
        [newer, "its format is 2, and 1 is known; use a newer taffrail"],
      ] as const
    ) {
      const { code, stderr } = await ask(["export", "--redact", runId], cwd);
      assertEquals(code, 1);
      assertStringIncludes(stderr, `Cannot export ${runId} with --redact: `);
      assertStringIncludes(stderr, problem);
      assertStringIncludes(stderr, "export it without, to somebody who may see all of it");
    }
    const { code } = await ask(["export", "--redact", damaged], cwd);
    assertEquals(code, 1);
    assertEquals(namesIn(cwd).filter((name) => name.includes("tar")), []);
  }));

Deno.test("what is not known to be harmless does not stay, whatever it is called", () =>
  withTempDir(async (cwd) => {
    const runId = await recordFlow(cwd);
    const folder = `${cwd}/.taffrail/runs/${runId}`;
    const strange = { extra: SECRET, "__proto__x": SECRET, deep: { text: [SECRET] } };
    const base = {
      id: "01m8pqfdqzgms8942pp8fg8max",
      ts: "2026-11-30T17:19:10.054Z",
      run_id: runId,
    };
    const odd = [SECRET, { text: SECRET }, [SECRET]];
    const types = ["pipe.started", "node.started", "iteration.started", "gate.passed"];
    const ends = ["node.completed", "node.failed", "pipe.completed", "pipe.aborted", SECRET];
    const numbers = ["duration_ms", "attempt", "iteration", "output_cut", "exit_code"];
    const others = ["error", "skipped", "inputs", "damaged", "resumed", "output_hash"];
    const lines = [...types, ...ends].flatMap((type) => {
      return odd.map((value) => {
        const named = Object.fromEntries([...numbers, ...others].map((name) => [name, value]));
        return {
          type,
          ...base,
          ...named,
          message: SECRET,
          reason: SECRET,
          name: SECRET,
          ...strange,
        };
      });
    });
    const text = (some: unknown[]) => some.map((line) => `${JSON.stringify(line)}\n`).join("");
    const append = { append: true };
    await Deno.writeTextFile(`${folder}/events.jsonl`, text(lines), append);
    const more = odd.map((value) => ({ ...strange, by: value, value, pid: value, host: value }));
    for (const name of ["inbox.jsonl", "processes.jsonl"]) {
      await Deno.writeTextFile(`${folder}/${name}`, text(more), append);
    }
    for (const name of ["run.json", "flow.json"]) {
      const document = JSON.parse(await Deno.readTextFile(`${folder}/${name}`));
      document.extra = strange;
      if (name === "flow.json") Object.assign(document.nodes[0], strange);
      await Deno.writeTextFile(`${folder}/${name}`, JSON.stringify(document));
    }
    await redact(cwd, runId);
    const files = await filesOf(cwd, "b", runId);
    for (const [name, text] of Object.entries(files)) assert(!text.includes(SECRET), name);
    // Each is there all the same.
    const count = (text: string) => text.split("\n").length;
    const before = await Deno.readTextFile(`${folder}/events.jsonl`);
    assertEquals(count(files["events.jsonl"]!), count(before));
    assert(files["events.jsonl"]!.includes('{"type":"***","id":"01m8pqfdqzgms8942pp8fg8max"'));
  }));
