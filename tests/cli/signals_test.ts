import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Interrupts } from "../../cli/process/interrupts.ts";
import { isLive } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, type RunningProcess, start, startTaffrail, taffrail } from "./_command.ts";
import { eventsOf, isRunning, onlyRun, outlineOf, untilExists, writeFlow } from "./_runs.ts";

/** Prints its pid, and ends when it gets SIGTERM. */
const PATIENT = "echo pid=$$; exec sleep 1000";
/** Prints its pid, and takes no notice of SIGTERM. */
const STUBBORN = "trap '' TERM; echo pid=$$; while :; do sleep 1000; done";

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SIGNALS, fn: () => withTempDir(body) });
}

/** Starts a shell command by `taffrail exec`, and waits until it has printed its pid. */
async function startExec(
  script: string,
  { cwd, grace }: { cwd: string; grace: string },
): Promise<{ command: RunningProcess; pid: number }> {
  const args = ["exec", "--grace", grace, "--name", "job", "--", "sh", "-c", script];
  const command = startTaffrail(args, { cwd });
  const line = await command.stdout.find(/^pid=/);
  return { command, pid: Number(line.slice(4)) };
}

const SIGNALS: [Deno.Signal, number][] = [
  ["SIGHUP", 129],
  ["SIGINT", 130],
  ["SIGQUIT", 131],
  ["SIGTERM", 143],
];

for (const [signal, exitCode] of SIGNALS) {
  test(`taffrail exec records a cancelled run and exits with ${exitCode} on ${signal}`, async (cwd) => {
    const { command, pid } = await startExec(PATIENT, { cwd, grace: "60s" });
    await using _ = command;
    command.kill(signal);
    const { code, stderr } = await command.end();
    assertEquals(code, exitCode);
    assertStringIncludes(
      stderr,
      `${signal}: ending what runs, within 1m 00s; once more to kill it`,
    );
    assertEquals(isRunning(pid), false);

    const root = `${cwd}/.taffrail`;
    const runId = await onlyRun(root);
    const events = eventsOf(root, runId);
    assertEquals(outlineOf(events), [
      "pipe.started",
      "node.started job",
      "node.failed job",
      "pipe.aborted",
    ]);
    assertEquals(events[2]?.error, { kind: "crash", cancelled: true, signal });
    assertEquals(events[3]?.reason, `cancelled by ${signal}`);
    assertEquals(await isLive(root, runId), false);
  });
}

test("taffrail exec kills a command that ignores SIGTERM, after the grace", async (cwd) => {
  const { command, pid } = await startExec(STUBBORN, { cwd, grace: "50ms" });
  await using _ = command;
  command.kill("SIGTERM");
  assertEquals((await command.end()).code, 143);
  assertEquals(isRunning(pid), false);
  const root = `${cwd}/.taffrail`;
  const events = eventsOf(root, await onlyRun(root));
  assertEquals(events.at(-2)?.error, { kind: "crash", cancelled: true, signal: "SIGKILL" });
});

test("taffrail exec kills at once on a second signal, and exits for the first", async (cwd) => {
  const { command, pid } = await startExec(STUBBORN, { cwd, grace: "1h" });
  await using _ = command;
  command.kill("SIGINT");
  await command.stderr.find(/^SIGINT: ending/);
  command.kill("SIGTERM");
  const { code, stderr } = await command.end();
  assertEquals(code, 130);
  assertStringIncludes(stderr, "SIGTERM: killing what runs\n");
  assertEquals(isRunning(pid), false);
});

Deno.test("Interrupts takes a signal that a launcher passes on at once for the same one", () => {
  let now = 0;
  const interrupts = new Interrupts({ now: () => now });
  const heard: [Deno.Signal, boolean][] = [];
  interrupts.onInterrupt = (signal, isFirst) => heard.push([signal, isFirst]);
  assertEquals(interrupts.received, undefined);
  interrupts.receive("SIGINT");
  now = 99;
  interrupts.receive("SIGINT");
  assertEquals([interrupts.stop.aborted, interrupts.kill.aborted], [true, false]);
  now = 100;
  interrupts.receive("SIGINT");
  assertEquals([interrupts.stop.aborted, interrupts.kill.aborted], [true, true]);
  assertEquals(interrupts.received, { name: "SIGINT", exitCode: 130 });
  assertEquals(heard, [["SIGINT", true], ["SIGINT", false]]);
});

test("taffrail exec kills on the same signal again, when it is no echo", async (cwd) => {
  const { command } = await startExec(STUBBORN, { cwd, grace: "1h" });
  await using _ = command;
  let isEnded = false;
  const ended = command.end().finally(() => isEnded = true);
  while (!isEnded) {
    command.kill("SIGINT");
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 20))]);
  }
  assertEquals((await ended).code, 130);
});

test("taffrail run starts no further node after a signal", async (cwd) => {
  const flow = await writeFlow(cwd, { a: "touch started; exec sleep 1000", b: "touch never" });
  await using command = startTaffrail(["run", flow], { cwd });
  await untilExists(cwd, "started");
  command.kill("SIGTERM");
  const { code, stdout } = await command.end();
  assertEquals(code, 143);
  assertStringIncludes(stdout, "reason  cancelled by SIGTERM\n");
  const root = `${cwd}/.taffrail`;
  const outline = outlineOf(eventsOf(root, await onlyRun(root)));
  assertEquals(outline.slice(-2), ["node.failed a", "pipe.aborted"]);
});

test("taffrail run ends a node at its timeout, and all that it has started", async (cwd) => {
  const flow = await writeFlow(cwd, {
    slow: { run: "sleep 1000 & echo $!; wait", timeout: "500ms" },
    next: "true",
  });
  const { code, stdout } = await taffrail(["run", flow], { cwd });
  assertEquals(code, 1);
  assertStringIncludes(stdout, "timed out, ended by SIGTERM");
  const root = `${cwd}/.taffrail`;
  const runId = await onlyRun(root);
  const events = eventsOf(root, runId);
  assertEquals(events[2]?.error, { kind: "timeout", signal: "SIGTERM" });
  assertEquals(events[3]?.reason, "node slow failed: timeout");
  const pid = Number(await Deno.readTextFile(`${root}/runs/${runId}/nodes/slow.1.out`));
  assertEquals(isRunning(pid), false);
});

test("taffrail exec fails with timeout, even if the command then exits with 0", async (cwd) => {
  const script = "trap 'exit 0' TERM; sleep 1000 & wait";
  const args = ["exec", "--timeout", "500ms", "--json", "--", "sh", "-c", script];
  const { code, stderr } = await taffrail(args, { cwd });
  assertEquals(code, 124);
  const report = JSON.parse(stderr.trimEnd().split("\n").at(-1)!);
  assertEquals(report.nodes[0].status, { Failed: { kind: "timeout" } });
});

test("taffrail exec ends what a command leaves behind in the background", async (cwd) => {
  const script = "sleep 1000 & echo pid=$!";
  const args = ["exec", "--grace", "1h", "--", "sh", "-c", script];
  const { code, stdout, stderr } = await taffrail(args, { cwd });
  assertEquals(code, 0);
  assertStringIncludes(stderr, "sh left processes behind, which were ended\n");
  assertEquals(isRunning(Number(stdout.slice(4))), false);
});

test("taffrail exec kills what is left behind and ignores SIGTERM", async (cwd) => {
  // The last word comes from the process itself, so it ignores SIGTERM when the command ends.
  const script = "mkfifo go; sh -c \"trap '' TERM; echo pid=\\$\\$; echo >go; " +
    'while :; do sleep 1000; done" & read _ <go';
  const args = ["exec", "--grace", "50ms", "--", "sh", "-c", script];
  const { code, stdout } = await taffrail(args, { cwd });
  assertEquals(code, 0);
  assertEquals(isRunning(Number(stdout.slice(4))), false);
});

test("taffrail exec lets a stopped process take its SIGTERM", async (cwd) => {
  const { command } = await startExec("echo pid=$$; kill -STOP $$", { cwd, grace: "1h" });
  await using _ = command;
  command.kill("SIGTERM");
  assertEquals((await command.end()).code, 143);
});

/** `setsid` of util-linux leaves the group; macOS has no such command. */
const hasSetsid = Deno.build.os === "linux";

Deno.test({
  name: "taffrail exec does not wait for ever for a process that left the group with the output",
  ignore: !hasSetsid,
  fn: () =>
    withTempDir(async (cwd) => {
      // Talking on must not prolong the wait.
      const script = "setsid sh -c 'echo pid=$$; while echo x; do sleep 0.01; done' & read _ <go";
      await start("mkfifo", ["go"], { cwd }).end();
      const args = ["exec", "--grace", "100ms", "--", "sh", "-c", script];
      await using command = startTaffrail(args, { cwd });
      const pid = Number((await command.stdout.find(/^pid=/)).slice(4));
      await Deno.writeTextFile(`${cwd}/go`, "\n");
      const { code, stderr } = await command.end();
      assertEquals(code, 0);
      assertStringIncludes(stderr, "sh left a process behind that keeps its output open\n");
      if (isRunning(pid)) Deno.kill(pid, "SIGKILL");
    }),
});

Deno.test({
  name: "taffrail exec does not wait for processes that have ended and are never reaped",
  ignore: !hasSetsid,
  fn: () =>
    withTempDir(async (cwd) => {
      // A subshell leaves its group without waiting for a child there, which ends only then.
      const script = `mkfifo gate
        (sh -c 'read _ <gate' & echo $! >child; exec setsid sleep 1000 >/dev/null 2>&1) &
        parent=$!
        state() { cut -d ' ' -f "$2" "/proc/$1/stat"; }
        while [ "$(state $parent 5)" = $$ ]; do :; done
        echo >gate
        until [ "$(state "$(cat child)" 3)" = Z ]; do :; done
        echo "$parent"`;
      const args = ["exec", "--grace", "1h", "--", "sh", "-c", script];
      const { code, stdout, stderr } = await taffrail(args, { cwd });
      assertEquals(code, 0);
      assertEquals(stderr.includes("behind"), false);
      Deno.kill(Number(stdout), "SIGKILL");
    }),
});

test("taffrail run that is killed itself leaves an orphan (OST-4)", async (cwd) => {
  const flow = await writeFlow(cwd, {
    a: "echo $$ >pid; mv pid started; exec sleep 1000",
    b: { run: "true", needs: ["a"] },
  });
  await using command = startTaffrail(["run", flow], { cwd });
  // It may run before its begin stands in the log, which is told then.
  await command.stdout.find(/^▸ a: /);
  await untilExists(cwd, "started");
  const pid = Number(await Deno.readTextFile(`${cwd}/started`));
  using _orphan = { [Symbol.dispose]: () => Deno.kill(pid, "SIGKILL") };
  const runId = await onlyRun(`${cwd}/.taffrail`);
  assertMatch((await taffrail(["ls"], { cwd })).stdout, / running +0\/2 /);
  assertStringIncludes(
    (await taffrail(["show", runId], { cwd })).stdout,
    "▸ a          running for ",
  );
  command.kill("SIGKILL");
  await command.end();

  assertMatch((await taffrail(["ls"], { cwd })).stdout, / \[ORPHAN\?\] +0\/2 /);
  const { stdout } = await taffrail(["show", runId], { cwd });
  assertStringIncludes(stdout, `${runId}  [ORPHAN?]\n`);
  assertStringIncludes(
    stdout,
    "▸ a          was running, and may still run\n  ⏸ b          not started\n",
  );
  const followed = await taffrail(["follow", runId], { cwd });
  assertStringIncludes(followed.stdout, "[ORPHAN?] the run has no end, and nobody works on it");
});

/** Only Linux tells a program which signals it was told to ignore. */
Deno.test({
  name: "taffrail exec under nohup goes on when the terminal goes away",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withTempDir(async (cwd) => {
      const shell = "trap '' HUP; exec \"$@\"";
      const args = ["exec", "--", "sh", "-c", "echo ready; read _ <go"];
      await start("mkfifo", ["go"], { cwd }).end();
      await using command = startTaffrail(args, { cwd, shell });
      await command.stdout.find(/^ready$/);
      command.kill("SIGHUP");
      await Deno.writeTextFile(`${cwd}/go`, "\n");
      assertEquals((await command.end()).code, 0);
    }),
});
