import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { readTrace } from "../../trace/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { onlyRun, shellFlow, writeFlow } from "./_runs.ts";

/** Runs a flow of which the second node fails, and gives the run. */
async function recordFailure(cwd: string): Promise<{ runId: string; trace: string }> {
  const flow = await writeFlow(cwd, { good: "echo hi", bad: "echo no >&2; exit 3" });
  assertEquals((await taffrail(["run", flow], { cwd })).code, 1);
  const runId = await onlyRun(`${cwd}/.taffrail`);
  return { runId, trace: `${cwd}/.taffrail/runs/${runId}/trace.json` };
}

Deno.test("a run that fails leaves a trace of its steps, with the one that failed", async () => {
  await withTempDir(async (cwd) => {
    const { runId, trace: path } = await recordFailure(cwd);
    const trace = await readTrace(path);
    assertEquals([trace.run_id, trace.reason], [runId, "error"]);
    assertEquals(trace.steps.map(({ node_id: id, status }) => [id, status]), [
      ["good", "ok"],
      ["bad", "error"],
    ]);
    assertEquals(trace.steps[1]?.error?.message, "failed, exit code 3: no");

    const { code, stdout } = await taffrail(["trace", runId], { cwd });
    assertEquals(code, 0);
    assertMatch(stdout, /^ {5}1 {2}good {2}ok /m);
    assertMatch(stdout, /^ {5}2 {2}bad {3}failed /m);
    assertStringIncludes(stdout, "        command  sh -c 'echo no >&2; exit 3'\n");
    assertStringIncludes(stdout, "        error    failed, exit code 3: no\n");
    const json = await taffrail(["trace", "--json", path], { cwd });
    assertEquals(JSON.parse(json.stdout).run_id, runId);
  });
});

Deno.test("a run that succeeds leaves a trace with --trace always, and of one that was retried", async () => {
  await withTempDir(async (cwd) => {
    const kept = async (args: string[]) => {
      const { stderr } = await taffrail(["exec", ...args, "--", "true"], { cwd });
      const runId = /run_id=(\S+)/.exec(stderr)![1]!;
      return await taffrail(["trace", runId], { cwd });
    };
    assertEquals((await kept(["--trace", "always"])).code, 0);
    const none = await kept([]);
    assertEquals(none.code, 1);
    assertStringIncludes(none.stderr, "a run leaves one when something in it fails");
    assertEquals((await taffrail(["exec", "--trace", "x", "--", "true"], { cwd })).code, 2);
  });
  await withTempDir(async (cwd) => {
    const { nodes } = JSON.parse(shellFlow({ a: "test $TAFFRAIL_ATTEMPT = 2" }));
    const flow = { name: "again", nodes, constraints: { max_in_flight: 1, max_retries: 1 } };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
    assertEquals((await taffrail(["run", "flow.json"], { cwd })).code, 0);
    const runId = await onlyRun(`${cwd}/.taffrail`);
    const { stdout } = await taffrail(["trace", runId], { cwd });
    assertMatch(stdout, /^ {5}1 {2}a {6}failed /m);
    assertMatch(stdout, /^ {5}2 {2}a \(2\) {2}ok /m);
  });
});

Deno.test("taffrail trace --replay runs the commands again, and exits with 1 on divergence", async () => {
  await withTempDir(async (cwd) => {
    const { runId, trace } = await recordFailure(cwd);
    const same = await taffrail(["trace", "--replay", runId], { cwd });
    assertEquals([same.code, same.stderr], [0, ""]);
    assertStringIncludes(same.stdout, "step 1: command run\n  output hash matches\n");
    assertStringIncludes(same.stdout, "replay failed at step 2\n");
    assertStringIncludes(same.stdout, "✓ 2 steps were replayed, and went as recorded\n");

    const text = await Deno.readTextFile(trace);
    const { output_hash: recorded } = JSON.parse(text).steps[0];
    await Deno.writeTextFile(trace, text.replace(recorded.value, "0".repeat(64)));
    const other = await taffrail(["trace", "--replay", "--json", runId], { cwd });
    assertEquals(other.code, 1);
    const { ok, steps } = JSON.parse(other.stdout);
    assertEquals([ok, steps[0].outcome, steps[0].actual], [false, "diverges", recorded.value]);
    const one = await taffrail(["trace", "--replay", "--step", "2", runId], { cwd });
    assertEquals(one.code, 0);
    assertEquals((await taffrail(["trace", "--replay", "--step", "9", runId], { cwd })).code, 2);
  });
});

Deno.test("taffrail trace --chrome writes what Perfetto opens", async () => {
  await withTempDir(async (cwd) => {
    const { runId } = await recordFailure(cwd);
    const { code, stderr } = await taffrail(["trace", "--chrome", "c.json", runId], { cwd });
    assertEquals(code, 0);
    assertStringIncludes(stderr, "open it in ui.perfetto.dev");
    const { traceEvents } = JSON.parse(await Deno.readTextFile(`${cwd}/c.json`));
    const drawn = traceEvents.filter(({ cat }: { cat?: string }) => cat?.startsWith("attempt"));
    assertEquals(drawn.map(({ name }: { name: string }) => name), ["good", "✗ bad"]);
    const piped = await taffrail(["trace", "--chrome", "-", runId], { cwd });
    assertEquals(JSON.parse(piped.stdout).traceEvents.length, traceEvents.length);
    const nowhere = await taffrail(["trace", "--chrome", "none/c.json", runId], { cwd });
    assertEquals(nowhere.code, 1);
    assertStringIncludes(nowhere.stderr, "name another file with --chrome");
  });
});

Deno.test("taffrail run goes on when its trace cannot be written, and says so", async () => {
  await withTempDir(async (cwd) => {
    // A directory stands where the trace is to be.
    const run = "mkdir -p $TAFFRAIL_ROOT/runs/$TAFFRAIL_RUN_ID/trace.json/in; exit 1";
    const flow = await writeFlow(cwd, { bad: run });
    const { code, stderr, stdout } = await taffrail(["run", flow], { cwd });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "Cannot write the trace: ");
    assertStringIncludes(stderr, "the run goes on without it\n");
    assert(stdout.includes("reason  bad failed"));
  });
});

Deno.test("taffrail trace --replay makes each attempt as the one that it was, and goes past failures", async () => {
  await withTempDir(async (cwd) => {
    const { nodes } = JSON.parse(shellFlow({
      flaky: "test $TAFFRAIL_ATTEMPT -ge 2; exit $?",
      last: "test $TAFFRAIL_NODE_ID = last && exit 4",
    }));
    const flow = { name: "again", nodes, constraints: { max_in_flight: 1, max_retries: 1 } };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
    assertEquals((await taffrail(["run", "flow.json"], { cwd })).code, 1);
    const first = await taffrail(["trace", "--replay", "again"], { cwd });
    assertEquals(first.code, 0);
    assertStringIncludes(first.stdout, "  failed again, as recorded: exit code 1\n");
    assertStringIncludes(first.stdout, "✓ 1 step was replayed");
    const all = await taffrail(["trace", "--replay", "--past-failure", "--json", "again"], { cwd });
    const { ok, steps } = JSON.parse(all.stdout);
    assertEquals([all.code, ok], [0, true]);
    assertEquals(steps.map(({ outcome }: { outcome: string }) => outcome), [
      "failed-again",
      "matches",
      "failed-again",
      "failed-again",
    ]);
  });
});

Deno.test("taffrail trace --replay says that a step which was mended succeeds now", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { good: "true", bad: "test -e mended" });
    await taffrail(["run", flow], { cwd });
    const again = await taffrail(["trace", "--replay", "flow"], { cwd });
    assertEquals(again.code, 0);
    assertStringIncludes(again.stdout, "failed again, as recorded");
    await Deno.writeTextFile(`${cwd}/mended`, "");
    const { code, stdout } = await taffrail(["trace", "--replay", "flow"], { cwd });
    assertStringIncludes(stdout, "  succeeds now, where it had failed\n");
    assertMatch(stdout, /replayed: bad succeeds now, where it had failed\n$/);
    // It did not go as recorded.
    assertEquals(code, 1);
  });
});

Deno.test("taffrail show and trace say the same of when attempts began, and how long they took", async () => {
  await withTempDir(async (cwd) => {
    const { runId, trace: path } = await recordFailure(cwd);
    const { nodes } = JSON.parse((await taffrail(["show", "--json", runId], { cwd })).stdout);
    const { steps } = await readTrace(path);
    type Node = { id: string; started_ts: string; duration_ms: number };
    assertEquals(
      steps.map((step) => [step.node_id, step.started_at, step.duration_ms]),
      nodes.map(({ id, started_ts: ts, duration_ms: length }: Node) => [id, ts, length]),
    );
  });
});
