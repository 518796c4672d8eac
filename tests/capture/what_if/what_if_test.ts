/** `whatIf`: what would have been decided under other limits, and what the recording cannot tell. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type CaptureBundle,
  CapturingSession,
  openCaptureJournal,
  ReplayDivergedError,
  ReplayError,
  resumeCapture,
  type TaffrailCaptureBundle,
  whatIf,
  type WhatIfAttempt,
  type WhatIfOptions,
  type WhatIfReport,
} from "../../../capture/mod.ts";
import {
  type ConstraintsInit,
  createEvent,
  FaultInvoker,
  ManualTimers,
  type RunTermination,
  type Supervisor,
} from "../../../supervisor/mod.ts";
import { Random } from "../../_util/random.ts";
import { longCount, seed, withTempDir } from "../../_util/temp.ts";
import { at, event, newSession, sessionOptions } from "../_util.ts";
import { createSupervisor, needsOf, record, type Work } from "./_program.ts";

const FAILED: RunTermination = { Failed: "RuntimeError" };

function done(ms: number): Work["attempts"] {
  return [[ms, "Completed"]];
}

/** What would have been, the needs of the work known. */
async function ask(
  works: readonly Work[],
  bundle: CaptureBundle,
  constraints: WhatIfOptions["constraints"],
  options: Partial<WhatIfOptions> = {},
): Promise<WhatIfReport> {
  const dependsOn = needsOf(works);
  return await whatIf(bundle, { constraints, createSupervisor, dependsOn, ...options });
}

function millisecondsOf(duration: { secs: number; nanos: number } | null): number | null {
  return duration === null ? null : duration.secs * 1000 + duration.nanos / 1e6;
}

function tookOf({ took }: WhatIfReport): (number | null)[] {
  return [millisecondsOf(took.recorded), millisecondsOf(took.whatIf)];
}

/** An attempt in few words: `b 1: saturated, due, completed → admitted, completed`. */
function wordsOf({ eventId, attempt, recorded, whatIf }: WhatIfAttempt): string {
  return `${eventId} ${attempt}: ${courseOf(recorded)} → ${courseOf(whatIf)}`;
}

function courseOf(view: WhatIfAttempt["recorded"]): string {
  if (view === null) return "nothing";
  const { waits, begun, ended, skipped } = view;
  return [...waits, begun?.reason, ended?.reason, skipped].filter((word) => word).join(", ");
}

function changedIn({ attempts }: WhatIfReport): string[] {
  return attempts.filter(({ isChanged }) => isChanged).map(wordsOf);
}

function unknownIn({ unknown }: WhatIfReport): string[] {
  return unknown.map(({ eventId, attempt, why }) => `${eventId} ${attempt}: ${why}`);
}

const FAN: readonly Work[] = [
  { id: "a", attempts: done(1000) },
  { id: "b", attempts: done(2000) },
  { id: "c", attempts: done(4000) },
  { id: "end", needs: ["a", "b", "c"], attempts: done(500) },
];

Deno.test("whatIf() with more places: who waited would not have, and what follows comes sooner", async () => {
  const bundle = await record(FAN, { constraints: { max_in_flight: 1, max_retries: 0 } });
  const report = await ask(FAN, bundle, { max_in_flight: 8 });
  assertEquals(tookOf(report), [7500, 4500]);
  assertEquals(changedIn(report), [
    "b 1: saturated, due, completed → admitted, completed",
    "c 1: saturated, due, completed → admitted, completed",
  ]);
  assertEquals(report.unknown, []);
  const { recorded, whatIf } = report.attempts[3]!;
  assertEquals([recorded?.askedAt, whatIf?.askedAt], [at(7), at(4)]);
  assertEquals(whatIf?.ended, {
    at: { secs: 4, nanos: 500_000_000 },
    termination: "Completed",
    reason: "completed",
  });
  assertEquals(report.constraints.recorded.max_in_flight, 1);
  assertEquals(report.constraints.whatIf, {
    ...report.constraints.recorded,
    max_in_flight: 8,
  });
});

Deno.test("whatIf() with fewer places: what began at once would have waited", async () => {
  const bundle = await record(FAN, { constraints: { max_in_flight: null, max_retries: 0 } });
  const report = await ask(FAN, bundle, { max_in_flight: 1 });
  assertEquals(tookOf(report), [4500, 7500]);
  assertEquals(changedIn(report), [
    "b 1: admitted, completed → saturated, due, completed",
    "c 1: admitted, completed → saturated, due, completed",
  ]);
});

Deno.test("whatIf() does not know of needs that nobody tells it", async () => {
  const bundle = await record(FAN, { constraints: { max_in_flight: 1, max_retries: 0 } });
  const report = await whatIf(bundle, { constraints: { max_in_flight: 8 }, createSupervisor });
  // The last event came at 7 s, and so it comes then.
  assertEquals(tookOf(report), [7500, 7500]);
  assertEquals(report.attempts[3]!.whatIf?.askedAt, at(7));
});

Deno.test("whatIf() with fewer retries: what fails then, what needs it is not asked for", async () => {
  const works: Work[] = [
    { id: "a", attempts: [[1000, FAILED], [1000, "Completed"]] },
    { id: "b", needs: ["a"], attempts: done(1000) },
    { id: "c", needs: ["b"], attempts: done(1000) },
    { id: "d", attempts: done(1500) },
    { id: "e", needs: ["d"], attempts: done(5000) },
  ];
  const bundle = await record(works, { constraints: { max_retries: 1 } });
  const retried = "a 1: admitted, retry → admitted, retries_exhausted";
  const blocked = [
    retried,
    "a 2: retry, completed → nothing",
    "b 1: admitted, completed → nothing",
    "c 1: admitted, completed → nothing",
  ];
  const block = await ask(works, bundle, { max_retries: 0 });
  assertEquals([tookOf(block), changedIn(block), block.unknown], [[6500, 6500], blocked, []]);
  const stop = await ask(works, bundle, { max_retries: 0 }, { onFailure: () => "stop" });
  assertEquals([tookOf(stop), changedIn(stop), stop.unknown], [
    [6500, 1500],
    [...blocked.slice(0, 2), "e 1: admitted, completed → nothing", ...blocked.slice(2)],
    [],
  ]);
  const goOn = await ask(works, bundle, { max_retries: 0 }, { onFailure: () => "go-on" });
  assertEquals([changedIn(goOn), goOn.unknown], [blocked.slice(0, 2), []]);
  const always = await ask(works, bundle, { max_retries: 0 }, {
    onFailure: () => "stop",
    runsAlways: (eventId) => eventId === "b",
  });
  assertEquals(changedIn(always), [
    ...blocked.slice(0, 2),
    "e 1: admitted, completed → nothing",
    "c 1: admitted, completed → nothing",
  ]);
});

Deno.test("whatIf() leaves what an event says of its own retries as it was", async () => {
  const attempts: Work["attempts"] = [[1000, FAILED], [1000, "Completed"]];
  const works: Work[] = [
    { id: "own", attempts, retry: { max_retries: 1 } },
    { id: "rules", attempts },
  ];
  const bundle = await record(works, { constraints: { max_retries: 2 } });
  const report = await ask(works, bundle, { max_retries: 0 });
  assertEquals(changedIn(report), [
    "rules 1: admitted, retry → admitted, retries_exhausted",
    "rules 2: retry, completed → nothing",
  ]);
});

Deno.test("whatIf() with more retries: an attempt that was never made is unknown, and never invented", async () => {
  const works: Work[] = [
    { id: "a", attempts: [[1000, FAILED]] },
    { id: "b", needs: ["a"], attempts: done(1000) },
    { id: "c", attempts: done(3000) },
  ];
  const bundle = await record(works, { constraints: { max_in_flight: 1, max_retries: 0 } });
  const report = await ask(works, bundle, { max_retries: 2 });
  assertEquals(unknownIn(report), ["a 2: never-made", "c 1: waits"]);
  assertEquals(changedIn(report), [
    "a 1: admitted, retries_exhausted → admitted, retry",
    "a 2: nothing → retry",
  ]);
  assertEquals(tookOf(report), [4000, 1000]);
  assertEquals(report.attempts[1]!.whatIf?.ended, null);
});

Deno.test("whatIf() with another deadline ends what took longer, and knows nothing of what was ended", async () => {
  const works: Work[] = [
    { id: "a", attempts: done(1000) },
    { id: "b", attempts: done(3000) },
    { id: "own", attempts: done(3000), retry: { deadline: at(9) } },
    { id: "none", attempts: done(9000) },
  ];
  const constraints = { max_retries: 0, deadline: at(5) };
  const bundle = await record(works, { constraints });
  const shorter = await ask(works, bundle, { deadline: at(2) });
  assertEquals(changedIn(shorter), [
    "b 1: admitted, completed → admitted, retries_exhausted",
  ]);
  assertEquals(shorter.attempts[1]!.whatIf?.ended, {
    at: at(2),
    termination: "TimedOut",
    reason: "retries_exhausted",
  });
  assertEquals(shorter.attempts[3]!.whatIf?.ended?.at, at(2));
  for (const deadline of [at(6), null]) {
    const longer = await ask(works, bundle, { deadline });
    assertEquals(unknownIn(longer), ["none 1: timed-out"]);
    assertEquals([changedIn(longer), tookOf(longer)], [[], [5000, 3000]]);
  }
});

Deno.test("whatIf() with another rate", async () => {
  const works: Work[] = ["a", "b", "c"].map((id) => ({ id, attempts: done(100) }));
  const constraints = { max_retries: 0, max_per_window: 1, rate_window: at(10) };
  const bundle = await record(works, { constraints });
  const free = await ask(works, bundle, { max_per_window: null, rate_window: null });
  assertEquals([tookOf(free), changedIn(free).length], [[20_100, 100], 2]);
  const faster = await ask(works, bundle, { max_per_window: 2 });
  assertEquals([tookOf(faster), changedIn(faster)], [[20_100, 10_100], [
    "b 1: rate_limited, due, completed → admitted, completed",
  ]]);
  await assertRejects(
    () => ask(works, bundle, { rate_window: null }),
    TypeError,
    "only one of max_per_window and rate_window",
  );
});

Deno.test("whatIf() of an interrupted session: what was cut off has no end of its own", async () => {
  const works: Work[] = ["a", "b", "c"].map((id) => ({ id, attempts: done(4000) }));
  const constraints = { max_in_flight: 1, max_retries: 0 };
  const bundle = await record(works, { constraints, stopAtMs: 6000 });
  const same = await ask(works, bundle, {});
  assertEquals([tookOf(same), changedIn(same), same.unknown], [[6000, 6000], [], []]);
  const report = await ask(works, bundle, { max_in_flight: 3 });
  assertEquals(unknownIn(report), ["b 1: cut-off", "c 1: never-made"]);
  assertEquals(changedIn(report), [
    "b 1: saturated, due, not_retryable → admitted, not_retryable",
    "c 1: saturated, withdrawn → admitted",
  ]);
});

Deno.test("whatIf() of a session without its end: what was open stays so", async () => {
  const works: Work[] = ["a", "b"].map((id) => ({ id, attempts: done(4000) }));
  const whole = await record(works, { constraints: { max_in_flight: 1, max_retries: 0 } });
  // Killed while the second one was at work.
  const length = whole.inputs.length - 1;
  const bundle: TaffrailCaptureBundle = {
    ...whole,
    inputs: whole.inputs.slice(0, length),
    decisions: whole.decisions.slice(0, length),
  };
  const report = await ask(works, bundle, { max_in_flight: 2 });
  assertEquals([unknownIn(report), tookOf(report)], [["b 1: no-end"], [4000, 4000]]);
  assertEquals(changedIn(report), ["b 1: saturated, due → admitted"]);
});

Deno.test("whatIf() of a session that was gone on with counts the work, not the pause", async () => {
  await withTempDir(async (dir) => {
    const journalPath = `${dir}/capture.jsonl`;
    const constraints = { max_in_flight: 1, max_retries: 0 };
    const options = { ...sessionOptions(), mode: "concurrent", constraints } as const;
    const invoker = { run: () => new Promise<RunTermination>(() => {}) };
    const timers = new ManualTimers();
    const journal = openCaptureJournal(journalPath);
    const killed = new CapturingSession({ ...options, invoker, timers, journal });
    const begin = async (
      { session, timers }: { session: CapturingSession<Supervisor>; timers: ManualTimers },
      id: string,
    ) => {
      await session.onEvent(createEvent({ id, kind: "Command", at: timers.now() }));
    };
    const first = { session: killed, timers };
    for (const id of ["a", "b", "c"]) await begin(first, id);
    timers.advance(at(2));
    await killed.supervisor.complete({ episodeId: 0, attempt: 1, termination: "Completed" });
    await killed.onEvent(event("p1", 2, { kind: "Pump" }));
    journal.close();
    const later = new ManualTimers();
    later.advance(at(100));
    const given = { ...options, invoker, timers: later, journalPath, withdrawDeferred: true };
    const second = { session: (await resumeCapture(given)).session, timers: later };
    for (const [id, secs, episodeId] of [["b#2", 2, 3], ["c#2", 1, 4]] as const) {
      await begin(second, id);
      later.advance(at(secs));
      await second.session.supervisor.complete({ episodeId, attempt: 1, termination: "Completed" });
    }
    const bundle = second.session.intoBundle();
    const dependsOn = (eventId: string) => eventId === "c#2" ? ["b", "b#2"] : [];
    const ask = (constraints: WhatIfOptions["constraints"]) =>
      whatIf(bundle, { constraints, createSupervisor, dependsOn });
    const same = await ask({});
    assertEquals([tookOf(same), changedIn(same), same.unknown], [[5000, 5000], [], []]);
    const report = await ask({ max_in_flight: 2 });
    assertEquals(tookOf(report), [5000, 5000]);
    assertEquals(changedIn(report), [
      "b 1: saturated, due, not_retryable → admitted, not_retryable",
      "c 1: saturated, withdrawn → saturated, due, not_retryable",
    ]);
    assertEquals(unknownIn(report), ["b 1: cut-off", "c 1: never-made"]);
  });
});

Deno.test("whatIf() of a serial session: the schedule changes, and there are no times", async () => {
  const constraints: ConstraintsInit = { max_retries: 2, max_per_window: 1, rate_window: at(10) };
  const invoker = new FaultInvoker();
  invoker.pushOutcomes("e1", ["TimedOut", "Completed"]);
  invoker.pushOutcomes("e3", [{ Failed: "SemanticError" }]);
  const session = newSession({ constraints, invoker });
  const pump = (id: string, secs: number) => event(id, secs, { kind: "Pump" });
  const events = [event("e1"), pump("p0", 0), event("e2", 1), pump("p1", 10), event("e3", 11)];
  for (const one of [...events, pump("p2", 20)]) await session.onEvent(one);
  const bundle = session.intoBundle();
  assertEquals(bundle.capture_version, "v3");
  const ask = (constraints: WhatIfOptions["constraints"]) =>
    whatIf(bundle, { constraints, createSupervisor });
  const same = await ask({});
  assertEquals([changedIn(same), same.unknown], [[], []]);
  assertEquals(same.attempts.map(wordsOf)[0], "e1 1: admitted, retry → admitted, retry");
  const free = await ask({ max_per_window: null, rate_window: null });
  assertEquals(free.took, { recorded: null, whatIf: null });
  assertEquals(changedIn(free), [
    "e2 1: rate_limited, due → admitted",
    "e3 1: rate_limited, due → admitted",
  ]);
  assertEquals(free.attempts.at(-1)?.whatIf?.ended?.termination, { Failed: "SemanticError" });
  const once = await ask({ max_retries: 0 });
  assertEquals(changedIn(once), [
    "e1 1: admitted, retry → admitted",
    "e1 2: retry → nothing",
  ]);
  const deadline = await ask({ deadline: at(1) });
  assertEquals(unknownIn(deadline)[0], "e1 1: no-length");
});

Deno.test("whatIf() of a serial session that v3 cannot say: retries, withdrawals", async () => {
  const backoff = { initial: at(5), factor: 1, max: at(5) };
  const session = newSession({
    constraints: { max_retries: 1, max_per_window: 2, rate_window: at(10) },
    backoff,
    invoker: new FaultInvoker("TimedOut"),
  });
  await session.onEvent(event("e1"));
  await session.onEvent(event("p1", 5, { kind: "Pump" }));
  await session.onEvent(event("e2", 6));
  for (const { episodeId } of session.supervisor.deferred) {
    await session.supervisor.withdraw({ episodeId });
  }
  const bundle = session.intoBundle();
  const ask = (constraints: WhatIfOptions["constraints"]) =>
    whatIf(bundle, { constraints, createSupervisor });
  const same = await ask({});
  assertEquals([changedIn(same), same.unknown], [[], []]);
  const more = await ask({ max_per_window: 3, max_retries: 2 });
  assertEquals(unknownIn(more), ["e2 1: never-made"]);
});

Deno.test("whatIf() refuses what does not replay, and what it cannot use, by name", async () => {
  const works: Work[] = [{ id: "a", attempts: done(10) }];
  const bundle = await record(works, { constraints: { max_retries: 0 } });
  const options = { constraints: {}, createSupervisor };
  const [decision, ...others] = bundle.decisions;
  const other = { ...bundle, decisions: [{ ...decision!, episode_id: 7 }, ...others] };
  await assertRejects(() => whatIf(other, options), ReplayDivergedError);
  const later = { ...bundle, capture_version: "v9" } as never;
  await assertRejects(() => whatIf(later, options), ReplayError);
  const wrong: [Record<string, unknown>, string][] = [
    [{ constraints: undefined }, "constraints"],
    [{ constraints: { max: 1 } }, 'constraints: unknown field "max"'],
    [{ constraints: { max_in_flight: -1 } }, "constraints.max_in_flight"],
    [{ createSupervisor: 1 }, "createSupervisor"],
    [{ dependsOn: ["a"] }, "dependsOn"],
    [{ onFailure: "stop" }, "onFailure"],
    [{ runsAlways: true }, "runsAlways"],
  ];
  for (const [change, name] of wrong) {
    await assertRejects(
      () => whatIf(bundle, { ...options, ...change } as never),
      Error,
      `Cannot use ${name}`,
    );
  }
});

/**
 * Random work: what needs what, how long it takes, and how it ends. In a tree, what becomes ready at the same
 * time always does so, and is asked for in the same order.
 */
function randomWorks(random: Random, { isTree }: { isTree: boolean }): Work[] {
  return Array.from({ length: 1 + random.below(9) }, (_, index): Work => {
    const before = Array.from({ length: index }, (_, need) => `n${need}`);
    const needs = isTree
      ? before.filter((_, need) => need === random.below(2 * index))
      : before.filter(() => random.chance(0.25));
    if (isTree) needs.splice(1);
    // So long that no two things happen at the same time.
    const attempts = Array.from({ length: 5 }, () => {
      const ms = 1 + random.below(50_000_000);
      return [ms, random.chance(0.7) ? "Completed" : FAILED] as const;
    });
    return {
      id: `n${index}`,
      needs,
      attempts,
      ...(needs.length === 0 && { fromMs: random.below(20_000_000) }),
    };
  });
}

function randomLimits(random: Random): ConstraintsInit {
  const isRateLimited = random.chance(0.3);
  return {
    max_in_flight: random.chance(0.6) ? 1 + random.below(4) : null,
    max_per_window: isRateLimited ? 1 + random.below(3) : null,
    rate_window: isRateLimited ? at(1 + random.below(30_000)) : null,
    max_retries: random.below(4),
  };
}

Deno.test("whatIf() says what really happens under the other limits, where all of it was recorded", async () => {
  let [exact, changed] = [0, 0];
  for (let round = 0; round < longCount(200, 2000); round++) {
    const random = new Random(seed() + round);
    const isTree = random.chance(0.7);
    const works = randomWorks(random, { isTree });
    const stopsOnFailure = random.chance(0.5);
    const [before, after] = [randomLimits(random), randomLimits(random)];
    const bundle = await record(works, { constraints: before, stopsOnFailure });
    const options = { onFailure: () => stopsOnFailure ? "stop" : "block" } as const;
    const note = `TAFFRAIL_SEED=${seed() + round}`;
    const same = await ask(works, bundle, {}, options);
    assertEquals([changedIn(same), same.unknown], [[], []], note);
    assertEquals(same.took.whatIf, same.took.recorded, note);
    const report = await ask(works, bundle, after, options);
    if (!isTree || report.unknown.length > 0) continue;
    // Nothing that was not asked for in the recording can be asked for in the simulation.
    const real = await record(works, { constraints: after, stopsOnFailure });
    const asked = (one: TaffrailCaptureBundle) =>
      new Set(one.inputs.flatMap((i) => i.type === "event" && i.kind !== "Pump" ? i.event_id : []));
    if (!asked(real).isSubsetOf(asked(bundle))) continue;
    const oracle = await ask(works, real, {}, options);
    assertEquals(tookOf(report)[1], tookOf(oracle)[0], note);
    const courses = (of: WhatIfReport, which: "recorded" | "whatIf") =>
      of.attempts.filter((one) => one[which] !== null)
        .map((one) => `${one.eventId} ${one.attempt} ${courseOf(one[which])}`).sort();
    assertEquals(courses(report, "whatIf"), courses(oracle, "recorded"), note);
    exact++;
    if (changedIn(report).length > 0) changed++;
  }
  assert(exact > 50 && changed > 20, `${exact} exact, ${changed} with changes`);
});
