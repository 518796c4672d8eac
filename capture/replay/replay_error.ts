import { TaffrailError } from "../../_internal/errors.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { CapturedActionEffect } from "../types.ts";

/**
 * Why a bundle was refused. The first nine are those of the original program; the last three are checks
 * that it lacks.
 *
 * | Kind | Raised for |
 * | --- | --- |
 * | `unsupported-version` | a format that this module does not replay (RPL-1) |
 * | `hash-mismatch` | a payload that does not have its hash (RPL-1, RPL-4) |
 * | `invalid-payload` | a payload with the right hash that is not one JSON object (RPL-4) |
 * | `duplicate-event-id` | in strict replay, two events of one id (RPL-2) |
 * | `adapter-provenance-mismatch` | another adapter than the recorded one (PRV-4) |
 * | `unexpected-adapter-provided-for-no-adapter-capture` | an adapter, and none was recorded (PRV-4) |
 * | `adapter-required-for-provenanced-capture` | no adapter, and one was recorded (PRV-4) |
 * | `runtime-provenance-mismatch` | another runtime than the recorded one (PRV-5) |
 * | `effect-mismatch` | effects that are not the recorded ones (RPL-7) |
 * | `effect-hash-mismatch` | an effect that does not have its hash |
 * | `invalid-effect` | an effect that has no hash, such as one with a NaN |
 * | `bundle-hash-mismatch` | a `"taffrail-v1"` bundle that was changed since it was written |
 */
export type ReplayErrorKind =
  | "unsupported-version"
  | "hash-mismatch"
  | "invalid-payload"
  | "duplicate-event-id"
  | "adapter-provenance-mismatch"
  | "unexpected-adapter-provided-for-no-adapter-capture"
  | "adapter-required-for-provenanced-capture"
  | "runtime-provenance-mismatch"
  | "effect-mismatch"
  | "effect-hash-mismatch"
  | "invalid-effect"
  | "bundle-hash-mismatch";

/** What is known of a {@linkcode ReplayError}, each where its kind has it. */
export interface ReplayErrorDetails {
  /** The format of the bundle. */
  readonly captureVersion?: string;
  /** The event concerned. */
  readonly eventId?: string;
  /** The index of the decision whose effect it is. */
  readonly decisionIndex?: number;
  /** The index of the effect concerned. */
  readonly effectIndex?: number;
  /** What the bundle says: the adapter, the runtime or the hash. */
  readonly recorded?: string;
  /** What the caller says, or what was computed now. */
  readonly current?: string;
  /** The recorded effect, for `effect-mismatch`. */
  readonly expected?: CapturedActionEffect | undefined;
  /** The effect of the replay, for `effect-mismatch`. */
  readonly actual?: CapturedActionEffect | undefined;
  /** In what the two effects differ, for `effect-mismatch`. */
  readonly problem?: string;
}

/**
 * Thrown for a bundle that is not to be replayed, or effects that are not those of the recording.
 * What merely turns out otherwise than it was recorded is reported instead: see
 * {@linkcode replayBundle}.
 *
 * @example Usage
 * ```ts
 * import { checkProvenance, ReplayError } from "@taffrail/taffrail/capture";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const bundle = { adapter_provenance: "none", runtime_provenance: "rpv1:sha256:a" };
 * const error = assertThrows(
 *   () => checkProvenance(bundle, { adapterProvenance: "none", runtimeProvenance: "rpv1:sha256:b" }),
 *   ReplayError,
 *   "runtime provenance mismatch: expected 'rpv1:sha256:b', got 'rpv1:sha256:a'",
 * );
 * const { recorded, current } = error.details;
 * assertEquals([recorded, current], ["rpv1:sha256:a", "rpv1:sha256:b"]);
 * ```
 */
export class ReplayError extends TaffrailError<ReplayErrorKind, ReplayErrorDetails> {
  /** The name of the class. */
  override readonly name = "ReplayError";
}

/** The error of a kind, with the words of the original program where it has the kind. */
export function replayError(
  kind: ReplayErrorKind,
  details: ReplayErrorDetails,
  cause?: unknown,
): ReplayError {
  return new ReplayError(kind, messageOf(kind, details, reasonOf(cause)), { details, cause });
}

function messageOf(kind: ReplayErrorKind, details: ReplayErrorDetails, reason: string): string {
  const { eventId, decisionIndex, effectIndex, recorded, current } = details;
  const effect = `effect ${effectIndex} of decision ${decisionIndex} (event '${eventId}')`;
  const messages: Record<ReplayErrorKind, string> = {
    "unsupported-version": `unsupported capture version '${details.captureVersion}'`,
    "hash-mismatch": `payload hash mismatch for event '${eventId}'`,
    "invalid-payload": `invalid payload for event '${eventId}': ${reason}`,
    "duplicate-event-id": `duplicate event_id '${eventId}' in strict replay capture input`,
    // The original program calls the bundle's adapter expected, but the caller's runtime (W-ERGO-12).
    "adapter-provenance-mismatch":
      `adapter provenance mismatch: expected '${recorded}', got '${current}'`,
    "runtime-provenance-mismatch":
      `runtime provenance mismatch: expected '${current}', got '${recorded}'`,
    "unexpected-adapter-provided-for-no-adapter-capture":
      "bundle provenance is 'none'; adapter must not be provided",
    "adapter-required-for-provenanced-capture":
      "bundle is adapter-provenanced; adapter is required",
    "effect-mismatch": `effect mismatch at index ${effectIndex} for event '${eventId}': ` +
      details.problem,
    "effect-hash-mismatch": `Cannot replay: ${effect} has the hash '${current}', ` +
      `recorded is '${recorded}'; the bundle was changed`,
    "invalid-effect": `Cannot replay: ${effect} has no hash: ${reason}`,
    "bundle-hash-mismatch": `Cannot use the bundle: its hash is '${current}', recorded is ` +
      `'${recorded}'; it was changed since it was written`,
  };
  return messages[kind];
}
