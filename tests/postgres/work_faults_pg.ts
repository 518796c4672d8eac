/**
 * Workers that are killed, frozen, and cut off from the database in the middle of a command. The rule that all of it is
 * about: when an attempt is lost, and so may be made again, nothing of it runs any more.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { listProcesses, readMarks, readStat } from "../../cli/process/processes.ts";
import type { RunningProcess } from "../_util/process.ts";
import { Partition } from "./_partition.ts";
import { Proxy } from "./_proxy.ts";
import { startServer } from "./_server.ts";
import { type OfferEnd, untilFile, withWork, type WorkUse } from "./_worker.ts";

const LEASE = ["--lease", "6s", "--slots", "2"];

/** Says which process it is, leaves one in a session of its own, and goes on until it is ended. */
function endless(cwd: string): string {
  return `setsid sh -c 'while :; do sleep 0.05; done' & echo $$ >"${cwd}/tmp" && ` +
    `mv "${cwd}/tmp" "${cwd}/$TAFFRAIL_NODE_ID.pid"; while :; do sleep 0.05; done`;
}

/** Which processes bear the mark of a run, as long as they live. */
function livingOf(runId: string): number[] {
  const living = (listProcesses() ?? []).filter(({ isZombie }) => !isZombie);
  return living.map(({ pid }) => pid)
    .filter((pid) => readMarks(pid).some((mark) => mark.runId === runId));
}

/** The processes of a job, when it has begun. */
async function begun({ cwd, held }: WorkUse, nodeId: string): Promise<number[]> {
  const pid = Number(await untilFile(`${cwd}/${nodeId}.pid`));
  const living = livingOf(held.view.runId);
  assert(living.includes(pid) && living.length >= 2, `${living} run`);
  return living;
}

/** Resolves when a condition is true, looked at again and again. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Whoever asks for the next attempt gets it, on another worker or the same. */
async function completesAgain({ offer }: WorkUse): Promise<string> {
  for (let attempt = 2;; attempt++) {
    const end = await offer("echo again", { attempt });
    // A claim that was on its way when the network went may arrive when nobody waits for its answer any more.
    if (end.kind === "lost" && attempt < 5) continue;
    assert(end.kind === "ended", end.kind);
    assertEquals([end.termination, end.end.exit_code], ["Completed", 0]);
    return end.worker;
  }
}

function assertLost(end: OfferEnd, worker: string): void {
  assertEquals(end.kind === "lost" && end.worker, worker, JSON.stringify(end));
}

Deno.test("the commands of a worker that is killed die with it, and its job is lost with its lease", () =>
  withWork(async (use) => {
    const { offer, worker, cwd, held: { view: { runId } } } = use;
    const killed = await worker([...LEASE, "--name", "killed"]);
    const ended = offer(endless(cwd));
    await begun(use, "a");
    killed.kill("SIGKILL");
    await until(() => livingOf(runId).length === 0);
    assertLost(await ended, "killed");
    await worker([...LEASE, "--name", "other"]);
    assertEquals(await completesAgain(use), "other");
  }));

Deno.test("the guard ends the commands of a frozen worker before its lease is over, and what that says later counts for nothing", () =>
  withWork(async (use) => {
    const { offer, worker, cwd, held: { view: { runId } }, printed } = use;
    const frozen = await worker([...LEASE, "--name", "frozen"]);
    const ended = offer(endless(cwd));
    const late = offer(
      `: >"${cwd}/b.at"; until [ -e "${cwd}/go" ]; do sleep 0.02; done; echo late`,
      {
        nodeId: "b",
      },
    );
    await begun(use, "a");
    await untilFile(`${cwd}/b.at`);
    frozen.kill("SIGSTOP");
    // This one ends while nobody can tell.
    await Deno.writeTextFile(`${cwd}/go`, "");
    const [one, other] = await Promise.all([ended, late]);
    assertEquals(livingOf(runId), []);
    assertLost(one, "frozen");
    assertLost(other, "frozen");
    frozen.kill("SIGCONT");
    await frozen.stderr.find(/ a #1: lost: /);
    await frozen.stderr.find(/ b #1: lost: /);
    assertEquals(await printed("b"), "");
    // It goes on with what is offered now.
    assertEquals(await completesAgain(use), "frozen");
  }));

Deno.test("a worker that reaches the database no more ends what runs before its lease is over, and comes back", () =>
  withWork(async (use) => {
    const { offer, worker, cwd, url, server, held: { view: { runId } } } = use;
    await using proxy = new Proxy(server.place.port);
    const through = url.replace(`:${server.place.port}/`, `:${proxy.port}/`);
    const cutOff = await worker([...LEASE, "--name", "cut-off"], { url: through });
    const ended = offer(endless(cwd));
    const pids = await begun(use, "a");
    proxy.freeze();
    assertLost(await ended, "cut-off");
    assertEquals(livingOf(runId), [], `of ${pids}`);
    await cutOff.stderr.find(/ a #1: lost: its lease could not be renewed in time$/);
    proxy.thaw();
    assertEquals(await completesAgain(use), "cut-off");
  }));

Deno.test("the same with a network of its own whose cable is pulled", async () => {
  await using partition = await Partition.make();
  // Where that is not allowed, the test before has shown it with connections that hang.
  if (partition === undefined) return;
  await withWork(async (use) => {
    const { offer, worker, cwd, url, server, held: { view: { runId } } } = use;
    await using proxy = new Proxy(server.place.port, { hostname: partition.outside });
    const { pathname } = new URL(url);
    const through =
      `postgres://postgres@${partition.outside}:${proxy.port}${pathname}?sslmode=disable`;
    const cutOff = await worker([...LEASE, "--name", "cut-off"], {
      url: through,
      shell: partition.shell,
    });
    const ended = offer(endless(cwd));
    await begun(use, "a");
    await partition.cut();
    assertLost(await ended, "cut-off");
    assertEquals(livingOf(runId), []);
    await cutOff.stderr.find(/ a #1: lost: /);
    await partition.mend();
    assertEquals(await completesAgain(use), "cut-off");
  });
});

Deno.test("a worker outlives a server that restarts: what ended meanwhile is told, and nothing is ended", async () => {
  await using server = await startServer();
  await withWork(async (use) => {
    const { offer, worker, cwd, printed } = use;
    const running = await worker(["--lease", "60s", "--slots", "2"]);
    const script = (name: string) =>
      `echo begun; : >"${cwd}/${name}.at"; until [ -e "${cwd}/${name}.go" ]; do sleep 0.02; done; echo ended`;
    const [during, after] = ["during", "after"].map((nodeId) => {
      return offer(script(nodeId), { nodeId, payload: { needs_output: true } });
    });
    await Promise.all(["during", "after"].map((nodeId) => untilFile(`${cwd}/${nodeId}.at`)));
    await server.stop("immediate");
    await running.stderr.find(/^the database is away: /);
    await Deno.writeTextFile(`${cwd}/during.go`, "");
    await server.start();
    const one = await during!;
    await Deno.writeTextFile(`${cwd}/after.go`, "");
    const ends = [one, await after!];
    assertEquals(ends.map((end) => end.kind === "ended" && end.termination), [
      "Completed",
      "Completed",
    ]);
    for (const nodeId of ["during", "after"]) assertEquals(await printed(nodeId), "begun\nended\n");
    await running.stderr.find(/^the database is back$/);
  }, { server });
});

Deno.test("a worker without its guard ends what runs, and itself", () =>
  withWork(async (use) => {
    const { offer, worker, cwd, held: { view: { runId } } } = use;
    const running = await worker([...LEASE, "--name", "unguarded"]);
    const ended = offer(endless(cwd));
    await begun(use, "a");
    Deno.kill(guardOf(running), "SIGKILL");
    const { code, stderr } = await running.end();
    assertEquals(code, 1);
    assertMatch(stderr, /^Cannot go on working: the guard process has ended \(SIGKILL\)$/m);
    assertEquals(livingOf(runId), []);
    assertLost(await ended, "unguarded");
  }));

/** The process that a worker has started at its begin. */
function guardOf({ pid }: RunningProcess): number {
  const children = (listProcesses() ?? []).filter(({ parent }) => parent === pid);
  const guard = children.find((child) => {
    return Deno.readTextFileSync(`/proc/${child.pid}/cmdline`).endsWith("work\0guard\0");
  });
  assert(guard !== undefined && readStat(guard.pid) !== undefined);
  return guard.pid;
}
