import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { findHolder, isOlder, parseElapsed } from "../../cli/verbs/stop.ts";
import { openEventLog } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, start, startTaffrail, taffrail } from "./_command.ts";
import { eventsOf, isRunning, onlyRun, writeFlow } from "./_runs.ts";

const ROOT = ".taffrail";

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SIGNALS, fn: () => withTempDir(body) });
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
  const { command, runId } = await startLongRun(cwd);
  await using _ = command;
  const { code, stdout, stderr } = await taffrail(["stop", "flow"], { cwd });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(
    stdout,
    `sent SIGTERM to process ${command.pid}\nrun ${runId} has been aborted: cancelled by SIGTERM\n`,
  );
  assertEquals((await command.end()).code, 143);
  assertEquals(eventsOf(`${cwd}/${ROOT}`, runId).at(-1)?.type, "pipe.aborted");
  const again = await taffrail(["stop", "--json", runId], { cwd });
  const expected = { run_id: runId, pid: null, signals: [], is_live: false, state: "aborted" };
  assertEquals({ code: again.code, json: JSON.parse(again.stdout) }, { code: 0, json: expected });
  const told = await taffrail(["stop", runId], { cwd });
  assertEquals(told.stdout, `run ${runId} has been aborted already: cancelled by SIGTERM\n`);
});

test("taffrail stop says so when the run goes on, and kills its process when it is asked to", async (cwd) => {
  const script = "trap '' TERM; echo $$ >pid; echo go >ready; while :; do sleep 0.1; done";
  const { command, runId } = await startLongRun(cwd, script);
  await using _ = command;
  await Deno.readTextFile(`${cwd}/ready`);
  const child = Number(await Deno.readTextFile(`${cwd}/pid`));
  try {
    const asked = await taffrail(["stop", "--timeout", "0s", runId], { cwd });
    assertEquals(asked.code, 1);
    assertStringIncludes(
      asked.stdout,
      `run ${runId} is still worked on by process ${command.pid}; add --kill`,
    );
    const { code, stdout } = await taffrail(["show", "--json", runId], { cwd });
    assertEquals([code, JSON.parse(stdout).is_live], [0, true]);
    // A second SIGTERM skips the grace; a process that is stopped does not take it.
    command.kill("SIGSTOP");
    const killed = await taffrail(["stop", "--kill", "--timeout", "0s", runId], { cwd });
    assertEquals(killed.code, 1);
    assertStringIncludes(killed.stdout, `sent SIGKILL to process ${command.pid}\n`);
    assertStringIncludes(killed.stdout, "what it had started may still run on.");
    assertStringIncludes(killed.stdout, `\ntaffrail resume ${runId}\n`);
    assertEquals((await command.end()).signal, "SIGKILL");
    assertEquals(isRunning(child), true);
    const orphan = await taffrail(["stop", runId], { cwd });
    assertEquals(orphan.code, 1);
    assertMatch(
      orphan.stdout,
      /^run \S+ is not over:\nit has no end, and nobody works on it any more/,
    );
  } finally {
    Deno.kill(child, "SIGKILL");
  }
});

test("taffrail stop signals no process that does not have the run open", async (cwd) => {
  const root = `${cwd}/${ROOT}`;
  await using bystander = start("sleep", ["1000"], { cwd });
  await using _log = await openEventLog({ root, runId: "mine" });
  const lock = `${root}/runs/mine/live.lock`;
  assertEquals(await findHolder(root, "mine"), { pid: Deno.pid });
  for (const text of [`${bystander.pid}\n`, "4194304\n", "garbage", "-1\n", "0\n", ""]) {
    await Deno.writeTextFile(lock, text);
    const { code, stderr } = await taffrail(["stop", "mine"], { cwd });
    assertEquals(code, 1, text);
    assertStringIncludes(stderr, "Cannot stop run mine: ");
    assertMatch(stderr, /is not the one that has it open|names no process/);
    assertStringIncludes(stderr, "fuser .taffrail/runs/mine/live.lock may tell");
  }
  assertEquals(isRunning(bystander.pid), true);
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
