/** Every file of a run is lost or damaged, and made again from the others where they have it. */
import { assertEquals } from "@std/assert";
import { runPaths, runtimeDirectory } from "../../_internal/root_layout.ts";
import { openRun } from "../../run/mod.ts";
import { withMemoryDir } from "../_util/temp.ts";
import { ask, taffrail } from "./_command.ts";
import { onlyRun, writeFlow } from "./_runs.ts";

/** Records a run in `.taffrail` of a directory. */
const RUNS: Record<string, (cwd: string) => Promise<void>> = {
  "of exec": async (cwd) => {
    await taffrail(["exec", "--", "sh", "-c", "echo hi; echo beside >&2"], { cwd });
  },
  "of a flow that failed": async (cwd) => {
    await writeFlow(cwd, {
      a: "echo a",
      b: { run: "echo b; echo why >&2; exit 3", needs: ["a"] },
      c: { run: "echo c", needs: ["b"] },
    });
    assertEquals((await taffrail(["run", "flow.json"], { cwd })).code, 1);
  },
  "that was gone on with, and whose flow had changed": async (cwd) => {
    await writeFlow(cwd, { a: "echo a", b: { run: "exit 3", needs: ["a"] } });
    assertEquals((await taffrail(["run", "flow.json"], { cwd })).code, 1);
    await writeFlow(cwd, { a: "echo a", b: { run: "echo b", needs: ["a"] } });
    assertEquals((await taffrail(["resume", "flow"], { cwd })).code, 0);
  },
  "of openRun": async (cwd) => {
    const run = await openRun({
      root: `${cwd}/.taffrail`,
      name: "mine",
      constraints: { max_in_flight: 2, max_retries: 1 },
      invoker: { run: ({ attempt }) => attempt === 1 ? "TimedOut" : "Completed" },
    });
    for (const id of ["a", "b"]) await run.submit(id, {});
    assertEquals((await run.finish()).state, "Completed");
  },
};

/** What `repair` comes to: nothing is left, what cannot be made again is left, or nothing was wrong. */
type Result = "mended" | "left" | "fine";

const DAMAGES: Record<string, (path: string) => Promise<void>> = {
  "is gone": (path) => Deno.remove(path, { recursive: true }),
  "is empty": (path) => Deno.truncate(path),
  "is garbage": (path) => Deno.writeTextFile(path, "garbage\n"),
  "is NULs": (path) => Deno.writeFile(path, new Uint8Array(5000)),
};

type Damaged = [gone: Result, empty: Result, garbage: Result, nuls: Result];

/** By file; a function where it depends on the run. */
const FILES: Record<string, Damaged | ((run: string) => Damaged)> = {
  "run.json": ["mended", "mended", "mended", "mended"],
  // A whole line is never taken away, and one of NULs is moved aside.
  "events.jsonl": ["mended", "mended", "left", "mended"],
  "capture.jsonl": ["mended", "mended", "mended", "mended"],
  "capture.json": ["mended", "mended", "mended", "mended"],
  // The needs of a node are in the flow alone.
  "flow.json": (run) => {
    const result = run === "of exec" ? "mended" : "left";
    return [result, result, result, result];
  },
  "processes.jsonl": ["fine", "fine", "fine", "fine"],
  "trace.json": ["fine", "mended", "mended", "mended"],
  runtime: ["mended", "mended", "mended", "mended"],
  "nodes/a.1.out": ["left", "left", "left", "left"],
};

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

function pathOf(root: string, runId: string, file: string, how: string): string {
  if (file !== "runtime") return `${runPaths(root, runId).directory}/${file}`;
  const runtime = runtimeDirectory(root, runId);
  return how === "is gone" ? runtime : `${runtime}/runtime.json`;
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

for (const [run, record] of Object.entries(RUNS)) {
  Deno.test(`repair makes again what can be made again of a run ${run}`, () =>
    withMemoryDir(async (cwd) => {
      await record(cwd);
      const root = `${cwd}/.taffrail`;
      const runId = await onlyRun(root);
      await copyFolder(root, `${cwd}/base`);
      const verify = async () => {
        const { code, stdout } = await ask(["verify", "--json"], cwd);
        return { ...JSON.parse(stdout), code };
      };
      const clean = { ok: true, runs: 1, problems: [], notes: [], code: 0 };
      assertEquals(await verify(), clean);
      const shown = async () => {
        const { stdout } = await ask(["show", "--json", runId], cwd);
        return outline(JSON.parse(stdout));
      };
      const before = await shown();
      for (const [file, results] of Object.entries(FILES)) {
        const expected = typeof results === "function" ? results(run) : results;
        for (const [index, [how, damage]] of Object.entries(DAMAGES).entries()) {
          const what = `${file} ${how}`;
          await Deno.remove(root, { recursive: true });
          await copyFolder(`${cwd}/base`, root);
          const path = pathOf(root, runId, file, how);
          if (!isThere(path)) continue;
          await damage(path);
          const dry = JSON.parse((await ask(["repair", "--dry-run", "--json"], cwd)).stdout);
          const { repairs, ok } = JSON.parse((await ask(["repair", "--json"], cwd)).stdout);
          const result = !ok ? "left" : repairs.length > 0 ? "mended" : "fine";
          assertEquals(result, expected[index], what);
          assertEquals(dry.ok, ok, what);
          assertEquals(JSON.parse((await ask(["repair", "--json"], cwd)).stdout).repairs, [], what);
          if (result !== "mended") continue;
          assertEquals(await verify(), clean, what);
          assertEquals(await shown(), before, what);
          const replayed = await ask(["replay", runId], cwd);
          assertEquals(replayed.code, 0, `${what}: ${replayed.stdout}`);
        }
      }
    }));
}

/** What `show` tells, but for the times of what began a moment before its first decision. */
function outline({ state, pipe, nodes }: Record<string, unknown> & { nodes: Node[] }): unknown {
  return {
    state,
    pipe,
    nodes: nodes.map(({ last_ts: _, ...node }) => node).sort((a, b) => a.id < b.id ? -1 : 1),
  };
}

/** A node as `show` tells of it. */
interface Node extends Record<string, unknown> {
  id: string;
}
