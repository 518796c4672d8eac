import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { denoFilePort, type FilePort } from "../../_internal/file_port.ts";
import { VERSION } from "../../_internal/version.ts";
import { CaptureJournalError, openCaptureJournal } from "../../capture/mod.ts";
import {
  DEFAULT_LOCK_TIMEOUT_MS,
  EventLogError,
  isLive,
  newRunId,
  openEventLog,
  openEventLogSync,
  peekRun,
  readRun,
  readRunSync,
  removeRun,
  repairRun,
  runExists,
  verifyRun,
} from "../../eventlog/mod.ts";
import { openOnPort } from "../../eventlog/open_event_log.ts";
import { appendTo, isThere, modeOf, namesIn, readText, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { type AnyEvent, eventsOf, openLog, pathOf, readAll, RUN_ID, writeRun } from "./_runs.ts";

const isWindows = Deno.build.os === "windows";

Deno.test("openEventLog() makes the run's folder with an empty log, for the owner alone (OLG-2)", () =>
  withTempDir(async (directory) => {
    const root = `${directory}/not/there`;
    await using log = await openLog(root);
    assertEquals(log.path, pathOf(root));
    assertEquals(log.runId, RUN_ID);
    assertEquals(log.recovery, { completed: false });
    assertEquals(readText(log.path), "");
    const beside = isWindows ? ["events.lock"] : [];
    const names = ["events.jsonl", ...beside, "live.lock", "run.json"];
    assertEquals(namesIn(`${root}/runs/${RUN_ID}`), names);
    if (isWindows) return;
    for (const name of names) assertEquals(modeOf(pathOf(root, name)), 0o600, name);
    for (const path of ["", "/runs", `/runs/${RUN_ID}`]) assertEquals(modeOf(root + path), 0o700);
    assertEquals(modeOf(`${directory}/not`), 0o700);
  }));

Deno.test("openEventLog() writes run.json once, with format 1", () =>
  withTempDir(async (root) => {
    const before = new Date().toISOString();
    const runId = await newRunId({ root, name: "night-ly" });
    await (await openEventLog({ root, runId })).close();
    const text = readText(pathOf(root, "run.json", runId));
    const file = JSON.parse(text);
    assertEquals(Object.keys(file), ["format", "name", "created_at", "taffrail_version", "cwd"]);
    assertEquals([file.format, file.name, file.cwd], [1, "night-ly", Deno.cwd()]);
    assertEquals(file.taffrail_version, VERSION);
    assert(file.created_at >= before && file.created_at <= new Date().toISOString());
    assertEquals(text, JSON.stringify(file, null, 2) + "\n");
    await (await openEventLog({ root, runId })).close();
    assertEquals(readText(pathOf(root, "run.json", runId)), text);
  }));

Deno.test("openEventLog() names a run without a ULID by its whole id", () =>
  withTempDir(async (root) => {
    const ids = {
      "plain": "plain",
      "a-01kpfntqeej7vhn935kc0tm9vN": "a-01kpfntqeej7vhn935kc0tm9vN",
    };
    for (const [runId, name] of Object.entries(ids)) {
      await (await openEventLog({ root, runId })).close();
      assertEquals(JSON.parse(readText(pathOf(root, "run.json", runId))).name, name);
    }
  }));

Deno.test("openEventLog() opens a run without run.json as format 1, and writes none", () =>
  withTempDir(async (root) => {
    writeRun(root, '{"n":1}\n');
    await using log = await openLog(root);
    assertEquals(await log.append({ n: 2 }), { firstSeq: 2, lastSeq: 2 });
    assert(!isThere(pathOf(root, "run.json")));
  }));

Deno.test("a run of a higher format is refused by all, politely, and never written to", () =>
  withTempDir(async (root) => {
    writeRun(root, '{"n":1}\n{"torn":');
    write(pathOf(root, "run.json"), '{"format":2,"later":true}');
    const opening = () => openLog(root);
    const error = await assertRejects(opening, EventLogError, "it has format 2");
    assertEquals([error.kind, error.details.expected, error.details.actual], ["format", 1, 2]);
    assertThrows(() => openEventLogSync({ root, runId: RUN_ID }), EventLogError, "newer version");
    assertThrows(() => readAll(root), EventLogError, "newer version");
    assertEquals(namesIn(`${root}/runs/${RUN_ID}`), ["events.jsonl", "run.json"]);
    assertEquals(readText(pathOf(root)), '{"n":1}\n{"torn":');
    assert(await runExists(root, RUN_ID));
  }));

Deno.test("a byte order mark in front of run.json does no harm", () =>
  withTempDir(async (root) => {
    writeRun(root, '{"n":1}\n');
    write(pathOf(root, "run.json"), '\uFEFF{"format":1}');
    await (await openLog(root)).close();
    assertEquals(readAll(root).events.length, 1);
    write(pathOf(root, "run.json"), '\uFEFF\uFEFF{"format":1}');
    await assertRejects(() => openLog(root), EventLogError, "move it away");
  }));

Deno.test("a directory in place of a run's file is refused", () =>
  withTempDir(async (root) => {
    for (const name of ["run.json", "events.jsonl"]) {
      const directory = writeRun(root, '{"n":1}\n').replace("/events.jsonl", "");
      await Deno.remove(`${directory}/${name}`).catch(() => {});
      await Deno.mkdir(`${directory}/${name}`);
      const uses: Record<string, () => unknown> = {
        openEventLog: () => openLog(root),
        openEventLogSync: () => openEventLogSync({ root, runId: RUN_ID }),
        readRun: () => Array.fromAsync(readRun(root, RUN_ID)),
        readRunSync: () => Array.from(readRunSync(root, RUN_ID)),
        afterEnd: () => Array.from(readRunSync(root, RUN_ID, { after: "end" })),
        afterSeq: () => Array.from(readRunSync(root, RUN_ID, { after: 1 })),
        afterCursor: () => Array.from(readRunSync(root, RUN_ID, { after: "1-8-0" })),
        peekRun: () => peekRun(root, RUN_ID),
        verifyRun: () => verifyRun(root, RUN_ID),
        repairRun: () => repairRun(root, RUN_ID),
      };
      for (const [use, body] of Object.entries(uses)) {
        const error = await assertRejects(async () => await body(), Error);
        if (error instanceof EventLogError) assertEquals([use, error.kind], [use, "io"]);
        else assertStringIncludes(error.message, "it is a directory, not a regular file", use);
      }
      await Deno.remove(directory, { recursive: true });
    }
  }));

Deno.test("a damaged run.json is refused with the remedy, which works", () =>
  withTempDir(async (root) => {
    const damaged = {
      "it is empty": ["", " \n"],
      "it is not JSON": ["{", "\0\0", "\xff", "{'format':1}"],
      "it names no format": [
        "null",
        "[]",
        "{}",
        '{"format":"1"}',
        '{"format":0}',
        '{"format":1.5}',
      ],
    };
    for (
      const [reason, text] of Object.entries(damaged).flatMap(([r, ts]) =>
        ts.map((t) => [r, t] as const)
      )
    ) {
      writeRun(root, '{"n":1}\n');
      write(pathOf(root, "run.json"), text);
      const error = await assertRejects(() => openLog(root), EventLogError, "move it away", text);
      assertStringIncludes(error.message, `: ${reason}; `);
      assertEquals([error.kind, error.details.path], ["format", pathOf(root, "run.json")]);
      assertEquals(readText(pathOf(root)), '{"n":1}\n');
      await Deno.remove(pathOf(root, "run.json"));
      await (await openLog(root)).close();
    }
  }));

Deno.test("openEventLog() refuses an id that differs from an existing one only in case", () =>
  withTempDir(async (root) => {
    await (await openEventLog({ root, runId: "Nightly" })).close();
    for (const runId of ["nightly", "NIGHTLY"]) {
      const opening = async () => await openEventLog({ root, runId });
      await assertRejects(opening, TypeError, 'differs from "Nightly" only in case');
    }
    assertEquals(namesIn(`${root}/runs`), ["Nightly"]);
    await (await openEventLog({ root, runId: "Nightly" })).close();
  }));

Deno.test("opening a new run of newRunId() looks at no other run", () =>
  withTempDir(async (root) => {
    const looked: string[] = [];
    const port: FilePort = {
      ...denoFilePort,
      readDirSync: (path) => {
        looked.push(path);
        return denoFilePort.readDirSync(path);
      },
    };
    const runId = await newRunId({ root, name: "Night" });
    await (await openOnPort(port, { root, runId })).close();
    assertEquals(looked, [`${root}/runs/${runId}`]);
    // Any other id could differ from an existing one only in case.
    await (await openOnPort(port, { root, runId: "plain" })).close();
    assertEquals(looked.filter((path) => path === `${root}/runs`).length, 1);
  }));

Deno.test("an id that was made here may differ only in case from none either", () =>
  withTempDir(async (root) => {
    const runId = await newRunId({ root, name: "build" });
    const other = runId.replace("build", "Build");
    await (await openEventLog({ root, runId })).close();
    const opening = async () => await openEventLog({ root, runId: other });
    await assertRejects(opening, TypeError, `differs from "${runId}" only in case`);
    assertEquals(namesIn(`${root}/runs`), [runId]);

    // Whoever has opened the other one first has used up the ULID.
    const second = await newRunId({ root, name: "build" });
    const secondOther = second.replace("build", "Build");
    await (await openEventLog({ root, runId: secondOther })).close();
    const openingSecond = async () => await openEventLog({ root, runId: second });
    await assertRejects(openingSecond, TypeError, `differs from "${secondOther}" only in case`);

    // A run that was removed may have been made anew in other letters by now.
    await removeRun(root, runId);
    await Deno.mkdir(`${root}/runs/${other}`);
    const openingAgain = async () => await openEventLog({ root, runId });
    await assertRejects(openingAgain, TypeError, `differs from "${other}" only in case`);
  }));

/** A file system that ignores case, as on macOS and Windows. */
function caseIgnoringPort(root: string): FilePort {
  const real = (path: string) => root + path.slice(root.length).toLowerCase();
  return {
    ...denoFilePort,
    openSync: (path, options) => denoFilePort.openSync(real(path), options),
    mkdirSync: (path, options) => denoFilePort.mkdirSync(real(path), options),
    lstatSync: (path) => denoFilePort.lstatSync(real(path)),
    readDirSync: (path) => denoFilePort.readDirSync(real(path)),
    renameSync: (from, to) => denoFilePort.renameSync(real(from), real(to)),
    chmodSync: (path, mode) => denoFilePort.chmodSync(real(path), mode),
    removeSync: (path, options) => denoFilePort.removeSync(real(path), options),
  };
}

Deno.test("openEventLog() refuses such an id also where the file system ignores case", () =>
  withTempDir(async (root) => {
    const port = caseIgnoringPort(root);
    await (await openOnPort(port, { root, runId: "nightly" })).close();
    const opening = async () => await openOnPort(port, { root, runId: "Nightly" });
    await assertRejects(opening, TypeError, 'differs from "nightly" only in case');
    await (await openOnPort(port, { root, runId: "nightly" })).close();
    await (await openOnPort(port, { root, runId: "1-2" })).close();
    await (await openOnPort(port, { root, runId: "1-2" })).close();
  }));

Deno.test("openEventLog() follows no link that could lead out of the root (W-OMN-8)", {
  ignore: isWindows,
}, () =>
  withTempDir(async (directory) => {
    const outside = `${directory}/outside`;
    write(outside, "precious");
    for (const name of ["events.jsonl", "events.lock", "live.lock", "run.json"]) {
      const root = `${directory}/${name}`;
      writeRun(root, "");
      if (isThere(pathOf(root, name))) await Deno.remove(pathOf(root, name));
      await Deno.symlink(outside, pathOf(root, name));
      await assertRejects(() => openLog(root), TypeError, "it is a symbolic link", name);
    }
    assertEquals(readText(outside), "precious");
  }));

Deno.test("openEventLog() refuses a run's folder, or the folder of runs, that is a link", {
  ignore: isWindows,
}, () =>
  withTempDir(async (directory) => {
    await Deno.mkdir(`${directory}/outside`);
    await Deno.mkdir(`${directory}/a/runs`, { recursive: true });
    await Deno.symlink(`${directory}/outside`, `${directory}/a/runs/${RUN_ID}`);
    await assertRejects(() => openLog(`${directory}/a`), TypeError, "it is a symbolic link");
    assertThrows(() => readAll(`${directory}/a`), TypeError, "it is a symbolic link");
    await Deno.mkdir(`${directory}/b`);
    await Deno.symlink(`${directory}/outside`, `${directory}/b/runs`);
    await assertRejects(() => openLog(`${directory}/b`), TypeError, "it is a symbolic link");
    assertEquals(namesIn(`${directory}/outside`), []);
    // The root itself may be one: it is the caller's.
    await Deno.symlink(`${directory}/outside`, `${directory}/root`);
    await (await openLog(`${directory}/root`)).close();
  }));

Deno.test("what stands in the way of a log is an error of kind io that names the path (OLG-5)", () =>
  withTempDir(async (directory) => {
    const ioError = async (opening: () => Promise<unknown>) => {
      const error = await assertRejects(opening, EventLogError, "I/O error on ");
      assertEquals(error.kind, "io");
      assert(error.cause instanceof Error);
    };
    const inPlace = `${directory}/directory`;
    await Deno.mkdir(`${inPlace}/runs/${RUN_ID}/events.jsonl`, { recursive: true });
    await assertRejects(() => openLog(inPlace), TypeError, "it is a directory");
    assert(!await isLive(inPlace, RUN_ID));

    write(`${directory}/file`, "");
    await ioError(() => openLog(`${directory}/file`));
    await ioError(() => Promise.try(() => readAll(`${directory}/file`)));
    await Deno.mkdir(`${directory}/c/runs`, { recursive: true });
    write(`${directory}/c/runs/${RUN_ID}`, "");
    await ioError(() => openLog(`${directory}/c`));
  }));

Deno.test("openEventLog() with no time for locks always fails, also for a free run (OLG-4)", () =>
  withTempDir(async (root) => {
    assertEquals(DEFAULT_LOCK_TIMEOUT_MS, 5000);
    for (const lockTimeoutMs of [0, -1]) {
      const error = await assertRejects(() => openLog(root, { lockTimeoutMs }), EventLogError);
      assertEquals(error.kind, "lock-timeout");
      const opening = () => openEventLogSync({ root, runId: RUN_ID, lockTimeoutMs });
      assertEquals(assertThrows(opening, EventLogError).kind, "lock-timeout");
    }
    await assertRejects(() => openLog(root, { lockTimeoutMs: NaN }), RangeError, "lockTimeoutMs");
  }));

Deno.test("openEventLog() refuses an unknown durability at once", () =>
  withTempDir(async (root) => {
    const durability = "disc" as "disk";
    await assertRejects(() => openLog(root, { durability }), TypeError, 'say "os" or "disk"');
    assertEquals(namesIn(root), []);
  }));

Deno.test("openEventLogSync() opens what openEventLog() opens", () =>
  withTempDir((root) => {
    {
      using log = openEventLogSync<AnyEvent>({ root, runId: RUN_ID });
      assertEquals(log.appendSync({ n: 1 }), { firstSeq: 1, lastSeq: 1 });
    }
    appendTo(pathOf(root), '{"n":2}');
    using log = openEventLogSync<AnyEvent>({ root, runId: RUN_ID });
    assertEquals(log.recovery, { completed: true });
    assertEquals(eventsOf(root), [{ n: 1 }, { n: 2 }]);
  }));

Deno.test("openEventLog() removes what a killed process left of a replacement, however young", () =>
  withTempDir(async (root) => {
    await (await openLog(root)).close();
    const directory = `${root}/runs/${RUN_ID}`;
    const kept = [...namesIn(directory), "held.json.1.1.tmp", "notes.2025.12.tmp"].sort();
    write(`${directory}/held.json.1.1.tmp`, "precious");
    write(`${directory}/notes.2025.12.tmp`, "precious");
    for (const name of ["run", "flow", "capture", "trace", "trace.3"]) {
      write(`${directory}/${name}.json.4711.0.tmp`, "{");
    }
    const held = `${directory}/capture.json.4711.1.tmp`;
    write(held, "{");
    using maker = await Deno.open(held);
    await maker.lock(true);
    await (await openLog(root)).close();
    assertEquals(namesIn(directory), [...kept, "capture.json.4711.1.tmp"].sort());
  }));

/** What may stand in place of a file that is written. */
const INTRUDERS: Record<string, (path: string, outside: string) => void> = {
  "a symbolic link": (path, outside) => Deno.symlinkSync(outside, path),
  "(a hard link)": (path, outside) => Deno.linkSync(outside, path),
  "a named pipe": (path) => void new Deno.Command("mkfifo", { args: [path] }).outputSync(),
  "a directory": (path) => Deno.mkdirSync(path),
};

for (const [what, intrude] of Object.entries(INTRUDERS)) {
  Deno.test(`openEventLog() refuses ${what} in place of a file that it writes, at once`, {
    ignore: isWindows,
  }, () =>
    withTempDir(async (directory) => {
      const outside = `${directory}/outside`;
      write(outside, "precious");
      for (const name of ["events.jsonl", "live.lock"]) {
        const root = `${directory}/${name}`;
        writeRun(root, "");
        if (isThere(pathOf(root, name))) await Deno.remove(pathOf(root, name));
        intrude(pathOf(root, name), outside);
        await assertRejects(() => openLog(root), TypeError, what, name);
        assertThrows(() => openEventLogSync({ root, runId: RUN_ID }), TypeError, what, name);
      }
      intrude(`${directory}/capture.jsonl`, outside);
      const opening = () => openCaptureJournal(`${directory}/capture.jsonl`);
      assertEquals(assertThrows(opening, CaptureJournalError, what).kind, "io");
      assertEquals(readText(outside), "precious");
    }));
}

Deno.test("a run with the events.lock of an earlier build is used, verified and removed like others", () =>
  withTempDir(async (root) => {
    writeRun(root, '{"n":1}\n{"n":');
    write(pathOf(root, "events.lock"), "");
    assertEquals(readAll(root).gaps.map(({ reason }) => reason), ["torn"]);
    const log = await openLog(root);
    assertEquals((await log.append({ n: 2 })).lastSeq, 2);
    await log.close();
    assertEquals((await verifyRun(root, RUN_ID)).problems, []);
    await removeRun(root, RUN_ID);
    assertEquals(namesIn(`${root}/runs`), []);
  }));
