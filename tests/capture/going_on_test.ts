import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  assertReplays,
  type CaptureBundle,
  CaptureJournalError,
  journalOver,
  recoverCapture,
  type RecoveredCapture,
  replayBundle,
  ReplayError,
  resumeCapture,
  type ResumeCaptureOptions,
  stringifyCaptureJournal,
  type TaffrailCaptureBundle,
} from "../../capture/mod.ts";
import {
  ManualTimers,
  MemoryDecisionLog,
  type RunRequest,
  type RunTermination,
  type Supervisor,
} from "../../supervisor/mod.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";
import { randomConcurrentSession } from "./_random_session.ts";
import { at, createSupervisor, event, EXPECTED, newSession, RUNTIME } from "./_util.ts";

/** Sessions that are gone on with from lines, as whoever keeps them elsewhere than in a file does it. */

const RULES = {
  graphId: "g",
  mode: "concurrent",
  constraints: { max_in_flight: 1, max_retries: 1 },
} as const;

function memoryJournal(lines: string[], from?: { lines: number; synced: number }) {
  return journalOver({
    append: (text) => void lines.push(text),
    barrier: () => Promise.resolve(),
    close: () => {},
  }, from);
}

/** Goes on with lines, and into them. */
function resume(lines: string[], options: Partial<ResumeCaptureOptions<Supervisor>> = {}) {
  const invoked: string[] = [];
  const { run } = options.invoker ?? { run: () => "Completed" as const };
  const resuming = resumeCapture({
    ...RULES,
    decisionLog: new MemoryDecisionLog(),
    createSupervisor,
    runtimeProvenance: RUNTIME,
    timers: new ManualTimers(at(100)),
    lines: [...lines],
    journal: ({ lines: count, synced }: RecoveredCapture) =>
      memoryJournal(lines, { lines: count, synced }),
    ...options,
    invoker: {
      run: (request: RunRequest) => {
        invoked.push(request.eventId);
        return run(request);
      },
    },
  });
  return resuming.then((resumed) => ({ ...resumed, invoked }));
}

/** One attempt in flight, and two episodes that wait. */
async function writeSample(): Promise<string[]> {
  const lines: string[] = [];
  const session = newSession({
    ...RULES,
    journal: memoryJournal(lines),
    timers: new ManualTimers(at(100)),
    invoker: { run: () => new Promise<RunTermination>(() => {}) },
  });
  for (const id of ["a", "b", "c"]) await session.onEvent(event(id, 100));
  return lines;
}

function inputsOf(bundle: CaptureBundle) {
  assert("inputs" in bundle);
  return bundle.inputs;
}

Deno.test("what was recovered tells what waits, and how far the journal goes", async () => {
  const recovered = await recoverCapture(await writeSample());
  assertEquals(
    recovered.deferred.map((
      { event_id, episode_id, attempts },
    ) => [event_id, episode_id, attempts]),
    [["b", 1, 0], ["c", 2, 0]],
  );
  assertEquals(recovered.interrupted.map(({ event_id }) => event_id), ["a"]);
  assertEquals([recovered.lines, recovered.synced, recovered.damage], [7, 0, null]);
});

Deno.test("with withdrawDeferred nothing is called before all that waits is taken out", async () => {
  const lines = await writeSample();
  const { session, recovered, invoked } = await resume(lines, { withdrawDeferred: true });
  assertEquals(invoked, []);
  assertEquals(session.supervisor.deferred, []);
  assertEquals(session.supervisor.inFlight, []);
  assertEquals(recovered.deferred.length, 2);
  await session.onEvent(event("b#2", 100));
  await session.close();
  assertEquals(invoked, ["b#2"]);
  const bundle = session.intoBundle();
  assertEquals(
    bundle.decisions.slice(3).map((
      each,
    ) => [each.event_id, each.decision, Reflect.get(each, "reason")]),
    [
      ["a", "Finish", "not_retryable"],
      ["b", "Skip", "withdrawn"],
      ["c", "Skip", "withdrawn"],
      ["b#2", "Invoke", "admitted"],
      ["b#2", "Finish", "completed"],
    ],
  );
  assertEquals((await recoverCapture(lines)).bundle, bundle);
  await assertReplays(bundle, { createSupervisor, expected: EXPECTED });
});

Deno.test("an attempt that is decided on meanwhile ends as Aborted, not begun", async () => {
  // Its event is recorded, and nothing else of it.
  const lines = (await writeSample()).slice(0, 2);
  const { session, invoked } = await resume(lines, { withdrawDeferred: true });
  await session.close();
  assertEquals(invoked, []);
  const [, completion] = inputsOf(session.intoBundle());
  assert(completion?.type === "completion");
  assertEquals([completion.termination, completion.end], ["Aborted", { begun: false }]);
});

Deno.test("without it, deferred episodes wait on", async () => {
  const lines = await writeSample();
  const { session, invoked } = await resume(lines);
  assertEquals(session.supervisor.deferred.map(({ eventId }) => eventId), ["b", "c"]);
  await session.onEvent(event("p", 100, { kind: "Pump" }));
  await session.close();
  assertEquals(invoked, ["b"]);
});

Deno.test("a retry that waits, and a completion that was not decided on, are settled too", async () => {
  const lines: string[] = [];
  const first = newSession({
    graphId: "g",
    mode: "concurrent",
    constraints: { max_retries: 3 },
    backoff: { initial: at(5), factor: 1, max: at(5) },
    timers: new ManualTimers(at(100)),
    journal: memoryJournal(lines),
    invoker: { run: () => ({ Failed: "NetworkTimeout" }) },
  });
  await first.onEvent(event("a", 100));
  await first.supervisor.idle();
  for (const cut of [lines.length, lines.length - 1]) {
    const { session, recovered, invoked } = await resume(lines.slice(0, cut), {
      constraints: { max_retries: 3 },
      backoff: { initial: at(5), factor: 1, max: at(5) },
      withdrawDeferred: true,
    });
    assertEquals(
      recovered.deferred.map(({ attempts }) => attempts),
      cut === lines.length ? [1] : [],
    );
    assertEquals([session.supervisor.deferred, invoked], [[], []]);
    const bundle = session.intoBundle();
    assertEquals(inputsOf(bundle).map(({ type }) => type), ["event", "completion", "withdraw"]);
    await assertReplays(bundle, { createSupervisor, expected: EXPECTED });
  }
});

Deno.test("random sessions, cut behind any line and settled, replay and make nothing anew", async () => {
  for (let index = 0; index < longCount(20, 500); index++) {
    const random = new Random(mixSeeds(seed(), index));
    const whole: string[] = [];
    await randomConcurrentSession(random, { journal: memoryJournal(whole) });
    const { graph_id, mode, config, max_deferred, backoff } = JSON.parse(whole[0]!);
    const rules = {
      graphId: graph_id,
      mode,
      constraints: config,
      maxDeferred: max_deferred,
      backoff,
    };
    const lines = whole.slice(0, 1 + random.below(whole.length));
    const before = lines.length;
    const { session, invoked } = await resume(lines, { ...rules, withdrawDeferred: true });
    assertEquals([invoked, session.supervisor.deferred, session.supervisor.inFlight], [[], [], []]);
    assertEquals(lines.slice(0, before), whole.slice(0, before));
    const bundle = session.intoBundle();
    const recovered = await recoverCapture(lines, { checkHashes: true });
    assertEquals(recovered.bundle, bundle);
    assertEquals([recovered.deferred, recovered.interrupted, recovered.undecided], [[], [], []]);
    await assertReplays(bundle, { createSupervisor, expected: EXPECTED });
    // And once more, by way of the bundle.
    const again = stringifyCaptureJournal(bundle as TaffrailCaptureBundle).split("\n").slice(0, -1);
    const second = await resume(again, { ...rules, withdrawDeferred: true });
    assertEquals(second.recovered.resumed.length, 1);
    assertEquals((await recoverCapture(again, { checkHashes: true })).damage, null);
  }
});

Deno.test("another runtime goes on only where it is said what has changed, and replay wants the last", async () => {
  const lines = await writeSample();
  const other = { runtimeProvenance: "rpv1:sha256:other" };
  const refused = await assertRejects(() => resume([...lines], other), CaptureJournalError);
  assertEquals(refused.kind, "other-session");
  const { session } = await resume(lines, { ...other, changed: ["b"] });
  await session.close();
  const bundle = session.intoBundle();
  assert("inputs" in bundle);
  const [note] = bundle.notes!;
  assert(note?.type === "resumed");
  assertEquals([note.runtime_provenance, note.changed, note.pid, note.after], [
    other.runtimeProvenance,
    ["b"],
    Deno.pid,
    6,
  ]);
  assertEquals(bundle.runtime_provenance, RUNTIME);
  await assertReplays(bundle, { createSupervisor, expected: { ...EXPECTED, ...other } });
  await assertRejects(
    () => replayBundle(bundle, { createSupervisor, expected: EXPECTED }),
    ReplayError,
  );
  // Whoever goes on behind that needs the newer one, without a word.
  await assertRejects(() => resume([...lines]), CaptureJournalError, "runtime_provenance");
  await (await resume(lines, other)).session.close();
});

Deno.test("what was altered before a session was resumed is noticed", async () => {
  const lines = await writeSample();
  await (await resume(lines)).session.close();
  const altered = lines.with(1, lines[1]!.replace('"event_id":"a"', '"event_id":"x"'));
  const recovered = await recoverCapture(altered, { checkHashes: true });
  assertEquals([recovered.damage?.kind, recovered.damage?.line, recovered.damage?.lost], [
    "altered",
    8,
    false,
  ]);
  assertEquals((await recoverCapture(altered)).damage, null);
  const error = await assertRejects(() => resume(altered), CaptureJournalError, "altered");
  assertEquals(error.kind, "damaged");
});

Deno.test("lines may come one by one, as bytes, and some may be unreadable", async () => {
  const lines = await writeSample();
  async function* source() {
    for (const line of lines.slice(0, 6)) {
      yield await Promise.resolve(new TextEncoder().encode(line));
    }
    yield { unreadable: "row 7 is gone" };
  }
  const { damage, bundle } = await recoverCapture(source());
  assertEquals(damage, { kind: "unreadable", line: 7, message: "row 7 is gone", lost: true });
  assertEquals(bundle.decisions.length, 2);
});

Deno.test("lines and a journal belong together", async () => {
  const lines = await writeSample();
  const wrong: [Partial<ResumeCaptureOptions<Supervisor>>, string][] = [
    [{ journalPath: "a" }, "Cannot use journalPath: lines or a journal are given too"],
    [{ lines: 1 as never }, "Cannot use the journal: expected its path, or its lines"],
    [{ journal: {} as never }, "Cannot use journal: it has no method append"],
    [{ journal: (() => ({})) as never }, "Cannot use journal: it has no method append"],
    [{ changed: [1] as never }, "Cannot use changed[0]: expected a string"],
  ];
  for (const [options, message] of wrong) {
    await assertRejects(() => resume([...lines], options), TypeError, message);
  }
});
