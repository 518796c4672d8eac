/** `explain`: what would happen, without doing it. */
import { assertEquals, assertThrows } from "@std/assert";
import { type ExternalEvent, Supervisor } from "../../supervisor/mod.ts";
import { at, event, HeldInvoker, options, pump, settle, SpyInvoker } from "./_util.ts";

const ONE_PER_TEN_SECONDS = { max_per_window: 1, rate_window: at(10) };

Deno.test("explain() gives the entry that onEvent() then logs, for each event of a session", async () => {
  const given = options({ ...ONE_PER_TEN_SECONDS, deadline: at(3) }, { maxDeferred: 2 });
  const supervisor = new Supervisor(given);
  const events = [
    event("e1", 0),
    event("e2", 0),
    event("e3", 3),
    event("e4", 4),
    pump("p1", 5),
    pump("p2", 10),
    pump("p3", 10),
    pump("p4", 20),
  ];
  for (const next of events) {
    const explained = supervisor.explain(next);
    await supervisor.onEvent(next);
    const { termination: _, attemptTermination: __, ...logged } = given.decisionLog.entries.at(-1)!;
    assertEquals({ ...explained }, { ...logged, termination: null, attemptTermination: null });
  }
});

Deno.test("explain() changes nothing, whatever time the event has", async () => {
  const invoker = new SpyInvoker();
  const supervisor = new Supervisor(options(ONE_PER_TEN_SECONDS, { invoker }));
  await supervisor.onEvent(event("e1", 0));
  await supervisor.onEvent(event("e2", 1));
  const before = supervisor.toJSON();
  const times = [0, 1, 9, 10, 1_000_000];
  const asked = times.flatMap((secs) => [event("x", secs), pump("p", secs)]);
  const decisions = asked.map((one: ExternalEvent) => supervisor.explain(one).decision);
  assertEquals(decisions.join(), "Defer,Defer,Defer,Defer,Defer,Defer,Invoke,Invoke,Invoke,Invoke");
  assertEquals(supervisor.toJSON(), before);
  assertEquals(invoker.requests.length, 1);
});

Deno.test("explain() during a serial run says what comes after it, as the event would wait", async () => {
  const invoker = new HeldInvoker();
  const supervisor = new Supervisor(options({ max_in_flight: 1 }, { invoker }));
  const handled = supervisor.onEvent(event("e1"));
  assertEquals(supervisor.explain(event("e2")).decision, "Invoke");
  invoker.answer("e1");
  await handled;
});

Deno.test("explain() in concurrent mode sees what is in flight", async () => {
  const invoker = new HeldInvoker();
  const given = options({ max_in_flight: 1 }, { invoker, mode: "concurrent" });
  const supervisor = new Supervisor(given);
  await supervisor.onEvent(event("e1"));
  const { decision, reason, numbers } = supervisor.explain(event("e2"));
  assertEquals([decision, reason, numbers.in_flight], ["Defer", "saturated", 1]);
  invoker.answer("e1");
  await settle();
  assertEquals(supervisor.explain(event("e2")).decision, "Invoke");
});

Deno.test("explain() refuses what is no event", () => {
  const supervisor = new Supervisor(options({}));
  const fake = { ...event("e1"), kind: "Tick" } as unknown as ExternalEvent;
  assertThrows(() => supervisor.explain(fake), TypeError, "event.kind");
});
