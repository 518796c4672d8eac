/** `taffrail shrink`: the smallest recording that diverges, or that a limit would change, as a file. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CONSTRAINT_NAMES } from "../../_internal/constraints.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { readCaptureBundle, writeCaptureBundle } from "../../capture/mod.ts";
import { createEvent, MemoryDecisionLog } from "../../supervisor/mod.ts";
import { namesIn, readText } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { at, newSession, sampleBundle } from "../capture/_util.ts";
import { decisionsIn, inputsOf } from "../capture/shrink/_sessions.ts";
import { ask, HAS_SIGNALS, startAtWork, startTaffrail, taffrail } from "./_command.ts";
import { onlyRun } from "./_runs.ts";
import { HAS_SCRIPT, startInTerminal } from "./_terminal.ts";

const ROOT = ".taffrail";

const sh = (text: string, ...needs: string[]) => ({ run: ["sh", "-c", text], needs });

/** A fan of four, two at a time, of which one fails once. */
const FAN = {
  name: "fan",
  nodes: {
    a: sh("sleep 0.1"),
    b: sh("sleep 0.1"),
    flaky: sh("test $TAFFRAIL_ATTEMPT = 2"),
    end: sh("true", "a", "b", "flaky"),
  },
  constraints: { max_in_flight: 2, max_retries: 1 },
};

async function runFlow(cwd: string, flow: object = FAN): Promise<string> {
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
  await taffrail(["run", "flow.json"], { cwd });
  return await onlyRun(`${cwd}/${ROOT}`);
}

/** What the verb prints, without blanks at the ends of lines. */
async function shrink(cwd: string, ...args: string[]) {
  const { code, stdout, stderr } = await ask(["shrink", ...args], cwd);
  return { code, stderr, lines: stdout.trimEnd().split("\n").map((line) => line.trim()) };
}

/** Says in the journal of a run that it had another limit, as if another program had decided on it. */
function changeLimit(cwd: string, runId: string, before: string, after: string): void {
  const path = `${cwd}/${runPaths(ROOT, runId).journal}`;
  const text = readText(path);
  assertStringIncludes(text, before);
  Deno.writeTextFileSync(path, text.replace(before, after));
}

Deno.test("taffrail shrink finds the few inputs about which another limit decides otherwise", () =>
  withTempDir(async (cwd) => {
    const runId = await runFlow(cwd);
    const file = `${runId}.shrunk.json`;
    const { code, lines, stderr } = await shrink(cwd, "fan", "--max-in-flight", "3");
    assertEquals([code, stderr], [0, ""]);
    assertMatch(lines[0]!, /^✓ fan-\w+: \d+ inputs, of which 3 show it \(\d+ tests, none can be /);
    assertEquals(lines.slice(1), [
      "a      Invoke (admitted)",
      "b      Invoke (admitted)",
      "flaky  Defer (saturated)",
      "max_in_flight 2 → 3:",
      "flaky  waited for a free place to the end, would have started at once",
      `written to ${file}`,
    ]);
    const bundle = await readCaptureBundle(`${cwd}/${file}`);
    assertEquals(inputsOf(bundle), 3);
    assertEquals((await ask(["replay", file], cwd)).code, 0);
    const { stdout } = await ask(["what-if", file, "--max-in-flight", "3"], cwd);
    assertMatch(stdout, /flaky {2}waited .* would have started at once/);

    const retried = await shrink(cwd, runId, "--max-retries=0", "--json", "-o", "retry.json");
    const told = JSON.parse(retried.lines.join());
    const { tests, inputs } = told;
    assertEquals(told, {
      name: runId,
      inputs: { recorded: inputs.recorded, shrunk: 2 },
      tests,
      is_minimal: true,
      file: "retry.json",
      divergence: null,
      constraints: {
        recorded: bundle.config,
        what_if: { ...bundle.config, max_retries: 0 },
      },
      damage: null,
    });
    assert(tests > 2 && inputs.recorded > 8);
    assertEquals(decisionsIn(await readCaptureBundle(`${cwd}/retry.json`)), [
      "flaky Invoke admitted",
      "flaky Invoke retry",
    ]);
  }));

Deno.test("taffrail shrink finds the few inputs whose replay still goes otherwise, as it first does", () =>
  withTempDir(async (cwd) => {
    const runId = await runFlow(cwd);
    changeLimit(cwd, runId, '"max_retries":1', '"max_retries":0');
    const { code, lines } = await shrink(cwd, runId, "-o", "less.json");
    assertEquals(code, 0);
    assertMatch(
      lines[0]!,
      / inputs, of which 2 show it \(\d+ tests, none can be left out any more\)$/,
    );
    assertEquals(lines.slice(1), [
      "flaky                       Invoke (admitted)",
      "> flaky ends as RuntimeError  Invoke (retry)",
      'changed $.decisions[1].decision (event \'flaky\'): recorded "Invoke", replayed "Finish"',
      "written to less.json",
    ]);
    const { code: replayed, stdout } = await ask(["replay", "less.json"], cwd);
    assertEquals(replayed, 1);
    assertStringIncludes(stdout, lines[3]!);
    // What is the smallest stays so.
    const again = JSON.parse((await shrink(cwd, "less.json", "--json")).lines.join());
    assertEquals([again.inputs, again.file], [{ recorded: 2, shrunk: 2 }, "less.shrunk.json"]);
    assertEquals(again.divergence, {
      kind: "changed",
      index: 1,
      event: "flaky",
      path: "$.decisions[1].decision",
      recorded: "Invoke",
      replayed: "Finish",
    });
    assertEquals(readText(`${cwd}/less.shrunk.json`), readText(`${cwd}/less.json`));
  }));

Deno.test("taffrail shrink writes where it is told to, and overwrites nothing", () =>
  withTempDir(async (cwd) => {
    const runId = await runFlow(cwd);
    const limit = ["--max-in-flight", "1"];
    const toStdout = await ask(["shrink", runId, ...limit, "-o", "-"], cwd);
    assertEquals(toStdout.code, 0);
    assertMatch(toStdout.stderr, /of which 2 show it/);
    const { stdout, stderr } = await ask(["shrink", runId, ...limit, "-o", "-", "--json"], cwd);
    assertEquals([stdout, JSON.parse(stderr).file], [toStdout.stdout, null]);
    await Deno.mkdir(`${cwd}/cases`);
    assertEquals((await shrink(cwd, runId, ...limit, "--output", "cases")).code, 0);
    assertEquals(namesIn(`${cwd}/cases`), [`${runId}.shrunk.json`]);
    const path = `${cwd}/cases/${runId}.shrunk.json`;
    assertEquals(readText(path), toStdout.stdout);
    const { mode } = await Deno.stat(path);
    if (mode !== null) assertEquals(mode & 0o077, 0);

    await Deno.writeTextFile(`${cwd}/mine.json`, "mine");
    const refused: [string[], number, string][] = [
      [["-o", "mine.json", ...limit], 2, "Cannot write mine.json: it is there already"],
      [["-o", "cases", ...limit], 2, "it is there already; name another file with -o"],
      [["-o", "no/such.json", ...limit], 2, "there is no directory no; make that"],
      [["-o=", ...limit], 2, "Unknown option '-o'"],
      [["--output=", ...limit], 2, "Cannot use --output: it is empty"],
      [["--max-tests", "0", ...limit], 2, 'Cannot use --max-tests "0"'],
      [["--max-in-flight", "many"], 2, 'Cannot use --max-in-flight "many"'],
      [["--rate-window", "1s"], 2, "only one of max_per_window and rate_window"],
      [[], 1, `Cannot shrink ${runId}: its replay goes as recorded, so that there is nothing`],
      [["--deadline", "1d"], 1, "nothing would have been decided otherwise (deadline none → 24h"],
    ];
    for (const [args, code, problem] of refused) {
      const found = await shrink(cwd, runId, ...args);
      assertStringIncludes(found.stderr, problem);
      assertEquals([found.code, found.lines], [code, [""]], args.join(" "));
    }
    assertEquals(readText(`${cwd}/mine.json`), "mine");
    assertEquals((await shrink(cwd, runId, ...limit, "-o", "mine.json", "--force")).code, 0);
    assertEquals(readText(`${cwd}/mine.json`), toStdout.stdout);
    assertEquals(namesIn(cwd), [ROOT, "cases", "flow.json", "mine.json"]);
    const help = (await ask(["shrink", "--help"], cwd)).stdout;
    for (const name of CONSTRAINT_NAMES) assertStringIncludes(help, name.replaceAll("_", "-"));
    for (const args of [[], ["a", "b"]]) assertEquals((await shrink(cwd, ...args)).code, 2);
    for (const source of ["nobody", "gone.json", "gone.jsonl", "flow.json"]) {
      assertEquals((await shrink(cwd, source)).code, 1, source);
    }
  }));

Deno.test("taffrail shrink of a bundle of the original format, and by --max-tests", () =>
  withTempDir(async (cwd) => {
    const bundle = await sampleBundle();
    const changed = { ...bundle, config: { ...bundle.config, max_retries: 0 } };
    await writeCaptureBundle(`${cwd}/old.json`, changed);
    assertEquals((await shrink(cwd, "old.json")).lines.slice(1, 2), ["> e1  Invoke"]);
    const { capture_version: version } = await readCaptureBundle(`${cwd}/old.shrunk.json`);
    assertEquals(version, "v3");
    const bounded = ["old.json", "--max-tests", "1", "-o", "bounded.json"];
    const { code, lines } = await shrink(cwd, ...bounded);
    assertEquals(code, 0);
    assertStringIncludes(lines[0]!, "6 inputs, of which 6 show it (1 test, more may be left out)");
  }));

Deno.test({
  name:
    "taffrail shrink of a run that was killed, of one at work, and of one whose journal is damaged",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const nodes = { a: sh("true"), b: sh("exec sleep 100"), c: sh("true") };
      const flow = { name: "flow", nodes, constraints: { max_in_flight: 1 } };
      await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
      {
        await using running = startTaffrail(["run", "flow.json"], { cwd });
        await running.stdout.find(/▸ b/);
        running.kill("SIGKILL");
        await running.end();
      }
      const runId = await onlyRun(`${cwd}/${ROOT}`);
      const limit = ["--max-in-flight", "2"];
      const killed = await shrink(cwd, runId, ...limit);
      assertEquals([killed.code, killed.stderr], [0, ""]);
      assertMatch(
        killed.lines.slice(1, 3).join(),
        /^\w {2}Invoke \(admitted\),\w {2}Defer \(saturated\)$/,
      );

      const journal = `${cwd}/${runPaths(ROOT, runId).journal}`;
      await Deno.writeTextFile(journal, "oops\n{}\n", { append: true });
      const damaged = await shrink(cwd, runId, ...limit, "-o", "damaged.json");
      assertEquals(damaged.code, 1);
      assertMatch(damaged.lines.at(-1)!, /^the journal ends at line \d+: /);
      assertEquals(readText(`${cwd}/damaged.json`), readText(`${cwd}/${runId}.shrunk.json`));

      const { running, runId: live } = await startAtWork(cwd);
      await using _running = running;
      const atWork = await shrink(cwd, live, "--max-in-flight", "0");
      assertEquals([atWork.code, atWork.lines.length > 1], [0, true]);
      assertStringIncludes(atWork.stderr, "the run is still at work");
    }),
});

/** A recording of a queue that is full: what waited then has to stay, each of them, and is tried. */
async function writeFullQueue(path: string, count: number): Promise<void> {
  const session = newSession({
    mode: "concurrent",
    constraints: { max_in_flight: 0, max_retries: 0 },
    maxDeferred: count,
    decisionLog: new MemoryDecisionLog(),
  });
  for (let index = 0; index < 2 * count; index++) {
    await session.onEvent(createEvent({ id: `e${index}`, kind: "Command", at: at(index) }));
  }
  const bundle = session.intoBundle();
  await writeCaptureBundle(path, { ...bundle, max_deferred: count + 1 } as typeof bundle);
}

Deno.test({
  name: "taffrail shrink shows on a terminal how far it is, and Ctrl-C keeps the smallest so far",
  ignore: !HAS_SCRIPT,
  fn: () =>
    withTempDir(async (cwd) => {
      await writeFullQueue(`${cwd}/full.json`, 2000);
      await using running = startInTerminal(["shrink", "full.json"], { cwd, columns: 100 });
      const status = /shrinking full\.json: 2001 of 4000 inputs, \d+ tests/;
      await running.stdout.until(() => status.test(running.stdout.text));
      await running.write("\x03");
      const { code, stdout } = await running.end();
      assertEquals(code, 130);
      assertStringIncludes(stdout, "SIGINT: keeping the smallest so far");
      assertMatch(stdout, /4000 inputs, of which 2001 show it \(\d+ tests, more may be left out\)/);
      assertStringIncludes(stdout, "and 1981 more");
      const bundle = await readCaptureBundle(`${cwd}/full.shrunk.json`);
      assertEquals(inputsOf(bundle), 2001);
      const { code: replayed } = await ask(["replay", "full.shrunk.json"], cwd);
      assertEquals(replayed, 1);
    }),
});

Deno.test({
  name: "taffrail shrink that is ended before it has found anything writes nothing",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      await writeFullQueue(`${cwd}/full.json`, 400);
      const { code } = await ask(
        ["shrink", "full.json", "--max-tests", "2", "-o", "less.json"],
        cwd,
      );
      assertEquals(code, 0);
      assertEquals(inputsOf(await readCaptureBundle(`${cwd}/less.json`)), 401);
      // Nothing of what is left can be left out, and each of them is tried.
      await using running = startTaffrail(["shrink", "less.json"], { cwd });
      const ended = running.end();
      const timer = setInterval(() => running.kill("SIGTERM"), 5);
      const { code: exitCode, signal } = await ended.finally(() => clearInterval(timer));
      assert(exitCode === 143 || signal === "SIGTERM", String(exitCode));
      assertEquals(namesIn(cwd), ["full.json", "less.json"]);
    }),
});

Deno.test("taffrail shrink shows of names nothing that a terminal would act on", () =>
  withTempDir(async (cwd) => {
    const session = newSession({ mode: "concurrent", constraints: { max_retries: 0 } });
    const id = "a\x1b[31m\u202eb";
    await session.onEvent(createEvent({ id, kind: "Command", at: at(0) }));
    await session.supervisor.idle();
    const bundle = session.intoBundle();
    await writeCaptureBundle(`${cwd}/odd.json`, bundle);
    const shown = await ask(["shrink", "odd.json", "--max-in-flight", "0", "-o", "-"], cwd);
    assertEquals(shown.code, 0);
    // deno-lint-ignore no-control-regex -- these are what must not be there
    assertEquals(/[\x1b\u202e]/.test(shown.stdout + shown.stderr), false);
    await Deno.writeTextFile(`${cwd}/again.json`, shown.stdout);
    assertEquals(decisionsIn(await readCaptureBundle(`${cwd}/again.json`)), [
      `${id} Invoke admitted`,
    ]);
  }));
