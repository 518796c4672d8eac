import { CaptureJournalError, ReplayError } from "../capture/mod.ts";
import { TraceFileError } from "../trace/mod.ts";

/** Whether a newer version wrote what could not be read: then it is neither used nor written to. */
export function isNewer(error: unknown): boolean {
  if (error instanceof CaptureJournalError) return error.kind === "version";
  if (error instanceof ReplayError) return error.captureVersion !== undefined;
  return error instanceof TraceFileError &&
    (error.kind === "version" || error.kind === "algorithm");
}

/** What the error says, for people, and what to do about it. */
export function newerText(error: unknown): string {
  return `${error instanceof Error ? error.message : String(error)}; use a newer taffrail`;
}
