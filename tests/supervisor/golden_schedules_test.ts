/** Every golden schedule of the seed, decision by decision, and its two golden decision records. */
import { assertEquals } from "@std/assert";
import { FaultInvoker, type RunTermination } from "../../supervisor/mod.ts";
import { at, entriesOf, event, pump, schedule, SpyInvoker, wireText } from "./_util.ts";

const ONE_PER_TEN_SECONDS = { max_per_window: 1, rate_window: at(10) };

/** An invoker that answers an event's runs one after the other. */
function answering(eventId: string, outcomes: RunTermination[]): FaultInvoker {
  const invoker = new FaultInvoker();
  invoker.pushOutcomes(eventId, outcomes);
  return invoker;
}

Deno.test("golden: one per 10 s", async () => {
  const invoker = new SpyInvoker();
  const entries = await entriesOf(ONE_PER_TEN_SECONDS, [
    event("e1", 0),
    event("e2", 0),
    event("e3", 3, { kind: "DataAvailable" }),
    pump("p1", 5),
    pump("p2", 10),
    pump("p3", 10),
    pump("p4", 20),
    pump("p5", 21),
  ], { invoker });
  assertEquals(schedule(entries), [
    "e1 Invoke ep0",
    "e2 Defer@10 ep1",
    "e3 Defer@10 ep2",
    "p1 Defer@null ep3",
    "p2 Invoke ep1",
    "p3 Defer@20 ep2",
    "p4 Invoke ep2",
    "p5 Defer@null ep4",
  ]);
  assertEquals(invoker.requests.map(({ eventId }) => eventId), ["e1", "e2", "e3"]);
});

Deno.test("golden: max_in_flight 0", async () => {
  const events = [event("e1", 0), pump("p1", 4), pump("p2", 9)];
  assertEquals(schedule(await entriesOf({ max_in_flight: 0 }, events)), [
    "e1 Defer@0 ep0",
    "p1 Defer@4 ep0",
    "p2 Defer@9 ep0",
  ]);
});

Deno.test("golden: max_in_flight 1", async () => {
  const events = [event("e1"), event("e2")];
  assertEquals(schedule(await entriesOf({ max_in_flight: 1 }, events)), [
    "e1 Invoke ep0",
    "e2 Invoke ep1",
  ]);
});

Deno.test("golden: only a Pump, then an event", async () => {
  assertEquals(schedule(await entriesOf({}, [pump("p1"), event("e1")])), [
    "p1 Defer@null ep0",
    "e1 Invoke ep1",
  ]);
});

Deno.test("golden: the clock goes back, one per 10 s", async () => {
  const events = [event("e1", 100), event("e2", 50), pump("p1", 105), pump("p2", 110)];
  assertEquals(schedule(await entriesOf(ONE_PER_TEN_SECONDS, events)), [
    "e1 Invoke ep0",
    "e2 Defer@110 ep1",
    "p1 Defer@null ep2",
    "p2 Invoke ep1",
  ]);
});

Deno.test("golden: deadline 0", async () => {
  const [entry] = await entriesOf({ deadline: at(0), max_retries: 5 }, [event("e1")]);
  assertEquals(
    wireText(entry!),
    '{"event_id":"e1","decision":"Invoke","schedule_at":null,"episode_id":0,' +
      '"deadline":{"secs":0,"nanos":0},"termination":"Aborted","retry_count":0,"effects":[]}',
  );
});

Deno.test("golden: max_retries 2, outcomes NetworkTimeout, TimedOut, RuntimeError", async () => {
  const outcomes: RunTermination[] = [
    { Failed: "NetworkTimeout" },
    "TimedOut",
    { Failed: "RuntimeError" },
  ];
  const invoker = answering("e1", outcomes);
  const [entry] = await entriesOf({ max_retries: 2 }, [event("e1")], { invoker });
  assertEquals(
    wireText(entry!),
    '{"event_id":"e1","decision":"Invoke","schedule_at":null,"episode_id":0,"deadline":null,' +
      '"termination":{"Failed":"RuntimeError"},"retry_count":2,"effects":[]}',
  );
});

Deno.test("golden: DeadlineExceeded, max_retries 5", async () => {
  const invoker = answering("e1", [{ Failed: "DeadlineExceeded" }, "Completed"]);
  const [entry] = await entriesOf({ max_retries: 5 }, [event("e1")], { invoker });
  assertEquals(entry!.termination, { Failed: "DeadlineExceeded" });
  assertEquals(entry!.retry_count, 0);
});

Deno.test("golden: max_per_window 0", async () => {
  const limits = { max_per_window: 0, rate_window: at(10) };
  assertEquals(schedule(await entriesOf(limits, [event("e1", 0), event("e2", 1)])), [
    "e1 Invoke ep0",
    "e2 Defer@10 ep1",
  ]);
});

Deno.test("golden: a window of 0", async () => {
  const limits = { max_per_window: 1, rate_window: at(0) };
  assertEquals(schedule(await entriesOf(limits, [event("e1"), event("e2")])), [
    "e1 Invoke ep0",
    "e2 Invoke ep1",
  ]);
});

Deno.test("golden: the record of a deferral", async () => {
  const [, entry] = await entriesOf(ONE_PER_TEN_SECONDS, [event("e1"), event("e2")]);
  assertEquals(
    wireText(entry!),
    '{"event_id":"e2","decision":"Defer","schedule_at":{"secs":10,"nanos":0},"episode_id":1,' +
      '"deadline":null,"termination":null,"retry_count":0,"effects":[]}',
  );
});
