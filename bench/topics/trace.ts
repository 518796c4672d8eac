import { crypto } from "@std/crypto/crypto";
import { type ExecutionObserver, type NodeEvent, TraceRecorder } from "../../trace/mod.ts";
import { askProgram } from "../harness/child.ts";
import { type Case, measureRounds, spreadOf, timeEach } from "../harness/rounds.ts";
import { sampleEvent, sampleEvents } from "../harness/sample_events.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { type Fact, type Ratio, ratioOf, type Topic } from "../harness/topic.ts";
import { loadSpanTracer, type SpanTracer } from "../peers/otel.ts";

const ROUNDS = 21;
const RECORD_STEPS = new URL("../programs/record_steps.ts", import.meta.url);
const encoder = new TextEncoder();

/** A flow that has done so many steps is long. */
const STEPS_A_FLUSH = 1000;

/** A payload, and how many steps and spans with it a round has. */
interface Size {
  name: string;
  payload: unknown;
  steps: number;
  spans: number;
}

const SMALL: Size = { name: "200 B", payload: sampleEvent(0), steps: 10_000, spans: 5000 };
const LARGE: Size = {
  name: "100 KiB",
  payload: { items: sampleEvents(507) },
  steps: 200,
  spans: 50,
};

const floorName = ({ name }: Size) => `${name}: JSON.stringify twice`;
const stepName = ({ name }: Size) => `${name}: start and end of a step`;
const flushedName = ({ name }: Size) =>
  `${name}: the same, with a flush after ${STEPS_A_FLUSH} steps`;
const spanName = ({ name }: Size) => `${name}: OpenTelemetry, a span without digests`;
const digestedName = ({ name }: Size) => `${name}: OpenTelemetry, a span with both digests`;
const NO_OP = "a step that stringifies 200 B, told to an observer that does nothing";
const OFF = "the same, told to a recorder in mode off";

const context = { pack_ref: "bench", flow_id: "bench" };

/** Events for steps, made before the measurement, since the floor has none. */
function eventsOf({ payload }: Size): NodeEvent[] {
  return Array.from({ length: STEPS_A_FLUSH }, (_, index) => ({
    context: { flow_id: "bench", attempt: 1 },
    node_id: "node",
    node: { component_id: "component", operation_name: "run" },
    payload,
    execution_id: `execution-${index}`,
  }));
}

/** Records a step with each of the events in turn. */
function recordSteps(
  recorder: ExecutionObserver,
  count: number,
  events: readonly NodeEvent[],
): number {
  return timeEach(count, (index) => {
    const event = events[index % events.length]!;
    recorder.onNodeStart(event);
    recorder.onNodeEnd(event, event.payload);
  });
}

/** What a span has to do for itself if its input and output are to have digests. */
function digestOf(value: unknown): string {
  const bytes = encoder.encode(JSON.stringify(value));
  return new Uint8Array(crypto.subtle.digestSync("BLAKE3", bytes)).toHex();
}

function spanCase(name: string, size: Size, parts: {
  tracer: SpanTracer;
  attributeOf: (payload: unknown) => string;
}): Case {
  const { tracer, attributeOf } = parts;
  const run = () => {
    const microseconds = timeEach(size.spans, () => {
      const span = tracer.startSpan("node", {
        component_id: "component",
        operation: "run",
        attempt: 1,
        input_hash: attributeOf(size.payload),
      });
      span.setAttribute("output_hash", attributeOf(size.payload));
      span.end();
    });
    const spans = tracer.takeCount();
    if (spans !== size.spans) throw new Error(`${spans} spans were kept and not ${size.spans}`);
    return microseconds;
  };
  return { name, run };
}

function casesOf(size: Size, tracer: SpanTracer): Case[] {
  const events = eventsOf(size);
  const constant = digestOf(null);
  const newRecorder = (directory: string) =>
    new TraceRecorder({ config: { outPath: `${directory}/trace.json` }, context });
  return [
    {
      name: floorName(size),
      run: () =>
        timeEach(size.steps, () => {
          JSON.stringify(size.payload);
          JSON.stringify(size.payload);
        }),
    },
    {
      name: stepName(size),
      run: () => recordSteps(newRecorder("."), size.steps, events),
    },
    {
      name: flushedName(size),
      run: () =>
        withDirectory((directory) => {
          const recorder = newRecorder(directory);
          const start = performance.now();
          recordSteps(recorder, STEPS_A_FLUSH, events);
          const { outcome } = recorder.flushBufferSync();
          if (outcome !== "written") throw new Error(`The trace was not written: ${outcome}`);
          return (performance.now() - start) * 1000 / STEPS_A_FLUSH;
        }),
    },
    spanCase(spanName(size), size, { tracer, attributeOf: () => constant }),
    spanCase(digestedName(size), size, { tracer, attributeOf: digestOf }),
  ];
}

/** What an observer costs a program that does next to nothing else. */
function observedCase(name: string, observer: ExecutionObserver): Case {
  const events = eventsOf(SMALL);
  const run = () =>
    timeEach(100_000, (index) => {
      const event = events[index % events.length]!;
      observer.onNodeStart(event);
      JSON.stringify(event.payload);
      observer.onNodeEnd(event, event.payload);
    });
  return { name, run };
}

const noOp: ExecutionObserver = {
  onNodeStart() {},
  onNodeEnd() {},
  onNodeError() {},
};

/** Memory after 100,000 and 1,000,000 steps, at the bound of steps and at that of bytes too. */
async function measureMemory(): Promise<{ ratios: Ratio[]; facts: Fact[] }> {
  const ratios: Ratio[] = [];
  const facts: Fact[] = [];
  const bounds = { "the bound of steps": 2 ** 24, "both bounds": 2 ** 18 };
  for (const [name, bytes] of Object.entries(bounds)) {
    const { early, late } = await withDirectory((directory) =>
      askProgram<Record<"early" | "late", { heap: number; rss: number }>>(RECORD_STEPS, {
        args: [directory, String(bytes)],
        flags: ["--v8-flags=--expose-gc"],
      })
    );
    ratios.push({
      what: `heap after 1,000,000 steps ÷ after 100,000, at ${name}`,
      spread: spreadOf([late.heap / early.heap]),
      atMost: 1.1,
    });
    const value = `heap ${early.heap.toFixed(1)}, then ${late.heap.toFixed(1)} MiB, ` +
      `process ${early.rss.toFixed(0)}, then ${late.rss.toFixed(0)} MiB`;
    facts.push({ what: `memory at ${name}`, value });
  }
  return { ratios, facts };
}

/**
 * A step against what a recorder cannot do without, and against spans.
 *
 * A recorder computes the digests of those steps only that are in the file: all its cost is in the case
 * with a flush, which writes the file to disk. A span's attributes are set when it ends, so its digests
 * cannot wait; they are of the plain text, while a trace's are of the sorted one. The exporter keeps all
 * spans, the recorder the last 20 steps. Where the stand-in for `@std/crypto` is used, both compute
 * BLAKE3 in JavaScript; the real package has it in WebAssembly, and then spans lose less.
 */
export const trace: Topic = {
  name: "trace",
  title: "steps of a trace, in memory",
  async measure() {
    const tracer = await loadSpanTracer();
    const off = new TraceRecorder({ config: { mode: "off" }, context });
    const rounds = await measureRounds([
      ...casesOf(SMALL, tracer),
      ...casesOf(LARGE, tracer),
      observedCase(NO_OP, noOp),
      observedCase(OFF, off),
    ], ROUNDS);
    const memory = await measureMemory();
    return {
      operation: "a step",
      rounds,
      ratios: [
        ratioOf(rounds, { of: stepName(SMALL), to: floorName(SMALL) }, { atMost: 2 }),
        ratioOf(rounds, { of: stepName(LARGE), to: floorName(LARGE) }, { atMost: 2 }),
        ratioOf(rounds, { of: digestedName(SMALL), to: flushedName(SMALL) }, { atLeast: 5 }),
        ratioOf(rounds, { of: digestedName(LARGE), to: flushedName(LARGE) }, { atLeast: 5 }),
        ratioOf(rounds, { of: spanName(SMALL), to: flushedName(SMALL) }),
        ratioOf(rounds, { of: spanName(LARGE), to: flushedName(LARGE) }),
        ratioOf(rounds, { of: OFF, to: NO_OP }, { atMost: 1.05 }),
        ...memory.ratios,
      ],
      facts: memory.facts,
    };
  },
};
