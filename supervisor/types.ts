import type { Constraints } from "../_internal/constraints.ts";
import type { Value } from "../_internal/event_payload.ts";
import type { Duration, EventTime } from "../_internal/event_time.ts";

export type { Constraints } from "../_internal/constraints.ts";
export type { Duration, EventTime } from "../_internal/event_time.ts";
export type { Value } from "../_internal/event_payload.ts";

/** What kind of event: a `Pump` retries what was deferred, every other kind asks for a run (SCH-4). */
export type ExternalEventKind = "Pump" | "DataAvailable" | "Command";

/** What a run may read: the values that the payload of its event holds (EVT-4). */
export type ExecutionContext = ReadonlyMap<string, Value>;

/** An event from outside, made by {@linkcode createEvent}. */
export interface ExternalEvent {
  /** The event's name. Any text; strict replay wants it unique in its recording. */
  readonly id: string;
  /** What it asks for. */
  readonly kind: ExternalEventKind;
  /** When it happened. The supervisor's clock never goes back because of it (SCH-2). */
  readonly at: EventTime;
  /** The bytes of one JSON object, or none. */
  readonly payload: Uint8Array;
  /** The values derived from the payload. */
  readonly context: ExecutionContext;
  /**
   * Which attempt at the work the first attempt of this event is, where other events asked for the same work
   * before. It is recorded, and no decision depends on it.
   */
  readonly firstAttempt?: number;
  /** How its episode is tried, where that is not by the supervisor's rules. */
  readonly retry?: EventRetry;
}

/**
 * How the episode of one event is tried. What is left out is as the supervisor's rules say. It is part of the
 * event, and so of every recording and saved state.
 */
export interface EventRetry {
  /** How many further attempts a mechanical failure gets, in place of `constraints.max_retries`. */
  readonly max_retries?: number;
  /** How long an attempt may take, in place of `constraints.deadline`. */
  readonly deadline?: Duration;
  /** How long a retry waits, in place of the supervisor's `backoff`. */
  readonly backoff?: Backoff;
}

/** What {@linkcode createEvent} makes an event of. */
export interface EventInit {
  /** The event's name. */
  id: string;
  /** What it asks for. */
  kind: ExternalEventKind;
  /** When it happened. */
  at: EventTime;
  /**
   * The bytes, or the text, of one JSON object.
   *
   * @default {no payload}
   */
  payload?: Uint8Array | string;
  /**
   * Which attempt at the work the first attempt of this event is, from 1: see
   * {@linkcode ExternalEvent.firstAttempt}.
   *
   * @default {not said}
   */
  firstAttempt?: number;
  /**
   * How the episode of this event is tried; a `Pump` has none of its own.
   *
   * @default {as the supervisor's rules say}
   */
  retry?: EventRetry;
}

/** Why a run failed; only mechanical failures are tried again (INV-1). */
export type ErrKind =
  | "NetworkTimeout"
  | "AdapterUnavailable"
  | "ValidationFailed"
  | "RuntimeError"
  | "SemanticError"
  | "DeadlineExceeded"
  | "Cancelled";

/** How an attempt ended. */
export type RunTermination = "Completed" | "TimedOut" | "Aborted" | { readonly Failed: ErrKind };

/** A JSON object: its members are texts, booleans, nulls, finite numbers, and lists and objects of these. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What an invoker answers where there is more to be recorded than how the attempt ended. */
export interface RunAnswer {
  /** How the attempt ended: what is decided by. */
  readonly termination: RunTermination;
  /** What else is to be recorded of its end: a {@linkcode JsonObject}. No decision depends on it. */
  readonly end?: object;
}

/**
 * What was decided. `Finish` is only made in `"concurrent"` mode, where an episode's end is a decision
 * of its own; in `"serial"` mode the `Invoke` entry carries the end, as in the original program.
 */
export type Decision = "Invoke" | "Skip" | "Defer" | "Finish";

/** Constraints as a program states them: what is left out is no limit. */
export type ConstraintsInit = Partial<Constraints> & Pick<Constraints, "max_retries">;

/**
 * How long a retry waits, in event time: `initial`, then `factor` times as long each time, at most
 * `max`. A waiting retry stands in the deferred queue and needs a Pump like everything there.
 */
export interface Backoff {
  /** The wait before the first retry. */
  readonly initial: Duration;
  /** What the wait grows by, an integer from 1 to 1,000. */
  readonly factor: number;
  /** The longest wait. */
  readonly max: Duration;
}

/**
 * `"serial"`: one run at a time, rule for rule as the original program. `"concurrent"`: runs overlap, and each
 * completion is an input of its own.
 */
export type SupervisorMode = "serial" | "concurrent";

/** An event as an input. */
export interface EventInput {
  /** Tells it from a completion. */
  readonly type: "event";
  /** The event. */
  readonly event: ExternalEvent;
}

/** The end of one attempt as an input. */
export interface CompletionInput {
  /** Tells it from an event. */
  readonly type: "completion";
  /** The episode whose attempt ended. */
  readonly episode_id: number;
  /** Which attempt: the first is 1. */
  readonly attempt: number;
  /** How it ended. */
  readonly termination: RunTermination;
  /** When it ended. In `"concurrent"` mode it moves the clock; in `"serial"` mode it does not. */
  readonly at: EventTime;
  /** What else is known of its end. It is recorded, and no decision depends on it. */
  readonly end?: JsonObject;
}

/** A deferred episode is taken out of the queue, as an input: it is not to be started any more. */
export interface WithdrawInput {
  /** Tells it from other inputs. */
  readonly type: "withdraw";
  /** The episode, which is deferred. */
  readonly episode_id: number;
  /** When. It moves the clock, as the time of an event does. */
  readonly at: EventTime;
}

/**
 * One input. The ordered list of a supervisor's inputs determines its decisions: the same list fed to
 * a fresh supervisor with the same options gives the same entries.
 */
export type SupervisorInput = EventInput | CompletionInput | WithdrawInput;

/**
 * Why a decision is what it is.
 *
 * | Reason | Decision | Meaning |
 * | --- | --- | --- |
 * | `admitted` | Invoke | no limit stood in the way of the event |
 * | `due` | Invoke | a Pump found this deferred episode due and no limit in its way |
 * | `retry` | Invoke | the attempt failed mechanically and is made again at once |
 * | `saturated` | Defer | `max_in_flight` episodes are in flight |
 * | `rate_limited` | Defer | `max_per_window` episodes started within `rate_window` |
 * | `backoff` | Defer | the attempt failed mechanically; its retry waits |
 * | `nothing_due` | Defer | a Pump found no deferred episode due |
 * | `queue_full` | Skip | it would have been deferred, and `maxDeferred` episodes are |
 * | `withdrawn` | Skip | it was deferred, and {@linkcode Supervisor.withdraw} took it out of the queue |
 * | `completed` | Finish | the run completed |
 * | `not_retryable` | Finish | the termination is not one that is tried again |
 * | `retries_exhausted` | Finish | the termination would be tried again, but `max_retries` were made |
 */
export type DecisionReason =
  | "admitted"
  | "due"
  | "retry"
  | "saturated"
  | "rate_limited"
  | "backoff"
  | "nothing_due"
  | "queue_full"
  | "withdrawn"
  | "completed"
  | "not_retryable"
  | "retries_exhausted";

/** The numbers behind a decision, as they stood just before it took effect. */
export interface DecisionNumbers {
  /** The supervisor's clock, this input included. */
  readonly now: EventTime;
  /** Episodes in flight, to be held against `max_in_flight`. */
  readonly in_flight: number;
  /** Episodes started within `rate_window`, to be held against `max_per_window`; 0 without a window. */
  readonly in_window: number;
  /** Episodes in the deferred queue, to be held against `maxDeferred`. */
  readonly deferred: number;
  /** When the first deferred episode is due; `null` when none is deferred. */
  readonly next_due: EventTime | null;
  /** How often the episode has been deferred, this decision included. */
  readonly defer_count: number;
  /** How many further attempts a failure gets, where the event of the episode says so itself. */
  readonly max_retries?: number;
}

/** One decision: the fields of the v3 format by their wire names, and behind them why. */
export interface DecisionLogEntry {
  /** The graph that the supervisor is bound to (SUP-1). */
  readonly graph_id: string;
  /** The id of `event`. */
  readonly event_id: string;
  /**
   * The event that was decided on; for a run that a Pump started, the Pump (SCH-14); for an episode that was
   * withdrawn, the event that it was made for.
   */
  readonly event: ExternalEvent;
  /** What was decided. */
  readonly decision: Decision;
  /** When a deferred episode is due; `null` unless something was deferred. */
  readonly schedule_at: EventTime | null;
  /** The episode: numbered from 0 in the order of admission (SCH-5). */
  readonly episode_id: number;
  /** How long attempts may take: as the event of the episode or the constraints say, whatever the decision (SCH-9). */
  readonly deadline: Duration | null;
  /** How the episode ended; `null` as long as it has not. */
  readonly termination: RunTermination | null;
  /** Attempts made beyond the first (INV-2). */
  readonly retry_count: number;
  /** How the attempt ended whose end was decided on; `null` when the decision is about an event. */
  readonly attemptTermination: RunTermination | null;
  /** Why it was decided so. */
  readonly reason: DecisionReason;
  /** The numbers behind it. */
  readonly numbers: DecisionNumbers;
  /** The id of the event that the episode was made for; `null` for a Pump that found nothing due. */
  readonly originEventId: string | null;
}

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
   * has its own copy, read when it is first asked for.
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
   * Makes one attempt and says how it ended, and with a {@linkcode RunAnswer} what else is to be recorded of
   * that. Anything thrown, and any other answer, counts as `{ Failed: "RuntimeError" }`.
   */
  run(request: RunRequest): RunTermination | RunAnswer | Promise<RunTermination | RunAnswer>;
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

/** An episode that waits in the deferred queue. */
export interface DeferredRef {
  /** The event that the episode was made for. */
  readonly eventId: string;
  /** The episode. */
  readonly episodeId: number;
  /** How many attempts were made. */
  readonly attempts: number;
}

/** An answer to an attempt that had ended already, by its deadline for instance; it changes nothing. */
export interface LateAnswer extends AttemptRef {
  /** What the answer was. */
  readonly termination: RunTermination;
  /** What else it said of the end. */
  readonly end?: JsonObject;
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
   * The time by which attempts run out of theirs, where some is not to count, such as that in which the
   * process was suspended; nothing of it is recorded.
   *
   * @default {timers}
   */
  attemptTimers?: Timers;
  /**
   * How long an invoker may take to answer after its signal aborted, in milliseconds.
   *
   * @default {5000}
   */
  deadlineGraceMs?: number;
  /**
   * Called before the invoker is, for each attempt: what must be recorded before the work may begin. The
   * deadline of the attempt begins when this has resolved. Attempts that wait for the same promise are
   * called in the order in which they were decided on, before whatever waits for it since later. An
   * attempt that waits is in flight; whatever ends it meanwhile, its invoker is not called, and if an
   * abort does, the completion carries `end: { begun: false }`. When this throws or rejects, the
   * supervisor stops with that error.
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
  /** What else is to be recorded of its end: a {@linkcode JsonObject}. No decision depends on it. */
  end?: object;
  /** When it ended: by default now, without timers the supervisor's clock. */
  at?: EventTime;
}

/** The deferred episode that is not to be started any more, for {@linkcode Supervisor.withdraw}. */
export interface Withdrawal {
  /** The episode. */
  episodeId: number;
  /** When: by default now, without timers the supervisor's clock. */
  at?: EventTime;
}
