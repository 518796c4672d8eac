import { assertEquals, assertThrows } from "@std/assert";
import {
  decodeAnswer,
  decodePayload,
  encodeAnswer,
  encodePayload,
  type JobAnswer,
  type JobPayload,
} from "../../cli/work/job.ts";

const PAYLOAD: Omit<JobPayload, "v"> = {
  run: ["sh", "-c", "true"],
  cwd: "sub",
  env: { CI: "1" },
  from_env: ["TOKEN"],
  secret: ["TOKEN"],
  timeout_ms: 5000,
  grace_ms: 100,
  max_output_bytes: 1024,
  needs_output: true,
  outputs: [{ name: "TAFFRAIL_OUTPUT_GEN", node_id: "gen", attempt: 2, sha256: "0f".repeat(32) }],
  unset: ["TAFFRAIL_OUTPUT_OTHER"],
  not_on: [2],
};

const ANSWER: Omit<JobAnswer, "v"> = {
  termination: { Failed: "RuntimeError" },
  end: { exit_code: 3, duration_ms: 12 },
  worker: "one",
  host: "here",
  notes: ["said"],
};

Deno.test("a job and its answer are read as they were written", () => {
  assertEquals(decodePayload(encodePayload(PAYLOAD)), { v: 1, ...PAYLOAD });
  const { timeout_ms: _, ...without } = PAYLOAD;
  assertEquals(decodePayload(encodePayload(without)), { v: 1, ...without });
  assertEquals(decodeAnswer(encodeAnswer(ANSWER)), { v: 1, ...ANSWER });
});

Deno.test("what is no job is refused, in words that say why", () => {
  const cases: [change: object, message: string][] = [
    [
      { v: 2 },
      "it has version 2, and 1 is known here; run the same version of taffrail everywhere",
    ],
    [{ run: [] }, "it names no program"],
    [{ run: "sh" }, "Cannot use run: expected an array"],
    [{ env: { A: 1 } }, "Cannot use env.A: expected a string"],
    [{ needs_output: 1 }, "Cannot use needs_output"],
    [{ grace_ms: -1 }, "Cannot use grace_ms"],
    [{ outputs: [{ ...PAYLOAD.outputs[0], sha256: "ff" }] }, "is no digest"],
    [{ shell: "sh" }, 'unknown field "shell"'],
  ];
  for (const [change, message] of cases) {
    const text = JSON.stringify({ v: 1, ...PAYLOAD, ...change });
    assertThrows(() => decodePayload(text), Error, message);
  }
  assertThrows(() => decodePayload("{"), TypeError, "Cannot use the job: ");
});

Deno.test("what is no answer is refused", () => {
  const cases: [change: object, message: string][] = [
    [{ v: undefined }, "version undefined"],
    [{ termination: 1 }, "it does not say how the attempt ended"],
    [{ end: [] }, "Cannot use end: expected an object"],
    [{ worker: 1 }, "Cannot use worker"],
    [{ more: 1 }, 'unknown field "more"'],
  ];
  for (const [change, message] of cases) {
    const text = JSON.stringify({ v: 1, ...ANSWER, ...change });
    assertThrows(() => decodeAnswer(text), TypeError, message);
  }
});
