/**
 * Lesson 6: all five together. Work is supervised, and everything about it recorded: what happened in
 * an event log, decisions in a capture, attempts as workers of a store and as steps of a trace.
 *
 * Run: deno run --allow-read=.taffrail-examples --allow-write=.taffrail-examples examples/06_all_five.ts
 */
// deno-lint-ignore-file no-console -- an example prints
import { parseCaptureBundle, replayBundle } from "@taffrail/taffrail/capture";
import { openRun } from "@taffrail/taffrail/run";
import { FsRuntimeStore } from "@taffrail/taffrail/store";
import { Supervisor, type SupervisorOptions } from "@taffrail/taffrail/supervisor";
import { readTrace } from "@taffrail/taffrail/trace";

const root = ".taffrail-examples";
const run = await openRun({
  root,
  name: "thumbnails",
  constraints: { max_in_flight: 1, max_retries: 1 },
  invoker: {
    run({ eventId, attempt }) {
      if (eventId !== "b.png" || attempt > 1) return "Completed";
      throw new Error("Cannot read b.png", { cause: new Error("the disk was busy") });
    },
  },
});
for (const file of ["a.png", "b.png"]) await run.submit(file, { width: 80 });
const { state, nodes } = await run.finish();

// The state is worked out from the event log.
const attempts = nodes.map(({ id, attempt }) => `${id} in attempt ${attempt}`);
console.log(`${state}: ${attempts.join(", ")}`);

// The store has a worker for each attempt; its transcript says what it was given and came to.
await using store = await FsRuntimeStore.open({ root, runtimeId: run.runId, readOnly: true });
for (const { worker_ref, status, intent } of store.listWorkers()) {
  const { items } = await store.readTranscript(worker_ref, { start: 0, limit: 10 });
  const objective = intent.kind === "task" ? intent.objective : "";
  console.log(
    `worker ${objective}: ${status}, ${
      items.map(({ content }) => content.split("\n")[0]).join(" → ")
    }`,
  );
}

// Something failed, so there is a trace. It has the error with its cause.
const { steps } = await readTrace(`${root}/runs/${run.runId}/trace.json`);
const failed = steps.find(({ error }) => error !== undefined)!;
console.log(`step ${failed.step} failed: ${JSON.stringify(failed.error!.details)}`);

// The same inputs lead to the same decisions.
const createSupervisor = (options: SupervisorOptions) => new Supervisor(options);
const bundle = parseCaptureBundle((await run.view.document("capture.json"))!);
const { ok } = await replayBundle(bundle, { createSupervisor });
console.log(`replayed as recorded: ${ok}`);
console.log(`look at it: taffrail show --root ${root} ${run.runId}`);
