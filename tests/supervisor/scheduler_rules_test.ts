import { assertEquals, assertStrictEquals } from "@std/assert";
import { LATEST } from "../../_internal/event_time.ts";
import { type DecisionLogEntry, FaultInvoker, Supervisor } from "../../supervisor/mod.ts";
import { at, entriesOf, event, options, pump, schedule, SpyInvoker } from "./_util.ts";

/** The scheduler's rules SCH-1 to SCH-18, in serial mode. */

const ONE_PER_TEN_SECONDS = { max_per_window: 1, rate_window: at(10) };

function reasons(entries: readonly DecisionLogEntry[]): string[] {
  return entries.map(({ reason }) => reason);
}

Deno.test("SCH-1 a supervisor starts at time 0 with episode 0, and bound to its graph", async () => {
  const given = options({}, { graphId: "nightly" });
  const supervisor = new Supervisor(given);
  assertEquals(supervisor.clock, at(0));
  assertEquals(supervisor.inFlight, []);
  await supervisor.onEvent(event("e1"));
  assertEquals(given.decisionLog.entries[0]!.graph_id, "nightly");
  assertEquals(given.decisionLog.entries[0]!.episode_id, 0);
});

Deno.test("SCH-1 deferred episodes come in the order of (time, episode id)", async () => {
  const entries = await entriesOf(ONE_PER_TEN_SECONDS, [
    event("e1", 0),
    event("late", 9),
    event("later", 9),
    pump("p1", 10),
    pump("p2", 20),
  ]);
  assertEquals(entries.slice(3).map(({ originEventId }) => originEventId), ["late", "later"]);
});

Deno.test("SCH-2 the clock is the maximum of what events said", async () => {
  const supervisor = new Supervisor(options({}));
  for (const secs of [5, 3, 7, 7, 0]) await supervisor.onEvent(event(`e${secs}`, secs));
  assertEquals(supervisor.clock, at(7));
});

Deno.test("SCH-2 now is the clock, not the event's own time", async () => {
  const entries = await entriesOf({ max_in_flight: 0 }, [event("e1", 100), event("e2", 50)]);
  assertEquals(entries.map(({ schedule_at }) => schedule_at), [at(100), at(100)]);
  assertEquals(entries[1]!.numbers.now, at(100));
});

Deno.test("SCH-3 one entry an event, after its work", async () => {
  const order: string[] = [];
  const supervisor = new Supervisor({
    ...options({ max_retries: 1 }),
    decisionLog: { log: ({ event_id }) => void order.push(`log ${event_id}`) },
    invoker: {
      run({ eventId, attempt }) {
        order.push(`run ${eventId} ${attempt}`);
        return attempt === 1 ? "TimedOut" : "Completed";
      },
    },
  });
  await supervisor.onEvent(event("e1"));
  await supervisor.onEvent(pump("p1"));
  assertEquals(order, ["run e1 1", "run e1 2", "log e1", "log p1"]);
});

Deno.test("SCH-4 every kind but Pump asks for a run", async () => {
  const entries = await entriesOf({}, [
    event("c", 0, { kind: "Command" }),
    event("d", 0, { kind: "DataAvailable" }),
    event("p", 0, { kind: "Pump" }),
  ]);
  assertEquals(entries.map(({ decision }) => decision), ["Invoke", "Invoke", "Defer"]);
});

Deno.test("SCH-5 deferred events own an episode id too", async () => {
  const entries = await entriesOf({ max_in_flight: 0 }, [event("e1"), event("e2"), event("e3")]);
  assertEquals(entries.map(({ episode_id }) => episode_id), [0, 1, 2]);
});

Deno.test("SCH-6 only max_in_flight 0 ever saturates", async () => {
  for (const [max, decision, reason] of [[0, "Defer", "saturated"], [1, "Invoke", "admitted"]]) {
    const [entry] = await entriesOf({ max_in_flight: max as number }, [event("e1", 3)]);
    assertEquals([entry!.decision, entry!.reason, entry!.numbers.in_flight], [decision, reason, 0]);
    assertEquals(entry!.schedule_at, decision === "Defer" ? at(3) : null);
  }
});

Deno.test("SCH-7 a rate-limited event waits until the window has room", async () => {
  const [, entry] = await entriesOf(ONE_PER_TEN_SECONDS, [event("e1", 0), event("e2", at(3, 5))]);
  assertEquals([entry!.decision, entry!.reason, entry!.schedule_at], [
    "Defer",
    "rate_limited",
    at(10),
  ]);
  assertEquals(entry!.numbers.in_window, 1);
});

Deno.test("SCH-8 retries do not count for the window", async () => {
  const invoker = new FaultInvoker("TimedOut");
  const limits = { max_per_window: 2, rate_window: at(10), max_retries: 4 };
  const entries = await entriesOf(limits, [event("e1"), event("e2"), event("e3")], { invoker });
  assertEquals(reasons(entries), ["admitted", "admitted", "rate_limited"]);
});

Deno.test("SCH-9 saturation is looked at before the rate", async () => {
  const limits = { max_in_flight: 0, max_per_window: 0, rate_window: at(10) };
  assertEquals(reasons(await entriesOf(limits, [event("e1")])), ["saturated"]);
});

Deno.test("SCH-9 the deadline of an entry is the configured one; a deferral has no end", async () => {
  const limits = { ...ONE_PER_TEN_SECONDS, deadline: at(7) };
  const entries = await entriesOf(limits, [event("e1"), event("e2"), pump("p1", 1)]);
  assertEquals(entries.map(({ deadline }) => deadline), [at(7), at(7), at(7)]);
  assertEquals(entries.map(({ termination }) => termination), ["Completed", null, null]);
  assertEquals(entries.map(({ retry_count }) => retry_count), [0, 0, 0]);
});

Deno.test("SCH-10 a Pump starts one due episode, and none before its time", async () => {
  const limits = { max_per_window: 2, rate_window: at(10) };
  const events = ["e1", "e2", "e3", "e4"].map((id) => event(id));
  const pumps = [pump("p1", at(9, 999_999_999)), pump("p2", 10), pump("p3", 10), pump("p4", 10)];
  assertEquals(schedule((await entriesOf(limits, [...events, ...pumps])).slice(4)), [
    "p1 Defer@null ep4",
    "p2 Invoke ep2",
    "p3 Invoke ep3",
    "p4 Defer@null ep5",
  ]);
});

Deno.test("SCH-11 a Pump with nothing due burns an episode id", async () => {
  const entries = await entriesOf({}, [pump("p1"), pump("p2"), event("e1")]);
  assertEquals(schedule(entries), ["p1 Defer@null ep0", "p2 Defer@null ep1", "e1 Invoke ep2"]);
  assertEquals(entries[0]!.reason, "nothing_due");
  assertEquals(entries[0]!.originEventId, null);
});

Deno.test("SCH-12 a due episode that meets saturation is queued again at now", async () => {
  const entries = await entriesOf({ max_in_flight: 0 }, [
    event("e1"),
    pump("p1", 4),
    pump("p2", 9),
  ]);
  assertEquals(entries.map(({ schedule_at }) => schedule_at), [at(0), at(4), at(9)]);
  assertEquals(entries.map(({ numbers }) => numbers.defer_count), [1, 2, 3]);
});

Deno.test("SCH-13 a due episode that meets the rate limit is queued again when it allows", async () => {
  const entries = await entriesOf(ONE_PER_TEN_SECONDS, [
    event("e1", 0),
    event("e2", 1),
    event("e3", 2),
    pump("p1", 11),
    pump("p2", 12),
  ]);
  const last = entries.at(-1)!;
  assertEquals([last.decision, last.reason, last.schedule_at], ["Defer", "rate_limited", at(21)]);
  assertEquals([last.originEventId, last.numbers.defer_count], ["e3", 2]);
});

Deno.test("SCH-14 a Pump's run has the origin's id and context, its entry the Pump's id", async () => {
  const invoker = new SpyInvoker();
  const origin = event("e1", 0, { payload: '{"x":1}' });
  const entries = await entriesOf(
    ONE_PER_TEN_SECONDS,
    [event("e0", 0), origin, pump("p1", 10)],
    { invoker },
  );
  assertEquals(invoker.requests[1]!.eventId, "e1");
  assertStrictEquals(invoker.requests[1]!.context, origin.context);
  assertEquals(entries[2]!.event_id, "p1");
  assertEquals(entries[2]!.event.kind, "Pump");
  assertEquals([entries[2]!.episode_id, entries[2]!.originEventId], [1, "e1"]);
});

Deno.test("SCH-15 a start leaves the window when it is exactly as old as the window", async () => {
  const limits = { max_per_window: 1, rate_window: at(10) };
  const entries = await entriesOf(limits, [
    event("e1", at(0, 1)),
    event("e2", at(10, 0)),
    event("e3", at(10, 1)),
  ]);
  assertEquals(reasons(entries), ["admitted", "rate_limited", "admitted"]);
  assertEquals(entries[1]!.schedule_at, at(10, 1));
});

Deno.test("SCH-15 max_per_window 0 does not block the first event", async () => {
  const limits = { max_per_window: 0, rate_window: at(10) };
  const entries = await entriesOf(limits, [event("e1", 0), event("e2", 9), event("e3", 10)]);
  assertEquals(reasons(entries), ["admitted", "rate_limited", "admitted"]);
});

Deno.test("SCH-16 what is left in the queue is reported", async () => {
  const supervisor = new Supervisor(options({ max_in_flight: 0 }));
  for (const id of ["e1", "e2", "e3"]) await supervisor.onEvent(event(id));
  assertEquals(await supervisor.idle(), { deferred: 3, inFlight: 0 });
  assertEquals(await supervisor.close(), { deferred: 3, inFlight: 0 });
});

Deno.test("SCH-17 a Pump's payload does not matter, but is in its entry", async () => {
  const invoker = new SpyInvoker();
  const loaded = event("p1", 10, { kind: "Pump", payload: '{"x":1}' });
  const events = [event("e1"), event("e2", 0, { payload: '{"y":2}' }), loaded];
  const entries = await entriesOf(ONE_PER_TEN_SECONDS, events, { invoker });
  assertStrictEquals(entries[2]!.event, loaded);
  assertEquals([...invoker.requests[1]!.context.keys()], ["y"]);
});

Deno.test("SCH-18 time saturates: a deferral beyond the end of time is due at the end", async () => {
  const limits = { max_per_window: 1, rate_window: at(10) };
  const nearEnd = { secs: LATEST.secs - 1, nanos: 0 };
  const entries = await entriesOf(limits, [event("e1", nearEnd), event("e2", nearEnd)]);
  assertEquals(entries[1]!.schedule_at, LATEST);
});

Deno.test("maxDeferred: what would make the queue longer is skipped, with an episode of its own", async () => {
  const limits = { max_in_flight: 0 };
  const events = [event("e1"), event("e2"), event("e3"), pump("p1", 1), event("e4", 1)];
  const entries = await entriesOf(limits, events, { maxDeferred: 2 });
  assertEquals(schedule(entries), [
    "e1 Defer@0 ep0",
    "e2 Defer@0 ep1",
    "e3 Skip ep2",
    "p1 Defer@1 ep0",
    "e4 Skip ep3",
  ]);
  assertEquals(entries[2]!.reason, "queue_full");
  assertEquals([entries[2]!.numbers.deferred, entries[2]!.schedule_at], [2, null]);
});

Deno.test("maxDeferred 0 skips whatever cannot start", async () => {
  const entries = await entriesOf(ONE_PER_TEN_SECONDS, [event("e1"), event("e2")], {
    maxDeferred: 0,
  });
  assertEquals(entries.map(({ decision }) => decision), ["Invoke", "Skip"]);
});

Deno.test("the numbers of an entry are those just before it took effect", async () => {
  const limits = { max_per_window: 2, rate_window: at(10) };
  const entries = await entriesOf(limits, [
    event("e1", 0),
    event("e2", 1),
    event("e3", 2),
    pump("p1", 10),
  ]);
  assertEquals(entries.map(({ numbers }) => numbers), [
    { now: at(0), in_flight: 0, in_window: 0, deferred: 0, next_due: null, defer_count: 0 },
    { now: at(1), in_flight: 0, in_window: 1, deferred: 0, next_due: null, defer_count: 0 },
    { now: at(2), in_flight: 0, in_window: 2, deferred: 0, next_due: null, defer_count: 1 },
    { now: at(10), in_flight: 0, in_window: 1, deferred: 1, next_due: at(10), defer_count: 1 },
  ]);
});
