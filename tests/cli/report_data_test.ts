/** What the page of a run has: the words of `show`, times that add up, and the ends of outputs. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openEventLogSync } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, recordAndKill, startAtWork, startTaffrail, taffrail } from "./_command.ts";
import { nodeIn, pageDataOf } from "./_page.ts";
import { type Plan, withProgram } from "./_program.ts";
import { onlyRun, untilExists, writeFlow } from "./_runs.ts";

const ROOT = ".taffrail";

/** A flow in which something of everything happens. */
const FLOW = {
  name: "ci",
  description: "builds and tests",
  on_failure: "keep_going",
  nodes: {
    fetch: { sh: "echo 3 files" },
    flaky: {
      sh: '[ "$TAFFRAIL_ATTEMPT" -gt 1 ] || { echo busy >&2; exit 4; }',
      needs: ["fetch"],
      retry: { max: 2, delay: "10ms" },
    },
    import: { sh: "echo row 17; echo no date >&2; exit 3", needs: ["fetch"] },
    report: { sh: "echo done", needs: ["import"] },
    tidy: { sh: "true", needs: ["import"], when: "always", timeout: "30s" },
    opt: { sh: "exit 1", allow_failure: true },
    all: { needs: ["flaky", "opt"] },
    last: { sh: "true", needs: ["all"], description: "comes last" },
    ask: { gate: "Deploy?", needs: ["fetch"], timeout: "20ms" },
  },
  constraints: { max_in_flight: 1 },
};

async function withFlow(use: (cwd: string) => Promise<void>): Promise<void> {
  await withTempDir(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/ci.json`, JSON.stringify(FLOW));
    await taffrail(["run", "ci.json"], { cwd });
    await use(cwd);
  });
}

Deno.test("the page of a flow tells what became of it and of each node, in the words of show", async () => {
  await withFlow(async (cwd) => {
    const page = await pageDataOf(`${cwd}/${ROOT}`);
    const { run, decisions } = page;
    assertEquals([run.kind, run.name, run.outcome, run.isLive], ["flow", "ci", "failed", false]);
    const shown = (await taffrail(["show", run.id], { cwd })).stdout;
    assertStringIncludes(shown, `reason  ${run.why}\n`);
    const [first] = run.next;
    assertEquals([first?.isFirst, first?.text], [true, "go on with it"]);
    assertMatch(first!.command!, /^taffrail resume --root \S+ ci-/);
    assertMatch(run.logs!, /^taffrail logs --root \S+ ci-\w+$/);
    assertEquals(new Map(run.about).get("what for"), "builds and tests");
    assertEquals(new Map(run.about).get("max_in_flight"), "1");
    const states = page.nodes.map(({ id, state, text }) => [id, state, text]);
    assertEquals(states, [
      ["fetch", "completed", ""],
      ["flaky", "completed", ""],
      ["import", "failed", "failed, exit code 3"],
      ["report", "skipped", "skipped: needs import, which failed"],
      ["tidy", "completed", ""],
      ["opt", "failed", "failed, exit code 1"],
      ["last", "completed", ""],
      ["ask", "failed", "was not let pass"],
    ]);
    for (const [id, , text] of states) assertMatch(shown, new RegExp(` ${id} .*${text}`));
    const counted = decisions.reduce((sum, { count }) => sum + count, 0);
    const journal = await Deno.readTextFile(`${cwd}/${ROOT}/runs/${run.id}/capture.jsonl`);
    assertEquals(counted, journal.match(/"type":"decision"/g)!.length);
  });
});

Deno.test("the page of a flow tells what nodes need, through what stands for others, and their rules", async () => {
  await withFlow(async (cwd) => {
    const page = await pageDataOf(`${cwd}/${ROOT}`);
    const needsOf = (id: string) => nodeIn(page, id).needs.map((place) => page.nodes[place]!.id);
    assertEquals(needsOf("report"), ["import"]);
    assertEquals(needsOf("last"), ["flaky", "opt"]);
    assertEquals(nodeIn(page, "opt").mayFail, true);
    const tidy = new Map(nodeIn(page, "tidy").about);
    assertEquals([tidy.get("timeout"), tidy.get("starts")], [
      "30.0s",
      "whatever became of what it needs",
    ]);
    assertEquals(new Map(nodeIn(page, "last").about).get("what for"), "comes last");
    assertEquals(nodeIn(page, "ask").command, "asks: Deploy?");
    assertStringIncludes(nodeIn(page, "fetch").command!, "echo 3 files");
  });
});

Deno.test("the page of a flow tells each attempt with its times, what it printed, and why it waited", async () => {
  await withFlow(async (cwd) => {
    const page = await pageDataOf(`${cwd}/${ROOT}`);
    const { attempts, deferrals } = nodeIn(page, "flaky");
    assertEquals(attempts.map(({ number, state }) => [number, state]), [
      [1, "failed"],
      [2, "completed"],
    ]);
    assertEquals(attempts[0]!.outputs.map(({ stream, text }) => [stream, text]), [[
      "stderr",
      "busy",
    ]]);
    assertStringIncludes(deferrals.map(({ text }) => text).join(), "before it was tried again");
    const { outputs } = nodeIn(page, "import").attempts[0]!;
    assertEquals(outputs.map(({ stream, text }) => [stream, text]), [
      ["stderr", "no date"],
      ["stdout", "row 17"],
    ]);
    for (const { attempts } of page.nodes) {
      let before = 0;
      for (const { startMs, readyMs = startMs, endMs, isCutOff, isGate } of attempts) {
        // Nobody is asked for a gate: it waits from its begin on.
        assertEquals(readyMs === startMs || !isGate, true);
        assert(readyMs! <= startMs! && startMs! <= endMs! && before <= startMs! + 2);
        assertEquals(isCutOff, undefined);
        before = endMs!;
      }
    }
    assertEquals(nodeIn(page, "ask").attempts[0]!.isGate, true);
    const path = page.critical.nodes.map((place) => page.nodes[place]!.id);
    assertEquals([page.critical.by, path[0]], ["needs", "fetch"]);
    for (const [at, place] of page.critical.nodes.entries()) {
      if (at > 0) assert(page.nodes[place]!.needs.includes(page.critical.nodes[at - 1]!));
    }
    assertEquals(page.waits.map(({ id, kind, text }) => [id, kind, text]), [
      ["ask", "gate", "nobody passed it in time"],
    ]);
  });
});

/** Everything that a program can do, up to a gate. */
const PROGRAM: Plan = {
  version: "3",
  ops: [
    { record: "source", data: { host: "</script>" } },
    { step: "list", gives: ["a", "b"] },
    { step: "big", big: 70_000 },
    { step: "flaky", fails: 1, maxRetries: 1, gives: 7 },
    { step: "caught", fails: 1, caught: true, message: "out of stock" },
    { sleep: "settle", ms: 1 },
    { gate: "approved", wants: true },
  ],
  returns: { rows: 6 },
};

Deno.test(
  "the page of a program has its steps' results and errors, its waits, records and output",
  { ignore: !HAS_SIGNALS },
  async () => {
    await withProgram(async (program) => {
      await using running = program.start(PROGRAM);
      const runId = (await running.stdout.find(/^run_id=/)).slice("run_id=".length);
      await using following = startTaffrail(["follow", runId], { cwd: program.cwd });
      await following.stdout.find(/ waits +approved {2}for an answer$/);
      const live = await pageDataOf(program.root, runId);
      assertEquals([live.run.kind, live.run.isLive, live.run.outcome], [
        "program",
        true,
        "running",
      ]);
      const [hint] = live.run.next;
      assertMatch(hint!.command!, new RegExp(`^taffrail pass .*${runId} approved --value JSON$`));
      assertEquals(live.waits.map(({ id, toMs }) => [id, toMs === undefined]), [
        ["settle", false],
        ["approved", true],
      ]);
      const lastOf = (id: string) => nodeIn(live, id).attempts.at(-1)!;
      assertEquals(lastOf("list").result, '["a","b"]');
      assertStringIncludes(lastOf("big").result!, "taffrail logs prints it");
      assertEquals(nodeIn(live, "flaky").attempts.map(({ error }) => error[0]), [
        "RangeError: busy",
        undefined,
      ]);
      assertStringIncludes(lastOf("caught").error.join("\n"), "RangeError: out of stock");
      assertEquals(live.records.map(({ id, text }) => [id, text]), [
        ["source", '{"host":"</script>"}'],
      ]);
      assertEquals(live.critical.by, "times");
      await taffrail(["pass", runId, "approved", "--value", '{"by":"ada"}'], { cwd: program.cwd });
      await running.end();
      const ended = await pageDataOf(program.root, runId);
      assertEquals([ended.run.outcome, ended.run.output], ["completed", '{"rows":6}']);
      assertEquals(nodeIn(ended, "approved").attempts[0]!.isGate, true);
    });
  },
);

Deno.test(
  "the page of a run at work is one of now: what runs has no end, and what it printed is there",
  { ignore: !HAS_SIGNALS },
  async () => {
    await withTempDir(async (cwd) => {
      const { running, runId } = await startAtWork(cwd);
      await using _ = running;
      const page = await pageDataOf(`${cwd}/${ROOT}`, runId);
      assertEquals([page.run.isLive, page.run.durationMs, page.run.outcome], [
        true,
        null,
        "running",
      ]);
      const [node] = page.nodes;
      assertEquals([node!.state, node!.attempts[0]!.endMs], ["running", undefined]);
      assertEquals(page.run.next.map(({ text }) => text).slice(0, 2), ["follow it", "end it"]);
      running.kill("SIGTERM");
      await running.end();
    });
  },
);

Deno.test(
  "the page of a run that was killed says so, and how far each attempt is known to have come",
  { ignore: !HAS_SIGNALS },
  async () => {
    await withTempDir(async (cwd) => {
      const runId = await recordAndKill(cwd);
      const page = await pageDataOf(`${cwd}/${ROOT}`, runId);
      assertEquals([page.run.outcome, page.run.isLive], ["orphan", false]);
      assertStringIncludes(page.run.why.join(), "nobody works on it any more");
      const [{ isCutOff, startMs, endMs } = {}] = page.nodes[0]!.attempts;
      assert(isCutOff && startMs! <= endMs!);
      assertMatch(page.run.next[0]!.command!, /^taffrail resume /);
    });
  },
);

Deno.test("the page of a run that was gone on with knows when nobody worked on it", {
  ignore: !HAS_SIGNALS,
}, async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, {
      first: "echo first",
      cut: { run: "[ -e again ] && exit; : >begun; sleep 60", needs: ["first"] },
      last: { run: "echo last", needs: ["cut"] },
    });
    {
      await using running = startTaffrail(["run", flow], { cwd });
      await untilExists(cwd, "begun");
      running.kill("SIGKILL");
      await running.end();
    }
    const runId = await onlyRun(`${cwd}/${ROOT}`);
    await Deno.writeTextFile(`${cwd}/again`, "");
    await taffrail(["resume", runId], { cwd });
    const page = await pageDataOf(`${cwd}/${ROOT}`, runId);
    const [[leftMs, againMs] = [NaN, NaN], ...others] = page.pauses;
    assertEquals([page.run.outcome, others], ["completed", []]);
    assert(leftMs < againMs);
    const [cut, done] = nodeIn(page, "cut").attempts;
    assertEquals([cut!.state, cut!.text, cut!.isCutOff], ["cancelled", "cancelled", true]);
    assert(cut!.endMs! <= againMs && againMs <= done!.startMs! + 2);
    const path = page.critical.nodes.map((place) => page.nodes[place]!.id);
    assertEquals(path, ["first", "cut", "last"]);
  });
});

Deno.test("the page of a damaged run tells what is damaged, and shows what is left", async () => {
  await withFlow(async (cwd) => {
    const root = `${cwd}/${ROOT}`;
    const runId = await onlyRun(root);
    const log = `${root}/runs/${runId}/events.jsonl`;
    const lines = (await Deno.readTextFile(log)).split("\n");
    lines[2] = lines[2]!.slice(0, 20);
    await Deno.writeTextFile(log, lines.join("\n"));
    await Deno.writeTextFile(`${root}/runs/${runId}/flow.json`, "{ no flow");
    const { run, nodes, critical } = await pageDataOf(root, runId);
    assertMatch(run.damage[0]!, /^1 line of the log cannot be used; line 3: not-json: /);
    assertMatch(run.damage.at(-1)!, /^Cannot use .*flow\.json: it is no flow of a run: /);
    assertEquals([run.outcome, nodes.length, critical.by], ["failed", 8, "times"]);
  });
});

Deno.test("the page of another program's log says what show says of it", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/${ROOT}`;
    using log = openEventLogSync<{ file: string }>({ root, runId: "import" });
    log.appendSync({ file: "a.csv" });
    const { run, nodes } = await pageDataOf(root, "import");
    const shown = (await taffrail(["show", "import", "--root", root], { cwd })).stdout;
    assertEquals([run.kind, run.outcome, nodes], ["log", "running", []]);
    assertStringIncludes(shown, run.why[0]!);
    assertStringIncludes(
      shown,
      run.next[0]!.command!.replace(/^taffrail follow --root \S+/, "taffrail follow"),
    );
  });
});
