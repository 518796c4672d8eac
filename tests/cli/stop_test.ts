import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { findHolder, isOlder, parseElapsed } from "../../cli/process/run_holder.ts";
import { readStat } from "../../cli/process/processes.ts";
import { listRuns, openEventLog } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, start, startTaffrail, taffrail } from "./_command.ts";
import { eventsOf, isRunning, onlyRun, outlineOf, poll, untilExists, writeFlow } from "./_runs.ts";

const ROOT = ".taffrail";
const IS_LINUX = Deno.build.os === "linux";

function test(name: string, body: (cwd: string) => Promise<void>, ignore = !HAS_SIGNALS): void {
  Deno.test({ name, ignore, fn: () => withTempDir(body) });
}

/** Starts a run of one node that runs for long, and waits until that does. */
async function startLongRun(cwd: string, script = "echo $$ >pid; exec sleep 1000") {
  const flow = await writeFlow(cwd, { slow: script });
  await start("mkfifo", ["ready"], { cwd }).end();
  const command = startTaffrail(["run", "--grace", "300s", flow], { cwd });
  const runId = (await command.stdout.find(/^run_id=/)).slice(7);
  await command.stdout.find(/^▸ slow/);
  return { command, runId };
}

test("taffrail stop ends a run of another process as Ctrl-C does, and says how it ended", async (cwd) => {
  const script = "test $TAFFRAIL_ATTEMPT -gt 1 || exec sleep 1000";
  const { command, runId } = await startLongRun(cwd, script);
  await using _ = command;
  const { code, stdout, stderr } = await taffrail(["stop", "flow"], { cwd });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(
    stdout,
    `sent SIGTERM to process ${command.pid}\nrun ${runId} was cancelled by SIGTERM\n`,
  );
  assertEquals((await command.end()).code, 143);
  assertEquals(eventsOf(`${cwd}/${ROOT}`, runId).at(-1)?.type, "pipe.aborted");
  const again = await taffrail(["stop", "--json", runId], { cwd });
  const expected = {
    run_id: runId,
    pid: null,
    host: null,
    signals: [],
    left: [],
    is_live: false,
    state: "aborted",
  };
  assertEquals({ code: again.code, json: JSON.parse(again.stdout) }, { code: 0, json: expected });
  const told = await taffrail(["stop", runId], { cwd });
  assertEquals(told.stdout, `run ${runId} was already cancelled by SIGTERM\n`);
  assertEquals((await taffrail(["resume", "flow"], { cwd })).code, 0);
});

/** A run whose command does not end when it is asked to, and that command. */
async function startStubbornRun(cwd: string) {
  const script = "trap '' TERM; echo $$ >pid; echo go >ready; while :; do sleep 0.1; done";
  const run = await startLongRun(cwd, script);
  await Deno.readTextFile(`${cwd}/ready`);
  return { ...run, child: Number(await Deno.readTextFile(`${cwd}/pid`)) };
}

test("taffrail stop says so when the run goes on", async (cwd) => {
  const { command, runId, child } = await startStubbornRun(cwd);
  await using _ = command;
  try {
    const asked = await taffrail(["stop", "--timeout", "0s", runId], { cwd });
    assertEquals(asked.code, 1);
    assertStringIncludes(
      asked.stdout,
      `run ${runId} is still worked on by process ${command.pid}; add --kill`,
    );
    const { code, stdout } = await taffrail(["show", "--json", runId], { cwd });
    assertEquals([code, JSON.parse(stdout).is_live], [0, true]);
  } finally {
    Deno.kill(child, "SIGKILL");
  }
});

test("taffrail stop kills the run's process when it is asked to, and ends what that leaves", async (cwd) => {
  const { command, runId, child } = await startStubbornRun(cwd);
  await using _ = command;
  try {
    const killed = await taffrail(["stop", "--kill", "--timeout", "0s", runId], { cwd });
    assertEquals({ code: killed.code, stderr: killed.stderr }, { code: 0, stderr: "" });
    assertStringIncludes(killed.stdout, `sent SIGKILL to process ${command.pid}\n`);
    assertStringIncludes(killed.stdout, "run " + runId + " was cancelled by ");
    assertEquals((await command.end()).signal, "SIGKILL");
    assertEquals(isRunning(child), false);
  } finally {
    if (isRunning(child)) Deno.kill(child, "SIGKILL");
  }
});

test(
  "taffrail stop ends what is left of a run whose process died, and records the end",
  async (cwd) => {
    const script =
      "test $TAFFRAIL_ATTEMPT -gt 1 || { setsid sleep 1000 & echo $! >pid; exec sleep 1000; }";
    const { command, runId } = await startLongRun(cwd, script);
    await using _ = command;
    await untilExists(cwd, "pid");
    command.kill("SIGKILL");
    await command.end();
    const root = `${cwd}/${ROOT}`;
    const { code, stdout, stderr } = await taffrail(["stop", "--json", runId], { cwd });
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    const { left, ...rest } = JSON.parse(stdout);
    assertEquals(rest, {
      run_id: runId,
      pid: null,
      host: null,
      signals: [],
      is_live: false,
      state: "aborted",
    });
    assertEquals(left.length, 2);
    assertEquals(left.filter(isRunning), []);
    const events = eventsOf(root, runId);
    assertEquals(outlineOf(events).slice(-3), ["pipe.started", "node.failed slow", "pipe.aborted"]);
    assertEquals(events.at(-1)?.reason, "cancelled by taffrail stop");
    const { code: isSound, stdout: said } = await taffrail(["verify"], { cwd });
    assertEquals(isSound, 0, said);
    assertEquals((await taffrail(["resume", runId], { cwd })).code, 0);
  },
  !IS_LINUX,
);

test("taffrail stop records the end of a program's run whose process died", async (cwd) => {
  const program = `
    import { openRun } from "${import.meta.resolve("../../run/mod.ts")}";
    await using run = await openRun({
      root: "${ROOT}", name: "program", constraints: { max_retries: 0 },
      invoker: { run: () => { console.log("begun"); return new Promise(() => {}); } },
    });
    await run.submit("step");
    setInterval(() => {}, 1000);
    await new Promise(() => {});`;
  await Deno.writeTextFile(`${cwd}/program.ts`, program);
  const config = `${import.meta.dirname}/../../deno.json`;
  await using running = start(Deno.execPath(), [
    "run",
    "-A",
    "--no-check",
    "--no-lock",
    "--config",
    config,
    "program.ts",
  ], { cwd });
  await running.stdout.find(/^begun/);
  running.kill("SIGKILL");
  await running.end();
  const { code, stdout, stderr } = await taffrail(["stop", "program"], { cwd });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertStringIncludes(stdout, "was cancelled by taffrail stop\n");
  assertEquals((await taffrail(["verify"], { cwd })).code, 0);
});

test("taffrail stop signals no process that does not have the run open", async (cwd) => {
  const root = `${cwd}/${ROOT}`;
  await using bystander = start("sleep", ["1000"], { cwd });
  await using _log = await openEventLog({ root, runId: "mine" });
  const lock = `${root}/runs/mine/live.lock`;
  assertEquals(await findHolder(root, "mine"), { pid: Deno.pid, isSuspended: false });
  const opener = JSON.parse(await Deno.readTextFile(lock));
  const forged = [bystander.pid, Deno.ppid, 1, 4194304, -1, 0, "x"].map((pid) => {
    return JSON.stringify({ ...opener, pid, ...beginOf(pid) });
  });
  for (const text of [...forged, `${bystander.pid}\n`, "garbage", "null", "[]", ""]) {
    await Deno.writeTextFile(lock, text);
    const { code, stderr } = await taffrail(["stop", "mine"], { cwd });
    assertEquals(code, 1, text);
    assertStringIncludes(stderr, "Cannot stop run mine: ");
    assertMatch(stderr, /is not the one that has it open|names no process/);
    assertStringIncludes(stderr, "fuser .taffrail/runs/mine/live.lock may tell");
  }
  // The right process, in another life of its id, boot or file.
  for (const other of [{ start_time: 1 }, { boot_id: "other" }, { ino: 1 }, { dev: 1 }]) {
    await Deno.writeTextFile(lock, JSON.stringify({ ...opener, ...other }));
    assertEquals("problem" in await findHolder(root, "mine"), true, JSON.stringify(other));
  }
  assertEquals(isRunning(bystander.pid), true);
});

/** What a live lock would say of a process. */
function beginOf(pid: number | string): object {
  const stat = typeof pid === "number" ? readStat(pid) : undefined;
  return stat === undefined ? {} : { start_time: stat.startTime };
}

/** A daemon that holds the lock of its pid file, as many do, and says when it does. */
function startDaemon(cwd: string) {
  const script = "exec 9<>daemon.pid; flock 9; echo $$ >&9; echo locked; exec sleep 1000";
  return start("sh", ["-c", script], { cwd });
}

test("taffrail stop signals no process by way of a live.lock that is a link, or not the run's", async (cwd) => {
  await using daemon = startDaemon(cwd);
  await daemon.stdout.find(/^locked/);
  const pidFile = `${cwd}/daemon.pid`;
  const ways: [name: string, put: (lock: string) => Promise<void>][] = [
    ["a symbolic link", (lock) => Deno.symlink(pidFile, lock)],
    ["a hard link", (lock) => Deno.link(pidFile, lock)],
    ["the file itself", (lock) => Deno.rename(pidFile, lock)],
  ];
  for (const [name, put] of ways) {
    await taffrail(["exec", "--name", "x", "--", "true"], { cwd });
    const runId = (await listRuns(`${cwd}/${ROOT}`)).at(-1)!;
    const lock = `${cwd}/${ROOT}/runs/${runId}/live.lock`;
    await Deno.remove(lock);
    await put(lock);
    const stop = await taffrail(["stop", "--timeout", "0s", runId], { cwd });
    assertEquals(stop.code, 1, name);
    assertEquals(isRunning(daemon.pid), true, name);
    assertStringIncludes(stop.stdout + stop.stderr, "live.lock", name);
    const { code, stdout } = await taffrail(["ls", "--json"], { cwd });
    const listed = JSON.parse(stdout).runs.find(({ run_id: id }: { run_id: string }) =>
      id === runId
    );
    assertEquals([code, "problem" in listed], [0, name !== "the file itself"], name);
    if (name === "a hard link") await Deno.remove(lock);
  }
});

test("a suspended run is shown so, and taffrail stop continues it, so that it can end", async (cwd) => {
  const { command, runId } = await startLongRun(cwd);
  await using _ = command;
  const shown = async () => {
    const { stdout } = await taffrail(["show", "--json", runId], { cwd });
    const ls = JSON.parse((await taffrail(["ls", "--json"], { cwd })).stdout).runs[0];
    return [JSON.parse(stdout).is_suspended, ls.is_suspended];
  };
  assertEquals(await shown(), [false, false]);
  command.kill("SIGSTOP");
  await poll(() => readStat(command.pid)?.isStopped ?? true);
  assertEquals(await shown(), IS_LINUX ? [true, true] : [false, false]);
  if (IS_LINUX) {
    assertMatch((await taffrail(["ls"], { cwd })).stdout, /suspended/);
    const { stdout } = await taffrail(["show", runId], { cwd });
    assertMatch(stdout, /^\S+ {2}suspended$/m);
    assertStringIncludes(stdout, `ended by: taffrail stop ${runId}\n`);
  } else command.kill("SIGCONT");
  const { code, stdout } = await taffrail(["stop", runId], { cwd });
  assertEquals(code, 0);
  const sent = IS_LINUX ? "it was suspended: sent SIGTERM and SIGCONT" : "sent SIGTERM";
  assertEquals(
    stdout,
    `${sent} to process ${command.pid}\nrun ${runId} was cancelled by SIGTERM\n`,
  );
  assertEquals((await command.end()).code, 143);
});

test("what a suspended command is ended with reaches it", async (cwd) => {
  const script = "trap 'echo got >ended; exit 0' TERM; echo $$ >pid; echo go >ready; " +
    "while :; do sleep 0.01; done";
  const { command, runId } = await startLongRun(cwd, script);
  await using _ = command;
  await Deno.readTextFile(`${cwd}/ready`);
  const child = Number(await Deno.readTextFile(`${cwd}/pid`));
  Deno.kill(-child, "SIGSTOP");
  assertEquals((await taffrail(["stop", runId], { cwd })).code, 0);
  assertEquals((await command.end()).code, 143);
  assertEquals(await Deno.readTextFile(`${cwd}/ended`), "got\n");
});

test("taffrail stop of a run that has completed leaves it as it is", async (cwd) => {
  await taffrail(["exec", "--", "true"], { cwd });
  const runId = await onlyRun(`${cwd}/${ROOT}`);
  const { code, stdout } = await taffrail(["stop", runId], { cwd });
  assertEquals({ code, stdout }, { code: 0, stdout: `run ${runId} has completed already\n` });
});

Deno.test("parseElapsed() reads the ages that ps prints", () => {
  const ages: [string, number | undefined][] = [
    ["      00:07\n", 7000],
    ["01:02\n", 62_000],
    ["02:00:01", 7_201_000],
    ["3-01:00:00\n", 262_800_000],
    ["", undefined],
    ["7", undefined],
  ];
  for (const [text, milliseconds] of ages) assertEquals(parseElapsed(text), milliseconds, text);
});

Deno.test("isOlder() believes a process that began before the file was written", () => {
  const written = new Date(Date.now() - 60_000);
  assertEquals(isOlder(3_600_000, written), true);
  assertEquals(isOlder(60_500, written), true);
  assertEquals(isOlder(30_000, written), false);
  assertEquals([isOlder(undefined, written), isOlder(1, null)], [false, false]);
});
