/** What a database refuses, in the words of runs and of logs. */
import { reasonOf } from "../_internal/text.ts";
import { EventLogError } from "../eventlog/event_log_error.ts";
import { RunError, runError } from "../run/run_error.ts";

/** Where something failed. */
export interface Where {
  /** The root, as it is called. */
  root: string;
  /** The run, where it is about one. */
  runId?: string;
}

/** SQLSTATEs, and codes of systems and drivers, after which the same can be asked by another connection. */
const LOST = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN", // the name of the server could not be asked for just now
  "ENOENT", // the socket of Unix of a server that is not there just now
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now
  "57P05", // idle_session_timeout
  "53300", // too_many_connections
  "25006", // read_only_sql_transaction: the server is not the primary any more
  "40001", // serialization_failure
  "40P01", // deadlock_detected
  "55P03", // lock_not_available: it was waited for long enough
]);

/** The SQLSTATE of an error, or the code of the system. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error ? Reflect.get(error, "code") : undefined;
  return typeof code === "string" ? code : undefined;
}

/** Whether it is the connection that failed, and not what was asked. */
export function isConnectionLost(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && (LOST.has(code) || /^08[0-9A-Z]{3}$/.test(code));
}

/** The same of an error of a run, which has that of the database as its cause. */
export function isServerAway(error: unknown): boolean {
  return isConnectionLost(error) || (error instanceof RunError && isConnectionLost(error.cause));
}

/** An error of the database as one of a run: what is not known there is `io`. */
export function asRootError(error: unknown, { root, runId }: Where): unknown {
  const isKnown = error instanceof RunError || error instanceof EventLogError ||
    error instanceof TypeError || error instanceof RangeError;
  if (isKnown) return error;
  const details = { path: root, ...(runId !== undefined && { runId }) };
  const what = runId === undefined ? root : `the run ${runId} in ${root}`;
  const remedy = remedyFor(codeOf(error), root);
  const reason = reasonOf(error);
  // Who cannot connect has said so, and to what.
  const message = reason.startsWith("Cannot connect to ")
    ? reason
    : `Cannot use ${what}: ${reason}`;
  return runError("io", message, {
    details,
    cause: error,
    ...(remedy !== undefined && { remedy }),
  });
}

function remedyFor(code: string | undefined, root: string): string | undefined {
  switch (code) {
    case "3F000": // invalid_schema_name
    case "42883": // undefined_function
    case "42P01": // undefined_table
      return `taffrail init --root ${root} makes the schema`;
    case "42501": // insufficient_privilege
      return `its owner gives the right: taffrail init --root ${root} --runner ROLE, or --worker ROLE`;
    default:
      return undefined;
  }
}
