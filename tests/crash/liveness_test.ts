/** Whether a run is live, and who may open it, between real processes (OST-4). */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  deriveRunState,
  EventLogError,
  isLive,
  openEventLog,
  openEventLogSync,
  readRun,
  repairRun,
  type RunEvent,
} from "../../eventlog/mod.ts";
import { openOnPort, openOnPortSync } from "../../eventlog/open_event_log.ts";
import { withFastClock } from "../_util/fast_clock.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { longCount, withTempDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";

const RUN_ID = "flow-01kpfntqeej7vhn935kc0tm9vn";
/** Nobody gives the lock up meanwhile, so how long this is changes nothing. */
const SHORT_TIMEOUT_MS = 50;
/** Windows lets nobody read a file that is locked exclusively, nor write one that is shared. */
const PID_IS_READABLE = Deno.build.os !== "windows";

const started = {
  type: "pipe.started",
  id: "01kpfntqeej7vhn935kc0tm9vp",
  ts: "2026-04-15T12:00:00Z",
  run_id: RUN_ID,
  pipe: "flow",
  inputs: [],
  distro_version: "0",
};

async function startHolder(
  root: string,
  hold: "exclusive" | "shared",
  form: "sync" | "async" = "async",
): Promise<Child> {
  const child = new Child("./_programs/holder.ts", { args: [root, RUN_ID, hold, form] });
  try {
    assertEquals(await child.next(), "open");
    return child;
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

async function pidInLock(root: string): Promise<number> {
  return JSON.parse(await Deno.readTextFile(`${root}/runs/${RUN_ID}/live.lock`)).pid;
}

async function isOrphan(root: string): Promise<boolean> {
  const events: RunEvent[] = [];
  for await (const page of readRun(root, RUN_ID)) {
    events.push(...page.events.map(({ event }) => event));
  }
  return deriveRunState(events, { live: await isLive(root, RUN_ID) }).is_orphan;
}

Deno.test("isLive() is false at once when the only holder was killed, and its run is an orphan", () =>
  withTempDir(async (root) => {
    assertEquals(await isLive(root, RUN_ID), false);
    for (const hold of ["shared", "exclusive"] as const) {
      await using holder = await startHolder(root, hold);
      await holder.send(JSON.stringify(started));
      await holder.next();
      assertEquals(await isLive(root, RUN_ID), true);
      assertEquals(await isOrphan(root), false);
      await holder.kill();
      assertEquals(await isLive(root, RUN_ID), false);
      assertEquals(await isOrphan(root), true);
    }
  }));

Deno.test("isLive() is true until the last of several holders is gone", () =>
  withTempDir(async (root) => {
    await using first = await startHolder(root, "shared");
    await using second = await startHolder(root, "shared", "sync");
    await first.kill();
    assertEquals(await isLive(root, RUN_ID), true);
    await second.end();
    assertEquals(await isLive(root, RUN_ID), false);
  }));

Deno.test("isLive() asked many times at once is misled by no other probe", () =>
  withTempDir(async (root) => {
    const ask = () => Promise.all(Array.from({ length: 100 }, () => isLive(root, RUN_ID)));
    {
      await using holder = await startHolder(root, "shared");
      assertEquals(new Set(await ask()), new Set([true]));
      await holder.kill();
    }
    assertEquals(new Set(await ask()), new Set([false]));
  }));

for (const hold of ["exclusive", "shared"] as const) {
  const other = hold === "exclusive" ? "shared" : "exclusive";
  Deno.test(`opening ${other} what another process holds ${hold} names that process`, () =>
    withTempDir(async (root) => {
      await using holder = await startHolder(root, hold);
      const options = {
        root,
        runId: RUN_ID,
        exclusive: other === "exclusive",
        lockTimeoutMs: SHORT_TIMEOUT_MS,
      };
      const errors = [
        await assertRejects(() => openEventLog(options), EventLogError),
        await assertRejects(() => Promise.try(() => openEventLogSync(options)), EventLogError),
      ];
      for (const error of errors) {
        assertEquals(error.kind, "live");
        if (hold === "exclusive" && !PID_IS_READABLE) continue;
        assertStringIncludes(error.message, `process ${holder.pid} has it open`);
        assertEquals(error.details.actual, holder.pid);
      }
      // What is held is not harmed by those who tried.
      await holder.send("{}");
      assertEquals(await holder.next(), "1");

      await holder.kill();
      await using log = await openEventLog(options);
      assertEquals(await log.lastSeq(), 1);
      if (PID_IS_READABLE) assertEquals(await pidInLock(root), Deno.pid);
    }));
}

Deno.test("repairRun() refuses a run that another process has open", () =>
  withTempDir(async (root) => {
    await using holder = await startHolder(root, "shared");
    const error = await withFastClock(() =>
      assertRejects(() => repairRun(root, RUN_ID), EventLogError)
    );
    assertEquals(error.kind, "live");
    await holder.kill();
    assertEquals(await repairRun(root, RUN_ID), { completed: false });
  }));

Deno.test("a run is given free by unlocking, which a child that is just being started cannot delay", () =>
  withTempDir(async (root) => {
    // Such a child has copies of all handles until it runs its program: closing alone is not enough.
    const port = new FaultPort();
    const path = `${root}/runs/${RUN_ID}/live.lock`;
    const log = await openOnPort<unknown>(port, { root, runId: RUN_ID });
    await log.close();
    openOnPortSync<unknown>(port, { root, runId: RUN_ID })[Symbol.dispose]();
    const calls = port.calls.filter((call) => call.path === path).map(({ name }) => name);
    const closings = calls.flatMap((name, index) => name === "close" ? [calls[index - 1]] : []);
    assertEquals(closings, ["unlockSync", "unlockSync"]);
  }));

Deno.test("live.lock keeps the first opener's process id when a second joins and leaves", () =>
  withTempDir(async (root) => {
    await using first = await startHolder(root, "shared");
    assertEquals(await pidInLock(root), first.pid);
    {
      await using second = await startHolder(root, "shared", "sync");
      await using third = await startHolder(root, "shared");
      assertEquals(await pidInLock(root), first.pid);
      await second.end();
      await third.kill();
    }
    assertEquals(await pidInLock(root), first.pid);
    await first.kill();
    await using fourth = await startHolder(root, "shared");
    assertEquals(await pidInLock(root), fourth.pid);
  }));

Deno.test({
  name: "live.lock has the process id of one who waited for an exclusive holder to leave",
  ignore: !PID_IS_READABLE,
  fn: () =>
    withTempDir(async (root) => {
      for (const exclusive of [false, true]) {
        await using first = await startHolder(root, "exclusive");
        const opening = openEventLog({ root, runId: RUN_ID, exclusive });
        assertEquals(await pidInLock(root), first.pid);
        await first.end();
        await using _ = await opening;
        assertEquals(await pidInLock(root), Deno.pid);
      }
    }),
});

Deno.test({
  name: "live.lock has the opener's process id even while others ask whether the run is live",
  ignore: !PID_IS_READABLE,
  fn: () =>
    withTempDir(async (root) => {
      await using prober = new Child("./_programs/prober.ts", { args: [root, RUN_ID] });
      assertEquals(await prober.next(), "asking");
      const path = `${root}/runs/${RUN_ID}/live.lock`;
      for (let round = 0; round < longCount(300, 5_000); round++) {
        using _ = openEventLogSync({ root, runId: RUN_ID });
        assertEquals(JSON.parse(await Deno.readTextFile(path)).pid, Deno.pid);
        await Deno.writeTextFile(path, "1\n");
      }
      await prober.send("stop");
      const [word, count] = (await prober.next()).split(" ");
      assertEquals(word, "asked");
      assert(Number(count) > 0);
      await prober.end();
    }),
});
