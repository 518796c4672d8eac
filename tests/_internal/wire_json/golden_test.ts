import { assertEquals, assertThrows } from "@std/assert";
import {
  array,
  bool,
  type Codec,
  decodeJson,
  encodeJson,
  f64,
  nullable,
  optional,
  string,
  u64,
  usize,
} from "../../../_internal/wire_json/codec.ts";
import type { Duration } from "../../../_internal/event_time.ts";
import { duration } from "../../../_internal/wire_json/duration.ts";
import {
  externallyTagged,
  internallyTagged,
  unit,
  unitEnum,
} from "../../../_internal/wire_json/enums.ts";
import { parseJson } from "../../../_internal/wire_json/parse_json.ts";
import { printJson } from "../../../_internal/wire_json/print_json.ts";
import { closedStruct, struct } from "../../../_internal/wire_json/struct.ts";
import { bytes, omitEmpty } from "./_wire_types.ts";

/** The golden texts of the seeds (section 1.1, and 4.2 for tagged enums), both ways. */

interface Constraints {
  max_in_flight: number | null;
  max_per_window: number | null;
  rate_window: Duration | null;
  deadline: Duration | null;
  max_retries: number;
}

const constraints: Codec<Constraints> = struct({
  max_in_flight: nullable(usize),
  max_per_window: nullable(usize),
  rate_window: nullable(duration),
  deadline: nullable(duration),
  max_retries: usize,
});

const eventRecord = struct({
  event_id: string,
  event_time: duration,
  kind: unitEnum(["Pump", "DataAvailable", "Command"], { aliases: { Tick: "Pump" } }),
  payload: bytes,
  payload_hash: string,
});

const value = externallyTagged({ Number: f64, Series: array(f64), Bool: bool, String: string });

const effect = struct({
  kind: string,
  writes: array(struct({ key: string, value })),
  intents: omitEmpty(array(struct({
    kind: string,
    intent_id: string,
    fields: array(struct({ name: string, value })),
  }))),
});

const decisionRecord = struct({
  event_id: string,
  decision: unitEnum(["Invoke", "Skip", "Defer"]),
  schedule_at: nullable(duration),
  episode_id: u64,
  deadline: nullable(duration),
  termination: nullable(externallyTagged({
    Completed: unit,
    TimedOut: unit,
    Aborted: unit,
    Failed: unitEnum(["NetworkTimeout", "AdapterUnavailable", "RuntimeError"]),
  })),
  retry_count: usize,
  effects: array(struct({ effect, effect_hash: string })),
  interruption: optional(string),
});

const bundle = closedStruct({
  capture_version: string,
  graph_id: string,
  config: constraints,
  events: array(eventRecord),
  decisions: array(decisionRecord),
  adapter_provenance: string,
  runtime_provenance: string,
  egress_provenance: optional(string),
});

const EMPTY_HASH = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const EMPTY_CONSTRAINTS =
  '{"max_in_flight":null,"max_per_window":null,"rate_window":null,"deadline":null,"max_retries":0}';
const FULL_CONSTRAINTS = '{"max_in_flight":1,"max_per_window":2,' +
  '"rate_window":{"secs":1,"nanos":500000000},"deadline":{"secs":0,"nanos":0},"max_retries":3}';
const BUNDLE = `{"capture_version":"v3","graph_id":"g","config":${EMPTY_CONSTRAINTS},` +
  '"events":[{"event_id":"e1","event_time":{"secs":0,"nanos":0},"kind":"Command","payload":[],' +
  `"payload_hash":"${EMPTY_HASH}"}],"decisions":[],"adapter_provenance":"none",` +
  '"runtime_provenance":"rpv1:sha256:test","egress_provenance":"epv1:sha256:x"}';

function assertGolden<T>(codec: Codec<T>, value: T, text: string): void {
  assertEquals(encodeJson(codec, value), text);
  assertEquals(decodeJson(codec, text), value);
  const pretty = encodeJson(codec, value, { style: "pretty" });
  assertEquals(pretty, printPretty(text));
  assertEquals(decodeJson(codec, pretty), value);
}

/** Lays out a text anew without looking at its numbers. */
function printPretty(text: string): string {
  const keepNumbers = text.replace(/([:,[])(-?[0-9][0-9.eE+-]*)(?=[,}\]])/g, '$1"#$2"');
  return JSON.stringify(JSON.parse(keepNumbers), null, 2).replace(/"#([^"]*)"/g, "$1");
}

Deno.test("golden: constraints, empty and full", () => {
  const empty = { max_in_flight: null, max_per_window: null, rate_window: null, deadline: null };
  assertGolden(constraints, { ...empty, max_retries: 0 }, EMPTY_CONSTRAINTS);
  assertGolden(constraints, {
    max_in_flight: 1,
    max_per_window: 2,
    rate_window: { secs: 1, nanos: 500000000 },
    deadline: { secs: 0, nanos: 0 },
    max_retries: 3,
  }, FULL_CONSTRAINTS);
  assertEquals(decodeJson(constraints, '{"max_retries":0}'), { ...empty, max_retries: 0 });
  assertThrows(() => decodeJson(constraints, "{}"), TypeError, "missing field `max_retries`");
});

Deno.test("golden: event records with and without payload", () => {
  assertGolden(
    eventRecord,
    {
      event_id: "evt-1",
      event_time: { secs: 1, nanos: 500000000 },
      kind: "Command",
      payload: new TextEncoder().encode('{"x":1}'),
      payload_hash: "5041bf1f713df204784353e82f6a4a535931cb64f1f4b4a5aeaffcb720918b22",
    },
    '{"event_id":"evt-1","event_time":{"secs":1,"nanos":500000000},"kind":"Command",' +
      '"payload":[123,34,120,34,58,49,125],' +
      '"payload_hash":"5041bf1f713df204784353e82f6a4a535931cb64f1f4b4a5aeaffcb720918b22"}',
  );
  const pump = `{"event_id":"e0","event_time":{"secs":0,"nanos":0},"kind":"Pump","payload":[],` +
    `"payload_hash":"${EMPTY_HASH}"}`;
  assertGolden(eventRecord, {
    event_id: "e0",
    event_time: { secs: 0, nanos: 0 },
    kind: "Pump",
    payload: new Uint8Array(0),
    payload_hash: EMPTY_HASH,
  }, pump);
  assertEquals(
    encodeJson(eventRecord, decodeJson(eventRecord, pump.replace("Pump", "Tick"))),
    pump,
  );
});

Deno.test("golden: decision records", () => {
  assertGolden(
    decisionRecord,
    {
      event_id: "e2",
      decision: "Defer",
      schedule_at: { secs: 10, nanos: 0 },
      episode_id: 1,
      deadline: null,
      termination: null,
      retry_count: 0,
      effects: [],
    },
    '{"event_id":"e2","decision":"Defer","schedule_at":{"secs":10,"nanos":0},"episode_id":1,' +
      '"deadline":null,"termination":null,"retry_count":0,"effects":[]}',
  );
  assertGolden(
    decisionRecord,
    {
      event_id: "e1",
      decision: "Invoke",
      schedule_at: null,
      episode_id: 0,
      deadline: null,
      termination: { Failed: "RuntimeError" },
      retry_count: 2,
      effects: [],
    },
    '{"event_id":"e1","decision":"Invoke","schedule_at":null,"episode_id":0,"deadline":null,' +
      '"termination":{"Failed":"RuntimeError"},"retry_count":2,"effects":[]}',
  );
});

Deno.test("golden: a bundle, compact and pretty; its legacy field is refused", () => {
  const parsed = decodeJson(bundle, BUNDLE);
  assertGolden(bundle, parsed, BUNDLE);
  const pretty = encodeJson(bundle, parsed, { style: "pretty" });
  assertEquals(pretty.includes('      "payload": [],\n'), true);
  assertEquals(pretty.includes('\n  "decisions": [],\n'), true);
  const legacy = BUNDLE.replace("adapter_provenance", "adapter_version");
  assertThrows(() => decodeJson(bundle, legacy), TypeError, "unknown field `adapter_version`");
});

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).toHex();
}

Deno.test("golden: effects, whose hashes are those of the printed text (EFX-1, J-4)", async () => {
  const table: [number, string, string][] = [
    [1, "1.0", "55d64445c2438c7e5e64bd81f1a8e0d4ab3922df4a9f20f3344590178095fdb9"],
    [0, "0.0", "bf8c68f23f1690d90cecacb0916cf17188e139791db80a00da3ed3efc6e6f75d"],
    [-0, "-0.0", "594fdd571bc8789817ce874592f0e69835798e4a5ab8632564d15d4f6fed5239"],
    [
      906.7979265841685,
      "906.7979265841685",
      "3266a1a669f5a840a2df9c459a7aef559362ffc823aa915f8e6872c0adf69cd6",
    ],
  ];
  for (const [number, printed, hash] of table) {
    const text = `{"kind":"set_context","writes":[{"key":"x","value":{"Number":${printed}}}]}`;
    const writes = [{ key: "x", value: { Number: number } }];
    assertGolden(effect, { kind: "set_context", writes, intents: [] }, text);
    assertEquals(await sha256(text), hash);
  }
});

Deno.test("golden: an effect with an intent of every type of value (EFX-1)", async () => {
  const intentId = "eid1:sha256:7bcd7ee9ecd7693e52d4002344d580894a752a29591d616353d41b094efa0b7a";
  const fields = [
    { name: "qty", value: { Number: 42 } },
    { name: "sym", value: { String: 'EUR"é\n' } },
    { name: "lv", value: { Series: [1, 2.5] } },
    { name: "on", value: { Bool: true } },
  ];
  const intents = [{ kind: "place_order", intent_id: intentId, fields }];
  const text = '{"kind":"place_order","writes":[],"intents":[{"kind":"place_order",' +
    `"intent_id":"${intentId}","fields":[{"name":"qty","value":{"Number":42.0}},` +
    '{"name":"sym","value":{"String":"EUR\\"é\\n"}},{"name":"lv","value":{"Series":[1.0,2.5]}},' +
    '{"name":"on","value":{"Bool":true}}]}]}';
  assertGolden(effect, { kind: "place_order", writes: [], intents }, text);
  assertEquals(
    await sha256(text),
    "a4608895fb1b42ea0ecb491cd9ce1bc5c500d6d6ad18ac238498c6d193dc6104",
  );
});

Deno.test("golden: requests and events of the worker store, with tags inside (J-12)", () => {
  const reference = struct({ runtime_id: string, worker_id: string });
  const event = struct({
    id: u64,
    worker_ref: optional(reference),
    kind: internallyTagged("kind", { runtime_started: {}, worker_created: {} }),
    message: string,
  });
  const request = struct({
    intent: internallyTagged("kind", {
      assistant: { purpose: optional(string) },
      task: { objective: string },
    }),
    profile: internallyTagged("kind", { runtime_default: {}, builtin: { value: string } }),
    requested_capabilities: omitEmpty(array(struct({ name: string, reason: optional(string) }))),
  });
  const texts: [Codec<unknown>, string][] = [
    [event as Codec<unknown>, '{"id":1,"kind":{"kind":"runtime_started"},"message":"started"}'],
    [
      event as Codec<unknown>,
      '{"id":2,"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},' +
      '"kind":{"kind":"worker_created"},"message":"worker worker-00000001 created"}',
    ],
    [
      request as Codec<unknown>,
      '{"intent":{"kind":"task","objective":"do it"},' +
      '"profile":{"kind":"builtin","value":"builtin:coder"},' +
      '"requested_capabilities":[{"name":"read"}]}',
    ],
    [
      request as Codec<unknown>,
      '{"intent":{"kind":"assistant"},"profile":{"kind":"runtime_default"}}',
    ],
  ];
  for (const [codec, text] of texts) assertGolden(codec, decodeJson(codec, text), text);
});

Deno.test("golden: the free JSON of traces keeps 1.0 and 1 apart and is sorted (J-2, J-4)", () => {
  const text = '{"a":[1.0,true,null],"b":1}';
  assertEquals(printJson(parseJson(' { "b" : 1 , "a" : [ 1.0 , true , null ] } ')), text);
});
