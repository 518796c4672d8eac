/** `shrink`: the smallest recording that shows something, how often it asks, and what it refuses. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type CaptureBundle,
  openCaptureJournal,
  replayBundle,
  ReplayDivergedError,
  ReplayError,
  resumeCapture,
  showsChange,
  showsDivergence,
  shrink,
  ShrinkError,
  type ShrinkOptions,
  type ShrinkProgress,
  type TaffrailCaptureBundle,
} from "../../../capture/mod.ts";
import {
  ManualTimers,
  PumpDriver,
  type RunTermination,
  Supervisor,
} from "../../../supervisor/mod.ts";
import { withTempDir } from "../../_util/temp.ts";
import {
  asV3,
  at,
  createSupervisor,
  event,
  newSession,
  sampleBundle,
  sessionOptions,
} from "../_util.ts";
import { decisionsIn, inputsOf, textOf } from "./_sessions.ts";

const OPTIONS = { createSupervisor };

/** A concurrent session of events that come each second, take three, and end as they are told to. */
async function recorded(
  count: number,
  { outcomes = {}, ...constraints }: {
    outcomes?: Record<string, RunTermination>;
    max_in_flight?: number;
    max_retries?: number;
  },
): Promise<TaffrailCaptureBundle> {
  const timers = new ManualTimers();
  const session = newSession({
    mode: "concurrent",
    constraints: { max_retries: 0, ...constraints },
    timers,
    invoker: {
      run: ({ eventId, attempt }) =>
        new Promise((resolve) => {
          const outcome = attempt === 1 ? outcomes[eventId] ?? "Completed" : "Completed";
          timers.setTimer(at(timers.now().secs + 3), () => resolve(outcome));
        }),
    },
  });
  using pump = new PumpDriver({ supervisor: session.supervisor, timers });
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  for (let index = 0; index < count; index++) {
    await session.onEvent(event(`e${index}`, timers.now().secs));
    timers.advance(at(1));
    await settle();
  }
  while (session.supervisor.inFlight.length > 0) {
    timers.advance(at(1));
    await settle();
  }
  await pump.drained();
  return session.intoBundle() as TaffrailCaptureBundle;
}

/** A recording that says it has other limits than it was made with. */
function withLimits<T extends CaptureBundle>(bundle: T, limits: Partial<T["config"]>): T {
  return { ...bundle, config: { ...bundle.config, ...limits } };
}

async function firstDivergence(bundle: CaptureBundle) {
  return (await replayBundle(bundle, OPTIONS)).divergences[0]!;
}

Deno.test("shrink() finds the one failure among 10,000 inputs that other limits decide on otherwise, by few tests", async () => {
  const outcomes = { e2100: "TimedOut" } as const;
  const bundle = await recorded(3400, { outcomes, max_in_flight: 2, max_retries: 1 });
  assert(inputsOf(bundle) > 10_000);
  const predicate = showsChange({ constraints: { max_retries: 0 }, createSupervisor });
  const { bundle: shrunk, tests, isMinimal } = await shrink(bundle, predicate, OPTIONS);
  assertEquals(decisionsIn(shrunk), ["e2100 Invoke admitted", "e2100 Invoke retry"]);
  assertEquals(isMinimal, true);
  // Halves, quarters and so on: about twice the logarithm, and not the length.
  assert(tests <= 40, String(tests));
});

Deno.test("shrink() finds the first of many divergences of a long recording by fewer tests still", async () => {
  const outcomes = { e100: "TimedOut", e900: "TimedOut" } as const;
  const whole = await recorded(1000, { outcomes, max_in_flight: 2, max_retries: 1 });
  const bundle = withLimits(whole, { max_retries: 0 });
  const predicate = showsDivergence(bundle, await firstDivergence(bundle), OPTIONS);
  const { bundle: shrunk, tests } = await shrink(bundle, predicate, OPTIONS);
  assertEquals(decisionsIn(shrunk), ["e100 Invoke admitted", "e100 Invoke retry"]);
  assert(tests <= 30, String(tests));
  const { divergences } = await replayBundle(shrunk, OPTIONS);
  assertEquals(divergences.map(({ path, recorded, replayed }) => [path, recorded, replayed])[0], [
    "$.decisions[1].decision",
    "Invoke",
    "Finish",
  ]);
  // With the limits that it was made with it is a recording like any other.
  const mended = withLimits(shrunk, { max_retries: 1 });
  assertEquals((await replayBundle(mended, OPTIONS)).divergences, []);
});

Deno.test("shrink() keeps what a decision depends on: without it nobody knows what would be recorded", async () => {
  const whole = await recorded(6, { max_in_flight: 2 });
  const bundle = withLimits(whole, { max_in_flight: 3 });
  const predicate = showsDivergence(bundle, await firstDivergence(bundle), OPTIONS);
  const { bundle: shrunk } = await shrink(bundle, predicate, OPTIONS);
  // Alone it would not have been deferred.
  assertEquals(decisionsIn(shrunk), [
    "e0 Invoke admitted",
    "e1 Invoke admitted",
    "e2 Defer saturated",
  ]);
});

Deno.test("shrink() with the supervisor that made the recording, for one that decides otherwise", async () => {
  const bundle = await recorded(9, { max_in_flight: 2 });
  const other = (options: ConstructorParameters<typeof Supervisor>[0]) =>
    new Supervisor({ ...options, constraints: { ...options.constraints, max_in_flight: 1 } });
  const { bundle: shrunk } = await shrink(
    bundle,
    async (candidate) => !(await replayBundle(candidate, { createSupervisor: other })).ok,
    OPTIONS,
  );
  assertEquals(decisionsIn(shrunk).length, 2);
  assertEquals((await replayBundle(shrunk, OPTIONS)).divergences, []);
});

Deno.test("shrink() of a bundle of the original format, which stays one", async () => {
  const bundle = await sampleBundle();
  const retried = await shrink(
    bundle,
    ({ decisions }) => decisions.some(({ retry_count: retries }) => retries > 0),
    OPTIONS,
  );
  assertEquals(asV3(retried.bundle).events.map(({ event_id: id }) => id), ["e1"]);
  // What the event did stands with it.
  assertEquals(retried.bundle.decisions[0]!.effects, bundle.decisions[0]!.effects);

  const changed = withLimits(bundle, { max_retries: 0 });
  const predicate = showsDivergence(changed, await firstDivergence(changed), OPTIONS);
  const { bundle: shrunk } = await shrink(changed, predicate, OPTIONS);
  assertEquals(decisionsIn(shrunk), ["e1 Invoke"]);
});

Deno.test("shrink() leaves out effects where another thing is decided, and nowhere else", async () => {
  const write = { kind: "set_context", writes: [{ key: "x", value: { Number: 1 } }] };
  const session = newSession({
    mode: "concurrent",
    constraints: { max_retries: 0, max_in_flight: 1 },
    invoker: { run: () => new Promise(() => {}) },
  });
  for (const [index, id] of ["a", "b"].entries()) {
    await session.onEvent(event(id));
    await session.setEffects(index, [write]);
  }
  const recording = session.intoBundle();
  const effectsOf = async (id: string) => {
    const predicate = ({ decisions }: CaptureBundle) =>
      decisions.some(({ event_id }) => event_id === id);
    const { bundle } = await shrink(recording, predicate, OPTIONS);
    assertEquals(decisionsIn(bundle), [`${id} Invoke admitted`]);
    return bundle.decisions[0]!.effects.length;
  };
  assertEquals(await effectsOf("a"), 1);
  // It waited, and alone it would not have: nobody knows what it would have done.
  assertEquals(await effectsOf("b"), 0);
});

Deno.test("shrink() makes up no end of a serial attempt that was never made", async () => {
  const session = newSession({
    constraints: { max_retries: 0, max_per_window: 1, rate_window: at(10) },
  });
  for (const [secs, id] of ["a", "b"].entries()) await session.onEvent(event(id, secs));
  const { bundle } = await shrink(
    session.intoBundle(),
    ({ decisions }) => decisions.some(({ event_id: id }) => id === "b"),
    OPTIONS,
  );
  assertEquals(decisionsIn(bundle), ["a Invoke", "b Defer"]);
});

Deno.test("shrink() keeps of notes only that somebody went on between two inputs, and who did last", () =>
  withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    const first = newSession({ mode: "concurrent", journal: openCaptureJournal(path) });
    await first.note({ type: "record", id: "r", at: at(0), data: 1 });
    for (const id of ["a", "b"]) await first.onEvent(event(id));
    await first.close();
    const goOn = async (id: string) => {
      const { session } = await resumeCapture({
        ...sessionOptions(),
        mode: "concurrent",
        runtimeProvenance: `runtime of ${id}`,
        changed: [],
        journalPath: path,
      });
      await session.onEvent(event(id));
      await session.close();
      return session.intoBundle();
    };
    await goOn("c");
    const bundle = await goOn("d");
    const notesFor = async (...ids: string[]) => {
      const predicate = ({ decisions }: CaptureBundle) =>
        ids.every((id) => decisions.some(({ event_id }) => event_id === id));
      const { bundle: shrunk } = await shrink(bundle, predicate, OPTIONS);
      assertEquals(decisionsIn(shrunk), ids.map((id) => `${id} Invoke admitted`));
      assertEquals((await replayBundle(shrunk, OPTIONS)).divergences, []);
      const { notes = [], runtime_provenance: runtime } = shrunk as TaffrailCaptureBundle;
      return [
        runtime,
        ...notes.map((note) =>
          note.type === "resumed" ? `${note.after}: ${note.runtime_provenance}` : note.type
        ),
      ];
    };
    const begun = "rpv1:sha256:test";
    assertEquals(await notesFor("a"), ["runtime of d"]);
    assertEquals(await notesFor("d"), ["runtime of d"]);
    assertEquals(await notesFor("a", "c"), [begun, "2: runtime of d"]);
    assertEquals(await notesFor("a", "d"), [begun, "2: runtime of d"]);
    assertEquals(await notesFor("c", "d"), ["runtime of c", "2: runtime of d"]);
    assertEquals(await notesFor("a", "c", "d"), [begun, "2: runtime of c", "4: runtime of d"]);
  }));

Deno.test("shrink() asks for nothing where nothing is left, and finds the empty recording", async () => {
  const { bundle, tests } = await shrink(await sampleBundle(), () => true, OPTIONS);
  assertEquals([decisionsIn(bundle), inputsOf(bundle)], [[], 0]);
  assert(tests <= 4, String(tests));
  const again = await shrink(bundle, () => true, OPTIONS);
  assertEquals([textOf(again.bundle), again.tests], [textOf(bundle), 1]);
});

/** Needs both of two events, which are at the two ends. */
function needsBoth({ decisions }: CaptureBundle): boolean {
  return ["e0", "e29"].every((id) => decisions.some(({ event_id }) => event_id === id));
}

Deno.test("shrink() tells how far it is, and ends with maxTests", async () => {
  const bundle = await recorded(30, {});
  const told: ShrinkProgress[] = [];
  const onProgress = (progress: ShrinkProgress) => void told.push(progress);
  const whole = await shrink(bundle, needsBoth, { ...OPTIONS, onProgress });
  assertEquals(decisionsIn(whole.bundle), ["e0 Invoke admitted", "e29 Invoke admitted"]);
  assertEquals(told.map(({ tests }) => tests), Array.from(told, (_, index) => index + 1));
  assertEquals(told.length, whole.tests);
  const sizes = told.map(({ inputs }) => inputs);
  assertEquals([sizes[0], sizes.at(-1)], [60, 2]);
  assertEquals(sizes, sizes.toSorted((a, b) => b - a));
  for (const { inputs, bundle: smallest } of told) assertEquals(inputsOf(smallest), inputs);

  for (let maxTests = 1; maxTests <= whole.tests; maxTests++) {
    const { bundle: smallest, tests, isMinimal } = await shrink(bundle, needsBoth, {
      ...OPTIONS,
      maxTests,
    });
    assertEquals(textOf(smallest), textOf(told[maxTests - 1]!.bundle));
    assertEquals([tests, isMinimal], [maxTests, maxTests === whole.tests]);
  }
});

Deno.test("shrink() is broken off by its signal, while the predicate is asked and between", async () => {
  const bundle = await recorded(30, {});
  const reason = new Error("enough");
  const waiting = new AbortController();
  const asked = shrink(bundle, () => new Promise(() => waiting.abort(reason)), {
    ...OPTIONS,
    signal: waiting.signal,
  });
  assertEquals(await assertRejects(() => asked), reason);

  // A predicate that leaves no turn to others: the timer comes all the same.
  const timer = new AbortController();
  setTimeout(() => timer.abort(reason));
  const busy = (candidate: CaptureBundle) => {
    for (const until = performance.now() + 60; performance.now() < until;);
    return needsBoth(candidate);
  };
  const between = shrink(bundle, busy, { ...OPTIONS, signal: timer.signal });
  assertEquals(await assertRejects(() => between), reason);
  const aborted = { ...OPTIONS, signal: AbortSignal.abort(reason) };
  assertEquals(await assertRejects(() => shrink(bundle, needsBoth, aborted)), reason);
});

Deno.test("shrink() passes on what the predicate throws", async () => {
  const bundle = await recorded(3, {});
  const thrown = new Error("the predicate is wrong");
  const asks = [() => {
    throw thrown;
  }, () => Promise.reject(thrown)];
  for (const predicate of asks) {
    assertEquals(await assertRejects(() => shrink(bundle, predicate, OPTIONS)), thrown);
  }
});

Deno.test("shrink() refuses what shows nothing, what is no recording, and options that are none", async () => {
  const bundle = await recorded(3, { max_in_flight: 2 });
  const refused = async (...[given, predicate]: Parameters<typeof shrink>) =>
    await assertRejects(() => shrink(given, predicate, OPTIONS), ShrinkError);
  assertEquals((await refused(bundle, () => false, OPTIONS)).kind, "not-shown");
  const { kind, details } = await refused(
    { ...bundle, decisions: bundle.decisions.slice(1) },
    () => true,
    OPTIONS,
  );
  const inputs = bundle.inputs.length;
  assertEquals([kind, details], ["not-decided", { inputs, decisions: inputs - 1 }]);

  const [changed] = bundle.inputs;
  const other = { ...changed, payload_hash: "none" } as typeof changed & object;
  await assertRejects(
    () => shrink({ ...bundle, inputs: [other, ...bundle.inputs.slice(1)] }, () => true, OPTIONS),
    ReplayError,
    "payload hash mismatch for event 'e0'",
  );
  const given: [unknown, typeof TypeError | typeof RangeError, string][] = [
    [{}, TypeError, "Cannot use createSupervisor: expected a function"],
    [{ ...OPTIONS, maxTests: 0 }, RangeError, "Cannot use maxTests"],
    [{ ...OPTIONS, maxTests: 1.5 }, RangeError, "Cannot use maxTests"],
    [{ ...OPTIONS, onProgress: 1 }, TypeError, "Cannot use onProgress"],
    [{ ...OPTIONS, signal: {} }, TypeError, "Cannot use signal"],
    [undefined, TypeError, "Cannot use options"],
  ];
  for (const [options, type, message] of given) {
    await assertRejects(() => shrink(bundle, () => true, options as ShrinkOptions), type, message);
  }
  await assertRejects(() => shrink(bundle, "all" as never, OPTIONS), TypeError, "predicate");
  await assertRejects(() => shrink(null as never, () => true, OPTIONS), TypeError, "bundle");
});

Deno.test("showsDivergence() takes no other divergence for the one that is meant", async () => {
  const outcomes = { e1: "TimedOut", e9: "TimedOut" } as const;
  const whole = await recorded(12, { outcomes, max_retries: 1 });
  const bundle = withLimits(whole, { max_retries: 0 });
  const { divergences } = await replayBundle(bundle, OPTIONS);
  for (const id of ["e1", "e9"]) {
    const meant = divergences.find(({ event }) => event === id)!;
    const { bundle: shrunk } = await shrink(
      bundle,
      showsDivergence(bundle, meant, OPTIONS),
      OPTIONS,
    );
    assertEquals(decisionsIn(shrunk), [`${id} Invoke admitted`, `${id} Invoke retry`]);
  }
  const misspelt = {
    ...whole,
    inputs: whole.inputs.map((input) =>
      input.type === "event" && input.event_id === "e2" ? { ...input, payloda: "" } : input
    ),
  };
  const unknown = await firstDivergence(misspelt);
  assertEquals(unknown.kind, "unknown");
  const found = await shrink(misspelt, showsDivergence(misspelt, unknown, OPTIONS), OPTIONS);
  assertEquals(decisionsIn(found.bundle), ["e2 Invoke admitted"]);
});

Deno.test("showsChange() does not take a Pump that was left out for a change", async () => {
  const bundle = await recorded(9, { max_in_flight: 2 });
  const predicate = (deadline: number) =>
    showsChange({ constraints: { deadline: at(deadline) }, createSupervisor });
  const { bundle: shrunk } = await shrink(bundle, predicate(2), OPTIONS);
  assertEquals(decisionsIn(shrunk).length, 2);
  await assertRejects(() => shrink(bundle, predicate(9), OPTIONS), ShrinkError);
  const diverging = withLimits(bundle, { max_in_flight: 1 });
  await assertRejects(() => shrink(diverging, predicate(2), OPTIONS), ReplayDivergedError);
});
