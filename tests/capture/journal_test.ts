import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  CaptureJournalError,
  journalOver,
  type LineSink,
  type NoteRecord,
  openCaptureJournal,
  parseCaptureBundle,
  readCaptureLines,
  recoverCapture,
  stringifyCaptureBundle,
  stringifyCaptureJournal,
} from "../../capture/mod.ts";
import { openJournalOnPort } from "../../capture/session/journal.ts";
import { decodeJournalLine, LinesHash } from "../../capture/session/journal_lines.ts";
import { denoFilePort, type FilePort } from "../../_internal/file_port.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { randomConcurrentSession } from "./_random_session.ts";
import { at, event, newSession } from "./_util.ts";

/** Lines in memory, and how often they were synced. */
function memorySink() {
  const lines: string[] = [];
  const state = { syncs: 0, isClosed: false, failure: undefined as unknown };
  const sink: LineSink = {
    append: (text) => void lines.push(text),
    barrier: () => {
      if (state.failure !== undefined) return Promise.reject(state.failure);
      state.syncs++;
      return Promise.resolve();
    },
    close: () => void (state.isClosed = true),
  };
  return { sink, lines, state };
}

const RECORD: NoteRecord = { type: "record", id: "r1", at: at(1), data: { b: [1, null], a: "é" } };

const NOTES: NoteRecord[] = [
  { type: "wait", id: "ask", kind: "gate", at: at(4), until: at(9) },
  { type: "wait", id: "nap", kind: "sleep", at: at(5) },
  { type: "waited", id: "ask", how: "passed", at: at(6), inbox_line: 3, value: null, by: "ada" },
  RECORD,
  {
    type: "ended",
    at: at(2),
    state: "Aborted",
    reason: "a failed",
    failed: "a",
    skipped: { c: "b", b: "a failed" },
    output: [1.5],
  },
];

Deno.test("a journal over lines numbers them, and tells the news of what is on disk", async () => {
  const { sink, lines, state } = memorySink();
  const journal = journalOver(sink, { lines: 7, synced: 5 });
  journal.append(RECORD);
  journal.append(RECORD);
  await journal.barrier();
  await journal.barrier();
  journal.append(RECORD);
  journal.append(RECORD);
  journal.close();
  const places = lines.map((text) => JSON.parse(text)).map(({ line, synced }) => [line, synced]);
  assertEquals(places, [[8, undefined], [9, undefined], [10, 9], [11, undefined]]);
  assertEquals(Object.keys(JSON.parse(lines[2]!)).slice(0, 3), ["line", "synced", "type"]);
  assertEquals([state.syncs, state.isClosed], [1, true]);
});

Deno.test("what is written while a barrier waits does not count as on disk", async () => {
  const { sink, lines } = memorySink();
  const journal = journalOver(sink);
  journal.append(RECORD);
  const reached = journal.barrier();
  journal.append(RECORD);
  await reached;
  journal.append(RECORD);
  assertEquals(JSON.parse(lines[2]!).synced, 1);
});

Deno.test("a barrier that fails is for good: all who wait get it, and the journal refuses", async () => {
  const { sink, lines, state } = memorySink();
  const journal = journalOver(sink);
  const session = newSession({ journal });
  await session.onEvent(event("e1"));
  state.failure = new Error("no space");
  const waiting = [journal.barrier(), session.barrier()];
  for (const each of waiting) {
    assertEquals(await assertRejects(() => each, Error), state.failure);
  }
  const { failure } = state;
  state.failure = undefined;
  const { length } = lines;
  assertEquals(await assertRejects(() => journal.barrier(), Error), failure);
  assertThrows(() => journal.append(RECORD), Error, "no space");
  await assertRejects(() => session.onEvent(event("e2")), Error, "no space");
  await assertRejects(() => session.note(RECORD), Error);
  assertEquals(lines.length, length);
});

Deno.test("a session waits for a sink that gives promises, and one that rejects is for good", async () => {
  const lines: string[] = [];
  const gate = Promise.withResolvers<void>();
  let isDecided = false;
  const session = newSession({
    journal: journalOver({
      append: (text) => {
        lines.push(text);
        if (lines.length === 2) return gate.promise;
      },
      barrier: () => Promise.resolve(),
      close: () => {},
    }),
    decisionLog: { log: () => void (isDecided = true) },
  });
  const deciding = session.onEvent(event("e1"));
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  assertEquals([lines.length, isDecided], [2, false]);
  gate.reject(new Error("the connection is gone"));
  await assertRejects(() => deciding, Error, "the connection is gone");
  await assertRejects(() => session.barrier(), Error, "the connection is gone");
  await assertRejects(() => session.onEvent(event("e2")), Error, "the connection is gone");
  assertEquals([lines.length, isDecided], [2, false]);
});

/** The file system, on which syncs of data are counted and can be held up. */
function countingPort() {
  const state = { syncs: 0, fails: false };
  const sync = () => {
    state.syncs++;
    if (state.fails) throw new Error("no space");
  };
  const port: FilePort = {
    ...denoFilePort,
    openSync: (path, options) => {
      const file = denoFilePort.openSync(path, options);
      return new Proxy(file, {
        get: (target, name) => {
          // deno-lint-ignore require-await -- what it throws is to be a rejection
          if (name === "syncData") return async () => sync();
          if (name === "syncDataSync") return sync;
          const member = Reflect.get(target, name);
          return typeof member === "function" ? member.bind(target) : member;
        },
      });
    },
  };
  return { port, state };
}

Deno.test("with durability disk a session syncs once for what it promises, and once for all at once", async () => {
  await withTempDir(async (directory) => {
    const { port, state } = countingPort();
    const journal = openJournalOnPort(port, `${directory}/a`, { durability: "disk" });
    const session = newSession({ mode: "concurrent", journal });
    state.syncs = 0;
    await session.onEvent(event("e1"));
    assertEquals(state.syncs, 1);
    await session.supervisor.idle();
    await Promise.all(["e2", "e3", "e4"].map((id) => session.onEvent(event(id))));
    assertEquals(state.syncs, 2);
    await session.supervisor.idle();
    await Promise.all([session.setEffects(0, []), session.note(RECORD)]);
    assertEquals(state.syncs, 3);
    await session.close();
    assertEquals(state.syncs, 3);
    assertEquals((await recoverCapture(`${directory}/a`)).bundle, session.intoBundle());
  });
});

Deno.test("a bundle that is taken with durability disk is on disk, and with os nothing is synced", async () => {
  await withTempDir(async (directory) => {
    for (const [durability, syncs] of [["disk", 1], ["os", 0]] as const) {
      const { port, state } = countingPort();
      const journal = openJournalOnPort(port, `${directory}/${durability}`, { durability });
      const session = newSession({ journal });
      state.syncs = 0;
      const deciding = session.supervisor.onEvent(event("e1"));
      await deciding;
      session.intoBundle();
      assertEquals(state.syncs, syncs, durability);
    }
  });
});

Deno.test("the decision log and the invoker wait for no sync", async () => {
  await withTempDir(async (directory) => {
    const { port, state } = countingPort();
    const journal = openJournalOnPort(port, `${directory}/a`, { durability: "disk" });
    const seen: [string, number][] = [];
    state.syncs = 0;
    const session = newSession({
      journal,
      decisionLog: { log: () => void seen.push(["log", state.syncs]) },
      invoker: {
        run: () => {
          seen.push(["run", state.syncs]);
          return "Completed";
        },
      },
    });
    await session.onEvent(event("e1"));
    assertEquals(seen, [["run", 0], ["log", 0]]);
    await session.close();
  });
});

Deno.test("a sync that fails rejects what was promised, stops the session and is not tried again", async () => {
  await withTempDir(async (directory) => {
    const { port, state } = countingPort();
    const path = `${directory}/a`;
    const session = newSession({
      journal: openJournalOnPort(port, path, { durability: "disk" }),
    });
    state.fails = true;
    state.syncs = 0;
    for (const id of ["e1", "e2"]) {
      const error = await assertRejects(() => session.onEvent(event(id)), CaptureJournalError);
      assertEquals(error.kind, "sync");
    }
    session.intoBundle();
    assertEquals(state.syncs, 1);
  });
});

Deno.test("notes are in the journal, in the bundle and in the journal of the bundle", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    const session = newSession({ mode: "concurrent", journal: openCaptureJournal(path) });
    await session.note(NOTES[0]!);
    await session.onEvent(event("e1"));
    await session.supervisor.idle();
    for (const note of NOTES.slice(1, 4)) await session.note(note);
    await session.onEvent(event("e2"));
    await session.supervisor.close();
    await session.note(NOTES[4]!);
    await session.close();
    const bundle = session.intoBundle();
    assert("inputs" in bundle);
    assertEquals(bundle.notes?.map(({ after }) => after), [0, 4, 4, 4, 8]);
    assertEquals(
      bundle.notes,
      NOTES.map((note, index) => ({ ...note, after: [0, 4, 4, 4, 8][index]! })),
    );
    const recovered = await recoverCapture(path);
    assertEquals(recovered.bundle, bundle);
    assertEquals(recovered.waits, [NOTES[1]]);
    assertEquals([recovered.records, recovered.ended], [[RECORD], NOTES[4]]);
    assertEquals(stringifyCaptureJournal(bundle), await Deno.readTextFile(path));
    for (const style of ["compact", "pretty"] as const) {
      assertEquals(parseCaptureBundle(stringifyCaptureBundle(bundle, style)), bundle);
    }
  });
});

Deno.test("a note keeps the caller's values apart, and what is none is refused and not recorded", async () => {
  const { sink, lines } = memorySink();
  const session = newSession({ mode: "concurrent", journal: journalOver(sink) });
  const data = { n: 1 };
  const noted = session.note({ type: "record", id: "a", at: at(0), data });
  data.n = 2;
  await noted;
  const wrong: [unknown, string][] = [
    [{ type: "wait", id: "a", kind: "nap" }, "unknown variant `nap`"],
    [{ type: "event", id: "a" }, "unknown variant `event`"],
    [{ type: "record", id: "a", at: at(0) }, "undefined is not JSON"],
    [{ type: "record", id: "a", at: at(0), data: NaN }, "NaN is not JSON"],
    [{ type: "record", id: "a", at: at(0), data: 1, more: 1 }, "unknown field `more`"],
    [{ type: "ended", at: at(0), state: "Running" }, "unknown variant `Running`"],
    [null, "expected an object"],
  ];
  for (const [note, message] of wrong) {
    await assertRejects(() => session.note(note as NoteRecord), TypeError, message);
  }
  assertEquals(lines.length, 2);
  await session.close();
  const bundle = session.intoBundle();
  assert("inputs" in bundle);
  assertEquals(bundle.notes, [{ type: "record", id: "a", at: at(0), data: { n: 1 }, after: 0 }]);
  await assertRejects(
    () => session.note(RECORD),
    TypeError,
    "the bundle of this session was taken",
  );
});

Deno.test("a serial session with a note is of the format that can say it", async () => {
  const session = newSession();
  await session.onEvent(event("e1"));
  await session.note(RECORD);
  assertEquals(session.intoBundle().capture_version, "taffrail-v1");
});

Deno.test("a line that is read as it is printed is read as strictly as any other", async () => {
  const { sink, lines } = memorySink();
  const random = new Random(seed());
  const journal = journalOver(sink);
  await randomConcurrentSession(random, { journal });
  for (const note of NOTES) journal.append(note);
  await journal.barrier();
  journal.append(RECORD);
  /** What a reading gives, or what it says. A space keeps the strict reader from being passed by. */
  const outcome = (text: string) => {
    try {
      return JSON.stringify(decodeJournalLine(text));
    } catch (error) {
      assert(error instanceof Error);
      return error.message.replace(/line \d+, column \d+ \(byte \d+, /, "(");
    }
  };
  let read = 0;
  for (let round = 0; round < longCount(3000, 100_000); round++) {
    const text = random.pick(lines);
    const [start, end] = [random.below(text.length), random.below(3)];
    const inserted = random.pick([
      "",
      "",
      '"',
      "1",
      ".0",
      "e9",
      "\\u0041",
      "\\ud800",
      "null",
      ",",
      "{",
      " ",
      "\t",
      "é",
      '"a":1,',
    ]);
    const changed = random.chance(0.2)
      ? text
      : text.slice(0, start) + inserted + text.slice(start + end);
    if (!changed.startsWith("{")) continue;
    const strict = outcome(changed.replace("{", "{ "));
    assertEquals(outcome(changed), strict, changed);
    if (strict.startsWith('{"number"')) read++;
  }
  assert(read > 100, `${read}`);
});

Deno.test("the further lines are written as the format says, and read as strictly as others", async () => {
  const { sink, lines } = memorySink();
  const session = newSession({ mode: "concurrent", journal: journalOver(sink) });
  for (const note of NOTES) await session.note(note);
  const texts = [
    '{"line":2,"type":"wait","id":"ask","kind":"gate","at":{"secs":4,"nanos":0},"until":{"secs":9,"nanos":0}}',
    '{"line":3,"type":"wait","id":"nap","kind":"sleep","at":{"secs":5,"nanos":0}}',
    '{"line":4,"type":"waited","id":"ask","how":"passed","at":{"secs":6,"nanos":0},"inbox_line":3,"value":null,"by":"ada"}',
    '{"line":5,"type":"record","id":"r1","at":{"secs":1,"nanos":0},"data":{"b":[1,null],"a":"é"}}',
    '{"line":6,"type":"ended","at":{"secs":2,"nanos":0},"state":"Aborted","reason":"a failed",' +
    '"failed":"a","skipped":{"b":"a failed","c":"b"},"output":[1.5]}',
  ];
  assertEquals(lines.slice(1), texts);
  const resumed = '{"line":7,"type":"resumed","lines":6,"runtime_provenance":"r","changed":["a"],' +
    '"pid":1,"host":"h","start_time":2,"boot_id":"b","hash":"00"}';
  assertEquals((await recoverCapture([...lines, resumed])).resumed, [{
    type: "resumed",
    runtime_provenance: "r",
    changed: ["a"],
    pid: 1,
    host: "h",
    start_time: 2,
    boot_id: "b",
  }]);
  for (const text of [...texts, resumed]) {
    const { line: number } = JSON.parse(text);
    for (
      const wrong of [text.replace(/}$/, ',"more":1}'), text.replace(/"(id|pid|state)":/, '"x$1":')]
    ) {
      const { damage } = await recoverCapture([...lines.slice(0, number - 1), wrong]);
      assertEquals(
        [damage?.kind, damage?.line, damage?.lost],
        ["unreadable", number, false],
        wrong,
      );
    }
  }
});

Deno.test("the hash of lines is the one that the format describes", async () => {
  const { sink, lines } = memorySink();
  const session = newSession({ mode: "concurrent", journal: journalOver(sink) });
  const payload = JSON.stringify({ text: "é".repeat(5000) });
  for (let index = 0; index < 20; index++) {
    await session.onEvent(event(`e${index}`, 0, { payload }));
  }
  await session.close();
  const hash = async (text: string) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).toHex();
  let [before, piece, pieces] = ["", "", 0];
  const atOnce = new LinesHash();
  for (const [index, line] of lines.entries()) {
    piece += `${line}\n`;
    if (new TextEncoder().encode(piece).length >= 64 * 1024) {
      [before, piece, pieces] = [await hash(before + piece), "", pieces + 1];
    }
    // Also where a piece has just ended.
    const expected = await hash(before + piece);
    const read = lines.slice(0, index + 1);
    const { hash: found } = await readCaptureLines(read, () => {}, { checkHashes: true });
    atOnce.add(line);
    assertEquals([found, atOnce.digest()], [expected, expected]);
  }
  assert(pieces > 1 && piece !== "");
});

Deno.test("what the visitor of lines throws comes out as it is", async () => {
  const { sink, lines } = memorySink();
  await newSession({ journal: journalOver(sink) }).onEvent(event("e1"));
  const thrown = new Error("mine");
  const visit = () => {
    throw thrown;
  };
  assertEquals(await assertRejects(() => readCaptureLines(lines, visit)), thrown);
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    await Deno.writeTextFile(path, lines.map((line) => `${line}\n`).join(""));
    assertEquals(await assertRejects(() => readCaptureLines(path, visit)), thrown);
    const types: string[] = [];
    const { lines: count } = await readCaptureLines(path, ({ type }) => void types.push(type));
    assertEquals([types, count], [["session", "event", "completion", "decision"], 4]);
  });
});
