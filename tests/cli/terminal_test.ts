import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { listRuns } from "../../eventlog/mod.ts";
import { start, taffrail } from "./_command.ts";
import { eventsOf, onlyRun, writeFlow } from "./_runs.ts";
import { HAS_SCRIPT, startInTerminal } from "./_terminal.ts";

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SCRIPT, fn: () => withTempDir(body) });
}

const COLOURED = { NO_COLOR: "" };

test("taffrail run shows what is running in a line of its own on a terminal, in colours", async (cwd) => {
  const flow = await writeFlow(cwd, {
    lint: "true",
    test: { run: "echo not so good >&2; exit 1", needs: ["lint"] },
  });
  await using command = startInTerminal(["run", flow], { cwd, env: COLOURED });
  const { code, stdout } = await command.end();
  assertEquals(code, 1);
  const runId = await onlyRun(`${cwd}/.taffrail`);
  assertEquals(stdout.slice(0, stdout.indexOf("\r\n")), `run_id=${runId}`);
  assertStringIncludes(stdout, "\r\x1b[2K0/2 done · running lint 0s · 1 needs o…\r\x1b[2K");
  assertStringIncludes(stdout, "\r\x1b[2K1/2 done · running test 0s\r\x1b[2K");
  assertStringIncludes(stdout, "\x1b[32m✓\x1b[0m lint ");
  assertStringIncludes(stdout, "\x1b[31m✗\x1b[0m test ");
});

test("taffrail run obeys NO_COLOR, and TERM=dumb", async (cwd) => {
  const flow = await writeFlow(cwd, { lint: "true" });
  await using plain = startInTerminal(["run", flow], { cwd, env: { NO_COLOR: "1" } });
  const { stdout } = await plain.end();
  assertStringIncludes(stdout, "\x1b[2K✓ lint ");
  assertEquals(stdout.includes("\x1b[3"), false);
  await using dumb = startInTerminal(["run", flow], { cwd, env: { ...COLOURED, TERM: "dumb" } });
  assertEquals((await dumb.end()).stdout.includes("\x1b"), false);
});

test("taffrail run is cancelled by Ctrl-C on a terminal", async (cwd) => {
  const flow = await writeFlow(cwd, { slow: "echo $$; exec sleep 1000" });
  await using command = startInTerminal(["run", flow], { cwd, env: COLOURED });
  await command.stdout.find(/^run_id=/);
  // The line that tells what runs has no end until then.
  await command.stdout.until(() => command.stdout.text.includes("running slow"));
  await command.write("\x03");
  const { code, stdout } = await command.end();
  assertEquals(code, 130);
  assertStringIncludes(stdout, "SIGINT: ending what runs");
  const root = `${cwd}/.taffrail`;
  assertEquals(eventsOf(root, await onlyRun(root)).at(-1)?.reason, "cancelled by SIGINT");
});

/**
 * What a terminal shows in the end of what was written to it: with the few movements that are used,
 * and lines that are as wide as they were written.
 */
function screenOf(output: string): string[] {
  const rows = [""];
  let row = 0;
  // deno-lint-ignore no-control-regex -- these are what a terminal acts on
  for (const part of output.split(/(\r\n|\r|\x1b\[[\d;]*[A-Za-z])/)) {
    if (part === "\r\n") rows[++row] ??= "";
    else if (part === "\r") continue;
    else if (part === "\x1b[2K" || part === "\x1b[J") rows[row] = "";
    else if (!part.startsWith("\x1b")) rows[row] += part;
  }
  return rows;
}

test("taffrail run shows what runs, what waits and why, and leaves nothing of it behind", async (cwd) => {
  const nodes = {
    first: { run: ["sleep", "1000"] },
    second: { run: ["true"] },
    third: { run: ["true"] },
    last: { run: ["true"], needs: ["first", "second"] },
  };
  const constraints = { max_in_flight: 2, max_per_window: 1, rate_window: "10m" };
  await Deno.writeTextFile(
    `${cwd}/flow.json`,
    JSON.stringify({ name: "flow", nodes, constraints }),
  );
  await using command = startInTerminal(["run", "flow.json"], { cwd, env: {}, columns: 120 });
  const waiting =
    /0\/4 done · running first \ds · waiting second, third \(rate limit until \d\d:\d\d:\d\d\) · 1 needs others/;
  await command.stdout.until(() => waiting.test(command.stdout.text));
  await command.write("\x03");
  const { code, stdout } = await command.end();
  assertEquals(code, 130);
  const shown = screenOf(stdout);
  assertEquals(shown.filter((line) => line.includes(" done")), []);
  assertEquals(shown.filter((line) => line.startsWith("✗")).length, 1);
});

test("taffrail run draws its line anew when the window changes", async (cwd) => {
  const flow = await writeFlow(cwd, {
    // Each pipe is for one word: a second reader could find the first writer still there, and its end.
    one: "read _ <go; stty -F $TTY cols 20; read _ <end",
    "another-node-with-a-long-name": { run: "true", needs: ["one"] },
  });
  await start("mkfifo", ["go", "end"], { cwd }).end();
  await using command = startInTerminal(["run", flow], { cwd, env: {}, columns: 60 });
  await command.stdout.until(() => command.stdout.text.includes("1 needs others"));
  await Deno.writeTextFile(`${cwd}/go`, "\n");
  // 41 columns have become three lines of 20: the cursor goes up two, and all below is cleared.
  const redrawn = "\r\x1b[2A\x1b[J0/2 done · running…";
  await command.stdout.until(() => command.stdout.text.includes(redrawn));
  await Deno.writeTextFile(`${cwd}/end`, "\n");
  const { code, stdout } = await command.end();
  assertEquals(code, 0);
  assertEquals(screenOf(stdout).filter((line) => line.includes(" done")), []);
});

test("taffrail run --tasks passes output through whole beside its line", async (cwd) => {
  const tasks = { half: "printf half; cat go; echo ' whole'" };
  await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify({ tasks }));
  await start("mkfifo", ["go"], { cwd }).end();
  await using command = startInTerminal(["run", "--tasks", "half"], { cwd, env: {} });
  await command.stdout.until(() => command.stdout.text.includes("\x1b[2Khalf"));
  await Deno.writeTextFile(`${cwd}/go`, "and");
  const { code, stdout } = await command.end();
  assertEquals(code, 0);
  assertStringIncludes(stdout, "halfand whole\r\n");
  assertEquals(screenOf(stdout).filter((line) => line.includes(" done")), []);
});

test("taffrail ls fits a terminal of 80 columns: ages, no flow that the id tells, ids whole", async (cwd) => {
  const name = "a-name-that-is-rather-long-for-a-terminal";
  for (const args of [[], ["--name", "ci"], ["--name", name]]) {
    await taffrail(["exec", ...args, "--", "true"], { cwd });
  }
  const ids = await listRuns(`${cwd}/.taffrail`);
  await using command = startInTerminal(["ls"], { cwd, env: {}, columns: 80 });
  const { stdout } = await command.end();
  const lines = stdout.trimEnd().split("\r\n");
  assertEquals(lines.filter((line) => line.length > 80), []);
  assertMatch(lines[0]!, /^RUN +STATE {7}NODES +TIME {2}LAST$/);
  for (const id of ids) assertStringIncludes(stdout, id);
  const long = lines.findIndex((line) => line === ids.find((id) => id.startsWith(name)));
  assertMatch(lines[long + 1]!, /^ +completed {5}1\/1 +\d+ms {2}\d+s ago$/);
});

test("taffrail follow cuts its lines to the terminal, and not on a pipe", async (cwd) => {
  const words = "a rather long command line that does not fit into so narrow a window";
  const flow = await writeFlow(cwd, { node: `: ${words}` });
  await taffrail(["run", flow], { cwd });
  const piped = await taffrail(["follow", "flow"], { cwd });
  assertStringIncludes(piped.stdout, words);
  await using command = startInTerminal(["follow", "flow"], { cwd, env: {}, columns: 60 });
  const lines = (await command.end()).stdout.trimEnd().split("\r\n");
  assertEquals(lines.length, 5);
  assertEquals(lines.at(-1), "the run has completed");
  assertEquals(lines.filter((line) => line.length > 60), []);
  assertMatch(lines[1]!, /…$/);
});

test("taffrail verify and repair tell on a terminal how far they are", async (cwd) => {
  const flow = await writeFlow(cwd, { lint: "true" });
  for (let n = 0; n < 2; n++) await taffrail(["run", flow], { cwd });
  for (const [verb, doing] of [["verify", "verifying"], ["repair", "repairing"]] as const) {
    await using command = startInTerminal([verb], { cwd, env: {} });
    const { code, stdout } = await command.end();
    assertEquals(code, 0);
    assertStringIncludes(stdout, `\r\x1b[2K${doing} 1/2 flow-`);
    assertStringIncludes(stdout, `\r\x1b[2K${doing} 2/2 flow-`);
    const last = stdout.slice(stdout.lastIndexOf("\x1b[2K") + 4);
    assertMatch(last, /^(✓ 2 runs in|Nothing is wrong, so)[^\r\n]*\r\n$/);
  }
});

test("taffrail show passes nothing on to a terminal but its own colours", async (cwd) => {
  const hostile = "\x1b[8m\x1b]0;title\x07\x9b2J\x1b[31mred\u202e";
  const base = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00Z", run_id: "x" };
  const events = [
    { ...base, type: "pipe.started", pipe: hostile, inputs: [], distro_version: "" },
    { ...base, type: "node.failed", node_id: hostile, error: { kind: "crash" }, message: hostile },
    { ...base, type: "pipe.aborted", reason: hostile },
  ];
  await Deno.mkdir(`${cwd}/.taffrail/runs/x`, { recursive: true });
  const lines = events.map((event) => `${JSON.stringify(event)}\n`).join("");
  await Deno.writeTextFile(`${cwd}/.taffrail/runs/x/events.jsonl`, lines);
  await using command = startInTerminal(["show", "x"], { cwd, env: COLOURED, columns: 200 });
  const { code, stdout } = await command.end();
  assertEquals(code, 0);
  assertStringIncludes(stdout, "\x1b[31mfailed\x1b[0m");
  assertStringIncludes(stdout, "\\u001b[8m\\u001b]0;title\\u0007\\u009b2J\\u001b[31mred\\u202e");
  const rest = [0, 1, 2, 31, 32, 33]
    .reduce((text, code) => text.replaceAll(`\x1b[${code}m`, ""), stdout)
    .replaceAll("\r\n", "\n");
  assertEquals(/[^\P{Cc}\n]|\u202e/u.test(rest), false, JSON.stringify(rest));
});
