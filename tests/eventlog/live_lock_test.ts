import { assert, assertEquals, assertFalse, assertRejects, assertThrows } from "@std/assert";
import { EventLogError, isLive, openEventLogSync, removeRun } from "../../eventlog/mod.ts";
import { denoFilePort } from "../../_internal/file_port.ts";
import { openOnPort } from "../../eventlog/open_event_log.ts";
import { withStoppedClock } from "../_util/fast_clock.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { readText, write } from "../_util/files.ts";
import { startEcho } from "../_util/process.ts";
import { withTempDir } from "../_util/temp.ts";
import { lockedPathOf, openLog, pathOf, RUN_ID, writeRun } from "./_runs.ts";

const SHORT = { lockTimeoutMs: 20 };

async function assertHeld(opening: () => Promise<unknown>, message: string): Promise<void> {
  const error = await assertRejects(opening, EventLogError, message);
  assertEquals([error.kind, error.details.actual], ["live", Deno.pid]);
}

Deno.test("isLive() is true from opening to closing, whoever asks and however often", () =>
  withTempDir(async (root) => {
    assertFalse(await isLive(root, RUN_ID));
    const log = await openLog(root);
    const answers = await Promise.all(Array.from({ length: 5 }, () => isLive(root, RUN_ID)));
    assertEquals(answers, [true, true, true, true, true]);
    const second = await openLog(root);
    await log.close();
    assert(await isLive(root, RUN_ID));
    await second.close();
    assertFalse(await isLive(root, RUN_ID));
  }));

Deno.test("isLive() believes the lock and not the file (OST-4)", () =>
  withTempDir(async (root) => {
    writeRun(root, "");
    assertFalse(await isLive(root, RUN_ID));
    write(pathOf(root, "live.lock"), `${Deno.pid}\n`);
    assertFalse(await isLive(root, RUN_ID));
  }));

Deno.test("isLive() does not take another probe for a writer, nor keep a writer from opening", () =>
  withTempDir(async (root) => {
    await (await openLog(root)).close();
    const probes = Array.from({ length: 20 }, () => isLive(root, RUN_ID));
    assertEquals(new Set(await Promise.all(probes)), new Set([false]));
    const asking = Array.from({ length: 20 }, () => isLive(root, RUN_ID));
    await using _log = await openLog(root);
    await Promise.all(asking);
  }));

Deno.test("live.lock names the process that opened the run", () =>
  withTempDir(async (root) => {
    write(writeRun(root, "").replace("events.jsonl", "live.lock"), "99999999999999999999\n");
    await using _log = await openLog(root);
    const path = pathOf(root, "live.lock");
    const { pid, dev, ino } = JSON.parse(readText(path));
    const info = await Deno.stat(path);
    assertEquals([pid, dev, ino], [Deno.pid, info.dev, info.ino]);
  }));

/** What stands in place of a live lock whose lock may be held, for somebody else's reasons. */
const FOREIGN_LOCKS: [name: string, put: (path: string, other: string) => Promise<unknown>][] = [
  ["a symbolic link", (path, other) => Deno.symlink(other, path)],
  ["a dangling link", (path) => Deno.symlink("nowhere", path)],
  ["a hard link", (path, other) => Deno.link(other, path)],
  ["a directory", (path) => Deno.mkdir(path)],
  ["a named pipe", (path) => new Deno.Command("mkfifo", { args: [path] }).output()],
];

for (const [name, put] of FOREIGN_LOCKS) {
  Deno.test({
    name: `a live.lock that is ${name} is neither held nor believed`,
    ignore: Deno.build.os === "windows",
    fn: () =>
      withTempDir(async (root) => {
        await (await openLog(root)).close();
        const path = pathOf(root, "live.lock");
        await Deno.remove(path);
        const other = `${root}/daemon.pid`;
        using held = await Deno.open(other, { write: true, create: true });
        await held.tryLock(true);
        await put(path, other);
        await assertRejects(() => isLive(root, RUN_ID), TypeError, "live.lock");
        await assertRejects(() => openLog(root), TypeError, "live.lock");
        await assertRejects(() => openLog(root, { exclusive: true }), TypeError, "live.lock");
        assertEquals(readText(other), "");
        if (name !== "a hard link") return;
        // Nobody has it then, whatever it is called.
        await held.unlock();
        assertFalse(await isLive(root, RUN_ID));
      }),
  });
}

Deno.test("exclusive opening fails with the holder's process id while anybody has the run open", () =>
  withTempDir(async (root) => {
    const log = await openLog(root);
    const alone = () => openLog(root, { exclusive: true, ...SHORT });
    await assertHeld(alone, `process ${Deno.pid} has it open, and this needs it alone`);
    const aloneSync = () => openEventLogSync({ root, runId: RUN_ID, exclusive: true, ...SHORT });
    assertEquals(assertThrows(aloneSync, EventLogError).kind, "live");
    await log.append({ n: 1 });
    await log.close();
    await (await alone()).close();
  }));

Deno.test("nobody else opens a run that is held exclusively, and all can when it is closed", () =>
  withTempDir(async (root) => {
    const alone = await openLog(root, { exclusive: true });
    await assertHeld(() => openLog(root, SHORT), "has it open for itself alone");
    await assertHeld(() => openLog(root, { exclusive: true, ...SHORT }), "needs it alone");
    assert(await isLive(root, RUN_ID));
    await alone.append({ n: 1 });
    await alone.close();
    await (await openLog(root, SHORT)).close();
  }));

Deno.test("a holder whose name cannot be read is another process", () =>
  withTempDir(async (root) => {
    await using _log = await openLog(root, { exclusive: true });
    const port = new FaultPort();
    port.failWhen(({ name, path }) =>
      name === "readSync" && path.endsWith("live.lock") ? new Error("I/O failed") : undefined
    );
    const opening = () => openOnPort(port, { root, runId: RUN_ID, ...SHORT });
    const error = await assertRejects(opening, EventLogError, "another process has it open");
    assertEquals([error.kind, error.details.actual], ["live", undefined]);
  }));

Deno.test("opening waits for an exclusive holder to close", () =>
  withTempDir(async (root) => {
    const alone = await openLog(root, { exclusive: true });
    const opening = openLog(root, { lockTimeoutMs: 60_000 });
    await new Promise((resolve) => setTimeout(resolve));
    await alone.close();
    await (await opening).close();
  }));

Deno.test("a failed opening leaves the run free", () =>
  withTempDir(async (root) => {
    writeRun(root, "");
    const lock = denoFilePort.openSync(lockedPathOf(root), {
      read: true,
      append: true,
      create: true,
    });
    assert(lock.tryLockSync(true));
    const error = await assertRejects(() => openLog(root, SHORT), EventLogError, "event log lock ");
    assertEquals([error.kind, error.details.path], ["lock-timeout", lockedPathOf(root)]);
    assertFalse(await isLive(root, RUN_ID));
    lock.close();
  }));

/** What happens to the lock of a run that is open. */
const LOCK_WAYS: Record<string, (path: string) => void> = {
  "removed (rm *.lock)": (path) => Deno.removeSync(path),
  "replaced by another": (path) => {
    Deno.removeSync(path);
    write(path, "");
  },
  "replaced by a copy": (path) => {
    Deno.writeTextFileSync(`${path}.copy`, "");
    Deno.renameSync(`${path}.copy`, path);
  },
};

for (const [way, happens] of Object.entries(LOCK_WAYS)) {
  for (const exclusive of [true, false]) {
    const holder = exclusive ? "alone" : "with others";
    Deno.test({
      name: `a live lock that is ${way} lets nobody in beside a log that is held ${holder}`,
      // There a file that is open cannot be removed.
      ignore: Deno.build.os === "windows",
      fn: () =>
        withTempDir(async (root) => {
          const log = await openLog(root, { exclusive });
          await log.append({ n: 1 });
          happens(pathOf(root, "live.lock"));
          assert(await isLive(root, RUN_ID));
          const alone = () => openLog(root, { exclusive: true, ...SHORT });
          for (const use of [alone, () => removeRun(root, RUN_ID)]) {
            const error = await assertRejects(use, EventLogError, "another process has it open");
            assertEquals(error.kind, "live");
          }
          await log.close();
          await (await alone()).close();
          assertFalse(await isLive(root, RUN_ID));
        }),
    });
  }

  Deno.test({
    name: `a live lock that is ${way} is noticed by its holder within a millisecond`,
    ignore: Deno.build.os === "windows",
    fn: () =>
      withStoppedClock((clock) =>
        withTempDir(async (root) => {
          const log = await openLog(root);
          happens(pathOf(root, "live.lock"));
          await log.append({ n: 1 });
          clock.advanceMs(1);
          for (const append of [() => log.append({ n: 2 }), () => log.append({ n: 3 })]) {
            const error = await assertRejects(append, EventLogError, "has removed the lock");
            assertEquals(error.kind, "replaced");
          }
          await log.close();
          assertEquals(readText(log.path), '{"n":1}\n');
        })
      ),
  });
}

Deno.test(
  "who has every event on disk notices a removed live lock, however fast the events follow",
  {
    ignore: Deno.build.os === "windows",
  },
  () =>
    withStoppedClock((clock) =>
      withTempDir(async (root) => {
        const log = await openLog(root, { durability: "disk" });
        await Deno.remove(pathOf(root, "live.lock"));
        log.appendSync({ n: 1 });
        clock.advanceMs(0.6);
        log.appendSync({ n: 2 });
        clock.advanceMs(0.6);
        assertThrows(() => log.appendSync({ n: 3 }), EventLogError, "has removed the lock");
        await log.close();
      })
    ),
);

Deno.test("a program that was started by who holds a run, and lives on, holds nothing of it", () =>
  withTempDir(async (root) => {
    const log = await openLog(root, { exclusive: true });
    await log.append({ n: 1 });
    await using child = await startEcho();
    await log.append({ n: 2 });
    await log.close();
    assertFalse(await isLive(root, RUN_ID));
    const options = { root, runId: RUN_ID, exclusive: true, ...SHORT };
    using alone = openEventLogSync<{ n: number }>(options);
    alone.appendSync({ n: 3 });
    await child.closeInput();
    await child.end();
  }));
