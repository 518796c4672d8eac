import { assert, assertEquals, assertFalse, assertRejects, assertThrows } from "@std/assert";
import {
  denoFilePort,
  type FileHandle,
  runSteps,
  runStepsSync,
} from "../../_internal/file_port.ts";
import {
  acquireLockSteps,
  type LockOptions,
  pausesUntilDeadline,
  withLockSteps,
  withLockSync,
} from "../../_internal/lock.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { startEcho } from "../_util/process.ts";
import { withTempDir } from "../_util/temp.ts";

class TimedOut extends Error {}

function acquireLock(file: FileHandle, options: LockOptions): Promise<void> {
  return runSteps(acquireLockSteps(file, options));
}

function acquireLockSync(file: FileHandle, options: LockOptions): void {
  runStepsSync(acquireLockSteps(file, options));
}

function options(timeoutMs: number, exclusive = true): LockOptions {
  return { exclusive, timeoutMs, timedOut: () => new TimedOut() };
}

/** Two handles of one file, as two processes have them. */
async function withTwoHandles(
  use: (first: FileHandle, second: FileHandle) => void | Promise<void>,
): Promise<void> {
  await withTempDir(async (directory) => {
    const openOptions = { read: true, append: true, create: true };
    const first = denoFilePort.openSync(`${directory}/lock`, openOptions);
    const second = denoFilePort.openSync(`${directory}/lock`, openOptions);
    try {
      await use(first, second);
    } finally {
      first.close();
      second.close();
    }
  });
}

Deno.test("withLockSync() holds the lock during the body and gives it up, also after a throw", () =>
  withTwoHandles((first, second) => {
    const got = withLockSync(first, options(1000), () => {
      assertFalse(second.tryLockSync(true));
      return 7;
    });
    assertEquals(got, 7);
    const failing = () =>
      withLockSync(first, options(1000), () => {
        throw new RangeError("body");
      });
    assertThrows(failing, RangeError, "body");
    assert(second.tryLockSync(true));
  }));

Deno.test("withLockSteps() holds the lock during the body and gives it up, also after a throw", () =>
  withTwoHandles(async (first, second) => {
    const got = await runSteps(withLockSteps(first, options(1000), () => {
      assertFalse(second.tryLockSync(true));
      return 7;
    }));
    assertEquals(got, 7);
    const failing = () =>
      runSteps(withLockSteps(first, options(1000), () => {
        throw new RangeError("body");
      }));
    await assertRejects(failing, RangeError, "body");
    assert(second.tryLockSync(true));
  }));

Deno.test("withLockSteps() runs the body in the turn in which the lock is granted", () =>
  withTwoHandles(async (first) => {
    let inside = 0;
    const body = () => assertEquals(++inside, 1, "two bodies at once") ?? inside--;
    await Promise.all(
      Array.from({ length: 20 }, () => runSteps(withLockSteps(first, options(1000), body))),
    );
    assertEquals(inside, 0);
  }));

Deno.test("acquireLockSteps() waits without blocking until the lock is free (OLG-4)", () =>
  withTwoHandles(async (first, second) => {
    assert(second.tryLockSync(true));
    let granted = false;
    const waiting = acquireLock(first, options(60_000)).then(() => granted = true);
    await new Promise((resolve) => setTimeout(resolve));
    assertFalse(granted);
    second.unlockSync();
    await waiting;
    assertFalse(second.tryLockSync(true));
  }));

Deno.test("acquireLockSteps() give up at the deadline (OLG-4)", () =>
  withTwoHandles(async (first, second) => {
    assert(second.tryLockSync(true));
    const start = performance.now();
    assertThrows(() => acquireLockSync(first, options(20)), TimedOut);
    await assertRejects(() => acquireLock(first, options(20)), TimedOut);
    assert(performance.now() - start >= 40);
    second.unlockSync();
    assert(second.tryLockSync(true), "who gave up must hold nothing");
  }));

Deno.test("acquireLockSteps() with no time always fail, also for a free lock (OLG-4)", () =>
  withTwoHandles(async (first, second) => {
    for (const timeoutMs of [0, -1]) {
      assertThrows(() => acquireLockSync(first, options(timeoutMs)), TimedOut);
      await assertRejects(() => acquireLock(first, options(timeoutMs)), TimedOut);
    }
    assert(second.tryLockSync(true));
  }));

Deno.test("acquireLockSteps() lets sharers share, and keeps an exclusive one out", () =>
  withTwoHandles((first, second) => {
    acquireLockSync(first, options(1000, false));
    acquireLockSync(second, options(1000, false));
    first.unlockSync();
    assertThrows(() => acquireLockSync(first, options(5)), TimedOut);
    second.unlockSync();
    acquireLockSync(first, options(1000));
    assertThrows(() => acquireLockSync(second, options(5, false)), TimedOut);
  }));

Deno.test("withLockSync() keeps what the body did when unlocking fails", () =>
  withTempDir((directory) => {
    const port = new FaultPort();
    const file = port.openSync(`${directory}/lock`, { read: true, append: true, create: true });
    port.failAt(1, { only: ["unlockSync"] });
    assertEquals(withLockSync(file, options(1000), () => 7), 7);
    file.close();
  }));

Deno.test("pausesUntilDeadline() grows from 50 µs to 2 ms with jitter, so nobody starves (W-OMN-5)", () => {
  const pauses = pausesUntilDeadline(3_600_000);
  const firsts: number[] = [];
  for (let attempt = 0; attempt < 200; attempt++) {
    const pauseMs = pauses.next().value!;
    const ceiling = Math.min(2, 0.05 * 2 ** attempt);
    assert(pauseMs >= ceiling / 2 && pauseMs <= ceiling, `attempt ${attempt}: ${pauseMs} ms`);
    if (attempt > 10) firsts.push(pauseMs);
  }
  assert(new Set(firsts).size > firsts.length / 2, "the pauses have no jitter");
  assertEquals([...pausesUntilDeadline(0)], []);
});

Deno.test("a program that is started while a lock is held holds nothing of it", () =>
  withTempDir(async (directory) => {
    const open = () =>
      denoFilePort.openSync(`${directory}/lock`, { read: true, append: true, create: true });
    for (const exclusive of [true, false]) {
      const [holder, other] = [open(), open()];
      assert(holder.tryLockSync(exclusive));
      await using child = await startEcho();
      assertFalse(other.tryLockSync(true));
      // Without unlocking: the lock goes with the last handle of it.
      holder.close();
      assert(other.tryLockSync(true));
      other.close();
      await child.closeInput();
      await child.end();
    }
  }));
