/** The kinds of events. */
export const EVENT_KINDS = ["Pump", "DataAvailable", "Command"] as const;

/** What the seed's format can say was decided. */
export const SEED_DECISIONS = ["Invoke", "Skip", "Defer"] as const;

/** Why runs fail. */
export const ERROR_KINDS = [
  "NetworkTimeout",
  "AdapterUnavailable",
  "ValidationFailed",
  "RuntimeError",
  "SemanticError",
  "DeadlineExceeded",
  "Cancelled",
] as const;
