/**
 * Records what a supervisor was given and what it decided, and proves by replay that it would decide so
 * again: for concurrent work too, because the end of each attempt is recorded as an input in its place.
 *
 * {@linkcode CapturingSession} records, in memory and in a journal that survives a crash;
 * {@linkcode writeCaptureBundle} and {@linkcode readCaptureBundle} keep the recording in a file;
 * {@linkcode replayBundle} replays it and reports where it goes otherwise; {@linkcode resumeCapture} goes on
 * with a session whose process died. `docs/determinism.md` says what a replay proves and what it does not.
 *
 * @module
 */
export { ExternalEventPayloadError } from "../_internal/event_payload.ts";
export type { ExternalEventPayloadErrorKind } from "../_internal/event_payload.ts";
export {
  CAPTURE_VERSION,
  NO_ADAPTER_PROVENANCE,
  TAFFRAIL_CAPTURE_VERSION,
} from "./bundle/bundle_text.ts";
export { CaptureError, type CaptureErrorDetails, type CaptureErrorKind } from "./errors.ts";
export { CaptureJournalError, type CaptureJournalErrorKind } from "./errors.ts";
export {
  CaptureWriteError,
  type CaptureWriteErrorDetails,
  type CaptureWriteStage,
} from "./errors.ts";
export {
  ReplayError,
  type ReplayErrorDetails,
  type ReplayErrorKind,
} from "./replay/replay_error.ts";
export { computePayloadHash, hasValidHash, recordEvent, rehydrateEvent } from "./bundle/records.ts";
export { computeEffectHash, computeIntentId, type IntentIdentity } from "./bundle/effects.ts";
export {
  type CapturableSupervisor,
  CapturingSession,
  type CapturingSessionOptions,
} from "./session/capturing_session.ts";
export type { InterruptedAttempt, Recording, SessionHeader } from "./session/capture_recorder.ts";
export type { Recovery } from "../eventlog/types.ts";
export type { RedactCapture } from "./session/redact.ts";
export type {
  DecisionLine,
  EffectsLine,
  JournalLine,
  ResumedLine,
  SessionLine,
} from "./session/journal.ts";
export {
  type CaptureJournal,
  type FileCaptureJournal,
  openCaptureJournal,
  type OpenCaptureJournalOptions,
} from "./session/journal.ts";
export {
  type JournalDamage,
  type JournalDamageKind,
  recoverCapture,
  type RecoverCaptureOptions,
  type RecoveredCapture,
} from "./session/recover_capture.ts";
export {
  resumeCapture,
  type ResumeCaptureOptions,
  type ResumedCapture,
} from "./session/resume_capture.ts";
export { parseCaptureBundle } from "./bundle/bundle_text.ts";
export { stringifyCaptureBundle } from "./bundle/bundle_text.ts";
export {
  writeCaptureBundle,
  type WriteCaptureBundleOptions,
  writeCaptureBundleSync,
} from "./bundle/write_capture_bundle.ts";
export { readCaptureBundle } from "./bundle/bundle_text.ts";
export { checkProvenance, type ExpectedProvenance } from "./bundle/validate_bundle.ts";
export { validateBundle, type ValidateBundleOptions } from "./bundle/validate_bundle.ts";
export type { Divergence, DivergenceKind } from "./replay/divergence.ts";
export { replayBundle, type ReplayOptions, type ReplayReport } from "./replay/replay_bundle.ts";
export { assertReplays, formatDivergence, ReplayDivergedError } from "./replay/assert_replays.ts";
export { compareDecisions } from "./replay/divergence.ts";
export type { Difference } from "./bundle/diff_json.ts";
export {
  type BundleDifference,
  type BundleDifferenceKind,
  diffBundles,
} from "./replay/diff_bundles.ts";
export type * from "./types.ts";
