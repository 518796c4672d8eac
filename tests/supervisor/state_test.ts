/** `toJSON` and `Supervisor.from`: what a state is, and what is refused as one. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  MemoryDecisionLog,
  Supervisor,
  type SupervisorOptions,
  type SupervisorState,
} from "../../supervisor/mod.ts";
import { at, event, HeldInvoker, options, pump, schedule, settle } from "./_util.ts";

const ONE_PER_TEN_SECONDS = { max_per_window: 1, rate_window: at(10) };

/** A session with something in flight, in the queue and in the window. */
async function busy(rest: Partial<SupervisorOptions> = {}) {
  const invoker = new HeldInvoker();
  const limits = { ...ONE_PER_TEN_SECONDS, max_in_flight: 2, max_retries: 1, deadline: at(0) };
  const backoff = { initial: at(5), factor: 2, max: at(60) };
  const given = options(limits, {
    mode: "concurrent",
    invoker,
    maxDeferred: 5,
    backoff,
    ...rest,
  });
  const supervisor = new Supervisor(given);
  await supervisor.onEvent(event("e1", 1, { payload: '{"x":[1,2]}' }));
  await supervisor.onEvent(event("e2", 2));
  await supervisor.onEvent(pump("p1", at(11)));
  return { supervisor, invoker, log: given.decisionLog };
}

/** The state as another process would read it. */
function copy(supervisor: Supervisor): SupervisorState {
  return JSON.parse(JSON.stringify(supervisor));
}

Deno.test("toJSON() is the whole state, as JSON", async () => {
  const { supervisor } = await busy();
  const numbers = { now: at(1), in_flight: 0, in_window: 0, deferred: 0, next_due: null };
  assertEquals(copy(supervisor), {
    format: 1,
    graph_id: "g",
    mode: "concurrent",
    constraints: {
      max_in_flight: 2,
      max_per_window: 1,
      rate_window: at(10),
      deadline: at(0),
      max_retries: 1,
    },
    max_deferred: 5,
    backoff: { initial: at(5), factor: 2, max: at(60) },
    inputs: 3,
    next_episode_id: 2,
    clock: at(11),
    recent: [at(11)],
    deferred: [],
    in_flight: [
      {
        episode_id: 0,
        attempt: 1,
        event: {
          event_id: "e1",
          event_time: at(1),
          kind: "Command",
          payload: [...new TextEncoder().encode('{"x":[1,2]}')],
        },
        pump: null,
        reason: "admitted",
        numbers: { ...numbers, defer_count: 0 },
      },
      {
        episode_id: 1,
        attempt: 1,
        event: { event_id: "e2", event_time: at(2), kind: "Command", payload: [] },
        pump: { event_id: "p1", event_time: at(11), kind: "Pump", payload: [] },
        reason: "due",
        numbers: {
          now: at(11),
          in_flight: 1,
          in_window: 0,
          deferred: 1,
          next_due: at(11),
          defer_count: 1,
        },
      },
    ],
  });
});

Deno.test("from() goes on exactly, and lists the attempts that need their completion", async () => {
  const { supervisor, invoker, log } = await busy();
  const decisionLog = new MemoryDecisionLog();
  const again = new HeldInvoker();
  const restored = Supervisor.from(copy(supervisor), { decisionLog, invoker: again });
  assertEquals(copy(restored), copy(supervisor));
  assertEquals(restored.inFlight, [
    { eventId: "e1", episodeId: 0, attempt: 1 },
    { eventId: "e2", episodeId: 1, attempt: 1 },
  ]);
  assertEquals(await restored.idle(), { deferred: 0, inFlight: 2 });
  assertEquals(again.requests, []);

  invoker.answer("e1", "TimedOut");
  await settle();
  await restored.complete({ episodeId: 0, attempt: 1, termination: "TimedOut" });
  for (const one of [event("e3", 12), pump("p2", 21), pump("p3", 30)]) {
    await supervisor.onEvent(one);
    await restored.onEvent(one);
  }
  assertEquals(schedule(decisionLog.entries), schedule(log.entries.slice(3)));
  assertEquals(decisionLog.entries, log.entries.slice(3));
  assertEquals(copy(restored), copy(supervisor));
  assertEquals(again.requests.map(({ eventId, attempt }) => [eventId, attempt]), [["e1", 2]]);
});

Deno.test("from() in the middle of a serial run: events wait for its completion", async () => {
  const invoker = new HeldInvoker();
  const given = options({ max_retries: 1 }, { invoker });
  const supervisor = new Supervisor(given);
  const handled = supervisor.onEvent(event("e1", 5));
  const decisionLog = new MemoryDecisionLog();
  const restored = Supervisor.from(copy(supervisor), { decisionLog, invoker: new HeldInvoker() });
  const waiting = restored.onEvent(event("e2", 6));
  await settle();
  assertEquals(decisionLog.entries, []);
  await restored.complete({ episodeId: 0, attempt: 1, termination: "Completed" });
  assertEquals(decisionLog.entries.map(({ event_id }) => event_id), ["e1"]);
  assertEquals(restored.inFlight.map(({ eventId }) => eventId), ["e2"]);
  await restored.complete({ episodeId: 1, attempt: 1, termination: "Completed" });
  await waiting;
  invoker.answer("e1");
  await handled;
  assertEquals(decisionLog.entries[0], given.decisionLog.entries[0]);
});

Deno.test("from() lets each attempt be completed once", async () => {
  const { supervisor } = await busy();
  const ports = { decisionLog: new MemoryDecisionLog(), invoker: new HeldInvoker() };
  const restored = Supervisor.from(copy(supervisor), ports);
  const complete = (episodeId: number, attempt: number) => () =>
    restored.complete({ episodeId, attempt, termination: "Completed" });
  await assertRejects(complete(0, 2), TypeError, "Cannot complete attempt 2 of episode 0");
  const first = complete(0, 1)();
  await assertRejects(complete(0, 1), TypeError, "it is not in flight");
  await first;
  assertEquals(await restored.close(), { deferred: 0, inFlight: 1 });
  await complete(1, 1)();
  assertEquals(restored.inFlight, []);
});

Deno.test("a fresh supervisor's state restores too", async () => {
  const ports = { decisionLog: new MemoryDecisionLog(), invoker: new HeldInvoker() };
  const restored = Supervisor.from(copy(new Supervisor(options({}))), ports);
  void restored.onEvent(event("e1"));
  assertEquals(restored.inFlight.length, 1);
  await restored.complete({ episodeId: 0, attempt: 1, termination: "Completed" });
});

/** Changes one place of a state. */
function changed(state: SupervisorState, path: string, value: unknown): SupervisorState {
  const result = structuredClone(state);
  const keys = path.split(".");
  const last = keys.pop()!;
  // deno-lint-ignore no-explicit-any -- a state of any shape is what this makes
  const holder = keys.reduce((at: any, key) => at[key], result);
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return result;
}

Deno.test("from() refuses a state of the wrong shape and names the field", async () => {
  const { supervisor, invoker } = await busy();
  invoker.answer("e1", "TimedOut");
  await settle();
  const state = copy(supervisor);
  assertEquals([state.deferred.length, state.in_flight.length], [1, 1]);
  const ports = { decisionLog: new MemoryDecisionLog(), invoker };
  const cases: [string, unknown, string][] = [
    ["format", 2, "state.format: only 1 is known, got 2"],
    ["more", 1, 'state: unknown field "more"'],
    ["graph_id", 1, "graphId"],
    ["mode", "other", "state.mode: expected serial or concurrent"],
    ["mode", undefined, "state.mode: expected serial or concurrent, got undefined"],
    ["mode", null, "state.mode: expected serial or concurrent, got null"],
    ["constraints", undefined, "constraints"],
    ["max_deferred", "5", "maxDeferred"],
    ["backoff.factor", 0, "backoff.factor"],
    ["inputs", -1, "state.inputs"],
    ["next_episode_id", 2 ** 53, "state.next_episode_id"],
    ["clock", null, "state.clock"],
    ["recent", {}, "state.recent: expected an array"],
    ["recent.0", 1, "state.recent[0]"],
    ["deferred.0.schedule_at", undefined, "state.deferred[0].schedule_at"],
    ["deferred.0.more", 1, "state.deferred[0]"],
    ["deferred.0.attempts", 1.5, "state.deferred[0].attempts"],
    ["deferred.0.defer_count", null, "state.deferred[0].defer_count"],
    ["deferred.0.event.event_id", 1, "state.deferred[0].event.event_id"],
    ["deferred.0.event.kind", "Tick", "event.kind"],
    ["deferred.0.event.payload", [256], "state.deferred[0].event.payload[0]"],
    ["deferred.0.event.payload", [91, 93], "payload must be a JSON object, got array"],
    ["deferred.0.event.payload_hash", "x", "state.deferred[0].event"],
    ["in_flight.0.attempt", "1", "state.in_flight[0].attempt"],
    ["in_flight.0.pump", 1, "state.in_flight[0].pump"],
    ["in_flight.0.reason", "retry", "state.in_flight[0].reason"],
    ["in_flight.0.numbers.now", null, "state.in_flight[0].numbers.now"],
    ["in_flight.0.numbers.more", 1, "state.in_flight[0].numbers"],
  ];
  for (const [path, value, message] of cases) {
    assertThrows(() => Supervisor.from(changed(state, path, value), ports), Error, message);
  }
  for (const notAState of [null, 1, [], "{}"]) {
    const from = () => Supervisor.from(notAState as unknown as SupervisorState, ports);
    assertThrows(from, TypeError, "Cannot use state: expected an object");
  }
});

/** Every path of a value, the outer ones first. */
function pathsOf(value: unknown, path: string[] = []): string[][] {
  const isHolder = typeof value === "object" && value !== null;
  const inner = isHolder
    ? Object.entries(value).flatMap(([key, member]) => pathsOf(member, [...path, key]))
    : [];
  return [path, ...inner];
}

Deno.test("from() refuses what nests without end, wherever it stands, in our own words", async () => {
  const { supervisor, invoker } = await busy();
  const state = copy(supervisor);
  const ports = { decisionLog: new MemoryDecisionLog(), invoker };
  let list: unknown = 1;
  let object: unknown = 1;
  for (let level = 0; level < 2_000_000; level++) [list, object] = [[list], { a: object }];
  const paths = pathsOf(state).slice(1);
  assert(paths.length > 50, `${paths.length}`);
  for (const path of paths) {
    for (const deep of [list, object]) {
      const from = () => Supervisor.from(changed(state, path.join("."), deep), ports);
      assertThrows(from, TypeError, "Cannot use ");
    }
  }
  const nested = "[".repeat(200) + "]".repeat(200);
  const payload = [...new TextEncoder().encode(`{"a":${nested}}`)];
  const from = () => Supervisor.from(changed(state, "in_flight.0.event.payload", payload), ports);
  assertThrows(from, Error, "payload bytes are not valid JSON: nesting deeper than 127 levels");
});

Deno.test("20,000 retries, and 20,000 events each made by the run before, are no deep calls", async () => {
  const count = 20_000;
  for (const mode of ["serial", "concurrent"] as const) {
    let runs = 0;
    const run = () => runs++ < count ? "TimedOut" as const : "Completed" as const;
    const given = options({ max_retries: count }, { mode, invoker: { run } });
    const supervisor = new Supervisor(given);
    await supervisor.onEvent(event("e1"));
    await supervisor.close();
    assertEquals([runs, given.decisionLog.entries.at(-1)?.termination], [count + 1, "Completed"]);
  }
  let made = 0;
  const given = options({}, {
    mode: "concurrent",
    invoker: {
      run: () => {
        if (made++ < count) void supervisor.onEvent(event(`e${made}`));
        return "Completed" as const;
      },
    },
  });
  const supervisor: Supervisor = new Supervisor(given);
  await supervisor.onEvent(event("first"));
  await supervisor.close();
  assertEquals(given.decisionLog.entries.length, 2 * (count + 1));
});

Deno.test("SCH-8 from() takes one limit of the rate alone, which was saved with a state, as none", async () => {
  const saved = copy(new Supervisor(options({})));
  for (const alone of [{ max_per_window: 1 }, { rate_window: at(10) }]) {
    const state = { ...saved, constraints: { ...saved.constraints, ...alone } };
    const given = options({});
    const restored = Supervisor.from(state, given);
    for (const id of ["e1", "e2"]) await restored.onEvent(event(id));
    assertEquals(given.decisionLog.entries.map(({ decision }) => decision), ["Invoke", "Invoke"]);
    assertEquals(copy(restored).constraints, saved.constraints);
  }
});

Deno.test("from() refuses a state that contradicts itself", async () => {
  const { supervisor, invoker } = await busy();
  const state = copy(supervisor);
  const ports = { decisionLog: new MemoryDecisionLog(), invoker };
  const cases: [string, unknown, string][] = [
    ["recent", [at(5), at(4)], "state.recent: its times are out of order"],
    ["recent", [at(12)], "state.recent: its times are out of order"],
    ["in_flight.1.episode_id", 0, "episode 0 is in it twice"],
    ["next_episode_id", 1, "episode 1 is not before next_episode_id"],
    ["mode", "serial", "state.in_flight: serial runs do not overlap"],
  ];
  for (const [path, value, message] of cases) {
    assertThrows(() => Supervisor.from(changed(state, path, value), ports), RangeError, message);
  }
});

Deno.test("ids and counters throw a RangeError at 2^53 - 1, which stops the supervisor", async () => {
  const end = Number.MAX_SAFE_INTEGER;
  const { supervisor } = await busy();
  const state = copy(supervisor);
  const next = event("x", 50);
  const retry = { episodeId: 0, attempt: end, termination: "TimedOut" } as const;
  const waiting = {
    schedule_at: at(1),
    episode_id: 0,
    event: { event_id: "w", event_time: at(0), kind: "Command", payload: [] },
    defer_count: end,
    attempts: 0,
  };
  const cases: [SupervisorState, (restored: Supervisor) => Promise<void>, string][] = [
    [changed(state, "inputs", end), (restored) => restored.onEvent(next), "inputs"],
    [changed(state, "next_episode_id", end), (restored) => restored.onEvent(next), "episodes"],
    [
      changed(
        changed(changed(state, "in_flight.0.attempt", end), "backoff", null),
        "constraints.max_retries",
        end,
      ),
      (restored) => restored.complete(retry),
      "attempts",
    ],
    [
      changed(changed(changed(state, "in_flight", []), "deferred", [waiting]), "clock", at(11)),
      (restored) => restored.onEvent(pump("p", 11)),
      "deferrals",
    ],
  ];
  for (const [last, use, counter] of cases) {
    const ports = { decisionLog: new MemoryDecisionLog(), invoker: new HeldInvoker() };
    const restored = Supervisor.from(last, ports);
    const message = `Cannot count ${counter} further: it has reached ${end}`;
    await assertRejects(() => use(restored), RangeError, message);
    await assertRejects(() => restored.onEvent(next), RangeError, message);
    assertEquals(ports.decisionLog.entries, []);
  }
});
