import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import type { FileHandle, FilePort } from "../../_internal/file_port.ts";
import { FaultPort } from "./fault_port.ts";
import { describeCall, diskFullError, PowerCut } from "./fault_script.ts";
import { withTempDir } from "./temp.ts";

const encoder = new TextEncoder();
const APPEND = { read: true, append: true, create: true, mode: 0o600 };

function names(port: FaultPort): string[] {
  return port.calls.map((call) => call.name);
}

function namesIn(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name);
}

function textOf(path: string): string {
  return Deno.readTextFileSync(path);
}

/** A port on `<directory>/root`, and that root. */
function portIn(directory: string): { port: FaultPort; root: string } {
  const root = `${directory}/root`;
  Deno.mkdirSync(root);
  return { port: new FaultPort({ root }), root };
}

/** One file opened through a fresh port. */
async function withFile(
  use: (port: FaultPort, file: FileHandle, root: string) => void | Promise<void>,
): Promise<void> {
  await withTempDir(async (directory) => {
    const { port, root } = portIn(directory);
    const file = port.openSync(`${root}/log`, APPEND);
    port.reset();
    await use(port, file, root);
    port.closeAll();
    assertEquals(port.openCount, 0);
  });
}

Deno.test("FaultPort does and records every call in order", async () => {
  await withTempDir(async (directory) => {
    const { port, root } = portIn(directory);
    port.mkdirSync(`${root}/runs`, { mode: 0o700, recursive: false });
    const file = port.openSync(`${root}/runs/log`, APPEND);
    assertEquals(file.tryLockSync(true), true);
    assertEquals(file.writeSync(encoder.encode("hello\n")), 6);
    file.unlockSync();
    file.syncDataSync();
    await file.syncData();
    file.syncSync();
    await file.sync();
    assertEquals(file.seekSync(2, Deno.SeekMode.Start), 2);
    assertEquals(file.readSync(new Uint8Array(3)), 3);
    assertEquals(await file.read(new Uint8Array(100)), 1);
    assertEquals(await file.read(new Uint8Array(100)), null);
    file.truncateSync(5);
    file.close();
    port.chmodSync(`${root}/runs/log`, 0o640);
    port.renameSync(`${root}/runs/log`, `${root}/runs/kept`);
    assertEquals(port.lstatSync(`${root}/runs/kept`).size, 5);
    assertEquals([...port.readDirSync(`${root}/runs`)].map(({ name }) => name), ["kept"]);
    port.removeSync(`${root}/runs/kept`);
    assertEquals(namesIn(`${root}/runs`), []);
    assertEquals(
      names(port).join(" "),
      "mkdirSync openSync tryLockSync writeSync unlockSync syncDataSync syncData syncSync sync " +
        "seekSync readSync read read truncateSync close chmodSync renameSync lstatSync " +
        "readDirSync removeSync",
    );
    const path = `${root}/runs/log`;
    assertEquals(port.calls[3], { n: 4, name: "writeSync", path, bytes: 6 });
    assertEquals(port.calls[16], { n: 17, name: "renameSync", path, to: `${root}/runs/kept` });
  });
});

Deno.test("FaultPort counts calls and bytes until it is reset", async () => {
  await withFile((port, file) => {
    file.writeSync(encoder.encode("12345"));
    file.writeSync(encoder.encode("678"));
    file.seekSync(0, Deno.SeekMode.Start);
    file.readSync(new Uint8Array(100));
    assertEquals(port.count(), 4);
    assertEquals(port.count("writeSync"), 2);
    assertEquals(port.count("writeSync", "readSync"), 3);
    assertEquals([port.bytesWritten, port.bytesRead], [8, 8]);
    port.reset();
    assertEquals([port.count(), port.bytesWritten, port.bytesRead], [0, 0, 0]);
    file.seekSync(0, Deno.SeekMode.End);
    assertEquals(port.calls[0]?.n, 1);
  });
});

Deno.test("FaultPort.failAt() throws what a full disk throws, and does nothing", async () => {
  await withFile((port, file, root) => {
    port.failAt(2);
    file.writeSync(encoder.encode("one\n"));
    const error = assertThrows(() => file.writeSync(encoder.encode("two\n")), Error, "os error 28");
    assertEquals((error as Error & { code: string }).code, "ENOSPC");
    assertEquals(port.faulted?.n, 2);
    assertEquals(port.bytesWritten, 4);
    file.writeSync(encoder.encode("three\n"));
    assertEquals(textOf(`${root}/log`), "one\nthree\n");
  });
});

Deno.test("diskFullError() is what Deno throws on a full disk", { ignore: isNotLinux() }, () => {
  using full = Deno.openSync("/dev/full", { write: true });
  const real = assertThrows(() => full.writeSync(new Uint8Array(1)), Error) as Error;
  const ours = diskFullError();
  assertEquals([real.name, real.message], [ours.name, ours.message]);
  assertEquals(Object.entries(real), Object.entries(ours));
});

function isNotLinux(): boolean {
  return Deno.build.os !== "linux";
}

Deno.test("FaultPort.failAt() counts named calls, and later ones if asked", async () => {
  await withFile(async (port, file) => {
    const error = new Error("Input/output error (os error 5)");
    port.failAt(2, { only: ["writeSync", "syncData"], error, andLater: true });
    file.writeSync(encoder.encode("one\n"));
    file.seekSync(0, Deno.SeekMode.End);
    assertStrictEquals(await assertRejects(() => file.syncData()), error);
    assertStrictEquals(assertThrows(() => file.writeSync(encoder.encode("two\n"))), error);
    file.syncDataSync();
    assertThrows(() => port.failAt(0), RangeError, "Cannot count to 0");
  });
});

Deno.test("FaultPort.failWhen() asks about every call", async () => {
  await withFile((port, file, root) => {
    const error = new Deno.errors.PermissionDenied("no");
    port.failWhen(({ name, path }) =>
      name === "openSync" && path.endsWith(".tmp") ? error : undefined
    );
    assertStrictEquals(assertThrows(() => port.openSync(`${root}/a.tmp`, APPEND)), error);
    assertEquals(namesIn(root), ["log"]);
    file.writeSync(encoder.encode("one\n"));
  });
});

Deno.test("FaultPort.shortWriteAt() writes less and returns it", async () => {
  await withFile((port, file, root) => {
    port.shortWriteAt(2, 3);
    assertEquals(file.writeSync(encoder.encode("first\n")), 6);
    assertEquals(file.writeSync(encoder.encode("second\n")), 3);
    assertEquals(port.faulted?.bytes, 3);
    assertEquals(file.writeSync(encoder.encode("third\n")), 6);
    assertEquals(textOf(`${root}/log`), "first\nsecthird\n");
  });
});

Deno.test("FaultPort.shortWriteAt() lets the disk stay full if asked", async () => {
  await withFile((port, file, root) => {
    port.shortWriteAt(1, 2, { thenFail: true });
    assertEquals(file.writeSync(encoder.encode("first\n")), 2);
    assertThrows(() => file.writeSync(encoder.encode("rst\n")), Error, "No space left");
    assertThrows(() => file.writeSync(encoder.encode("rst\n")), Error, "No space left");
    assertEquals(textOf(`${root}/log`), "fi");
    port.reset();
    assertEquals(file.writeSync(encoder.encode("rst\n")), 4);
  });
});

Deno.test("FaultPort.cutAt() ends everything after the n-th call", async () => {
  await withTempDir(async (directory) => {
    const { port, root } = portIn(directory);
    const file = port.openSync(`${root}/log`, APPEND);
    port.cutAt(2, { only: ["writeSync"] });
    file.writeSync(encoder.encode("one\n"));
    file.syncDataSync();
    file.writeSync(encoder.encode("two\n"));
    assertEquals([port.isCut, port.isCutNoticed], [true, false]);
    assertThrows(() => file.writeSync(encoder.encode("three\n")), PowerCut, "call 4 (writeSync");
    assert(port.isCutNoticed);
    assertThrows(() => port.lstatSync(root), PowerCut);
    await assertRejects(() => file.syncData(), PowerCut);
    file.unlockSync();
    file.close();
    file.close();
    assertEquals(port.openCount, 0);
    assertEquals(port.count(), 4, "calls after the cut are not made");
    assertEquals(textOf(`${root}/log`), "one\ntwo\n");
  });
});

Deno.test("FaultPort rejects a sync that is under way when the power is cut", async () => {
  await withTempDir(async (directory) => {
    const root = `${directory}/root`;
    await Deno.mkdir(root);
    await Deno.writeTextFile(`${root}/log`, "old\n");
    const port = new FaultPort({ root });
    const file = port.openSync(`${root}/log`, APPEND);
    file.writeSync(encoder.encode("new\n"));
    port.cutAt(2);
    const sync = file.syncData();
    file.seekSync(0, Deno.SeekMode.End);
    await assertRejects(() => sync, PowerCut);
    file.close();
    assertThrows(() => file.syncDataSync(), PowerCut);
    for (const [seed, text] of ["old\n", "old\nnew\n", "old\n\0\0\0\0"].entries()) {
      port.crashImage(`${directory}/image-${seed}`, seed);
      assertEquals(textOf(`${directory}/image-${seed}/log`), text);
    }
  });
});

Deno.test("FaultPort lets real errors through as they are", async () => {
  await withTempDir((directory) => {
    const { port, root } = portIn(directory);
    const plain: Partial<FilePort> = { openSync: Deno.openSync };
    const path = `${root}/no/such/file`;
    const expected = assertThrows(() => plain.openSync?.(path, { read: true }), Error) as Error;
    const actual = assertThrows(() => port.openSync(path, { read: true }), Error) as Error;
    assertEquals([actual.name, actual.message], [expected.name, expected.message]);
    assertThrows(() => port.removeSync(path), Deno.errors.NotFound);
    assertThrows(() => port.renameSync(path, `${root}/x`), Deno.errors.NotFound);
    assertThrows(
      () => port.mkdirSync(path, { mode: 0o700, recursive: false }),
      Deno.errors.NotFound,
    );
    const file = port.openSync(`${root}/log`, APPEND);
    file.close();
    assertThrows(() => file.close(), Deno.errors.BadResource);
    assertThrows(() => new FaultPort().crashImage(`${directory}/image`, 0), TypeError, "root");
  });
});

Deno.test("describeCall() says what was called on what", () => {
  const write = { n: 7, name: "writeSync", path: "/root/runs/log", bytes: 12 } as const;
  assertEquals(describeCall(write, "/root"), "call 7 (writeSync ./runs/log, 12 bytes)");
  const rename = { n: 8, name: "renameSync", path: "/root/a", to: "/root/b" } as const;
  assertEquals(describeCall(rename, "/root"), "call 8 (renameSync ./a to ./b)");
});
