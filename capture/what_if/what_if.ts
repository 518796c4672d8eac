import { completeConstraints, CONSTRAINT_NAMES, limitsOf } from "../../_internal/constraints.ts";
import { checkFunction, checkKeys, checkObject } from "../../_internal/errors.ts";
import { replayBundle, ReplayDivergedError } from "../replay/replay_bundle.ts";
import type { CaptureBundle } from "../types.ts";
import { type AttemptView, isDecidedAlike, type Step, viewsOf } from "./attempt_view.ts";
import { recordedWork, timeWorked } from "./recorded_work.ts";
import { serialSteps } from "./serial_steps.ts";
import { simulate } from "./simulation.ts";
import type { UnknownAttempt, WhatIfAttempt, WhatIfOptions, WhatIfReport } from "./types.ts";

/**
 * Which decisions would have been others under other limits, and how long the work would have taken.
 *
 * The recorded work is gone through once more with a fresh supervisor that keeps the other limits. There is
 * no clock: the same bundle and options give the same report, and with the recorded limits nothing changes.
 *
 * | What | In `"concurrent"` mode |
 * | --- | --- |
 * | an attempt | takes as long as it took and ends as it did, however many run beside it; a shorter deadline ends it at once |
 * | an event | comes when it came; with `dependsOn` when what it depends on is over, as soon after that as it did |
 * | a Pump | comes when something that waits can be started, as `PumpDriver` sends it |
 * | a withdrawal | comes when it came; with `dependsOn` when nothing else happens any more |
 * | an end from outside (`Aborted`) | comes when it came, or when the rest is over |
 *
 * What the recording does not tell is never made up: an attempt that was never made, or did not end by
 * itself, has no end here either and keeps its place, and `unknown` names it and all that waits for it. An
 * event's own `retry` counts as it did. In `"serial"` mode, in which nothing depends on how long an attempt
 * takes, events and Pumps come when they came, and `took` is `null`; a `"v3"` bundle does not say how
 * attempts ended that were tried again, which `{ Failed: "RuntimeError" }` stands for.
 *
 * **Permissions**: none.
 *
 * @param bundle The recording. It must replay as it was recorded.
 * @param options The other limits, and how the program makes events of ends.
 * @returns What would have been.
 * @throws {ReplayError} When the bundle is refused.
 * @throws {ReplayDivergedError} When this supervisor decides otherwise with the recorded limits already.
 * @throws {TypeError} When the limits are none that a supervisor takes; also a `RangeError`.
 *
 * @example Two at a time instead of one
 * ```ts
 * import { CapturingSession, whatIf } from "@taffrail/taffrail/capture";
 * import { createEvent, ManualTimers, MemoryDecisionLog, PumpDriver, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const timers = new ManualTimers();
 * const createSupervisor = (options: ConstructorParameters<typeof Supervisor>[0]) =>
 *   new Supervisor(options);
 * const session = new CapturingSession({
 *   graphId: "g",
 *   mode: "concurrent",
 *   constraints: { max_in_flight: 1, max_retries: 0 },
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: {
 *     run: () => new Promise((resolve) => {
 *       const end = { secs: timers.now().secs + 5, nanos: 0 };
 *       timers.setTimer(end, () => resolve("Completed"));
 *     }),
 *   },
 *   createSupervisor,
 *   runtimeProvenance: "rpv1:sha256:test",
 *   timers,
 * });
 * using pump = new PumpDriver({ supervisor: session.supervisor, timers });
 * for (const id of ["a", "b"]) {
 *   await session.onEvent(createEvent({ id, kind: "Command", at: timers.now() }));
 * }
 * for (let secs = 0; secs < 10; secs++) {
 *   timers.advance({ secs: 1, nanos: 0 });
 *   await new Promise((resolve) => setTimeout(resolve));
 * }
 * await pump.drained();
 *
 * const report = await whatIf(session.intoBundle(), {
 *   constraints: { max_in_flight: 2 },
 *   createSupervisor,
 * });
 * assertEquals(report.took, {
 *   recorded: { secs: 10, nanos: 0 },
 *   whatIf: { secs: 5, nanos: 0 },
 * });
 * const changed = report.attempts.filter(({ isChanged }) => isChanged);
 * assertEquals(
 *   changed.map(({ eventId, recorded, whatIf }) => [eventId, recorded?.waits, whatIf?.waits]),
 *   [["b", ["saturated"], []]],
 * );
 * ```
 */
export async function whatIf(
  bundle: CaptureBundle,
  options: WhatIfOptions,
): Promise<WhatIfReport> {
  checkOptions(options);
  const { createSupervisor, dependsOn = () => [] } = options;
  const { divergences } = await replayBundle(bundle, { createSupervisor, strict: false });
  if (divergences.length > 0) throw new ReplayDivergedError(divergences);
  const recorded = limitsOf(completeConstraints(bundle.config));
  const constraints = completeConstraints({ ...recorded, ...options.constraints });
  const limits = { recorded, whatIf: constraints };
  if (!("inputs" in bundle) || bundle.mode === "serial") {
    const before = await serialSteps(bundle, { createSupervisor, constraints: recorded });
    const after = await serialSteps(bundle, { createSupervisor, constraints });
    const { unknown, events } = after;
    const attempts = compare(events, { before: before.steps, after: after.steps, unknown });
    return { constraints: limits, attempts, took: { recorded: null, whatIf: null }, unknown };
  }
  const work = recordedWork(bundle, dependsOn);
  // What is begun a little sooner than it was recorded has not run for longer because of other limits.
  const { cutOffs } = await simulate(bundle, work, { ...options, constraints: recorded });
  const simulated = await simulate(bundle, work, { ...options, constraints, cutOffs });
  const unknown = [...simulated.unknown];
  const events = work.events.map(({ event }) => event);
  return {
    constraints: limits,
    attempts: compare(events, { before: work.steps, after: simulated.steps, unknown }),
    took: { recorded: timeWorked(work.sittings), whatIf: timeWorked(simulated.sittings) },
    unknown,
  };
}

function checkOptions(options: WhatIfOptions): void {
  checkObject(options, "options");
  const { constraints, createSupervisor } = options;
  checkFunction(createSupervisor, "createSupervisor");
  checkKeys(checkObject(constraints, "constraints"), "constraints", CONSTRAINT_NAMES);
  for (const name of ["dependsOn", "onFailure", "runsAlways"] as const) {
    if (options[name] !== undefined) checkFunction(options[name], name);
  }
}

/** Every attempt that was made, or would have been. */
function compare(
  events: readonly { id: string }[],
  { before, after, unknown }: {
    before: readonly Step[];
    after: readonly Step[];
    unknown: readonly UnknownAttempt[];
  },
): WhatIfAttempt[] {
  const recordedViews = viewsOf(before, events.length);
  const whatIfViews = viewsOf(after, events.length);
  const unknownOnes = new Set(unknown.map(({ eventId, attempt }) => `${attempt} ${eventId}`));
  return events.flatMap(({ id: eventId }, event) => {
    const [recorded, whatIf] = [recordedViews[event]!, whatIfViews[event]!];
    // What follows an attempt whose end is not known is not known either.
    let isEndKnown = true;
    const length = Math.max(recorded.length, whatIf.length);
    return Array.from({ length }, (_, index): WhatIfAttempt => {
      const views = { recorded: recorded[index] ?? null, whatIf: whatIf[index] ?? null };
      const wasKnown = isEndKnown;
      isEndKnown &&= !unknownOnes.has(`${index + 1} ${eventId}`);
      const isChanged = isOther(views, { isEndKnown, isBeginKnown: wasKnown });
      return { eventId, attempt: index + 1, ...views, isChanged };
    });
  });
}

function isOther(
  { recorded, whatIf }: { recorded: AttemptView | null; whatIf: AttemptView | null },
  { isBeginKnown, isEndKnown }: { isBeginKnown: boolean; isEndKnown: boolean },
): boolean {
  if (recorded !== null && whatIf !== null) {
    const isLeft = whatIf.begun === null && whatIf.skipped === null && !isEndKnown;
    if (isLeft) return String(recorded.waits) !== String(whatIf.waits);
    return !isDecidedAlike(recorded, whatIf, { isEndKnown });
  }
  // An attempt that would not have been made, or would have been besides.
  return whatIf === null ? isBeginKnown && isEndKnown : true;
}
