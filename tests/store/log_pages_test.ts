import { assert, assertEquals, assertThrows } from "@std/assert";
import { denoFilePort, type FilePort } from "../../_internal/file_port.ts";
import { LogBytes } from "../../store/files/log_lines.ts";
import { RuntimeFolder } from "../../store/files/runtime_folder.ts";
import { eventLog, transcriptLog } from "../../store/files/log_codecs.ts";
import {
  checkEventQuery,
  checkTranscriptQuery,
  readEventPage,
  readTranscriptPage,
} from "../../store/files/log_pages.ts";
import { RuntimeStoreError, type RuntimeStoreErrorKind } from "../../store/runtime_store_error.ts";
import type { EventCursor, RuntimeEventBatch, TranscriptProjection } from "../../store/types.ts";
import { write } from "../_util/files.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { GOLDEN_EVENTS } from "./_golden.ts";

const RUNTIME_ID = "rt-1";
const ref = { runtime_id: RUNTIME_ID, worker_id: "worker-00000001" };

function cursorAt(id: number): EventCursor {
  return { runtime_id: RUNTIME_ID, next_event_id: id };
}

function eventLine(id: number, message = "m"): string {
  const kind = { kind: "worker_input_accepted" } as const;
  return `${eventLog.print({ id, worker_ref: ref, kind, message })}\n`;
}

function entryLine(sequence: number, content = "c"): string {
  const entry = { sequence, worker_ref: ref, role: "user", content, event_id: sequence } as const;
  return `${transcriptLog.print(entry)}\n`;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** A log does not care which runtime it is of. */
function folderOn(port: FilePort): RuntimeFolder {
  return new RuntimeFolder(port, { root: "none", runtimeId: RUNTIME_ID });
}

interface Counted {
  bytes: number;
}

/** A port that counts what is read. */
function countingPort(counted: Counted): FilePort {
  return {
    ...denoFilePort,
    openSync: (path, options) => {
      const file = Deno.openSync(path, options);
      const readSync = file.readSync.bind(file);
      file.readSync = (buffer) => {
        const count = readSync(buffer);
        counted.bytes += count ?? 0;
        return count;
      };
      return file;
    },
  };
}

/** Reads a page of a log of this content. */
async function withLog<T>(
  content: string | Uint8Array,
  use: (log: LogBytes, counted: Counted) => T,
): Promise<T> {
  return await withTempDir((directory) => {
    const path = `${directory}/events.jsonl`;
    write(path, content);
    const counted = { bytes: 0 };
    const fileEnd = Deno.statSync(path).size;
    const log = LogBytes.open({ folder: folderOn(countingPort(counted)), path, fileEnd });
    try {
      return use(log, counted);
    } finally {
      log.close();
    }
  });
}

function eventPage(content: string, from: number, limit: number): Promise<RuntimeEventBatch> {
  const cursor = cursorAt(from);
  return withLog(content, (log) => readEventPage(log, { cursor, limit }));
}

function entryPage(
  content: string,
  start: number,
  limit: number,
  total = content.split("\n").length - 1,
): Promise<TranscriptProjection> {
  return withLog(
    content,
    (log) => readTranscriptPage(log, { ref, query: { start, limit }, total }),
  );
}

function kindOf(check: () => unknown): RuntimeStoreErrorKind {
  return assertThrows(check, RuntimeStoreError).kind;
}

/** What the seed answers: the first events in file order, and whether there are more (FRS-8). */
function seedPage(ids: number[], from: number, limit: number): [number[], number, boolean] {
  const taken = ids.filter((id) => id >= from).slice(0, limit);
  const next = taken.length === 0 ? from : taken.at(-1)! + 1;
  return [taken, next, limit > 0 && ids.some((id) => id >= next)];
}

function summary({ events, cursor, has_more }: RuntimeEventBatch): [number[], number, boolean] {
  return [events.map(({ id }) => id), cursor.next_event_id, has_more];
}

Deno.test("readEventPage() answers as the golden answer (FRS-8)", async () => {
  const batch = await eventPage(GOLDEN_EVENTS, 1, 2);
  assertEquals(
    JSON.stringify(batch),
    '{"runtime_id":"rt-1","cursor":{"runtime_id":"rt-1","next_event_id":3},"events":[' +
      GOLDEN_EVENTS.split("\n").slice(0, 2).join(",") + '],"has_more":true}',
  );
});

Deno.test("readEventPage() with limit 0 or behind the end gives nothing, and no more (FRS-9)", async () => {
  assertEquals(summary(await eventPage(GOLDEN_EVENTS, 2, 0)), [[], 2, false]);
  assertEquals(summary(await eventPage(GOLDEN_EVENTS, 6, 9)), [[], 6, false]);
  assertEquals(summary(await eventPage(GOLDEN_EVENTS, 99, 9)), [[], 99, false]);
  assertEquals(summary(await eventPage("", 1, 9)), [[], 1, false]);
});

Deno.test("readEventPage() gives what a scan gives, gaps, duplicates and blank lines included (FRS-8)", async () => {
  const random = new Random(seed());
  for (let round = 0; round < longCount(12, 200); round++) {
    const ids: number[] = [];
    const count = random.below(700);
    let content = "";
    for (let id = 1; ids.length < count;) {
      const isLong = random.chance(0.02);
      content += eventLine(id, (isLong ? "é" : "m").repeat(random.below(isLong ? 9000 : 80)));
      if (random.chance(0.1)) content += random.pick(["\n", " \t\r\n"]);
      if (random.chance(0.1)) content = content.replace(/\n$/, "\r\n");
      ids.push(id);
      id += random.pick([0, 1, 1, 1, 1, 1, 1, 2, 50]);
    }
    await withLog(content, (log) => {
      for (let page = 0; page < 40; page++) {
        const from = random.below((ids.at(-1) ?? 0) + 3);
        const limit = random.below(30);
        const cursor = cursorAt(from);
        assertEquals(
          summary(readEventPage(log, { cursor, limit })),
          seedPage(ids, from, limit),
          `round ${round}, from ${from}, limit ${limit}`,
        );
      }
    });
  }
});

Deno.test("readEventPage() takes a last line that lacks only its newline (spec 4.5)", async () => {
  const batch = await eventPage(GOLDEN_EVENTS.trimEnd(), 5, 9);
  assertEquals(summary(batch), [[5], 6, false]);
});

Deno.test("readEventPage() reads only the bytes that count, then the lines behind them", async () => {
  await withTempDir((directory) => {
    const path = `${directory}/events.jsonl`;
    const known = range(1, 9).map((id) => eventLine(id)).join("");
    const tail = new TextEncoder().encode(eventLine(10) + eventLine(11));
    write(path, `${known}{"id":10,"torn`);
    const log = LogBytes.open({
      folder: folderOn(denoFilePort),
      path,
      fileEnd: known.length,
      tail,
    });
    const cursor = cursorAt(8);
    assertEquals(summary(readEventPage(log, { cursor, limit: 3 })), [[8, 9, 10], 11, true]);
    assertEquals(summary(readEventPage(log, { cursor, limit: 9 })), [[8, 9, 10, 11], 12, false]);
    log.close();
  });
});

Deno.test("readEventPage() ends before a bad line and throws it with its place (FRS-7)", async () => {
  const good = range(1, 300).map((id) => eventLine(id));
  const bad = [...good];
  bad[199] = '{"id":200,"mess\n';
  const content = `\n${bad.join("")}`;
  const byteOffset = content.indexOf(bad[199]!);
  assertEquals(summary(await eventPage(content, 195, 50)), [range(195, 199), 200, true]);
  assertEquals(summary(await eventPage(content, 201, 2)), [[201, 202], 203, true]);
  await withLog(content, (log) => {
    const cursor = cursorAt(200);
    const error = assertThrows(
      () => readEventPage(log, { cursor, limit: 5 }),
      RuntimeStoreError,
      ": line 201: EOF while parsing a string at column 15",
    );
    assertEquals(
      [
        error.kind,
        error.details.operation,
        error.details.line,
        error.details.byteOffset,
        error.details.path,
      ],
      ["store-corrupt", "read events", 201, byteOffset, log.path],
    );
  });
});

Deno.test("readEventPage() finds its way around damage of any size", async () => {
  const nuls = `${"\0".repeat(200_000)}\n`;
  const lines = range(1, 600).map((id) => eventLine(id));
  const content = [...lines.slice(0, 300), nuls, nuls, ...lines.slice(300)].join("");
  for (const from of [1, 150, 299, 301, 302, 450, 600]) {
    const [ids] = summary(await eventPage(content, from, 1));
    assertEquals(ids, [from]);
  }
  assertEquals(summary(await eventPage(content, 299, 50)), [[299, 300], 301, true]);
});

Deno.test("readEventPage() says when a line is too long, or the log shorter than it was", async () => {
  const long = `{"id":2,"x":"${"x".repeat(17 * 1024 * 1024)}"}\n`;
  const tooLong = await assertRejectsWith(eventPage(eventLine(1) + long + eventLine(3), 2, 9));
  assert(tooLong.message.includes("line 2: the line is over 16 MiB"), tooLong.message);
  assertEquals(summary(await eventPage(eventLine(1) + long + eventLine(3), 3, 9)), [[3], 4, false]);
  await withTempDir((directory) => {
    const path = `${directory}/events.jsonl`;
    write(path, eventLine(1));
    const log = LogBytes.open({ folder: folderOn(denoFilePort), path, fileEnd: 999 });
    const cursor = cursorAt(1);
    assertThrows(
      () => readEventPage(log, { cursor, limit: 5 }),
      RuntimeStoreError,
      `the log ends at byte ${eventLine(1).length}, expected 999`,
    );
    log.close();
  });
});

async function assertRejectsWith(promise: Promise<unknown>): Promise<RuntimeStoreError> {
  const error = await promise.then(() => undefined, (error) => error);
  assert(error instanceof RuntimeStoreError, String(error));
  return error;
}

Deno.test("readEventPage() reads at most 64 KiB besides its page", async () => {
  const count = longCount(100_000, 1_000_000);
  const parts: string[] = [];
  for (let id = 1; id <= count; id++) parts.push(eventLine(id, "worker input accepted"));
  const content = parts.join("");
  const random = new Random(seed());
  await withLog(content, (log, counted) => {
    for (let page = 0; page < 200; page++) {
      const from = 1 + random.below(count - 100);
      counted.bytes = 0;
      const cursor = cursorAt(from);
      const batch = readEventPage(log, { cursor, limit: 100 });
      assertEquals(summary(batch), [range(from, from + 99), from + 100, true]);
      const pageBytes = parts.slice(from - 1, from + 99).join("").length;
      assert(counted.bytes <= 64 * 1024 + pageBytes, `${counted.bytes} bytes from ${from} on`);
    }
  });
});

Deno.test("checkEventQuery() checks the cursor, then the limit, then the place (FRS-8, WRT-14)", () => {
  function check(runtime: string, limit: number, next: number): () => void {
    const query = { runtimeId: RUNTIME_ID, limit, max: 256 };
    return () => checkEventQuery({ runtime_id: runtime, next_event_id: next }, query);
  }
  assertEquals(kindOf(check("rt-2", 999, -1)), "wrong-runtime-cursor");
  assertEquals(kindOf(check(RUNTIME_ID, 257, -1)), "limit-too-large");
  for (const odd of [-1, 1.5, NaN, 2 ** 53]) {
    assertThrows(check(RUNTIME_ID, 256, odd), RangeError);
    assertThrows(check(RUNTIME_ID, Math.min(odd, -odd), 1), RangeError);
  }
  check(RUNTIME_ID, 256, 1)();
  assertThrows(check("rt-2", 1, 1), Error, "cursor belongs to runtime rt-2, not runtime rt-1");
  assertThrows(check(RUNTIME_ID, 257, 1), Error, "limit 257 exceeds maximum 256");
});

Deno.test("checkTranscriptQuery() checks the limit, then the runtime (WRT-14)", () => {
  function check(runtime: string, limit: number, start: number): () => void {
    const options = { runtimeId: RUNTIME_ID, query: { start, limit }, max: 256 };
    return () => checkTranscriptQuery({ ...ref, runtime_id: runtime }, options);
  }
  assertEquals(kindOf(check("rt-2", 257, 0)), "limit-too-large");
  assertEquals(kindOf(check("rt-2", 256, 0)), "wrong-runtime");
  assertThrows(check(RUNTIME_ID, 1, -1), RangeError);
  check(RUNTIME_ID, 256, 0)();
});

Deno.test("readTranscriptPage() answers by position (FRS-10)", async () => {
  const content = range(1, 500).map((sequence) => entryLine(sequence)).join("");
  function sequences({ items }: TranscriptProjection): number[] {
    return items.map(({ sequence }) => sequence);
  }
  const first = await entryPage(content, 0, 2);
  assertEquals(Object.keys(first), [
    "worker_ref",
    "start",
    "limit",
    "total_items",
    "items",
    "next_start",
  ]);
  assertEquals([sequences(first), first.total_items, first.next_start], [[1, 2], 500, 2]);
  const last = await entryPage(content, 498, 256);
  assertEquals([sequences(last), last.next_start], [[499, 500], null]);
  for (const start of [500, 501, Number.MAX_SAFE_INTEGER]) {
    const behind = await entryPage(content, start, 2);
    assertEquals([behind.items, behind.next_start], [[], null]);
  }
  const none = await entryPage(content, 7, 0);
  assertEquals([none.items, none.next_start], [[], 7]);
  const empty = await entryPage("", 0, 5);
  assertEquals([empty.items, empty.total_items, empty.next_start], [[], 0, null]);
});

Deno.test("readTranscriptPage() counts when sequences and positions disagree (FRS-5, FRS-10)", async () => {
  const content = [1, 3, 3, 7].map((sequence) => entryLine(sequence)).join("\n");
  const page = await entryPage(content, 1, 2, 7);
  assertEquals(page.items.map(({ sequence }) => sequence), [3, 3]);
  assertEquals([page.total_items, page.next_start], [4, 3]);
  const behind = await entryPage(content, 4, 2, 7);
  assertEquals([behind.items, behind.total_items, behind.next_start], [[], 4, null]);
});

Deno.test("readTranscriptPage() throws a bad line where it is in the way (FRS-7)", async () => {
  const lines = range(1, 9).map((sequence) => entryLine(sequence));
  lines[4] = "oops\n";
  const content = lines.join("");
  assertEquals((await entryPage(content, 5, 2)).items.map(({ sequence }) => sequence), [6, 7]);
  assertEquals((await entryPage(content, 0, 4)).items.length, 4);
  const error = await assertRejectsWith(entryPage(content, 3, 3));
  assert(error.message.includes(": line 5: expected "), error.message);
  assertEquals([error.kind, error.details.line], ["store-corrupt", 5]);
});

Deno.test("readTranscriptPage() refuses entries that belong elsewhere (FRS-5)", async () => {
  const otherRuntime = entryLine(1).replace("rt-1", "rt-2");
  const error = await assertRejectsWith(entryPage(otherRuntime, 0, 1));
  assertEquals(error.message, "worker worker-00000001 belongs to runtime rt-2, not runtime rt-1");
  const otherWorker = await assertRejectsWith(
    entryPage(entryLine(1).replace("-00000001", "-2"), 0, 1),
  );
  assert(
    otherWorker.message.includes(
      "transcript entry belongs to worker worker-2, expected worker-00000001",
    ),
    otherWorker.message,
  );
});
