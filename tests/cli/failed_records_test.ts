/**
 * Records that fail, by faults of a real system: what runs is ended, nothing is told that may be lost, what is
 * said names the place and the remedy, and the run is gone on with when the fault is over.
 */
import { assert, assertEquals, assertFalse, assertMatch, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, taffrail } from "./_command.ts";
import { chain, traceTaffrail, traceTest } from "./_traced.ts";
import { type AnyEvent, eventsOf, isRunning, onlyRun } from "./_runs.ts";

const COUNT = 12;
/** More than all threads together are let off, however many there are. */
const MANY = 60;

/** A chain whose nodes leave a line each time that they run, beside one that is ended only with the run. */
async function writeChain(cwd: string, count = COUNT): Promise<void> {
  const { nodes } = chain(count, (id) => ["sh", "-c", `echo ${id} >> ran`]);
  const long = { run: ["sh", "-c", "test -e pid || { echo $$ > pid; exec sleep 1000; }"] };
  const flow = { name: "flow", nodes: { long, ...nodes }, constraints: { max_in_flight: 2 } };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
}

function of(events: AnyEvent[], type: string): (string | undefined)[] {
  return events.filter((event) => event.type === type).map(({ node_id: id }) => id);
}

/** What holds of a run whose records have failed, and that it can be gone on with. */
async function assertGoesOn(
  cwd: string,
  { stdout }: { stdout: string },
  count = COUNT,
): Promise<void> {
  const root = `${cwd}/.taffrail`;
  const runId = await onlyRun(root);
  const pid = Number(await Deno.readTextFile(`${cwd}/pid`));
  assertFalse(isRunning(pid), "what ran was ended");
  const before = eventsOf(root, runId);
  assertFalse([...of(before, "node.failed"), ...of(before, "node.completed")].includes("long"));
  const completed = of(before, "node.completed");
  for (const id of stdout.matchAll(/^✓ (\S+)/gm)) {
    assert(completed.includes(id[1]), `${id[1]} was told, and is not in the log`);
  }
  const resumed = await taffrail(["resume", runId], { cwd });
  assertEquals(resumed.code, 0, resumed.stderr);
  const ran = (await Deno.readTextFile(`${cwd}/ran`)).split("\n");
  for (const id of completed) assertEquals(ran.filter((line) => line === id).length, 1, id);
  assertEquals(
    of(eventsOf(root, runId), "node.completed").toSorted(),
    [
      "long",
      ...Array.from({ length: count }, (_, index) => `n${index}`),
    ].toSorted(),
  );
  for (const verb of ["verify", "replay"]) {
    const { code, stdout } = await taffrail([verb, runId], { cwd });
    assertEquals(code, 0, stdout);
  }
}

traceTest("a barrier that fails ends the run, and nothing behind it is told", async (cwd) => {
  await writeChain(cwd, MANY);
  // Each thread has its first ones, so that some nodes are done.
  const ended = await traceTaffrail(["run", "flow.json"], cwd, {
    inject: "fdatasync:error=EIO:when=3+",
  });
  assertEquals(ended.code, 1, ended.stderr);
  const runId = await onlyRun(`${cwd}/.taffrail`);
  assertStringIncludes(ended.stderr, `Cannot record run ${runId}: Cannot vouch for what was `);
  assertStringIncludes(ended.stderr, "syncing it failed (Input/output error (os error 5))");
  assertStringIncludes(ended.stderr, "have the disk checked, and go on with the run");
  assertMatch(ended.stderr, /^n\d+ \(attempt 1\) has ended, and that could not be recorded: /m);
  const last = eventsOf(`${cwd}/.taffrail`, runId).at(-1);
  assertEquals([last?.type, last?.reason?.includes("Cannot vouch for")], ["pipe.aborted", true]);
  await assertGoesOn(cwd, ended, MANY);
});

Deno.test({
  name: "a journal that cannot grow ends the run, and says what could not be recorded",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      await writeChain(cwd);
      const shell = "trap '' XFSZ; ulimit -f 8; exec \"$@\"";
      const ended = await taffrail(["run", "flow.json"], { cwd, shell });
      assertEquals(ended.code, 1, ended.stderr);
      assertStringIncludes(ended.stderr, "capture.jsonl: Only ");
      assertStringIncludes(ended.stderr, "is the disk full?; the run was stopped: free some space");
      await assertGoesOn(cwd, ended);
    }),
});

Deno.test({
  name: "a process without a descriptor left ends the run, and says so",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const nodes = Object.fromEntries(Array.from({ length: 40 }, (_, index) => {
        return [`w${index}`, { run: ["sh", "-c", "echo out; test -e go || exec sleep 1000"] }];
      }));
      const flow = { name: "flow", nodes, constraints: { max_in_flight: 40 } };
      await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
      const shell = 'ulimit -n 80; exec "$@"';
      const { code, stderr } = await taffrail(["run", "flow.json"], { cwd, shell });
      assertEquals(code, 1, stderr);
      assertStringIncludes(stderr, "Too many open files");
      assertStringIncludes(stderr, "; the run was stopped: let fewer commands run at a time, or ");
      await Deno.writeTextFile(`${cwd}/go`, "");
      const resumed = await taffrail(["resume", "flow"], { cwd });
      assertEquals(resumed.code, 0, resumed.stderr);
    }),
});
