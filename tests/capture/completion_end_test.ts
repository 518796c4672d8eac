/** `end` of a completion and `first_attempt` of an event: recorded as given, and no part of any decision. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  assertReplays,
  type CompletionInputRecord,
  diffBundles,
  openCaptureJournal,
  parseCaptureBundle,
  recordEvent,
  recoverCapture,
  rehydrateEvent,
  replayBundle,
  resumeCapture,
  stringifyCaptureBundle,
  stringifyCaptureJournal,
  type TaffrailCaptureBundle,
} from "../../capture/mod.ts";
import {
  createEvent,
  ManualTimers,
  type RunAnswer,
  type RunRequest,
  type SupervisorMode,
} from "../../supervisor/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { at, createSupervisor, event, newSession, sessionOptions } from "./_util.ts";

const MODES: readonly SupervisorMode[] = ["serial", "concurrent"];
const END = {
  zebra: "last in the alphabet, first here",
  exit_code: null,
  duration_ms: 12,
  nested: { b: [1, -2, 2.5, { z: 0, a: "é\u2028" }], a: true },
  numbers: [1e21, 1e-7, 2e-6, 0.1, -1e300, 2 ** 53, 5e-324],
  "": {},
};
/** As a document says them: floats with a point or an exponent as everywhere in this format. */
const END_TEXT = '{"zebra":"last in the alphabet, first here","exit_code":null,"duration_ms":12,' +
  '"nested":{"b":[1,-2,2.5,{"z":0,"a":"é\u2028"}],"a":true},' +
  '"numbers":[1e21,1e-7,2e-6,0.1,-1e300,9007199254740992.0,5e-324],"":{}}';

const answer: RunAnswer = { termination: { Failed: "SemanticError" }, end: END };

async function take(mode: SupervisorMode, journalPath?: string): Promise<TaffrailCaptureBundle> {
  const session = newSession({
    mode,
    invoker: { run: () => answer },
    ...(journalPath !== undefined && { journal: openCaptureJournal(journalPath) }),
  });
  await session.onEvent(
    createEvent({ id: "e1#2", kind: "Command", at: at(0), payload: '{"x":1}', firstAttempt: 4 }),
  );
  await session.supervisor.close();
  const bundle = session.intoBundle();
  assert("inputs" in bundle);
  return bundle;
}

function completionOf(bundle: TaffrailCaptureBundle): CompletionInputRecord {
  return bundle.inputs.find((input) => input.type === "completion")!;
}

for (const mode of MODES) {
  Deno.test(`${mode}: both are in taffrail-v1 and the journal, once, members in order, and replay`, async () => {
    await withTempDir(async (dir) => {
      const path = `${dir}/capture.jsonl`;
      const bundle = await take(mode, path);
      const [first] = bundle.inputs;
      assert(first?.type === "event" && first.first_attempt === 4);
      assertEquals(completionOf(bundle).end, END);
      const journal = await Deno.readTextFile(path);
      assertEquals(journal.split(`"at":{"secs":0,"nanos":0},"end":${END_TEXT}`).length, 2);
      assertEquals(journal.split('"first_attempt":4').length, 2);
      assertEquals(stringifyCaptureJournal(bundle), journal);
      const recovered = await recoverCapture(path);
      assertEquals(recovered.bundle, bundle);
      assertEquals(stringifyCaptureBundle(recovered.bundle), stringifyCaptureBundle(bundle));
      for (const style of ["compact", "pretty"] as const) {
        const text = stringifyCaptureBundle(bundle, style);
        const again = parseCaptureBundle(text);
        assertEquals(again, bundle);
        assertEquals(stringifyCaptureBundle(again, style), text);
        assertEquals(JSON.stringify(JSON.parse(text).inputs.at(-1).end), JSON.stringify(END));
        await assertReplays(again, { createSupervisor });
        await assertReplays(again, { createSupervisor, invoker: { run: () => answer } });
      }
    });
  });

  Deno.test(`${mode}: no replay compares an end, a diff shows it`, async () => {
    const bundle = await take(mode);
    const index = bundle.inputs.findIndex(({ type }) => type === "completion");
    const { end: _, ...bare } = completionOf(bundle);
    const without = { ...bundle, inputs: bundle.inputs.with(index, bare) };
    assert((await replayBundle(without, { createSupervisor })).ok);
    const run = () => ({ termination: { Failed: "SemanticError" }, end: { other: 1 } } as const);
    assert((await replayBundle(bundle, { createSupervisor, invoker: { run } })).ok);
    assertEquals(diffBundles(bundle, without), [
      { kind: "changed", path: `$.inputs[${index}].end`, before: END, after: undefined },
    ]);
  });
}

Deno.test("an answer that is none ends an attempt of a live replay as it would have then", async () => {
  for (const mode of MODES) {
    const bundle = await take(mode);
    for (const end of [{ a: NaN }, "text", null]) {
      const run = () => ({ termination: "Completed", end }) as RunAnswer;
      const { divergences } = await replayBundle(bundle, { createSupervisor, invoker: { run } });
      assertEquals(
        divergences.find(({ kind }) => kind === "termination")?.replayed,
        { Failed: "RuntimeError" },
        `${mode} ${JSON.stringify(end)}`,
      );
    }
  }
});

Deno.test("what was ended before its work began is not begun by a live replay either", async () => {
  for (const mode of MODES) {
    const barrier = Promise.withResolvers<void>();
    const controller = new AbortController();
    const session = newSession({
      mode,
      signal: controller.signal,
      timers: new ManualTimers(),
      beforeRun: ({ eventId }) => eventId === "e2" ? barrier.promise : undefined,
    });
    const handled = ["e1", "e2"].map((id) => session.onEvent(event(id)));
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    controller.abort(new Error("enough"));
    barrier.resolve();
    await Promise.all(handled);
    await session.close();
    const bundle = session.intoBundle();
    assert("inputs" in bundle);
    assertEquals(
      bundle.inputs.flatMap((input) => input.type === "completion" ? [input.end] : []),
      [undefined, { begun: false }],
    );
    const made: string[] = [];
    const run = ({ eventId }: RunRequest) => (made.push(eventId), "Completed" as const);
    await assertReplays(bundle, { createSupervisor, invoker: { run } });
    assertEquals(made, ["e1"]);
  }
});

Deno.test("a serial session that says neither is written as v3, as before", async () => {
  const session = newSession();
  await session.onEvent(event("e1"));
  assertEquals(session.intoBundle().capture_version, "v3");
});

Deno.test("an event that was not decided on keeps its first attempt, and v3 refuses it", async () => {
  const one = createEvent({ id: "e1", kind: "Command", at: at(0), firstAttempt: 2 });
  assertThrows(
    () => recordEvent(one),
    TypeError,
    'Cannot record event "e1": the format v3 cannot say its firstAttempt',
  );
  await withTempDir(async (dir) => {
    const journalPath = `${dir}/capture.jsonl`;
    const session = newSession({
      journal: openCaptureJournal(journalPath),
      invoker: { run: () => new Promise(() => {}) },
    });
    void session.onEvent(one);
    const { undecided } = await recoverCapture(journalPath);
    assertEquals(undecided.map(rehydrateEvent), [one]);
    assertEquals(session.undecided.map(rehydrateEvent), [one]);
    const resumed = await resumeCapture({ ...sessionOptions(), journalPath });
    const whole = resumed.session.intoBundle();
    assert("inputs" in whole && whole.inputs[0]?.type === "event");
    assertEquals(whole.inputs[0].first_attempt, 2);
  });
});

Deno.test("an end of another kind is refused, its place named", async () => {
  const bundle = await take("concurrent");
  const index = bundle.inputs.findIndex(({ type }) => type === "completion");
  const loop: Record<string, unknown> = {};
  loop.again = loop;
  const ends: [unknown, string][] = [
    [[], `Cannot print $.inputs[${index}].end: invalid type: sequence, expected an object`],
    [{ a: NaN }, `Cannot print $.inputs[${index}].end.a: NaN is not JSON`],
    [{ a: [undefined] }, `Cannot print $.inputs[${index}].end.a[0]: undefined is not JSON`],
    [{ a: new Map() }, `Cannot print $.inputs[${index}].end.a: a value of type Map`],
    [loop, "circular reference"],
  ];
  for (const [end, problem] of ends) {
    const completion = { ...completionOf(bundle), end } as CompletionInputRecord;
    const changed = { ...bundle, inputs: bundle.inputs.with(index, completion) };
    assertThrows(() => stringifyCaptureBundle(changed), TypeError, problem);
  }
});
