/** The begin of an attempt is recorded apart from its work, so that no deadline covers the recording. */
import { assertEquals, assertRejects } from "@std/assert";
import { superviseNodes } from "../../cli/engine/node_session.ts";
import { CommandInvoker } from "../../cli/process/command_invoker.ts";
import { parseFlow } from "../../cli/flow/parse_flow.ts";
import type { RunRecorder } from "../../run/run_recorder.ts";
import { createEvent, Supervisor } from "../../supervisor/mod.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS } from "./_command.ts";

const RECORDING_FAILED = new Error("the log cannot be written");

/** A place for the attempts at one node `a`, which prints `done`. */
function openPlace(
  root: string,
  { fails = false, until = Promise.resolve() }: { fails?: boolean; until?: Promise<void> } = {},
) {
  const text = JSON.stringify({ name: "f", nodes: { a: { run: ["echo", "done"] } } });
  const flow = parseFlow(text, `${root}/flow.json`);
  const begun: number[] = [];
  const fatal: unknown[] = [];
  const place = new CommandInvoker({
    flow,
    programs: new Map([["a", "/bin/echo"]]),
    root,
    runId: "r-1",
    recorder: {
      nodeStarted: async ({ attempt }) => {
        await until;
        begun.push(attempt);
        if (fails) throw RECORDING_FAILED;
      },
    },
    observer: { nodeStarted: () => {}, note: () => {} },
    maxOutputBytes: 1024,
    graceMs: 1000,
    kill: new AbortController().signal,
    onFatal: (error) => fatal.push(error),
  });
  const ref = { eventId: "a", episodeId: 1, attempt: 1 };
  const request = {
    ...ref,
    graphId: "f",
    context: new Map(),
    payload: {},
    signal: new AbortController().signal,
  };
  return { flow, place, ref, request, begun, fatal };
}

Deno.test("an attempt whose begin is not recorded is not made", () =>
  withTempDir(async (root) => {
    const { place, request, begun } = openPlace(root);
    assertEquals(await place.run(request), "Aborted");
    assertEquals([begun, namesIn(root)], [[], []]);
  }));

Deno.test({
  name: "the begin of an attempt is recorded before the supervisor starts its deadline",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (root) => {
      const { place, ref, request, begun } = openPlace(root);
      await place.beforeRun(ref);
      assertEquals([begun, place.hasBegun({ nodeId: "a", attempt: 1 })], [[1], true]);
      assertEquals(await place.run(request), "Completed");
      assertEquals(place.takeEnd({ nodeId: "a", attempt: 1 })?.exitCode, 0);
      const printed = await Deno.readTextFile(`${root}/runs/r-1/nodes/a.1.out`);
      assertEquals(printed, "done\n");
    }),
});

Deno.test("an attempt that is ended between its begin and its work leaves no file open", () =>
  withTempDir(async (root) => {
    const { place, ref, request } = openPlace(root);
    await place.beforeRun(ref);
    assertEquals(place.takeEnd({ nodeId: "a", attempt: 1 }), undefined);
    assertEquals(await place.run(request), "Aborted");
  }));

Deno.test("a begin that cannot be recorded ends the run, and starts nothing", () =>
  withTempDir(async (root) => {
    const { place, ref, request, fatal } = openPlace(root, { fails: true });
    await place.beforeRun(ref);
    assertEquals(fatal, [RECORDING_FAILED]);
    assertEquals(await place.run(request), "Aborted");
  }));

Deno.test("a begin that is recorded after the supervisor has stopped gets its end", () =>
  withTempDir(async (root) => {
    const recorded = Promise.withResolvers<void>();
    const { place, begun } = openPlace(root, { until: recorded.promise });
    const supervisor = new Supervisor({
      graphId: "f",
      mode: "concurrent",
      constraints: { max_retries: 0 },
      invoker: place,
      beforeRun: (attempt) => place.beforeRun(attempt),
      decisionLog: {
        log: (entry) => {
          if (entry.event_id === "b") throw new Error("disk full");
        },
      },
    });
    const at = { secs: 0, nanos: 0 };
    await supervisor.onEvent(createEvent({ id: "a", kind: "Command", at }));
    const broken = () => supervisor.onEvent(createEvent({ id: "b", kind: "Command", at }));
    await assertRejects(broken, Error, "disk full");
    const settled = place.settled();
    recorded.resolve();
    await settled;
    const end = { termination: "Aborted", durationMs: 0 } as const;
    assertEquals([begun, await place.takeEnds()], [[1], [{ nodeId: "a", attempt: 1, end }]]);
    assertEquals([await place.takeEnds(), place.hasBegun({ nodeId: "a", attempt: 1 })], [
      [],
      false,
    ]);
  }));

Deno.test("a begin that takes longer than the grace of a stop gets its end", () =>
  withTempDir(async (root) => {
    const recorded = Promise.withResolvers<void>();
    const { flow, place, begun } = openPlace(root, { until: recorded.promise });
    Object.defineProperty(place, "endWithinMs", { value: 0 });
    const stop = new AbortController();
    const ends: unknown[] = [];
    const recorder = {
      nodeEnded: (attempt: unknown, end: unknown) => {
        ends.push(attempt, end);
        return Promise.resolve();
      },
    } as unknown as RunRecorder;
    await Deno.mkdir(`${root}/runs/r-1`, { recursive: true });
    const observer = { runStarted() {}, nodeStarted() {}, nodeEnded() {}, note() {} };
    const options = { flow, root, runId: "r-1", place, recorder, observer, past: undefined };
    const beforeRun = place.beforeRun.bind(place);
    place.beforeRun = (attempt) => {
      // Its grace is over at the next turn of the timers, and its begin is recorded later.
      setTimeout(() => stop.abort(new Error("enough")), 0);
      setTimeout(() => recorded.resolve(), 100);
      return beforeRun(attempt);
    };
    const { reason } = await superviseNodes({ ...options, stop: stop.signal });
    const attempt = { nodeId: "a", attempt: 1 };
    assertEquals([reason, begun], ["cancelled", [1]]);
    assertEquals(ends, [attempt, { termination: "Aborted", durationMs: 0 }]);
  }));
