import { assertEquals } from "@std/assert";
import {
  type Ask,
  Asks,
  idProblem,
  membersOf,
  nodeOfEvent,
  pumpEventId,
} from "../../../run/engine/asks.ts";
import { Random } from "../../_util/random.ts";
import { longCount, seed } from "../../_util/temp.ts";

Deno.test("the k-th ask for a node is its id with #k, and its attempts are counted on", () => {
  const asks = new Asks();
  assertEquals(asks.next("test"), { eventId: "test", firstAttempt: 1 });
  asks.add(asks.next("test"));
  asks.begun({ nodeId: "test", attempt: 1 });
  asks.begun({ nodeId: "test", attempt: 2 });
  assertEquals(asks.next("test"), { eventId: "test#2", firstAttempt: 3 });
  asks.add(asks.next("test"));
  assertEquals(asks.attemptOf("test", 2), { nodeId: "test", attempt: 2 });
  assertEquals(asks.attemptOf("test#2", 1), { nodeId: "test", attempt: 3 });
  // What was asked for and never begun has used no number.
  assertEquals(asks.next("test"), { eventId: "test#3", firstAttempt: 3 });
});

Deno.test("an event says which attempt is its first, and leaves no more retries than attempts are allowed", () => {
  const constraints = { max_retries: 2 };
  const first = { eventId: "a", firstAttempt: 1 };
  const third = { eventId: "a#3", firstAttempt: 4 };
  const retry = { max_retries: 5, backoff: undefined };
  const rows: [ask: Ask, how: object, members: object][] = [
    [first, {}, {}],
    [third, {}, { firstAttempt: 4 }],
    [first, { retry }, { retry }],
    [first, { maxAttempts: 2 }, { retry: { max_retries: 1 } }],
    [first, { maxAttempts: 9 }, { retry: { max_retries: 2 } }],
    [first, { maxAttempts: 9, retry }, { retry }],
    [third, { maxAttempts: 5, retry }, { firstAttempt: 4, retry: { ...retry, max_retries: 1 } }],
    [third, { maxAttempts: 3, retry }, { firstAttempt: 4, retry: { ...retry, max_retries: 0 } }],
  ];
  for (const [ask, how, members] of rows) {
    assertEquals(membersOf(ask, { ...how, constraints }), members);
  }
});

Deno.test("an id is split at its last #, and one that could be taken for an ask is none", () => {
  const nodes = { "a": "a", "a#2": "a", "a#2#3": "a#2", "a#": "a#", "a#x": "a#x", "#7": "" };
  for (const [eventId, nodeId] of Object.entries(nodes)) {
    assertEquals(nodeOfEvent(eventId), nodeId);
    assertEquals(idProblem(eventId) === undefined, eventId === nodeId, eventId);
  }
  assertEquals(nodeOfEvent("two\nlines#2"), "two\nlines");
  assertEquals(nodeOfEvent(pumpEventId(7)), pumpEventId(7));
  assertEquals(pumpEventId(7), ":pump-7");
});

Deno.test("no number of an attempt that was begun is given again, however often a node is asked for (property)", () => {
  const random = new Random(seed());
  for (let round = 0; round < longCount(50, 1000); round++) {
    const asks = new Asks();
    const begun = new Map<string, number[]>();
    for (let ask = 0; ask < 8; ask++) {
      const nodeId = random.pick(["a", "b#x", "c"]);
      const next = asks.next(nodeId);
      asks.add(next);
      for (let number = 1; number <= random.below(4); number++) {
        const attempt = asks.attemptOf(next.eventId, number);
        assertEquals(attempt.nodeId, nodeId);
        asks.begun(attempt);
        begun.set(nodeId, [...begun.get(nodeId) ?? [], attempt.attempt]);
      }
    }
    for (const attempts of begun.values()) {
      assertEquals(attempts, Array.from(attempts, (_, index) => index + 1));
    }
  }
});
