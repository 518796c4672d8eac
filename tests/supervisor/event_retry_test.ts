/** `retry` of an event: it counts for the episode of that event, in place of the supervisor's rules. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  createEvent,
  type EventRetry,
  FaultInvoker,
  ManualTimers,
  Supervisor,
} from "../../supervisor/mod.ts";
import { at, entriesOf, event, HeldInvoker, options, pump, settle, SpyInvoker } from "./_util.ts";

const BACKOFF = { initial: at(3), factor: 2, max: at(60) };
const MODES = ["serial", "concurrent"] as const;

function tried(id: string, retry: EventRetry, secs = 0) {
  return createEvent({ id, kind: "Command", at: at(secs), retry });
}

Deno.test("createEvent() keeps what an event says of how it is tried: checked, frozen, a copy", () => {
  const given = { max_retries: 2, deadline: at(5), backoff: { ...BACKOFF } };
  const { retry } = tried("e1", given);
  assertEquals(retry, given);
  given.backoff.factor = 9;
  assertEquals(retry?.backoff, BACKOFF);
  assert(Object.isFrozen(retry) && Object.isFrozen(retry?.backoff));
  // What says nothing is no `retry`.
  for (const none of [{}, { max_retries: undefined } as never]) {
    assert(!("retry" in tried("e1", none)));
  }
  assertEquals(tried("e1", { max_retries: 0 }).retry, { max_retries: 0 });
});

Deno.test("what is no retry is refused, its member named, wherever it comes from", async () => {
  const cases: [retry: unknown, error: typeof TypeError | typeof RangeError, member: string][] = [
    [null, TypeError, "event.retry"],
    [3, TypeError, "event.retry"],
    [{ maxRetries: 1 }, TypeError, 'event.retry: unknown field "maxRetries"'],
    [{ max_retries: "1" }, TypeError, "event.retry.max_retries"],
    [{ max_retries: null }, TypeError, "event.retry.max_retries"],
    [{ max_retries: -1 }, RangeError, "event.retry.max_retries"],
    [{ max_retries: 1.5 }, RangeError, "event.retry.max_retries"],
    [{ deadline: 5 }, TypeError, "event.retry.deadline"],
    [{ deadline: { secs: 1, nanos: 1e9 } }, RangeError, "event.retry.deadline"],
    [{ backoff: null }, TypeError, "event.retry.backoff"],
    [{ backoff: { initial: at(1), max: at(1) } }, TypeError, "event.retry.backoff.factor"],
    [{ backoff: { ...BACKOFF, factor: 0 } }, RangeError, "event.retry.backoff.factor"],
    [{ backoff: { ...BACKOFF, initial: -1 } }, TypeError, "event.retry.backoff.initial"],
  ];
  const given = options({ max_in_flight: 0 });
  const supervisor = new Supervisor(given);
  await supervisor.onEvent(event("e1"));
  const state = JSON.parse(JSON.stringify(supervisor));
  for (const [retry, error, member] of cases) {
    const made = () => tried("e1", retry as EventRetry);
    assertThrows(made, error, `Cannot use ${member}`);
    state.deferred[0].event.retry = retry;
    assertThrows(() => Supervisor.from(state, given), error, `Cannot use ${member}`);
    const byHand = { ...event("e2"), retry: retry as EventRetry };
    await assertRejects(() => supervisor.onEvent(byHand), error, `Cannot use ${member}`);
    assertThrows(() => supervisor.explain(byHand), error, `Cannot use ${member}`);
  }
  const init = { id: "p", kind: "Pump", at: at(0), retry: { max_retries: 1 } } as const;
  assertThrows(() => createEvent(init), TypeError, "a Pump has no episode of its own");
});

Deno.test("max_retries of an event count for it and for no other, in both modes", async () => {
  // Retries of the rules, of the event, and how often it is tried.
  const cases: [rules: number, own: number | undefined, attempts: number][] = [
    [0, undefined, 1],
    [0, 2, 3],
    [3, 0, 1],
    [3, 1, 2],
    [1, undefined, 2],
  ];
  for (const mode of MODES) {
    for (const [maxRetries, own, attempts] of cases) {
      const invoker = new SpyInvoker(new FaultInvoker("TimedOut"));
      const one = own === undefined ? event("e1") : tried("e1", { max_retries: own });
      const entries = await entriesOf(
        { max_retries: maxRetries },
        [one, event("e2", 1)],
        { mode, invoker },
      );
      const of = (id: string) => invoker.requests.filter(({ eventId }) => eventId === id).length;
      assertEquals([of("e1"), of("e2")], [attempts, maxRetries + 1]);
      const said = entries.map(({ originEventId, numbers }) => [
        originEventId,
        numbers.max_retries,
      ]);
      assertEquals(new Set(said.map(String)), new Set([`e1,${own ?? ""}`, "e2,"]));
      const last = entries.findLast(({ event_id }) => event_id === "e1")!;
      assertEquals([last.retry_count, last.termination], [attempts - 1, "TimedOut"]);
    }
  }
});

Deno.test("the back-off of an event is its own, or comes in place of none", async () => {
  const invoker = new FaultInvoker({ Failed: "NetworkTimeout" });
  const rules = { max_retries: 2 };
  const backoff = { initial: at(10), factor: 1, max: at(10) };
  const events = [tried("own", { backoff: BACKOFF }), event("rules")];
  const pumps = [pump("p1", 3), pump("p2", 9), pump("p3", 10), pump("p4", 20)];
  for (const given of [{ backoff }, {}]) {
    const entries = await entriesOf(rules, [...events, ...pumps], {
      mode: "concurrent",
      invoker,
      ...given,
    });
    const due = (id: string) =>
      entries.filter(({ originEventId, reason }) => originEventId === id && reason === "backoff")
        .map(({ schedule_at }) => schedule_at?.secs);
    assertEquals(due("own"), [3, 9]);
    assertEquals(due("rules"), "backoff" in given ? [10, 20] : []);
  }
});

Deno.test("each attempt has the deadline of its event, on one timer, whatever the order", async () => {
  const timers = new ManualTimers();
  const invoker = new HeldInvoker();
  const given = options({ deadline: at(30) }, {
    mode: "concurrent",
    invoker,
    timers,
    deadlineGraceMs: 0,
  });
  const supervisor = new Supervisor(given);
  const deadlines = { rules: undefined, long: 50, short: 5, mid: 20, none: 0 };
  for (const [id, secs] of Object.entries(deadlines)) {
    await supervisor.onEvent(
      secs === undefined ? event(id) : tried(id, { deadline: at(secs) }),
    );
  }
  assertEquals(timers.pendingCount, 1);
  assertEquals(
    invoker.requests.map(({ deadline }) => deadline?.secs),
    [30, 50, 5, 20, 0],
  );
  const ended: [number, string][] = [];
  for (let secs = 1; secs <= 60; secs++) {
    const before = given.decisionLog.entries.length;
    if (secs === 10) invoker.answer("mid");
    timers.advance(at(1));
    await settle();
    for (const { event_id, termination } of given.decisionLog.entries.slice(before)) {
      ended.push([secs, `${event_id} ${termination}`]);
    }
  }
  assertEquals(ended, [[5, "short TimedOut"], [10, "mid Completed"], [30, "rules TimedOut"], [
    50,
    "long TimedOut",
  ]]);
  assertEquals(timers.pendingCount, 0);
  // One of exactly 0 is told to the invoker and never passes.
  assertEquals(supervisor.inFlight.map(({ eventId }) => eventId), ["none"]);
});

Deno.test("a retry has the deadline of its event too, and an abort ends them all", async () => {
  const timers = new ManualTimers();
  const controller = new AbortController();
  const invoker = new HeldInvoker();
  const given = options({}, {
    mode: "concurrent",
    invoker,
    timers,
    deadlineGraceMs: 0,
    signal: controller.signal,
  });
  const supervisor = new Supervisor(given);
  await supervisor.onEvent(tried("e1", { deadline: at(5), max_retries: 1 }));
  await supervisor.onEvent(tried("e2", { deadline: at(100) }));
  timers.advance(at(5));
  await settle();
  assertEquals(invoker.requests.map(({ eventId, attempt }) => [eventId, attempt]), [
    ["e1", 1],
    ["e2", 1],
    ["e1", 2],
  ]);
  controller.abort();
  timers.advance(at(0, 1));
  await supervisor.close();
  const ends = given.decisionLog.entries.filter(({ decision }) => decision === "Finish");
  assertEquals(ends.map(({ event_id, termination }) => [event_id, termination]), [
    ["e2", "Aborted"],
    ["e1", "Aborted"],
  ]);
  assertEquals(timers.pendingCount, 0);
});

Deno.test("a deadline of an event that nobody could keep is refused, also one of a saved state", async () => {
  const message = "Cannot keep event.retry.deadline: give timers, such as systemTimers";
  const invoker = new HeldInvoker();
  const given = options({ max_in_flight: 0 }, { mode: "concurrent", invoker });
  const supervisor = new Supervisor(given);
  const one = tried("e1", { deadline: at(5) });
  await assertRejects(() => supervisor.onEvent(one), TypeError, message);
  await supervisor.onEvent(tried("e2", { deadline: at(0) }));
  const withTimers = new Supervisor({ ...given, timers: new ManualTimers() });
  await withTimers.onEvent(one);
  const state = withTimers.toJSON();
  assertThrows(() => Supervisor.from(state, given), TypeError, message);
  // A serial supervisor without timers only passes deadlines on.
  const spy = new SpyInvoker();
  await entriesOf({}, [one], { invoker: spy });
  assertEquals(spy.requests.map(({ deadline }) => deadline), [at(5)]);
});

Deno.test("explain() and a saved state go by what the event says", async () => {
  const timers = new ManualTimers();
  const given = options({ max_in_flight: 1, deadline: at(9) }, {
    mode: "concurrent",
    timers,
    invoker: new HeldInvoker(),
  });
  const supervisor = new Supervisor(given);
  const retry = { max_retries: 4, deadline: at(2), backoff: BACKOFF };
  for (const [id, decision] of [["e1", "Invoke"], ["e2", "Defer"]] as const) {
    const explained = supervisor.explain(tried(id, retry));
    assertEquals([explained.decision, explained.deadline], [decision, at(2)]);
    assertEquals(explained.numbers.max_retries, 4);
    await supervisor.onEvent(tried(id, retry));
    assertEquals(given.decisionLog.entries.at(-1), explained);
  }
  const state = JSON.parse(JSON.stringify(supervisor));
  assertEquals([state.in_flight[0].event.retry, state.deferred[0].event.retry], [retry, retry]);
  assertEquals(state.in_flight[0].numbers.max_retries, 4);
  const again = options({}, { timers, invoker: new HeldInvoker() });
  const restored = Supervisor.from(state, again);
  assertEquals(restored.toJSON(), supervisor.toJSON());
  await restored.complete({ episodeId: 0, attempt: 1, termination: "TimedOut" });
  assertEquals(again.decisionLog.entries.map(({ reason, schedule_at }) => [reason, schedule_at]), [
    ["backoff", at(3)],
  ]);
});
