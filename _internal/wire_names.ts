/**
 * The names that events, decisions and terminations have on the wire. The supervisor checks what it is
 * handed against them, capture reads and prints them; the types that say the same are the supervisor's, and
 * of gates the event log's.
 */

/** The kinds of events. */
export const EVENT_KINDS = ["Pump", "DataAvailable", "Command"] as const;

/** The modes of a supervisor. */
export const MODES = ["serial", "concurrent"] as const;

/** How an attempt ends that did not fail. */
export const PLAIN_TERMINATIONS = ["Completed", "TimedOut", "Aborted"] as const;

/** Why attempts fail: `{ "Failed": … }`. */
export const ERROR_KINDS = [
  "NetworkTimeout",
  "AdapterUnavailable",
  "ValidationFailed",
  "RuntimeError",
  "SemanticError",
  "DeadlineExceeded",
  "Cancelled",
] as const;

/** What the v3 format can say was decided. */
export const V3_DECISIONS = ["Invoke", "Skip", "Defer"] as const;

/** What can be decided. */
export const DECISIONS = [...V3_DECISIONS, "Finish"] as const;

/** Why an attempt is started for an event, the first of its episode or of its Pump. */
export const START_REASONS = ["admitted", "due"] as const;

/** Why something was decided. */
export const DECISION_REASONS = [
  ...START_REASONS,
  "retry",
  "saturated",
  "rate_limited",
  "backoff",
  "nothing_due",
  "queue_full",
  "withdrawn",
  "completed",
  "not_retryable",
  "retries_exhausted",
] as const;

/** By which way somebody passes a gate. */
export const GATE_METHODS = ["hook", "human_cli", "mcp_tool"] as const;
