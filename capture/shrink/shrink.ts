import { checkFunction, checkInteger, checkMethods, checkObject } from "../../_internal/errors.ts";
import { parseCaptureBundle, stringifyCaptureBundle } from "../bundle/bundle_text.ts";
import { validateBundle } from "../bundle/validate_bundle.ts";
import { ShrinkError } from "../errors.ts";
import type { CaptureBundle } from "../types.ts";
import { Candidates } from "./candidates.ts";
import { Search } from "./search.ts";
import type { ShrinkOptions, ShrinkPredicate, ShrinkResult } from "./types.ts";

/**
 * The smallest recording that still shows something: that its replay diverges, that other limits or another
 * supervisor would decide otherwise, that something is skipped. Inputs are left out, and the predicate is asked whether it is
 * still shown: whole episodes first, then single inputs, halves first, then quarters, and so on (delta debugging, by the
 * algorithm ddmin of Zeller and Hildebrandt). In the result no further input can be left out; another recording, of
 * other inputs, may still be smaller. The same recording and answers give the same result, and the predicate is asked
 * about no recording twice.
 *
 * {@linkcode showsDivergence} and {@linkcode showsChange} make predicates; any other function of a recording is one
 * too. What it is asked about is a recording of some of the inputs:
 *
 * | What | In a recording of fewer inputs |
 * | --- | --- |
 * | an event | comes when it came |
 * | the end of an attempt | comes when it came, if the attempt is in flight then; if it is left out, the attempt stays in flight |
 * | a withdrawal; a Pump that was about an episode | comes when it came, if the episode waits then |
 * | an attempt that is not recorded | stays in flight; in `"serial"` mode, in which it cannot, there is no such recording |
 * | a decision | is made anew by the supervisor of `createSupervisor`, with the recorded limits |
 * | a decision that this supervisor makes otherwise of the whole | stays as it is recorded, as long as nothing has changed that it depends on; else it is made anew |
 * | effects | stand on their decision as long as the same is decided |
 * | episodes | have other numbers |
 * | notes | are left out; that somebody went on between two inputs stays |
 *
 * So what differs in its replay differs in that of the whole, and not because inputs are missing;
 * `docs/determinism.md` says how far the decisions of a supervisor are known that is not at hand any more.
 *
 * A test takes about as long as two replays. Where few inputs matter, some dozens of tests find them among 10,000; where
 * thousands do, it takes as many. Others have their turn between tests, and then the signal is looked at.
 *
 * **Permissions**: none but the predicate's.
 *
 * @param bundle The recording. It is not changed.
 * @param predicate Whether a recording still shows it.
 * @param options How to decide on fewer inputs, and how long to search.
 * @returns The smallest recording.
 * @throws {ShrinkError} When the predicate says no of the whole, or the recording lacks decisions.
 * @throws {ReplayError} When the bundle is refused, as {@linkcode validateBundle} does without `strict`.
 *
 * @example The one event of four that a lower limit would have kept waiting
 * ```ts
 * import { CapturingSession, shrink, whatIf } from "@taffrail/taffrail/capture";
 * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const createSupervisor = (options: ConstructorParameters<typeof Supervisor>[0]) =>
 *   new Supervisor(options);
 * const session = new CapturingSession({
 *   graphId: "g",
 *   constraints: { max_retries: 0, max_per_window: 2, rate_window: { secs: 10, nanos: 0 } },
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: new FaultInvoker(),
 *   createSupervisor,
 *   runtimeProvenance: "rpv1:sha256:test",
 * });
 * for (const [id, secs] of [["a", 0], ["b", 20], ["c", 21], ["d", 40]] as const) {
 *   await session.onEvent(createEvent({ id, kind: "Command", at: { secs, nanos: 0 } }));
 * }
 *
 * const { bundle, isMinimal } = await shrink(
 *   session.intoBundle(),
 *   async (candidate) => {
 *     const constraints = { max_per_window: 1 };
 *     const { attempts } = await whatIf(candidate, { constraints, createSupervisor });
 *     return attempts.some(({ isChanged }) => isChanged);
 *   },
 *   { createSupervisor },
 * );
 * assertEquals(bundle.decisions.map(({ event_id }) => event_id), ["b", "c"]);
 * assertEquals(isMinimal, true);
 * ```
 *
 * @example The smallest recording whose replay diverges
 * ```ts
 * import { CapturingSession, replayBundle, shrink } from "@taffrail/taffrail/capture";
 * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const createSupervisor = (options: ConstructorParameters<typeof Supervisor>[0]) =>
 *   new Supervisor(options);
 * const invoker = new FaultInvoker();
 * invoker.pushOutcomes("b", ["TimedOut", "Completed"]);
 * const session = new CapturingSession({
 *   graphId: "g",
 *   mode: "concurrent",
 *   constraints: { max_retries: 1 },
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker,
 *   createSupervisor,
 *   runtimeProvenance: "rpv1:sha256:test",
 * });
 * for (const id of ["a", "b", "c"]) {
 *   await session.onEvent(createEvent({ id, kind: "Command", at: { secs: 0, nanos: 0 } }));
 * }
 *
 * // Somebody has changed the limits since, and the recording does not say so.
 * const recorded = session.intoBundle();
 * const changed = { ...recorded, config: { ...recorded.config, max_retries: 0 } };
 * const { bundle } = await shrink(
 *   changed,
 *   async (candidate) => !(await replayBundle(candidate, { createSupervisor })).ok,
 *   { createSupervisor },
 * );
 * assertEquals(
 *   bundle.decisions.map(({ event_id, decision }) => [event_id, decision]),
 *   [["b", "Invoke"], ["b", "Invoke"]],
 * );
 * ```
 */
export async function shrink(
  bundle: CaptureBundle,
  predicate: ShrinkPredicate,
  options: ShrinkOptions,
): Promise<ShrinkResult> {
  checkFunction(predicate, "predicate");
  checkOptions(options);
  validateBundle(bundle, { strict: false });
  options.signal?.throwIfAborted();
  const candidates = await Candidates.of(bundle, options.createSupervisor);
  const search = new Search(candidates, predicate, options);
  const smallest = await search.run();
  if (smallest === undefined) {
    const message = "Cannot shrink the recording: it does not show what is looked for, as the " +
      "predicate says of all its inputs";
    throw new ShrinkError("not-shown", message);
  }
  return {
    // Parsed from its text it shares nothing with what was given.
    bundle: parseCaptureBundle(stringifyCaptureBundle(smallest.bundle)),
    tests: search.tests,
    isMinimal: search.isMinimal,
  };
}

function checkOptions(options: ShrinkOptions): void {
  checkObject(options, "options");
  const { createSupervisor, maxTests, onProgress, signal } = options;
  checkFunction(createSupervisor, "createSupervisor");
  if (onProgress !== undefined) checkFunction(onProgress, "onProgress");
  if (signal !== undefined) checkMethods(signal, "signal", ["addEventListener"]);
  if (maxTests === undefined || checkInteger(maxTests, "maxTests") > 0) return;
  throw new RangeError("Cannot use maxTests: the whole recording is asked about once, got 0");
}
