/**
 * A program that awaits what can never come, at its top level, with what listens to signals: flush, run,
 * both or none. When it has something else to wait for it says so: `waiting`.
 */
import { openRun } from "../../../run/mod.ts";
import { installCrashFlush, TraceRecorder } from "../../../trace/mod.ts";

const [directory = "", what = "none", wait = "nothing"] = Deno.args;

function tracing(name: string): Disposable {
  const recorder = new TraceRecorder({
    config: { outPath: `${directory}/${name}.json` },
    context: { pack_ref: "demo", flow_id: "demo.flow" },
  });
  const node = { node_id: "a", node: { component_id: "c" }, payload: null, execution_id: "a" };
  recorder.onNodeStart({ ...node, context: { flow_id: "demo.flow", attempt: 1 } });
  return installCrashFlush(recorder);
}

const encode = (text: string) => new TextEncoder().encode(text);
const isWaiting = Promise.withResolvers<void>();
if (what.includes("flush")) tracing("trace");
if (what.includes("second")) tracing("second");
if (what.includes("disposed")) tracing("disposed")[Symbol.dispose]();
if (what.includes("run")) {
  const run = await openRun({
    root: `${directory}/root`,
    name: "demo",
    constraints: { max_in_flight: 1, max_retries: 0 },
    invoker: {
      run: () => {
        isWaiting.resolve();
        return new Promise(() => {});
      },
    },
  });
  // A run is stopped by a signal, and its program goes on.
  run.signal.addEventListener("abort", () => Deno.stdout.writeSync(encode("stopped\n")));
  await run.submit("a");
  await isWaiting.promise;
}
if (wait === "timer" || wait === "long") {
  setInterval(() => {}, 1_000_000);
  // Meanwhile nobody has listened for a moment.
  if (wait === "long") await new Promise((resolve) => setTimeout(resolve, 700));
  await Deno.stdout.write(encode("waiting\n"));
}
if (wait === "late") await new Promise((resolve) => setTimeout(resolve, 700));
await new Promise(() => {});
