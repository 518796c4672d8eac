/** `retry` of an event: part of the recording in `taffrail-v1` and in the journal, and of every replay. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  assertReplays,
  CapturingDecisionLog,
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
  FaultInvoker,
  ManualTimers,
  type SupervisorMode,
} from "../../supervisor/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { at, createSupervisor, event, newSession, sessionOptions } from "./_util.ts";

const MODES: readonly SupervisorMode[] = ["serial", "concurrent"];
const RETRY = {
  max_retries: 2,
  deadline: at(7),
  backoff: { initial: at(1), factor: 3, max: at(5) },
};
const RETRY_TEXT = '"retry":{"max_retries":2,"deadline":{"secs":7,"nanos":0},"backoff":' +
  '{"initial":{"secs":1,"nanos":0},"factor":3,"max":{"secs":5,"nanos":0}}}';

const one = createEvent({ id: "e1", kind: "Command", at: at(0), payload: "{}", retry: RETRY });

/** A session in which one event is tried three times, another once. */
async function take(mode: SupervisorMode, journalPath?: string): Promise<TaffrailCaptureBundle> {
  const session = newSession({
    mode,
    invoker: new FaultInvoker("TimedOut"),
    timers: new ManualTimers(),
    ...(journalPath !== undefined && { journal: openCaptureJournal(journalPath) }),
  });
  const pump = (id: string, secs: number) => event(id, secs, { kind: "Pump" });
  for (const next of [one, event("e2"), pump("p1", 1), pump("p2", 4)]) {
    await session.onEvent(next);
  }
  await session.supervisor.close();
  const bundle = session.intoBundle();
  assert("inputs" in bundle);
  return bundle;
}

for (const mode of MODES) {
  Deno.test(`${mode}: it is in taffrail-v1 and the journal, and a replay is exact`, async () => {
    await withTempDir(async (dir) => {
      const path = `${dir}/capture.jsonl`;
      const bundle = await take(mode, path);
      const tries = bundle.decisions.filter(({ origin_event_id }) => origin_event_id === "e1");
      assertEquals(tries.at(-1)!.retry_count, 2);
      assertEquals(new Set(tries.map(({ numbers }) => numbers.max_retries)), new Set([2]));
      assertEquals(tries.map(({ deadline }) => deadline), tries.map(() => at(7)));
      const journal = await Deno.readTextFile(path);
      assertEquals(journal.split(`",${RETRY_TEXT}}`).length, 2);
      assertEquals(stringifyCaptureJournal(bundle), journal);
      const recovered = await recoverCapture(path);
      assertEquals(recovered.bundle, bundle);
      for (const style of ["compact", "pretty"] as const) {
        const text = stringifyCaptureBundle(bundle, style);
        const again = parseCaptureBundle(text);
        assertEquals(again, bundle);
        assertEquals(stringifyCaptureBundle(again, style), text);
        await assertReplays(again, { createSupervisor });
        await assertReplays(again, { createSupervisor, invoker: new FaultInvoker("TimedOut") });
      }
    });
  });

  Deno.test(`${mode}: without it, or with another, the same inputs are decided on otherwise`, async () => {
    const bundle = await take(mode);
    const [first, ...others] = bundle.inputs;
    assert(first?.type === "event");
    const { retry: _, ...bare } = first;
    const changes = [bare, { ...first, retry: { ...RETRY, max_retries: 1 } }];
    for (const changed of changes) {
      const other = { ...bundle, inputs: [changed, ...others] };
      assert(!(await replayBundle(other, { createSupervisor })).ok);
      const [difference] = diffBundles(bundle, other);
      assert(difference?.path.startsWith("$.inputs[0].retry"), difference?.path);
    }
  });
}

Deno.test("a session in which no event says it is written as v3, and v3 refuses it by hand", async () => {
  const session = newSession();
  await session.onEvent(event("e1"));
  await session.onEvent(createEvent({ id: "e2", kind: "Command", at: at(0), retry: {} }));
  const bundle = session.intoBundle();
  assertEquals(bundle.capture_version, "v3");
  const refusal = 'Cannot record event "e1": the format v3 cannot say its retry';
  assertThrows(() => recordEvent(one), TypeError, refusal);
  assert(new CapturingDecisionLog(sessionOptions().decisionLog, bundle));
});

Deno.test("an event that was not decided on keeps it, and is decided on by it when it is gone on with", async () => {
  await withTempDir(async (dir) => {
    const journalPath = `${dir}/capture.jsonl`;
    const session = newSession({
      journal: openCaptureJournal(journalPath),
      invoker: { run: () => new Promise(() => {}) },
    });
    void session.onEvent(one);
    const { undecided } = await recoverCapture(journalPath);
    assertEquals(undecided.map(rehydrateEvent), [one]);
    const resumed = await resumeCapture({ ...sessionOptions(), journalPath });
    const whole = resumed.session.intoBundle();
    assert("inputs" in whole && whole.inputs[0]?.type === "event");
    assertEquals(whole.inputs[0].retry, RETRY);
    assertEquals(whole.decisions[0]?.numbers.max_retries, 2);
  });
});

Deno.test("what is no retry is refused where it is read, its place named", async () => {
  const text = stringifyCaptureBundle(await take("concurrent"));
  const cases: [string, string][] = [
    ['"retry":{"max_retries":-1}', "$.inputs[0].retry.max_retries"],
    ['"retry":{"retries":1}', "unknown field `retries`"],
    ['"retry":{"deadline":7}', "$.inputs[0].retry.deadline"],
    ['"retry":[]', "$.inputs[0].retry"],
  ];
  for (const [other, problem] of cases) {
    const { message } = assertThrows(
      () => parseCaptureBundle(text.replace(RETRY_TEXT, other)),
      Error,
    );
    assert(message.includes(problem), message);
  }
  const bundle = await take("concurrent");
  const [first, ...others] = bundle.inputs;
  const wrong = { ...first!, retry: { backoff: { ...RETRY.backoff, factor: 0 } } };
  await assertRejects(
    () => replayBundle({ ...bundle, inputs: [wrong as never, ...others] }, { createSupervisor }),
    RangeError,
    "event.retry.backoff.factor",
  );
});
