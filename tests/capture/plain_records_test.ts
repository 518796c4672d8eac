import { assert, assertEquals } from "@std/assert";
import { encodeJson } from "../../_internal/wire_json/codec.ts";
import { openStruct } from "../../_internal/wire_json/struct.ts";
import {
  eventFields,
  eventInputFields,
  plainDecisionText,
  plainEventInputText,
  plainEventText,
  seedDecisionFields,
} from "../../capture/bundle/record_codecs.ts";
import { sampleBundle } from "./_util.ts";

/** What the engine prints is what the codecs would have printed, and nothing else is left to it. */

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

Deno.test("plain text is the codec's text, and what the codec refuses is not plain", async () => {
  const { events, decisions } = await sampleBundle();
  const event = { ...events[0]! };
  const cases = [
    { fields: eventFields, plain: plainEventText, record: event },
    { fields: eventInputFields, plain: plainEventInputText, record: { type: "event", ...event } },
    { fields: seedDecisionFields, plain: plainDecisionText, record: { ...decisions[1]! } },
    { fields: seedDecisionFields, plain: plainDecisionText, record: { ...decisions[4]! } },
  ];
  for (const { fields, plain, record } of cases) {
    const codec = openStruct(fields as object);
    assert(plain(record) !== undefined);
    for (const variant of variantsOf(record)) {
      const text = plain(variant);
      if (text !== undefined) assertEquals(text, encodeJson(codec, variant));
    }
  }
});
