/** What is recorded of an end besides its termination, and where the numbers of attempts begin. */
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  type CompletionInput,
  createEvent,
  type ExternalEvent,
  type InvokerFailure,
  type LateAnswer,
  type RunAnswer,
  Supervisor,
  type SupervisorInput,
  type SupervisorMode,
} from "../../supervisor/mod.ts";
import { at, event, HeldInvoker, options, settle } from "./_util.ts";

const MODES: readonly SupervisorMode[] = ["serial", "concurrent"];
const END = { signal: "SIGTERM", exit_code: null, duration_ms: 1.5, causes: [{ message: "é" }, 0] };

/** A session, its completions, and what its invoker threw. */
function open(mode: SupervisorMode, run: () => unknown) {
  const completions: CompletionInput[] = [];
  const failures: InvokerFailure[] = [];
  const given = options({}, {
    mode,
    invoker: { run: run as () => RunAnswer },
    onInvokerError: (failure) => failures.push(failure),
    inputLog: {
      record: (input: SupervisorInput) => {
        if (input.type === "completion") completions.push(input);
      },
    },
  });
  return { supervisor: new Supervisor(given), completions, failures, log: given.decisionLog };
}

for (const mode of MODES) {
  Deno.test(`${mode}: the end that an invoker tells is in the completion, and in no decision`, async () => {
    for (const isLater of [false, true]) {
      const answer = { termination: { Failed: "SemanticError" }, end: END } as const;
      const told = open(mode, () => isLater ? Promise.resolve(answer) : answer);
      const untold = open(mode, () => answer.termination);
      for (const { supervisor } of [told, untold]) {
        await supervisor.onEvent(event("e1"));
        await supervisor.close();
      }
      assertEquals(told.completions, [{ ...untold.completions[0]!, end: END }]);
      assertEquals(told.log.entries, untold.log.entries);
      assertEquals(Object.keys(told.completions[0]!.end!), Object.keys(END));
      assert(!("end" in untold.completions[0]!));
    }
  });

  Deno.test(`${mode}: complete() takes an end, and refuses one that is not JSON`, async () => {
    const { supervisor, completions } = open(mode, () => new Promise(() => {}));
    const handled = supervisor.onEvent(event("e1"));
    await settle();
    const ended = { episodeId: 0, attempt: 1, termination: "Completed" } as const;
    await assertRejects(
      () => supervisor.complete({ ...ended, end: { took: NaN } }),
      TypeError,
      "Cannot use completion.end.took: expected JSON, got NaN",
    );
    assertEquals(supervisor.inFlight.length, 1);
    await supervisor.complete({ ...ended, end: { exit_code: 0 } });
    await handled;
    assertEquals(completions.map(({ end }) => end), [{ exit_code: 0 }]);
    await supervisor.close();
  });
}

class Exotic {
  member = 1;
}

const loop: Record<string, unknown> = {};
loop.again = loop;

const NO_ENDS: [unknown, string][] = [
  ["text", '.end: expected a JSON object, got "text"'],
  [null, ".end: expected a JSON object, got null"],
  [[1], ".end: expected a JSON object, got an array"],
  [new Map(), ".end: expected a JSON object, got an object"],
  [new Exotic(), ".end: expected a JSON object, got an object"],
  [{ a: undefined }, ".end.a: expected JSON, got undefined"],
  [{ a: [1, Infinity] }, ".end.a[1]: expected JSON, got Infinity"],
  [{ a: [, 1] }, ".end.a[0]: expected JSON, got undefined"],
  [{ a: 1n }, ".end.a: expected JSON, got 1"],
  [{ a: new Date(0) }, ".end.a: expected JSON, got an object"],
  [{ a: () => 1 }, ".end.a: expected JSON, got ("],
  [{ a: "\ud800" }, '.end.a: expected JSON, got "\\ud800"'],
  [{ "\ud800": 1 }, '.end: expected JSON, got "\\ud800"'],
  [loop, "it nests deeper than 101 levels"],
];

Deno.test("an end that is not JSON, and an answer with more than it may have, fail the attempt, told", async () => {
  const answers = [
    ...NO_ENDS.map(([end, problem]) => [{ termination: "Completed", end }, problem] as const),
    [{ termination: "Done" }, '.termination: expected a RunTermination, got "Done"'],
    [{ termination: "Completed", ends: {} }, 'unknown field "ends", known are termination, end'],
    [{ end: {} }, ": expected a RunTermination, got an object"],
  ] as const;
  for (const [answer, problem] of answers) {
    for (const isLater of [false, true]) {
      const { supervisor, completions, failures } = open(
        "concurrent",
        () => isLater ? Promise.resolve(answer) : answer,
      );
      await supervisor.onEvent(event("e1"));
      await supervisor.close();
      const [completion] = completions;
      assertEquals(completion!.termination, { Failed: "RuntimeError" });
      assert(!("end" in completion!));
      const { error } = failures[0]!;
      assert(error instanceof TypeError && error.message.includes(problem), String(error));
      assert(error.message.startsWith("Cannot use the invoker's answer"), error.message);
    }
  }
});

Deno.test("an end is a copy: what its invoker does with it later changes nothing", async () => {
  const end = { list: [1], ["__proto__"]: 5 };
  const { supervisor, completions } = open("concurrent", () => ({ termination: "Aborted", end }));
  await supervisor.onEvent(event("e1"));
  end.list.push(2);
  const [{ end: recorded }] = completions as [CompletionInput];
  assertEquals(JSON.stringify(recorded), '{"list":[1],"__proto__":5}');
  assertStrictEquals(Object.getPrototypeOf(recorded), Object.prototype);
  await supervisor.close();
});

Deno.test("a late answer brings its end along", async () => {
  const invoker = new HeldInvoker();
  const late: LateAnswer[] = [];
  const supervisor = new Supervisor(options({}, {
    mode: "concurrent",
    invoker,
    onLate: (answer) => late.push(answer),
  }));
  await supervisor.onEvent(event("e1"));
  await supervisor.complete({ episodeId: 0, attempt: 1, termination: "Aborted" });
  invoker.answer("e1", { termination: "Completed", end: { exit_code: 0 } } as never);
  await supervisor.close();
  await settle();
  const ref = { eventId: "e1", episodeId: 0, attempt: 1 };
  assertEquals(late, [{ ...ref, termination: "Completed", end: { exit_code: 0 } }]);
});

Deno.test("an event says which attempt its first one is, and a state keeps it", async () => {
  const init = { id: "e1#2", kind: "Command", at: at(0) } as const;
  const one: ExternalEvent = createEvent({ ...init, firstAttempt: 3 });
  assertEquals(one.firstAttempt, 3);
  assert(!("firstAttempt" in createEvent(init)));
  const invoker = new HeldInvoker();
  const given = options({ max_in_flight: 1 }, { mode: "concurrent", invoker });
  const supervisor = new Supervisor(given);
  await supervisor.onEvent(one);
  await supervisor.onEvent(createEvent({ ...init, id: "e2#5", firstAttempt: 9 }));
  await supervisor.onEvent(event("e3"));
  // The numbers of an episode are its own: the first is 1.
  assertEquals(invoker.requests.map(({ attempt }) => attempt), [1]);
  const state = JSON.parse(JSON.stringify(supervisor));
  assertEquals(state.in_flight[0].event.first_attempt, 3);
  assertEquals(state.deferred[0].event.first_attempt, 9);
  assert(!("first_attempt" in state.deferred[1].event));
  assertEquals(Supervisor.from(state, given).toJSON(), supervisor.toJSON());
  for (const firstAttempt of [0, -1, 1.5, 2 ** 53]) {
    assertThrows(() => createEvent({ ...init, firstAttempt }), RangeError, "event.firstAttempt");
    state.deferred[0].event.first_attempt = firstAttempt;
    assertThrows(() => Supervisor.from(state, given), RangeError, "event.firstAttempt");
  }
  assertThrows(() => createEvent({ ...init, firstAttempt: "1" as never }), TypeError);
  await assertRejects(
    () => supervisor.onEvent({ ...one, firstAttempt: 0 }),
    RangeError,
    "Cannot use event.firstAttempt: attempts are counted from 1, got 0",
  );
});
