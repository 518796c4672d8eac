import { checkObject, checkString } from "../../_internal/errors.ts";
import { type ReplayError, replayError } from "../replay/replay_error.ts";
import type {
  BundleProvenance,
  CaptureBundle,
  CapturedActionEffect,
  EventInputRecord,
  ExternalEventRecord,
} from "../types.ts";
import { checkBundleShape } from "./bundle_text.ts";
import { computeEffectHash } from "./effects.ts";
import {
  CAPTURE_VERSION,
  hasValidHash,
  lastRuntimeOf,
  NO_ADAPTER_PROVENANCE,
  TAFFRAIL_CAPTURE_VERSION,
} from "./records.ts";

/** Options of {@linkcode validateBundle}. */
export interface ValidateBundleOptions {
  /**
   * Refuse a bundle in which two events have one id.
   *
   * @default {true}
   */
  strict?: boolean;
  /** What the bundle must have been recorded with; looked at in strict validation only. */
  expected?: ExpectedProvenance;
}

/**
 * Refuses a bundle that is not to be replayed. The first thing that is wrong counts, in this order: the
 * version, the hash of each event's payload (RPL-1), event ids that stand twice (RPL-2), the adapter
 * (PRV-4), the runtime (PRV-5), the hash of each effect. Payloads that have their hash and are no JSON
 * objects pass (EVT-7): {@linkcode replayBundle} refuses them.
 *
 * Permissions: none.
 *
 * @param bundle The bundle.
 * @param options What to look at.
 * @throws {ReplayError} Says what is wrong.
 * @throws {TypeError} When something but the effects has another shape than its type says; the message
 * names its path. Also a `RangeError`.
 *
 * @example Usage
 * ```ts
 * import { ReplayError, validateBundle } from "@taffrail/taffrail/capture";
 * import { assertThrows } from "@std/assert";
 *
 * const bundle = {
 *   capture_version: "v9",
 *   graph_id: "g",
 *   config: {
 *     max_in_flight: null,
 *     max_per_window: null,
 *     rate_window: null,
 *     deadline: null,
 *     max_retries: 0,
 *   },
 *   events: [],
 *   decisions: [],
 *   adapter_provenance: "none",
 *   runtime_provenance: "rpv1:sha256:test",
 * };
 * assertThrows(() => validateBundle(bundle), ReplayError, "unsupported capture version 'v9'");
 * ```
 */
export function validateBundle(bundle: CaptureBundle, options: ValidateBundleOptions = {}): void {
  validateRecords(bundle, options);
  const problem = findEffectProblem(bundle);
  if (problem !== null) throw problem;
}

/** The checks of {@linkcode validateBundle} that the original program makes too. */
export function validateRecords(bundle: CaptureBundle, options: ValidateBundleOptions): void {
  checkObject(bundle, "bundle");
  const { strict = true, expected } = options;
  const version = "inputs" in bundle ? TAFFRAIL_CAPTURE_VERSION : CAPTURE_VERSION;
  const captureVersion = checkString(bundle.capture_version, "bundle.capture_version");
  if (captureVersion !== version) throw replayError("unsupported-version", { captureVersion });
  checkBundleShape(bundle);
  const events = eventsOf(bundle);
  for (const record of events) {
    if (hasValidHash(record)) continue;
    throw replayError("hash-mismatch", { eventId: record.event_id });
  }
  if (!strict) return;
  refuseDuplicates(events);
  if (expected === undefined) return;
  checkProvenance({ ...bundle, runtime_provenance: lastRuntimeOf(bundle) }, expected);
}

/** The first effect that does not have its hash. */
export function findEffectProblem(bundle: CaptureBundle): ReplayError | null {
  for (const [decisionIndex, { event_id: eventId, effects }] of bundle.decisions.entries()) {
    for (const [effectIndex, captured] of effects.entries()) {
      const place = { eventId, decisionIndex, effectIndex };
      try {
        const { effect, effect_hash: recorded } = checkObject(
          captured,
          "effect",
        ) as never as CapturedActionEffect;
        checkString(recorded, "effect_hash");
        const current = computeEffectHash(effect);
        if (current === recorded) continue;
        return replayError("effect-hash-mismatch", { ...place, recorded, current });
      } catch (cause) {
        return replayError("invalid-effect", place, cause);
      }
    }
  }
  return null;
}

/** The events of a bundle of either format, in order. */
export function eventsOf(bundle: CaptureBundle): (ExternalEventRecord | EventInputRecord)[] {
  return "inputs" in bundle
    ? bundle.inputs.filter((input) => input.type === "event")
    : bundle.events;
}

function refuseDuplicates(events: readonly { event_id: string }[]): void {
  const ids = new Set<string>();
  for (const { event_id: eventId } of events) {
    if (ids.has(eventId)) throw replayError("duplicate-event-id", { eventId });
    ids.add(eventId);
  }
}

/** What the caller of a strict replay runs with. */
export interface ExpectedProvenance {
  /** The adapter; `"none"` without one. */
  adapterProvenance: string;
  /** The runtime. */
  runtimeProvenance: string;
}

/**
 * Holds what a bundle was recorded with against what is there now: first the adapter (PRV-4), then the
 * runtime (PRV-5). A bundle without adapter wants none, a bundle with one wants the same.
 *
 * Permissions: none.
 *
 * @param bundle The bundle.
 * @param expected What is there now.
 * @throws {ReplayError} `unexpected-adapter-provided-for-no-adapter-capture`, `adapter-required-for-provenanced-capture`, `adapter-provenance-mismatch` or
 * `runtime-provenance-mismatch`.
 *
 * @example Usage
 * ```ts
 * import { checkProvenance } from "@taffrail/taffrail/capture";
 *
 * const bundle = { adapter_provenance: "none", runtime_provenance: "rpv1:sha256:a" };
 * checkProvenance(bundle, { adapterProvenance: "none", runtimeProvenance: "rpv1:sha256:a" });
 * ```
 */
export function checkProvenance(
  bundle: Pick<BundleProvenance, "adapter_provenance" | "runtime_provenance">,
  expected: ExpectedProvenance,
): void {
  const adapter = { recorded: bundle.adapter_provenance, current: expected.adapterProvenance };
  const wasNone = adapter.recorded === NO_ADAPTER_PROVENANCE;
  const isNone = adapter.current === NO_ADAPTER_PROVENANCE;
  if (wasNone && !isNone) {
    throw replayError("unexpected-adapter-provided-for-no-adapter-capture", adapter);
  }
  if (isNone && !wasNone) throw replayError("adapter-required-for-provenanced-capture", adapter);
  if (adapter.recorded !== adapter.current) {
    throw replayError("adapter-provenance-mismatch", adapter);
  }
  const runtime = { recorded: bundle.runtime_provenance, current: expected.runtimeProvenance };
  if (runtime.recorded !== runtime.current) {
    throw replayError("runtime-provenance-mismatch", runtime);
  }
}
