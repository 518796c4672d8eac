// deno-lint-ignore-file no-console -- what it found is read from its output
/**
 * Records a million steps with some always in flight, and prints the memory after a tenth of them and
 * after all. Arguments: a directory, and how many bytes of text the recorder may hold.
 */
import { type NodeEvent, TraceRecorder } from "../../trace/mod.ts";
import { sampleEvent } from "../harness/sample_events.ts";

const STEPS = 1_000_000;
const IN_FLIGHT = 100;
const [directory = ".", bufferBytes = "0"] = Deno.args;

const recorder = new TraceRecorder({
  config: {
    outPath: `${directory}/trace.json`,
    bufferSize: 1000,
    bufferBytes: Number(bufferBytes),
    captureInputs: true,
  },
  context: { pack_ref: "bench", flow_id: "bench" },
});

function eventOf(index: number): NodeEvent {
  return {
    context: { flow_id: "bench", attempt: 1 },
    node_id: "node",
    node: { component_id: "component", operation_name: "run" },
    payload: sampleEvent(index),
    execution_id: `execution-${index}`,
  };
}

/** Records the steps up to this one. */
function recordUpTo(end: number): void {
  for (; next < end; next++) {
    recorder.onNodeStart(eventOf(next));
    if (next >= IN_FLIGHT) recorder.onNodeEnd(eventOf(next - IN_FLIGHT), sampleEvent(next));
  }
}

function mebibytes(): { heap: number; rss: number } {
  (globalThis as unknown as { gc(): void }).gc();
  const { heapUsed, rss } = Deno.memoryUsage();
  return { heap: heapUsed / 2 ** 20, rss: rss / 2 ** 20 };
}

let next = 0;
recordUpTo(STEPS / 10);
const early = mebibytes();
recordUpTo(STEPS);
const late = mebibytes();
const flushed = recorder.flushBufferSync();
if (flushed.outcome !== "written") throw new Error(`The trace was not written: ${flushed.outcome}`);
console.log(JSON.stringify({ early, late }));
