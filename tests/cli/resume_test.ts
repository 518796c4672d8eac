import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readProcesses } from "../../cli/process/process_log.ts";
import { identifyProcess, readBootId } from "../../cli/process/processes.ts";
import { verifyRun } from "../../eventlog/mod.ts";
import { dirname } from "../../_internal/path.ts";
import { isThere } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, start, startTaffrail, taffrail } from "./_command.ts";
import {
  type AnyEvent,
  eventsOf,
  isRunning,
  onlyRun,
  outlineOf,
  poll,
  untilChanged,
  untilExists,
  writeFlow,
} from "./_runs.ts";

const IS_LINUX = Deno.build.os === "linux";

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SIGNALS, fn: () => withTempDir(body) });
}

/** A test of what only Linux tells about processes. */
function linuxTest(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !IS_LINUX, fn: () => withTempDir(body) });
}

/** Writes a file at once, so that who waits for it finds it whole. */
const write = (text: string, file: string) => `echo ${text} > ${file}.new; mv ${file}.new ${file}`;
const tell = (file: string) => write("$TAFFRAIL_ATTEMPT $$", file);
/** Waits until the test lets it go on. */
const untilGo = "while ! test -e go; do sleep 0.01; done";
/** Hangs without any variable. */
const BARE = `${write("$$", "pid")}; exec /bin/sleep 1000`;
/** The first attempt hangs, and all others complete. */
const HANGS_ONCE = `${tell("pid")}; test $TAFFRAIL_ATTEMPT -gt 1 || exec sleep 1000`;

/**
 * Starts a command, kills its process alone when a file is there and the process that made it is
 * recorded and told, and gives the run.
 */
async function runAndKill(cwd: string, args: string[], file = "pid") {
  await using command = startTaffrail(args, { cwd });
  await untilExists(cwd, file);
  const run = await runIn(cwd);
  const who = (await read(`${cwd}/${file}`)).split(" ").map(Number);
  await untilChanged(`${run.root}/runs/${run.runId}`, () => isOneTold(run, who));
  command.kill("SIGKILL");
  assertEquals((await command.end()).signal, "SIGKILL");
  return run;
}

/** Whether one of these processes is recorded, and its begin told. */
function isOneTold(run: { root: string; runId: string }, who: readonly number[]): boolean {
  const [attempt] = readProcesses(run).entries().find(([, { pid }]) => who.includes(pid)) ?? [];
  return eventsOf(run.root, run.runId).some(({ type, node_id, attempt: number }) => {
    return type === "node.started" && `${node_id}#${number}` === attempt;
  });
}

async function runIn(cwd: string) {
  const root = `${cwd}/.taffrail`;
  const runId = await onlyRun(root);
  const path = (name: string) => `${root}/runs/${runId}/${name}`;
  return {
    root,
    runId,
    log: path("events.jsonl"),
    journal: path("capture.jsonl"),
    processes: path("processes.jsonl"),
    path,
  };
}

async function read(path: string): Promise<string> {
  return (await Deno.readTextFile(path)).trimEnd();
}

/** The attempt and the process that a node has told. */
async function told(path: string): Promise<{ attempt: number; pid: number }> {
  const [attempt, pid] = (await read(path)).split(" ");
  return { attempt: Number(attempt), pid: Number(pid) };
}

/** Rewrites the events of a log, as a test may. */
async function changeLog(
  log: string,
  change: (events: AnyEvent[]) => object[],
): Promise<void> {
  const lines = (await read(log)).split("\n").map((line) => JSON.parse(line));
  const text = change(lines).map((event) => JSON.stringify(event) + "\n").join("");
  await Deno.writeTextFile(log, text);
}

/** Has a run say that its last attempt was another process. */
async function spawnedAs(processes: string, identity: object): Promise<void> {
  const last = JSON.parse((await read(processes)).split("\n").at(-1)!);
  await Deno.writeTextFile(processes, JSON.stringify({ ...last, ...identity }) + "\n");
}

/** Resolves when a file has a text in it. */
async function untilIn(path: string, text: string): Promise<void> {
  const has = async () => (await Deno.readTextFile(path)).includes(text);
  await untilChanged(dirname(path), has);
}

/** What must hold of every run that was resumed to its end. */
async function checkClean(cwd: string): Promise<void> {
  const { root, runId } = await runIn(cwd);
  assertEquals((await verifyRun(root, runId)).problems, []);
  const replay = await taffrail(["replay", runId], { cwd });
  assertEquals(replay.code, 0, replay.stdout + replay.stderr);
  assertEquals((await taffrail(["show", runId], { cwd })).code, 0);
}

test("taffrail resume ends what is left of a node, and runs only what had not completed", async (cwd) => {
  await writeFlow(cwd, {
    a: "echo a >> done",
    b: { run: HANGS_ONCE, needs: ["a"] },
    c: { run: "echo c >> done", needs: ["b"] },
  });
  const { root, runId } = await runAndKill(cwd, ["run", "flow.json"]);
  const { pid } = await told(`${cwd}/pid`);
  assert(isRunning(pid));
  const resumed = await taffrail(["resume", "flow"], { cwd });
  assertEquals(resumed.code, 0, resumed.stderr);
  assertStringIncludes(resumed.stderr, "ending what is left of b: process");
  assertEquals(resumed.stdout.split("\n")[0], `run_id=${runId}`);
  assertEquals(isRunning(pid), false);
  assertEquals((await told(`${cwd}/pid`)).attempt, 2);
  assertEquals(await read(`${cwd}/done`), "a\nc");
  const events = eventsOf(root, runId);
  assertEquals(outlineOf(events), [
    "pipe.started",
    "node.started a",
    "node.completed a",
    "node.started b",
    "pipe.started",
    "node.failed b",
    "node.started b",
    "node.completed b",
    "node.started c",
    "node.completed c",
    "pipe.completed",
  ]);
  assertEquals(events.slice(3, 8).map(({ attempt }) => attempt), [1, undefined, 1, 2, 2]);
  assertEquals([...readProcesses({ root, runId }).keys()], ["a#1", "b#1", "b#2", "c#1"]);
  assertEquals(events[4]?.resumed, true);
  assertEquals(events[5]?.error, { kind: "crash", cancelled: true });
  assertEquals(events[5]?.message, "cut off: nobody has seen its end");
  await checkClean(cwd);
  const again = await taffrail(["resume", "flow"], { cwd });
  assertEquals([again.code, again.stdout], [1, ""]);
  assertStringIncludes(
    again.stderr,
    `Cannot resume ${runId}: it has completed; there is nothing left to do\n`,
  );
});

test("taffrail resume --wait waits for what is left to end by itself", async (cwd) => {
  await writeFlow(cwd, {
    a: `${tell("pid")}; ${untilGo}; echo $TAFFRAIL_ATTEMPT >> done`,
  });
  await runAndKill(cwd, ["run", "flow.json"]);
  const { pid } = await told(`${cwd}/pid`);
  await using resume = startTaffrail(["resume", "--wait", "flow"], { cwd });
  await resume.stderr.find(/^waiting for what is left of a: process/);
  assert(isRunning(pid));
  await Deno.writeTextFile(`${cwd}/go`, "");
  assertEquals((await resume.end()).code, 0);
  // Nobody has seen how the first attempt ended.
  assertEquals(await read(`${cwd}/done`), "1\n2");
  await checkClean(cwd);
});

linuxTest("taffrail resume --wait waits for what prints, and for its pipelines", async (cwd) => {
  const prints = "head -c 300000 /dev/zero; echo more >&2; yes | head -1; echo half | (cat >> got)";
  await writeFlow(cwd, {
    a: `${tell("pid")}; ${untilGo}; ${prints}; echo $TAFFRAIL_ATTEMPT >> done`,
  });
  await runAndKill(cwd, ["run", "flow.json"]);
  await using resume = startTaffrail(["resume", "--wait", "flow"], { cwd });
  await resume.stderr.find(/^waiting for what is left of a: process/);
  await Deno.writeTextFile(`${cwd}/go`, "");
  assertEquals((await resume.end()).code, 0);
  assertEquals(await read(`${cwd}/done`), "1\n2");
  assertEquals(await read(`${cwd}/got`), "half\nhalf");
  await checkClean(cwd);
});

linuxTest("taffrail resume ends what outlives the process that a node began with", async (cwd) => {
  const script = `sleep 1000 & ${write("$$ $!", "pids")}; ${untilGo}`;
  await writeFlow(cwd, { a: `test $TAFFRAIL_ATTEMPT -gt 1 || { ${script}; }` });
  await runAndKill(cwd, ["run", "flow.json"], "pids");
  const [leader, member] = (await read(`${cwd}/pids`)).split(" ").map(Number);
  await Deno.writeTextFile(`${cwd}/go`, "");
  await poll(() => !isRunning(leader!));
  assert(isRunning(member!));
  assertEquals((await taffrail(["resume", "flow"], { cwd })).code, 0);
  assertEquals(isRunning(member!), false);
});

linuxTest("taffrail resume does not guess whose a group without a leader is", async (cwd) => {
  const script = `sleep 1000 & ${write("$$ $!", "group")}`;
  await using other = start("sh", ["-c", 'setsid sh -c "$1"; exec cat', "sh", script], { cwd });
  await untilExists(cwd, "group");
  const [group, member] = (await read(`${cwd}/group`)).split(" ").map(Number);
  try {
    // Its parent takes notice of its end, so that no zombie tells when it began.
    await poll(() => !isThere(`/proc/${group}`));
    await writeFlow(cwd, { a: HANGS_ONCE });
    const { processes } = await runAndKill(cwd, ["run", "flow.json"]);
    Deno.kill((await told(`${cwd}/pid`)).pid, "SIGKILL");
    await spawnedAs(processes, { pid: group, start_time: 1, boot_id: readBootId() });
    const refused = await taffrail(["resume", "flow"], { cwd });
    assertEquals(refused.code, 1);
    assertStringIncludes(
      refused.stderr,
      `nobody can tell whether process ${member} is left of attempt 1 of node a: ` +
        "see that it has ended, and resume it with --assume-ended\n",
    );
    assertEquals((await taffrail(["resume", "--assume-ended", "flow"], { cwd })).code, 0);
    assert(isRunning(member!));
  } finally {
    Deno.kill(member!, "SIGKILL");
  }
  assert(isRunning(other.pid));
  await checkClean(cwd);
});

linuxTest("taffrail resume finds a node whose process was not recorded", async (cwd) => {
  await writeFlow(cwd, { a: HANGS_ONCE });
  const { processes } = await runAndKill(cwd, ["run", "flow.json"]);
  const { pid } = await told(`${cwd}/pid`);
  await Deno.remove(processes);
  assertEquals((await taffrail(["resume", "flow"], { cwd })).code, 0);
  assertEquals(isRunning(pid), false);
  assertEquals((await told(`${cwd}/pid`)).attempt, 2);
});

linuxTest(
  "taffrail resume leaves processes alone that only have the id of a node's",
  async (cwd) => {
    await using other = start("setsid", ["sleep", "1000"], { cwd });
    const { pid, startTime = 0, bootId = "" } = identifyProcess(other.pid);
    const identity = { pid, start_time: startTime, boot_id: bootId };
    for (const recycled of [{ start_time: startTime - 1 }, { boot_id: "another boot" }]) {
      await withTempDir(async (cwd) => {
        await writeFlow(cwd, { a: HANGS_ONCE });
        const { processes } = await runAndKill(cwd, ["run", "flow.json"]);
        Deno.kill((await told(`${cwd}/pid`)).pid, "SIGKILL");
        await spawnedAs(processes, { ...identity, ...recycled });
        const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
        assertEquals([code, stderr], [0, ""]);
        assert(isRunning(other.pid));
      });
    }
  },
);

linuxTest(
  "taffrail resume ends a recorded process that has cleared its environment",
  async (cwd) => {
    await writeFlow(cwd, { a: `test $TAFFRAIL_ATTEMPT -gt 1 || exec env -i sh -c '${BARE}'` });
    const { processes } = await runAndKill(cwd, ["run", "flow.json"]);
    const pid = Number(await read(`${cwd}/pid`));
    const { startTime, bootId } = identifyProcess(pid);
    await spawnedAs(processes, { pid, start_time: startTime, boot_id: bootId });
    assertEquals((await taffrail(["resume", "flow"], { cwd })).code, 0);
    assertEquals(isRunning(pid), false);
  },
);

test("one of two resumes works, and a run that is live is refused", async (cwd) => {
  await writeFlow(cwd, { a: `${tell("pid")}; exec sleep 1000` });
  const refusal = (pid: number) => `is still being worked on by process ${pid}; taffrail follow`;
  {
    await using run = startTaffrail(["run", "flow.json"], { cwd });
    await untilExists(cwd, "pid");
    const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
    assertEquals(code, 1);
    assertStringIncludes(stderr, refusal(run.pid));
    run.kill("SIGKILL");
  }
  await Deno.remove(`${cwd}/pid`);
  await using first = startTaffrail(["resume", "flow"], { cwd });
  await untilExists(cwd, "pid");
  const second = await taffrail(["resume", "flow"], { cwd });
  assertEquals(second.code, 1);
  assertStringIncludes(second.stderr, refusal(first.pid));
  first.kill("SIGTERM");
  assertEquals((await first.end()).code, 143);
});

test("a resume that is interrupted or killed can be resumed again, any number of times", async (cwd) => {
  await writeFlow(cwd, {
    a: `${tell("pid")}; test $TAFFRAIL_ATTEMPT -gt 5 || exec sleep 1000`,
    b: { run: "true", needs: ["a"] },
  });
  const { root, runId } = await runAndKill(cwd, ["run", "flow.json"]);
  for (const signal of ["SIGINT", "SIGKILL", "SIGHUP", "SIGKILL"] as const) {
    const { attempt } = await told(`${cwd}/pid`);
    await Deno.remove(`${cwd}/pid`);
    await using resume = startTaffrail(["resume", "flow"], { cwd });
    await untilExists(cwd, "pid");
    assertEquals((await told(`${cwd}/pid`)).attempt, attempt + 1);
    resume.kill(signal);
    const { code, stderr } = await resume.end();
    if (signal === "SIGKILL") continue;
    assertEquals(code, signal === "SIGINT" ? 130 : 129);
    assertStringIncludes(stderr, `go on with it: taffrail resume ${runId}\n`);
    assertEquals(eventsOf(root, runId).at(-1)?.reason, `cancelled by ${signal}`);
  }
  const last = await taffrail(["resume", "--json", "flow"], { cwd });
  assertEquals(last.code, 0, last.stderr);
  const { state, nodes } = JSON.parse(last.stdout);
  assertEquals([state, nodes[0].attempt, nodes[1].attempt], ["Completed", 6, 1]);
  await checkClean(cwd);
});

test("a resume that waits can be interrupted, and has changed nothing", async (cwd) => {
  await writeFlow(cwd, { a: `${tell("pid")}; ${untilGo}` });
  const { root, runId, journal } = await runAndKill(cwd, ["run", "flow.json"]);
  const { pid } = await told(`${cwd}/pid`);
  const before = [await read(journal), outlineOf(eventsOf(root, runId))];
  for (const [signal, exitCode] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    await using resume = startTaffrail(["resume", "--wait", "flow"], { cwd });
    await resume.stderr.find(/^waiting for/);
    resume.kill(signal);
    const { code, stderr } = await resume.end();
    assertEquals(code, exitCode);
    assertStringIncludes(stderr, `go on with it: taffrail resume ${runId}\n`);
    assertEquals([await read(journal), outlineOf(eventsOf(root, runId))], before);
    assert(isRunning(pid));
  }
  await Deno.writeTextFile(`${cwd}/go`, "");
  assertEquals((await taffrail(["resume", "flow"], { cwd })).code, 0);
});

test("the ids of events go on though the clock was set back", async (cwd) => {
  await writeFlow(cwd, { a: HANGS_ONCE });
  const { root, runId, log } = await runAndKill(cwd, ["run", "flow.json"]);
  const late = "02m7y3r7bt534jhk4f23bfdw19";
  await changeLog(log, (events) => events.with(-1, { ...events.at(-1)!, id: late }));
  assertEquals((await taffrail(["resume", "flow"], { cwd })).code, 0);
  assert(eventsOf(root, runId).at(-1)!.id > late);
  await checkClean(cwd);
});

test("taffrail replay --live makes the attempts of a resumed run again", async (cwd) => {
  await writeFlow(cwd, { a: "echo a", b: `${HANGS_ONCE}; echo attempt $TAFFRAIL_ATTEMPT` });
  await runAndKill(cwd, ["run", "flow.json"]);
  assertEquals((await taffrail(["resume", "flow"], { cwd })).code, 0);
  const { code, stdout } = await taffrail(["replay", "--live", "flow"], { cwd });
  assertEquals(code, 0, stdout);
  // Of b the attempt that was cut off is not made again.
  assertStringIncludes(stdout, "2 attempts were made again");
});

test("a retry, a deferral and a concurrent node go on where they were", async (cwd) => {
  const flow = {
    name: "flow",
    nodes: {
      retried: { run: ["sh", "-c", "echo $TAFFRAIL_ATTEMPT >> tries; test -e go || exit 1"] },
      slow: { run: ["sh", "-c", HANGS_ONCE] },
      deferred: { run: ["sh", "-c", "echo $TAFFRAIL_ATTEMPT > deferred"] },
    },
    constraints: { max_in_flight: 2, max_retries: 100_000, max_per_window: 2, rate_window: "1h" },
  };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
  {
    await using run = startTaffrail(["run", "flow.json"], { cwd });
    await untilExists(cwd, "pid");
    await untilIn((await runIn(cwd)).journal, '"origin_event_id":"deferred"');
    run.kill("SIGKILL");
  }
  const { journal } = await runIn(cwd);
  await Deno.writeTextFile(`${cwd}/go`, "");
  // The window of an hour is full, so what is resumed has to wait, too.
  await using resume = startTaffrail(["resume", "flow"], { cwd });
  await untilIn(journal, '"origin_event_id":"slow#2"');
  resume.kill("SIGINT");
  assertEquals((await resume.end()).code, 130);
  const { nodes } = JSON.parse((await taffrail(["show", "--json", "flow"], { cwd })).stdout);
  const waited = nodes.map((node: { deferrals?: { reason: string }[] }) => node.deferrals?.length);
  assert(waited[1] >= 1 && waited[2] >= 1, JSON.stringify(nodes));
  const tries = (await read(`${cwd}/tries`)).split("\n").map(Number);
  assertEquals(tries, tries.map((_, index) => index + 1));
  assertEquals((await taffrail(["replay", "flow"], { cwd })).code, 0);
});

test("a run of which only the journal says that it has completed is not gone on with", async (cwd) => {
  await writeFlow(cwd, { a: "echo a >> done", b: "echo b >> done" });
  await taffrail(["run", "flow.json"], { cwd });
  const { runId, log } = await runIn(cwd);
  // A power cut may take what was not synced.
  for (const lost of [1, 2, 3]) {
    await changeLog(log, (events) => events.slice(0, -lost));
    const before = await read(log);
    const { code, stdout, stderr } = await taffrail(["resume", runId], { cwd });
    assertEquals([code, stdout], [1, ""]);
    const problem = "its journal says that it has completed, and its log lacks the end";
    const remedy = `taffrail repair ${runId} writes it`;
    assertStringIncludes(stderr, `Cannot resume ${runId}: ${problem}; ${remedy}\n`);
    assertEquals([await read(`${cwd}/done`), await read(log)], ["a\nb", before]);
    assertEquals((await taffrail(["repair", runId], { cwd })).code, 0);
    await checkClean(cwd);
  }
});

test("a run in which a node failed is gone on with, though its log lacks the end", async (cwd) => {
  await writeFlow(cwd, { a: "test -e go || exit 3", b: "touch done" });
  await taffrail(["run", "flow.json"], { cwd });
  const { root, runId, log } = await runIn(cwd);
  const failed = ["node.started a", "node.failed a", "pipe.aborted"];
  assertEquals(outlineOf(eventsOf(root, runId)), ["pipe.started", ...failed]);
  await changeLog(log, (events) => events.slice(0, -1));
  const again = await taffrail(["resume", runId], { cwd });
  assertEquals(again.code, 1);
  assertStringIncludes(again.stdout, "reason  a failed\n");
  await Deno.writeTextFile(`${cwd}/go`, "");
  assertEquals((await taffrail(["resume", runId], { cwd })).code, 0);
  const events = eventsOf(root, runId);
  assertEquals(outlineOf(events), [
    "pipe.started",
    ...failed,
    "pipe.started",
    ...failed,
    "pipe.started",
    "node.started a",
    "node.completed a",
    "node.started b",
    "node.completed b",
    "pipe.completed",
  ]);
  assertEquals(events.flatMap(({ attempt }) => attempt ?? []), [1, 1, 2, 2, 3, 3, 1, 1]);
  await checkClean(cwd);
});

test("taffrail exec is resumed without a flow file", async (cwd) => {
  const { root, runId } = await runAndKill(cwd, ["exec", "--", "sh", "-c", HANGS_ONCE]);
  const flow = await taffrail(["resume", "--flow", "x.json", runId], { cwd });
  assertEquals(flow.code, 2);
  assertStringIncludes(flow.stderr, "is the run of a command, not of a flow\n");
  const { code } = await taffrail(["resume", runId], { cwd });
  assertEquals(code, 0);
  assertEquals(eventsOf(root, runId).at(-1)?.type, "pipe.completed");
  await checkClean(cwd);
});

test("a run that died before it had decided anything is begun", async (cwd) => {
  await writeFlow(cwd, { a: "touch done" });
  await taffrail(["run", "flow.json"], { cwd });
  const { root, runId, log, journal, path } = await runIn(cwd);
  const session = `${(await read(journal)).split("\n")[0]}\n`;
  for (const [events, lines] of [[0, null], [1, null], [1, ""], [1, '{"line":1,'], [1, session]]) {
    await changeLog(log, (all) => all.slice(0, Number(events)));
    if (lines === null) await Deno.remove(journal);
    else await Deno.writeTextFile(journal, String(lines));
    await Deno.remove(`${cwd}/done`);
    const { code, stderr } = await taffrail(["resume", runId], { cwd });
    assertEquals(code, 0, stderr);
    assert((await Deno.stat(`${cwd}/done`)).isFile);
    const begins = eventsOf(root, runId).filter(({ type }) => type === "pipe.started");
    // Where its begin stands in the log already, it is gone on with.
    assertEquals(
      begins.map(({ resumed }) => resumed),
      events === 0 ? [undefined] : [undefined, true],
    );
    await checkClean(cwd);
  }
  await changeLog(log, (all) => all.slice(0, -1));
  await Deno.remove(journal);
  const refused = await taffrail(["resume", runId], { cwd });
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, "capture.jsonl is missing or empty, so nobody can tell");
  await Deno.remove(path("flow.json"));
  const { code, stderr } = await taffrail(["resume", runId], { cwd });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "it has no flow.json: it died before it began, or another program");
});

test("a journal that is damaged inside is refused, and stays as it is", async (cwd) => {
  await writeFlow(cwd, { a: "true", b: HANGS_ONCE });
  const { journal } = await runAndKill(cwd, ["run", "flow.json"]);
  const { pid } = await told(`${cwd}/pid`);
  try {
    const lines = (await Deno.readTextFile(journal)).split("\n");
    const damaged = lines.with(3, "\0".repeat(lines[3]!.length)).join("\n");
    await Deno.writeTextFile(journal, damaged);
    const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "line 4 is damaged (unreadable: ");
    assertEquals(await Deno.readTextFile(journal), damaged);
    assert(isRunning(pid));
  } finally {
    Deno.kill(pid, "SIGKILL");
  }
});

Deno.test("taffrail resume says what it lacks", async () => {
  await withTempDir(async (cwd) => {
    const none = await taffrail(["resume", "x"], { cwd });
    assertEquals([none.code, none.stderr], [1, 'Cannot find run "x": .taffrail has no runs\n']);
    const usage = await taffrail(["resume"], { cwd });
    assertEquals(usage.code, 2);
    assertStringIncludes(usage.stderr, "taffrail resume needs a run");
    assertEquals((await taffrail(["resume", "--help"], { cwd })).code, 0);
  });
});

test("a run of a newer format is refused, and stays as it is", async (cwd) => {
  await writeFlow(cwd, { a: "true" });
  await taffrail(["run", "flow.json"], { cwd });
  const { runId, log, path } = await runIn(cwd);
  await changeLog(log, (events) => events.slice(0, -1));
  const before = await read(log);
  const run = JSON.parse(await read(path("run.json")));
  await Deno.writeTextFile(path("run.json"), JSON.stringify({ ...run, format: 2 }));
  const { code, stderr } = await taffrail(["resume", runId], { cwd });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "newer");
  assertEquals(await read(log), before);
});

linuxTest("what ignores SIGTERM is killed after the grace, and all that it starts", async (cwd) => {
  const script = `trap '' TERM; ${tell("pid")}; while :; do sleep 0.01; done`;
  await writeFlow(cwd, { a: `test $TAFFRAIL_ATTEMPT -gt 1 || { ${script}; }` });
  await runAndKill(cwd, ["run", "flow.json"]);
  const { pid } = await told(`${cwd}/pid`);
  const { code } = await taffrail(["resume", "--grace", "50ms", "flow"], { cwd });
  assertEquals(code, 0);
  assertEquals(isRunning(pid), false);
});

test("a resume that can record no more can be resumed again", async (cwd) => {
  const prints = "test $TAFFRAIL_ATTEMPT -ne 2 || seq 100000";
  await writeFlow(cwd, { a: `${HANGS_ONCE}; ${prints}` });
  const { root, runId } = await runAndKill(cwd, ["run", "flow.json"]);
  const shell = "trap '' XFSZ; ulimit -f 100; exec \"$@\"";
  const { code, stderr } = await taffrail(["resume", "flow"], { cwd, shell });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Cannot record what node a prints");
  assertStringIncludes(eventsOf(root, runId).at(-1)?.reason ?? "", "Cannot record what node a");
  const again = await taffrail(["resume", "flow"], { cwd });
  assertEquals(again.code, 0, again.stderr);
  assertEquals((await told(`${cwd}/pid`)).attempt, 3);
  await checkClean(cwd);
});

test("a command of a run cannot resume it", async (cwd) => {
  await writeFlow(cwd, { a: HANGS_ONCE });
  const { runId } = await runAndKill(cwd, ["run", "flow.json"]);
  const { pid } = await told(`${cwd}/pid`);
  try {
    const env = { TAFFRAIL_RUN_ID: runId };
    const { code, stderr } = await taffrail(["resume", "flow"], { cwd, env });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "this is one of its own commands; resume it from outside\n");
  } finally {
    Deno.kill(pid, "SIGKILL");
  }
});

test("taffrail resume takes the name of a flow for its newest run without an end", async (cwd) => {
  await writeFlow(cwd, { a: HANGS_ONCE });
  const { runId } = await runAndKill(cwd, ["run", "flow.json"]);
  Deno.kill((await told(`${cwd}/pid`)).pid, "SIGKILL");
  assertEquals((await taffrail(["run", await writeFlow(cwd, { a: "true" })], { cwd })).code, 0);
  await writeFlow(cwd, { a: HANGS_ONCE });
  const { code, stdout } = await taffrail(["resume", "flow"], { cwd });
  assertEquals([code, stdout.split("\n")[0]], [0, `run_id=${runId}`]);
});
