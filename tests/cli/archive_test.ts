/** `taffrail export` and `import`: what an archive has, what it becomes, and what is left of one that is cut off. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openFileRoot } from "../../run/mod.ts";
import { isThere, modeOf, namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { filesOf, recordFlow, textOf, underId, unpack, writeLarge } from "./_archives.ts";
import {
  ask,
  HAS_SIGNALS,
  recordAndKill,
  startAtWork,
  startTaffrail,
  taffrail,
} from "./_command.ts";
import { ProgramFolder } from "./_program.ts";

const FLOW = {
  name: "flow",
  nodes: {
    "a:1": { sh: "echo printed; echo told >&2" },
    "b": { sh: "exit 3", needs: ["a:1"], retry: { max: 1 } },
    "c": { gate: "Deploy?", needs: ["a:1"] },
    "d": { sh: "echo never", needs: ["c"] },
  },
};

/** A program that was cut off and gone on with, with results short and long, a gate and a record. */
async function recordProgram(cwd: string): Promise<string> {
  const program = new ProgramFolder(cwd);
  const ops = [
    { step: "read é", gives: { rows: 7 } },
    { step: "large", big: 100_000, input: { file: "a.csv" } },
    { record: "seen", data: { file: "a.csv" } },
    { step: "fails", fails: 9, caught: true, message: "no such row" },
    { sleep: "settle", ms: 1 },
  ];
  await program.killAt({ ops: [...ops, { step: "last", hangs: true }] }, /hangs/);
  const runId = await program.runId();
  // Of two answers the first cannot be used.
  for (const value of ["1", '{"by":"ada"}']) {
    await program.tells("pass", runId, "approved", "--value", value);
  }
  await program.run({ ops: [...ops, { gate: "approved", wants: true }], leaves: true });
  return runId;
}

/** What can be told of a run, without where it is. */
async function told(cwd: string, root: string, runId: string): Promise<string[]> {
  const asked = [
    ["show", runId, "--json"],
    ["show", runId],
    ["replay", runId, "--json"],
    ["logs", runId],
    ["verify", runId],
  ];
  const ended = await Promise.all(asked.map((args) => ask([...args, "--root", root], cwd)));
  return ended.map(({ code, stdout, stderr }) => {
    // The store is made of the log, and stays where it is.
    const text = stdout.split("\n").filter((line) => !/behind-log|bring it up/.test(line)).join(
      "\n",
    );
    return `${code} ${text}${stderr}`.replaceAll(`--root ${root} `, "").replaceAll(root, "ROOT");
  });
}

const RUNS: Readonly<Record<string, (cwd: string) => Promise<string>>> = {
  "of a flow that failed": (cwd) => recordFlow(cwd, FLOW),
  "of a flow that completed": (cwd) => {
    return recordFlow(cwd, { name: "ok", nodes: { a: { sh: "echo 1" }, b: { needs: ["a"] } } });
  },
  "that was killed": recordAndKill,
  "that was gone on with": async (cwd) => {
    const runId = await recordFlow(cwd, FLOW);
    await taffrail(["pass", runId, "c"], { cwd });
    await taffrail(["resume", runId], { cwd });
    return runId;
  },
  "of a program that was killed, gone on with and left": recordProgram,
};

for (const [which, make] of Object.entries(RUNS)) {
  Deno.test({
    name: `a run ${which} is the same when it was exported and imported, byte for byte`,
    ignore: !HAS_SIGNALS && which.includes("killed"),
    fn: () =>
      withTempDir(async (cwd) => {
        const runId = await make(cwd);
        const exported = await taffrail(["export", runId], { cwd });
        assertEquals([exported.code, exported.stderr], [0, ""]);
        assertMatch(
          exported.stdout,
          /^exported \S+ to \S+\.tar\.gz, \S+: \d+ lines, \d+ outputs?, /,
        );
        const file = `${runId}.tar.gz`;
        if (Deno.build.os !== "windows") assertEquals(modeOf(`${cwd}/${file}`), 0o600);
        const imported = await taffrail(["import", "--root", "sub/b", file], { cwd });
        assertEquals([imported.code, imported.stderr], [0, ""]);
        assertStringIncludes(imported.stdout, `imported ${runId} to sub/b: `);
        const expected = await filesOf(cwd, ".taffrail", runId);
        // Only the newest trace is a document of the run.
        delete expected["trace.1.json"];
        assertEquals(await filesOf(cwd, "sub/b", runId), expected);
        assertEquals(namesIn(`${cwd}/sub/b`).toSorted(), [".gitignore", "runs"]);
        const [original, copy] = [
          await told(cwd, ".taffrail", runId),
          await told(cwd, "sub/b", runId),
        ];
        assertEquals(copy, original);
        assert(copy.every((text) => text.startsWith("0 ")), copy.join("\n"));
        // The same run gives the same bytes, from wherever it is.
        const again = await taffrail(["export", "--root", "sub/b", runId, "-o", "again"], { cwd });
        assertEquals(again.code, 0, again.stderr);
        assertEquals(await Deno.readFile(`${cwd}/again`), await Deno.readFile(`${cwd}/${file}`));
      }),
  });
}

Deno.test("what was imported is gone on with as the original", () =>
  withTempDir(async (cwd) => {
    const runId = await recordFlow(cwd, FLOW);
    await taffrail(["export", runId, "-o", "run.tar.gz"], { cwd });
    await taffrail(["import", "run.tar.gz", "--root", "b"], { cwd });
    assertEquals((await ask(["pass", "--root", "b", runId, "c"], cwd)).code, 0);
    const nodes = { ...FLOW.nodes, b: { sh: "true", needs: ["a:1"] } };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ ...FLOW, nodes }));
    const resumed = await taffrail(["resume", "--root", "b", runId], { cwd });
    assertEquals(resumed.code, 0, resumed.stdout + resumed.stderr);
    assertEquals((await ask(["verify", "--root", "b", runId], cwd)).code, 0);
    assertStringIncludes((await ask(["show", runId], cwd)).stdout, "  failed");
  }));

Deno.test("lines that are damaged, and what a killed writer has left of one, are so in the import too", () =>
  withTempDir(async (cwd) => {
    const runId = await recordFlow(cwd, FLOW);
    const folder = `${cwd}/.taffrail/runs/${runId}`;
    for (const name of ["events.jsonl", "capture.jsonl", "processes.jsonl", "inbox.jsonl"]) {
      const text = await Deno.readTextFile(`${folder}/${name}`).catch(() => "");
      const [first = "", ...others] = text.split("\n");
      const damaged = [first, "", "{", "\0\0", ...others].join("\n");
      await Deno.writeTextFile(`${folder}/${name}`, damaged);
      // No character of a text begins so.
      await Deno.writeFile(`${folder}/${name}`, Uint8Array.of(255, 10, 123, 34), { append: true });
    }
    const long = `"${"x".repeat(17 * 1024 ** 2)}"\n`;
    await Deno.writeTextFile(`${folder}/processes.jsonl`, long);
    await Deno.writeTextFile(`${folder}/flow.json`, "{");
    const exported = await taffrail(["export", runId], { cwd });
    assertEquals([exported.code, exported.stderr], [0, ""]);
    assertStringIncludes(exported.stdout, "1 line too long to be read, and replaced\n");
    const imported = await taffrail(["import", `${runId}.tar.gz`, "--root", "b"], { cwd });
    assertEquals([imported.code, imported.stderr], [0, ""]);
    const expected = await filesOf(cwd, ".taffrail", runId);
    delete expected["trace.1.json"];
    const { length } = long.trimEnd();
    expected["processes.jsonl"] =
      `[taffrail: a line that is left out, as it is ${length} bytes long]\n`;
    assertEquals(await filesOf(cwd, "b", runId), expected);
  }));

Deno.test("a run with nothing in its log, and one under another id, are what they were", () =>
  withTempDir(async (cwd) => {
    await using root = openFileRoot(`${cwd}/.taffrail`);
    await (await root.create({ about: { name: "demo" }, runId: "demo-1" }))[Symbol.asyncDispose]();
    const args = ["export", "demo-1", "-o", "demo.tar.gz", "--json"];
    const exported = JSON.parse((await taffrail(args, { cwd })).stdout);
    const { archive_bytes, bytes, ...rest } = exported;
    assertEquals(rest, {
      ...{ run_id: "demo-1", root: ".taffrail", file: "demo.tar.gz", redacted: false },
      lines: { capture: 0, events: 0, processes: 0, inbox: 0 },
      ...{ documents: ["run.json"], outputs: 0, replaced_lines: 0 },
    });
    assertEquals(archive_bytes, (await Deno.stat(`${cwd}/demo.tar.gz`)).size);
    const imported = await ask(["import", "demo.tar.gz", "--as", "other", "--json"], cwd);
    assertEquals(JSON.parse(imported.stdout), {
      ...{ file: "demo.tar.gz", run_id: "demo-1", import_id: "other", root: ".taffrail" },
      ...{ redacted: false, lines: rest.lines, documents: ["run.json"], outputs: 0, bytes },
      left_out_tails: [],
    });
    const { size } = await Deno.stat(`${cwd}/.taffrail/runs/other/events.jsonl`);
    assertEquals(size, 0);
    const flow = await recordFlow(cwd, FLOW);
    await ask(["export", flow, "-o", "flow.tar.gz"], cwd);
    assertEquals((await ask(["import", "flow.tar.gz", "--as", "third"], cwd)).code, 0);
    const expected = underId(await filesOf(cwd, ".taffrail", flow), flow, "third");
    delete expected["trace.1.json"];
    assertEquals(await filesOf(cwd, ".taffrail", "third"), expected);
    for (const verb of ["verify", "replay", "trace"]) {
      const { code, stdout } = await ask([verb, "third"], cwd);
      assertEquals(code, 0, stdout);
    }
  }));

Deno.test("an archive is a tar that others read, its manifest first, and no file of it is another time", () =>
  withTempDir(async (cwd) => {
    const runId = await recordFlow(cwd, FLOW);
    await taffrail(["export", runId, "-o", "run.tar.gz"], { cwd });
    const entries = await unpack(`${cwd}/run.tar.gz`);
    const manifest = JSON.parse(textOf(entries, "manifest.json"));
    const { entries: named, ...head } = manifest;
    const version = head.taffrail_version;
    assertEquals(head, { format: 1, taffrail_version: version, run_id: runId, redacted: false });
    const paths = named.map(({ path }: { path: string }) => path);
    assertEquals(entries.map(({ name }) => name), [
      `${runId}/manifest.json`,
      ...paths.map((path: string) => `${runId}/${path}`),
    ]);
    const out = named.find(({ path }: { path: string }) => path === "nodes/a%3A1.1.out");
    const text = new TextEncoder().encode("printed\n");
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
    assertEquals(out, {
      ...{ path: "nodes/a%3A1.1.out", bytes: 8, sha256: digest.toHex() },
      ...{ node_id: "a:1", attempt: 1, stream: "out" },
    });
    // Neither a time nor a system is in the head of what gzip makes.
    const bytes = await Deno.readFile(`${cwd}/run.tar.gz`);
    assertEquals([...bytes.subarray(0, 10)], [31, 139, 8, 0, 0, 0, 0, 0, bytes[8], 255]);
    const listed = await new Deno.Command("tar", { args: ["tzf", "run.tar.gz"], cwd }).output()
      .catch(() => undefined);
    if (listed === undefined) return;
    assertEquals(new TextDecoder().decode(listed.stdout).trim().split("\n").length, entries.length);
  }));

Deno.test("an archive goes by standard output and input, and replaces no file unasked", () =>
  withTempDir(async (cwd) => {
    const runId = await recordFlow(cwd, FLOW);
    const file = `${cwd}/run.tar.gz`;
    assertEquals((await ask(["export", runId, "-o", "run.tar.gz"], cwd)).code, 0);
    const before = await Deno.readFile(file);
    await Deno.writeTextFile(file, "mine");
    const refused = await ask(["export", runId, "-o", "run.tar.gz"], cwd);
    assertEquals(refused.code, 2);
    assertStringIncludes(
      refused.stderr,
      "Cannot write run.tar.gz: it is there already; name another",
    );
    assertEquals(await Deno.readTextFile(file), "mine");
    assertEquals((await ask(["export", runId, "-o", "run.tar.gz", "--force"], cwd)).code, 0);
    assertEquals(await Deno.readFile(file), before);
    const shell = `"$@" export ${runId} -o - --json 2>said | "$@" import - --root b --json`;
    const piped = await taffrail([], { cwd, shell });
    assertEquals([piped.code, piped.stderr], [0, ""]);
    assertEquals(JSON.parse(piped.stdout).file, null);
    const said = JSON.parse(await Deno.readTextFile(`${cwd}/said`));
    assertEquals([said.file, said.archive_bytes], [null, before.length]);
    const expected = await filesOf(cwd, ".taffrail", runId);
    delete expected["trace.1.json"];
    assertEquals(await filesOf(cwd, "b", runId), expected);
    const gone = await taffrail([], { cwd, shell: `"$@" export ${runId} -o - 2>said | :` });
    assertEquals(gone.code, 0);
    for (
      const [args, problem] of [
        [["export"], "needs a run"],
        [["export", runId, "-o", ""], "Cannot use --output: it is empty"],
        [["export", runId, "-o", "a", "-o", "b"], "given twice"],
        [["import"], "needs a file"],
        [["import", "run.tar.gz", "--as", "a/b"], 'Cannot use --as "a/b"'],
        [["import", "run.tar.gz", "--max-size", "0"], "Cannot use --max-size"],
        [["import", "run.tar.gz", "--root", "postgres://u:secret@h/d"], "has a password"],
      ] as const
    ) {
      const { code, stderr } = await ask([...args], cwd);
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, problem);
      assert(!stderr.includes("secret"));
    }
    const inside = await ask(["export", runId, "-o", "b", "--json"], cwd);
    assertEquals(JSON.parse(inside.stdout).file, `b/${runId}.tar.gz`);
    assertEquals(await Deno.readFile(`${cwd}/b/${runId}.tar.gz`), before);
    const nowhere = await ask(["export", runId, "-o", "no/such/run.tar.gz"], cwd);
    assertEquals(nowhere.code, 1);
    assertEquals(
      nowhere.stderr,
      "Cannot write no/such/run.tar.gz: its directory is not there; make that, or name another " +
        "file with -o\n",
    );
    assertEquals(namesIn(cwd).filter((name) => name.includes("tmp")), []);
  }));

Deno.test({
  name: "a run that is at work is not exported, and none is imported in place of another",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const { running, runId } = await startAtWork(cwd);
      await using _ = running;
      const refused = await taffrail(["export", runId], { cwd });
      assertEquals(refused.code, 1);
      assertMatch(
        refused.stderr,
        /^Cannot export cat-\S+: process \d+ works on it; export it when/,
      );
      assertEquals(namesIn(cwd).toSorted(), [".taffrail"]);
      await running.closeInput();
      await running.end();
      assertEquals((await taffrail(["export", runId], { cwd })).code, 0);
      const again = await taffrail(["import", `${runId}.tar.gz`], { cwd });
      assertEquals([again.code, again.stdout], [1, ""]);
      assertEquals(
        again.stderr,
        `Cannot import ${runId}.tar.gz: there is a run ${runId} in .taffrail already; ` +
          "--as ID gives it another id\n",
      );
    }),
});

/** Ends a command as soon as something is there, by a signal; false where it was done before. */
async function endAtWork(
  cwd: string,
  args: string[],
  { signal, hasBegun }: { signal: Deno.Signal; hasBegun: () => boolean },
): Promise<{ code: number; stderr: string }> {
  await using running = startTaffrail(args, { cwd });
  while (!hasBegun()) await new Promise((resolve) => setTimeout(resolve, 1));
  running.kill(signal);
  return await running.end();
}

Deno.test({
  name:
    "an export that is cut off leaves no file in its place, and the next one takes away the rest",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      await writeLarge(cwd);
      const args = ["export", "large", "--root", "a", "-o", "out.tar.gz"];
      const temps = () => namesIn(cwd).filter((name) => name.startsWith("out.tar.gz."));
      const hasBegun = () => temps().length > 0;
      const stopped = await endAtWork(cwd, args, { signal: "SIGTERM", hasBegun });
      assertEquals([stopped.code, stopped.stderr], [143, ""]);
      assertEquals(namesIn(cwd), ["a"]);
      await endAtWork(cwd, args, { signal: "SIGKILL", hasBegun });
      assertEquals([isThere(`${cwd}/out.tar.gz`), temps().length], [false, 1]);
      const again = await taffrail(args, { cwd });
      assertEquals([again.code, again.stderr], [0, ""]);
      assertEquals(namesIn(cwd).toSorted(), ["a", "out.tar.gz"]);
    }),
});

Deno.test({
  name: "an import that is cut off leaves no run, and done again it is whole",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      await writeLarge(cwd);
      assertEquals((await ask(["export", "large", "--root", "a", "-o", "l"], cwd)).code, 0);
      const runs = `${cwd}/b/runs`;
      const hasBegun = () => {
        const names = isThere(runs) ? namesIn(runs) : [];
        return names.some((name) => isThere(`${runs}/${name}/events.jsonl`));
      };
      // Until the whole of it has come, it waits for the rest.
      const bytes = await Deno.readFile(`${cwd}/l`);
      for (const signal of ["SIGTERM", "SIGKILL"] as const) {
        await using running = startTaffrail(["import", "-", "--root", "b"], { cwd });
        await running.write(bytes.subarray(0, bytes.length / 2));
        while (!hasBegun()) await new Promise((resolve) => setTimeout(resolve, 1));
        running.kill(signal);
        const { code } = await running.end();
        if (signal === "SIGTERM") assertEquals([code, namesIn(runs)], [143, []]);
      }
      assertEquals(JSON.parse((await ask(["ls", "--root", "b", "--json"], cwd)).stdout).runs, []);
      assertEquals(namesIn(runs).length, 1);
      assertEquals((await ask(["import", "l", "--root", "b"], cwd)).code, 0);
      assertEquals(namesIn(runs), ["large"]);
      const log = await Deno.readFile(`${runs}/large/events.jsonl`);
      assertEquals(log.length, (await Deno.stat(`${cwd}/a/runs/large/events.jsonl`)).size);
    }),
});
