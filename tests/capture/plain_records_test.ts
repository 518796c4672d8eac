import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Codec, decodeJson, encodeJson } from "../../_internal/wire_json/codec.ts";
import { openStruct } from "../../_internal/wire_json/struct.ts";
import {
  decisionRecord,
  decisionRecordFields,
  eventFields,
  eventInputFields,
  eventRecord,
  inputRecord,
  v3Decision,
  v3DecisionFields,
} from "../../capture/bundle/record_codecs.ts";
import { sampleBundle } from "./_util.ts";

/** What is left to the engine is printed and read as the codecs would have done it, and nothing else is. */

const ODD = [
  null,
  undefined,
  -1,
  -0,
  0,
  1.5,
  1e300,
  2 ** 53,
  NaN,
  "",
  "x",
  "\ud800",
  "é\u2028\n",
  true,
  [],
  [256],
  [-0],
  [1.5],
  ["1"],
  Array(2),
  {},
  { secs: 1 },
  { secs: 1, nanos: 1_000_000_000 },
  { nanos: 2, secs: 1 },
  { secs: 1, nanos: 2, x: 3 },
  { Failed: "Cancelled" },
  { Failed: "x" },
];

type Members = Record<string, unknown>;

/** The record, and what becomes of it when one field is odd, missing or too much, or the order another. */
function* variantsOf(record: Members): Generator<Members> {
  yield record;
  yield Object.fromEntries(Object.entries(record).toReversed());
  yield { ...record, extra: 1 };
  yield { ...record, type: "event" };
  for (const name of Object.keys(record)) {
    const { [name]: _, ...without } = record;
    yield without;
    for (const odd of ODD) yield { ...record, [name]: odd };
  }
}

Deno.test("what is plain is printed as the codec prints it, and what it refuses is not plain", async () => {
  const { events, decisions } = await sampleBundle();
  const event = { ...events[0]! };
  const input = { type: "event", ...event, payload: '{"x":"é"}' };
  const effects = decisions[4]!.effects;
  const time = { secs: 1, nanos: 2 };
  const counts = { in_flight: 0, in_window: 1, deferred: 2, defer_count: 3 };
  const decision = {
    ...decisions[1]!,
    attempt_termination: null,
    reason: "admitted",
    numbers: { now: time, in_flight: 0, in_window: 1, deferred: 2, next_due: null, defer_count: 3 },
    origin_event_id: "e1",
  };
  const shuffled = { ...decision, numbers: { ...counts, now: time, next_due: null } };
  const cases: { fields: object; codec: unknown; record: Members; isPlain?: boolean }[] = [
    { fields: eventFields, codec: eventRecord, record: event },
    { fields: eventInputFields, codec: inputRecord, record: input },
    { fields: v3DecisionFields, codec: v3Decision, record: { ...decisions[1]! } },
    {
      fields: v3DecisionFields,
      codec: v3Decision,
      record: { ...decisions[4]! },
      isPlain: effects.length === 0,
    },
    { fields: decisionRecordFields, codec: decisionRecord, record: decision },
    { fields: decisionRecordFields, codec: decisionRecord, record: shuffled, isPlain: false },
  ];
  for (const { fields, codec, record, isPlain = true } of cases) {
    const byFields = openStruct(fields as object) as Codec<Members>;
    const byEngine = codec as Codec<Members>;
    assertEquals(byFields.isPlain?.(record), isPlain);
    for (const variant of variantsOf(record)) {
      if (variant.type !== record.type) continue;
      let expected: string;
      try {
        expected = encodeJson(byFields, variant);
      } catch (error) {
        assert(!byFields.isPlain?.(variant));
        assertThrows(() => encodeJson(byEngine, variant), (error as Error).constructor as never);
        continue;
      }
      assertEquals(encodeJson(byEngine, variant), expected);
    }
    for (const variant of variantsOf(record)) {
      if (variant.type !== record.type) continue;
      const text = JSON.stringify(variant);
      assertEquals(readBy(byEngine, text), readBy(byFields, text), text);
    }
  }
});

/** What is read, with the order of its members; or how it is refused, and where. */
function readBy(codec: Codec<Members>, text: string): unknown {
  try {
    const value = decodeJson(codec, text);
    return [value, JSON.stringify(value)];
  } catch (error) {
    return String(error);
  }
}

Deno.test("nothing that JSON.stringify prints by a toJSON method is plain", () => {
  class Time {
    secs = 1;
    nanos = 2;
    toJSON() {
      return "now";
    }
  }
  const record = {
    event_id: "e1",
    event_time: new Time(),
    kind: "Pump",
    payload: [],
    payload_hash: "",
  };
  assertEquals(openStruct(eventFields).isPlain?.(record), false);
  const printed = encodeJson(eventRecord, record as never);
  assert(printed.includes('"event_time":{"secs":1,"nanos":2}'), printed);
});
