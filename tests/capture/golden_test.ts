import { assert, assertEquals, assertThrows } from "@std/assert";
import { decodeJson, encodeJson } from "../../_internal/wire_json/codec.ts";
import { actionEffect } from "../../capture/bundle/effects.ts";
import { constraints, eventRecord, v3Decision } from "../../capture/bundle/record_codecs.ts";
import {
  type ActionEffect,
  computeEffectHash,
  computeIntentId,
  computePayloadHash,
  type EpisodeInvocationRecord,
  parseCaptureBundle,
  recordEvent,
  stringifyCaptureBundle,
} from "../../capture/mod.ts";
import { createEvent } from "../../supervisor/mod.ts";
import { asV3, at, NO_LIMITS } from "./_util.ts";

/** The golden texts of spec 1.1 and 1.2, byte for byte. */

const EMPTY_HASH = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const EVENT_RECORDS = [
  `{"event_id":"evt-1","event_time":{"secs":1,"nanos":500000000},"kind":"Command","payload":[123,34,120,34,58,49,125],"payload_hash":"5041bf1f713df204784353e82f6a4a535931cb64f1f4b4a5aeaffcb720918b22"}`,
  `{"event_id":"e0","event_time":{"secs":0,"nanos":0},"kind":"Pump","payload":[],"payload_hash":"${EMPTY_HASH}"}`,
];

Deno.test("event records are the golden ones (EVT-1, EVT-5)", () => {
  const time = { secs: 1, nanos: 500_000_000 };
  const events = [
    createEvent({ id: "evt-1", kind: "Command", at: time, payload: '{"x":1}' }),
    createEvent({ id: "e0", kind: "Pump", at: at(0) }),
  ];
  assertEquals(
    events.map((event) => encodeJson(eventRecord, recordEvent(event))),
    EVENT_RECORDS,
  );
  for (const text of EVENT_RECORDS) {
    assertEquals(encodeJson(eventRecord, decodeJson(eventRecord, text)), text);
  }
  assertEquals(computePayloadHash(new Uint8Array()), EMPTY_HASH);
});

Deno.test("the legacy kind Tick is read as Pump, and kinds are case-sensitive (SUP-TICK-1)", () => {
  const text = EVENT_RECORDS[1]!;
  assertEquals(decodeJson(eventRecord, text.replace("Pump", "Tick")).kind, "Pump");
  const lowerCase = text.replace("Pump", "pump");
  assertThrows(() => decodeJson(eventRecord, lowerCase), TypeError, "pump");
});

Deno.test("constraints are the golden ones", () => {
  const full = {
    max_in_flight: 1,
    max_per_window: 2,
    rate_window: { secs: 1, nanos: 500_000_000 },
    deadline: { secs: 0, nanos: 0 },
    max_retries: 3,
  };
  const texts = [
    `{"max_in_flight":null,"max_per_window":null,"rate_window":null,"deadline":null,"max_retries":0}`,
    `{"max_in_flight":1,"max_per_window":2,"rate_window":{"secs":1,"nanos":500000000},"deadline":{"secs":0,"nanos":0},"max_retries":3}`,
  ];
  assertEquals([NO_LIMITS, full].map((value) => encodeJson(constraints, value)), texts);
  assertEquals(texts.map((text) => decodeJson(constraints, text)), [NO_LIMITS, full]);
  assertEquals(decodeJson(constraints, '{"max_retries":0}'), NO_LIMITS);
  assertThrows(() => decodeJson(constraints, "{}"), TypeError, "missing field `max_retries`");
});

const BUNDLE =
  `{"capture_version":"v3","graph_id":"g","config":{"max_in_flight":null,"max_per_window":null,"rate_window":null,"deadline":null,"max_retries":0},"events":[{"event_id":"e1","event_time":{"secs":0,"nanos":0},"kind":"Command","payload":[],"payload_hash":"${EMPTY_HASH}"}],"decisions":[],"adapter_provenance":"none","runtime_provenance":"rpv1:sha256:test","egress_provenance":"epv1:sha256:x"}`;

Deno.test("a bundle is the golden one, compact and pretty, with one newline at its end (J-1)", () => {
  const bundle = parseCaptureBundle(BUNDLE);
  assertEquals(bundle, JSON.parse(BUNDLE));
  assertEquals(stringifyCaptureBundle(bundle), BUNDLE + "\n");
  // No number in it is a float, so the engine prints it as serde_json does.
  const pretty = JSON.stringify(JSON.parse(BUNDLE), null, 2) + "\n";
  assertEquals(stringifyCaptureBundle(bundle, "pretty"), pretty);
  assert(pretty.includes('"payload": [],') && pretty.includes('"decisions": [],'));
  assertEquals(parseCaptureBundle(pretty), bundle);
  const { egress_provenance: _, ...without } = asV3(bundle);
  assert(!stringifyCaptureBundle(without).includes("egress"));
});

Deno.test("a pretty payload has a line for each byte (J-1, J-13)", () => {
  const bundle = asV3(parseCaptureBundle(BUNDLE));
  bundle.events[0]!.payload = [123, 125];
  const pretty = stringifyCaptureBundle(bundle, "pretty");
  assertEquals(pretty, JSON.stringify(bundle, null, 2) + "\n");
});

Deno.test("decision records are the golden ones (CAP-3)", () => {
  const texts = [
    `{"event_id":"e2","decision":"Defer","schedule_at":{"secs":10,"nanos":0},"episode_id":1,"deadline":null,"termination":null,"retry_count":0,"effects":[]}`,
    `{"event_id":"e1","decision":"Invoke","schedule_at":null,"episode_id":0,"deadline":null,"termination":{"Failed":"RuntimeError"},"retry_count":2,"effects":[]}`,
  ];
  for (const text of texts) {
    const decision: EpisodeInvocationRecord = decodeJson(v3Decision, text);
    assertEquals(decision, JSON.parse(text));
    assertEquals(encodeJson(v3Decision, decision), text);
  }
  const withoutEffects = texts[0]!.replace(',"effects":[]', "");
  assertThrows(
    () => decodeJson(v3Decision, withoutEffects),
    TypeError,
    "missing field `effects`",
  );
  const withoutOptions =
    `{"event_id":"e","decision":"Invoke","episode_id":0,"retry_count":0,"effects":[]}`;
  assertEquals(decodeJson(v3Decision, withoutOptions).termination, null);
});

const EFFECTS: [text: string, hash: string][] = [
  [
    `{"kind":"set_context","writes":[{"key":"x","value":{"Number":1.0}}]}`,
    "55d64445c2438c7e5e64bd81f1a8e0d4ab3922df4a9f20f3344590178095fdb9",
  ],
  [
    `{"kind":"set_context","writes":[{"key":"x","value":{"Number":0.0}}]}`,
    "bf8c68f23f1690d90cecacb0916cf17188e139791db80a00da3ed3efc6e6f75d",
  ],
  [
    `{"kind":"set_context","writes":[{"key":"x","value":{"Number":-0.0}}]}`,
    "594fdd571bc8789817ce874592f0e69835798e4a5ab8632564d15d4f6fed5239",
  ],
  [
    `{"kind":"set_context","writes":[{"key":"x","value":{"Number":906.7979265841685}}]}`,
    "3266a1a669f5a840a2df9c459a7aef559362ffc823aa915f8e6872c0adf69cd6",
  ],
  [
    `{"kind":"place_order","writes":[],"intents":[{"kind":"place_order","intent_id":"eid1:sha256:7bcd7ee9ecd7693e52d4002344d580894a752a29591d616353d41b094efa0b7a","fields":[{"name":"qty","value":{"Number":42.0}},{"name":"sym","value":{"String":"EUR\\"é\\n"}},{"name":"lv","value":{"Series":[1.0,2.5]}},{"name":"on","value":{"Bool":true}}]}]}`,
    "a4608895fb1b42ea0ecb491cd9ce1bc5c500d6d6ad18ac238498c6d193dc6104",
  ],
];

Deno.test("effects and their hashes are the golden ones (EFX-1, W-ERGO-1)", () => {
  for (const [text, hash] of EFFECTS) {
    const effect = decodeJson(actionEffect, text);
    assertEquals(encodeJson(actionEffect, effect), text);
    assertEquals(computeEffectHash(effect), hash);
  }
});

Deno.test("computeEffectHash() leaves empty intents out (EFX-1)", () => {
  const effect: ActionEffect = { kind: "a", writes: [] };
  assertEquals(computeEffectHash({ ...effect, intents: [] }), computeEffectHash(effect));
});

Deno.test("computeEffectHash() refuses what has no JSON, and names the place (W-ERGO-11)", () => {
  for (const value of [NaN, Infinity, -Infinity]) {
    const effect = { kind: "a", writes: [{ key: "x", value: { Number: value } }] };
    assertThrows(() => computeEffectHash(effect), TypeError, "$.writes[0].value.Number");
  }
});

Deno.test("computeIntentId() gives the golden id (EFX-3)", () => {
  const identity = {
    graphId: "graph_alpha",
    eventId: "evt_001",
    nodeRuntimeId: "n42",
    intentKind: "place_order",
    ordinal: 3,
  };
  assertEquals(
    computeIntentId(identity),
    "eid1:sha256:157aed720bd20c1712cede0a499cf6607f687401a29d70ce5df5d2778f85a9fa",
  );
  assertThrows(() => computeIntentId({ ...identity, ordinal: -1 }), RangeError, "ordinal -1");
  assertThrows(() => computeIntentId({ ...identity, graphId: "\ud800" }), TypeError, "surrogate");
});

Deno.test("computeIntentId() does not confuse segments with their neighbours (EFX-3)", () => {
  const identity = { graphId: "a", eventId: "bc", nodeRuntimeId: "", intentKind: "", ordinal: 0 };
  const other = { ...identity, graphId: "ab", eventId: "c" };
  assert(computeIntentId(identity) !== computeIntentId(other));
});
