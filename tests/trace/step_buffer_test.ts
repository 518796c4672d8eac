import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { RecordedStep, RecordedValue } from "../../trace/recorded_step.ts";
import { StepBuffer } from "../../trace/step_buffer.ts";
import { hashValue, readTrace, TraceRecorder } from "../../trace/mod.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { eventOf, ManualClock, optionsFor, readEnvelope } from "./_util.ts";

const MEBIBYTE = 1024 * 1024;

function textOf(length: number, mark: number): string {
  return JSON.stringify(`${mark}`.padEnd(Math.max(0, length - 2), "x"));
}

Deno.test("the buffer holds the newest steps, no more text than allowed, and every digest (TRC-10)", () => {
  const random = new Random(seed());
  for (let round = 0; round < longCount(60, 2000); round++) {
    const bounds = {
      bufferSize: random.below(6),
      bufferBytes: random.below(800),
      captureInputs: random.chance(0.5),
    };
    const buffer = new StepBuffer(bounds);
    const inFlight: [RecordedStep, string][] = [];
    const ended: [RecordedStep, input: string, output: string][] = [];
    let captured = 0;
    for (let n = 0; n < 60; n++) {
      if (inFlight.length === 0 || random.chance(0.5)) {
        const step = new RecordedStep(n, new ManualClock(), eventOf("a"));
        const text = textOf(random.below(100), n);
        buffer.hold(step, step.input, text);
        captured += text.length * 2;
        inFlight.push([step, text]);
      } else {
        const [[step, input]] = inFlight.splice(random.below(inFlight.length), 1) as [
          [RecordedStep, string],
        ];
        step.output = new RecordedValue("output");
        const output = textOf(random.below(100), n);
        buffer.hold(step, step.output, output);
        buffer.push(step);
        ended.push([step, input, output]);
      }
      const kept = ended.slice(Math.max(0, ended.length - bounds.bufferSize));
      assertEquals(buffer.all(), kept.map(([step]) => step));
      assertEquals(buffer.size, kept.length);
      assertEquals(buffer.droppedSteps, ended.length - kept.length);
      const held = [...kept.map(([step]) => step), ...inFlight.map(([step]) => step)]
        .flatMap(({ input, output }) => [input.text, output?.text])
        .reduce((sum, text) => sum + (text?.length ?? 0) * 2, 0);
      assertEquals(buffer.heldBytes, held);
      assert(held <= bounds.bufferBytes);
      assert(buffer.droppedBytes <= captured);
      if (!bounds.captureInputs) assertEquals(buffer.droppedBytes, 0);
    }
    for (const [step, input, output] of ended.slice(ended.length - buffer.size)) {
      assertEquals(step.input.hash().hash, hashValue(JSON.parse(input)));
      assertEquals(step.output!.hash().hash, hashValue(JSON.parse(output)));
    }
    for (const [step, input] of inFlight) {
      assertEquals(step.input.hash().hash, hashValue(JSON.parse(input)));
    }
  }
});

Deno.test("large texts wait for the flush too, which computes their digests once", () => {
  for (const captureInputs of [false, true]) {
    const buffer = new StepBuffer({ bufferSize: 2, bufferBytes: 16 * MEBIBYTE, captureInputs });
    const text = textOf(MEBIBYTE, 0);
    const step = new RecordedStep(1, new ManualClock(), eventOf("a"));
    buffer.hold(step, step.input, text);
    step.output = new RecordedValue("output");
    buffer.hold(step, step.output, text);
    buffer.push(step);
    assertEquals(buffer.heldBytes, 4 * MEBIBYTE);
    buffer.settle([step]);
    assertEquals(buffer.heldBytes, captureInputs ? 2 * MEBIBYTE : 0);
    for (const value of [step.input, step.output]) {
      const { hash } = value.hash();
      assertEquals(hash, hashValue(JSON.parse(text)));
      assertStrictEquals(value.hash().hash, hash);
    }
  }
});

Deno.test("the bound of bytes holds with payloads of 1 MiB; no step and no digest is lost for it (W-TRC-6)", () =>
  withTempDir(async (directory) => {
    const payload = (n: number) => ({ n, text: "x".repeat(MEBIBYTE) });
    const config = { captureInputs: true, bufferBytes: 5 * MEBIBYTE, bufferSize: 4 };
    const recorder = new TraceRecorder(optionsFor(directory, config));
    for (let n = 0; n < 4; n++) {
      recorder.onNodeStart(eventOf("a", { payload: payload(n) }));
      recorder.onNodeEnd(eventOf("a"), n);
    }
    for (let n = 4; n < 6; n++) {
      recorder.onNodeStart(eventOf("b", { payload: payload(n), execution_id: `${n}` }));
    }
    recorder.flushBufferSync();
    const { steps, dropped_bytes, dropped_steps } = await readTrace(recorder.path);
    assertEquals(
      steps.map(({ input_hash }) => input_hash),
      [0, 1, 2, 3, 4, 5].map((n) => {
        return hashValue(payload(n));
      }),
    );
    assertEquals(steps.map(({ input_dropped }) => input_dropped), [
      true,
      true,
      true,
      true,
      undefined,
      undefined,
    ]);
    assertEquals(steps.map((step) => "invocation_json" in step), [
      false,
      false,
      false,
      false,
      true,
      true,
    ]);
    assertEquals(dropped_steps, 0);
    const perStep = JSON.stringify(payload(0)).length * 2;
    assertEquals(dropped_bytes, 4 * perStep);
  }));

Deno.test("the oldest texts make room for the newest", () =>
  withTempDir((directory) => {
    const config = { captureInputs: true, bufferSize: 3, bufferBytes: 250 };
    // Any number of small steps before, so that the large ones stand anywhere in the ring.
    for (let small = 0; small < 6; small++) {
      const recorder = new TraceRecorder(optionsFor(directory, config));
      for (let n = 0; n < small + 3; n++) {
        recorder.onNodeStart(eventOf("a", { payload: n < small ? "" : "x".repeat(48) }));
        recorder.onNodeEnd(eventOf("a"), 1);
      }
      recorder.flushBufferSync();
      const { steps } = readEnvelope(recorder.path);
      const dropped = steps.map(({ input_dropped }) => input_dropped);
      assertEquals(dropped, [true, undefined, undefined], `${small}`);
    }
  }));

Deno.test("a single payload over the bound is kept by its digest alone", () =>
  withTempDir((directory) => {
    const config = { captureInputs: true, bufferBytes: 1000 };
    const recorder = new TraceRecorder(optionsFor(directory, config));
    const payload = "x".repeat(MEBIBYTE);
    recorder.onNodeStart(eventOf("a", { payload }));
    recorder.onNodeEnd(eventOf("a"), payload);
    recorder.onNodeStart(eventOf("b", { payload: "small" }));
    recorder.onNodeEnd(eventOf("b"), "small");
    recorder.flushBufferSync();
    const [a, b] = readEnvelope(recorder.path).steps;
    assertEquals([a!.input_hash, a!.output_hash], [hashValue(payload), hashValue(payload)]);
    assertEquals([a!.input_dropped, "invocation_json" in a!], [true, false]);
    assertEquals([b!.input_dropped, "invocation_json" in b!], [undefined, true]);
    assert(Deno.statSync(recorder.path).size < 4000);
  }));

Deno.test("without captured inputs the bound of bytes loses nothing", () =>
  withTempDir((directory) => {
    const run = (bufferBytes: number) => {
      const recorder = new TraceRecorder(optionsFor(directory, { bufferBytes }));
      for (let n = 0; n < 30; n++) {
        recorder.onNodeStart(eventOf("a", { payload: "x".repeat(n) }));
        recorder.onNodeEnd(eventOf("a"), n);
      }
      recorder.flushBufferSync();
      return Deno.readTextFileSync(recorder.path);
    };
    assertEquals(run(0), run(MEBIBYTE));
    assertEquals(run(100), run(MEBIBYTE));
  }));

Deno.test("a long run holds no more than its newest steps", () =>
  withTempDir((directory) => {
    const count = longCount(20_000, 1_000_000);
    const recorder = new TraceRecorder(optionsFor(directory));
    for (let n = 0; n < count; n++) {
      recorder.onNodeStart(eventOf("a", { payload: n, execution_id: `${n}` }));
      recorder.onNodeEnd(eventOf("a", { execution_id: `${n}` }), n);
    }
    recorder.flushBufferSync();
    const { steps, dropped_steps } = readEnvelope(recorder.path);
    assertEquals(dropped_steps, count - 20);
    assertEquals(
      steps.map(({ step }) => step),
      Array.from({ length: 20 }, (_, n) => {
        return count - 19 + n;
      }),
    );
    assertEquals(steps[19]!.output_hash, hashValue(count - 1));
  }));
