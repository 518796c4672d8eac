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
export {
  ExternalEventPayloadError,
  type ExternalEventPayloadErrorDetails,
  type ExternalEventPayloadErrorKind,
} from "../_internal/event_payload.ts";
export {
  CaptureError,
  type CaptureErrorDetails,
  type CaptureErrorKind,
  CaptureJournalError,
  type CaptureJournalErrorDetails,
  type CaptureJournalErrorKind,
  CaptureWriteError,
  type CaptureWriteErrorDetails,
  type CaptureWriteErrorKind,
  type CaptureWriteStage,
  ShrinkError,
  type ShrinkErrorDetails,
  type ShrinkErrorKind,
} from "./errors.ts";
export {
  ReplayError,
  type ReplayErrorDetails,
  type ReplayErrorKind,
} from "./replay/replay_error.ts";
export {
  CAPTURE_VERSION,
  computePayloadHash,
  hasValidHash,
  lastRuntimeOf,
  NO_ADAPTER_PROVENANCE,
  recordEvent,
  rehydrateEvent,
  TAFFRAIL_CAPTURE_VERSION,
} from "./bundle/records.ts";
export { computeEffectHash, computeIntentId, type IntentIdentity } from "./bundle/effects.ts";
export { CapturingDecisionLog } from "./session/capturing_decision_log.ts";
export {
  type CapturableSupervisor,
  CapturingSession,
  type CapturingSessionOptions,
} from "./session/capturing_session.ts";
export type { DeferredEpisode, InterruptedAttempt, Recording } from "./session/capture_recorder.ts";
export type { SessionHeader } from "./session/journal_lines.ts";
export type { Recovery } from "../eventlog/types.ts";
export type { RedactCapture } from "./session/redact.ts";
export {
  type CaptureJournal,
  type FileCaptureJournal,
  journalOver,
  type JournalPosition,
  type LineSink,
  openCaptureJournal,
  type OpenCaptureJournalOptions,
} from "./session/journal.ts";
export {
  type CaptureLine,
  type CaptureLines,
  type CaptureReading,
  type JournalDamage,
  type JournalDamageKind,
  type RawCaptureLine,
  readCaptureLines,
  type ReadCaptureLinesOptions,
} from "./session/read_capture_lines.ts";
export {
  recoverCapture,
  type RecoverCaptureOptions,
  type RecoveredCapture,
  stringifyCaptureJournal,
} from "./session/recover_capture.ts";
export { rewriteCaptureLines } from "./session/rewrite_capture_lines.ts";
export {
  resumeCapture,
  type ResumeCaptureOptions,
  type ResumedCapture,
} from "./session/resume_capture.ts";
export {
  parseCaptureBundle,
  readCaptureBundle,
  stringifyCaptureBundle,
} from "./bundle/bundle_text.ts";
export {
  writeCaptureBundle,
  type WriteCaptureBundleOptions,
  writeCaptureBundleSync,
} from "./bundle/write_capture_bundle.ts";
export {
  checkProvenance,
  type ExpectedProvenance,
  validateBundle,
  type ValidateBundleOptions,
} from "./bundle/validate_bundle.ts";
export {
  compareDecisions,
  type Divergence,
  type DivergenceKind,
  formatDivergence,
} from "./replay/divergence.ts";
export {
  assertReplays,
  replayBundle,
  ReplayDivergedError,
  type ReplayOptions,
  type ReplayReport,
} from "./replay/replay_bundle.ts";
export {
  type BundleDifference,
  type BundleDifferenceKind,
  diffBundles,
  type Difference,
} from "./bundle/diff_bundles.ts";
export { whatIf } from "./what_if/what_if.ts";
export type { AttemptView } from "./what_if/attempt_view.ts";
export type {
  UnknownAttempt,
  WhatIfAttempt,
  WhatIfOptions,
  WhatIfReport,
  WhatIfSupervisor,
} from "./what_if/types.ts";
export { shrink } from "./shrink/shrink.ts";
export { showsChange, showsDivergence } from "./shrink/predicates.ts";
export type {
  ShrinkOptions,
  ShrinkPredicate,
  ShrinkProgress,
  ShrinkResult,
} from "./shrink/types.ts";
export type * from "./types.ts";
export { TaffrailError, type TaffrailErrorOptions } from "../_internal/errors.ts";
