/**
 * What a log looks like after a writer died, or the power failed, or somebody edited it, and what
 * opening it and appending to it makes of that: no whole line is touched, nothing is fused, and what
 * is behind the last newline is completed or kept aside, byte for byte.
 */

import { assert, assertEquals } from "@std/assert";
import { MAX_LINE_BYTES } from "../../_internal/json_lines.ts";
import type { FileEventLog } from "../../eventlog/mod.ts";
import { openOnPort, openOnPortSync } from "../../eventlog/open_event_log.ts";
import { appendTo, isThere, readBytes, sameBytes } from "../_util/files.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withMemoryDir } from "../_util/temp.ts";
import { damaged, TWENTY } from "./_damage.ts";
import { type AnyEvent, bytesOf, numberedLines, readAll, RUN_ID, writeRun } from "./_runs.ts";

const NEWLINE = 10;
const NEW_EVENT = { new: "event, é" };
const NEW_LINE = JSON.stringify(NEW_EVENT) + "\n";

function lineStart(bytes: Uint8Array, line: number): number {
  let start = 0;
  for (let n = 1; n < line; n++) start = bytes.indexOf(NEWLINE, start) + 1;
  return start;
}

/** The lines that end in a newline, and what stands behind the last one. */
function partsOf(content: Uint8Array): { whole: Uint8Array; tail: Uint8Array } {
  const end = content.lastIndexOf(NEWLINE) + 1;
  return { whole: content.subarray(0, end), tail: content.subarray(end) };
}

function isObject(bytes: Uint8Array): boolean {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** Brings the content into the file and a log that is then appended to; gives the seq it got. */
type Procedure = (
  root: string,
  content: Uint8Array,
) => Promise<{ log: FileEventLog<AnyEvent>; seq: number }>;

const options = (root: string) => ({ root, runId: RUN_ID });

/** The ways in which damage is met. */
const procedures: Record<string, Procedure> = {
  "is opened": async (root, content) => {
    writeRun(root, content);
    const log = await openOnPort<AnyEvent>(hastyFilePort, options(root));
    return { log, seq: (await log.append(NEW_EVENT)).firstSeq };
  },
  "is opened, blocking": (root, content) => {
    writeRun(root, content);
    const log = openOnPortSync<AnyEvent>(hastyFilePort, options(root));
    return Promise.resolve({ log, seq: log.appendSync(NEW_EVENT).firstSeq });
  },
  "is open already": async (root, content) => {
    const path = writeRun(root, "");
    const log = await openOnPort<AnyEvent>(hastyFilePort, options(root));
    const known = lineStart(content, 10);
    appendTo(path, content.subarray(0, known));
    await log.append(NEW_EVENT);
    await log.appendAll([]);
    // Now another writer gets as far as the rest of the content, and dies.
    appendTo(path, content.subarray(known));
    return { log, seq: (await log.append(NEW_EVENT)).firstSeq };
  },
};

/** Looks that the file is what it was, mended at its end, and the new line. */
async function checkMended(root: string, content: Uint8Array, procedure: Procedure): Promise<void> {
  const { log, seq } = await procedure(root, content);
  const known = lineStart(content, 10);
  const before = procedure === procedures["is open already"]
    ? bytesOf(content.subarray(0, known), NEW_LINE, content.subarray(known))
    : content;
  const { whole, tail } = partsOf(before);
  const completed = isObject(tail);
  const tornFile = `${log.path}.torn-1`;
  const isTorn = tail.length > 0 && !completed;
  assertEquals(log.recovery, { completed, ...(isTorn && { tornFile }) });
  if (isTorn) assert(sameBytes(readBytes(tornFile), tail), "the tail is not what it was");
  else assert(!isThere(tornFile));
  const mended = completed ? bytesOf(whole, tail, "\n", NEW_LINE) : bytesOf(whole, NEW_LINE);
  assert(sameBytes(readBytes(log.path), mended), "a whole line is not what it was");
  const lines = mended.filter((byte) => byte === NEWLINE).length;
  assertEquals(seq, lines);
  checkDelivered(root, mended);
  assertEquals(readAll(root).events.at(-1), { seq, event: NEW_EVENT });
  assertEquals((await log.append({ n: 1 }, { expectedLastSeq: seq })).firstSeq, seq + 1);
  await log.close();
}

/** Looks that every line which is one object is delivered, and no other but behind NULs. */
function checkDelivered(root: string, content: Uint8Array): void {
  const lines: Uint8Array[] = [];
  for (let start = 0; start < content.length;) {
    const end = content.indexOf(NEWLINE, start);
    lines.push(content.subarray(start, end));
    start = end + 1;
  }
  const wanted = lines.flatMap((line, index) => isObject(line) ? [index + 1] : []);
  const { events, gaps } = readAll(root);
  const behindNuls = new Set(gaps.map(({ seq, reason }) => reason === "nul-run" && seq));
  const delivered = events.map(({ seq }) => seq).filter((seq) => !behindNuls.has(seq));
  assertEquals(delivered, wanted);
  assertEquals(new Set([...delivered, ...gaps.map(({ seq }) => seq)]).size, lines.length);
}

for (const [name, procedure] of Object.entries(procedures)) {
  Deno.test(`a log cut at every byte of its last three lines ${name} and appended to (W-OMN-2)`, async () => {
    for (let cut = lineStart(TWENTY, 18); cut <= TWENTY.length; cut++) {
      await withMemoryDir(async (root) => {
        const content = TWENTY.subarray(0, cut);
        await checkMended(root, content, procedure);
        const { events, gaps } = readAll(root);
        const wanted = partsOf(content).whole.filter((byte) => byte === NEWLINE).length;
        const found = events.filter(({ event }) => event.type === "node.é😀").length;
        const completed = isObject(partsOf(content).tail) ? 1 : 0;
        assertEquals([found, gaps], [wanted + completed, []], `cut at ${cut}`);
      });
    }
  });

  Deno.test(`a log with NULs from any byte of its last three lines on ${name} and appended to`, async () => {
    const start = lineStart(TWENTY, 18);
    for (let from = start; from < TWENTY.length; from += longCount(3, 1)) {
      for (const to of [TWENTY.length, Math.min(TWENTY.length, from + 30)]) {
        await withMemoryDir(async (root) => {
          const content = TWENTY.slice();
          content.fill(0, from, to);
          await checkMended(root, content, procedure);
        });
      }
    }
  });

  Deno.test(`a log damaged in any other way ${name} and appended to`, async () => {
    for (let round = 0; round < longCount(60, 3000); round++) {
      const random = new Random(mixSeeds(seed(), 5, round));
      const content = damaged(random);
      try {
        await withMemoryDir((root) => checkMended(root, content, procedure));
      } catch (cause) {
        throw new Error(`round ${round}`, { cause });
      }
    }
  });
}

Deno.test("an acknowledged record behind NULs is delivered, and the log goes on behind it", () =>
  withMemoryDir(async (root) => {
    for (const nuls of [1, 4096, 32 * 1024, 256 * 1024, 5_000_000]) {
      const content = bytesOf(numberedLines(2), new Uint8Array(nuls), '{"n":3}\n');
      writeRun(root, content);
      const log = await openOnPort<AnyEvent>(hastyFilePort, options(root));
      assertEquals(log.recovery, { completed: false });
      assertEquals((await log.append({ n: 4 }, { expectedLastSeq: 3 })).firstSeq, 4);
      const { events, gaps } = readAll(root);
      assertEquals(events.map(({ seq, event }) => [seq, event.n]), [[1, 1], [2, 2], [3, 3], [
        4,
        4,
      ]]);
      assertEquals(gaps.map(({ seq, reason }) => [seq, reason]), [[3, "nul-run"]]);
      await log.close();
    }
  }));

Deno.test("NULs at the end, more than any buffer holds, are kept aside byte for byte", () =>
  withMemoryDir(async (root) => {
    const content = bytesOf(numberedLines(2), new Uint8Array(20 * 1024 * 1024));
    await checkMended(root, content, procedures["is opened"]!);
  }));

Deno.test("an unterminated object of 16 MiB is completed, one of a byte more is kept aside", () =>
  withMemoryDir(async (root) => {
    const object = (bytes: number) => `{"a":"${"x".repeat(bytes - 8)}"}`;
    const path = writeRun(root, numberedLines(1) + object(MAX_LINE_BYTES));
    const log = await openOnPort<AnyEvent>(hastyFilePort, options(root));
    assertEquals(log.recovery, { completed: true });
    assertEquals((await log.append({ n: 3 })).firstSeq, 3);
    assertEquals(readAll(root).events.map(({ seq }) => seq), [1, 2, 3]);
    await log.close();

    writeRun(root, numberedLines(1) + object(MAX_LINE_BYTES + 1));
    const other = await openOnPort<AnyEvent>(hastyFilePort, options(root));
    assertEquals(other.recovery, { completed: false, tornFile: `${path}.torn-1` });
    assertEquals((await other.append({ n: 2 })).firstSeq, 2);
    await other.close();
  }));

Deno.test("CRLF, blank lines and a byte order mark stay as they are, and seqs count them", () =>
  withMemoryDir(async (root) => {
    for (const content of ["\ufeff{}\r\n\r\n", "\n\n\n", '{"n":1}\r\n{"n":2}\r', "  \n\t"]) {
      await withMemoryDir((inner) =>
        checkMended(inner, bytesOf(content), procedures["is opened"]!)
      );
    }
    assert(!isThere(`${root}/runs`));
  }));

Deno.test("an empty log and a missing one are opened alike", () =>
  withMemoryDir(async (root) => {
    await checkMended(root, bytesOf(), procedures["is opened"]!);
    await Deno.remove(`${root}/runs/${RUN_ID}/events.jsonl`);
    const log = await openOnPort<AnyEvent>(hastyFilePort, options(root));
    assertEquals(await log.append({ n: 1 }, { expectedLastSeq: 0 }), { firstSeq: 1, lastSeq: 1 });
    await log.close();
  }));
