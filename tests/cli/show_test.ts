import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { printReportJson, readRunReport } from "../../cli/reading/run_report.ts";
import { Screen } from "../../cli/text/screen.ts";
import { openEventLogSync } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { onlyRun, placeOf, writeFlow } from "./_runs.ts";

const ROOT = ".taffrail";

async function makeRuns(cwd: string, ids: string[]): Promise<void> {
  for (const id of ids) {
    await Deno.mkdir(`${cwd}/${ROOT}/runs/${id}`, { recursive: true });
    await Deno.writeTextFile(`${cwd}/${ROOT}/runs/${id}/events.jsonl`, "");
  }
}

Deno.test("taffrail show prints the run, its nodes with their marks, and what a failed one printed (OST-2)", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, {
      lint: "true",
      test: { run: "echo bad >&2; exit 4", needs: ["lint"] },
      pack: { run: "true", needs: ["test"] },
    });
    const ran = await taffrail(["run", flow], { cwd });
    const runId = await onlyRun(`${cwd}/${ROOT}`);
    const { code, stdout, stderr } = await taffrail(["show", runId.slice(0, 12)], { cwd });
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    const [table, tail] = stdout.split("\ntest, the end of ");
    assertStringIncludes(ran.stdout, table!);
    assertMatch(
      table!,
      /\n {2}✓ lint +(?:\d+ms|\d+\.\ds)\n {2}✗ test +(?:\d+ms|\d+\.\ds) {2}failed, exit code 4\n {2}⏭ pack /,
    );
    const path = `${ROOT}/runs/${runId}/nodes/test.1.err`;
    assertEquals(tail, `${path}:\n  | bad\n  all of it: taffrail logs ${runId} test\n`);
  });
});

Deno.test("taffrail show tells what is in the log where the output files are gone", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { test: "echo bad >&2; echo worse >&2; exit 4" });
    await taffrail(["run", flow], { cwd });
    const runId = await onlyRun(`${cwd}/${ROOT}`);
    await Deno.remove(`${cwd}/${ROOT}/runs/${runId}/nodes`, { recursive: true });
    const { stdout } = await taffrail(["show", runId], { cwd });
    assertStringIncludes(stdout, "\n\ntest:\n  | bad\n  | worse\n");
  });
});

Deno.test("taffrail show prints the nodes of a large run without holding them, as one document", async () => {
  await withTempDir(async (cwd) => {
    const count = 5_000;
    const base = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00Z", run_id: "large" };
    const nodes = Array.from({ length: count }, (_, index) => `n\u{1F600}${index}`);
    {
      using log = openEventLogSync({ root: `${cwd}/${ROOT}`, runId: "large" });
      log.appendAllSync([
        { ...base, type: "pipe.started", pipe: "p", inputs: [], distro_version: "1", nodes },
        ...nodes.map((id) => ({ ...base, type: "node.started", kind: "command", node_id: id })),
      ]);
    }
    const { stdout } = await taffrail(["show", "large", "--json", "--root", `${cwd}/${ROOT}`], {
      cwd,
    });
    const document = JSON.parse(stdout);
    assertEquals(stdout, `${JSON.stringify(document)}\n`);
    assertEquals(document.nodes.map(({ id }: { id: string }) => id), nodes);
    assertEquals(Object.keys(document).slice(2, 5), ["state", "nodes", "is_orphan"]);
    const table = (await taffrail(["show", "large"], { cwd })).stdout.split("\n");
    assertEquals(table.filter((line) => line.startsWith("  ▸ n")).length, count);

    const writes: number[] = [];
    const { writeSync } = Deno.stdout;
    try {
      Deno.stdout.writeSync = (bytes) => writes.push(bytes.length) && bytes.length;
      printReportJson(
        new Screen(Deno.stdout),
        await readRunReport(placeOf(`${cwd}/${ROOT}`, "large")),
      );
    } finally {
      Deno.stdout.writeSync = writeSync;
    }
    const size = new TextEncoder().encode(stdout).length;
    assertEquals(writes.reduce((sum, length) => sum + length), size);
    assert(writes.length > 5 && writes.length < 50, `${writes.length} writes of ${size} bytes`);
  });
});

Deno.test("taffrail show uses what can be read of a damaged log, and says what cannot", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { test: "true" });
    await taffrail(["run", flow], { cwd });
    const runId = await onlyRun(`${cwd}/${ROOT}`);
    const path = `${cwd}/${ROOT}/runs/${runId}/events.jsonl`;
    const lines = (await Deno.readTextFile(path)).split("\n");
    lines.splice(1, 0, "garbage", '{"type":"node.failed","id":"1","ts":"t","run_id":"x"}');
    await Deno.writeTextFile(path, lines.join("\n"));
    const { code, stdout } = await taffrail(["show", runId], { cwd });
    assertEquals(code, 0);
    assertStringIncludes(stdout, "\nlines   2 unusable; line 2: not-json: ");
    assertStringIncludes(stdout, "so what is shown here may be wrong\n");
    assertStringIncludes(stdout, "✓ test");
    const report = JSON.parse((await taffrail(["show", "--json", runId], { cwd })).stdout);
    assertEquals(report.damaged_lines, 2);
    assertMatch(report.first_damage, /^line 2: not-json: /);
  });
});

Deno.test("taffrail show tells each attempt where there was more than one, and why nodes waited", async () => {
  await withTempDir(async (cwd) => {
    const again = 'test "$TAFFRAIL_ATTEMPT" = 3 || exit $TAFFRAIL_ATTEMPT';
    const nodes = {
      flaky: { run: ["sh", "-c", again] },
      other: { run: ["true"] },
      third: { run: ["true"] },
    };
    const rate = { max_per_window: 2, rate_window: "50ms" };
    const constraints = { max_in_flight: 1, max_retries: 2, ...rate };
    const flow = { name: "flow", nodes, constraints };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
    assertEquals((await taffrail(["run", "flow.json"], { cwd })).code, 0);
    const runId = await onlyRun(`${cwd}/${ROOT}`);
    const { stdout } = await taffrail(["show", runId], { cwd });
    assertMatch(
      stdout,
      /\n {2}✓ flaky +(?:\d+ms|\d+\.\ds) {2}attempt 3\n {6}attempt 1 +(?:\d+ms|\d+\.\ds) {2}failed, exit code 1\n {6}attempt 2 +(?:\d+ms|\d+\.\ds) {2}failed, exit code 2\n {6}attempt 3 +(?:\d+ms|\d+\.\ds) {2}completed\n/,
    );
    assertMatch(
      stdout,
      /\n {6}waited for (a free place: 1 of 1 taken|the rate limit: 2 of 2 begun)/,
    );
    assertEquals(stdout.split("\n").filter((line) => line.length > 80), []);
    const { nodes: [flaky] } = JSON.parse(
      (await taffrail(["show", "--json", runId], { cwd })).stdout,
    );
    const [first, , last] = flaky.attempts;
    assertEquals(flaky.attempts.length, 3);
    assertEquals([first.status, first.exit_code], [{ Failed: { kind: "crash" } }, 1]);
    assertEquals(first.output.out, `${ROOT}/runs/${runId}/nodes/flaky.1.out`);
    assertEquals([last.status, last.exit_code, flaky.exit_code], ["Completed", 0, 0]);
    assertEquals(flaky.output, last.output);
  });
});

Deno.test("taffrail show says of an orphan that its commands may still run, and what to do", async () => {
  await withTempDir(async (cwd) => {
    const base = { id: "1", ts: "2026-04-15T12:00:00Z", run_id: "x" };
    const events = [
      { ...base, type: "pipe.started", pipe: "ci", inputs: [], distro_version: "0", nodes: ["a"] },
      { ...base, type: "node.started", node_id: "a", kind: "command" },
    ];
    await makeRuns(cwd, ["x"]);
    const text = events.map((event) => `${JSON.stringify(event)}\n`).join("");
    await Deno.writeTextFile(`${cwd}/${ROOT}/runs/x/events.jsonl`, text);
    const ofProgram = await taffrail(["show", "x"], { cwd });
    assertStringIncludes(
      ofProgram.stdout,
      "A program of yours recorded it, or it died before it began: start that again.",
    );
    await Deno.writeTextFile(`${cwd}/${ROOT}/runs/x/flow.json`, "{}");
    const { code, stdout } = await taffrail(["show", "x"], { cwd });
    assertEquals(code, 0);
    assertStringIncludes(stdout, "what it had started may still run on.");
    assertStringIncludes(stdout, "\n        taffrail resume x\n");
    assertMatch(stdout, /▸ a +was running, and may still run\n/);
  });
});

Deno.test("taffrail show reads no file that a node id in a log leads to", async () => {
  await withTempDir(async (cwd) => {
    const failed = {
      id: "1",
      ts: "2026-04-15T12:00:00Z",
      run_id: "x",
      type: "node.failed",
      node_id: "../../../secret",
      error: { kind: "crash" },
      attempt: 1,
    };
    await makeRuns(cwd, ["x"]);
    await Deno.writeTextFile(`${cwd}/${ROOT}/runs/x/events.jsonl`, `${JSON.stringify(failed)}\n`);
    await Deno.writeTextFile(`${cwd}/secret.1.err`, "sesame\n");
    const { code, stdout } = await taffrail(["show", "x"], { cwd });
    assertEquals({ code, leaks: stdout.includes("sesame") }, { code: 0, leaks: false });
  });
});

/** What is asked for among the runs `ci-1` to `ci-7`, `deploy-1` and `deploy-12`, and the answer. */
const QUESTIONS: { wanted: string; code: number; says: string }[] = [
  { wanted: "deploy-12", code: 0, says: "" },
  { wanted: "deploy-1", code: 0, says: "" },
  { wanted: "ci-3", code: 0, says: "" },
  {
    wanted: "deploy",
    code: 2,
    says: 'Cannot tell which run "deploy" is: deploy-1, deploy-12 begin so; write more of its id\n',
  },
  {
    wanted: "ci",
    code: 2,
    says:
      'Cannot tell which run "ci" is: ci-1, ci-2, ci-3, ci-4, ci-5 and 2 more begin so; write more of its id\n',
  },
  {
    wanted: "deploy-13",
    code: 1,
    says: 'Cannot find run "deploy-13" in .taffrail: did you mean deploy-12, deploy-1?\n',
  },
  {
    wanted: "loy-12",
    code: 1,
    says: 'Cannot find run "loy-12" in .taffrail: did you mean deploy-12?\n',
  },
  {
    wanted: "../runs/ci-1",
    code: 1,
    says: 'Cannot find run "../runs/ci-1" in .taffrail: taffrail ls lists its 9 runs\n',
  },
];

for (const { wanted, code, says } of QUESTIONS) {
  Deno.test(`taffrail show ${wanted} finds the run by the beginning of its id, or says which there are (OST-2)`, async () => {
    await withTempDir(async (cwd) => {
      const numbers = [1, 2, 3, 4, 5, 6, 7];
      await makeRuns(cwd, [...numbers.map((n) => `ci-${n}`), "deploy-1", "deploy-12"]);
      const ended = await taffrail(["show", wanted], { cwd });
      assertEquals({ code: ended.code, stderr: ended.stderr }, { code, stderr: says });
      if (code === 0) assertStringIncludes(ended.stdout, `${wanted}  [ORPHAN?]\n`);
    });
  });
}

Deno.test("taffrail show says so where there are no runs at all", async () => {
  await withTempDir(async (cwd) => {
    const { code, stderr } = await taffrail(["show", "x"], { cwd });
    assertEquals({ code, stderr }, {
      code: 1,
      stderr: 'Cannot find run "x": .taffrail has no runs\n',
    });
  });
});

Deno.test("taffrail show takes the name of a flow for its newest run", async () => {
  await withTempDir(async (cwd) => {
    const [older, newer] = ["01m7y6br5mjgpv46qk3w2w0daj", "01m7y6ca02dn1nb9q0n2hmt6qh"];
    await makeRuns(cwd, [`ci-${newer}`, `ci-${older}`, `ci-extra-${newer}`]);
    const { code, stdout } = await taffrail(["show", "--json", "ci"], { cwd });
    assertEquals([code, JSON.parse(stdout).run_id], [0, `ci-${newer}`]);
    const other = await taffrail(["show", "c"], { cwd });
    assertEquals(other.code, 2);
  });
});
