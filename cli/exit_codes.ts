/**
 * What the command exits with:
 *
 * | Code    | What it says                                                                       |
 * | ------- | ---------------------------------------------------------------------------------- |
 * | 0       | all went well                                                                      |
 * | 1       | the work failed, or something cannot be read, written or recorded                  |
 * | 2       | it was called wrongly, and nothing was started                                     |
 * | 128 + n | it was ended by signal n                                                           |
 *
 * Verbs whose codes say more, as `verify` and `follow`, say so in their help.
 */
import type { RunState } from "../eventlog/run_state.ts";

/** What was asked for cannot be done as it was asked: the command ends with exit code 2. */
export class UsageError extends Error {
  /** The name of the class. */
  override readonly name = "UsageError";
}

/** Says what is wrong with the value of an option. */
export function optionError(option: string, value: string, problem: string): UsageError {
  return new UsageError(`Cannot use --${option} ${JSON.stringify(value)}: ${problem}`);
}

/** The exit code of an error that ended the command. */
export function exitCodeOfError(error: unknown): number {
  return error instanceof UsageError ? 2 : 1;
}

/** The exit code of a command that a signal ended, by the number of the signal. */
export function exitCodeOfSignal(number: number): number {
  return 128 + number;
}

/**
 * The exit code of a run that has ended, or has been left without an end. A signal that ended the
 * command stands above everything; output that could not be passed on makes a success a failure.
 */
export function exitCodeOfRun(
  { state }: Pick<RunState, "state">,
  { received, hasLost }: { received: { exitCode: number } | undefined; hasLost: boolean },
): number {
  if (received !== undefined) return received.exitCode;
  return state === "Completed" && !hasLost ? 0 : 1;
}

/** The exit code of tasks that have failed: what the first of them exited with, as `deno task` would. */
export function exitCodeOfTasks(
  nodes: Iterable<RunState["nodes"][number] & { exit_code?: number }>,
): number {
  for (const { status, exit_code: exitCode } of nodes) {
    if (typeof status === "object") return exitCode || 1;
  }
  return 1;
}
