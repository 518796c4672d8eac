/** What a run of the command and what makes its spans have to know of each other. */
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { RunFollower } from "../../run/engine/types.ts";

/** A run of the command. */
export interface CommandRun {
  runId: string;
  /** The name of its flow. */
  name: string;
  fold: RunFold;
  /** Told what people should know, at the end. */
  note: (text: string) => void;
  /** Cuts waiting for a backend short. */
  kill: AbortSignal;
}

/** What makes the spans of a run, and sends them when it is disposed of. */
export interface CommandSpans extends AsyncDisposable {
  readonly follower: RunFollower | undefined;
}
