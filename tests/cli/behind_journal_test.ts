/** What a power cut or a kill leaves of a run: its log and its store are behind its journal. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runPaths, runtimeDirectory } from "../../_internal/root_layout.ts";
import { withMemoryDir } from "../_util/temp.ts";
import { ask, HAS_SIGNALS, recordAndKill, taffrail } from "./_command.ts";
import { onlyRun, writeFlow } from "./_runs.ts";

/** A problem or a note, as `--json` prints it. */
interface Told {
  part: string;
  kind: string;
  path: string;
  line: number | null;
  message: string;
  repair: string | null;
}

async function verify(cwd: string) {
  const { stdout, code } = await ask(["verify", "--json"], cwd);
  const { problems, notes } = JSON.parse(stdout) as { problems: Told[]; notes: Told[] };
  assertEquals(code, problems.length === 0 ? 0 : 1);
  const brief = (told: Told[]) => told.map(({ part, kind }) => `${part} ${kind}`);
  return { problems, notes, brief: [brief(problems), brief(notes)] };
}

async function show(cwd: string, runId: string) {
  const { state, is_orphan, nodes } = JSON.parse(
    (await ask(["show", "--json", runId], cwd)).stdout,
  );
  const statuses = nodes.map(({ id, status, attempt, exit_code }: Record<string, unknown>) => {
    return [id, status, attempt, exit_code];
  });
  return { state, is_orphan, nodes: statuses };
}

async function listed(cwd: string) {
  const [run] = JSON.parse((await ask(["ls", "--json"], cwd)).stdout).runs;
  return [run.state, run.is_orphan, run.nodes_completed, run.nodes_total];
}

async function linesOf(path: string): Promise<string[]> {
  return (await Deno.readTextFile(path)).trimEnd().split("\n");
}

async function writeLines(path: string, lines: readonly string[]): Promise<void> {
  await Deno.writeTextFile(path, lines.map((line) => `${line}\n`).join(""));
}

async function recordFlow(cwd: string, b: string): Promise<{ runId: string; root: string }> {
  await writeFlow(cwd, { a: "echo a", b: { run: b, needs: ["a"] } });
  await taffrail(["run", "flow.json"], { cwd });
  const root = `${cwd}/.taffrail`;
  return { runId: await onlyRun(root), root };
}

for (const [what, b] of [["completed", "echo b"], ["failed", "exit 3"]] as const) {
  Deno.test(`a log that lost its last lines: show and ls tell what became of a run that ${what}, and repair writes it`, () =>
    withMemoryDir(async (cwd) => {
      const { runId, root } = await recordFlow(cwd, b);
      const { events } = runPaths(root, runId);
      const [whole, list] = [await show(cwd, runId), await listed(cwd)];
      const lines = await linesOf(events);
      for (let count = 0; count < lines.length; count++) {
        await writeLines(events, lines.slice(0, count));
        const cut = await show(cwd, runId);
        // The nodes that were never begun are in the log alone.
        assertEquals({ ...cut, nodes: new Set(cut.nodes) }, {
          ...whole,
          nodes: new Set(whole.nodes),
        });
        if (count > 0) assertEquals(await listed(cwd), list, `${count} lines`);
        assertEquals((await verify(cwd)).brief, [["log lost-events"], []], `${count} lines`);
        assertEquals((await ask(["repair"], cwd)).code, 0);
        assertEquals((await verify(cwd)).brief, [[], []], `${count} lines`);
        assertEquals(await linesOf(events).then(({ length }) => length), lines.length);
        assertEquals((await ask(["replay", runId], cwd)).code, 0);
      }
    }));

  Deno.test(`as long as the journal of a run that ${what} has no end, what its log lacks is a note`, () =>
    withMemoryDir(async (cwd) => {
      const { runId, root } = await recordFlow(cwd, b);
      const { events, journal, bundle } = runPaths(root, runId);
      const lines = await linesOf(events);
      await writeLines(journal, (await linesOf(journal)).filter((line) => !/"ended"/.test(line)));
      await Deno.remove(bundle);
      await Deno.remove(runtimeDirectory(root, runId), { recursive: true });
      for (let count = 1; count < lines.length - 1; count++) {
        await writeLines(events, lines.slice(0, count));
        const { brief, notes } = await verify(cwd);
        assertEquals(brief, [[], ["log unfinished"]], `${count} lines`);
        assertMatch(
          notes[0]!.message,
          /^it lacks what the capture journal has: .*; resuming writes it$/,
        );
        assertEquals(await listed(cwd).then(([state, isOrphan]) => [state, isOrphan]), [
          "Running",
          true,
        ]);
        const [, b] = (await show(cwd, runId)).nodes;
        assertEquals(typeof b[1], what === "completed" ? "string" : "object");
        assertEquals(JSON.parse((await ask(["repair", "--json"], cwd)).stdout).repairs, []);
      }
    }));
}

Deno.test("ls tells the end in the journal of a run whose log is too long to be read as a whole", () =>
  withMemoryDir(async (cwd) => {
    const { runId, root } = await recordFlow(cwd, "exit 3");
    const { events } = runPaths(root, runId);
    const lines = (await linesOf(events)).slice(0, -1);
    const last = JSON.parse(lines.at(-1)!);
    const note = JSON.stringify({ ...last, type: "note", text: "ä".repeat(1000) });
    await writeLines(events, [...lines, ...new Array(1000).fill(note)]);
    const state = { Aborted: { reason: "node b failed: crash" } };
    assertEquals(await listed(cwd), [state, false, null, null]);
    const { stdout } = await ask(["ls", "--state", "orphan", "--json"], cwd);
    assertEquals(JSON.parse(stdout).runs, []);
  }));

Deno.test("a run whose journal says that it completed, and whose log broke off, gets its end from repair", () =>
  withMemoryDir(async (cwd) => {
    const { runId, root } = await recordFlow(cwd, "echo b");
    const { events } = runPaths(root, runId);
    await Deno.writeTextFile(
      events,
      (await Deno.readTextFile(events)).replace(
        '"type":"pipe.completed"',
        '"type":"pipe.aborted","reason":"the disk was full"',
      ),
    );
    assertEquals((await show(cwd, runId)).state, "Completed");
    assertEquals((await verify(cwd)).brief, [["log lost-events"], []]);
    assertEquals((await ask(["repair"], cwd)).code, 0);
    assertEquals((await verify(cwd)).brief, [[], []]);
    assertEquals((await listed(cwd))[0], "Completed");
  }));

Deno.test(
  "a tail of the journal that nobody had synced is a note for a run that can be gone on with",
  {
    ignore: !HAS_SIGNALS,
  },
  () =>
    withMemoryDir(async (cwd) => {
      const runId = await recordAndKill(cwd);
      const { journal } = runPaths(`${cwd}/.taffrail`, runId);
      const lines = await linesOf(journal);
      for (const tail of ["\0".repeat(300), `${"\0".repeat(30)}"x"}\n`, '{"line":']) {
        await Deno.writeTextFile(journal, `${lines.map((line) => `${line}\n`).join("")}${tail}`);
        const { brief, notes } = await verify(cwd);
        assertEquals(brief[0], []);
        const note = notes.find(({ part }) => part === "capture")!;
        assertEquals([note.kind, note.line, note.repair], ["lost-tail", lines.length + 1, null]);
      }
      // What a line behind it says to be on disk was not lost.
      const behind = lines.with(1, "\0".repeat(lines[1]!.length));
      const end = { line: lines.length + 1, synced: 2, type: "withdraw", episode_id: 0 };
      await writeLines(journal, [...behind, JSON.stringify({ ...end, at: { secs: 1, nanos: 0 } })]);
      assertEquals((await verify(cwd)).brief[0], ["capture unreadable"]);
    }),
);

Deno.test("verify tells of lines that were altered before a run was gone on with", () =>
  withMemoryDir(async (cwd) => {
    const { runId, root } = await recordFlow(cwd, "test -e go");
    await Deno.writeTextFile(`${cwd}/go`, "");
    assertEquals((await taffrail(["resume", runId], { cwd })).code, 0);
    assertEquals((await verify(cwd)).brief, [[], []]);
    const { journal, bundle } = runPaths(root, runId);
    await Deno.remove(bundle);
    const text = await Deno.readTextFile(journal);
    await Deno.writeTextFile(journal, text.replace(/"duration_ms":\d+/, '"duration_ms":9999'));
    const [problem] = (await verify(cwd)).problems;
    assertEquals([problem!.part, problem!.kind], ["capture", "altered"]);
  }));

Deno.test("an output that nobody needs may have been lost before the machine was started again", () =>
  withMemoryDir(async (cwd) => {
    const flow = { a: "echo a", beside: "echo beside", b: { run: "test -e go", needs: ["a"] } };
    await writeFlow(cwd, flow);
    await taffrail(["run", "flow.json"], { cwd });
    await Deno.writeTextFile(`${cwd}/go`, "");
    const root = `${cwd}/.taffrail`;
    const runId = await onlyRun(root);
    assertEquals((await taffrail(["resume", runId], { cwd })).code, 0);
    const { nodes, processes } = runPaths(root, runId);
    const lose = async () => {
      await Deno.writeTextFile(`${nodes}/beside.1.out`, "");
      await Deno.remove(`${nodes}/a.1.out`);
    };
    await lose();
    assertEquals((await verify(cwd)).brief, [["output missing", "output differs"], []]);
    // The same, had the processes of the first sitting run before the last start of the machine.
    const text = await Deno.readTextFile(processes);
    if (!text.includes('"boot_id"')) return;
    await Deno.writeTextFile(
      processes,
      text.replaceAll(/"boot_id":"[^"]*"/g, '"boot_id":"before"'),
    );
    const { brief, notes } = await verify(cwd);
    assertEquals(brief, [["output missing"], ["output lost-output"]]);
    assertStringIncludes(notes[0]!.message, "no other node needs it, and it may have been lost");
  }));

Deno.test("damaged lines of processes are a note, those of an inbox a problem", () =>
  withMemoryDir(async (cwd) => {
    const { runId, root } = await recordFlow(cwd, "echo b");
    const { processes, inbox } = runPaths(root, runId);
    await Deno.writeTextFile(processes, "garbage\n", { append: true });
    await Deno.writeTextFile(inbox, '{"op":"1"}\n{"op":');
    assertEquals((await verify(cwd)).brief, [[], ["processes lost-tail", "inbox lost-tail"]]);
    await Deno.writeTextFile(inbox, '{"op":"1"}\ngarbage\n{"op":"2"}\n');
    const { brief, problems } = await verify(cwd);
    assertEquals(brief, [["inbox not-json"], ["processes lost-tail"]]);
    assertEquals([problems[0]!.line, problems[0]!.repair], [2, null]);
    await Deno.remove(inbox);
    await Deno.mkdir(inbox);
    assertEquals((await verify(cwd)).brief[0], ["inbox unreadable"]);
  }));

Deno.test("a key for digests that is none is told, and one that was being made is nothing wrong", () =>
  withMemoryDir(async (cwd) => {
    await recordFlow(cwd, "echo b");
    const path = `${cwd}/.taffrail/digest.key`;
    for (const text of ["", "0a0b", "\0".repeat(65), `${"0a".repeat(32)}\n`]) {
      await Deno.writeTextFile(path, text);
      assertEquals((await verify(cwd)).brief, [[], []], JSON.stringify(text));
    }
    await Deno.writeTextFile(path, `${"0z".repeat(32)}\n`);
    const [problem] = (await verify(cwd)).problems;
    assertEquals([problem!.part, problem!.kind, problem!.repair], ["run", "unreadable", null]);
    assertMatch(problem!.message, /^it holds no key: put it back from a copy/);
  }));
