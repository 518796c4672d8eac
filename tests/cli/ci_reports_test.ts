/** What run, exec and resume leave for CI systems: a JUnit file, and the summary of the step. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isThere, modeOf, namesIn, readText, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, startTaffrail, taffrail } from "./_command.ts";
import { readStepLog, STEP } from "./_github_runner.ts";
import { caseIn, type Junit, readJunit } from "./_junit_schema.ts";
import { withProgram } from "./_program.ts";
import { onlyRun, writeFlow } from "./_runs.ts";

/** What a flow can come to: retries, a failure that may be, a time that is over, a gate, and what needs them. */
const FLOW = {
  name: "nightly",
  on_failure: "keep_going",
  constraints: { max_in_flight: 1 },
  nodes: {
    fetch: { sh: "echo fetched" },
    flaky: {
      sh: "echo try $TAFFRAIL_ATTEMPT >&2; test $TAFFRAIL_ATTEMPT -gt 1",
      retry: { max: 2 },
    },
    may: { sh: "echo no matter >&2; exit 7", allow_failure: true },
    slow: { sh: "exec sleep 1000", timeout: "300ms" },
    ask: { gate: "Deploy?", needs: ["slow"], when: "always", timeout: "10ms" },
    all: { needs: ["fetch", "flaky"] },
    next: { sh: "true", needs: ["slow"] },
    handler: { sh: "echo 'row 17: ]]> no date' >&2; exit 3", needs: ["slow"], when: "failure" },
    never: { sh: "true", needs: ["flaky"], when: "failure" },
    late: { sh: "true", needs: ["all"] },
  },
};

const CASES = [
  ["fetch"],
  ["flaky", "flakyFailure: attempt 1: failed, exit code 1", "system-out: undefined"],
  ["may", "skipped: failed, exit code 7, which it may: no matter"],
  ["slow", "failure: timed out, ended by SIGTERM"],
  ["ask", "failure: was not let pass: nobody passed it in time"],
  ["next", "skipped: needs slow, which failed"],
  ["handler", "failure: failed, exit code 3: row 17: ]]> no date"],
  ["never", "skipped: when failure, and nothing that it needs has failed"],
  ["late"],
];

function outlineOf({ cases }: Junit): string[][] {
  return cases.map(({ name, parts }) => {
    return [name, ...parts.map(({ is, message }) => `${is}: ${message}`)];
  });
}

Deno.test("a flow with all that can come of it is told of in a JUnit file and a summary, and later again", async () => {
  await withTempDir(async (cwd) => {
    write(`${cwd}/flow.json`, JSON.stringify(FLOW));
    const env = { GITHUB_STEP_SUMMARY: `${cwd}/summary.md` };
    const args = ["run", "--junit", "reports/junit.xml", "flow.json"];
    const ran = await taffrail(args, { cwd, env });
    assertEquals([ran.code, ran.stderr], [1, ""]);
    const runId = await onlyRun(`${cwd}/.taffrail`);
    const xml = readText(`${cwd}/reports/junit.xml`);
    const junit = readJunit(xml);
    assertEquals(outlineOf(junit), CASES);
    const { name, tests, failures, skipped, timestamp, hostname } = junit.suite;
    assertEquals([name, tests, failures, skipped], ["nightly", "9", "3", "3"]);
    assertMatch(timestamp!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assertEquals(hostname, Deno.hostname());
    assertEquals(junit.properties.slice(1, 4), [
      ["run_id", runId],
      ["flow", "nightly"],
      ["outcome", "timed-out"],
    ]);
    assertMatch(caseIn(junit, "slow").time!, /^\d+\.\d{3}$/);
    assertEquals(
      caseIn(junit, "handler").parts[0]!.text,
      "failed, exit code 3\n\nstderr:\nrow 17: ]]> no date",
    );
    assertStringIncludes(caseIn(junit, "flaky").parts[0]!.text, "stderr:\ntry 1");
    assertMatch(
      caseIn(junit, "flaky").parts[1]!.text,
      /^attempt 1: \S+, failed, exit code 1\nattempt 2: \S+, completed$/,
    );
    const summary = readText(`${cwd}/summary.md`);
    assertStringIncludes(summary, "## ❌ `nightly` timed out\n\n`slow timed out`\n");
    assertStringIncludes(summary, "| ⏭️ | `next` | `needs slow, which failed` |  |  |\n");
    assertStringIncludes(summary, "\nstderr:\n\n```text\nrow 17: ]]> no date\n```\n");
    // What is made of the records is the same.
    assertEquals((await taffrail(["report", runId, "--junit", "-"], { cwd })).stdout, xml);
    assertEquals((await taffrail(["report", runId, "--markdown"], { cwd })).stdout, summary);
    const made = await taffrail(["report", runId, "--junit", "later.xml", "--json"], { cwd });
    const { size } = await Deno.stat(`${cwd}/later.xml`);
    const told = { run_id: runId, path: "later.xml", size_bytes: size, outcome: "timed-out" };
    assertEquals(JSON.parse(made.stdout), told);
    assertEquals(readText(`${cwd}/later.xml`), xml);
    assertEquals(namesIn(`${cwd}/reports`), ["junit.xml"]);
    // Whoever collects it may be another user.
    assertEquals(modeOf(`${cwd}/reports/junit.xml`), 0o666 & ~Deno.umask());
  });
});

Deno.test("what is gone on with is told of as a whole, with the attempts before", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { a: "echo ran >>a", b: "test -e go" });
    await taffrail(["run", "--junit", "j.xml", flow], { cwd });
    assertEquals(outlineOf(readJunit(readText(`${cwd}/j.xml`))), [
      ["a"],
      ["b", "failure: failed, exit code 1"],
    ]);
    write(`${cwd}/go`, "");
    const env = { GITHUB_STEP_SUMMARY: `${cwd}/summary.md` };
    const resumed = await taffrail(["resume", "--junit", "j.xml", "flow"], { cwd, env });
    assertEquals([resumed.code, resumed.stderr], [0, ""]);
    assertEquals(outlineOf(readJunit(readText(`${cwd}/j.xml`))), [
      ["a"],
      ["b", "flakyFailure: attempt 1: failed, exit code 1", "system-out: undefined"],
    ]);
    assertStringIncludes(readText(`${cwd}/summary.md`), "## ✅ `flow` completed\n");
    // There is nothing to go on with, and that is no success.
    assertEquals((await taffrail(["resume", "--junit", "j.xml", "flow"], { cwd })).code, 1);
    const [error] = caseIn(readJunit(readText(`${cwd}/j.xml`)), "(run)").parts;
    assertMatch(error!.message!, /it has completed; there is nothing left to do$/);
  });
});

Deno.test("taffrail exec is one case, and passes its exit code on", async () => {
  await withTempDir(async (cwd) => {
    const env = { GITHUB_STEP_SUMMARY: `${cwd}/summary.md` };
    for (const [script, code] of [["true", 0], ["echo no >&2; exit 5", 5]] as const) {
      const args = ["exec", "--name", "made", "--junit", "j.xml", "--", "sh", "-c", script];
      assertEquals((await taffrail(args, { cwd, env })).code, code);
      const { suite, cases } = readJunit(readText(`${cwd}/j.xml`));
      assertEquals([suite.name, cases.map(({ name }) => name)], ["made", ["made"]]);
      assertEquals(
        cases[0]!.parts.map(({ message }) => message),
        code === 0 ? [] : [
          "failed, exit code 5: no",
        ],
      );
    }
    const headings = readText(`${cwd}/summary.md`).match(/^## .*$/gm);
    assertEquals(headings, ["## ✅ `made` completed", "## ❌ `made` failed"]);
  });
});

Deno.test("what cannot begin leaves a file that is red, and none of an earlier run", async () => {
  await withTempDir(async (cwd) => {
    write(`${cwd}/broken.json`, "{");
    write(`${cwd}/no-program.json`, '{"name":"f","nodes":{"a":{"run":["no-such-program"]}}}');
    const cases: [args: string[], code: number, message: RegExp][] = [
      [["run", "broken.json"], 2, /^Cannot run broken.json/],
      [["run", "missing.json"], 2, /missing.json/],
      [["run", "no-program.json"], 2, /no-such-program/],
      [["run", "--tasks", "no-such-task"], 2, /no-such-task|deno.json/],
      [["exec", "--", "no-such-program"], 127, /no-such-program/],
      [["resume", "no-such-run"], 1, /no-such-run/],
    ];
    for (const [[verb = "", ...args], code, message] of cases) {
      write(`${cwd}/j.xml`, "an earlier one");
      const ended = await taffrail([verb, "--junit", "j.xml", ...args], { cwd });
      assertEquals(ended.code, code, ended.stderr);
      const { suite, cases } = readJunit(readText(`${cwd}/j.xml`));
      assertEquals([suite.errors, cases.length], ["1", 1]);
      assertMatch(cases[0]!.parts[0]!.message!, message);
    }
  });
});

Deno.test({
  name:
    "a run that is cut off is told of: by a signal with what it came to, by a kill that it has no end",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const nodes = { a: "true", slow: "echo begun; exec sleep 1000", c: "true" };
      const flow = await writeFlow(cwd, nodes);
      for (const signal of ["SIGINT", "SIGKILL"] as const) {
        write(`${cwd}/j.xml`, "an earlier one");
        await using running = startTaffrail(["run", "--junit", "j.xml", flow], { cwd });
        await running.stdout.find(/^▸ slow/);
        assertMatch(readText(`${cwd}/j.xml`), /it has no end/);
        running.kill(signal);
        await running.end();
        const junit = readJunit(readText(`${cwd}/j.xml`));
        if (signal === "SIGKILL") {
          const [error] = caseIn(junit, "(run)").parts;
          assertEquals([error!.is, error!.type], ["error", "unfinished"]);
          continue;
        }
        assertEquals(outlineOf(junit), [
          ["a"],
          ["slow", "failure: cancelled, ended by SIGINT"],
          ["c", "skipped: not started"],
        ]);
        assertEquals(junit.properties.at(-1), ["reason", "cancelled by SIGINT"]);
      }
      // What was left is told of by its records.
      const orphan = await taffrail(["report", "flow", "--junit", "-"], { cwd });
      assertMatch(caseIn(readJunit(orphan.stdout), "slow").parts[0]!.message!, /^was running/);
      await taffrail(["stop", "flow"], { cwd });
    }),
});

Deno.test("a file that cannot be written is told before anything is begun, or ends in exit code 1", async () => {
  await withTempDir(async (cwd) => {
    await Deno.mkdir(`${cwd}/folder`);
    write(`${cwd}/file`, "");
    const flow = await writeFlow(cwd, { a: "echo ran >ran" });
    for (const path of ["folder", "file/j.xml", "-", ""]) {
      const { code, stderr } = await taffrail(["run", `--junit=${path}`, flow], { cwd });
      assertEquals([code, isThere(`${cwd}/ran`)], [2, false], path);
      assertMatch(stderr, /^Cannot (write|use) .*--junit/);
    }
    const dry = await taffrail(["run", "--dry-run", "--junit", "j.xml", flow], { cwd });
    assertEquals([dry.code, isThere(`${cwd}/j.xml`)], [2, false]);
    // It is a command of the run that takes the place.
    const taken = await writeFlow(cwd, { a: "rm j.xml && mkdir j.xml" });
    const { code, stdout, stderr } = await taffrail(["run", "--junit", "j.xml", taken], { cwd });
    assertEquals(code, 1);
    assertStringIncludes(stdout, "  completed\n");
    assertMatch(stderr, /^Cannot write j.xml: .*; name another file with --junit\n$/);
  });
});

Deno.test({
  name: "the steps of a program are cases, also when it is gone on with",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withProgram(async (program) => {
      const ops = [
        { step: "list all", gives: [1] },
        { step: "flaky", fails: 1, maxRetries: 1 },
        { step: "caught", fails: 1, caught: true, message: "out of <stock>" },
      ];
      await program.run({ ops: [...ops, { step: "last", fails: 1, message: "no\ndisk" }] });
      const xml = await program.tells("report", "order", "--junit", "-");
      const junit = readJunit(xml);
      assertEquals(outlineOf(junit), [
        ["list all"],
        ["flaky", "flakyFailure: attempt 1: failed", "system-out: undefined"],
        ["caught", "failure: failed: RangeError: out of <stock>"],
        ["last", "failure: failed: RangeError: no"],
      ]);
      assertEquals(junit.properties.slice(2, 4), [["program", "order"], ["outcome", "failed"]]);
      assertStringIncludes(caseIn(junit, "last").parts[0]!.text, "RangeError: no\ndisk");
      program.plan({ ops: [...ops, { step: "last" }] });
      const summary = `${program.cwd}/summary.md`;
      const env = { ...STEP, GITHUB_STEP_SUMMARY: summary };
      const args = ["resume", "--junit", "j.xml", "order"];
      const { code, stderr } = await taffrail(args, { cwd: program.cwd, env });
      assertEquals(code, 0, stderr);
      assertEquals(outlineOf(readJunit(readText(`${program.cwd}/j.xml`))).slice(2), [
        ["caught", "skipped: failed, and its program went on: RangeError: out of <stock>"],
        ["last", "flakyFailure: attempt 1: failed", "system-out: undefined"],
      ]);
      assertStringIncludes(readText(summary), "## ✅ `order` completed\n\n4 steps: ");
      const { annotations } = readStepLog(stderr);
      assertEquals(annotations.map(({ level, data }) => [level, data.split("\n")[0]]), [
        ["warning", "caught failed, and its program went on"],
      ]);
    }),
});

Deno.test("with --json the document is alone, and the runner is told on stderr", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { a: "echo ::error::x; exit 1" });
    const { stdout, stderr } = await taffrail(["run", "--json", flow], { cwd, env: STEP });
    assertEquals(JSON.parse(stdout).outcome, "failed");
    const { annotations, groups } = readStepLog(stderr);
    assertEquals([annotations.length, groups], [1, []]);
  });
});

Deno.test("a run in which nobody asks for anything leaves nothing of it", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { a: "exit 1" });
    const { stdout } = await taffrail(["run", flow], { cwd });
    assertEquals(namesIn(cwd), [".taffrail", "flow.json"]);
    const { annotations, groups } = readStepLog(stdout);
    assertEquals([annotations, groups], [[], []]);
    assert(stdout.endsWith("failed, exit code 1\n"));
  });
});

Deno.test("taffrail report makes one thing at a time", async () => {
  await withTempDir(async (cwd) => {
    await taffrail(["exec", "--", "true"], { cwd });
    const cases = [
      ["--markdown", "--junit", "j.xml"],
      ["--markdown", "-o", "p.html"],
      ["--junit", "j.xml", "--open"],
      ["--markdown", "--json"],
      ["--junit", "-", "--json"],
    ];
    for (const given of cases) {
      const { code, stdout } = await taffrail(["report", "true", ...given], { cwd });
      assertEquals([code, stdout], [2, ""], given.join(" "));
    }
    assertEquals(namesIn(cwd), [".taffrail"]);
    const to = ["report", "true", "--junit", "none/j.xml"];
    assertEquals((await taffrail(to, { cwd })).code, 0);
  });
});
