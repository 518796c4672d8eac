import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  assertReplays,
  CaptureJournalError,
  openCaptureJournal,
  recoverCapture,
  resumeCapture,
} from "../../capture/mod.ts";
import { openJournalOnPort } from "../../capture/session/journal.ts";
import { MemoryDecisionLog, type RunRequest } from "../../supervisor/mod.ts";
import { PAGE_BYTES } from "../_util/crash_image.ts";
import { everyCut } from "../_util/every_cut.ts";
import type { FaultPort } from "../_util/fault_port.ts";
import { longCount, withMemoryDir } from "../_util/temp.ts";
import { createSupervisor, event, EXPECTED, newSession, RUNTIME } from "./_util.ts";

/**
 * What a power cut takes of a journal: any pages of what was not synced. Nothing behind a barrier is ever
 * lost, or taken for lost; everything else can be gone on without.
 */

const RULES = { graphId: "g", mode: "concurrent", constraints: { max_retries: 0 } } as const;

/** Long enough for lines to reach over pages. */
const PAYLOAD = JSON.stringify({ text: "x".repeat(1500) });

function resume(journalPath: string) {
  const made: string[] = [];
  const resuming = resumeCapture({
    ...RULES,
    decisionLog: new MemoryDecisionLog(),
    createSupervisor,
    runtimeProvenance: RUNTIME,
    journalPath,
    invoker: {
      run: ({ eventId }: RunRequest) => {
        made.push(eventId);
        return "Completed" as const;
      },
    },
  });
  return resuming.then((resumed) => ({ ...resumed, made }));
}

/** Goes on with what is left, and checks all that must hold of it; gives the ids that were decided on. */
async function checkGoesOn(path: string, next: string): Promise<string[]> {
  const { session, recovered, made } = await resume(path);
  assert(recovered.damage?.lost !== false);
  const ids = recovered.bundle.decisions.map(({ event_id }) => event_id);
  const wasEnded = recovered.bundle.decisions.filter(({ decision }) => decision !== "Invoke");
  for (const { event_id: id } of wasEnded) assert(!made.includes(id), `${id} was made again`);
  await session.onEvent(event(next, 0, { payload: PAYLOAD }));
  await session.barrier();
  await session.supervisor.idle();
  await session.close();
  const bundle = session.intoBundle();
  const whole = await recoverCapture(path, { checkHashes: true });
  assertEquals([whole.damage, whole.bundle], [null, bundle]);
  await assertReplays(bundle, { createSupervisor, expected: EXPECTED });
  return ids;
}

/** Events behind a barrier, then others that are not; returns where what is synced ends. */
async function writeSample(path: string, unsynced: number): Promise<number> {
  const session = newSession({ ...RULES, journal: openCaptureJournal(path) });
  const give = async (id: string) => {
    await session.onEvent(event(id, 0, { payload: PAYLOAD }));
    await session.supervisor.idle();
  };
  for (const id of ["a", "b"]) await give(id);
  await session.barrier();
  const { size } = await Deno.stat(path);
  for (let index = 0; index < unsynced; index++) await give(`u${index}`);
  await session.close();
  return size;
}

/** The bytes as the disk may have them: cut, and with NULs in place of pages, but for what is synced. */
function damaged(
  bytes: Uint8Array,
  synced: number,
  { size, pages }: { size: number; pages: number },
) {
  const image = bytes.slice(0, size);
  const first = Math.floor(synced / PAGE_BYTES);
  for (let page = 0; first + page < size / PAGE_BYTES; page++) {
    if ((pages & 1 << page) === 0) continue;
    const start = (first + page) * PAGE_BYTES;
    image.fill(0, Math.max(start, synced), Math.min(start + PAGE_BYTES, size));
  }
  return image;
}

Deno.test("whichever unsynced pages are lost, a session goes on, and keeps what was synced", async () => {
  await withMemoryDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    const synced = await writeSample(path, longCount(4, 8));
    const bytes = await Deno.readFile(path);
    const first = Math.floor(synced / PAGE_BYTES);
    const count = Math.ceil(bytes.length / PAGE_BYTES) - first;
    assert(count >= 3);
    let lostSeveral = 0;
    for (let pages = 0; pages < 1 << count; pages++) {
      const boundaries = Array.from({ length: count }, (_, page) => (first + page) * PAGE_BYTES);
      for (const size of [bytes.length, ...boundaries.filter((size) => size > synced)]) {
        await Deno.writeFile(path, damaged(bytes, synced, { size, pages }));
        const { damage, lines, bundle } = await recoverCapture(path);
        assert(damage === null || damage.lost, JSON.stringify({ damage, pages, size }));
        assertEquals(bundle.decisions.slice(0, 4).map(({ event_id }) => event_id), [
          "a",
          "a",
          "b",
          "b",
        ]);
        if (damage !== null && damage.line < lines - 1) lostSeveral++;
        await checkGoesOn(path, "next");
      }
    }
    assert(lostSeveral > 0);
  });
});

Deno.test("the power goes again and again, and takes the line that went on too", async () => {
  await withMemoryDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    let synced = await writeSample(path, 3);
    for (let round = 0; round < 6; round++) {
      const bytes = await Deno.readFile(path);
      // The first, the second, or both of the pages behind what is synced.
      const pages = round % 3 + 1;
      await Deno.writeFile(path, damaged(bytes, synced, { size: bytes.length, pages }));
      const { session, recovered } = await resume(path);
      assertEquals(recovered.damage?.lost ?? true, true);
      assertEquals(recovered.bundle.decisions.slice(0, 2).map(({ event_id }) => event_id), [
        "a",
        "a",
      ]);
      for (let index = 0; index < 3; index++) {
        await session.onEvent(event(`r${round}-${index}`, 0, { payload: PAYLOAD }));
        await session.supervisor.idle();
        // Every other time the newest is not on disk.
        if (index > 0 || round % 2 === 0) continue;
        await session.barrier();
        synced = (await Deno.stat(path)).size;
      }
      await session.close();
      await assertReplays(session.intoBundle(), { createSupervisor, expected: EXPECTED });
    }
  });
});

Deno.test("what was on disk is missed: damage there is refused, whatever it is", async () => {
  await withMemoryDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    await writeSample(path, 2);
    const lines = (await Deno.readTextFile(path)).split(/(?<=\n)/);
    const news = lines.findIndex((line) => line.includes('"synced"'));
    const synced: number = JSON.parse(lines[news]!).synced;
    assertEquals([synced, news], [9, 9]);
    const harms: ((line: string) => string)[] = [
      (line) => "\0".repeat(line.length - 1) + "\n",
      (line) => line.slice(0, 20) + "\n",
      () => "",
      (line) => "{}\n" + line,
      () => "\n",
    ];
    for (let line = 2; line <= lines.length; line++) {
      for (const [index, harm] of harms.entries()) {
        const text = lines.with(line - 1, harm(lines[line - 1]!)).join("");
        await Deno.writeTextFile(path, text);
        const { damage } = await recoverCapture(path);
        // What no line says to be on disk may be lost, but for JSON that was never written.
        const mayBeLost = line > synced && index !== 3;
        const isGone = index === 2 && line === lines.length;
        assertEquals(
          damage?.lost,
          isGone ? undefined : mayBeLost,
          `${line} ${index} ${damage?.message}`,
        );
        if (mayBeLost) continue;
        const error = await assertRejects(() => resume(path), CaptureJournalError);
        assertEquals([error.kind, error.details.line], ["damaged", line]);
        assertEquals(await Deno.readTextFile(path), text);
      }
    }
  });
});

/** Nothing is synced but by the barrier, behind which something is promised. */
async function capture(port: FaultPort, root: string, acknowledged: string[]): Promise<void> {
  const journal = openJournalOnPort(port, `${root}/capture.jsonl`);
  const session = newSession({ ...RULES, journal });
  try {
    const told: string[] = [];
    for (const id of ["a", "b", "c", "d", "e"]) {
      await session.onEvent(event(id, 0, { payload: PAYLOAD }));
      await session.supervisor.idle();
      told.push(id);
      if (id === "b" || id === "d") {
        await session.barrier();
        acknowledged.push(...told.splice(0));
      }
    }
  } finally {
    session.intoBundle();
  }
}

Deno.test("the power goes: what is behind a barrier is there, and the session goes on", async () => {
  await everyCut(capture, async (image, { acknowledged }) => {
    const path = `${image}/capture.jsonl`;
    try {
      const ids = await checkGoesOn(path, "next");
      assertEquals(ids.filter((_, index) => index % 2 === 0).slice(0, acknowledged.length), [
        ...acknowledged,
      ]);
    } catch (error) {
      if (!(error instanceof CaptureJournalError)) throw error;
      assert(["io", "no-session"].includes(error.kind), error.message);
      assertEquals(acknowledged, []);
    }
  }, { seeds: longCount(16, 64) });
});
