import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { denoFilePort, type FilePort } from "../../_internal/file_port.ts";
import {
  EventLogError,
  followRun,
  peekRun,
  readRun,
  readRunSync,
  verifyRun,
} from "../../eventlog/mod.ts";
import { readPageSync } from "../../eventlog/read_run.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { appendTo, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { type AnyEvent, bytesOf, pathOf, readAll, RUN_ID, writeRun } from "./_runs.ts";

/** What readers say of the end of a log, where a line may be torn, in flight, or still to come. */

const RUN = { runId: RUN_ID };

Deno.test("a last line that lacks its newline alone is said to be whole", () =>
  withTempDir(async (root) => {
    for (const tail of ['{"n":2}', '{"n":2}\r', '  {"n":2}']) {
      writeRun(root, '{"n":1}\n' + tail);
      const message = "the last line is whole, and only its newline is missing";
      assertEquals(readAll(root).gaps, [
        { seq: 2, reason: "torn", message, byteOffset: 8, byteLength: tail.length },
      ]);
      const { problems } = await verifyRun(root, RUN_ID);
      assertEquals(problems.map(({ kind, message }) => [kind, message]), [["torn", message]]);
    }
    for (
      const tail of ['{"n":2', '{"n":2}}', "[1]", "7", "garbage", '\uFEFF{"n":2}', '{"n":1e400}']
    ) {
      writeRun(root, '{"n":1}\n' + tail);
      const [gap] = readAll(root).gaps;
      assertEquals([gap?.seq, gap?.reason], [2, "torn"], tail);
      assertStringIncludes(gap!.message, "its writer was killed, or the disk was full", tail);
    }
  }));

Deno.test("strict reading takes a last whole line without its newline, and `next` stands before it (OLG-5)", () =>
  withTempDir(async (root) => {
    const path = writeRun(root, '{"n":1}\n{"n":2}');
    const pages = await Array.fromAsync(readRun<AnyEvent>(root, RUN_ID, { strict: true }));
    assertEquals(pages.flatMap(({ events }) => events), [
      { seq: 1, event: { n: 1 } },
      { seq: 2, event: { n: 2 } },
    ]);
    assertEquals(pages.map(({ hasMore }) => hasMore), [false, false]);
    appendTo(path, '\n{"n":3}\n');
    const { events } = readAll(root, { strict: true, after: pages.at(-1)!.next });
    assertEquals(events.map(({ seq }) => seq), [2, 3]);

    writeRun(root, '{"n":1}');
    assertEquals(readAll(root, { strict: true }).events, [{ seq: 1, event: { n: 1 } }]);
    for (const blank of ["", " ", "\r"]) {
      writeRun(root, '{"n":1}\n' + blank);
      assertEquals(readAll(root, { strict: true }).events.length, 1);
    }
    for (const bad of ['{"n":2', "[2]", "\0\0", '{"n":9007199254740993}']) {
      writeRun(root, '{"n":1}\n' + bad);
      const error = assertThrows(() => readAll(root, { strict: true }), EventLogError);
      assertEquals([error.kind, error.details.line], ["malformed", 2], bad);
    }
  }));

Deno.test("strict reading asks the schema about a last line without its newline too", () =>
  withTempDir((root) => {
    const validate = (value: unknown) => {
      const { n } = value as AnyEvent;
      return n === 2 ? { issues: [{ message: "two is bad" }] } : { value: { n: -(n as number) } };
    };
    const schema = { "~standard": { version: 1, vendor: "test", validate } } as const;
    writeRun(root, '{"n":1}\n{"n":3}');
    const { events } = readAll(root, { strict: true, schema });
    assertEquals(events.map(({ event }) => event.n), [-1, -3]);
    writeRun(root, '{"n":1}\n{"n":2}');
    assertThrows(() => readAll(root, { strict: true, schema }), EventLogError, "two is bad");
    assertEquals(readAll(root, { schema }).gaps[0]?.reason, "torn");
  }));

Deno.test("a tail is in flight while somebody holds the lock of the log itself", () =>
  withTempDir((root) => {
    const path = writeRun(root, '{"n":1}\n{"n":2}');
    const writer = denoFilePort.openSync(path, { read: true, append: true });
    for (const strict of [false, true]) {
      assert(writer.tryLockSync(true));
      const read = readAll(root, { strict });
      assertEquals([read.events.length, read.gaps], [1, []]);
      writer.unlockSync();
    }
    assertEquals(readAll(root).gaps[0]?.reason, "torn");
    // A reader leaves no lock behind.
    assert(writer.tryLockSync(true));
    writer.close();
  }));

Deno.test("readers share the lock: a tail that two look at is torn for both", () =>
  withTempDir((root) => {
    const path = writeRun(root, '{"n":1}\n{"n":');
    const other = denoFilePort.openSync(path, { read: true });
    assert(other.tryLockSync(false));
    assertEquals(readAll(root).gaps[0]?.reason, "torn");
    other.close();
  }));

Deno.test("a lock that cannot be opened is an error that says so, and not a torn line", () =>
  withTempDir((root) => {
    writeRun(root, '{"n":1}\n{"n":');
    const lock = pathOf(root, "events.lock");
    write(lock, "");
    const causes = ["Too many open files (os error 24)", "Permission denied (os error 13)"];
    for (const cause of causes) {
      const port = new FaultPort();
      // The first one is the log.
      port.failAt(2, { only: ["openSync"], error: new Error(cause) });
      const error = assertThrows(() => readPageSync(port, { root, ...RUN }, {}), EventLogError);
      assertEquals([error.kind, error.message], ["io", `I/O error on ${lock}: ${cause}`]);
      assertEquals(port.openCount, 0);
    }
    Deno.removeSync(lock);
    Deno.mkdirSync(lock);
    assertThrows(() => readAll(root), TypeError, "events.lock: it is a directory");
    // Nobody is asked where all lines have their ends.
    writeRun(root, '{"n":1}\n');
    assertEquals(readAll(root).events.length, 1);
  }));

Deno.test("where no descriptor is left, reading says so", {
  ignore: Deno.build.os === "windows",
}, () =>
  withTempDir(async (root) => {
    writeRun(root, '{"n":1}\n{"n":');
    write(pathOf(root, "events.lock"), "");
    const program = `
      import { readRunSync } from ${JSON.stringify(import.meta.resolve("../../eventlog/mod.ts"))};
      const read = () => [...readRunSync(Deno.args[0], "demo")].map(({ gaps }) => gaps.length);
      read();
      const open = [];
      try {
        for (;;) open.push(Deno.openSync(Deno.args[0]));
      } catch { /* None is left. */ }
      const said = [];
      for (let free = 0; free < 4; free++) {
        try {
          said.push(String(read()));
        } catch (error) {
          said.push(error.name + " " + error.kind + " " + error.message);
        }
        open.pop().close();
      }
      console.log(JSON.stringify(said));
    `;
    const script = 'ulimit -n 100; exec "$@"';
    const args = ["-c", script, "sh", Deno.execPath(), "run", "-A", "--no-check", "--ext=ts", "-"];
    const config = new URL("../../deno.json", import.meta.url).pathname;
    args.splice(6, 0, `--config=${config}`);
    const child = new Deno.Command("sh", {
      args: [...args, root],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const input = child.stdin.getWriter();
    await input.write(new TextEncoder().encode(program));
    await input.close();
    const { stdout, stderr } = await child.output();
    const said: string[] = JSON.parse(new TextDecoder().decode(stdout) || "null") ?? [];
    assertEquals(said.length, 4, new TextDecoder().decode(stderr));
    for (const words of said) {
      const isClear = words.startsWith("EventLogError io I/O error on ") &&
        words.includes("Too many open files");
      assert(isClear || words === "0,1", words);
    }
    assert(said[0]!.startsWith("EventLogError io"), said[0]);
  }));

Deno.test({
  name: "a named pipe in place of the log or of its lock is an error at once, for every reader",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (root) => {
      const uses: Record<string, () => unknown> = {
        readRun: () => Array.fromAsync(readRun(root, RUN_ID)),
        readRunSync: () => Array.from(readRunSync(root, RUN_ID)),
        followRun: () => followRun(root, RUN_ID).next(),
        peekRun: () => peekRun(root, RUN_ID),
        verifyRun: () => verifyRun(root, RUN_ID),
      };
      const path = writeRun(root, '{"n":1}\n{"n":');
      const pipe = (at: string) => new Deno.Command("mkfifo", { args: [at] }).outputSync();
      pipe(pathOf(root, "events.lock"));
      for (const name of ["readRun", "readRunSync", "verifyRun"]) {
        const error = await Promise.try(uses[name]!).catch((error) => error);
        assert(error instanceof TypeError, name);
        assertStringIncludes(error.message, "events.lock: it is a named pipe", name);
      }
      await Deno.remove(path);
      pipe(path);
      for (const [name, use] of Object.entries(uses)) {
        const error = await Promise.try(use).catch((error) => error);
        assert(error instanceof TypeError, name);
        assertStringIncludes(error.message, "events.jsonl: it is a named pipe", name);
      }
    }),
});

/** A file that others append a line to whenever it is read from. */
function portThatGrows(path: string, line: string): FilePort {
  return {
    ...denoFilePort,
    openSync: (opened, options) => {
      const file = denoFilePort.openSync(opened, options);
      const readSync = file.readSync.bind(file);
      file.readSync = (buffer) => {
        appendTo(path, line);
        return readSync(buffer);
      };
      return file;
    },
  };
}

Deno.test("readRun() ends where the log ended when it began, however fast it grows", () =>
  withTempDir(async (root) => {
    const line = JSON.stringify({ text: "x".repeat(1000) }) + "\n";
    const path = writeRun(root, line.repeat(1000));
    const before = (await Deno.stat(path)).size;
    let lines = 0;
    let next = "";
    for await (const page of readRun(root, RUN_ID)) {
      // Twice as much as was read.
      appendTo(path, line.repeat(page.events.length * 2));
      lines += page.events.length;
      next = page.next;
    }
    assertEquals(lines, 1000);
    assertEquals(
      [...readRunSync(root, RUN_ID, { after: next })].flatMap(({ events }) => events).length,
      (await Deno.stat(path)).size / line.length - before / line.length,
    );

    // A line that was in flight then is for the next time, though it is whole by now.
    writeRun(root, '{"n":1}\n{"n":2');
    const pages = readRunSync<AnyEvent>(root, RUN_ID);
    const first = pages.next().value!;
    appendTo(path, "}\n");
    assertEquals(first.events.length, 1);
    assertEquals([...pages], []);
    assertEquals(readAll(root, { after: first.next }).events, [{ seq: 2, event: { n: 2 } }]);
  }));

Deno.test("read() of a page beside a file that grows at every read ends too", () =>
  withTempDir((root) => {
    const path = writeRun(root, '{"n":1}\n'.repeat(10));
    const port = portThatGrows(path, '{"n":2}\n');
    const page = readPageSync<AnyEvent>(port, { root, ...RUN }, { limit: 5 });
    assertEquals([page.events.length, page.hasMore], [5, true]);
  }));

Deno.test("a line of 200 MiB in flight takes no more memory than a line may be long", () =>
  withTempDir(async (root) => {
    const path = writeRun(root, '{"n":1}\n');
    let longest = 0;
    const port: FilePort = {
      ...denoFilePort,
      openSync: (opened, options) => {
        const file = denoFilePort.openSync(opened, options);
        const readSync = file.readSync.bind(file);
        file.readSync = (buffer) => {
          longest = Math.max(longest, buffer.length);
          return readSync(buffer);
        };
        return file;
      },
    };
    const writer = denoFilePort.openSync(path, { read: true, append: true });
    assert(writer.tryLockSync(true));
    const part = bytesOf('{"text":"', new Uint8Array(20 * 1024 * 1024).fill(120));
    for (let written = 0; written < 10; written++) {
      writer.writeSync(written === 0 ? part : part.subarray(9));
      const page = readPageSync<AnyEvent>(port, { root, ...RUN }, {});
      assertEquals([page.events.length, page.gaps, page.hasMore], [1, [], false]);
    }
    writer.unlockSync();
    const torn = readPageSync<AnyEvent>(port, { root, ...RUN }, {}).gaps;
    assertEquals(torn.map(({ reason, byteLength }) => [reason, byteLength]), [
      ["torn", 9 + 200 * 1024 * 1024],
    ]);
    writer.writeSync(bytesOf('"}\n{"n":3}\n'));
    writer.close();
    const { events, gaps } = readPageSync<AnyEvent>(port, { root, ...RUN }, {});
    assertEquals(events.map(({ seq }) => seq), [1, 3]);
    assertEquals(gaps.map(({ seq, reason }) => [seq, reason]), [[2, "too-long"]]);
    const followed: number[] = [];
    for await (const { seq } of followRun(root, RUN_ID)) if (followed.push(seq) === 3) break;
    assertEquals(followed, [1, 2, 3]);
    assert(longest <= 16 * 1024 * 1024 + 1, `${longest}`);
  }));
