/** What is recorded before the work begins: `beforeRun`, and that a deadline bounds the work alone. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type AttemptRef,
  ManualTimers,
  type RunTermination,
  Supervisor,
  type SupervisorMode,
} from "../../supervisor/mod.ts";
import { at, event, HeldInvoker, options, settle, SpyInvoker } from "./_util.ts";

/** A session whose `beforeRun` the test lets resolve, with a deadline of 5 s and a grace of 1 s. */
function open({ mode, signal }: { mode: "serial" | "concurrent"; signal?: AbortSignal }) {
  const timers = new ManualTimers();
  const invoker = new HeldInvoker();
  const starting: { ref: AttemptRef; ready: PromiseWithResolvers<void> }[] = [];
  const given = options({ deadline: at(5) }, {
    mode,
    invoker,
    timers,
    deadlineGraceMs: 1000,
    beforeRun: (ref) => {
      const ready = Promise.withResolvers<void>();
      starting.push({ ref, ready });
      return ready.promise;
    },
    ...(signal && { signal }),
  });
  const supervisor = new Supervisor(given);
  return { supervisor, timers, invoker, starting, log: given.decisionLog };
}

for (const mode of ["serial", "concurrent"] as const) {
  Deno.test(`${mode}: a deadline begins with the work, however long its begin took to record`, async () => {
    const { supervisor, timers, invoker, starting, log } = open({ mode });
    const handled = supervisor.onEvent(event("e1"));
    await settle();
    assertEquals(starting.map(({ ref }) => ref), [{ eventId: "e1", episodeId: 0, attempt: 1 }]);
    timers.advance(at(3600));
    await settle();
    assertEquals([invoker.requests.length, supervisor.inFlight.length], [0, 1]);
    starting[0]!.ready.resolve();
    await settle();
    const { signal } = invoker.requests[0]!;
    timers.advance({ secs: 4, nanos: 999_999_999 });
    assertEquals(signal.aborted, false);
    timers.advance(at(0, 1));
    assertEquals([signal.aborted, signal.reason.name], [true, "TimeoutError"]);
    invoker.answer("e1", "TimedOut");
    await handled;
    assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
    assertEquals(log.entries.at(-1)!.termination, "TimedOut");
    assertEquals(timers.pendingCount, 0);
  });

  Deno.test(`${mode}: what is completed or aborted before its work begins is not begun`, async () => {
    const controller = new AbortController();
    const { supervisor, invoker, starting, log } = open({ mode, signal: controller.signal });
    const first = supervisor.onEvent(event("e1"));
    await settle();
    await supervisor.complete({ episodeId: 0, attempt: 1, termination: "Completed" });
    await first;
    starting[0]!.ready.resolve();
    const second = supervisor.onEvent(event("e2"));
    await settle();
    controller.abort(new Error("enough"));
    await settle();
    assertEquals(supervisor.inFlight.map(({ eventId }) => eventId), ["e2"]);
    starting[1]!.ready.resolve();
    await second;
    assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
    assertEquals(invoker.requests, []);
    const ends = log.entries.flatMap(({ termination }) => termination ?? []);
    assertEquals(ends, ["Completed", "Aborted"]);
  });

  Deno.test(`${mode}: a begin that cannot be recorded stops the supervisor, uncalled`, async () => {
    const { supervisor, invoker, starting } = open({ mode });
    const handled = supervisor.onEvent(event("e1"));
    const isRejected = mode === "serial"
      ? assertRejects(() => handled, Error, "disk full")
      : handled;
    await settle();
    starting[0]!.ready.reject(new Error("disk full"));
    await isRejected;
    await assertRejects(() => supervisor.close(), Error, "disk full");
    assertEquals(invoker.requests, []);
  });
}

const BEGINS: Record<string, () => void | Promise<void>> = {
  "at once": () => {},
  "later": () => Promise.resolve(),
};

for (const [when, beforeRun] of Object.entries(BEGINS)) {
  for (const mode of ["serial", "concurrent"] satisfies SupervisorMode[]) {
    Deno.test(`${mode}: idle() and close() at the start of run are refused, begun ${when}`, async () => {
      const refusals: string[] = [];
      const supervisor: Supervisor = new Supervisor(options({}, {
        mode,
        beforeRun,
        invoker: {
          run: async (): Promise<RunTermination> => {
            for (const wait of ["idle", "close"] as const) {
              await supervisor[wait]().catch(({ name, message }) =>
                refusals.push(`${name}: ${message}`)
              );
            }
            return "Completed";
          },
        },
      }));
      await supervisor.onEvent(event("e1"));
      assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
      assertEquals(refusals, [
        "TypeError: Cannot wait for the supervisor from inside run: it would wait for itself",
        "TypeError: Cannot close the supervisor from inside run: it would wait for itself",
      ]);
    });
  }

  Deno.test(`an abort in beforeRun() keeps the invoker from being called, begun ${when}`, async () => {
    for (const timers of [undefined, new ManualTimers()]) {
      const controller = new AbortController();
      const invoker = new SpyInvoker();
      const given = options({}, {
        mode: "concurrent",
        signal: controller.signal,
        invoker,
        beforeRun: () => {
          controller.abort(new Error("enough"));
          return beforeRun();
        },
        ...(timers && { timers }),
      });
      const supervisor = new Supervisor(given);
      await supervisor.onEvent(event("e1"));
      assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
      assertEquals([invoker.requests.length, timers?.pendingCount ?? 0], [0, 0]);
      assertEquals(given.decisionLog.entries.at(-1)!.termination, "Aborted");
    }
  });

  Deno.test(`an attempt that its own run completes has no deadline, begun ${when}`, async () => {
    const timers = new ManualTimers();
    const late: unknown[] = [];
    const given = options({ deadline: at(5) }, {
      mode: "concurrent",
      timers,
      beforeRun,
      onLate: ({ termination }) => late.push(termination),
      invoker: {
        run: ({ eventId, episodeId, attempt }) => {
          void supervisor.complete({ episodeId, attempt, termination: "Completed" });
          return eventId === "e1" ? "Aborted" : Promise.resolve("Aborted");
        },
      },
    });
    const supervisor: Supervisor = new Supervisor(given);
    for (const id of ["e1", "e2"]) await supervisor.onEvent(event(id));
    await settle();
    assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
    assertEquals([late, timers.pendingCount], [["Aborted", "Aborted"], 0]);
    const ends = given.decisionLog.entries.flatMap(({ termination }) => termination ?? []);
    assertEquals(ends, ["Completed", "Completed"]);
  });

  Deno.test(`a timer that cannot be set stops the supervisor, begun ${when}`, async () => {
    const signals: AbortSignal[] = [];
    const supervisor = new Supervisor(options({ deadline: at(5) }, {
      mode: "concurrent",
      beforeRun,
      invoker: {
        run: ({ signal }) => {
          signals.push(signal);
          return new Promise(() => {});
        },
      },
      timers: {
        now: () => at(0),
        setTimer: () => {
          throw new Error("no timer");
        },
      },
    }));
    await supervisor.onEvent(event("e1")).catch(() => {});
    await settle();
    await assertRejects(() => supervisor.idle(), Error, "no timer");
    assertEquals(signals.map(({ aborted }) => aborted), [true]);
  });
}

Deno.test("beforeRun() that has nothing to wait for delays nothing, and one that throws stops", async () => {
  const calls: string[] = [];
  const given = options({}, {
    beforeRun: ({ eventId }) => {
      if (eventId === "e2") throw new Error("no");
      calls.push("before");
    },
    invoker: {
      run: () => {
        calls.push("run");
        return "Completed";
      },
    },
  });
  const supervisor = new Supervisor(given);
  const handled = supervisor.onEvent(event("e1"));
  assertEquals(calls, ["before", "run"]);
  await handled;
  await assertRejects(() => supervisor.onEvent(event("e2")), Error, "no");
  assertThrows(
    () => new Supervisor({ ...options({}), beforeRun: 1 as never }),
    TypeError,
    "Cannot use beforeRun: expected a function, got 1",
  );
});
