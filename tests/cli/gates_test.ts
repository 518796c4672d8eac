/** Gates of flows: asked, passed, denied, too late, waited for over a kill, and given up after a failure. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, startTaffrail, taffrail } from "./_command.ts";
import { eventsOf, onlyRun, outlineOf } from "./_runs.ts";

const ROOT = ".taffrail";

async function writeFlow(cwd: string, nodes: object, more: object = {}): Promise<void> {
  const flow = { name: "flow", ...more, nodes };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
}

const NODES = {
  build: { run: ["true"] },
  ask: { gate: "Deploy?", needs: ["build"] },
  deploy: { run: ["true"], needs: ["ask"] },
};

/** Starts a flow, and waits until it waits. */
async function startWaiting(cwd: string, args: string[] = ["run", "flow.json"]) {
  const running = startTaffrail(args, { cwd });
  await running.stdout.find(/^⏸ ask waits for an answer/);
  return running;
}

async function statusesOf(cwd: string): Promise<Record<string, unknown>> {
  const { stdout } = await taffrail(["show", "--json", "flow"], { cwd });
  const nodes: { id: string; status: unknown }[] = JSON.parse(stdout).nodes;
  return Object.fromEntries(nodes.map(({ id, status }) => [id, status]));
}

async function verifyAll(cwd: string): Promise<void> {
  const { code, stdout } = await taffrail(["verify"], { cwd });
  assertEquals(code, 0, stdout);
  assert(!stdout.includes("note"), stdout);
  const replayed = await taffrail(["replay", "flow"], { cwd });
  assertEquals(replayed.code, 0, replayed.stdout);
}

Deno.test("a flow waits at a gate, says how to answer, and goes on when it is passed", async () => {
  await withTempDir(async (cwd) => {
    await writeFlow(cwd, NODES);
    await using running = startTaffrail(["run", "flow.json"], { cwd });
    assertEquals(await running.stdout.find(/^⏸/), "⏸ ask waits for an answer: Deploy?");
    const runId = await onlyRun(`${cwd}/${ROOT}`);
    assertEquals(await running.stdout.find(/pass/), `    taffrail pass ${runId} ask`);
    assertEquals((await statusesOf(cwd)).ask, "Pending");
    const shown = await taffrail(["show", "flow"], { cwd });
    assertStringIncludes(shown.stdout, `waits for an answer\n      taffrail pass ${runId} ask\n`);
    const passed = await taffrail(["pass", "--by", "ada", "--value", '{"to":1}', "flow", "ask"], {
      cwd,
    });
    assertEquals(passed, {
      ...passed,
      code: 0,
      stderr: "",
      stdout: `recorded: the gate ask of ${runId} may be passed\n`,
    });
    const { code, stdout } = await running.end();
    assertEquals(code, 0, stdout);
    assertStringIncludes(stdout, "✓ ask  passed by ada\n");
    const outline = outlineOf(eventsOf(`${cwd}/${ROOT}`, runId));
    assertEquals(outline, [
      "pipe.started",
      "node.started build",
      "node.completed build",
      "gate.passed ask",
      "node.started deploy",
      "node.completed deploy",
      "pipe.completed",
    ]);
    const statuses = { build: "Completed", ask: "Completed", deploy: "Completed" };
    assertEquals(await statusesOf(cwd), statuses);
    await verifyAll(cwd);
    const late = await taffrail(["pass", "flow", "ask"], { cwd });
    assertEquals(late.code, 1);
    assertStringIncludes(late.stderr, "the run has completed");
  });
});

for (
  const { what, args, timeout, says } of [
    { what: "denied", args: ["--reject", "--by", "ada"], says: "denied by ada" },
    { what: "not passed in time", timeout: "1ms", says: "nobody passed it in time" },
  ] as { what: string; args?: string[]; timeout?: string; says: string }[]
) {
  Deno.test(`a gate that is ${what} has failed, and is asked again when the run is gone on with`, async () => {
    await withTempDir(async (cwd) => {
      const ask = { ...NODES.ask, ...(timeout !== undefined && { timeout }) };
      await writeFlow(cwd, { ...NODES, ask });
      const running = await startWaiting(cwd);
      await using _ = running;
      if (args !== undefined) await taffrail(["pass", ...args, "flow", "ask"], { cwd });
      const { code, stdout } = await running.end();
      assertEquals(code, 1);
      assertStringIncludes(stdout, `✗ ask  ${says}\n`);
      assertMatch(stdout, /reason +ask was not let pass/);
      assertMatch(stdout, /deploy .*needs ask, which failed/);
      await verifyAll(cwd);

      await writeFlow(cwd, NODES);
      await taffrail(["pass", "flow", "ask"], { cwd });
      const resumed = await taffrail(["resume", "flow"], { cwd });
      assertEquals(resumed.code, 0, resumed.stdout + resumed.stderr);
      assertEquals((await statusesOf(cwd)).deploy, "Completed");
      await verifyAll(cwd);
    });
  });
}

Deno.test("a gate may be passed before the run comes to it, and while nobody works on it", {
  ignore: !HAS_SIGNALS,
}, async () => {
  await withTempDir(async (cwd) => {
    await writeFlow(cwd, { ...NODES, ask: { ...NODES.ask, timeout: "1h" } });
    const running = await startWaiting(cwd);
    await using _ = running;
    running.kill("SIGKILL");
    await running.end();
    const passed = await taffrail(["pass", "flow", "ask"], { cwd });
    assertEquals(passed.code, 0);
    assertMatch(passed.stdout, /nobody works on the run: go on with it by taffrail resume flow-/);
    const { code, stdout } = await taffrail(["resume", "flow"], { cwd });
    assertEquals(code, 0, stdout);
    const runId = await onlyRun(`${cwd}/${ROOT}`);
    const outline = outlineOf(eventsOf(`${cwd}/${ROOT}`, runId));
    assertEquals(outline.filter((line) => line.startsWith("gate")), ["gate.passed ask"]);
    assertEquals(outline.filter((line) => line === "node.started build").length, 1);
    await verifyAll(cwd);
  });
});

Deno.test("after Ctrl-C a gate waits on for what is left of its time", {
  ignore: !HAS_SIGNALS,
}, async () => {
  await withTempDir(async (cwd) => {
    await writeFlow(cwd, { ...NODES, ask: { ...NODES.ask, timeout: "1h" } });
    const until = async (args?: string[]) => {
      const running = startTaffrail(args ?? ["run", "flow.json"], { cwd });
      await using _ = running;
      const line = await running.stdout.find(/^⏸/);
      running.kill("SIGINT");
      assertEquals((await running.end()).code, 130);
      return /until (\S+):/.exec(line)![1];
    };
    const first = await until();
    assertEquals(await until(["resume", "flow"]), first);
    await verifyAll(cwd);
  });
});

Deno.test("a failure elsewhere gives a gate up, unless the flow keeps going", async () => {
  const nodes = {
    ask: { gate: "Go?" },
    fails: { sh: "while ! test -e ready; do sleep 0.01; done; exit 3" },
    tidy: { run: ["true"], needs: ["ask"], when: "always" },
  };
  for (const onFailure of ["stop", "cancel", "keep_going"]) {
    await withTempDir(async (cwd) => {
      await writeFlow(cwd, nodes, { on_failure: onFailure, constraints: { max_in_flight: 4 } });
      const running = await startWaiting(cwd);
      await using _ = running;
      await Deno.writeTextFile(`${cwd}/ready`, "");
      await running.stdout.find(/^✗ fails/);
      if (onFailure === "keep_going") await taffrail(["pass", "flow", "ask"], { cwd });
      const { code, stdout } = await running.end();
      assertEquals(code, 1);
      const { ask, tidy } = await statusesOf(cwd);
      assertEquals(ask, onFailure === "keep_going" ? "Completed" : "Pending", stdout);
      assertEquals(tidy, "Completed", stdout);
      await verifyAll(cwd);
    });
  }
});

Deno.test("a gate with allow_failure that is denied keeps nothing from starting", async () => {
  await withTempDir(async (cwd) => {
    await writeFlow(cwd, { ...NODES, ask: { ...NODES.ask, allow_failure: true } });
    const running = await startWaiting(cwd);
    await using _ = running;
    await taffrail(["pass", "--reject", "flow", "ask"], { cwd });
    const { code, stdout } = await running.end();
    assertEquals(code, 0, stdout);
    assertStringIncludes(stdout, "✗ ask  denied");
    assertEquals((await statusesOf(cwd)).deploy, "Completed");
  });
});

Deno.test("taffrail pass says what it lacks, and takes nothing that is no JSON", async () => {
  await withTempDir(async (cwd) => {
    await writeFlow(cwd, NODES);
    const running = await startWaiting(cwd);
    await using _ = running;
    const cases: [string[], number, RegExp][] = [
      [["flow"], 2, /needs a run and a gate/],
      [["flow", "ask", "more"], 2, /needs a run and a gate/],
      [["flow", "build"], 1, /its flow has no such gate; its gates are ask/],
      [["nothing", "ask"], 1, /Cannot find run "nothing"/],
      [["--value", "{", "flow", "ask"], 2, /is no JSON .*write a text as '"text"'/],
      [["--value", "1", "--reject", "flow", "ask"], 2, /Cannot use --value with --reject/],
    ];
    for (const [args, code, says] of cases) {
      const ended = await taffrail(["pass", ...args], { cwd });
      assertEquals(ended.code, code, ended.stderr);
      assertMatch(ended.stderr, says);
    }
    const { stdout } = await taffrail(["pass", "--json", "flow", "ask"], { cwd });
    const runId = await onlyRun(`${cwd}/${ROOT}`);
    const said = { run_id: runId, gate: "ask", recorded: true, too_late: false, is_live: true };
    assertEquals(JSON.parse(stdout), { ...said, waits: true });
    assertEquals((await running.end()).code, 0);
    assert(!(await Deno.readTextFile(`${cwd}/${ROOT}/runs/${runId}/inbox.jsonl`)).includes("{,"));
  });
});

Deno.test(
  "what has run behind a gate that was passed does not run again when the run is gone on with",
  {
    ignore: !HAS_SIGNALS,
  },
  async () => {
    await withTempDir(async (cwd) => {
      await writeFlow(cwd, {
        ...NODES,
        report: { run: ["sh", "-c", "exit 1"], needs: ["deploy"] },
      });
      await using running = await startWaiting(cwd);
      await taffrail(["pass", "flow", "ask"], { cwd });
      assertEquals((await running.end()).code, 1);
      const resumed = await taffrail(["resume", "flow"], { cwd });
      assertEquals(resumed.code, 1);
      const ends = outlineOf(eventsOf(`${cwd}/${ROOT}`, await onlyRun(`${cwd}/${ROOT}`)))
        .filter((line) => line.includes("completed"));
      assertEquals(ends, ["node.completed build", "node.completed deploy"]);
    });
  },
);
