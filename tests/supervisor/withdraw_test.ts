/** What is deferred is taken out of the queue: an input with a decision of its own. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { readRules } from "../../supervisor/core/rules.ts";
import { SupervisorCore } from "../../supervisor/core/supervisor_core.ts";
import {
  ManualTimers,
  PumpDriver,
  type RunTermination,
  Supervisor,
  type SupervisorInput,
  type SupervisorMode,
} from "../../supervisor/mod.ts";
import { at, event, HeldInvoker, options, pump, settle, SpyInvoker } from "./_util.ts";

const MODES: readonly SupervisorMode[] = ["serial", "concurrent"];
/** One start in ten seconds, so that all but the first wait. */
const ONE_IN_TEN = { max_per_window: 1, rate_window: at(10) };

for (const mode of MODES) {
  Deno.test(`${mode}: what is withdrawn is never started, and has its own entry`, async () => {
    const inputs: SupervisorInput[] = [];
    const invoker = new SpyInvoker();
    const inputLog = { record: (input: SupervisorInput) => void inputs.push(input) };
    const given = options(ONE_IN_TEN, { mode, invoker, inputLog });
    const supervisor = new Supervisor(given);
    const [first, second, third] = [event("e1"), event("e2", 1), event("e3", 2)];
    for (const one of [first, second, third]) await supervisor.onEvent(one);
    assertEquals(supervisor.deferred, [
      { eventId: "e2", episodeId: 1, attempts: 0 },
      { eventId: "e3", episodeId: 2, attempts: 0 },
    ]);
    await supervisor.withdraw({ episodeId: 1, at: at(4) });
    assertEquals(supervisor.deferred, [{ eventId: "e3", episodeId: 2, attempts: 0 }]);
    assertEquals(supervisor.clock, at(4));
    assertEquals(inputs.at(-1), { type: "withdraw", episode_id: 1, at: at(4) });
    assertEquals(given.decisionLog.entries.at(-1), {
      graph_id: "g",
      event_id: "e2",
      event: second,
      decision: "Skip",
      schedule_at: null,
      episode_id: 1,
      deadline: null,
      termination: null,
      retry_count: 0,
      attemptTermination: null,
      reason: "withdrawn",
      numbers: {
        now: at(4),
        in_flight: 0,
        in_window: 1,
        deferred: 2,
        next_due: at(10),
        defer_count: 1,
      },
      originEventId: "e2",
    });
    for (const secs of [10, 20, 30]) await supervisor.onEvent(pump(`p${secs}`, secs));
    assertEquals(invoker.requests.map(({ eventId }) => eventId), ["e1", "e3"]);
    assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
  });

  Deno.test(`${mode}: what is not deferred cannot be withdrawn, and nothing happens`, async () => {
    const inputs: SupervisorInput[] = [];
    const inputLog = { record: (input: SupervisorInput) => void inputs.push(input) };
    const given = options(ONE_IN_TEN, { mode, inputLog });
    const supervisor = new Supervisor(given);
    for (const id of ["e1", "e2"]) await supervisor.onEvent(event(id));
    const before = [inputs.length, supervisor.inputCount, given.decisionLog.entries.length];
    for (const episodeId of [0, 7]) {
      await assertRejects(
        () => supervisor.withdraw({ episodeId }),
        TypeError,
        `Cannot withdraw episode ${episodeId}: it is not deferred`,
      );
    }
    assertEquals([inputs.length, supervisor.inputCount, given.decisionLog.entries.length], before);
    const [once, twice] = await Promise.allSettled([
      supervisor.withdraw({ episodeId: 1 }),
      supervisor.withdraw({ episodeId: 1 }),
    ]);
    assertEquals([once.status, twice.status], ["fulfilled", "rejected"]);
    await supervisor.onEvent(event("e3", 10));
    assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
  });

  Deno.test(`${mode}: a withdrawal goes before events that wait, and comes after an end`, async () => {
    const invoker = new HeldInvoker();
    const given = options({ ...ONE_IN_TEN, max_in_flight: 1 }, { mode, invoker });
    const supervisor = new Supervisor(given);
    const first = supervisor.onEvent(event("e1"));
    await settle();
    invoker.answer("e1");
    await first;
    await supervisor.onEvent(event("e2", 1));
    const second = supervisor.onEvent(event("e3", 12));
    await settle();
    // A serial run is under way, so both wait; a concurrent supervisor takes each at once.
    const withdrawn = supervisor.withdraw({ episodeId: 1 });
    const pumped = supervisor.onEvent(pump("p1", 30));
    await settle();
    invoker.answer("e3");
    await Promise.all([second, withdrawn, pumped]);
    assertEquals(invoker.requests.map(({ eventId }) => eventId), ["e1", "e3"]);
    const entries = given.decisionLog.entries;
    assertEquals(entries.filter(({ reason }) => reason === "withdrawn").length, 1);
    assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
  });

  Deno.test(`${mode}: it is taken after close() and after an abort`, async () => {
    const controller = new AbortController();
    const given = options({ max_in_flight: 0 }, { mode, signal: controller.signal });
    const supervisor = new Supervisor(given);
    for (const id of ["e1", "e2"]) await supervisor.onEvent(event(id));
    controller.abort(new Error("enough"));
    await supervisor.withdraw({ episodeId: 0 });
    assertEquals(await supervisor.close(), { deferred: 1, inFlight: 0 });
    await supervisor.withdraw({ episodeId: 1 });
    assertEquals(await supervisor.idle(), { deferred: 0, inFlight: 0 });
  });

  Deno.test(`${mode}: what is not logged stops the supervisor, the caller told`, async () => {
    const given = options({ max_in_flight: 0 }, { mode });
    const supervisor = new Supervisor({
      ...given,
      decisionLog: {
        log: ({ reason }) => {
          if (reason === "withdrawn") throw new Error("disk full");
        },
      },
    });
    for (const id of ["e1", "e2"]) await supervisor.onEvent(event(id));
    const both = [0, 1].map((episodeId) => supervisor.withdraw({ episodeId }));
    for (const one of both) await assertRejects(() => one, Error, "disk full");
    await assertRejects(() => supervisor.withdraw({ episodeId: 1 }), Error, "disk full");
  });
}

Deno.test("a retry that waits is withdrawn too: its last attempt has its own entry", async () => {
  const invoker = new HeldInvoker();
  const given = options({ max_retries: 1 }, {
    mode: "concurrent",
    invoker,
    backoff: { initial: at(5), factor: 1, max: at(5) },
  });
  const supervisor = new Supervisor(given);
  await supervisor.onEvent(event("e1"));
  invoker.answer("e1", "TimedOut");
  await settle();
  assertEquals(supervisor.deferred, [{ eventId: "e1", episodeId: 0, attempts: 1 }]);
  await supervisor.withdraw({ episodeId: 0 });
  const { retry_count: retries, termination, attemptTermination, numbers } = given.decisionLog
    .entries.at(-1)!;
  assertEquals([retries, termination, attemptTermination], [0, null, null]);
  assertEquals(numbers.defer_count, 1);
});

Deno.test("a withdrawal from inside a serial run is refused, as it would wait for itself", async () => {
  const refusals: string[] = [];
  const supervisor: Supervisor = new Supervisor(options(ONE_IN_TEN, {
    invoker: {
      run: async (): Promise<RunTermination> => {
        await supervisor.withdraw({ episodeId: 1 }).catch(({ message }) => refusals.push(message));
        return "Completed";
      },
    },
  }));
  await supervisor.onEvent(event("e1"));
  assertEquals(refusals, [
    "Cannot withdraw an episode from inside run: it would wait for itself",
  ]);
});

Deno.test("a withdrawal has the timers' time, and the pump driver plans anew", async () => {
  const timers = new ManualTimers();
  const given = options(ONE_IN_TEN, { mode: "concurrent", timers });
  const supervisor = new Supervisor(given);
  using pumps = new PumpDriver({ supervisor, timers });
  for (const id of ["e1", "e2"]) await supervisor.onEvent(event(id));
  assertEquals(timers.pendingCount, 1);
  timers.advance(at(3));
  await supervisor.withdraw({ episodeId: 1 });
  assertEquals(timers.pendingCount, 0);
  assertEquals(given.decisionLog.entries.at(-1)!.numbers.now, at(3));
  assertEquals(await pumps.drained(), { deferred: 0, inFlight: 0 });
});

Deno.test("what a withdrawal says is checked, and an impossible one ends a core", async () => {
  const supervisor = new Supervisor(options({}));
  const refused: [unknown, ErrorConstructor, string][] = [
    [undefined, TypeError, "Cannot use withdrawal: expected an object, got undefined"],
    [{}, TypeError, "Cannot use withdrawal.episodeId: expected a number, got undefined"],
    [{ episodeId: -1 }, RangeError, "Cannot use withdrawal.episodeId: expected an integer"],
    [
      { episodeId: 0, at: 1 },
      TypeError,
      "Cannot use withdrawal.at: expected { secs, nanos }, got 1",
    ],
  ];
  for (const [withdrawal, kind, message] of refused) {
    await assertRejects(() => supervisor.withdraw(withdrawal as never), kind, message);
  }
  const core = new SupervisorCore(readRules({ graphId: "g", constraints: { max_retries: 0 } }));
  assertThrows(
    () => core.step({ type: "withdraw", episode_id: 3, at: at(0) }),
    TypeError,
    "Cannot withdraw episode 3: it is not deferred",
  );
  core.step({ type: "event", event: event("e1") });
  assertThrows(
    () => core.step({ type: "withdraw", episode_id: 0, at: at(0) }),
    TypeError,
    "Cannot withdraw: a serial run is not over",
  );
});

Deno.test("ten thousand that wait are withdrawn in order, and in any order", async () => {
  const count = 10_000;
  for (const stride of [1, 7_919]) {
    const supervisor = new Supervisor(options({ max_in_flight: 0 }, { mode: "concurrent" }));
    for (let index = 0; index < count; index++) await supervisor.onEvent(event(`e${index}`));
    for (let index = 0; index < count; index++) {
      await supervisor.withdraw({ episodeId: (index * stride) % count });
    }
    assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
  }
});
