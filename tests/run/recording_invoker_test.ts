/** The invoker of `openRun`, in the time of the test. */
import { assertEquals, assertRejects } from "@std/assert";
import { RecordingInvoker } from "../../run/recording_invoker.ts";
import type { RunRecorder } from "../../run/run_recorder.ts";
import {
  type AttemptRef,
  createEvent,
  type DecisionLog,
  ManualTimers,
  Supervisor,
} from "../../supervisor/mod.ts";

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

/** An invoker that never answers, with a recorder that records begins when the test lets it. */
function openHeld(signal: AbortSignal) {
  const recorded = Promise.withResolvers<void>();
  const log: string[] = [];
  const recorder = {
    nodeStarted: async ({ nodeId }: { nodeId: string }) => {
      await recorded.promise;
      log.push(`${nodeId} began`);
    },
    nodeEnded: (
      { nodeId }: { nodeId: string },
      end: { termination: unknown; message?: string },
    ) => {
      log.push(`${nodeId} ended: ${end.termination}, ${end.message}`);
      return Promise.resolve();
    },
  } as unknown as RunRecorder;
  const invoker = new RecordingInvoker({
    recorder,
    signal,
    invoker: { run: () => new Promise(() => {}) },
  });
  const common = {
    graphId: "g",
    mode: "concurrent",
    constraints: { max_retries: 0 },
    invoker,
    beforeRun: (attempt: AttemptRef) => invoker.beforeRun(attempt),
  } as const;
  for (const id of ["a", "b"]) invoker.add(id, {});
  return { recorded, log, invoker, common };
}

Deno.test("a begin that is recorded after the supervisor has stopped gets its end", async () => {
  const { recorded, log, invoker, common } = openHeld(new AbortController().signal);
  const decisionLog: DecisionLog = {
    log: (entry) => {
      if (entry.event_id === "b") throw new Error("disk full");
      return invoker.log(entry);
    },
  };
  const supervisor = new Supervisor({ ...common, decisionLog });
  const at = { secs: 0, nanos: 0 };
  await supervisor.onEvent(createEvent({ id: "a", kind: "Command", at }));
  const broken = () => supervisor.onEvent(createEvent({ id: "b", kind: "Command", at }));
  await assertRejects(broken, Error, "disk full");
  const abandoned = invoker.abandon("disk full");
  recorded.resolve();
  await abandoned;
  assertEquals(log, ["a began", "a ended: Aborted, its end was not recorded: disk full"]);
});

Deno.test("a begin that takes longer than the grace of a stop gets its end", async () => {
  const stop = new AbortController();
  const { recorded, log, invoker, common } = openHeld(stop.signal);
  const supervisor = new Supervisor({ ...common, decisionLog: invoker, signal: stop.signal });
  await supervisor.onEvent(createEvent({ id: "a", kind: "Command", at: { secs: 0, nanos: 0 } }));
  // Without timers the grace is no time.
  stop.abort(new Error("enough"));
  await supervisor.close();
  const ended = invoker.endUnrun();
  recorded.resolve();
  await ended;
  assertEquals(log, ["a began", "a ended: Aborted, undefined"]);
});
