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
 * Verbs whose codes say more, as `verify` and `follow`, say so in their help. `exec` and `run --tasks` exit
 * as what they run did; theirs alone are:
 *
 * | Code    | What it says                                                                       |
 * | ------- | ---------------------------------------------------------------------------------- |
 * | 2       | it was called wrongly, and nothing was started                                     |
 * | 124     | its time ran out, as `timeout` says it                                             |
 * | 125     | the command itself failed: something cannot be recorded, or passed on              |
 * | 126     | the program was found and cannot be executed                                       |
 * | 127     | the program, or what its first line asks for, was not found                        |
 * | 128 + n | what runs was ended by signal n, or this was                                       |
 *
 * So does `resume` of such a run, and of a program; that it cannot be gone on with is 1, as for any run: nothing
 * was begun.
 */
import type { RunState } from "../eventlog/run_state.ts";
import type { AttemptEnd } from "../run/types.ts";
import type { Maker } from "./flow/flow.ts";

/** What was asked for cannot be done as it was asked: the command ends with exit code 2. */
export class UsageError extends Error {
  /** The name of the class. */
  override readonly name = "UsageError";
}

/** Says what is wrong with the value of an option. */
export function optionError(option: string, value: string, problem: string): UsageError {
  return new UsageError(`Cannot use --${option} ${JSON.stringify(value)}: ${problem}`);
}

const TIMED_OUT = 124;
const OWN_FAILURE = 125;
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

/** A program is not there, or may not be executed; nothing was started. */
export class ProgramError extends UsageError {
  /** What a shell exits with for it. */
  readonly shellCode: number;

  /** `isThere`: it was found, and may not be executed. */
  constructor(message: string, { isThere }: { isThere: boolean }) {
    super(message);
    this.shellCode = isThere ? NOT_EXECUTABLE : NOT_FOUND;
  }
}

/** What went wrong where the exit code is otherwise that of what runs, with a code that tells the two apart. */
export class PassedCodeError extends Error {
  /** The name of the class. */
  override readonly name = "PassedCodeError";
  /** The exit code. */
  readonly exitCode: number;

  /** `cause`: what is to be told. */
  constructor(cause: unknown) {
    super("What runs gives no exit code", { cause });
    this.exitCode = cause instanceof ProgramError
      ? cause.shellCode
      : cause instanceof UsageError
      ? exitCodeOfError(cause)
      : OWN_FAILURE;
  }
}

/** A signal has ended the command before anything was begun. */
export class StoppedError extends Error {
  /** The name of the class. */
  override readonly name = "StoppedError";
  /** The exit code. */
  readonly exitCode: number;

  /** `exitCode`: that of the signal. */
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Does what the exit code of is that of what runs, where the flow was made by a verb of which that is true.
 *
 * @param maker What made the flow.
 * @param does What is done.
 * @param isRefusal Which errors say that there is nothing to run; they are told as any verb's are.
 */
export async function passExitCode<T>(
  maker: Maker | undefined,
  does: () => T | Promise<T>,
  isRefusal: (error: unknown) => boolean = () => false,
): Promise<T> {
  try {
    return await does();
  } catch (error) {
    throw maker === undefined || isRefusal(error) ? error : new PassedCodeError(error);
  }
}

/** The exit code of an error that ended the command. */
export function exitCodeOfError(error: unknown): number {
  if (error instanceof PassedCodeError || error instanceof StoppedError) return error.exitCode;
  return error instanceof UsageError ? 2 : 1;
}

/** The exit code of a command that a signal ended, by the number of the signal. */
export function exitCodeOfSignal(number: number): number {
  return 128 + number;
}

/** How a run ended, besides its state. */
interface EndOfRun {
  /** What made its flow. */
  madeBy: Maker | undefined;
  /** The signal that ended the command. */
  received: { exitCode: number } | undefined;
  /** Whether some of what commands printed could not be passed on. */
  hasLost: boolean;
  /** How the node ended that ended the run, the first in time. */
  failure: AttemptEnd | undefined;
}

/**
 * The exit code of a run that has ended, or has been left without an end. A signal that ended the
 * command stands above everything; output that could not be passed on makes a success a failure.
 */
export function exitCodeOfRun(
  { state }: Pick<RunState, "state">,
  { madeBy, received, hasLost, failure }: EndOfRun,
): number {
  if (received !== undefined) return received.exitCode;
  if (madeBy === undefined) return state === "Completed" && !hasLost ? 0 : 1;
  if (hasLost) return OWN_FAILURE;
  if (state === "Completed") return 0;
  return failure === undefined ? OWN_FAILURE : exitCodeOfAttempt(failure);
}

/** What a shell would exit with for a command that ended so. */
export function exitCodeOfAttempt({ termination, end }: AttemptEnd): number {
  const { exit_code: exitCode, signal, error } = end;
  if (termination === "Completed") return 0;
  if (termination === "TimedOut") return TIMED_OUT;
  if (error?.kind === "host_missing") return error.code === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE;
  if (signal !== undefined) return exitCodeOfSignal(signalNumber(signal));
  return exitCode ?? OWN_FAILURE;
}

/** The signals by their numbers, from 1, on Linux. */
const LINUX_SIGNALS =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP " +
  "TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";
/** The same on macOS and the BSDs. */
const BSD_SIGNALS =
  "HUP INT QUIT ILL TRAP ABRT EMT FPE KILL BUS SEGV SYS PIPE ALRM TERM URG STOP TSTP CONT CHLD TTIN " +
  "TTOU IO XCPU XFSZ VTALRM PROF WINCH INFO USR1 USR2";

/** The number of a signal on this system; 0 where it has none of that name. One without a name is `SIG` and it. */
export function signalNumber(name: string): number {
  const [, number] = /^SIG(\d+)$/.exec(name) ?? [];
  if (number !== undefined) return Number(number);
  const signals = Deno.build.os === "linux" ? LINUX_SIGNALS : BSD_SIGNALS;
  return signals.split(" ").indexOf(name.replace(/^SIG/, "")) + 1;
}
