import type { RecoveredCapture } from "../../capture/session/recover_capture.ts";
import type { WaitedRecord, WaitRecord } from "../../capture/types.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { ErrorKind } from "../../eventlog/run_event.ts";
import type { SittingSpan } from "../../eventlog/run_state.ts";
import type {
  ConstraintsInit,
  Decision,
  DecisionReason,
  EventTime,
  RunRequest,
  RunTermination,
  Timers,
} from "../../supervisor/types.ts";
import type { TraceParent } from "../attempt_queue.ts";
import type { AttemptEnd, HeldRun, NodeAttempt } from "../types.ts";
import type { JournalHistory } from "./journal_history.ts";
import type { DamagedLines, DescribeNode, NodeText } from "./lifecycle.ts";

/** What was decided about a node. */
export interface Decided {
  /** The node. */
  nodeId: string;
  /** What was decided. */
  decision: Decision;
  /** Why. */
  reason: DecisionReason;
  /** When, in milliseconds since 1970. */
  at: number;
  /** When a deferred episode is due. */
  dueAt: EventTime | null;
  /** How the attempt ended whose end was decided on; null when the decision is about none. */
  termination: RunTermination | null;
  /** Whether the work of that attempt was begun. */
  begun: boolean;
  /** What the log calls that end; undefined of one that completed. */
  errorKind: ErrorKind | "cancelled" | undefined;
}

/** What the event of a node carries. */
export type Payload = RunRequest["payload"];

/** Observes attempts as they are told: what is said here is on disk. */
export interface EngineObserver {
  /** The work of an attempt has begun, `at` this time as the log has it; `payload`: what its event carries. */
  attemptBegan(
    attempt: NodeAttempt,
    begin: { text: NodeText; payload: Payload; at: number },
  ): void;
  /**
   * An attempt that had begun has ended, or one that may not begin at all has failed by that; `isLast`: nothing
   * comes of its ask any more.
   */
  attemptEnded(attempt: NodeAttempt, end: AttemptEnd & { at: number; isLast: boolean }): void;
  /** The run waits at a gate, until this time where that is limited. */
  gateWaits?(gate: string, wait: WaitRecord): void;
  /** It does so no more. */
  gateEnded?(gate: string, waited: WaitedRecord): void;
  /** A wait at a gate, or for a time, has ended. */
  waitEnded?(wait: WaitRecord, waited: WaitedRecord): void;
}

/** Makes an attempt that may begin. */
export type MakeAttempt = (attempt: NodeAttempt & { trace?: TraceParent }) => Promise<AttemptEnd>;

/** Follows a run from its begin to its end, as its trace does, and its spans. What it makes of that stops nothing. */
export interface RunFollower extends EngineObserver {
  /** The span that stands for this sitting of the run, for its log. */
  readonly span?: SittingSpan | undefined;
  /** Something was decided about a node, which may not be on disk. */
  decided?(decided: Decided): void;
  /** Makes an attempt: calls `make`, once and at once, and may surround it by what is active meanwhile. */
  making?(attempt: NodeAttempt, make: MakeAttempt): Promise<AttemptEnd>;
  /** The run has ended; `reason`: why it did not complete. */
  finish(reason?: string): Promise<void>;
}

/**
 * How far an attempt has come: its begin is decided on, which is in the journal, and its work was not called for
 * yet; that was called for; it is over, and the line of its end not yet appended; its end is in the log.
 */
export type AttemptPoint = "decided" | "begun" | "ended" | "told";

/** What a `RunEngine` works with. */
export interface EngineOptions {
  /** The run. */
  held: HeldRun;
  /** The name of what is run: its graph. */
  name: string;
  /** The nodes that are known beforehand. */
  nodes: readonly string[];
  /** What the supervisor keeps to. */
  constraints: ConstraintsInit;
  /** What stands for the flow or the program in the recording. */
  runtimeProvenance: string;
  /** Makes an attempt; `trace`: the span that it is, where it is one. */
  invoke: (
    request: RunRequest,
    attempt: NodeAttempt & { trace?: TraceParent },
  ) => Promise<AttemptEnd>;
  /** Whether the work is done outside of this process: then its begin has to be on disk before. */
  isOutside: boolean;
  /** Whether the work of an attempt may begin now; else it ends unbegun, as cut off or as is said. */
  mayBegin?: (attempt: NodeAttempt) => boolean | AttemptEnd;
  /** Says what the payload of a node asks for. */
  describe: DescribeNode;
  /** Told of every decision about a node, before it can be seen outside. */
  onDecided: (decided: Decided) => void;
  /** Told of attempts. */
  observer: EngineObserver;
  /** Told how far each attempt has come, as it comes there: a drill cuts the process off where it is called. */
  atPoint?: (attempt: NodeAttempt, point: AttemptPoint) => void;
  /** Whether whatever is slept for has come, as in a drill. */
  sleepsAreDue?: boolean;
  /** What the log has. */
  fold: RunFold;
  /** The span of this sitting, which the log is told. */
  span?: SittingSpan | undefined;
  /** Ends the run: what runs is asked to end, and nothing more begins. */
  signal: AbortSignal;
  /**
   * Told when a message asks the holder to stop, as by this signal; left out where a signal itself reaches it, as
   * on a root of files, whose inbox nobody looks into for that.
   */
  onStopAsked?: (signal: Deno.Signal) => void;
  /** How long what runs may take to end when it was asked to, in milliseconds. */
  endWithinMs?: number;
  /** Makes the time by which attempts run out of theirs, of the time of the session; that itself by default. */
  attemptTimers?: (timers: Timers) => Timers;
}

/** What to do about a run that another process has left. */
export interface LeftRun {
  /**
   * Told what the journal has, before anything else is done; what it throws ends all, and the records stay
   * as they are.
   */
  onHistory?: (history: JournalHistory, recovered: RecoveredCapture) => void;
  /**
   * Sees to it that nothing of these attempts goes on, before the run is changed; what it throws ends all,
   * and the records stay as they are.
   */
  endLeftovers: (attempts: readonly NodeAttempt[]) => Promise<void>;
  /** The lines of the log that were found damaged now. */
  damaged?: DamagedLines;
  /** The nodes that are other ones now than when the run began. */
  changed?: readonly string[];
}

/** How a run ended, for whoever shows it. */
export interface RunEnding {
  /** Why it did not complete; undefined when it did. */
  reason: string | undefined;
  /** The node or step that ended it, if one did. */
  failed?: string;
  /** What was not begun, and will not, each with the reason. */
  skipped?: Readonly<Record<string, string>>;
  /** What it gives, any JSON. */
  output?: unknown;
}
