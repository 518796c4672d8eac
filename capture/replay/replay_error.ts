import type { CaptureError } from "../errors.ts";
import type { CapturedActionEffect } from "../types.ts";

/** What a {@linkcode ReplayError} is made of, by kind. */
export type ReplayErrorDetails =
  | { kind: "UnsupportedVersion"; captureVersion: string }
  | { kind: "HashMismatch"; eventId: string; cause?: CaptureError }
  | { kind: "InvalidPayload"; eventId: string; cause: CaptureError }
  | { kind: "AdapterProvenanceMismatch"; recorded: string; current: string }
  | { kind: "RuntimeProvenanceMismatch"; recorded: string; current: string }
  | { kind: "UnexpectedAdapterProvidedForNoAdapterCapture"; recorded: string; current: string }
  | { kind: "AdapterRequiredForProvenancedCapture"; recorded: string; current: string }
  | { kind: "DuplicateEventId"; eventId: string }
  | {
    kind: "EffectMismatch";
    eventId: string;
    effectIndex: number;
    expected: CapturedActionEffect | undefined;
    actual: CapturedActionEffect | undefined;
    detail: string;
  }
  | {
    kind: "EffectHashMismatch";
    eventId: string;
    decisionIndex: number;
    effectIndex: number;
    recorded: string;
    current: string;
  }
  | {
    kind: "InvalidEffect";
    eventId: string;
    decisionIndex: number;
    effectIndex: number;
    cause: Error;
  }
  | { kind: "BundleHashMismatch"; recorded: string; current: string };

/**
 * Why a bundle was refused. The first nine are the seed's; the last three are checks that it lacks.
 *
 * | Kind | Raised for |
 * | --- | --- |
 * | `UnsupportedVersion` | a format that this module does not replay (RPL-1) |
 * | `HashMismatch` | a payload that does not have its hash (RPL-1, RPL-4) |
 * | `InvalidPayload` | a payload with the right hash that is not one JSON object (RPL-4) |
 * | `DuplicateEventId` | in strict replay, two events of one id (RPL-2) |
 * | `AdapterProvenanceMismatch` | another adapter than the recorded one (PRV-4) |
 * | `UnexpectedAdapterProvidedForNoAdapterCapture` | an adapter, and none was recorded (PRV-4) |
 * | `AdapterRequiredForProvenancedCapture` | no adapter, and one was recorded (PRV-4) |
 * | `RuntimeProvenanceMismatch` | another runtime than the recorded one (PRV-5) |
 * | `EffectMismatch` | effects that are not the recorded ones (RPL-7) |
 * | `EffectHashMismatch` | an effect that does not have its hash |
 * | `InvalidEffect` | an effect that has no hash, such as one with a NaN |
 * | `BundleHashMismatch` | a `"taffrail-v1"` bundle that was changed since it was written |
 */
export type ReplayErrorKind = ReplayErrorDetails["kind"];

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
 * assertEquals([error.recorded, error.current], ["rpv1:sha256:a", "rpv1:sha256:b"]);
 * ```
 */
export class ReplayError extends Error {
  /** The name of the class. */
  override name = "ReplayError";
  /** Why the bundle was refused. */
  readonly kind: ReplayErrorKind;
  /** The format, for `UnsupportedVersion`. */
  readonly captureVersion: string | undefined;
  /** The event concerned. */
  readonly eventId: string | undefined;
  /** The index of the decision whose effect it is. */
  readonly decisionIndex: number | undefined;
  /** The index of the effect concerned. */
  readonly effectIndex: number | undefined;
  /** What the bundle says. */
  readonly recorded: string | undefined;
  /** What the caller says, or what was computed now. */
  readonly current: string | undefined;
  /** The recorded effect, for `EffectMismatch`. */
  readonly expected: CapturedActionEffect | undefined;
  /** The effect of the replay, for `EffectMismatch`. */
  readonly actual: CapturedActionEffect | undefined;
  /** What is different, for `EffectMismatch`. */
  readonly detail: string | undefined;

  /** Makes an error; the module's functions do it for you. */
  constructor(details: ReplayErrorDetails) {
    super(messageOf(details), "cause" in details ? { cause: details.cause } : undefined);
    const fields: Partial<ReplayError> = details;
    this.kind = details.kind;
    this.captureVersion = fields.captureVersion;
    this.eventId = fields.eventId;
    this.decisionIndex = fields.decisionIndex;
    this.effectIndex = fields.effectIndex;
    this.recorded = fields.recorded;
    this.current = fields.current;
    this.expected = fields.expected;
    this.actual = fields.actual;
    this.detail = fields.detail;
  }
}

function messageOf(details: ReplayErrorDetails): string {
  switch (details.kind) {
    case "UnsupportedVersion":
      return `unsupported capture version '${details.captureVersion}'`;
    case "HashMismatch":
      return `payload hash mismatch for event '${details.eventId}'`;
    case "InvalidPayload":
      return `invalid payload for event '${details.eventId}': ${details.cause.message}`;
    // The seed calls the bundle's adapter expected, but the caller's runtime (W-ERGO-12).
    case "AdapterProvenanceMismatch":
      return `adapter provenance mismatch: expected '${details.recorded}', got '${details.current}'`;
    case "RuntimeProvenanceMismatch":
      return `runtime provenance mismatch: expected '${details.current}', got '${details.recorded}'`;
    case "UnexpectedAdapterProvidedForNoAdapterCapture":
      return "bundle provenance is 'none'; adapter must not be provided";
    case "AdapterRequiredForProvenancedCapture":
      return "bundle is adapter-provenanced; adapter is required";
    case "DuplicateEventId":
      return `duplicate event_id '${details.eventId}' in strict replay capture input`;
    case "EffectMismatch":
      return `effect mismatch at index ${details.effectIndex} for event '${details.eventId}': ` +
        details.detail;
    case "EffectHashMismatch":
      return `Cannot replay: ${effectOf(details)} has the hash '${details.current}', ` +
        `recorded is '${details.recorded}'; the bundle was changed`;
    case "InvalidEffect":
      return `Cannot replay: ${effectOf(details)} has no hash: ${details.cause.message}`;
    case "BundleHashMismatch":
      return `Cannot use the bundle: its hash is '${details.current}', recorded is ` +
        `'${details.recorded}'; it was changed since it was written`;
  }
}

function effectOf(
  { eventId, decisionIndex, effectIndex }: {
    eventId: string;
    decisionIndex: number;
    effectIndex: number;
  },
): string {
  return `effect ${effectIndex} of decision ${decisionIndex} (event '${eventId}')`;
}
