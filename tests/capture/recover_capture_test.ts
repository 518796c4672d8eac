import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  assertReplays,
  CaptureJournalError,
  type JournalDamageKind,
  openCaptureJournal,
  recoverCapture,
} from "../../capture/mod.ts";
import { openJournalOnPort } from "../../capture/session/journal.ts";
import { everyCut } from "../_util/every_cut.ts";
import { everyFailure } from "../_util/every_failure.ts";
import type { FaultPort } from "../_util/fault_port.ts";
import { withTempDir } from "../_util/temp.ts";
import { createSupervisor, event, EXPECTED, newSession } from "./_util.ts";

const EFFECT = {
  kind: "set_context",
  writes: [{ key: "x", value: { Number: 906.7979265841685 } }],
};

/** A journal of three events; returns its lines. */
async function writeJournal(path: string): Promise<string[]> {
  const session = newSession({ journal: openCaptureJournal(path) });
  await session.onEvent(event("e1", 0, { payload: '{"x":1}' }));
  await session.setEffects(0, [EFFECT]);
  await session.onEvent(event("e2", 1));
  await session.onEvent(event("e3", 2));
  session.intoBundle();
  return (await Deno.readTextFile(path)).split(/(?<=\n)/);
}

function idsOf(records: readonly { event_id: string }[]): string[] {
  return records.map(({ event_id }) => event_id);
}

Deno.test("the journal of a whole session gives its bundle", async () => {
  await withTempDir(async (directory) => {
    for (const mode of ["serial", "concurrent"] as const) {
      for (const durability of ["os", "disk"] as const) {
        const path = `${directory}/${mode}-${durability}.jsonl`;
        const session = newSession({ mode, journal: openCaptureJournal(path, { durability }) });
        for (const id of ["e1", "e2"]) await session.onEvent(event(id));
        await session.setEffects(1, [EFFECT]);
        await session.close();
        const recovered = await recoverCapture(path);
        assertEquals(recovered.bundle, session.intoBundle());
        const { undecided, interrupted, damage, session: which } = recovered;
        assertEquals([undecided, interrupted, damage, which], [[], [], null, 1]);
        await assertReplays(recovered.bundle, { createSupervisor, expected: EXPECTED });
      }
    }
  });
});

Deno.test("what a session records while its journal is recovered is for the next time", () =>
  withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    const session = newSession({ journal: openCaptureJournal(path) });
    await session.onEvent(event("e1"));
    const { bundle } = await recoverCapture(path);
    const recovering = recoverCapture(path);
    const recording = session.onEvent(event("e2"));
    assertEquals((await recovering).bundle, bundle);
    await recording;
    assertEquals((await recoverCapture(path)).bundle, session.intoBundle());
  }));

Deno.test("each line has its number, its type and what it records", async () => {
  await withTempDir(async (directory) => {
    const lines = await writeJournal(`${directory}/capture.jsonl`);
    const parsed = lines.map((line) => JSON.parse(line));
    assertEquals(parsed.map(({ line }) => line), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assertEquals(parsed.map(({ type }) => type), [
      "session",
      "event",
      "completion",
      "decision",
      "effects",
      "event",
      "completion",
      "decision",
      "event",
      "completion",
      "decision",
    ]);
    assertEquals(Object.keys(parsed[1]).slice(0, 3), ["line", "type", "event_id"]);
  });
});

Deno.test("cut after any byte, a journal gives what was decided and names the rest", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    const lines = await writeJournal(path);
    const bytes = await Deno.readFile(path);
    const ends = lines.map((_, index) => lines.slice(0, index + 1).join("").length);
    for (let cut = 0; cut <= bytes.length; cut += cut < ends[0]! ? 97 : 13) {
      await Deno.writeFile(path, bytes.subarray(0, cut));
      const whole = ends.filter((end) => end <= cut).length;
      if (whole === 0) {
        const error = await assertRejects(() => recoverCapture(path), CaptureJournalError);
        assertEquals([error.kind, error.details.lines, error.details.lost], [
          "no-session",
          0,
          true,
        ]);
        continue;
      }
      const { bundle, undecided, damage, lines: count } = await recoverCapture(path);
      assertEquals([count, damage?.lost], [whole, cut === ends[whole - 1] ? undefined : true]);
      const decided = [4, 8, 11].filter((line) => line <= whole).length;
      assertEquals(idsOf(bundle.decisions), ["e1", "e2", "e3"].slice(0, decided));
      const begun = [2, 6, 9].filter((line) => line <= whole).length;
      assertEquals(idsOf(undecided), ["e1", "e2", "e3"].slice(decided, begun));
      assertEquals(damage?.kind, cut === ends[whole - 1] ? undefined : "torn");
      await assertReplays(bundle, { createSupervisor, expected: EXPECTED });
    }
  });
});

Deno.test("a damaged journal is used up to the damage, and the line is named", async () => {
  const damages: [JournalDamageKind, line: number, (lines: string[]) => string[]][] = [
    ["unreadable", 6, (lines) => lines.with(5, "\0".repeat(lines[5]!.length - 1) + "\n")],
    ["unreadable", 7, (lines) => lines.with(6, "{}\n")],
    ["unreadable", 8, (lines) => lines.with(7, lines[7]!.replace('"Invoke"', '"Invoked"'))],
    ["unreadable", 6, (lines) => lines.with(5, lines[5]!.replace('"line":6', '"line":6,"line":6'))],
    ["misnumbered", 6, (lines) => lines.toSpliced(5, 1)],
    ["misnumbered", 7, (lines) => lines.toSpliced(6, 0, lines[5]!)],
    ["disordered", 5, (lines) => lines.with(4, lines[3]!.replace('"line":4', '"line":5'))],
    ["disordered", 5, (lines) => lines.with(4, lines[4]!.replace('index":0', 'index":1'))],
  ];
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    const lines = await writeJournal(path);
    for (const [kind, line, change] of damages) {
      const text = change(lines);
      await Deno.writeTextFile(path, text.join(""));
      const { bundle, damage } = await recoverCapture(path);
      assertEquals([damage?.kind, damage?.line], [kind, line], damage?.message);
      assertEquals(damage?.byteOffset, text.slice(0, line - 1).join("").length);
      assertEquals(idsOf(bundle.decisions), ["e1"]);
      await assertReplays(bundle, { createSupervisor, expected: EXPECTED });
    }
  });
});

Deno.test("a journal holds one session behind the other", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    await writeJournal(path);
    // The writer of the second session finds what a killed one left.
    await Deno.writeTextFile(path, '{"line":12,"type":"ev', { append: true });
    const second = newSession({ graphId: "h", journal: openCaptureJournal(path) });
    await second.onEvent(event("f1"));
    await second.close();
    const last = await recoverCapture(path);
    assertEquals([last.session, last.bundle.graph_id, last.damage], [2, "h", null]);
    assertEquals(last.bundle, second.intoBundle());
    const first = await recoverCapture(path, { session: 1 });
    assertEquals([first.session, idsOf(first.bundle.decisions)], [1, ["e1", "e2", "e3"]]);
    const error = await assertRejects(
      () => recoverCapture(path, { session: 3 }),
      CaptureJournalError,
      "no session 3 begins in it",
    );
    assertEquals(error.kind, "no-session");
    assert(
      (await Array.fromAsync(Deno.readDir(directory))).some(({ name }) => name.includes("torn")),
    );
  });
});

Deno.test("a whole session behind a damaged one can be recovered", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    const lines = await writeJournal(path);
    const damaged = lines.with(5, "\0".repeat(lines[5]!.length - 1) + "\n");
    await Deno.writeTextFile(path, damaged.join(""));
    const second = newSession({ journal: openCaptureJournal(path) });
    await second.onEvent(event("f1"));
    second.intoBundle();
    const { damage, bundle } = await recoverCapture(path);
    assertEquals([damage, idsOf(bundle.decisions)], [null, ["f1"]]);
    assertEquals((await recoverCapture(path, { session: 1 })).damage?.line, 6);
  });
});

Deno.test("concurrent attempts in flight are named", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    const { promise, resolve } = Promise.withResolvers<"Completed">();
    const journal = openCaptureJournal(path);
    const session = newSession({
      mode: "concurrent",
      journal,
      invoker: { run: ({ eventId }) => eventId === "e1" ? promise : new Promise(() => {}) },
      decisionLog: {
        log: ({ decision }) => decision === "Finish" ? new Promise<void>(() => {}) : undefined,
      },
    });
    for (const id of ["e1", "e2"]) await session.onEvent(event(id));
    resolve("Completed");
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    const { bundle, interrupted, undecided } = await recoverCapture(path);
    assertEquals(interrupted, [
      { event_id: "e1", episode_id: 0, attempt: 1, termination: "Completed" },
      { event_id: "e2", episode_id: 1, attempt: 1, termination: null },
    ]);
    assertEquals(undecided, []);
    assertEquals(bundle.decisions.length, 2);
    await assertReplays(bundle, { createSupervisor, expected: EXPECTED });
    journal.close();
  });
});

Deno.test("two sessions cannot write to one journal", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    const first = newSession({ journal: openCaptureJournal(path) });
    const second = newSession({ journal: openCaptureJournal(path) });
    const error = await assertRejects(() => first.onEvent(event("e1")), CaptureJournalError);
    assertEquals(error.kind, "conflict");
    await second.onEvent(event("e2"));
    second.intoBundle();
    await assertRejects(() => first.close(), CaptureJournalError);
    assertEquals(first.intoBundle().decisions, []);
  });
});

Deno.test("a journal whose directory is missing, or that is none, is an error", async () => {
  await withTempDir(async (directory) => {
    const error = assertThrows(
      () => openCaptureJournal(`${directory}/none/capture.jsonl`),
      CaptureJournalError,
    );
    assertEquals(error.kind, "io");
    const missing = await assertRejects(
      () => recoverCapture(`${directory}/none.jsonl`),
      CaptureJournalError,
    );
    assert(missing.kind === "io" && missing.cause instanceof Deno.errors.NotFound);
  });
});

async function capture(port: FaultPort, root: string, acknowledged: string[]): Promise<void> {
  const journal = openJournalOnPort(port, `${root}/capture.jsonl`, { durability: "disk" });
  const session = newSession({ journal });
  try {
    for (const id of ["e1", "e2"]) {
      await session.onEvent(event(id));
      acknowledged.push(id);
    }
  } finally {
    session.intoBundle();
  }
}

async function checkRecovered(root: string, acknowledged: readonly string[]): Promise<void> {
  let recovered;
  try {
    recovered = await recoverCapture(`${root}/capture.jsonl`);
  } catch (error) {
    assert(error instanceof CaptureJournalError);
    return assertEquals(acknowledged, []);
  }
  const ids = idsOf(recovered.bundle.decisions);
  assertEquals(ids.slice(0, acknowledged.length), acknowledged);
  await assertReplays(recovered.bundle, { createSupervisor, expected: EXPECTED });
}

Deno.test("the power goes: what was decided is in the journal", async () => {
  await everyCut(capture, (image, { acknowledged }) => checkRecovered(image, acknowledged));
});

Deno.test("the n-th call fails: the session stops, and what was decided is in the journal", async () => {
  await everyFailure(capture, async (root, { acknowledged, error }) => {
    assert(error === undefined || error instanceof CaptureJournalError, String(error));
    await checkRecovered(root, acknowledged);
  });
});

Deno.test("a session that a newer version began is not recovered", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    const lines = await writeJournal(path);
    const newer = lines[0]!.replace('"taffrail-v1"', '"taffrail-v2"')
      .replace('"line":1', `"line":${lines.length + 1}`);
    await Deno.writeTextFile(path, newer, { append: true });
    const error = await assertRejects(() => recoverCapture(path), CaptureJournalError);
    assertEquals(error.kind, "version");
    assert(error.message.includes("its journal_version is 'taffrail-v2'"));
    const only = `${directory}/only.jsonl`;
    await Deno.writeTextFile(only, lines.join("").replace('"taffrail-v1"', '"taffrail-v2"'));
    assertEquals(
      (await assertRejects(() => recoverCapture(only), CaptureJournalError)).kind,
      "version",
    );
  });
});
