/** The pump driver: a Pump exactly when one is wanted, no timer without need. */
import { assertEquals, assertRejects } from "@std/assert";
import {
  type ConstraintsInit,
  type ExternalEvent,
  FaultInvoker,
  ManualTimers,
  PumpDriver,
  type PumpDriverOptions,
  Supervisor,
  type SupervisorOptions,
} from "../../supervisor/mod.ts";
import { at, event, HeldInvoker, options, schedule, settle } from "./_util.ts";

const ONE_PER_TEN_SECONDS = { max_per_window: 1, rate_window: at(10) };

function open(
  constraints: Partial<ConstraintsInit>,
  rest: Partial<SupervisorOptions> = {},
  pumping: Partial<PumpDriverOptions> = {},
) {
  const timers = new ManualTimers();
  const given = options(constraints, rest);
  const supervisor = new Supervisor(given);
  const pump = new PumpDriver({ supervisor, timers, ...pumping });
  const send = (id: string) => supervisor.onEvent(event(id, timers.now()));
  return { supervisor, timers, pump, send, log: given.decisionLog };
}

Deno.test("PumpDriver sends a Pump at the very time at which the window has room", async () => {
  const { supervisor, timers, pump, send, log } = open(ONE_PER_TEN_SECONDS);
  assertEquals(timers.pendingCount, 0);
  for (const id of ["e1", "e2", "e3"]) await send(id);
  assertEquals(timers.pendingCount, 1);
  timers.advance({ secs: 9, nanos: 999_999_999 });
  await settle();
  assertEquals(log.entries.length, 3);
  timers.advance(at(0, 1));
  await settle();
  assertEquals(timers.pendingCount, 1);
  timers.advance(at(10));
  assertEquals(await pump.drained(), { deferred: 0, inFlight: 0 });
  assertEquals(schedule(log.entries), [
    "e1 Invoke ep0",
    "e2 Defer@10 ep1",
    "e3 Defer@10 ep2",
    "pump-4 Invoke ep1",
    "pump-6 Invoke ep2",
  ]);
  assertEquals(log.entries.slice(3).map(({ event }) => event.at), [at(10), at(20)]);
  assertEquals(timers.pendingCount, 0);
  assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
});

Deno.test("PumpDriver sends a Pump as soon as a place is free, and not before", async () => {
  const invoker = new HeldInvoker();
  const rest = { invoker, mode: "concurrent" } as const;
  const { timers, pump, send, log } = open({ max_in_flight: 2 }, rest);
  for (const id of ["e1", "e2", "e3", "e4", "e5"]) await send(id);
  timers.advance(at(60));
  await settle();
  assertEquals([log.entries.length, timers.pendingCount], [5, 0]);
  for (const id of ["e2", "e1", "e4", "e3", "e5"]) {
    invoker.answer(id);
    await settle();
  }
  assertEquals(await pump.drained(), { deferred: 0, inFlight: 0 });
  assertEquals(invoker.requests.map(({ eventId }) => eventId), ["e1", "e2", "e3", "e4", "e5"]);
  assertEquals(log.entries.some(({ reason }) => reason === "nothing_due"), false);
  assertEquals(timers.pendingCount, 0);
});

Deno.test("PumpDriver starts several due episodes one after the other when places are free", async () => {
  const invoker = new HeldInvoker();
  const rest = { invoker, mode: "concurrent" } as const;
  const limits = { max_per_window: 3, rate_window: at(10) };
  const { timers, send, log } = open(limits, rest);
  for (let n = 1; n <= 6; n++) await send(`e${n}`);
  timers.advance(at(10));
  await settle();
  assertEquals(invoker.requests.length, 6);
  assertEquals(schedule(log.entries.slice(6)), [
    "pump-6 Invoke ep3",
    "pump-7 Invoke ep4",
    "pump-8 Invoke ep5",
  ]);
});

Deno.test("PumpDriver waits for a retry's back-off in event time", async () => {
  const invoker = new FaultInvoker();
  invoker.pushOutcomes("e1", ["TimedOut", "TimedOut"]);
  const backoff = { initial: at(1), factor: 4, max: at(60) };
  const { timers, pump, send, log } = open({ max_retries: 5 }, { invoker, backoff });
  await send("e1");
  for (let second = 0; second < 5; second++) {
    timers.advance(at(1));
    await settle();
  }
  await pump.drained();
  assertEquals(log.entries.map(({ event }) => event.at.secs), [0, 1, 5]);
  assertEquals(log.entries.at(-1)!.termination, "Completed");
});

Deno.test("PumpDriver sends nothing that could not start anything", async () => {
  const { timers, pump, send, log } = open({ max_in_flight: 0 });
  await send("e1");
  timers.advance(at(1_000));
  assertEquals(await pump.drained(), { deferred: 1, inFlight: 0 });
  assertEquals([log.entries.length, timers.pendingCount], [1, 0]);
});

Deno.test("PumpDriver copes with events whose time is ahead of the timers", async () => {
  const { supervisor, timers, pump, log } = open(ONE_PER_TEN_SECONDS);
  await supervisor.onEvent(event("e1", 100));
  await supervisor.onEvent(event("e2", 100));
  await supervisor.onEvent(event("e3", 500));
  await settle();
  assertEquals(schedule(log.entries), ["e1 Invoke ep0", "e2 Defer@110 ep1", "e3 Invoke ep2"]);
  timers.advance(at(509));
  await settle();
  assertEquals(log.entries.length, 3);
  timers.advance(at(1));
  assertEquals(await pump.drained(), { deferred: 0, inFlight: 0 });
});

Deno.test("PumpDriver gives up where event time ends", async () => {
  const end = { secs: Number.MAX_SAFE_INTEGER, nanos: 999_999_999 };
  const { supervisor, timers, pump } = open(ONE_PER_TEN_SECONDS);
  await supervisor.onEvent(event("e1", end));
  await supervisor.onEvent(event("e2", end));
  assertEquals(await pump.drained(), { deferred: 1, inFlight: 0 });
  assertEquals(timers.pendingCount, 0);
});

Deno.test("PumpDriver leaves no timer when it is stopped, and when the supervisor ends", async () => {
  const stopped = open(ONE_PER_TEN_SECONDS);
  for (const id of ["e1", "e2"]) await stopped.send(id);
  stopped.pump.stop();
  assertEquals(stopped.timers.pendingCount, 0);
  assertEquals(await stopped.pump.drained(), { deferred: 1, inFlight: 0 });

  const closed = open(ONE_PER_TEN_SECONDS);
  for (const id of ["e1", "e2"]) await closed.send(id);
  assertEquals(await closed.supervisor.close(), { deferred: 1, inFlight: 0 });
  assertEquals(closed.timers.pendingCount, 0);
  assertEquals(await closed.pump.drained(), { deferred: 1, inFlight: 0 });

  const stop = new AbortController();
  const aborted = open(ONE_PER_TEN_SECONDS, { signal: stop.signal });
  for (const id of ["e1", "e2"]) await aborted.send(id);
  stop.abort();
  await settle();
  assertEquals(aborted.timers.pendingCount, 0);
});

Deno.test("PumpDriver stops when a Pump is not taken, and says so to whoever waits", async () => {
  let taken = 0;
  const { supervisor, timers, pump, send } = open(ONE_PER_TEN_SECONDS, {
    inputLog: {
      record() {
        if (++taken === 4) throw new Error("disk full");
      },
    },
  });
  for (const id of ["e1", "e2"]) await send(id);
  timers.advance(at(10));
  await assertRejects(() => pump.drained(), Error, "disk full");
  await assertRejects(() => supervisor.idle(), Error, "disk full");
  assertEquals(timers.pendingCount, 0);
});

Deno.test("PumpDriver sends through what it is given, with names of the caller's choice", async () => {
  const sent: ExternalEvent[] = [];
  const { supervisor, timers, pump, send } = open(ONE_PER_TEN_SECONDS, {}, {
    eventId: (count) => `tick-${count}`,
    async onEvent(pump) {
      await Promise.resolve();
      sent.push(pump);
      await supervisor.onEvent(pump);
    },
  });
  for (const id of ["e1", "e2"]) await send(id);
  timers.advance(at(10));
  assertEquals(await pump.drained(), { deferred: 0, inFlight: 0 });
  assertEquals(sent.map(({ id, kind }) => [id, kind]), [["tick-3", "Pump"]]);
});

Deno.test("PumpDriver stops when its Pumps do not arrive", async () => {
  const { timers, pump, send } = open(ONE_PER_TEN_SECONDS, {}, {
    onEvent: () => Promise.resolve(),
  });
  for (const id of ["e1", "e2"]) await send(id);
  timers.advance(at(10));
  await assertRejects(() => pump.drained(), TypeError, "did not hand the Pump to the supervisor");
  assertEquals(timers.pendingCount, 0);
});

Deno.test("PumpDriver sends one Pump at a time, however slow the logs are", async () => {
  const gates: (() => void)[] = [];
  const record = () => new Promise<void>((resolve) => gates.push(resolve));
  const { supervisor, timers, log } = open(ONE_PER_TEN_SECONDS, { inputLog: { record } });
  const handled = ["e1", "e2"].map((id) => supervisor.onEvent(event(id)));
  for (let gate = 0; gate < 3; gate++) {
    await settle();
    gates[gate]!();
  }
  await Promise.all(handled);
  timers.advance(at(10));
  for (let second = 0; second < 5; second++) {
    timers.advance(at(1));
    await settle();
  }
  assertEquals(gates.length, 4);
  gates[3]!();
  await settle();
  gates[4]!();
  assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
  assertEquals(schedule(log.entries), ["e1 Invoke ep0", "e2 Defer@10 ep1", "pump-3 Invoke ep1"]);
});

Deno.test("PumpDriver sends no second Pump while the first is on its way", async () => {
  const gates: (() => void)[] = [];
  const { supervisor, timers, pump, send, log } = open(ONE_PER_TEN_SECONDS, {}, {
    async onEvent(pump) {
      await new Promise<void>((resolve) => gates.push(resolve));
      await supervisor.onEvent(pump);
    },
  });
  for (const id of ["e1", "e2"]) await send(id);
  timers.advance(at(10));
  await supervisor.onEvent(event("early", 5));
  await settle();
  assertEquals(gates.length, 1);
  gates[0]!();
  await settle();
  assertEquals(log.entries.map(({ event_id }) => event_id).slice(2), ["early", "pump-3"]);
  pump.stop();
});

Deno.test("PumpDriver leaves a timer alone that is right", async () => {
  const timers = new ManualTimers();
  let set = 0;
  const counted = {
    now: () => timers.now(),
    setTimer: (...rest: Parameters<typeof timers.setTimer>) => (set++, timers.setTimer(...rest)),
  };
  const { pump, send } = open(ONE_PER_TEN_SECONDS, {}, { timers: counted });
  for (const id of ["e1", "e2", "e3", "e4"]) await send(id);
  assertEquals([set, timers.pendingCount], [1, 1]);
  pump.stop();
});
