import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  CaptureError,
  computePayloadHash,
  ExternalEventPayloadError,
  type ExternalEventRecord,
  hasValidHash,
  recordEvent,
  rehydrateEvent,
} from "../../capture/mod.ts";
import { event } from "./_util.ts";

function recordOf(payload: string | Uint8Array): ExternalEventRecord {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  const record = recordEvent(event("e1"));
  return { ...record, payload: [...bytes], payload_hash: computePayloadHash(bytes) };
}

Deno.test("the hash is compared as text (EVT-2)", () => {
  const record = recordOf('{"x":1}');
  assert(hasValidHash(record));
  const upperCase = { ...record, payload_hash: record.payload_hash.toUpperCase() };
  assert(!hasValidHash(upperCase));
  const error = assertThrows(() => rehydrateEvent(upperCase), CaptureError);
  assertEquals(error.kind, "payload-hash-mismatch");
  assertEquals([error.details.expected, error.details.actual], [
    upperCase.payload_hash,
    record.payload_hash,
  ]);
  assertEquals(
    error.message,
    `payload hash mismatch (expected '${upperCase.payload_hash}', actual '${record.payload_hash}')`,
  );
});

Deno.test("a payload is nothing or one JSON object (EVT-3, EVT-7)", () => {
  assertEquals(rehydrateEvent(recordOf("")).context.size, 0);
  for (
    const [payload, got] of [
      ["null", "null"],
      ["true", "boolean"],
      ["1", "number"],
      ['"a"', "string"],
      ["[{}]", "array"],
    ] as const
  ) {
    const record = recordOf(payload);
    assert(hasValidHash(record));
    const error = assertThrows(() => rehydrateEvent(record), CaptureError);
    assertEquals(error.kind, "invalid-payload");
    assertEquals(error.message, `payload must be a JSON object, got ${got}`);
    assert(error.cause instanceof ExternalEventPayloadError);
  }
});

Deno.test("payloads that two readers could understand differently are refused", () => {
  const depth = (levels: number) => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
  const bad: (string | Uint8Array)[] = [
    "{",
    '\ufeff{"a":1}',
    '{"a":"\\ud800"}',
    '{"a":1e400}',
    depth(129),
    Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d),
  ];
  for (const payload of bad) {
    const error = assertThrows(() => rehydrateEvent(recordOf(payload)), CaptureError);
    assert(error.message.startsWith("payload bytes are not valid JSON: "), error.message);
  }
  rehydrateEvent(recordOf(depth(127)));
});

Deno.test("the context is derived again from the payload (EVT-4, EVT-5, REP-2)", () => {
  const payload = '{"n":1,"f":1.5,"s":"a","b":true,"l":[1,2.5],"e":[],"z":null,"o":{},"m":[1,"a"]}';
  const { context } = rehydrateEvent(recordOf(payload));
  assertEquals(Object.fromEntries(context), {
    n: { Number: 1 },
    f: { Number: 1.5 },
    s: { String: "a" },
    b: { Bool: true },
    l: { Series: [1, 2.5] },
    e: { Series: [] },
  });
});

Deno.test("the hash is checked before the payload (EVT-6)", () => {
  const record = { ...recordOf("[1]"), payload_hash: "none" };
  assertThrows(() => rehydrateEvent(record), CaptureError, "payload hash mismatch");
});

Deno.test("rehydrateEvent() gives back what recordEvent() took, and shares nothing", () => {
  const original = event("e1", 7, { payload: '{"x":[1,2]}', kind: "DataAvailable" });
  const record = recordEvent(original);
  const again = rehydrateEvent(record);
  assertEquals(again, original);
  record.payload[0] = 0;
  record.event_time = { secs: 0, nanos: 0 };
  assertEquals(again, original);
});
