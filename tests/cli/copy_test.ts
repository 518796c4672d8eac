/** `taffrail copy` between directories: what a copy has, what is refused, and what a kill leaves. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runPaths } from "../../_internal/root_layout.ts";
import { openFileRoot, openRun } from "../../run/mod.ts";
import { isThere, namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { filesOf, recordFlow, underId, writeLarge } from "./_archives.ts";
import {
  ask,
  HAS_SIGNALS,
  recordAndKill,
  startAtWork,
  startTaffrail,
  taffrail,
} from "./_command.ts";

const FLOW = {
  name: "flow",
  nodes: {
    "a:1": { sh: "echo printed; echo told >&2" },
    "b": { sh: "exit 3", needs: ["a:1"] },
    "c": { gate: "Deploy?", needs: ["a:1"] },
  },
};

Deno.test("a copy has all that the run has, byte for byte, is right by itself, and can be gone on with", () =>
  withTempDir(async (cwd) => {
    const runId = await recordFlow(cwd, FLOW);
    assertEquals((await taffrail(["pass", runId, "c"], { cwd })).code, 0);
    const copied = await taffrail(["copy", "flow", "--to", "b"], { cwd });
    assertEquals([copied.code, copied.stderr], [0, ""]);
    assertMatch(copied.stdout, /^copied flow-\S+ to b: \d+ lines, 2 outputs, \S+\n$/);
    assertEquals(await filesOf(cwd, "b", runId), await filesOf(cwd, ".taffrail", runId));
    assertEquals(namesIn(`${cwd}/b/runs`), [runId]);
    // The key of its root does not travel, nor does what is made of the log.
    assertEquals(namesIn(`${cwd}/b`).toSorted(), [".gitignore", "runs"]);
    for (const verb of ["verify", "replay", "show"]) {
      const { code, stdout } = await ask([verb, "--root", "b", runId], cwd);
      assertEquals(code, 0, stdout);
    }
    assertEquals(
      (await ask(["logs", "--root", "b", runId], cwd)).stdout,
      [
        "a:1 | printed\n",
        "a:1 ! told\n",
      ].join(""),
    );
    await Deno.writeTextFile(
      `${cwd}/flow.json`,
      JSON.stringify({ ...FLOW, nodes: { ...FLOW.nodes, b: { sh: "true", needs: ["a:1"] } } }),
    );
    const resumed = await taffrail(["resume", "--root", "b", runId], { cwd });
    assertEquals(resumed.code, 0, resumed.stdout + resumed.stderr);
    assertEquals((await ask(["verify", "--root", "b", runId], cwd)).code, 0);
    assertStringIncludes((await ask(["show", runId], cwd)).stdout, "  failed");
  }));

Deno.test("a copy under another id says that in its log and its trace, and nothing else is another", () =>
  withTempDir(async (cwd) => {
    const runId = await recordFlow(cwd, FLOW);
    const copied = await taffrail(["copy", runId, "--to", ".taffrail", "--as", "other", "--json"], {
      cwd,
    });
    assertEquals([copied.code, copied.stderr], [0, ""]);
    const { bytes, lines, ...rest } = JSON.parse(copied.stdout);
    assertEquals(rest, {
      ...{ run_id: runId, from: ".taffrail", copy_id: "other", to: ".taffrail" },
      documents: ["run.json", "flow.json", "trace.json", "capture.json"],
      ...{ outputs: 2, replaced_lines: 0, left_out_tails: [] },
    });
    assert(bytes > 1000 && lines.events === 6 && lines.capture > 6);
    const expected = underId(await filesOf(cwd, ".taffrail", runId), runId, "other");
    assertEquals(await filesOf(cwd, ".taffrail", "other"), expected);
    for (const verb of ["verify", "replay", "trace"]) {
      const { code, stdout } = await ask([verb, "other"], cwd);
      assertEquals(code, 0, stdout);
    }
  }));

Deno.test("lines that are damaged are damaged in the copy too, at the same places", () =>
  withTempDir(async (cwd) => {
    const runId = await recordFlow(cwd, FLOW);
    const folder = `${cwd}/.taffrail/runs/${runId}`;
    for (const name of ["events.jsonl", "processes.jsonl", "inbox.jsonl"]) {
      const text = await Deno.readTextFile(`${folder}/${name}`).catch(() => "");
      const [first = "", ...others] = text.split("\n");
      const damaged = [first, "", "{", "\0\0", `"${"x".repeat(17 * 1024 ** 2)}"`, ...others];
      await Deno.writeTextFile(`${folder}/${name}`, damaged.join("\n"));
      // No character of a text begins so.
      await Deno.writeFile(`${folder}/${name}`, Uint8Array.of(255, 10), { append: true });
    }
    const copied = await taffrail(["copy", runId, "--to", "b"], { cwd });
    assertEquals([copied.code, copied.stderr], [0, ""]);
    assertStringIncludes(copied.stdout, "3 lines were too long to be copied, and are replaced\n");
    const [original, copy] = [
      await filesOf(cwd, ".taffrail", runId),
      await filesOf(cwd, "b", runId),
    ];
    for (const [name, text] of Object.entries(original)) {
      const shortened = text.split("\n").map((line) =>
        line.length > 16 * 1024 ** 2
          ? `[taffrail: a line that is left out, as it is ${line.length} bytes long]`
          : line
      ).join("\n");
      assertEquals(copy[name], shortened, name);
    }
    const places = async (root: string) => {
      const { stdout } = await ask(["verify", "--root", root, runId, "--json"], cwd);
      const { problems } = JSON.parse(stdout);
      return problems.map(({ line }: { line?: number }) => line)
        .filter((line: unknown) => line !== undefined);
    };
    const damaged = await places("b");
    assert(damaged.length >= 5);
    assertEquals(damaged, await places(".taffrail"));
  }));

Deno.test("what a killed writer has left of a line is left in the copy too", () =>
  withTempDir(async (cwd) => {
    const runId = await recordFlow(cwd, FLOW);
    const folder = `${cwd}/.taffrail/runs/${runId}`;
    const tails = {
      "capture.jsonl": '{"line":99,"ty',
      "events.jsonl": "\0\0\0",
      "inbox.jsonl": "{}",
    };
    for (const [name, tail] of Object.entries(tails)) {
      await Deno.writeTextFile(`${folder}/${name}`, tail, { append: true });
    }
    const copied = await taffrail(["copy", runId, "--to", "b"], { cwd });
    assertEquals([copied.code, copied.stderr], [0, ""]);
    assertEquals(await filesOf(cwd, "b", runId), await filesOf(cwd, ".taffrail", runId));
    const found = await Promise.all([".taffrail", "b"].map(async (root) => {
      const { stdout } = await ask(["verify", "--root", root, runId, "--json"], cwd);
      const { problems, notes } = JSON.parse(stdout);
      // What is made of the log is not copied.
      return [...problems, ...notes].map(({ part, kind }) => `${part} ${kind}`)
        .filter((one) => !one.startsWith("store"));
    }));
    const expected = ["log torn", "capture lost-tail", "inbox lost-tail"];
    assertEquals(found, [expected, expected]);
  }));

Deno.test({
  name:
    "a run that is at work is not copied, nor one in place of another, and what is called wrongly is told",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const { running, runId } = await startAtWork(cwd);
      await using _ = running;
      const refused = await taffrail(["copy", runId, "--to", "b"], { cwd });
      assertEquals(refused.code, 1);
      assertMatch(refused.stderr, /^Cannot copy cat-\S+: process \d+ works on it; copy it when/);
      assertEquals(namesIn(`${cwd}/b`), [".gitignore"]);
      await running.closeInput();
      await running.end();
      assertEquals((await taffrail(["copy", runId, "--to", "b"], { cwd })).code, 0);
      const again = await taffrail(["copy", runId, "--to", "b"], { cwd });
      assertEquals(again.code, 1);
      assertStringIncludes(again.stderr, "there is one of this id");
      for (
        const [args, problem] of [
          [[runId], "needs --to ROOT"],
          [[runId, "--to", ""], "Cannot use --to: it is empty"],
          [[runId, "--to", "b", "--as", "a/b"], 'Cannot use --as "a/b"'],
          [[runId, "--to", "postgres://u:secret@h/d"], "has a password"],
          [[runId, "--to", "b", "--from", "x", "--root", "y"], "they say the same"],
        ] as const
      ) {
        const { code, stderr } = await ask(["copy", ...args], cwd);
        assertEquals(code, 2);
        assertStringIncludes(stderr, problem);
        assert(!stderr.includes("secret"));
      }
    }),
});

/** Kills a copy to `b` in the middle; one that was done before that is begun anew. */
async function killedAtWork(cwd: string, args: string[]): Promise<void> {
  const runs = `${cwd}/b/runs`;
  for (;;) {
    await using running = startTaffrail(args, { cwd });
    let names: string[] = [];
    const hasBegun = () => names.some((name) => isThere(`${runs}/${name}/events.jsonl`));
    while (!hasBegun()) {
      names = isThere(runs) ? namesIn(runs) : [];
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    running.kill("SIGKILL");
    await running.end();
    if (!isThere(`${runs}/large`)) return;
    await Deno.remove(`${runs}/large`, { recursive: true });
  }
}

Deno.test({
  name:
    "a copy that is killed leaves no run, and done again it is whole and leaves nothing of the first",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const size = await writeLarge(cwd);
      const args = ["copy", "large", "--from", "a", "--to", "b"];
      await killedAtWork(cwd, args);
      assertEquals(JSON.parse((await ask(["ls", "--root", "b", "--json"], cwd)).stdout).runs, []);
      assertEquals(namesIn(`${cwd}/b/runs`).length, 1);
      const again = await taffrail(args, { cwd });
      assertEquals([again.code, again.stderr], [0, ""]);
      assertEquals(namesIn(`${cwd}/b/runs`), ["large"]);
      const copy = await Deno.stat(`${cwd}/b/runs/large/events.jsonl`);
      assertEquals(copy.size, size);
    }),
});

Deno.test({
  name: "who goes on with a copy of a run that was killed touches nothing of the original",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withTempDir(async (cwd) => {
      await Deno.writeTextFile(
        `${cwd}/flow.json`,
        JSON.stringify({
          name: "flow",
          nodes: { a: { sh: "[ -e go ] && exit; echo $$ >pid; exec sleep 60" } },
        }),
      );
      await using running = startTaffrail(["run", "flow.json"], { cwd });
      const runId = (await running.stdout.find(/^run_id=/)).slice("run_id=".length);
      let pid = 0;
      while (!(pid > 0)) {
        pid = Number(await Deno.readTextFile(`${cwd}/pid`).catch(() => "0"));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      running.kill("SIGKILL");
      await running.end();
      await Deno.writeTextFile(`${cwd}/go`, "");
      assertEquals((await taffrail(["copy", runId, "--to", "b"], { cwd })).code, 0);
      const resumed = await taffrail(["resume", runId, "--root", "b"], { cwd });
      assertEquals([resumed.code, resumed.stderr], [0, ""]);
      Deno.kill(pid, "SIGCONT");
      const own = await taffrail(["resume", runId], { cwd });
      assertEquals(own.code, 0);
      assertStringIncludes(own.stderr, `ending what is left of a: process ${pid}`);
    }),
});

Deno.test("the copy of a run with nothing in its log has a log with nothing in it", () =>
  withTempDir(async (cwd) => {
    const root = openFileRoot(`${cwd}/.taffrail`);
    const held = await root.create({ about: { name: "demo" }, runId: "demo-1" });
    await held[Symbol.asyncDispose]();
    assertEquals((await taffrail(["copy", "demo-1", "--to", "b"], { cwd })).code, 0);
    for (const place of [".taffrail", "b"]) {
      const { size } = await Deno.stat(runPaths(`${cwd}/${place}`, "demo-1").events);
      assertEquals(size, 0, place);
    }
  }));

Deno.test("a run that was killed is copied as it is, and the copy of a program's run gives its results", () =>
  withTempDir(async (cwd) => {
    const runId = await recordAndKill(cwd);
    assertEquals((await taffrail(["copy", runId, "--to", "b"], { cwd })).code, 0);
    assertStringIncludes((await ask(["ls", "--root", "b"], cwd)).stdout, "ORPHAN");
    const options = { root: `${cwd}/.taffrail`, name: "import", runId: "import-1" };
    const large = "x".repeat(100_000);
    {
      await using run = await openRun(options);
      await run.step("read", () => ({ large }));
    }
    assertEquals((await taffrail(["copy", "import-1", "--to", "b"], { cwd })).code, 0);
    await using run = await openRun({ ...options, root: `${cwd}/b` });
    const result = await run.step<{ large: string }>("read", () => {
      throw new Error("it runs again");
    });
    assertEquals(result, { large });
    await run.finish();
  }));
