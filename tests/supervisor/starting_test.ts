/** Attempts that wait for `beforeRun`: in what order they are called, what ends them, and who waits for them. */
import { assert, assertEquals } from "@std/assert";
import {
  type CompletionInput,
  ManualTimers,
  Supervisor,
  type SupervisorInput,
  type SupervisorOptions,
} from "../../supervisor/mod.ts";
import { at, event, HeldInvoker, options, pump, settle, SpyInvoker } from "./_util.ts";

/** A concurrent session whose attempts all wait for one promise, and the completions that it records. */
function open({ constraints = { max_retries: 1 }, ...rest }: Partial<SupervisorOptions> = {}) {
  const barrier = Promise.withResolvers<void>();
  const completions: CompletionInput[] = [];
  const given = options(constraints, {
    mode: "concurrent",
    beforeRun: () => barrier.promise,
    inputLog: {
      record: (input: SupervisorInput) => {
        if (input.type === "completion") completions.push(input);
      },
    },
    ...rest,
  });
  const supervisor = new Supervisor(given);
  return { supervisor, given, barrier, completions, log: given.decisionLog };
}

Deno.test("attempts that wait for one promise are called as decided, before what waits since later", async () => {
  const calls: string[] = [];
  const { supervisor, barrier } = open({
    constraints: { max_per_window: 3, rate_window: at(1), max_retries: 0 },
    invoker: {
      run: ({ eventId }) => {
        calls.push(eventId);
        return new Promise(() => {});
      },
    },
  });
  for (const id of ["e1", "e2", "e3", "e4"]) await supervisor.onEvent(event(id));
  // The one that a Pump starts is decided on between two others.
  await supervisor.onEvent(pump("p1", 1));
  await supervisor.onEvent(event("e5", 1));
  void barrier.promise.then(() => calls.push("told"));
  await supervisor.onEvent(event("e6", 1));
  assertEquals(calls, []);
  barrier.resolve();
  await settle();
  assertEquals(calls, ["e1", "e2", "e3", "e4", "e5", "told", "e6"]);
});

Deno.test("a starting attempt is in flight: it takes a place, and idle() and close() wait for it", async () => {
  const { supervisor, barrier, log } = open({ constraints: { max_in_flight: 1, max_retries: 0 } });
  for (const id of ["e1", "e2"]) await supervisor.onEvent(event(id));
  assertEquals(log.entries.map(({ reason }) => reason), ["admitted", "saturated"]);
  assertEquals(supervisor.inFlight, [{ eventId: "e1", episodeId: 0, attempt: 1 }]);
  const waits: string[] = [];
  const waiting = [
    supervisor.idle().then(() => waits.push("idle")),
    supervisor.close().then(() => waits.push("close")),
  ];
  await settle();
  assertEquals(waits, []);
  barrier.resolve();
  await Promise.all(waiting);
  assertEquals(supervisor.inFlight, []);
  assertEquals(log.entries.at(-1)!.reason, "completed");
});

Deno.test("what an abort ends before its call has not begun, and the completion says so", async () => {
  for (const timers of [undefined, new ManualTimers()]) {
    const controller = new AbortController();
    const invoker = new SpyInvoker();
    const { supervisor, barrier, completions, log } = open({
      invoker,
      signal: controller.signal,
      ...(timers && { timers }),
    });
    await supervisor.onEvent(event("e1"));
    controller.abort(new Error("enough"));
    // What is recorded never gets done: the grace ends it, without timers at once.
    timers?.advance(at(5));
    assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
    barrier.resolve();
    await settle();
    assertEquals(invoker.requests, []);
    assertEquals(completions.map(({ termination, end }) => [termination, end]), [
      ["Aborted", { begun: false }],
    ]);
    assertEquals(log.entries.at(-1)!.reason, "not_retryable");
    assertEquals(timers?.pendingCount ?? 0, 0);
  }
});

Deno.test("a begin that gets recorded after the abort does not begin", async () => {
  const controller = new AbortController();
  const invoker = new SpyInvoker();
  const { supervisor, barrier, completions } = open({
    invoker,
    signal: controller.signal,
    timers: new ManualTimers(),
  });
  for (const id of ["e1", "e2"]) await supervisor.onEvent(event(id));
  controller.abort(new Error("enough"));
  await settle();
  assertEquals(supervisor.inFlight.length, 2);
  barrier.resolve();
  assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
  assertEquals(invoker.requests, []);
  assertEquals(completions.map(({ end }) => end), [{ begun: false }, { begun: false }]);
});

Deno.test("a retry that is decided after the abort does not begin: only with beforeRun it might have", async () => {
  for (const hasBegins of [true, false]) {
    const controller = new AbortController();
    const invoker = new HeldInvoker();
    const timers = new ManualTimers();
    const { barrier, given, completions } = open({
      invoker,
      timers,
      signal: controller.signal,
    });
    if (!hasBegins) delete given.beforeRun;
    const supervisor = new Supervisor(given);
    barrier.resolve();
    await supervisor.onEvent(event("e1"));
    await settle();
    // The answer is there, but taken after the abort.
    invoker.answer("e1", "TimedOut");
    controller.abort(new Error("enough"));
    assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
    assertEquals(invoker.requests.length, 1);
    const ends = completions.map(({ attempt, termination, end }) => [attempt, termination, end]);
    assertEquals(ends, [
      [1, "TimedOut", undefined],
      [2, "Aborted", hasBegins ? { begun: false } : undefined],
    ]);
  }
});

Deno.test("complete() ends a starting attempt uncalled, with the end that it is given", async () => {
  const invoker = new SpyInvoker();
  const { supervisor, barrier, completions } = open({ invoker });
  for (const id of ["e1", "e2"]) await supervisor.onEvent(event(id));
  const ended = { attempt: 1, termination: "Aborted" } as const;
  await supervisor.complete({ episodeId: 0, ...ended, end: { begun: false } });
  await supervisor.complete({ episodeId: 1, ...ended });
  barrier.resolve();
  await supervisor.close();
  assertEquals(invoker.requests, []);
  assertEquals(completions.map(({ end }) => end), [{ begun: false }, undefined]);
});

Deno.test("an attempt that was called and aborted has the end that it answers, or none", async () => {
  const controller = new AbortController();
  const timers = new ManualTimers();
  const { supervisor, barrier, completions } = open({
    signal: controller.signal,
    timers,
    invoker: {
      run: ({ eventId, signal }) =>
        new Promise((resolve) => {
          if (eventId === "e2") return;
          const end = { signal: "SIGTERM" };
          signal.addEventListener("abort", () => resolve({ termination: "Aborted", end }));
        }),
    },
  });
  for (const id of ["e1", "e2"]) await supervisor.onEvent(event(id));
  barrier.resolve();
  await settle();
  controller.abort(new Error("enough"));
  await settle();
  timers.advance(at(5));
  await supervisor.close();
  assertEquals(completions.map(({ end }) => end), [{ signal: "SIGTERM" }, undefined]);
  assert(!("end" in completions[1]!));
});
