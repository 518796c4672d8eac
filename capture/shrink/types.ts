import type { SupervisorOptions } from "../../supervisor/types.ts";
import type { CapturableSupervisor } from "../session/capturing_session.ts";
import type { CaptureBundle } from "../types.ts";

/**
 * Says whether a recording of fewer inputs still shows what is looked for. It must say the same of the same
 * recording each time, and change nothing of it.
 */
export type ShrinkPredicate = (candidate: CaptureBundle) => boolean | Promise<boolean>;

/** Options of {@linkcode shrink}. */
export interface ShrinkOptions {
  /**
   * Makes the supervisor that decides on fewer inputs: `(options) => new Supervisor(options)`, the one that made
   * the recording where that can be had. It must pass on every option that it gets.
   */
  createSupervisor: (options: SupervisorOptions) => CapturableSupervisor;
  /**
   * How often the predicate is asked at most. The smallest recording found by then is the result, with
   * `isMinimal` false.
   *
   * @default {as often as it takes}
   */
  maxTests?: number;
  /** Is told each time when the predicate has answered. */
  onProgress?: (progress: ShrinkProgress) => void;
  /** Breaks the search off: it rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** How far {@linkcode shrink} has come. */
export interface ShrinkProgress {
  /** How often the predicate has been asked. */
  tests: number;
  /** How many inputs the smallest recording has that was found so far. */
  inputs: number;
  /** That recording. It shares records with the one that is shrunk: neither is to be changed. */
  bundle: CaptureBundle;
}

/** What {@linkcode shrink} found. */
export interface ShrinkResult {
  /** The smallest recording. It shares nothing with the one that was shrunk. */
  bundle: CaptureBundle;
  /** How often the predicate was asked. */
  tests: number;
  /** Whether no input can be left out any more, each having been tried; not where `maxTests` came before. */
  isMinimal: boolean;
}
