import { assert, assertEquals } from "@std/assert";
import { listRuns } from "../../eventlog/mod.ts";
import { assertOriginalReads } from "../_util/original_events.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, recordAndKill, startAtWork, taffrail } from "./_command.ts";
import { type AnyEvent, eventsOf, shellFlow, writeFlow } from "./_runs.ts";

/** The original program reads every run below a root; gives the errors of nodes in them. */
async function errorsOfReadableRuns(root: string): Promise<AnyEvent["error"][]> {
  const runIds = await listRuns(root);
  for (const runId of runIds) assertOriginalReads(root, runId);
  return runIds.flatMap((runId) => eventsOf(root, runId))
    .flatMap(({ error }) => error === undefined ? [] : [error]);
}

/** Records a run for each of these command lines, below one root. */
async function record(cwd: string, commands: string[][]): Promise<AnyEvent["error"][]> {
  for (const args of commands) await taffrail(args, { cwd });
  assertEquals((await listRuns(`${cwd}/.taffrail`)).length, commands.length);
  return await errorsOfReadableRuns(`${cwd}/.taffrail`);
}

Deno.test("the original program reads what taffrail exec records, however the command ends", () =>
  withTempDir(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/broken.sh`, "#!/no/such/interpreter\n", { mode: 0o755 });
    const errors = await record(cwd, [
      ["exec", "--", "true"],
      ["exec", "--", "sh", "-c", "echo no >&2; exit 7"],
      ["exec", "--timeout", "10ms", "--", "sleep", "60"],
      ["exec", "--", "sh", "-c", "kill -9 $$"],
      ["exec", "--", "./broken.sh"],
    ]);
    const expected = [
      { kind: "crash", exit_code: 7 },
      { kind: "crash", signal: "SIGKILL" },
      { kind: "host_missing" },
      { kind: "timeout", signal: "SIGTERM" },
    ];
    const sorted = (values: unknown[]) => values.map((value) => JSON.stringify(value)).toSorted();
    assertEquals(sorted(errors), sorted(expected));
  }));

Deno.test("the original program reads what taffrail run records of flows and tasks", () =>
  withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { a: "true", b: { run: "exit 1", needs: ["a"] }, c: "true" });
    const tasks = { gen: "echo gen", build: { command: "echo build", dependencies: ["gen"] } };
    await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify({ tasks }));
    const retried = { ...JSON.parse(shellFlow({ a: "exit 3" })), constraints: { max_retries: 1 } };
    await Deno.writeTextFile(`${cwd}/retried.json`, JSON.stringify(retried));
    const task = { name: "task", nodes: { t: { task: "gen" } } };
    await Deno.writeTextFile(`${cwd}/task.json`, JSON.stringify(task));
    const files = [["run", flow], ["run", "retried.json"], ["run", "task.json"]];
    await record(cwd, [...files, ["run", "--tasks", "build"]]);
    const begins = (await listRuns(`${cwd}/.taffrail`))
      .flatMap((runId) => eventsOf(`${cwd}/.taffrail`, runId))
      .filter(({ type }) => type === "node.started") as (AnyEvent & { task?: string })[];
    assert(begins.every((event) => "kind" in event && event.kind === "command"));
    assertEquals(
      new Set(begins.map(({ task }) => task).filter((name) => name !== undefined)),
      new Set(["gen", "build"]),
    );
    const { stdout } = await taffrail(["show", "build", "--json"], { cwd });
    assertEquals(JSON.parse(stdout).nodes.map((node: { kind: string }) => node.kind), [
      "task",
      "task",
    ]);
  }));

Deno.test({
  name: "the original program reads a run that was cancelled, killed or resumed",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const root = `${cwd}/.taffrail`;
      const { running, runId } = await startAtWork(cwd);
      await using _ = running;
      running.kill("SIGTERM");
      await running.end();
      assertEquals(await errorsOfReadableRuns(root), [
        { kind: "crash", cancelled: true, signal: "SIGTERM" },
      ]);
      const { stdout } = await taffrail(["show", runId, "--json"], { cwd });
      assertEquals(JSON.parse(stdout).nodes[0].status.Failed.kind, "cancelled");
      const killed = await recordAndKill(cwd);
      assertOriginalReads(root, killed);
      assertEquals((await taffrail(["resume", killed], { cwd })).code, 0);
      assertOriginalReads(root, killed);
    }),
});

Deno.test("show tells of the words that earlier versions wrote as before", () =>
  withTempDir(async (cwd) => {
    const base = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00Z", run_id: "old" };
    const events = [
      { type: "pipe.started", ...base, pipe: "old", inputs: [], distro_version: "0" },
      { type: "node.started", ...base, node_id: "a", kind: "task", attempt: 1 },
      { type: "node.failed", ...base, node_id: "a", error: { kind: "cancelled" }, attempt: 1 },
      { type: "pipe.aborted", ...base, reason: "cancelled" },
    ];
    await Deno.mkdir(`${cwd}/.taffrail/runs/old`, { recursive: true });
    const text = events.map((event) => `${JSON.stringify(event)}\n`).join("");
    await Deno.writeTextFile(`${cwd}/.taffrail/runs/old/events.jsonl`, text);
    const { stdout } = await taffrail(["show", "old", "--json"], { cwd });
    const [node] = JSON.parse(stdout).nodes;
    assertEquals([node.kind, node.status], ["task", { Failed: { kind: "cancelled" } }]);
    assert((await taffrail(["show", "old"], { cwd })).stdout.includes("✗ a          cancelled"));
  }));
