/**
 * Lesson 4: a flight recorder. The last steps of a flow are kept in memory, and written when one of
 * them fails: what has ended, what failed and of what, and what was in flight at that moment.
 *
 * Run: deno run --allow-read=.taffrail-examples --allow-write=.taffrail-examples examples/04_trace.ts
 */
// deno-lint-ignore-file no-console -- an example prints
import { type NodeEvent, readTrace, toChromeTrace, TraceRecorder } from "@taffrail/taffrail/trace";

const directory = ".taffrail-examples/trace";
await Deno.mkdir(directory, { recursive: true });
const recorder = new TraceRecorder({
  // Inputs are written as digests, unless you ask for the inputs themselves.
  config: { outPath: `${directory}/trace.json`, captureInputs: true },
  context: { pack_ref: "examples", flow_id: "thumbnails" },
});

async function resize(file: string): Promise<string> {
  if (file === "d.png") await Promise.withResolvers<void>().promise; // It hangs.
  await new Promise((resolve) => setTimeout(resolve, file === "c.png" ? 40 : 10));
  if (file !== "c.png") return `small/${file}`;
  throw new Error("Cannot resize c.png", { cause: new RangeError("it ends after 12 bytes") });
}

/** A step tells the recorder when it starts and how it ends; your flow engine would do that. */
async function step(file: string): Promise<void> {
  const event: NodeEvent = {
    context: { flow_id: "thumbnails", attempt: 1 },
    node_id: file,
    node: { component_id: "resize", operation_name: "run" },
    payload: { file, width: 80 },
  };
  recorder.onNodeStart(event);
  try {
    recorder.onNodeEnd(event, await resize(file));
  } catch (error) {
    // The trace is on disk when this returns, even if the program dies right after.
    recorder.onNodeError(event, error);
    throw error;
  }
}

try {
  await Promise.all(["a.png", "b.png", "c.png", "d.png"].map(step));
  await recorder.flushSuccess();
} catch (error) {
  await recorder.flushError(error);
}

const trace = await readTrace(recorder.path);
for (const { node_id: node, status, invocation_json: invocation, error } of trace.steps) {
  console.log(`${node}: ${status}, of ${JSON.stringify(invocation)}`);
  for (const { name, message } of (error?.details ?? []) as { name: string; message: string }[]) {
    console.log(`  ${name}: ${message}`);
  }
}

// Steps that overlap are drawn in lanes of their own.
const path = `${directory}/chrome.json`;
await Deno.writeTextFile(path, JSON.stringify(toChromeTrace(trace)));
console.log(`open ${path} in https://ui.perfetto.dev or in chrome://tracing`);
