import { checkFunction, checkObject } from "../../_internal/errors.ts";
import { isSameJson } from "../bundle/diff_bundles.ts";
import type { Divergence } from "../replay/divergence.ts";
import { replayBundle, type ReplayOptions } from "../replay/replay_bundle.ts";
import type { CaptureBundle, DecisionRecord } from "../types.ts";
import type { WhatIfAttempt, WhatIfOptions } from "../what_if/types.ts";
import { whatIf } from "../what_if/what_if.ts";
import type { ShrinkPredicate } from "./types.ts";

/**
 * For {@linkcode shrink}: whether the replay of a recording diverges in a certain way, that of the first divergence
 * for instance, and not only somewhere. It does where a divergence of the same kind stands in the same field,
 * about the work of the same event, from the same value to the same other one; at which index does not matter.
 *
 * **Permissions**: none but those of the `invoker`.
 *
 * @param bundle The recording.
 * @param divergence What its replay found.
 * @param options How to replay it, as {@linkcode replayBundle} was asked to.
 * @returns The predicate.
 *
 * @example The smallest recording for the first divergence
 * ```ts
 * import { CapturingSession, replayBundle, showsDivergence, shrink } from "@taffrail/taffrail/capture";
 * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const createSupervisor = (options: ConstructorParameters<typeof Supervisor>[0]) =>
 *   new Supervisor(options);
 * const invoker = new FaultInvoker();
 * for (const id of ["b", "c"]) invoker.pushOutcomes(id, ["TimedOut"]);
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
 * const recorded = session.intoBundle();
 * const bundle = { ...recorded, config: { ...recorded.config, max_retries: 0 } };
 *
 * // Two things went otherwise, and the predicate takes neither for the other.
 * const options = { createSupervisor };
 * const [first] = (await replayBundle(bundle, options)).divergences;
 * const smallest = await shrink(bundle, showsDivergence(bundle, first!, options), options);
 * assertEquals(smallest.bundle.decisions.map(({ event_id }) => event_id), ["b", "b"]);
 * ```
 */
export function showsDivergence(
  bundle: CaptureBundle,
  divergence: Divergence,
  options: ReplayOptions,
): ShrinkPredicate {
  checkObject(bundle, "bundle");
  checkObject(divergence, "divergence");
  checkFunction(checkObject(options, "options").createSupervisor, "createSupervisor");
  return async (candidate) => {
    const { divergences } = await replayBundle(candidate, options);
    const before = { bundle, divergence };
    return divergences.some((other) => isAlike(before, { bundle: candidate, divergence: other }));
  };
}

/**
 * For {@linkcode shrink}: whether other limits decide otherwise about some attempt of a recording, as
 * {@linkcode whatIf} says. Not taken for that is what it would say of the recorded limits too, as in a recording
 * whose Pumps were left out or came late.
 *
 * **Permissions**: none.
 *
 * @param options The other limits, and the rest as for {@linkcode whatIf}.
 * @returns The predicate. It throws what {@linkcode whatIf} throws.
 *
 * @example Who would not have had to wait
 * ```ts
 * import { CapturingSession, showsChange, shrink } from "@taffrail/taffrail/capture";
 * import { createEvent, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const createSupervisor = (options: ConstructorParameters<typeof Supervisor>[0]) =>
 *   new Supervisor(options);
 * const session = new CapturingSession({
 *   graphId: "g",
 *   mode: "concurrent",
 *   constraints: { max_in_flight: 2, max_retries: 0 },
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: { run: () => new Promise(() => {}) },
 *   createSupervisor,
 *   runtimeProvenance: "rpv1:sha256:test",
 * });
 * for (const id of ["a", "b", "c", "d"]) {
 *   await session.onEvent(createEvent({ id, kind: "Command", at: { secs: 0, nanos: 0 } }));
 * }
 *
 * const predicate = showsChange({ constraints: { max_in_flight: 3 }, createSupervisor });
 * const { bundle } = await shrink(session.intoBundle(), predicate, { createSupervisor });
 * assertEquals(
 *   bundle.decisions.map(({ event_id, decision }) => [event_id, decision]),
 *   [["a", "Invoke"], ["b", "Invoke"], ["c", "Defer"]],
 * );
 * ```
 */
export function showsChange(options: WhatIfOptions): ShrinkPredicate {
  checkObject(checkObject(options, "options").constraints, "constraints");
  const changedIn = async (candidate: CaptureBundle, changed: WhatIfOptions) => {
    const { attempts } = await whatIf(candidate, changed);
    return attempts.filter(({ isChanged }) => isChanged).map(nameOf);
  };
  return async (candidate) => {
    const changed = await changedIn(candidate, options);
    if (changed.length === 0) return false;
    const anyway = new Set(await changedIn(candidate, { ...options, constraints: {} }));
    return changed.some((name) => !anyway.has(name));
  };
}

function nameOf({ eventId, attempt }: WhatIfAttempt): string {
  return `${attempt} ${eventId}`;
}

/** A divergence, and the recording that it is of. */
interface Found {
  bundle: CaptureBundle;
  divergence: Divergence;
}

function isAlike(before: Found, after: Found): boolean {
  const [a, b] = [before.divergence, after.divergence];
  if (a.kind !== b.kind || fieldOf(a) !== fieldOf(b)) return false;
  if (workOf(before) !== workOf(after)) return false;
  // Whole records differ in the numbers of episodes at least, and these where inputs are missing.
  const isRecord = a.kind === "missing" || a.kind === "extra" || a.kind === "unmatched";
  if (isRecord || a.path.endsWith(".episode_id")) return true;
  return isSameJson(a.recorded, b.recorded) && isSameJson(a.replayed, b.replayed);
}

/** The place without the index of its record, as in `$.decisions.schedule_at.secs`. */
function fieldOf({ path }: Divergence): string {
  return path.replace(/\[\d+\]/, "");
}

/** The event whose work it is about: a Pump may have started that, or not. */
function workOf({ bundle, divergence: { kind, index, event, path, replayed } }: Found): string {
  const record = kind === "extra"
    ? replayed
    : path.startsWith("$.decisions")
    ? bundle.decisions[index]
    : undefined;
  const { origin_event_id: origin } = (record ?? {}) as Partial<DecisionRecord>;
  return origin ?? event;
}
