import { assert, assertEquals, assertThrows } from "@std/assert";
import { decodeJson, encodeJson } from "../../_internal/wire_json/codec.ts";
import {
  eventLog,
  type LogCodec,
  runtimeEvent,
  transcriptEntry,
  transcriptLog,
} from "../../store/files/log_codecs.ts";
import type { RuntimeEvent, TranscriptEntry } from "../../store/types.ts";
import { GOLDEN_EVENTS, GOLDEN_TRANSCRIPT } from "./_golden.ts";

const encoder = new TextEncoder();

function parse<T>(log: LogCodec<T>, text: string): T {
  const verdict = log.parse(encoder.encode(text));
  assert("record" in verdict, `${text}: ${JSON.stringify(verdict)}`);
  return verdict.record;
}

function problemOf<T>(log: LogCodec<T>, line: string | Uint8Array): string {
  const verdict = log.parse(typeof line === "string" ? encoder.encode(line) : line);
  assert("problem" in verdict, JSON.stringify(verdict));
  return verdict.problem;
}

const ref = { runtime_id: "rt-1", worker_id: "worker-00000001" };
const entry: TranscriptEntry = {
  sequence: 1,
  worker_ref: ref,
  role: "system",
  content: "",
  event_id: 3,
};

Deno.test("the lines of the golden logs are read and printed again byte for byte (FRS-13)", () => {
  for (const line of GOLDEN_EVENTS.trimEnd().split("\n")) {
    assertEquals(eventLog.print(parse(eventLog, line)), line);
    const prefix = new TextDecoder().decode(eventLog.numberPrefix);
    assert(line.startsWith(`${prefix}${eventLog.numberOf(parse(eventLog, line))},`));
  }
  const line = GOLDEN_TRANSCRIPT.trimEnd();
  assertEquals(transcriptLog.print(parse(transcriptLog, line)), line);
  assert(line.startsWith(`${new TextDecoder().decode(transcriptLog.numberPrefix)}1,`));
});

Deno.test("the fast printer prints what the codec prints, whatever the text (J-3)", () => {
  for (const content of ["", "\u2028\u2029", "\u0000\u001f\u007f", '"\\/', "é\u{1f600}\uffff"]) {
    const spoken = { ...entry, content };
    assertEquals(transcriptLog.print(spoken), encodeJson(transcriptEntry, spoken));
    assertEquals(parse(transcriptLog, transcriptLog.print(spoken)), spoken);
    const kind = { kind: "runtime_stopped" } as const;
    const event: RuntimeEvent = { message: content, kind, worker_ref: ref, id: 1 };
    assertEquals(eventLog.print(event), encodeJson(runtimeEvent, event));
    assertEquals(decodeJson(runtimeEvent, eventLog.print(event)), event);
  }
  assert(transcriptLog.print({ ...entry, content: "\u2028" }).includes("\u2028"));
});

Deno.test("printing refuses lone surrogates, numbers that would be rounded and other types", () => {
  assertThrows(() => transcriptLog.print({ ...entry, content: "\ud800" }), TypeError, "surrogate");
  assertThrows(() => transcriptLog.print({ ...entry, sequence: 2 ** 53 }), RangeError, "sequence");
  assertThrows(() => transcriptLog.print({ ...entry, sequence: -1 }), RangeError, "sequence");
  assertThrows(() => transcriptLog.print({ ...entry, role: "robot" as "user" }), TypeError);
});

Deno.test("unknown fields of a record are kept (J-10)", () => {
  const line = '{"id":1,"kind":{"kind":"runtime_started","of":"x"},"message":"m","weight":1.0}';
  const event = parse(eventLog, line);
  assertEquals(event.message, "m");
  assertEquals(eventLog.print(event), line);
});

Deno.test("CRLF and white space around a record are fine, a blank line is told apart (FRS-7)", () => {
  const line = GOLDEN_TRANSCRIPT.trimEnd();
  const plain = parse(transcriptLog, line);
  assertEquals(parse(transcriptLog, `${line}\r`), plain);
  assertEquals(parse(transcriptLog, `\t ${line} `), plain);
  for (const blank of ["", " ", "\t\r"]) {
    assertEquals(transcriptLog.parse(encoder.encode(blank)), { blank: true });
  }
});

Deno.test("a line that holds no record says why (FRS-7)", () => {
  const table: [line: string, problem: string][] = [
    ['{"id":1,"kind":{"kind":"runtime_started"},"mess', "EOF while parsing a string at column 47"],
    ['{"id":1}', "missing field `kind`"],
    ['{"id":"1","kind":{"kind":"runtime_started"},"message":""}', "invalid type: string"],
    ['{"id":1,"kind":{"kind":"dance"},"message":""}', "unknown variant `dance`"],
    ['{"id":9007199254740993,"kind":{"kind":"runtime_started"},"message":""}', "9007199254740993"],
    ['{"id":1,"kind":{"kind":"runtime_started"},"message":"\\ud800"}', "lone surrogate"],
    ['{"id":1,"kind":{"kind":"runtime_started"},"message":""}{}', "trailing characters"],
    ["\ufeff{}", "byte order mark"],
    ["[]", "invalid type: sequence"],
    ["null", "invalid type: null"],
    ["\0\0\0", "expected value"],
  ];
  for (const [line, problem] of table) {
    const told = problemOf(eventLog, line);
    assert(told.includes(problem), `${line}: ${told}`);
  }
  assertEquals(
    problemOf(eventLog, new Uint8Array([0x22, 0xff, 0x22])),
    "stream did not contain valid UTF-8",
  );
});
