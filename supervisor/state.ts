import type {
  Backoff,
  Constraints,
  DecisionNumbers,
  DecisionReason,
  EventRetry,
  EventTime,
  ExternalEventKind,
  SupervisorMode,
} from "./types.ts";

/** An event inside a {@linkcode SupervisorState}. */
export interface EventState {
  /** The event's id. */
  event_id: string;
  /** When it happened. */
  event_time: EventTime;
  /** Its kind. */
  kind: ExternalEventKind;
  /** The bytes of its payload. */
  payload: number[];
  /** Which attempt at the work its first attempt is; left out where that was not said. */
  first_attempt?: number;
  /** How its episode is tried; left out where the rules say that. */
  retry?: EventRetry;
}

/** A deferred episode inside a {@linkcode SupervisorState}. */
export interface DeferredState {
  /** When it is due. */
  schedule_at: EventTime;
  /** The episode. */
  episode_id: number;
  /** The event that it was made for. */
  event: EventState;
  /** How often it has been deferred. */
  defer_count: number;
  /** How many attempts were made. */
  attempts: number;
}

/** An attempt in flight inside a {@linkcode SupervisorState}. */
export interface InFlightState {
  /** The episode. */
  episode_id: number;
  /** Which attempt: the first is 1. */
  attempt: number;
  /** The event that the episode was made for. */
  event: EventState;
  /** The Pump that started it; `null` when the event itself did. */
  pump: EventState | null;
  /** Why it was started. */
  reason: DecisionReason;
  /** The numbers behind that. */
  numbers: DecisionNumbers;
}

/** A supervisor's rules and state as JSON: what {@linkcode Supervisor.from} goes on from. */
export interface SupervisorState {
  /** The format, 1. */
  format: 1;
  /** The graph. */
  graph_id: string;
  /** The mode. */
  mode: SupervisorMode;
  /** The constraints. */
  constraints: Constraints;
  /** The bound of the deferred queue, if any. */
  max_deferred: number | null;
  /** The back-off, if any. */
  backoff: Backoff | null;
  /** How many inputs were taken. */
  inputs: number;
  /** The id that the next episode gets. */
  next_episode_id: number;
  /** The clock. */
  clock: EventTime;
  /** When the episodes of the rate window started, in order. */
  recent: EventTime[];
  /** The deferred queue, in the order in which it comes due. */
  deferred: DeferredState[];
  /** Attempts in flight: each needs its completion. */
  in_flight: InFlightState[];
}
