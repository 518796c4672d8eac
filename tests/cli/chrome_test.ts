/** `taffrail trace --chrome`: the whole of a run as viewers of traces draw it. */
import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { openRun } from "../../run/mod.ts";
import { withMemoryDir, withTempDir } from "../_util/temp.ts";
import { type ChromeEvent, chromeOf, type LookedAt } from "./_chrome.ts";
import { startAtWork, startTaffrail, taffrail } from "./_command.ts";
import { withProgram } from "./_program.ts";
import { onlyRun, untilExists } from "./_runs.ts";

/** Runs a flow to its end. */
async function run(cwd: string, flow: object): Promise<void> {
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ name: "flow", ...flow }));
  await taffrail(["run", "flow.json"], { cwd });
}

function names(events: readonly ChromeEvent[]): string[] {
  return events.map(({ name }) => name);
}

/** The highest value of a counter, by its name. */
function mostOf({ events }: LookedAt, name: string): number {
  const values = events.filter((event) => event.ph === "C" && event.name === name);
  return Math.max(...values.map(({ args }) => args.nodes as number));
}

Deno.test("a trace of a run has every node by name, its retries, what it waited for and its limits", async () => {
  await withTempDir(async (cwd) => {
    const flaky = "test $TAFFRAIL_ATTEMPT = 3 || { echo busy >&2; exit 7; }";
    const journal = "$TAFFRAIL_ROOT/runs/$TAFFRAIL_RUN_ID/capture.jsonl";
    const untilOneWaits = `until grep -q saturated ${journal}; do sleep 0.05; done`;
    await run(cwd, {
      on_failure: "keep_going",
      nodes: {
        a: { sh: untilOneWaits },
        b: { sh: untilOneWaits },
        c: { sh: "true" },
        flaky: { sh: flaky, needs: ["a"], retry: { max: 2, delay: "50ms" } },
        bad: { sh: "exit 3", needs: ["b"] },
        after: { run: ["true"], needs: ["bad"] },
        ask: { gate: "Go on?", timeout: "100ms" },
      },
      constraints: { max_in_flight: 2 },
    });
    const trace = await chromeOf(cwd, "flow");
    const attempts = trace.slices("attempt");
    assertEquals(names(attempts).toSorted(), [
      "a",
      "b",
      "c",
      "flaky (3)",
      "✗ bad",
      "✗ flaky",
      "✗ flaky (2)",
    ]);
    const [bad] = attempts.filter(({ args }) => args.node === "bad");
    assertEquals([bad!.args.ended, bad!.args.needs], ["failed, exit code 3", "b"]);
    assertStringIncludes(bad!.args.command as string, "exit 3");
    const failures = trace.events.filter(({ cat }) => cat === "failure");
    assertEquals(names(failures).toSorted(), [
      "failed, exit code 3",
      "failed, exit code 7",
      "failed, exit code 7",
    ]);
    assertEquals(failures.filter(({ args }) => args.reason === "busy").length, 2);
    // One arrow to each retry, of one thread through all of them.
    const arrows = trace.events.filter(({ cat }) => cat === "retry");
    assertEquals(arrows.map(({ ph, id }) => [ph, id]), [["s", 1], ["f", 1], ["s", 1], ["f", 1]]);
    assertEquals(names(trace.slices("backoff")), ["flaky", "flaky"]);
    const ready = trace.slices("ready");
    assert(ready.some(({ name, args }) => {
      return name === "c" && args.why === "waited for a free place: 2 of 2 taken";
    }));
    const waiting = attempts.find(({ args }) => args.node === "c")!;
    assertEquals(waiting.args.waited_for, "waited for a free place: 2 of 2 taken");
    assertEquals(trace.slices("gate").map(({ name, args }) => [name, args.why]), [
      ["✗ ask", "nobody passed it in time"],
    ]);
    const [after] = trace.events.filter(({ cat }) => cat === "unbegun");
    assertEquals(after!.args, { node: "after", why: "needs bad, which failed" });
    assertEquals(mostOf(trace, "in flight, of 2"), 2);
    assertGreater(mostOf(trace, "waiting"), 0);
    assertEquals([trace.about.flow, trace.about.state], ["flow", "Aborted"]);
  });
});

Deno.test("a trace tells of a rate how much of it was used, and what waited for it", async () => {
  await withTempDir(async (cwd) => {
    const nodes = { a: { run: ["true"] }, b: { run: ["true"] } };
    const constraints = { max_in_flight: 9, max_per_window: 1, rate_window: "1s" };
    await run(cwd, { nodes, constraints });
    const trace = await chromeOf(cwd, "flow");
    const [waited] = trace.slices("ready");
    assertEquals(waited!.args.why, "waited for the rate limit: 1 of 1 begun in the window");
    assertEquals(mostOf(trace, "begun in the window, of 1"), 1);
  });
});

Deno.test("a trace has all attempts where the one that is kept has lost them", async () => {
  await withTempDir(async (cwd) => {
    const ids = Array.from({ length: 230 }, (_, index) => `n${index}`);
    const nodes = Object.fromEntries(ids.map((id) => [id, { run: ["true"] }]));
    await run(cwd, { nodes: { ...nodes, bad: { run: ["false"], needs: ["n0"] } } });
    const trace = await chromeOf(cwd, "flow");
    const runs = trace.slices("attempt").map(({ args }) => args.node);
    const begun = trace.events.filter(({ cat }) => cat === "unbegun").map(({ args }) => args.node);
    assertEquals(new Set([...runs, ...begun]), new Set([...ids, "bad"]));
    const root = `${cwd}/.taffrail`;
    const file = `${root}/runs/${await onlyRun(root)}/trace.json`;
    // A file is drawn as it is.
    const { stdout } = await taffrail(["trace", "--chrome", "-", file], { cwd });
    assertEquals(JSON.parse(stdout).otherData.flow_id, "flow");
  });
});

Deno.test("a trace of a run that was killed and gone on with has both sittings, and what was cut off", async () => {
  await withTempDir(async (cwd) => {
    const nodes = {
      first: { sh: "true" },
      long: { sh: "test $TAFFRAIL_ATTEMPT = 2 || { touch begun; sleep 600; }", needs: ["first"] },
    };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ name: "flow", nodes }));
    {
      await using running = startTaffrail(["run", "flow.json"], { cwd });
      await untilExists(cwd, "begun");
      running.kill("SIGKILL");
      await running.end();
    }
    const orphan = await chromeOf(cwd, "flow");
    assertEquals(names(orphan.slices("attempt")), ["first", "long"]);
    assertEquals(orphan.slices("run").map(({ args }) => args.end), ["no end"]);

    assertEquals((await taffrail(["resume", "flow"], { cwd })).code, 0);
    const trace = await chromeOf(cwd, "flow");
    const sittings = trace.slices("run");
    assertEquals(sittings.map(({ name, args }) => [name, args.end]), [
      ["flow", "cut off"],
      ["flow, gone on with", "completed"],
    ]);
    const attempts = trace.slices("attempt");
    assertEquals(names(attempts), ["first", "long", "long (2)"]);
    const [, cutOff, again] = attempts;
    assertEquals(cutOff!.args.ended, "cancelled");
    // It is not drawn over the time in which nobody worked on the run.
    assert(cutOff!.ts + cutOff!.dur <= sittings[0]!.ts + sittings[0]!.dur + 1);
    assert(again!.ts >= sittings[1]!.ts);
    assertEquals(trace.events.filter(({ ph }) => ph === "s" || ph === "f").length, 2);
  });
});

Deno.test("a trace of a run that is at work goes to now", async () => {
  await withTempDir(async (cwd) => {
    const { running, runId } = await startAtWork(cwd);
    await using _ = running;
    const trace = await chromeOf(cwd, runId);
    const [attempt] = trace.slices("attempt");
    assertEquals([attempt!.name, attempt!.args.ended], ["cat", "has no end"]);
    const [sitting] = trace.slices("run");
    assertEquals(attempt!.ts + attempt!.dur, sitting!.ts + sitting!.dur);
  });
});

Deno.test("a trace of a program has its steps, sleeps and gates", async () => {
  await withProgram(async (program) => {
    const ops = [
      { together: [{ step: "list", gives: ["a"] }, { sleep: "settle", ms: 20 }] },
      { step: "import a", fails: 1, message: "no connection", maxRetries: 1, gives: 7 },
      { gate: "approved" },
    ];
    {
      await using running = program.start({ ops });
      const said = await running.stdout.find(/^run_id=/);
      await program.tells("pass", said.slice("run_id=".length), "approved", "--value", '"yes"');
      assertEquals((await running.end()).code, 0);
    }
    const trace = await chromeOf(program.cwd, "order");
    const steps = trace.slices("attempt");
    assertEquals(names(steps), ["list", "✗ import a", "import a (2)"]);
    assertEquals(steps.map((step) => trace.threadOf(step)), Array(3).fill("steps > lane 1"));
    assertEquals(steps[0]!.args.result, '["a"]');
    assertEquals(steps[1]!.args.reason, "no connection");
    assertEquals(names(trace.slices("sleep")), ["settle"]);
    assertEquals(trace.slices("gate").map(({ name }) => name), ["approved"]);
    assertEquals(trace.about.program, "order");
  });
});

Deno.test("of very many that wait some are drawn, and all are told of with what they waited for", async () => {
  await withMemoryDir(async (cwd) => {
    const count = 1000;
    // Each ends when the next has begun, and a moment has passed that a clock can tell.
    let other: (() => void) | undefined;
    const inPairs = async () => {
      const begun = Date.now();
      const met = Promise.withResolvers<void>();
      if (other === undefined) other = met.resolve;
      else {
        while (Date.now() === begun) await new Promise((resolve) => setTimeout(resolve));
        other();
        met.resolve();
        other = undefined;
      }
      await met.promise;
      return "Completed" as const;
    };
    const run = await openRun({
      root: `${cwd}/.taffrail`,
      runId: "many",
      name: "many",
      constraints: { max_in_flight: 2 },
      invoker: { run: inPairs },
    });
    const ids = Array.from({ length: count }, (_, index) => `work ${index}\u202e</script>`);
    // All of them are asked for before any is done.
    await Promise.all(ids.map((id) => run.submit(id, {})));
    await run.finish();
    const trace = await chromeOf(cwd, "many");
    const attempts = trace.slices("attempt");
    assertEquals(new Set(names(attempts)), new Set(ids));
    assertEquals(new Set(attempts.map((attempt) => trace.threadOf(attempt))).size, 2);
    assertEquals(mostOf(trace, "in flight, of 2"), 2);
    const waited = attempts.filter(({ args }) => args.waited_for !== undefined);
    const drawn = trace.slices("ready");
    assertEquals(drawn.length + (trace.about.waits_without_a_lane as number), waited.length);
    assertGreater(waited.length, drawn.length);
    assert(new Set(drawn.map(({ tid }) => tid)).size <= 64);
  });
});

Deno.test("a log that has nothing to draw is said to have nothing", async () => {
  await withTempDir(async (cwd) => {
    const directory = `${cwd}/.taffrail/runs/other-1`;
    await Deno.mkdir(directory, { recursive: true });
    await Deno.writeTextFile(`${directory}/events.jsonl`, '{"any":"thing"}\n');
    const { code, stderr } = await taffrail(["trace", "--chrome", "-", "other-1"], { cwd });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "Cannot trace other-1: its log has no events of a run");
    const both = await taffrail(["trace", "--chrome", "-", "--replay", "other-1"], { cwd });
    assertEquals(both.code, 2);
  });
});
