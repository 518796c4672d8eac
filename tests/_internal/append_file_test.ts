import {
  assert,
  assertEquals,
  assertFalse,
  assertLess,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  type AppendFailure,
  AppendFile,
  type AppendFileOptions,
  type AppendRequest,
} from "../../_internal/append_file.ts";
import { denoFilePort, type FilePort, runSteps, runStepsSync } from "../../_internal/file_port.ts";
import { isWindows } from "../../_internal/path.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { appendTo, namesIn, readText, truncate, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";

class AppendError extends Error {
  constructor(readonly failure: AppendFailure) {
    super(failure.kind, { cause: failure.cause });
  }
}

function optionsFor(directory: string, port: FilePort = denoFilePort, lockTimeoutMs = 60_000) {
  return {
    port,
    path: `${directory}/log`,
    lockPath: `${directory}/lock`,
    lockTimeoutMs,
    toError: (failure: AppendFailure) => new AppendError(failure),
  };
}

function open(options: AppendFileOptions): Promise<AppendFile> {
  return runSteps(AppendFile.open(options));
}

function openSync(options: AppendFileOptions): AppendFile {
  return runStepsSync(AppendFile.open(options));
}

function line(text: string, options: Partial<AppendRequest> = {}): AppendRequest {
  return { lines: [text], onDisk: false, ...options };
}

/** Holds the lock as another process does, until the given function is called. */
function holdLock(directory: string): () => void {
  const path = `${directory}/${isWindows ? "lock" : "log"}`;
  const file = denoFilePort.openSync(path, { read: true, append: true });
  assert(file.tryLockSync(true));
  return () => file.close();
}

/** The kind of the failure, or the numbers that were given. */
function outcome(appending: Promise<{ firstSeq: number }>): Promise<number | string> {
  return appending.then(({ firstSeq }) => firstSeq, (error) => (error as Error).message);
}

Deno.test("AppendFile shares one write among all that wait, in call order", () =>
  withTempDir(async (directory) => {
    const port = new FaultPort();
    const file = await open(optionsFor(directory, port));
    port.reset();
    const seqs = await Promise.all(
      Array.from({ length: 64 }, (_, n) => file.append(line(`${n}`))),
    );
    assertEquals(seqs.map(({ firstSeq }) => firstSeq), Array.from({ length: 64 }, (_, n) => n + 1));
    assertEquals(port.count("writeSync"), 1);
    assertEquals(port.count("syncData", "syncDataSync"), 0);
    assertEquals(readText(`${directory}/log`).split("\n").length, 65);
    await file.close();
    assertEquals(port.openCount, 0);
  }));

Deno.test("AppendFile syncs a group once, and only for those who want it on disk", () =>
  withTempDir(async (directory) => {
    const port = new FaultPort();
    const file = await open(optionsFor(directory, port));
    port.reset();
    const order: string[] = [];
    await Promise.all([
      file.append(line("a", { onDisk: true })).then(() => order.push("a")),
      file.append(line("b")).then(() => order.push("b")),
      file.append(line("c", { onDisk: true })).then(() => order.push("c")),
    ]);
    assertEquals(port.count("writeSync"), 1);
    assertEquals(port.count("syncData"), 1);
    assertEquals(order[0], "b", "who wants no sync must not wait for it");
    await file.close();
  }));

Deno.test("AppendFile parts what is too much for one write, and loses nothing of it", () =>
  withTempDir(async (directory) => {
    const port = new FaultPort();
    const file = await open(optionsFor(directory, port));
    port.reset();
    const text = "x".repeat(1_500_000);
    const seqs = await Promise.all(Array.from({ length: 7 }, () => file.append(line(text))));
    assertEquals(seqs.map(({ lastSeq }) => lastSeq), [1, 2, 3, 4, 5, 6, 7]);
    assertEquals(port.count("writeSync"), 3);
    await file.close();
    assertEquals(readText(`${directory}/log`), `${text}\n`.repeat(7));
  }));

Deno.test("AppendFile refuses the 10,001st that waits, and takes more once some have their answer", () =>
  withTempDir(async (directory) => {
    const file = await open(optionsFor(directory));
    const appending = Array.from({ length: 10_000 }, (_, n) => file.append(line(`${n}`)));
    const error = await assertRejects(() => file.append(line("busy")), AppendError, "busy");
    assertEquals(error.failure.actual, 10_000);
    file.appendSync(line("sync is never busy"));
    await Promise.all(appending);
    assertEquals((await file.append(line("again"))).firstSeq, 10_002);
    await file.close();
    assertFalse(readText(`${directory}/log`).includes("\nbusy\n"));
  }));

Deno.test("AppendFile gives up waiting for the lock after its time, and each has its whole time", () =>
  withTempDir(async (directory) => {
    const file = await open(optionsFor(directory, denoFilePort, 60));
    const release = holdLock(directory);
    const start = performance.now();
    const first = outcome(file.append(line("a")));
    await new Promise((resolve) => setTimeout(resolve, 30));
    const secondStart = performance.now();
    const second = outcome(file.append(line("b")));
    assertEquals(await first, "lock-timeout");
    assert(performance.now() - start >= 60);
    assertEquals(await second, "lock-timeout");
    assert(performance.now() - secondStart >= 60, "the second had only what was left of the first");
    assertThrows(() => file.appendSync(line("c")), AppendError, "lock-timeout");
    release();
    assertEquals((await file.append(line("d"))).firstSeq, 1);
    await file.close();
  }));

Deno.test("AppendFile lets nobody wait twice because another gave up meanwhile", () =>
  withTempDir(async (directory) => {
    const port = new FaultPort();
    const file = await open(optionsFor(directory, port, 60));
    const release = holdLock(directory);
    const controller = new AbortController();
    const waiting = outcome(file.append(line("a")));
    const leaving = outcome(file.append(line("b"), controller.signal));
    await new Promise((resolve) => setTimeout(resolve));
    controller.abort(new Error("left"));
    assertEquals(await leaving, "left");
    const late = outcome(file.append(line("c")));
    assertEquals(await waiting, "lock-timeout");
    release();
    // The one who came later has time left, so that it is served by the next try.
    assertEquals(await late, 1);
    await file.close();
  }));

Deno.test("AppendFile makes an error of its module of a lock that cannot be asked for", () =>
  withTempDir(async (directory) => {
    const port = new FaultPort();
    const file = await open(optionsFor(directory, port));
    const noLocks = new Error("No locks available (os error 37)");
    port.failAt(1, { only: ["tryLockSync"], error: noLocks });
    const error = await assertRejects(() => file.append(line("a")), AppendError, "io");
    assertEquals(error.cause, noLocks);
    port.failAt(1, { only: ["tryLockSync"], error: noLocks });
    assertThrows(() => file.appendSync(line("b")), AppendError, "io");
    assertEquals((await file.append(line("c"))).firstSeq, 1);
    await file.close();
  }));

Deno.test("AppendFile acts on a signal before the write only", () =>
  withTempDir(async (directory) => {
    const file = await open(optionsFor(directory));
    const aborted = AbortSignal.abort(new Error("before"));
    assertEquals(await outcome(file.append(line("a"), aborted)), "before");

    const controller = new AbortController();
    const waiting = outcome(file.append(line("b"), controller.signal));
    const other = outcome(file.append(line("c")));
    controller.abort(new Error("while waiting"));
    assertEquals(await waiting, "while waiting");
    assertEquals(await other, 1);

    const late = new AbortController();
    const written = outcome(file.append(line("d", { onDisk: true }), late.signal));
    // One turn later the line is written, and its sync is under way.
    await Promise.resolve().then(() => {});
    late.abort(new Error("too late"));
    assertEquals(await written, 2);
    await file.close();
    assertEquals(readText(`${directory}/log`), "c\nd\n");
  }));

Deno.test("AppendFile keeps no listener on a signal when it has answered", () =>
  withTempDir(async (directory) => {
    const file = await open(optionsFor(directory));
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...parameters: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(signal, parameters);
    };
    signal.removeEventListener = (...parameters: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(signal, parameters);
    };
    await file.append(line("a"), signal);
    await outcome(file.append(line("b", { expectedLastSeq: 7 }), signal));
    assertEquals(listeners, 0);
    await file.close();
  }));

Deno.test("appendSync() of an AppendFile overtakes those who wait, and leaves their order", () =>
  withTempDir(async (directory) => {
    const file = await open(optionsFor(directory));
    const waiting = ["a", "b"].map((text) => file.append(line(text)));
    assertEquals(file.appendSync(line("sync")), { firstSeq: 1, lastSeq: 1 });
    assertEquals((await Promise.all(waiting)).map(({ firstSeq }) => firstSeq), [2, 3]);
    await file.close();
    assertEquals(readText(`${directory}/log`), "sync\na\nb\n");
  }));

Deno.test("AppendFile refuses to write when the file became shorter under it", () =>
  withTempDir(async (directory) => {
    const file = await open(optionsFor(directory));
    await file.append(line("one"));
    await file.append(line("two"));
    truncate(`${directory}/log`, 4);
    const error = await assertRejects(() => file.append(line("three")), AppendError, "rewound");
    assertEquals([error.failure.expected, error.failure.actual], [8, 4]);
    assertThrows(() => file.appendSync(line("three")), AppendError, "rewound");
    await file.close();
    assertEquals(readText(`${directory}/log`), "one\n");
  }));

Deno.test("AppendFile counts the lines of others once, then reads what they added only", () =>
  withTempDir(async (directory) => {
    const path = `${directory}/log`;
    write(path, "other\n".repeat(50_000));
    const port = new FaultPort();
    const file = openSync(optionsFor(directory, port));
    port.reset();
    assertEquals(file.appendSync(line("a")).firstSeq, 50_001);
    assertLess(port.bytesRead, 305_000);
    port.reset();
    assertEquals(file.appendSync(line("b")).firstSeq, 50_002);
    assertLess(port.bytesRead, 10, "nothing, or its own last line");
    port.reset();
    appendTo(path, "other\nother\n");
    assertEquals(file.appendSync(line("c")).firstSeq, 50_005);
    assertEquals(port.bytesRead, "b\n".length + 12, "its own last line, and theirs");
    await file.close();
  }));

Deno.test("AppendFile trusts no sync that succeeded while another one failed", () =>
  withTempDir(async (directory) => {
    const root = `${directory}/root`;
    await Deno.mkdir(root);
    write(`${root}/log`, "");
    const port = new FaultPort({ root });
    const file = openSync(optionsFor(root, port));
    port.failAt(2, { only: ["syncData"] });
    const appending = outcome(file.append(line("lost", { onDisk: true })));
    // The line is written and its sync has begun; a second one begins, and is told of the failure.
    while (port.count("syncData") === 0) await Promise.resolve();
    const syncing = assertRejects(() => file.sync(), AppendError, "sync");
    assertEquals(await appending, "sync");
    await syncing;
    port.crashImage(`${directory}/image`, 0);
    assertFalse(readText(`${directory}/image/log`).includes("lost"));
    await file.close();
  }));

Deno.test("AppendFile answers nobody when it was cut while the sync was under way", () =>
  withTempDir(async (directory) => {
    const port = new FaultPort({ root: directory });
    const file = openSync(optionsFor(directory, port));
    const appending = outcome(file.append(line("cut", { onDisk: true })));
    while (port.count("syncData") === 0) await Promise.resolve();
    const syncing = assertRejects(() => file.sync(), AppendError, "rewound");
    truncate(`${directory}/log`, 0);
    assertThrows(() => file.appendSync(line("after")), AppendError, "rewound");
    assertEquals(await appending, "rewound");
    await syncing;
    await file.close();
    assertEquals(readText(`${directory}/log`), "");
  }));

Deno.test("AppendFile cannot vouch for lines that are written when nobody can look for them", () =>
  withTempDir(async (directory) => {
    const port = new FaultPort({ root: directory });
    for (const form of ["append", "appendSync"] as const) {
      const file = openSync(optionsFor(directory, port));
      port.failAt(1, { only: ["lstatSync"] });
      const append = async () => await file[form](line(form, { onDisk: true }));
      await assertRejects(append, AppendError, "sync");
      await assertRejects(append, AppendError, "sync");
      await file.close();
    }
    assertEquals(readText(`${directory}/log`), "append\nappendSync\n");
  }));

/** A file system on which nobody can read what another handle has locked, as on some network drives. */
function portWithMandatoryLocks(): FilePort {
  const locked = new Map<string, object>();
  return {
    ...denoFilePort,
    openSync: (path, options) => {
      const file = denoFilePort.openSync(path, options);
      const { readSync, tryLockSync, unlockSync } = file;
      file.readSync = (buffer) => {
        const holder = locked.get(path);
        if (holder !== undefined && holder !== file) {
          throw new Deno.errors.PermissionDenied("Permission denied (os error 13)");
        }
        return readSync.call(file, buffer);
      };
      file.tryLockSync = (exclusive) => {
        const isGranted = tryLockSync.call(file, exclusive);
        if (isGranted && exclusive) locked.set(path, file);
        return isGranted;
      };
      file.unlockSync = () => {
        locked.delete(path);
        unlockSync.call(file);
      };
      return file;
    },
  };
}

Deno.test("AppendFile locks a file beside where the lock of its own would keep readers out", () =>
  withTempDir(async (directory) => {
    const port = portWithMandatoryLocks();
    write(`${directory}/log`, "one\n");
    const file = await open(optionsFor(directory, port, 60));
    const other = await open(optionsFor(directory, port, 60));
    assertEquals((await file.append(line("two"))).firstSeq, 2);
    assertEquals(other.appendSync(line("three")).firstSeq, 3);

    const log = port.openSync(`${directory}/log`, { read: true, append: true });
    assert(log.tryLockSync(true), "nobody holds the lock of the log");
    log.unlockSync();
    const beside = port.openSync(`${directory}/lock`, { read: true, append: true });
    assert(beside.tryLockSync(true));
    await assertRejects(() => file.append(line("four")), AppendError, "lock-timeout");
    beside.unlockSync();
    assertEquals((await file.append(line("four"))).firstSeq, 4);
    for (const opened of [log, beside]) opened.close();
    await file.close();
    await other.close();
    assertEquals(readText(`${directory}/log`), "one\ntwo\nthree\nfour\n");
  }));

Deno.test("AppendFile makes no file beside where locks are for those alone who ask for them", {
  ignore: isWindows,
}, () =>
  withTempDir(async (directory) => {
    const file = await open(optionsFor(directory));
    await file.append(line("one"));
    await file.close();
    assertEquals(namesIn(directory), ["log"]);
  }));

Deno.test("AppendFile opens the file that is there when it is granted the lock", {
  ignore: isWindows,
}, () =>
  withTempDir(async (directory) => {
    write(`${directory}/log`, "old\n");
    const release = holdLock(directory);
    const opening = open(optionsFor(directory));
    await Deno.rename(`${directory}/log`, `${directory}/old`);
    write(`${directory}/log`, "new\n");
    release();
    const file = await opening;
    assertEquals((await file.append(line("mine"))).firstSeq, 2);
    await file.close();
    assertEquals(readText(`${directory}/log`), "new\nmine\n");
    assertEquals(readText(`${directory}/old`), "old\n");
  }));
