import { checkArray, checkMethods, checkObject, isOneOf } from "../../_internal/errors.ts";
import { V3_DECISIONS } from "../../_internal/wire_names.ts";
import type { DecisionLog, DecisionLogEntry } from "../../supervisor/types.ts";
import { asV3Decision, recordDecision } from "../bundle/records.ts";
import type { CaptureBundle } from "../types.ts";
import { after } from "./capturing_session.ts";

/**
 * A decision log that hands every entry on to another one and then puts it into a bundle, without effects
 * (CAP-3). It is a part of what {@linkcode CapturingSession} does, for programs that keep a bundle of their
 * own: the events are theirs to record, by {@linkcode recordEvent}, before the supervisor gets them (CAP-2).
 *
 * A decision that the other log refuses is not recorded, and stops the supervisor.
 *
 * Permissions: none.
 *
 * @example A bundle by hand
 * ```ts
 * import { CapturingDecisionLog, recordEvent, replayBundle, type V3CaptureBundle } from "@taffrail/taffrail/capture";
 * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const config = { max_in_flight: null, max_per_window: null, rate_window: null, deadline: null, max_retries: 0 };
 * const bundle: V3CaptureBundle = {
 *   capture_version: "v3",
 *   graph_id: "g",
 *   config,
 *   events: [],
 *   decisions: [],
 *   adapter_provenance: "none",
 *   runtime_provenance: "rpv1:sha256:test",
 * };
 * const supervisor = new Supervisor({
 *   graphId: "g",
 *   constraints: config,
 *   decisionLog: new CapturingDecisionLog(new MemoryDecisionLog(), bundle),
 *   invoker: new FaultInvoker(),
 * });
 * const event = createEvent({ id: "e1", kind: "Command", at: { secs: 0, nanos: 0 } });
 * bundle.events.push(recordEvent(event));
 * await supervisor.onEvent(event);
 *
 * const createSupervisor = (options: ConstructorParameters<typeof Supervisor>[0]) =>
 *   new Supervisor(options);
 * assertEquals((await replayBundle(bundle, { createSupervisor })).ok, true);
 * ```
 */
export class CapturingDecisionLog implements DecisionLog {
  readonly #inner: DecisionLog;
  readonly #bundle: CaptureBundle;

  /**
   * A log that fills a bundle.
   *
   * @param inner Gets each entry first.
   * @param bundle Gets the decisions, at the end of its list.
   * @throws {TypeError} When one of them has the wrong shape.
   */
  constructor(inner: DecisionLog, bundle: CaptureBundle) {
    checkMethods(inner, "inner", ["log"]);
    checkObject(bundle, "bundle");
    checkArray(bundle.decisions, "bundle.decisions");
    this.#inner = inner;
    this.#bundle = bundle;
  }

  /**
   * Takes an entry.
   *
   * @param entry The entry.
   * @returns A promise where the other log gives one.
   * @throws {TypeError} For a `Finish` and for a withdrawal, which a bundle of format `"v3"` cannot say:
   * they need one of format `"taffrail-v1"`.
   */
  log(entry: DecisionLogEntry): void | Promise<void> {
    const bundle = this.#bundle;
    if (!("inputs" in bundle) && !isOneOf<string>(V3_DECISIONS, entry.decision)) {
      throw new TypeError(
        `Cannot record the decision ${entry.decision}: the format v3 has none such; ` +
          "use a bundle of format taffrail-v1",
      );
    }
    if (!("inputs" in bundle) && entry.reason === "withdrawn") {
      throw new TypeError(
        `Cannot record the withdrawal of episode ${entry.episode_id}: the format v3 has none such; ` +
          "use a bundle of format taffrail-v1",
      );
    }
    return after(this.#inner.log(entry), () => {
      const record = recordDecision(entry);
      if ("inputs" in bundle) bundle.decisions.push(record);
      else bundle.decisions.push(asV3Decision(record));
    });
  }
}
