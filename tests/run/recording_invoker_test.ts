/** The invoker of `openRun`, in the time of the test. */
import { assertEquals } from "@std/assert";
import { RecordingInvoker } from "../../run/recording_invoker.ts";
import type { RunRecorder } from "../../run/run_recorder.ts";
import { createEvent, ManualTimers, Supervisor } from "../../supervisor/mod.ts";

Deno.test("a deadline of 5 ms ends no work that waits for the records", async () => {
  const timers = new ManualTimers();
  const recorded = Promise.withResolvers<void>();
  const ends: unknown[] = [];
  const recorder = {
    nodeStarted: () => recorded.promise,
    nodeEnded: (_attempt: unknown, { termination }: { termination: unknown }) => {
      ends.push(termination);
      return Promise.resolve();
    },
  } as unknown as RunRecorder;
  const calls: boolean[] = [];
  const invoker = new RecordingInvoker({
    recorder,
    signal: new AbortController().signal,
    invoker: {
      run: ({ signal }) => {
        calls.push(signal.aborted);
        return "Completed";
      },
    },
  });
  const supervisor = new Supervisor({
    graphId: "g",
    mode: "concurrent",
    constraints: { max_retries: 0, deadline: { secs: 0, nanos: 5_000_000 } },
    decisionLog: invoker,
    invoker,
    beforeRun: (attempt) => invoker.beforeRun(attempt),
    timers,
  });
  invoker.add("slow", {});
  await supervisor.onEvent(createEvent({ id: "slow", kind: "Command", at: timers.now() }));
  timers.advance({ secs: 60, nanos: 0 });
  recorded.resolve();
  await supervisor.close();
  assertEquals([calls, ends, invoker.reason], [[false], ["Completed"], undefined]);
});
