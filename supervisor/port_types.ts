import type {
  Backoff,
  ConstraintsInit,
  DecisionLogEntry,
  Duration,
  EventTime,
  ExecutionContext,
  RunTermination,
  SupervisorInput,
  SupervisorMode,
} from "./types.ts";

/** Where decisions go (SUP-7). */
export interface DecisionLog {
  /**
   * Takes one decision. The supervisor waits for it before the next input; when it throws or rejects
   * the supervisor stops with that error. It must not wait for the supervisor.
   */
  log(entry: DecisionLogEntry): void | Promise<void>;
}

/** Where inputs go before they are decided on: what is needed to replay. */
export interface InputLog {
  /**
   * Takes one input, in the order in which the supervisor takes them. The supervisor waits for it
   * before it decides; when it throws or rejects the supervisor stops with that error, the input
   * undecided. It must not wait for the supervisor.
   */
  record(input: SupervisorInput): void | Promise<void>;
}

/** What an invoker is asked to run. */
export interface RunRequest {
  /** The graph that the supervisor is bound to. */
  readonly graphId: string;
  /** The event that the episode was made for (SCH-14). */
  readonly eventId: string;
  /** The episode. */
  readonly episodeId: number;
  /** Which attempt: the first is 1. */
  readonly attempt: number;
  /** The numbers, texts, booleans and series at the top of the payload (EVT-4). */
  readonly context: ExecutionContext;
  /**
   * The payload of the event, whole, as `JSON.parse` reads it; without one an empty object. Each attempt
   * has its own copy.
   */
  readonly payload: Readonly<Record<string, unknown>>;
  /** The configured deadline; exactly 0 asks for the answer `Aborted` (INV-3, INV-4). */
  readonly deadline?: Duration;
  /** Aborts when the deadline has passed, and when the supervisor's signal aborts. */
  readonly signal: AbortSignal;
}

/**
 * Does the work.
 *
 * @example An asynchronous invoker
 * ```ts
 * import type { RuntimeInvoker, RunTermination } from "@taffrail/taffrail/supervisor";
 *
 * const invoker: RuntimeInvoker = {
 *   // The return type is needed: without it TypeScript takes "Completed" for any string.
 *   async run({ eventId, signal }): Promise<RunTermination> {
 *     const response = await fetch(`https://example.com/${eventId}`, { signal });
 *     return response.ok ? "Completed" : { Failed: "AdapterUnavailable" };
 *   },
 * };
 * void invoker;
 * ```
 */
export interface RuntimeInvoker {
  /**
   * Makes one attempt and says how it ended. Anything thrown, and any answer that is no
   * {@linkcode RunTermination}, counts as `{ Failed: "RuntimeError" }`.
   */
  run(request: RunRequest): RunTermination | Promise<RunTermination>;
}

/** An attempt in flight. */
export interface AttemptRef {
  /** The event that the episode was made for. */
  readonly eventId: string;
  /** The episode. */
  readonly episodeId: number;
  /** Which attempt: the first is 1. */
  readonly attempt: number;
}

/** An answer to an attempt that had ended already, by its deadline for instance; it changes nothing. */
export interface LateAnswer extends AttemptRef {
  /** What the answer was. */
  readonly termination: RunTermination;
  /** What the invoker threw, if it did. */
  readonly error?: unknown;
}

/** What an invoker threw instead of answering. */
export interface InvokerFailure extends AttemptRef {
  /** What was thrown. */
  readonly error: unknown;
}

/**
 * Time for the parts that need it. Event times and these times must have the same origin. The methods
 * must not throw.
 */
export interface Timers {
  /** The time now. */
  now(): EventTime;
  /**
   * Calls back once when the time has come, never before this call returns, and returns a function that
   * takes the call back. Calling too early does no harm.
   */
  setTimer(at: EventTime, callback: () => void): () => void;
}

/** What a supervisor needs besides its rules and state: {@linkcode Supervisor.from} takes it. */
export interface SupervisorPorts {
  /** Takes every decision. */
  decisionLog: DecisionLog;
  /** Does the work. */
  invoker: RuntimeInvoker;
  /** Takes every input before it is decided on. */
  inputLog?: InputLog;
  /** Time. Needed in `"concurrent"` mode with a deadline above 0; without it no deadline passes. */
  timers?: Timers;
  /**
   * How long an invoker may take to answer after its signal aborted, in milliseconds.
   *
   * @default {5000}
   */
  deadlineGraceMs?: number;
  /**
   * Called before the invoker is, for each attempt: what must be recorded before the work may begin. The
   * deadline of the attempt begins when this has resolved. Whatever ends the attempt meanwhile, its
   * invoker is not called. When this throws or rejects, the supervisor stops with that error.
   */
  beforeRun?: (attempt: AttemptRef) => void | Promise<void>;
  /** Called with answers to attempts that had ended already. */
  onLate?: (late: LateAnswer) => void;
  /** Called with what an invoker threw. */
  onInvokerError?: (failure: InvokerFailure) => void;
  /** Stops the supervisor: see {@linkcode Supervisor}. */
  signal?: AbortSignal;
}

/** The rules that a supervisor decides by. With the list of inputs they determine every decision. */
export interface SupervisorRules {
  /** The graph that the supervisor is bound to for life (SUP-1). */
  graphId: string;
  /** The limits to keep. */
  constraints: ConstraintsInit;
  /**
   * Whether runs may overlap.
   *
   * @default {"serial"}
   */
  mode?: SupervisorMode;
  /** How many episodes the deferred queue may hold; what exceeds it is skipped. */
  maxDeferred?: number | null;
  /** How long a retry waits; without it retries are immediate (INV-2). */
  backoff?: Backoff | null;
}

/** What `new Supervisor` takes. */
export interface SupervisorOptions extends SupervisorRules, SupervisorPorts {}

/** What is left when nothing more happens by itself. */
export interface Leftovers {
  /** Episodes in the deferred queue. */
  deferred: number;
  /** Attempts that only {@linkcode Supervisor.complete} can end. */
  inFlight: number;
}

/** The end of an attempt, for {@linkcode Supervisor.complete}. */
export interface Completion {
  /** The episode. */
  episodeId: number;
  /** Which attempt: the first is 1. */
  attempt: number;
  /** How it ended. */
  termination: RunTermination;
  /** When it ended: by default now, without timers the supervisor's clock. */
  at?: EventTime;
}
