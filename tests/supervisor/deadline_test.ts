/** Deadlines and their grace, late answers, and the signal that stops a supervisor. */
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  type ConstraintsInit,
  type LateAnswer,
  ManualTimers,
  Supervisor,
  type SupervisorOptions,
} from "../../supervisor/mod.ts";
import { at, event, HeldInvoker, options, settle } from "./_util.ts";

/** A concurrent session with timers, a deadline of 30 s and a grace of 500 ms. */
function open(
  constraints: Partial<ConstraintsInit> = {},
  rest: Partial<SupervisorOptions> = {},
) {
  const timers = new ManualTimers();
  const invoker = new HeldInvoker();
  const late: LateAnswer[] = [];
  const given = options({ deadline: at(30), ...constraints }, {
    mode: "concurrent",
    invoker,
    timers,
    deadlineGraceMs: 500,
    onLate: (answer) => late.push(answer),
    ...rest,
  });
  const supervisor = new Supervisor(given);
  return { supervisor, timers, invoker, late, log: given.decisionLog };
}

const MODES = ["serial", "concurrent"] as const;

Deno.test("a deadline that passes aborts the signal, and after the grace the attempt is given up", async () => {
  for (const mode of MODES) {
    const { supervisor, timers, invoker, late, log } = open({}, { mode });
    const handled = supervisor.onEvent(event("e1"));
    const { signal } = invoker.requests[0]!;
    timers.advance({ secs: 29, nanos: 999_999_999 });
    assertEquals(signal.aborted, false);
    timers.advance(at(0, 1));
    assertEquals([signal.aborted, signal.reason.name], [true, "TimeoutError"]);
    timers.advance(at(0, 499_999_999));
    await settle();
    assertEquals(supervisor.inFlight.length, 1);
    timers.advance(at(0, 1));
    await handled;
    assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
    assertEquals(log.entries.at(-1)!.termination, "TimedOut");
    assertEquals([timers.pendingCount, late], [0, []]);
  }
});

Deno.test("deadline and grace go by the time of attempts where that is another one", async () => {
  const attemptTimers = new ManualTimers();
  const { supervisor, timers, invoker, log } = open({}, { attemptTimers });
  await supervisor.onEvent(event("e1"));
  const { signal } = invoker.requests[0]!;
  timers.advance(at(60));
  assertEquals(signal.aborted, false);
  attemptTimers.advance(at(30));
  assertEquals(signal.aborted, true);
  timers.advance(at(60));
  await settle();
  assertEquals(supervisor.inFlight.length, 1);
  attemptTimers.advance(at(0, 500_000_000));
  await supervisor.close();
  // What is recorded is the time of the session.
  const { termination, numbers } = log.entries.at(-1)!;
  assertEquals([termination, numbers.now], ["TimedOut", at(120)]);
  assertEquals([timers.pendingCount, attemptTimers.pendingCount], [0, 0]);
});

Deno.test("an answer within the grace counts as it is", async () => {
  const { supervisor, timers, invoker, late, log } = open();
  await supervisor.onEvent(event("e1"));
  invoker.requests[0]!.signal.addEventListener("abort", () => invoker.answer("e1", "Aborted"));
  timers.advance(at(30));
  await supervisor.close();
  assertEquals(log.entries.at(-1)!.termination, "Aborted");
  assertEquals([timers.pendingCount, late], [0, []]);
});

Deno.test("of answer and deadline the first to be recorded counts", async () => {
  const { supervisor, timers, invoker, late, log } = open();
  await supervisor.onEvent(event("e1"));
  invoker.answer("e1");
  timers.advance(at(100));
  await supervisor.close();
  assertEquals(log.entries.at(-1)!.termination, "TimedOut");
  assertEquals(late.map(({ termination }) => termination), ["Completed"]);
});

Deno.test("no retry starts before the grace is over, and each attempt has its own deadline", async () => {
  const { supervisor, timers, invoker, late, log } = open({ max_retries: 1 });
  await supervisor.onEvent(event("e1"));
  timers.advance(at(30));
  await settle();
  assertEquals(invoker.requests.length, 1);
  timers.advance(at(0, 500_000_000));
  await settle();
  assertEquals(invoker.requests.map(({ attempt }) => attempt), [1, 2]);
  assertEquals(invoker.requests[1]!.signal.aborted, false);
  invoker.answer("e1", "Completed", 1);
  await settle();
  assertEquals(late, [{ eventId: "e1", episodeId: 0, attempt: 1, termination: "Completed" }]);
  timers.advance(at(29));
  invoker.answer("e1", "Completed", 2);
  await supervisor.close();
  assertEquals(log.entries.map(({ reason }) => reason), ["admitted", "retry", "completed"]);
  assertEquals(timers.pendingCount, 0);
});

Deno.test("one timer serves all deadlines, and none is left", async () => {
  const { supervisor, timers, invoker, log } = open();
  for (const [index, id] of ["e1", "e2", "e3"].entries()) {
    await supervisor.onEvent(event(id, index));
    assertEquals(timers.pendingCount, 1);
    timers.advance(at(10));
  }
  invoker.answer("e2");
  await settle();
  timers.advance(at(0, 500_000_000));
  await settle();
  assertEquals(supervisor.inFlight.map(({ eventId }) => eventId), ["e3"]);
  assertEquals(timers.pendingCount, 1);
  invoker.answer("e3");
  await supervisor.close();
  assertEquals(timers.pendingCount, 0);
  const ends = log.entries.filter(({ decision }) => decision === "Finish");
  assertEquals(ends.map(({ event_id, termination }) => [event_id, termination]), [
    ["e2", "Completed"],
    ["e1", "TimedOut"],
    ["e3", "Completed"],
  ]);
});

Deno.test("a timer that rings too early changes nothing", async () => {
  const timers = new ManualTimers();
  const impatient = {
    now: () => timers.now(),
    setTimer(time: ReturnType<typeof at>, callback: () => void) {
      const soon = at(timers.now().secs + 1);
      return timers.setTimer(soon.secs < time.secs ? soon : time, callback);
    },
  };
  const { supervisor, invoker, log } = open({}, { timers: impatient });
  await supervisor.onEvent(event("e1"));
  timers.advance(at(29));
  assertEquals(invoker.requests[0]!.signal.aborted, false);
  timers.advance(at(1));
  assertEquals(invoker.requests[0]!.signal.aborted, true);
  timers.advance(at(1));
  await supervisor.close();
  assertEquals(log.entries.at(-1)!.termination, "TimedOut");
  assertEquals(timers.pendingCount, 0);
});

Deno.test("a clock that is set back: no deadline is lost", async () => {
  let now = at(1_000);
  let ring = () => {};
  const timers = {
    now: () => now,
    setTimer(_: ReturnType<typeof at>, callback: () => void) {
      ring = callback;
      return () => {};
    },
  };
  const { supervisor, invoker } = open({}, { timers });
  await supervisor.onEvent(event("e1"));
  now = at(10);
  await supervisor.onEvent(event("e2"));
  invoker.answer("e1");
  await settle();
  now = at(40);
  ring();
  assertEquals(invoker.requests.map(({ signal }) => signal.aborted), [false, true]);
  invoker.answer("e2");
  await supervisor.close();
});

Deno.test("INV-5 a deadline of exactly 0 arms no timer, the invoker answers it", async () => {
  for (const mode of MODES) {
    const { supervisor, timers, invoker, log } = open({ deadline: at(0) }, { mode });
    const handled = supervisor.onEvent(event("e1"));
    assertEquals([timers.pendingCount, invoker.requests[0]!.signal.aborted], [0, false]);
    assertEquals(invoker.requests[0]!.deadline, at(0));
    invoker.answer("e1", "Aborted");
    await handled;
    await supervisor.close();
    assertEquals(log.entries.at(-1)!.termination, "Aborted");
  }
});

Deno.test("a grace of 0 gives up at the deadline", async () => {
  const { supervisor, timers, invoker, log } = open({}, { deadlineGraceMs: 0 });
  await supervisor.onEvent(event("e1"));
  timers.advance(at(30));
  assertEquals(invoker.requests[0]!.signal.aborted, true);
  await supervisor.close();
  assertEquals(log.entries.at(-1)!.termination, "TimedOut");
});

Deno.test("signal: attempts get the grace, then end as Aborted; waiting events are rejected", async () => {
  for (const mode of MODES) {
    const stop = new AbortController();
    const rest = { mode, signal: stop.signal };
    const { supervisor, timers, invoker, late, log } = open({ max_retries: 9 }, rest);
    const first = supervisor.onEvent(event("e1"));
    const second = supervisor.onEvent(event("e2"));
    const reason = new Error("enough");
    const rejected = mode === "serial" ? assertRejects(() => second, Error, "enough") : second;
    stop.abort(reason);
    await rejected;
    assertStrictEquals(invoker.requests[0]!.signal.reason, reason);
    assertStrictEquals(await assertRejects(() => supervisor.onEvent(event("e3"))), reason);
    timers.advance(at(0, 500_000_000));
    await first;
    assertEquals(await supervisor.idle(), { deferred: 0, inFlight: 0 });
    assertEquals(log.entries.at(-1)!.termination, "Aborted");
    assertEquals(invoker.requests.length, mode === "serial" ? 1 : 2);
    invoker.answer("e1");
    await settle();
    assertEquals(late.map(({ eventId }) => eventId), ["e1"]);
    assertEquals([timers.pendingCount, await supervisor.close()], [0, {
      deferred: 0,
      inFlight: 0,
    }]);
  }
});

Deno.test("signal: without timers there is no grace", async () => {
  const stop = new AbortController();
  const given = options({}, { invoker: new HeldInvoker(), signal: stop.signal });
  const supervisor = new Supervisor(given);
  const handled = supervisor.onEvent(event("e1"));
  stop.abort();
  await handled;
  assertEquals(given.decisionLog.entries[0]!.termination, "Aborted");
  await supervisor.close();
});

Deno.test("signal: a mechanical answer after it ends as Aborted, without the invoker", async () => {
  const stop = new AbortController();
  const { supervisor, invoker, log } = open({ max_retries: 9 }, { signal: stop.signal });
  await supervisor.onEvent(event("e1"));
  stop.abort();
  invoker.answer("e1", { Failed: "RuntimeError" });
  await supervisor.close();
  assertEquals(invoker.requests.length, 1);
  assertEquals(log.entries.map(({ reason }) => reason), ["admitted", "retry", "not_retryable"]);
  assertEquals(log.entries.at(-1)!.termination, "Aborted");
});

Deno.test("signal: one that aborts inside run reaches the attempt that is being started", async () => {
  const stop = new AbortController();
  const signals: AbortSignal[] = [];
  const given = options({}, {
    signal: stop.signal,
    invoker: {
      run({ signal }) {
        signals.push(signal);
        stop.abort();
        return new Promise(() => {});
      },
    },
  });
  const supervisor = new Supervisor(given);
  await supervisor.onEvent(event("e1"));
  assertEquals(signals.map(({ aborted }) => aborted), [true]);
  assertEquals(given.decisionLog.entries[0]!.termination, "Aborted");
});

Deno.test("signal: one that has aborted already lets nothing in", async () => {
  const { supervisor, invoker } = open({}, { signal: AbortSignal.abort("no") });
  assertEquals(await supervisor.onEvent(event("e1")).catch((reason) => reason), "no");
  assertEquals([invoker.requests.length, await supervisor.close()], [0, {
    deferred: 0,
    inFlight: 0,
  }]);
});

Deno.test("signal: an attempt in its grace after a deadline keeps its own end", async () => {
  const stop = new AbortController();
  const { supervisor, timers, log } = open({}, { signal: stop.signal });
  await supervisor.onEvent(event("e1"));
  timers.advance(at(30));
  stop.abort();
  timers.advance(at(0, 500_000_000));
  await supervisor.close();
  assertEquals(log.entries.at(-1)!.termination, "TimedOut");
});

/** A signal that counts who listens to it. */
function countedSignal(): { signal: AbortSignal; listeners: () => number } {
  const { signal } = new AbortController();
  let count = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...rest: Parameters<typeof add>) => (count++, add(...rest));
  signal.removeEventListener = (...rest: Parameters<typeof remove>) => (count--, remove(...rest));
  return { signal, listeners: () => count };
}

Deno.test("signal: nobody listens any more when the supervisor is closed, or was stopped", async () => {
  const closed = countedSignal();
  const { supervisor } = open({}, { signal: closed.signal });
  assertEquals(closed.listeners(), 1);
  await supervisor.close();
  assertEquals(closed.listeners(), 0);

  const stopped = countedSignal();
  const record = () => Promise.reject(new Error("disk full"));
  const failing = open({}, { signal: stopped.signal, inputLog: { record } });
  await assertRejects(() => failing.supervisor.onEvent(event("e1")), Error, "disk full");
  assertEquals(stopped.listeners(), 0);
});
