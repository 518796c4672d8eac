/** What is recorded before the work begins: `beforeRun`, and that a deadline bounds the work alone. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type AttemptRef, ManualTimers, Supervisor } from "../../supervisor/mod.ts";
import { at, event, HeldInvoker, options, settle } from "./_util.ts";

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
