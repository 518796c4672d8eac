/** Signals that reach the commands as they are: what they make of them is their business. */
import { assert, assertEquals, assertGreaterOrEqual, assertStringIncludes } from "@std/assert";
import { readStat } from "../../cli/process/processes.ts";
import {
  awakeNow,
  setAwakeTimeout,
  suspended,
  suspendedTime,
} from "../../cli/process/awake_time.ts";
import { isLive } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, start, startTaffrail, taffrail, taffrailCommand } from "./_command.ts";
import { eventsOf, isRunning, onlyRun, poll, untilChanged, writeFlow } from "./_runs.ts";

const IS_LINUX = Deno.build.os === "linux";

function test(name: string, body: (cwd: string) => Promise<void>, ignore = !HAS_SIGNALS): void {
  Deno.test({ name, ignore, fn: () => withTempDir(body) });
}

/** Waits in small steps, so that a shell takes a signal between them. */
const WAIT = "while :; do sleep 0.02; done";

/** Starts a shell command by `taffrail exec`, and waits until it has printed its pid. */
async function startExec(cwd: string, script: string, options: string[] = ["--grace", "1h"]) {
  const args = ["exec", ...options, "--name", "job", "--", "sh", "-c", script];
  const command = startTaffrail(args, { cwd });
  const pid = Number((await command.stdout.find(/^pid=/)).slice(4));
  return { command, pid };
}

for (const signal of ["HUP", "INT", "QUIT", "TERM"] as const) {
  test(`a command gets SIG${signal} as it is, once, and may end well`, async (cwd) => {
    const others = ["HUP", "INT", "QUIT", "TERM"].filter((name) => name !== signal).join(" ");
    const script = `trap 'echo other' ${others}; trap 'echo got; exit 0' ${signal}; ` +
      `echo pid=$$; ${WAIT}`;
    const { command } = await startExec(cwd, script);
    await using _ = command;
    command.kill(`SIG${signal}`);
    const { stdout, code } = await command.end();
    assertEquals(stdout.split("\n").slice(1), ["got", ""]);
    assertGreaterOrEqual(code, 129);
  });
}

test("what a shell has in the background ends with it on SIGINT, which that ignores", async (cwd) => {
  const { command, pid } = await startExec(cwd, "sleep 1000 & echo pid=$!; wait");
  await using _ = command;
  command.kill("SIGINT");
  assertEquals((await command.end()).code, 130);
  assertEquals(isRunning(pid), false);
});

for (const signal of ["USR1", "USR2", "ALRM", "WINCH"] as const) {
  test(`SIG${signal} is passed on to the command, and nothing else follows`, async (cwd) => {
    const script = `trap 'echo got' ${signal}; trap 'exit 0' HUP; echo pid=$$; ${WAIT}`;
    const { command } = await startExec(cwd, script);
    await using _ = command;
    for (let times = 1; times <= 2; times++) {
      command.kill(`SIG${signal}`);
      const count = () => command.stdout.lines.filter((line) => line === "got").length;
      await command.stdout.until(() => count() === times);
    }
    command.kill("SIGHUP");
    const { code, stderr } = await command.end();
    assertEquals(code, 129);
    assertEquals(stderr.includes(`SIG${signal}`), false);
  });
}

test("a command that SIGUSR1 ends has failed, and the run was not cancelled", async (cwd) => {
  const { command } = await startExec(cwd, "echo pid=$$; exec sleep 1000");
  await using _ = command;
  command.kill("SIGUSR1");
  assertEquals((await command.end()).code, 138);
  const root = `${cwd}/.taffrail`;
  const events = eventsOf(root, await onlyRun(root));
  assertEquals(events[2]?.error, { kind: "crash", signal: "SIGUSR1" });
  assertEquals(events[3]?.reason, "node job failed: crash");
});

test("SIGUSR1 reaches all commands that run, and the flow goes on", async (cwd) => {
  const script = "trap 'exit 0' USR1; echo >ready.$TAFFRAIL_NODE_ID; " + WAIT;
  const flow = await writeFlow(cwd, {
    a: script,
    b: script,
    c: { run: "true", needs: ["a", "b"] },
  });
  const text = JSON.parse(await Deno.readTextFile(`${cwd}/${flow}`));
  const constraints = { max_in_flight: 2 };
  await Deno.writeTextFile(`${cwd}/${flow}`, JSON.stringify({ ...text, constraints }));
  await start("mkfifo", ["ready.a", "ready.b"], { cwd }).end();
  await using command = startTaffrail(["run", flow], { cwd });
  await Promise.all(["a", "b"].map((id) => Deno.readTextFile(`${cwd}/ready.${id}`)));
  command.kill("SIGUSR1");
  assertEquals((await command.end()).code, 0);
});

test("SIGUSR1 that was ignored from the start is not passed on", async (cwd) => {
  const shell = "trap '' USR1; exec \"$@\"";
  const args = ["exec", "--", "sh", "-c", `trap 'exit 0' HUP; echo ready; ${WAIT}`];
  await using command = startTaffrail(args, { cwd, shell });
  await command.stdout.find(/^ready$/);
  command.kill("SIGUSR1");
  command.kill("SIGHUP");
  assertEquals((await command.end()).code, 129);
}, !IS_LINUX);

/** What may take this long, told in two ways. */
const TIMEOUT_MS = 2000;
const TIMED_OUT = { kind: "timeout", signal: "SIGTERM" };
const CANCELLED = { kind: "crash", cancelled: true, signal: "SIGTERM" };
const LIMIT = `${TIMEOUT_MS}ms`;
const LIMITS: [name: string, node: object, more: object, error: object][] = [
  ["the timeout of a node", { timeout: LIMIT }, {}, TIMED_OUT],
  ["the deadline of the constraints", {}, { constraints: { deadline: LIMIT } }, TIMED_OUT],
  ["the deadline of the run", {}, { deadline: LIMIT }, CANCELLED],
];

for (const [name, node, more, error] of LIMITS) {
  test(`Ctrl-Z stops the command with its recorder, and ${name} with them`, async (cwd) => {
    const run = ["sh", "-c", "echo $$ >pid; echo go >ready; exec sleep 1000"];
    const flow = { name: "job", nodes: { job: { run, ...node } }, ...more };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
    await start("mkfifo", ["ready"], { cwd }).end();
    await using command = startTaffrail(["run", "flow.json"], { cwd });
    await Deno.readTextFile(`${cwd}/ready`);
    const pid = Number(await Deno.readTextFile(`${cwd}/pid`));
    command.kill("SIGTSTP");
    const areStopped = () => [command.pid, pid].every((each) => readStat(each)?.isStopped);
    await poll(areStopped);
    const from = performance.now();
    const { stdout } = await taffrail(["ls"], { cwd });
    assertStringIncludes(stdout, "suspended");
    // All of the time that it had.
    await new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS));
    assert(areStopped());
    const stoppedMs = performance.now() - from;
    command.kill("SIGCONT");
    assertEquals((await command.end()).code, 1);
    const root = `${cwd}/.taffrail`;
    const [begin, , end] = eventsOf(root, await onlyRun(root));
    assertEquals(end!.error, error);
    // The time of the run has begun before that of its node.
    const lastedMs = "deadline" in more
      ? Date.parse(end!.ts) - Date.parse(begin!.ts)
      : end!.duration_ms!;
    assertGreaterOrEqual(lastedMs, TIMEOUT_MS + stoppedMs - 5);
  }, !IS_LINUX);
}

test("a suspended run ends when it is stopped, or killed once it goes on", async (cwd) => {
  const { command, pid } = await startExec(cwd, "echo pid=$$; exec sleep 1000");
  await using _ = command;
  command.kill("SIGTSTP");
  await poll(() => [command.pid, pid].every((each) => readStat(each)?.isStopped));
  const { code, stdout } = await taffrail(["stop", "job"], { cwd });
  assertEquals(code, 0);
  assertStringIncludes(stdout, "it was suspended: sent SIGTERM and SIGCONT");
  assertEquals((await command.end()).code, 143);
  assertEquals(isRunning(pid), false);
}, !IS_LINUX);

test("a terminal that is closed ends the run, and its end is recorded", async (cwd) => {
  const flow = await writeFlow(cwd, { slow: "echo $$ >pid; echo go >ready; exec sleep 1000" });
  await start("mkfifo", ["ready"], { cwd }).end();
  const words = taffrailCommand(["run", flow]).map((word) => `'${word}'`).join(" ");
  await using terminal = start("script", ["-qec", `exec ${words}`, "/dev/null"], { cwd });
  await Deno.readTextFile(`${cwd}/ready`);
  const root = `${cwd}/.taffrail`;
  const runId = await onlyRun(root);
  terminal.kill("SIGKILL");
  await terminal.end();
  await untilChanged(`${root}/runs/${runId}`, async () => !await isLive(root, runId));
  assertEquals(eventsOf(root, runId).at(-1)?.reason, "cancelled by SIGHUP");
  assertEquals(isRunning(Number(await Deno.readTextFile(`${cwd}/pid`))), false);
}, !IS_LINUX);

test("a run whose reader has gone away goes on, and its command may end by SIGPIPE", async (cwd) => {
  await start("mkfifo", ["go"], { cwd }).end();
  const flow = await writeFlow(cwd, {
    piped: "sh -c 'kill -PIPE $$'; test $? = 141",
    last: { run: "read _ <go", needs: ["piped"] },
  });
  const shell = 'exec 3>&1; { "$@" 3>&-; echo code=$? >&3; } | head -1';
  await using command = startTaffrail(["run", flow], { cwd, shell });
  await command.stdout.find(/^run_id=/);
  await Deno.writeTextFile(`${cwd}/go`, "\n");
  await command.end();
  const root = `${cwd}/.taffrail`;
  const events = eventsOf(root, await onlyRun(root));
  assertEquals(events.at(-1)?.type, "pipe.completed");
});

Deno.test("setAwakeTimeout() does not count the time in which the process was suspended", async () => {
  const from = performance.now();
  const awakeFrom = awakeNow();
  const rung = new Promise<void>((resolve) => setAwakeTimeout(resolve, 100));
  const before = suspendedTime();
  suspended(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200));
  const stoppedMs = suspendedTime() - before;
  await rung;
  assertGreaterOrEqual(stoppedMs, 199);
  assertGreaterOrEqual(awakeNow() - awakeFrom, 99);
  assertGreaterOrEqual(performance.now() - from, stoppedMs + 99);
});

Deno.test("setAwakeTimeout() is taken back", async () => {
  let hasRung = false;
  setAwakeTimeout(() => hasRung = true, 1)();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(hasRung, false);
});
