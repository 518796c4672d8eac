/** `"concurrent"` mode: one ordered list of inputs, one entry each, retries decided by the core. */
import { assertEquals, assertRejects } from "@std/assert";
import {
  type DecisionLogEntry,
  ManualTimers,
  type RunTermination,
  Supervisor,
  type SupervisorInput,
  type SupervisorOptions,
} from "../../supervisor/mod.ts";
import { at, event, HeldInvoker, options, pump, schedule, settle } from "./_util.ts";

/** A session whose inputs are noted. */
function open(constraints: Parameters<typeof options>[0], rest: Partial<SupervisorOptions> = {}) {
  const invoker = new HeldInvoker();
  const inputs: SupervisorInput[] = [];
  const given = options(constraints, {
    invoker,
    mode: "concurrent",
    inputLog: { record: (input) => void inputs.push(input) },
    ...rest,
  });
  return { supervisor: new Supervisor(given), invoker, inputs, log: given.decisionLog };
}

function brief(entries: readonly DecisionLogEntry[]): string[] {
  return entries.map(({ event_id, decision, reason, episode_id }) =>
    `${event_id} ${decision} ${reason} ep${episode_id}`
  );
}

Deno.test("concurrent: runs overlap and end in any order", async () => {
  const { supervisor, invoker, inputs, log } = open({});
  await supervisor.onEvent(event("e1"));
  await supervisor.onEvent(event("e2"));
  assertEquals(supervisor.inFlight, [
    { eventId: "e1", episodeId: 0, attempt: 1 },
    { eventId: "e2", episodeId: 1, attempt: 1 },
  ]);
  invoker.answer("e2", "Aborted");
  await settle();
  invoker.answer("e1");
  assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
  assertEquals(brief(log.entries), [
    "e1 Invoke admitted ep0",
    "e2 Invoke admitted ep1",
    "e2 Finish not_retryable ep1",
    "e1 Finish completed ep0",
  ]);
  assertEquals(log.entries.map(({ termination }) => termination), [
    null,
    null,
    "Aborted",
    "Completed",
  ]);
  assertEquals(inputs.slice(2), [
    { type: "completion", episode_id: 1, attempt: 1, termination: "Aborted", at: at(0) },
    { type: "completion", episode_id: 0, attempt: 1, termination: "Completed", at: at(0) },
  ]);
});

Deno.test("concurrent: onEvent() resolves when the event is decided on, not when its run is over", async () => {
  const { supervisor, invoker, log } = open({});
  await supervisor.onEvent(event("e1"));
  assertEquals(log.entries.length, 1);
  invoker.answer("e1");
  await supervisor.close();
  assertEquals(log.entries.length, 2);
});

Deno.test("SCH-6 concurrent: max_in_flight saturates, and a Pump starts when a place is free", async () => {
  const { supervisor, invoker, log } = open({ max_in_flight: 1 });
  await supervisor.onEvent(event("e1", 1));
  await supervisor.onEvent(event("e2", 2));
  await supervisor.onEvent(pump("p1", 3));
  invoker.answer("e1");
  await settle();
  await supervisor.onEvent(pump("p2", 4));
  invoker.answer("e2");
  await supervisor.close();
  assertEquals(brief(log.entries), [
    "e1 Invoke admitted ep0",
    "e2 Defer saturated ep1",
    "p1 Defer saturated ep1",
    "e1 Finish completed ep0",
    "p2 Invoke due ep1",
    "p2 Finish completed ep1",
  ]);
  assertEquals(log.entries.map(({ numbers }) => numbers.in_flight), [0, 1, 1, 1, 0, 1]);
  assertEquals(log.entries.map(({ originEventId }) => originEventId).slice(4), ["e2", "e2"]);
  assertEquals(log.entries[2]!.schedule_at, at(3));
});

Deno.test("concurrent: a retry is a decision, and keeps its place", async () => {
  const { supervisor, invoker, log } = open({ max_in_flight: 1, max_retries: 1 });
  await supervisor.onEvent(event("e1"));
  invoker.answer("e1", "TimedOut");
  await settle();
  await supervisor.onEvent(event("e2"));
  assertEquals(invoker.requests.map(({ eventId, attempt }) => [eventId, attempt]), [
    ["e1", 1],
    ["e1", 2],
  ]);
  invoker.answer("e1", { Failed: "RuntimeError" }, 2);
  await supervisor.close();
  assertEquals(brief(log.entries), [
    "e1 Invoke admitted ep0",
    "e1 Invoke retry ep0",
    "e2 Defer saturated ep1",
    "e1 Finish retries_exhausted ep0",
  ]);
  const [, retry, , finish] = log.entries;
  assertEquals([retry!.termination, retry!.attemptTermination, retry!.retry_count], [
    null,
    "TimedOut",
    1,
  ]);
  assertEquals([finish!.termination, finish!.retry_count], [{ Failed: "RuntimeError" }, 1]);
});

Deno.test("concurrent: retries do not count for the window, deferred ones start like others", async () => {
  const backoff = { initial: at(5), factor: 2, max: at(60) };
  const limits = { max_per_window: 1, rate_window: at(10), max_retries: 2 };
  const { supervisor, invoker, log } = open(limits, { backoff });
  await supervisor.onEvent(event("e1", 0));
  invoker.answer("e1", "TimedOut");
  await settle();
  await supervisor.onEvent(pump("p1", 5));
  await supervisor.onEvent(pump("p2", 10));
  invoker.answer("e1", "Completed", 2);
  await supervisor.close();
  assertEquals(schedule(log.entries), [
    "e1 Invoke ep0",
    "e1 Defer@5 ep0",
    "p1 Defer@10 ep0",
    "p2 Invoke ep0",
    "p2 Finish ep0",
  ]);
  assertEquals(log.entries.map(({ retry_count }) => retry_count), [0, 0, 0, 1, 1]);
  assertEquals(log.entries.map(({ numbers }) => numbers.defer_count), [0, 1, 2, 2, 2]);
});

Deno.test("concurrent: a retry that waits gives its place away", async () => {
  const backoff = { initial: at(5), factor: 2, max: at(60) };
  const { supervisor, invoker, log } = open({ max_in_flight: 1, max_retries: 1 }, { backoff });
  await supervisor.onEvent(event("e1", 0));
  invoker.answer("e1", "TimedOut");
  await settle();
  await supervisor.onEvent(event("e2", 1));
  assertEquals(brief(log.entries).at(-1), "e2 Invoke admitted ep1");
  invoker.answer("e2");
  assertEquals(await supervisor.close(), { deferred: 1, inFlight: 0 });
});

Deno.test("concurrent: a retry that finds the queue full ends the episode", async () => {
  const backoff = { initial: at(5), factor: 2, max: at(60) };
  const { supervisor, invoker, log } = open({ max_retries: 1 }, { backoff, maxDeferred: 0 });
  await supervisor.onEvent(event("e1", 0));
  invoker.answer("e1", "TimedOut");
  assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
  assertEquals(brief(log.entries).at(-1), "e1 Skip queue_full ep0");
  assertEquals(log.entries.at(-1)!.termination, "TimedOut");
});

Deno.test("concurrent: a completion has the timers' time and moves the clock", async () => {
  const timers = new ManualTimers();
  const { supervisor, invoker, inputs, log } = open({}, { timers });
  await supervisor.onEvent(event("e1", 0));
  timers.advance(at(7, 5));
  invoker.answer("e1");
  await settle();
  assertEquals(supervisor.clock, at(7, 5));
  assertEquals(inputs.at(-1), {
    type: "completion",
    episode_id: 0,
    attempt: 1,
    termination: "Completed",
    at: at(7, 5),
  });
  assertEquals(log.entries.at(-1)!.numbers.now, at(7, 5));
});

Deno.test("SCH-2 concurrent: a completion does not set the clock back", async () => {
  const { supervisor, invoker } = open({}, { timers: new ManualTimers(at(3)) });
  await supervisor.onEvent(event("e1", 100));
  invoker.answer("e1");
  await supervisor.close();
  assertEquals(supervisor.clock, at(100));
});

Deno.test("SCH-2 serial: the clock only moves with events, even if there are timers", async () => {
  const { supervisor, invoker } = open({}, { mode: "serial", timers: new ManualTimers(at(50)) });
  const handled = supervisor.onEvent(event("e1", 3));
  invoker.answer("e1");
  await handled;
  assertEquals(supervisor.clock, at(3));
});

Deno.test("concurrent: events are taken in the order of the calls, also while a log is slow", async () => {
  const gates: (() => void)[] = [];
  const order: string[] = [];
  const supervisor = new Supervisor({
    ...options({}, { mode: "concurrent" }),
    inputLog: {
      record(input) {
        order.push(input.type === "event" ? `record ${input.event.id}` : "record completion");
        return new Promise<void>((resolve) => gates.push(resolve));
      },
    },
    decisionLog: { log: ({ decision }) => void order.push(decision) },
  });
  const handled = ["e1", "e2"].map((id) => supervisor.onEvent(event(id)));
  for (let open = 0; open < 4; open++) {
    await settle();
    gates[open]!();
  }
  await Promise.all(handled);
  await supervisor.close();
  assertEquals(order, [
    "record e1",
    "Invoke",
    "record completion",
    "Finish",
    "record e2",
    "Invoke",
    "record completion",
    "Finish",
  ]);
});

Deno.test("concurrent: onEvent() from inside run is an event like others", async () => {
  const given = options({}, { mode: "concurrent" });
  const supervisor: Supervisor = new Supervisor({
    ...given,
    invoker: {
      async run({ eventId }): Promise<RunTermination> {
        if (eventId === "e1") await supervisor.onEvent(event("e2"));
        await Promise.resolve();
        if (eventId === "e2") await supervisor.onEvent(event("e3"));
        return "Completed";
      },
    },
  });
  await supervisor.onEvent(event("e1"));
  await supervisor.close();
  const invoked = given.decisionLog.entries.filter(({ decision }) => decision === "Invoke");
  assertEquals(invoked.map(({ event_id }) => event_id), ["e1", "e2", "e3"]);
});

Deno.test("complete() ends an attempt; what its invoker answers is late", async () => {
  const late: unknown[] = [];
  const { supervisor, invoker, log } = open({}, { onLate: (answer) => late.push(answer) });
  await supervisor.onEvent(event("e1"));
  const end = { episodeId: 0, attempt: 1, termination: "Aborted", at: at(4) } as const;
  await supervisor.complete(end);
  assertEquals([log.entries.at(-1)!.termination, supervisor.clock], ["Aborted", at(4)]);
  invoker.answer("e1", "Completed");
  await settle();
  assertEquals(late, [{ eventId: "e1", episodeId: 0, attempt: 1, termination: "Completed" }]);
  assertEquals(log.entries.length, 2);
  await assertRejects(() => supervisor.complete(end), TypeError, "attempt 1 of episode 0");
});

Deno.test("complete() refuses what is not in flight, and what is no completion", async () => {
  const { supervisor } = open({ max_in_flight: 0 });
  await supervisor.onEvent(event("e1"));
  const complete = (episodeId: number, attempt: number, termination: unknown = "Completed") => () =>
    supervisor.complete({ episodeId, attempt, termination: termination as "Completed" });
  await assertRejects(complete(0, 1), TypeError, "it is not in flight");
  await assertRejects(complete(0, 1, "Done"), TypeError, "completion.termination");
  await assertRejects(complete(-1, 1), RangeError, "completion.episodeId");
  await assertRejects(complete(0, 1.5), RangeError, "completion.attempt");
});
