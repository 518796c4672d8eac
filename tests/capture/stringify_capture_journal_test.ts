import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  assertReplays,
  type CaptureBundle,
  CaptureJournalError,
  openCaptureJournal,
  recoverCapture,
  resumeCapture,
  stringifyCaptureJournal,
  type TaffrailCaptureBundle,
} from "../../capture/mod.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { seed, withMemoryDir, withTempDir } from "../_util/temp.ts";
import { randomConcurrentSession, randomSerialSession } from "./_random_session.ts";
import {
  createSupervisor,
  event,
  EXPECTED,
  newSession,
  sampleBundle,
  sessionOptions,
} from "./_util.ts";

/** Writes the journal of a bundle and makes a bundle of it again. */
async function throughJournal(path: string, bundle: TaffrailCaptureBundle): Promise<CaptureBundle> {
  await Deno.writeTextFile(path, stringifyCaptureJournal(bundle));
  const { bundle: again, undecided, damage, session } = await recoverCapture(path);
  assertEquals([undecided, damage, session], [[], null, 1]);
  return again;
}

Deno.test("a bundle gives a journal, and that the same bundle", async () => {
  let count = 0;
  await withMemoryDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    for (let round = 0; round < 100; round++) {
      const random = new Random(mixSeeds(seed(), round));
      const serial = (await randomSerialSession(random)).bundle;
      for (const bundle of [serial, await randomConcurrentSession(random)]) {
        if (!("inputs" in bundle)) continue;
        assertEquals(await throughJournal(path, bundle), bundle);
        count++;
      }
    }
  });
  assert(count > 100, `${count}`);
});

Deno.test("the journal of a bundle is the one that the session wrote", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    const session = newSession({ mode: "concurrent", journal: openCaptureJournal(path) });
    for (const id of ["e1", "e2"]) await session.onEvent(event(id, 0, { payload: '{"x":"é"}' }));
    await session.close();
    const bundle = session.intoBundle();
    assert("inputs" in bundle);
    assertEquals(stringifyCaptureJournal(bundle), await Deno.readTextFile(path));
  });
});

Deno.test("a session goes on from the journal of its bundle", async () => {
  await withTempDir(async (directory) => {
    const journalPath = `${directory}/capture.jsonl`;
    const first = newSession({ mode: "concurrent" });
    await first.onEvent(event("e1"));
    await first.close();
    const bundle = first.intoBundle();
    assert("inputs" in bundle);
    await Deno.writeTextFile(journalPath, stringifyCaptureJournal(bundle));
    const options = { ...sessionOptions(), mode: "concurrent", journalPath } as const;
    const { session } = await resumeCapture(options);
    await session.onEvent(event("e2"));
    await session.close();
    const whole = session.intoBundle();
    assertEquals(whole.decisions.slice(0, bundle.decisions.length), bundle.decisions);
    assertEquals((await recoverCapture(journalPath)).bundle, whole);
    await assertReplays(whole, { createSupervisor, expected: EXPECTED });
  });
});

Deno.test("what cannot be a journal is refused", async () => {
  const session = newSession({ mode: "concurrent" });
  for (const id of ["e1", "e2"]) await session.onEvent(event(id));
  await session.close();
  const bundle = session.intoBundle();
  assert("inputs" in bundle);
  const decisions = bundle.decisions.slice(1);
  const cases: [unknown, string][] = [
    [await sampleBundle(), "it is not of format taffrail-v1"],
    [{ ...bundle, decisions }, "its 3 decisions are not those of its 4 inputs"],
    [{ ...bundle, inputs: [] }, "its 4 decisions are not those of its 0 inputs"],
    [{ ...bundle, graph_id: 1 }, "$.graph_id: invalid type: integer `1`"],
    [null, "Cannot use bundle: expected an object, got null"],
  ];
  for (const [value, message] of cases) {
    assertThrows(() => stringifyCaptureJournal(value as TaffrailCaptureBundle), TypeError, message);
  }
});

Deno.test("what is no journal is an error of capture, at once, in both readers", async () => {
  await withTempDir(async (directory) => {
    const { success } = new Deno.Command("mkfifo", { args: [`${directory}/pipe`] }).outputSync();
    assert(success);
    await Deno.mkdir(`${directory}/folder`);
    await Deno.symlink("/dev/zero", `${directory}/link`);
    const utf16 = new Uint8Array([0xff, 0xfe, 0x7b, 0, 0x7d, 0, 0x0a, 0]);
    const texts: [string, Uint8Array | string, string][] = [
      ["empty", "", "it is empty"],
      ["garbage", "garbage\n", "line 1 is unreadable"],
      ["torn", "{", "line 1 is torn"],
      ["null", "null\n", "expected an object"],
      ["nuls", "\0".repeat(5000) + "\n", "line 1 is unreadable (all its bytes are NUL, as a power"],
      ["utf16", utf16, "the text is UTF-16, not UTF-8"],
      ["mark", '\ufeff{"line":1}\n', "byte order mark"],
      ["deep", "[".repeat(2_000_000) + "\n", "nesting deeper than"],
    ];
    const cases: [string, string, string][] = [
      ["pipe", "io", "it is a named pipe, not a regular file"],
      ["folder", "io", "it is a directory, not a regular file"],
      ["link", "io", "it is a symbolic link, not a regular file"],
      ["none", "io", "it does not exist"],
    ];
    for (const [name, text, message] of texts) {
      const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
      await Deno.writeFile(`${directory}/${name}`, bytes);
      cases.push([name, "no-session", message]);
    }
    for (const [name, kind, message] of cases) {
      const journalPath = `${directory}/${name}`;
      const options = { ...sessionOptions(), journalPath };
      for (const read of [() => recoverCapture(journalPath), () => resumeCapture(options)]) {
        const error = await assertRejects(read, CaptureJournalError, message, name);
        assertEquals([error.kind, error.details.path], [kind, journalPath], name);
      }
    }
    for (const [name, text] of texts) {
      const { length } = await Deno.readFile(`${directory}/${name}`);
      assertEquals(length, typeof text === "string" ? new TextEncoder().encode(text).length : 8);
    }
  });
});
