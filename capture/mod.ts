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
export { CAPTURE_VERSION, NO_ADAPTER_PROVENANCE, TAFFRAIL_CAPTURE_VERSION } from "./constants.ts";
export { CaptureError, type CaptureErrorDetails, type CaptureErrorKind } from "./capture_error.ts";
export { CaptureJournalError, type CaptureJournalErrorKind } from "./capture_journal_error.ts";
export {
  CaptureWriteError,
  type CaptureWriteErrorDetails,
  type CaptureWriteStage,
} from "./capture_write_error.ts";
export { ReplayError, type ReplayErrorDetails, type ReplayErrorKind } from "./replay_error.ts";
export { computePayloadHash, hasValidHash, recordEvent, rehydrateEvent } from "./event_record.ts";
export { computeEffectHash, computeIntentId, type IntentIdentity } from "./effects.ts";
export {
  type CapturableSupervisor,
  CapturingSession,
  type CapturingSessionOptions,
} from "./capturing_session.ts";
export type { InterruptedAttempt, Recording, SessionHeader } from "./capture_recorder.ts";
export type { Recovery } from "../eventlog/types.ts";
export type { RedactCapture } from "./redact.ts";
export type {
  DecisionLine,
  EffectsLine,
  JournalLine,
  ResumedLine,
  SessionLine,
} from "./journal_line.ts";
export {
  type CaptureJournal,
  type FileCaptureJournal,
  openCaptureJournal,
  type OpenCaptureJournalOptions,
} from "./open_capture_journal.ts";
export {
  type JournalDamage,
  type JournalDamageKind,
  recoverCapture,
  type RecoverCaptureOptions,
  type RecoveredCapture,
} from "./recover_capture.ts";
export { resumeCapture, type ResumeCaptureOptions, type ResumedCapture } from "./resume_capture.ts";
export { parseCaptureBundle } from "./parse_capture_bundle.ts";
export { stringifyCaptureBundle } from "./stringify_capture_bundle.ts";
export {
  writeCaptureBundle,
  type WriteCaptureBundleOptions,
  writeCaptureBundleSync,
} from "./write_capture_bundle.ts";
export { readCaptureBundle } from "./read_capture_bundle.ts";
export { checkProvenance, type ExpectedProvenance } from "./check_provenance.ts";
export { validateBundle, type ValidateBundleOptions } from "./validate_bundle.ts";
export type { Divergence, DivergenceKind } from "./divergence.ts";
export { replayBundle, type ReplayOptions, type ReplayReport } from "./replay_bundle.ts";
export { assertReplays, formatDivergence, ReplayDivergedError } from "./assert_replays.ts";
export { compareDecisions } from "./compare_decisions.ts";
export type { Difference } from "./diff_json.ts";
export { type BundleDifference, type BundleDifferenceKind, diffBundles } from "./diff_bundles.ts";
export type * from "./types.ts";
