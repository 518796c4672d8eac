/** What a supervisor refuses to be made of, and whether the message names the field. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type ConstraintsInit,
  createEvent,
  FaultInvoker,
  ManualTimers,
  PumpDriver,
  Supervisor,
  type SupervisorOptions,
} from "../../supervisor/mod.ts";
import { at, event, options } from "./_util.ts";

/** Makes a supervisor with something wrong about it. */
function make(wrong: object): () => Supervisor {
  return () => new Supervisor({ ...options({}), ...wrong } as SupervisorOptions);
}

function constraints(wrong: object): () => Supervisor {
  return make({ constraints: { max_retries: 0, ...wrong } });
}

Deno.test("new Supervisor() names the constraint of the wrong type", () => {
  const cases: [object, string][] = [
    [{ max_in_flight: "1" }, 'constraints.max_in_flight: expected a number, got "1"'],
    [{ max_per_window: {} }, "constraints.max_per_window: expected a number, got an object"],
    [{ rate_window: 5 }, "constraints.rate_window: expected { secs, nanos }, got 5"],
    [{ rate_window: { secs: 1 } }, "constraints.rate_window.nanos: expected a number"],
    [{ deadline: [1, 2] }, "constraints.deadline: expected { secs, nanos }, got an array"],
    [{ deadline: { secs: 1, nanos: 0, ms: 1 } }, 'constraints.deadline: unknown field "ms"'],
    [{ max_retries: null }, "constraints.max_retries: expected a number, got null"],
    [{ maxInFlight: 1 }, 'constraints: unknown field "maxInFlight", known are max_in_flight'],
  ];
  for (const [wrong, message] of cases) assertThrows(constraints(wrong), TypeError, message);
  for (const alone of [{ max_per_window: 1 }, { rate_window: at(10) }]) {
    const message = "constraints: they have only one of max_per_window and rate_window: give both";
    assertThrows(constraints(alone), TypeError, message);
  }
  assertThrows(make({ constraints: undefined }), TypeError, "constraints: expected an object");
});

Deno.test("new Supervisor() names the constraint that is out of range", () => {
  const cases: [object, string][] = [
    [{ max_in_flight: -1 }, "constraints.max_in_flight: expected an integer from 0"],
    [{ max_per_window: 1.5 }, "constraints.max_per_window"],
    [{ max_per_window: NaN }, "constraints.max_per_window"],
    [{ max_retries: 2 ** 53 }, "constraints.max_retries: expected an integer from 0 to 9007199254"],
    [{ rate_window: at(-1) }, "constraints.rate_window.secs"],
    [
      { deadline: at(0, 1_000_000_000) },
      "constraints.deadline.nanos: expected an integer from 0 to",
    ],
  ];
  for (const [wrong, message] of cases) assertThrows(constraints(wrong), RangeError, message);
});

Deno.test("new Supervisor() names the option that is wrong", () => {
  const types: [object, string][] = [
    [{ graphId: 1 }, "graphId: expected a string, got 1"],
    [{ mode: "parallel" }, 'mode: expected serial or concurrent, got "parallel"'],
    [{ maxDeferred: "2" }, "maxDeferred: expected a number"],
    [{ backoff: 1 }, "backoff: expected an object"],
    [{ backoff: { initial: at(1), factor: 1 } }, "backoff.max: expected { secs, nanos }"],
    [{ backoff: { initial: at(1), factor: 1, max: at(1), jitter: 1 } }, 'unknown field "jitter"'],
    [{ decisionLog: {} }, "decisionLog: it has no method log"],
    [{ decisionLog: undefined }, "decisionLog: it has no method log"],
    [{ inputLog: {} }, "inputLog: it has no method record"],
    [{ invoker: () => {} }, "invoker: it has no method run"],
    [{ timers: { now: () => at(0) } }, "timers: it has no method setTimer"],
  ];
  for (const [wrong, message] of types) assertThrows(make(wrong), TypeError, message);
  const ranges: [object, string][] = [
    [{ maxDeferred: -1 }, "maxDeferred"],
    [{ deadlineGraceMs: -1 }, "deadlineGraceMs"],
    [{ deadlineGraceMs: 0.5 }, "deadlineGraceMs"],
    [{ backoff: { initial: at(1), factor: 0, max: at(1) } }, "backoff.factor: expected 1 to 1000"],
    [{ backoff: { initial: at(1), factor: 1_001, max: at(1) } }, "backoff.factor"],
  ];
  for (const [wrong, message] of ranges) assertThrows(make(wrong), RangeError, message);
});

Deno.test("what is wrong is shown in few words, however long it is", () => {
  const long = "x".repeat(12_000_000);
  const wrong = make({ graphId: "g", mode: long });
  const { message } = assertThrows(wrong, TypeError, `got "${"x".repeat(200)}…"`);
  assert(message.length < 400);
});

Deno.test("new Supervisor() wants timers for a deadline above 0 in concurrent mode", () => {
  const concurrent = (deadline: ConstraintsInit["deadline"], rest = {}) =>
    make({ constraints: { max_retries: 0, deadline }, mode: "concurrent", ...rest });
  assertThrows(concurrent(at(0, 1)), TypeError, "constraints.deadline: give timers");
  concurrent(at(0))();
  concurrent(null)();
  concurrent(at(5), { timers: new ManualTimers() })();
});

Deno.test("constraints that are left out, null or undefined are no limits", () => {
  const rules = (given: object) => constraints(given)().toJSON().constraints;
  const none = {
    max_in_flight: null,
    max_per_window: null,
    rate_window: null,
    deadline: null,
    max_retries: 0,
  };
  assertEquals(rules({}), none);
  assertEquals(rules({ ...none }), none);
  assertEquals(rules({ max_in_flight: undefined }), none);
  assertEquals(
    JSON.stringify(rules({})),
    '{"max_in_flight":null,"max_per_window":null,"rate_window":null,"deadline":null,"max_retries":0}',
  );
});

Deno.test("later changes of the given constraints change nothing", async () => {
  const given = { max_retries: 0, max_in_flight: 0 };
  const decisionLog = options({}).decisionLog;
  const supervisor = new Supervisor({ ...options({}), decisionLog, constraints: given });
  given.max_in_flight = 5;
  await supervisor.onEvent(event("e1"));
  assertEquals(decisionLog.entries[0]!.decision, "Defer");
});

Deno.test("calls from JavaScript that lack something, or have another type, name it", async () => {
  const supervisor = new Supervisor(options({}));
  const valid = { id: "e1", kind: "Command", at: at(0) };
  const cases: [() => unknown, string][] = [
    [() => new Supervisor(undefined as never), "options: expected an object, got undefined"],
    [() => new PumpDriver(null as never), "options: expected an object, got null"],
    [() => new PumpDriver({ supervisor } as never), "timers: it has no method now"],
    [() => new PumpDriver({ timers: new ManualTimers() } as never), "supervisor: it has no method"],
    [() => new Supervisor({ ...options({}), signal: 1 as never }), "signal: it has no method"],
    [() => new Supervisor({ ...options({}), onLate: 1 as never }), "onLate: expected a function"],
    [() => Supervisor.from(undefined as never, options({})), "state: expected an object"],
    [() => createEvent(undefined as never), "event: expected an object, got undefined"],
    [() => createEvent({ ...valid, at: undefined } as never), "event.at: expected { secs, nanos }"],
    [() => createEvent({ ...valid, id: undefined } as never), "event.id: expected a string"],
    [() => createEvent({ ...valid, kind: "pump" } as never), "event.kind: expected Pump or"],
    [() => createEvent({ ...valid, payload: {} } as never), "event.payload: expected a text or a"],
    [() => supervisor.explain(undefined as never), "event: expected an object"],
    [() => supervisor.subscribe(undefined as never), "listener: expected a function"],
    [() => supervisor.nextPumpAt(undefined as never), "now: expected { secs, nanos }"],
    [() => new FaultInvoker("Done" as never), "defaultOutcome: expected a RunTermination"],
    [() => new ManualTimers(5 as never), "now: expected { secs, nanos }, got 5"],
  ];
  for (const [call, message] of cases) assertThrows(call, TypeError, `Cannot use ${message}`);
  const pending: [Promise<unknown>, string][] = [
    [supervisor.onEvent(undefined as never), "event: expected an object"],
    [supervisor.onEvent({ id: "x", kind: "Pump" } as never), "event.at: expected an object"],
    [supervisor.complete(undefined as never), "completion: expected an object"],
    [supervisor.complete({} as never), "completion.episodeId: expected a number"],
  ];
  for (const [call, message] of pending) {
    await assertRejects(() => call, TypeError, `Cannot use ${message}`);
  }
});
