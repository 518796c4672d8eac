/** The rules INV-1 to INV-6: what is retried, how often, and how the test invoker answers. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  type ErrKind,
  ExternalEventPayloadError,
  FaultInvoker,
  type RunTermination,
  Supervisor,
} from "../../supervisor/mod.ts";
import { at, entriesOf, event, options, pump, schedule, SpyInvoker } from "./_util.ts";

const MECHANICAL: RunTermination[] = [
  "TimedOut",
  { Failed: "NetworkTimeout" },
  { Failed: "AdapterUnavailable" },
  { Failed: "RuntimeError" },
];
const FINAL: RunTermination[] = [
  "Completed",
  "Aborted",
  { Failed: "SemanticError" },
  { Failed: "ValidationFailed" },
  { Failed: "DeadlineExceeded" },
  { Failed: "Cancelled" },
];

Deno.test("INV-1 only mechanical failures are tried again", async () => {
  for (const termination of [...MECHANICAL, ...FINAL]) {
    const invoker = new FaultInvoker(termination);
    const [entry] = await entriesOf({ max_retries: 2 }, [event("e1")], { invoker });
    assertEquals(entry!.termination, termination);
    assertEquals(entry!.retry_count, MECHANICAL.includes(termination) ? 2 : 0);
  }
});

Deno.test("INV-2 retries are immediate, at most max_retries, all with the same request", async () => {
  const invoker = new SpyInvoker(new FaultInvoker("TimedOut"));
  const origin = event("e1", 5, { payload: '{"x":1}' });
  const limits = { max_retries: 3, deadline: at(9) };
  const [entry] = await entriesOf(limits, [origin], { invoker });
  assertEquals(entry!.retry_count, 3);
  assertEquals(invoker.requests.map(({ attempt }) => attempt), [1, 2, 3, 4]);
  for (const request of invoker.requests) {
    assertEquals([request.eventId, request.episodeId, request.graphId], ["e1", 0, "g"]);
    assertStrictEquals(request.context, origin.context);
    assertEquals(request.deadline, at(9));
  }
});

Deno.test("INV-2 retry_count counts the attempts that were made", async () => {
  const invoker = new FaultInvoker();
  invoker.pushOutcomes("e1", ["TimedOut", "TimedOut", "Completed"]);
  const [entry] = await entriesOf({ max_retries: 9 }, [event("e1")], { invoker });
  assertEquals([entry!.termination, entry!.retry_count], ["Completed", 2]);
});

Deno.test("INV-3 outcomes are used up one a run, by event id, then the default", async () => {
  const invoker = new FaultInvoker({ Failed: "Cancelled" });
  invoker.pushOutcomes("e1", ["Completed"]);
  invoker.pushOutcomes("e1", ["Aborted"]);
  invoker.pushOutcomes("e2", ["Aborted"]);
  const events = [event("e1"), event("e2"), event("e1"), event("e1")];
  const entries = await entriesOf({}, events, { invoker });
  assertEquals(entries.map(({ termination }) => termination), [
    "Completed",
    "Aborted",
    "Aborted",
    { Failed: "Cancelled" },
  ]);
});

Deno.test("INV-3 whoever has the invoker shares its outcomes", async () => {
  const invoker = new FaultInvoker();
  invoker.pushOutcomes("e1", ["Aborted", "TimedOut"]);
  const [first] = await entriesOf({}, [event("e1")], { invoker });
  const [second] = await entriesOf({}, [event("e1")], { invoker, graphId: "another" });
  assertEquals([first!.termination, second!.termination], ["Aborted", "TimedOut"]);
});

Deno.test("INV-3 a deadline of exactly 0 is aborted and uses up nothing", async () => {
  const invoker = new FaultInvoker();
  invoker.pushOutcomes("e1", ["TimedOut"]);
  const [aborted] = await entriesOf({ deadline: at(0) }, [event("e1")], { invoker });
  const [later] = await entriesOf({ deadline: at(0, 1) }, [event("e1")], { invoker });
  assertEquals([aborted!.termination, later!.termination], ["Aborted", "TimedOut"]);
});

Deno.test("INV-3 an outcome that is none is refused at once", () => {
  const invoker = new FaultInvoker();
  const outcomes = ["Complete" as RunTermination];
  assertThrows(() => invoker.pushOutcomes("e1", outcomes), TypeError, "expected a RunTermination");
  assertThrows(() => new FaultInvoker({ Failed: "Oops" as ErrKind }), TypeError, "defaultOutcome");
});

Deno.test("INV-5 without timers a serial deadline is only passed on", async () => {
  const invoker = new SpyInvoker({ run: () => Promise.resolve("Completed") });
  const [entry] = await entriesOf({ deadline: at(0, 1) }, [event("e1")], { invoker });
  assertEquals(entry!.termination, "Completed");
  assertEquals(invoker.requests[0]!.deadline, at(0, 1));
});

Deno.test("INV-5 no deadline is no member of the request", async () => {
  const invoker = new SpyInvoker();
  await entriesOf({}, [event("e1")], { invoker });
  assertEquals("deadline" in invoker.requests[0]!, false);
});

Deno.test("INV-6 the final termination is the one of the last attempt", async () => {
  const invoker = new FaultInvoker();
  invoker.pushOutcomes("e1", ["TimedOut", { Failed: "SemanticError" }, "Completed"]);
  const [entry] = await entriesOf({ max_retries: 5 }, [event("e1")], { invoker });
  assertEquals([entry!.termination, entry!.retry_count], [{ Failed: "SemanticError" }, 1]);
  assertEquals(entry!.attemptTermination, { Failed: "SemanticError" });
});

const BACKOFF = { initial: at(2), factor: 3, max: at(10) };

Deno.test("backoff: a serial retry waits in the queue, in event time, and grows", async () => {
  const invoker = new FaultInvoker("TimedOut");
  const pumps = [1, 2, 7, 8, 17, 18].map((secs) => pump(`p${secs}`, secs));
  const limits = { max_retries: 3 };
  const given = { invoker, backoff: BACKOFF };
  const entries = await entriesOf(limits, [event("e1"), ...pumps], given);
  assertEquals(schedule(entries), [
    "e1 Defer@2 ep0",
    "p1 Defer@null ep1",
    "p2 Defer@8 ep0",
    "p7 Defer@null ep2",
    "p8 Defer@18 ep0",
    "p17 Defer@null ep3",
    "p18 Invoke ep0",
  ]);
  assertEquals(
    entries.filter(({ reason }) => reason === "backoff").map((entry) => [
      entry.termination,
      entry.attemptTermination,
      entry.retry_count,
      entry.numbers.defer_count,
    ]),
    [[null, "TimedOut", 0, 1], [null, "TimedOut", 1, 2], [null, "TimedOut", 2, 3]],
  );
  assertEquals([entries[6]!.termination, entries[6]!.retry_count], ["TimedOut", 3]);
});

Deno.test("backoff: a retry that finds the queue full is skipped, and the episode over", async () => {
  const invoker = new FaultInvoker("TimedOut");
  const given = { invoker, backoff: BACKOFF, maxDeferred: 0 };
  const [entry] = await entriesOf({ max_retries: 3 }, [event("e1")], given);
  assertEquals([entry!.decision, entry!.reason], ["Skip", "queue_full"]);
  assertEquals([entry!.termination, entry!.retry_count], ["TimedOut", 0]);
});

Deno.test("backoff: a wait of nothing is still a place in the queue", async () => {
  const invoker = new FaultInvoker();
  invoker.pushOutcomes("e1", ["TimedOut"]);
  const backoff = { initial: at(0), factor: 1, max: at(0) };
  const events = [event("e1", 5), pump("p1", 5)];
  const entries = await entriesOf({ max_retries: 1 }, events, { invoker, backoff });
  assertEquals(schedule(entries), ["e1 Defer@5 ep0", "p1 Invoke ep0"]);
  assertEquals(entries[1]!.retry_count, 1);
});

Deno.test("a request has the payload whole, and each attempt its own copy", async () => {
  const payload = { a: { b: [1, null, { c: "é" }] }, n: null, "__proto__x": 1.5 };
  for (const mode of ["serial", "concurrent"] as const) {
    const invoker = new SpyInvoker(new FaultInvoker("TimedOut"));
    const given = options({ max_retries: 1 }, { invoker, mode });
    const supervisor = new Supervisor(given);
    await supervisor.onEvent(event("e1", 0, { payload: JSON.stringify(payload) }));
    await supervisor.onEvent(event("e2"));
    await supervisor.close();
    const [first, again, none] = invoker.requests.map((request) => request.payload);
    assertEquals([first, again, none], [payload, payload, {}]);
    assert(first !== again);
  }
});

Deno.test("a payload is read for whoever asks: one that is no JSON keeps nothing from being run", async () => {
  const invoker = new SpyInvoker();
  const given = options({}, { invoker });
  const supervisor = new Supervisor(given);
  // Made by hand: `createEvent` refuses it.
  const context = new Map([["n", { Number: 1 }]]);
  await supervisor.onEvent({
    ...event("e1"),
    payload: new TextEncoder().encode("no JSON"),
    context,
  });
  assertEquals(given.decisionLog.entries[0]!.termination, "Completed");
  const [request] = invoker.requests;
  assertEquals(request?.context, context);
  assertThrows(() => request?.payload, ExternalEventPayloadError, "not valid JSON");
});
