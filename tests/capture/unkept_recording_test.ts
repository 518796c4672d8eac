/** Sessions that keep nothing of their recording in memory. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type CaptureJournal,
  journalOver,
  recoverCapture,
  resumeCapture,
} from "../../capture/mod.ts";
import { event, newSession, sessionOptions } from "./_util.ts";

/** A journal that keeps its lines where a test sees them. */
function journalInto(lines: string[]): CaptureJournal {
  const barrier = () => Promise.resolve();
  return journalOver({ append: (text) => void lines.push(text), barrier, close: () => {} });
}

Deno.test("the journal of a session that keeps nothing has all that a bundle has", async () => {
  const [kept, unkept]: string[][] = [[], []];
  const session = newSession({ journal: journalInto(kept!) });
  const long = newSession({ journal: journalInto(unkept!), keepsRecording: false });
  for (const id of ["e1", "e2", "e3"]) {
    await session.onEvent(event(id));
    await long.onEvent(event(id));
  }
  await long.note({ type: "record", id: "r", at: { secs: 1, nanos: 0 }, data: 7 });
  await session.note({ type: "record", id: "r", at: { secs: 1, nanos: 0 }, data: 7 });
  assertEquals([long.decisionCount, unkept], [3, kept]);
  await long.close();
  assertEquals((await recoverCapture(unkept!)).bundle, session.intoBundle());
});

Deno.test("a bundle has each note where the journal has it, also beside an input that is under way", async () => {
  for (let turns = 0; turns < 20; turns++) {
    const lines: string[] = [];
    const append = async (text: string) => {
      lines.push(text);
      await Promise.resolve();
    };
    const journal = journalOver({ append, barrier: () => Promise.resolve(), close: () => {} });
    const session = newSession({ journal, mode: "concurrent" });
    const decided = session.onEvent(event("e1"));
    for (let turn = 0; turn < turns; turn++) await undefined;
    await session.note({ type: "record", id: "r", at: { secs: 1, nanos: 0 }, data: 7 });
    await decided;
    await session.close();
    assertEquals((await recoverCapture(lines)).bundle, session.intoBundle());
  }
});

Deno.test("a session may let go of its recording when it has become long", async () => {
  const lines: string[] = [];
  const session = newSession({ journal: journalInto(lines) });
  await session.onEvent(event("e1"));
  session.letGoOfRecording();
  await session.onEvent(event("e2"));
  assertThrows(() => session.intoBundle(), TypeError, "does not keep its recording");
  assertEquals(session.decisionCount, 2);
  await session.close();
  const { decisions } = (await recoverCapture(lines)).bundle;
  assertEquals(decisions.map(({ event_id }) => event_id), ["e1", "e2"]);
  assertThrows(() => newSession().letGoOfRecording(), TypeError, "no journal");
});

Deno.test("what needs the recording is refused by a session that does not keep it", async () => {
  const session = newSession({ journal: journalInto([]), keepsRecording: false });
  await session.onEvent(event("e1"));
  const message = "this session does not keep its recording";
  assertThrows(() => session.intoBundle(), TypeError, `Cannot make a bundle: ${message}`);
  assertThrows(() => session.undecided, TypeError, message);
  assertThrows(() => session.interrupted, TypeError, message);
  await assertRejects(() => session.setEffects(0, []), TypeError, message);
  // Refusing has changed nothing.
  await session.onEvent(event("e2"));
  assertEquals(session.decisionCount, 2);
  assertThrows(() => newSession({ keepsRecording: false }), TypeError, "neither has a journal");
});

Deno.test("a session that is gone on with need not keep its recording either", async () => {
  const lines: string[] = [];
  await newSession({ mode: "concurrent", journal: journalInto(lines) }).onEvent(event("e1"));
  // As if the process had been killed before its attempt had ended.
  const { session, recovered } = await resumeCapture({
    ...sessionOptions(),
    mode: "concurrent",
    keepsRecording: false,
    lines: lines.slice(0, 3),
    journal: ({ lines: count, synced }) => {
      const sink = { append: (text: string) => void lines.push(text), close: () => {} };
      lines.length = count;
      return journalOver({ ...sink, barrier: () => Promise.resolve() }, { lines: count, synced });
    },
  });
  assertEquals(recovered.interrupted.map(({ event_id }) => event_id), ["e1"]);
  await session.onEvent(event("e2"));
  await session.close();
  const { bundle, interrupted } = await recoverCapture(lines);
  assertEquals(
    bundle.decisions.map(({ event_id, decision }) => [event_id, decision]),
    [
      ["e1", "Invoke"],
      ["e1", "Finish"],
      ["e2", "Invoke"],
      ["e2", "Finish"],
    ],
  );
  assertEquals([interrupted, session.decisionCount], [[], 4]);
});
