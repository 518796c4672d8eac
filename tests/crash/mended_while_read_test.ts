import { assert, assertEquals } from "@std/assert";
import { countLinesSync } from "../../_internal/json_lines.ts";
import { followOnPort, readPageSync } from "../../eventlog/read_run.ts";
import { EventLogError, type FileEventLog, openEventLogSync } from "../../eventlog/mod.ts";
import { locateSync } from "../../eventlog/run_reader.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { withMemoryDir } from "../_util/temp.ts";

/**
 * A reader takes no lock, so the torn tail of a killed writer may be moved aside, and other lines
 * be written in its place, between any two of the reader's calls. It must never join the bytes of
 * before with those of after: where both are inside a string, they make a valid event that nobody
 * ever appended (W-OMN-3).
 */

interface Filler {
  filler: string;
}

const RUN_ID = "mended";
const TORN_FILLER = 6_000;
/** Two new lines, whose newlines come before the end of the stub, at it, and behind it. */
const NEW_FILLERS: [number, number][] = [
  [100, 4_000],
  [100, 20_000],
  [TORN_FILLER - 1, 20_000],
  [TORN_FILLER, 20_000],
  [20_000, 20_000],
];
/** The stub begins near the file's start, or lies across the ends of the blocks that are read. */
const FIRST_FILLERS = [1, 32 * 1024 - 3_000, 256 * 1024 - 3_000];

/** A log of two events and the stub of a third, and a port that mends it before the n-th read. */
async function withMendAt(
  n: number,
  fillers: { first: number; others: [number, number] },
  use: (scene: { root: string; port: FaultPort; log: FileEventLog<Filler> }) => unknown,
): Promise<boolean> {
  let mended = false;
  await withMemoryDir(async (root) => {
    // Where the reader itself holds the lock for a moment, nobody can mend: that is waited for shortly.
    using log = openEventLogSync<Filler>({ root, runId: RUN_ID, lockTimeoutMs: 5 });
    log.appendAllSync([{ filler: "a".repeat(fillers.first) }, { filler: "b" }]);
    await Deno.writeTextFile(log.path, `{"filler":"${"t".repeat(TORN_FILLER)}`, { append: true });
    const port = new FaultPort();
    let reads = 0;
    port.failWhen(({ name, path }) => {
      if (path !== log.path || (name !== "readSync" && name !== "read") || ++reads !== n) return;
      mended = true;
      try {
        log.appendSync({ filler: "n".repeat(fillers.others[0]) });
        log.appendSync({ filler: "z".repeat(fillers.others[1]) });
      } catch (error) {
        assert(error instanceof EventLogError && error.kind === "lock-timeout");
      }
      return undefined;
    });
    await use({ root, port, log });
  });
  return mended;
}

/** Mends before the first read, the second, … until there is no such read. */
async function mendAtEveryRead(
  use: (scene: { root: string; port: FaultPort; log: FileEventLog<Filler> }) => unknown,
): Promise<void> {
  for (const first of FIRST_FILLERS) {
    for (const others of NEW_FILLERS) {
      for (let n = 1; await withMendAt(n, { first, others }, use); n++) {
        assert(n < 50, "the reading ends");
      }
    }
  }
}

function assertNotMixed(fillers: string[]): void {
  const letters = fillers.map((filler) => new Set(filler).size === 1 ? filler[0] : "mixed");
  assertEquals(letters, ["a", "b", "n", "z"].slice(0, letters.length));
  assert(letters.length >= 2);
}

Deno.test("readPageSync() never mixes a torn tail with what takes its place", async () => {
  await mendAtEveryRead(({ root, port }) => {
    const { events, gaps } = readPageSync<Filler>(port, { root, runId: RUN_ID }, {});
    assertNotMixed(events.map(({ event }) => event.filler));
    assertEquals(gaps.filter(({ reason }) => reason !== "torn"), []);
  });
});

Deno.test("followOnPort() never mixes a torn tail with what takes its place", async () => {
  await mendAtEveryRead(async ({ root, port, log }) => {
    const fillers: string[] = [];
    for await (const item of followOnPort<Filler>(port, { root, runId: RUN_ID }, {})) {
      assert("event" in item, "a gap was delivered");
      assertEquals(item.seq, fillers.push(item.event.filler));
      if (item.seq === 2 && await log.lastSeq() === 2) log.appendSync({ filler: "n" });
      if (item.seq === 3) break;
    }
    assertNotMixed(fillers);
  });
});

Deno.test("countLinesSync() counts every line where a torn tail is replaced meanwhile", async () => {
  await mendAtEveryRead(({ port, log }) => {
    const file = port.openSync(log.path, { read: true });
    const { lines, lineEnd } = countLinesSync(file, 0);
    file.close();
    const before = Deno.readFileSync(log.path).subarray(0, lineEnd);
    assertEquals(lines, before.filter((byte) => byte === 10).length);
    assertEquals(before.at(-1), 10);
  });
});

Deno.test("locateSync() finds a seq where a torn tail is replaced meanwhile", async () => {
  await mendAtEveryRead(({ port, log }) => {
    const file = port.openSync(log.path, { read: true });
    for (const seq of [2, 3, 4]) {
      try {
        const { byteOffset } = locateSync(file, { path: log.path, after: seq });
        const before = Deno.readFileSync(log.path).subarray(0, byteOffset);
        assertEquals(before.filter((byte) => byte === 10).length, seq);
        assertEquals(before.at(-1), 10);
      } catch (error) {
        assertEquals((error as { kind?: string }).kind, "cursor", String(error));
      }
    }
    file.close();
  });
});
