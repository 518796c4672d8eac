/** `onEvent`, `idle` and `close` from inside `run`: a TypeError instead of waiting for ever. */
import { assertEquals, assertRejects } from "@std/assert";
import { type RunTermination, Supervisor, type SupervisorMode } from "../../supervisor/mod.ts";
import { event, HeldInvoker, options } from "./_util.ts";

const REFUSED = "from inside run: it would wait for itself";

/** Lets macrotasks pass, as a run does that waits for the outside. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** What `inside` meets when it is part of a run. */
async function duringRun(
  inside: (supervisor: Supervisor) => Promise<unknown>,
  mode: SupervisorMode = "serial",
): Promise<void> {
  let met: Error | undefined;
  const supervisor: Supervisor = new Supervisor({
    ...options({}, { mode }),
    invoker: {
      async run(): Promise<RunTermination> {
        try {
          await inside(supervisor);
        } catch (error) {
          met = error as Error;
        }
        return "Completed";
      },
    },
  });
  await supervisor.onEvent(event("e1"));
  await supervisor.close();
  if (met !== undefined) throw met;
}

const next = event("e2");
const WAYS: Record<string, (supervisor: Supervisor) => Promise<unknown>> = {
  "before its first await": (supervisor) => supervisor.onEvent(next),
  async "after an await"(supervisor) {
    await pause();
    await supervisor.onEvent(next);
  },
  async "deep inside"(supervisor) {
    const deeper = async (depth: number): Promise<void> => {
      await pause();
      await (depth === 0 ? supervisor.onEvent(next) : deeper(depth - 1));
    };
    await deeper(15);
  },
  "in a chain of then": (supervisor) => pause().then(pause).then(() => supervisor.onEvent(next)),
  async "one of several"(supervisor) {
    await Promise.all([pause(), pause().then(() => supervisor.onEvent(next))]);
  },
  async "through another function that records first"(supervisor) {
    const session = async () => {
      await pause();
      await supervisor.onEvent(next);
    };
    await session();
  },
};

for (const [way, inside] of Object.entries(WAYS)) {
  Deno.test(`onEvent() from inside a serial run, ${way}, is a TypeError`, async () => {
    await assertRejects(() => duringRun(inside), TypeError, REFUSED);
  });
}

Deno.test("idle() and close() from inside run are TypeErrors in both modes", async () => {
  for (const mode of ["serial", "concurrent"] as const) {
    for (const call of ["idle", "close"] as const) {
      const early = (supervisor: Supervisor) => supervisor[call]();
      const late = (supervisor: Supervisor) => pause().then(() => supervisor[call]());
      await assertRejects(() => duringRun(early, mode), TypeError, REFUSED);
      await assertRejects(() => duringRun(late, mode), TypeError, REFUSED);
    }
  }
});

Deno.test("a run that lets the TypeError out fails with RuntimeError", async () => {
  const given = options({});
  const errors: unknown[] = [];
  const supervisor: Supervisor = new Supervisor({
    ...given,
    onInvokerError: ({ error }) => errors.push(error),
    invoker: {
      async run(): Promise<RunTermination> {
        await supervisor.onEvent(next);
        return "Completed";
      },
    },
  });
  await supervisor.onEvent(event("e1"));
  assertEquals(given.decisionLog.entries[0]!.termination, { Failed: "RuntimeError" });
  assertEquals((errors[0] as Error).message.includes(REFUSED), true);
});

Deno.test("onEvent() from outside waits its turn while a run lasts", async () => {
  const gate = Promise.withResolvers<void>();
  const given = options({});
  const supervisor = new Supervisor({
    ...given,
    invoker: {
      async run(): Promise<RunTermination> {
        await gate.promise;
        return "Completed";
      },
    },
  });
  const first = supervisor.onEvent(event("e1"));
  const second = pause().then(() => supervisor.onEvent(event("e2")));
  const third = (async () => {
    await pause();
    await supervisor.onEvent(event("e3"));
  })();
  await pause();
  gate.resolve();
  await Promise.all([first, second, third]);
  assertEquals(given.decisionLog.entries.map(({ event_id }) => event_id), ["e1", "e2", "e3"]);
});

Deno.test("the engine's error settings are left as they were", async () => {
  const settings = Error as unknown as { prepareStackTrace?: unknown };
  const before = [Error.stackTraceLimit, settings.prepareStackTrace];
  await assertRejects(() => duringRun((supervisor) => supervisor.onEvent(next)), TypeError);
  assertEquals([Error.stackTraceLimit, settings.prepareStackTrace], before);
});

Deno.test("onEvent() from onLate is outside, though another run lasts", async () => {
  const invoker = new HeldInvoker();
  const given = options({}, { invoker });
  const late: Promise<void>[] = [];
  const supervisor: Supervisor = new Supervisor({
    ...given,
    onLate: () => late.push(supervisor.onEvent(event("e3"))),
  });
  const first = supervisor.onEvent(event("e1"));
  await supervisor.complete({ episodeId: 0, attempt: 1, termination: "Completed" });
  await first;
  const second = supervisor.onEvent(event("e2"));
  invoker.answer("e1");
  await pause();
  assertEquals(late.length, 1);
  invoker.answer("e2");
  await second;
  await pause();
  invoker.answer("e3");
  await Promise.all(late);
  assertEquals(given.decisionLog.entries.map(({ event_id }) => event_id), ["e1", "e2", "e3"]);
});
