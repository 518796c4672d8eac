/** Ports that misbehave: each has its documented outcome, nothing hangs, no rejection is unhandled. */
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  type ExternalEvent,
  type InvokerFailure,
  type LateAnswer,
  ManualTimers,
  type RunTermination,
  Supervisor,
  type SupervisorOptions,
} from "../../supervisor/mod.ts";
import { at, event, HeldInvoker, options, settle } from "./_util.ts";

const MODES = ["serial", "concurrent"] as const;

/** A session in which everything that can be told is noted. */
function open(rest: Partial<SupervisorOptions>) {
  const late: LateAnswer[] = [];
  const failures: InvokerFailure[] = [];
  const given = options({}, {
    onLate: (answer) => late.push(answer),
    onInvokerError: (failure) => failures.push(failure),
    ...rest,
  });
  const { decisionLog, ...others } = given;
  const supervisor = new Supervisor({ decisionLog, ...others, ...rest });
  return { supervisor, late, failures, log: decisionLog };
}

Deno.test("an invoker that throws: RuntimeError, and onInvokerError is told", async () => {
  const error = new Error("boom");
  const throwing: (() => Promise<RunTermination>)[] = [
    () => {
      throw error;
    },
    () => Promise.reject(error),
    async () => {
      await Promise.resolve();
      throw error;
    },
  ];
  for (const mode of MODES) {
    for (const run of throwing) {
      const { supervisor, failures, late, log } = open({ mode, invoker: { run } });
      await supervisor.onEvent(event("e1"));
      await supervisor.close();
      assertEquals(log.entries.at(-1)!.termination, { Failed: "RuntimeError" });
      assertEquals(failures, [{ eventId: "e1", episodeId: 0, attempt: 1, error }]);
      assertEquals(late, []);
    }
  }
});

Deno.test("an invoker that throws nothing at all is treated the same", async () => {
  const { supervisor, failures, log } = open({ invoker: { run: () => Promise.reject() } });
  await supervisor.onEvent(event("e1"));
  assertEquals(log.entries[0]!.termination, { Failed: "RuntimeError" });
  assertEquals("error" in failures[0]!, true);
});

Deno.test("an invoker that answers nonsense: RuntimeError, and onInvokerError says what", async () => {
  const nonsense = [
    undefined,
    null,
    "completed",
    {},
    { Failed: "Oops" },
    { Failed: "Cancelled", more: 1 },
  ];
  for (const mode of MODES) {
    for (const answer of nonsense) {
      for (const value of [answer, Promise.resolve(answer)]) {
        const invoker = { run: () => value as RunTermination };
        const { supervisor, failures, log } = open({ mode, invoker });
        await supervisor.onEvent(event("e1"));
        await supervisor.close();
        assertEquals(log.entries.at(-1)!.termination, { Failed: "RuntimeError" });
        assertEquals((failures[0]!.error as Error).name, "TypeError");
      }
    }
  }
});

Deno.test("an invoker that answers twice: the first answer counts", async () => {
  const twice = {
    then(resolve: (answer: RunTermination) => void) {
      resolve("Completed");
      resolve("Aborted");
      throw new Error("and throws");
    },
  };
  for (const mode of MODES) {
    const invoker = { run: () => twice as unknown as Promise<RunTermination> };
    const { supervisor, late, failures, log } = open({ mode, invoker });
    await supervisor.onEvent(event("e1"));
    await supervisor.close();
    assertEquals(log.entries.at(-1)!.termination, "Completed");
    assertEquals([late, failures], [[], []]);
  }
});

Deno.test("an invoker that throws late: onLate is told what", async () => {
  const invoker = new HeldInvoker();
  const { supervisor, late, failures } = open({ mode: "concurrent", invoker });
  await supervisor.onEvent(event("e1"));
  await supervisor.complete({ episodeId: 0, attempt: 1, termination: "Completed" });
  const error = new Error("late");
  invoker.throw("e1", error);
  await settle();
  const termination = { Failed: "RuntimeError" } as const;
  assertEquals(late, [{ eventId: "e1", episodeId: 0, attempt: 1, termination, error }]);
  assertEquals(failures, []);
});

Deno.test("an invoker that never answers: its run lasts until the signal", async () => {
  const stop = new AbortController();
  const invoker = { run: () => new Promise<never>(() => {}) };
  const { supervisor, log } = open({ invoker, signal: stop.signal });
  const handled = supervisor.onEvent(event("e1"));
  const idle = supervisor.idle();
  await settle();
  assertEquals(log.entries.length, 0);
  stop.abort();
  await handled;
  assertEquals(await idle, { deferred: 0, inFlight: 0 });
  assertEquals(log.entries[0]!.termination, "Aborted");
});

/** Logs that refuse the entry or input with a number. */
function refusing(count: number, refuse: () => void | Promise<void>) {
  let taken = 0;
  return () => ++taken === count ? refuse() : undefined;
}

const REFUSALS: (() => void | Promise<void>)[] = [
  () => {
    throw new Error("disk full");
  },
  () => Promise.reject(new Error("disk full")),
];

Deno.test("a decision log that rejects stops the supervisor with that error", async () => {
  for (const mode of MODES) {
    for (const refuse of REFUSALS) {
      const invoker = new HeldInvoker();
      const log = refusing(2, refuse);
      const { supervisor } = open({ mode, invoker, decisionLog: { log } });
      const first = supervisor.onEvent(event("e1"));
      if (mode === "serial") invoker.answer("e1");
      await first;
      const second = supervisor.onEvent(event("e2"));
      const third = supervisor.onEvent(event("e3"));
      const idle = assertRejects(() => supervisor.idle(), Error, "disk full");
      if (mode === "serial") invoker.answer("e2");
      const error = await assertRejects(() => second, Error, "disk full");
      await idle;
      assertStrictEquals(await assertRejects(() => third), error);
      assertStrictEquals(await assertRejects(() => supervisor.onEvent(event("e4"))), error);
      assertStrictEquals(await assertRejects(() => supervisor.close()), error);
      const complete = () =>
        supervisor.complete({ episodeId: 0, attempt: 1, termination: "Completed" });
      assertStrictEquals(await assertRejects(complete), error);
      const running = mode === "serial" ? [] : [error];
      const signals = invoker.requests.map(({ signal }) => signal).filter(({ aborted }) => aborted);
      assertEquals(signals.map(({ reason }) => reason), running);
    }
  }
});

Deno.test("an input log that rejects stops the supervisor, the input undecided", async () => {
  for (const mode of MODES) {
    for (const refuse of REFUSALS) {
      const record = refusing(1, refuse);
      const { supervisor, log } = open({ mode, inputLog: { record } });
      await assertRejects(() => supervisor.onEvent(event("e1")), Error, "disk full");
      assertEquals(log.entries, []);
      assertEquals(supervisor.toJSON().inputs, 0);
      await assertRejects(() => supervisor.idle(), Error, "disk full");
    }
  }
});

Deno.test("a log that rejects at a completion tells the next caller", async () => {
  const invoker = new HeldInvoker();
  const log = refusing(2, REFUSALS[1]!);
  const { supervisor } = open({ mode: "concurrent", invoker, decisionLog: { log } });
  await supervisor.onEvent(event("e1"));
  invoker.answer("e1");
  await settle();
  await assertRejects(() => supervisor.onEvent(event("e2")), Error, "disk full");
});

Deno.test("a callback that throws stops the supervisor with that error", async () => {
  const fail = () => {
    throw new Error("callback");
  };
  const first = open({ invoker: { run: () => Promise.reject(1) }, onInvokerError: fail });
  await first.supervisor.onEvent(event("e1"));
  await settle();
  await assertRejects(() => first.supervisor.onEvent(event("e2")), Error, "callback");

  const invoker = new HeldInvoker();
  const second = open({ mode: "concurrent", invoker, onLate: fail });
  await second.supervisor.onEvent(event("e1"));
  await second.supervisor.complete({ episodeId: 0, attempt: 1, termination: "Completed" });
  invoker.answer("e1");
  await settle();
  await assertRejects(() => second.supervisor.idle(), Error, "callback");
});

Deno.test("timers that throw stop the supervisor", async () => {
  const timers = new ManualTimers();
  const broken = { now: () => at(-1), setTimer: timers.setTimer.bind(timers) };
  const { supervisor } = open({ mode: "concurrent", timers: broken });
  await supervisor.onEvent(event("e1"));
  await assertRejects(() => supervisor.idle(), RangeError, "timers.now().secs");
});

Deno.test("an abort listener that ends the attempt itself does no harm", async () => {
  const timers = new ManualTimers();
  const given = options({ deadline: at(1) }, { mode: "concurrent", timers, deadlineGraceMs: 0 });
  const supervisor: Supervisor = new Supervisor({
    ...given,
    invoker: {
      run({ signal, episodeId, attempt }) {
        const end = { episodeId, attempt, termination: "Completed" } as const;
        signal.addEventListener("abort", () => void supervisor.complete(end));
        return new Promise(() => {});
      },
    },
  });
  await supervisor.onEvent(event("e1"));
  timers.advance(at(1));
  await supervisor.close();
  assertEquals(given.decisionLog.entries.map(({ termination }) => termination), [
    null,
    "Completed",
  ]);
});

Deno.test("what is no event is refused and changes nothing", async () => {
  const { supervisor } = open({});
  const good = event("e1");
  const bad: [object, string][] = [
    [{ ...good, id: 1 }, "event.id"],
    [{ ...good, kind: "Tick" }, "event.kind"],
    [{ ...good, at: at(NaN) }, "event.at.secs"],
    [{ ...good, payload: "{}" }, "event.payload"],
    [{ ...good, context: {} }, "event.context"],
  ];
  for (const [wrong, field] of bad) {
    await assertRejects(() => supervisor.onEvent(wrong as ExternalEvent), Error, field);
  }
  assertEquals(supervisor.toJSON().inputs, 0);
});

Deno.test("close() takes no more events, finishes those it has, and may be called again", async () => {
  const invoker = new HeldInvoker();
  const { supervisor, log } = open({ invoker });
  const handled = [supervisor.onEvent(event("e1")), supervisor.onEvent(event("e2"))];
  const closed = supervisor.close();
  await assertRejects(() => supervisor.onEvent(event("e3")), TypeError, "supervisor is closed");
  invoker.answer("e1");
  await settle();
  invoker.answer("e2");
  await Promise.all(handled);
  assertEquals(await closed, { deferred: 0, inFlight: 0 });
  assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
  assertEquals(log.entries.length, 2);
});
