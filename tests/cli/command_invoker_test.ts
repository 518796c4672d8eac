/** The begin of an attempt is recorded apart from its work, so that no deadline covers the recording. */
import { assertEquals } from "@std/assert";
import { CommandInvoker } from "../../cli/process/command_invoker.ts";
import { parseFlow } from "../../cli/flow/parse_flow.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS } from "./_command.ts";

const RECORDING_FAILED = new Error("the log cannot be written");

/** A place for the attempts at one node `a`, which prints `done`. */
function openPlace(root: string, { fails = false } = {}) {
  const text = JSON.stringify({ name: "f", nodes: { a: { run: ["echo", "done"] } } });
  const begun: number[] = [];
  const fatal: unknown[] = [];
  const place = new CommandInvoker({
    flow: parseFlow(text, `${root}/flow.json`),
    programs: new Map([["a", "/bin/echo"]]),
    root,
    runId: "r-1",
    recorder: {
      nodeStarted: ({ attempt }) => {
        begun.push(attempt);
        return fails ? Promise.reject(RECORDING_FAILED) : Promise.resolve();
      },
      nodeSpawned: () => Promise.resolve(),
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
  return { place, ref, request, begun, fatal };
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
