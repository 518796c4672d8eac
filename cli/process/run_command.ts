import { turn } from "../../_internal/barrier.ts";
import { isWindows } from "../../_internal/path.ts";
import { reasonOf } from "../../_internal/text.ts";
import { NotStartedError, refuseNotExecutable } from "./cannot_run.ts";
import { setAwakeTimeout } from "./awake_time.ts";
import { aborted, ProcessGroup, wait } from "./end_processes.ts";
import { endingSignalOf, type SignalTarget } from "./interrupts.ts";
import type { SharedTerminal } from "./shared_terminal.ts";
import { OutputPump, patienceFor, type TakeOutput } from "./output_pump.ts";

/** One command to run. */
export interface Command {
  /** The path of the program. */
  program: string;
  /** Its arguments. */
  args: string[];
  /** Where it runs. */
  cwd: string;
  /** Variables on top of the environment of this process. */
  env: Record<string, string>;
  /** Variables of this process that it does not get. */
  unset: string[];
  /** Whether it reads the standard input of this process, or nothing. */
  inheritsInput: boolean;
  /** The terminal that it shares with this process, if it does. */
  terminal?: SharedTerminal | undefined;
}

/** Who takes what a command prints, and when to end it before it ends by itself. */
export interface CommandOptions {
  /** Takes its standard output. */
  takeOutput: TakeOutput;
  /** Takes its error output. */
  takeErrors: TakeOutput;
  /** Records its process as soon as there is one; when that fails, the command is ended. */
  onSpawned: (pid: number) => void | Promise<void>;
  /** How long it may take, in milliseconds. */
  timeoutMs?: number | undefined;
  /** The time between what asks it to end and SIGKILL, in milliseconds. */
  graceMs: number;
  /** Ends it, by the signal that is the reason, if one is, else by SIGTERM. */
  stop: AbortSignal;
  /** Cuts the grace short. */
  kill: AbortSignal;
  /** The commands that signals are passed on to: it is one of them as long as it runs. */
  commands?: Set<SignalTarget> | undefined;
  /** Ends what a command that did not end well has left outside of its group. */
  endLeft: () => Promise<void>;
}

/**
 * Why a command was ended before it ended by itself: its own time ran out, somebody else ends it (the
 * user, or the supervisor when the deadline of its attempt passes), what it prints cannot be taken, or
 * that it was started cannot be recorded.
 */
type EarlyEnd = "timeout" | "stop" | "output" | "record";

/** How the process of a command ended. */
interface CommandStatus {
  success: boolean;
  code: number;
  signal: string | null;
}

/** How a command ended. */
export interface CommandEnd {
  /** Its exit code; of one that a signal ended, what a shell would say. */
  code: number;
  /** The signal that ended it. */
  signal: string | null;
  /** Why it was ended before it ended by itself. */
  endedBy: EarlyEnd | undefined;
  /** What was thrown by whoever took its output. */
  outputError: unknown;
  /** How long it took, in milliseconds. */
  durationMs: number;
  /** Whether it left processes behind, which were ended. */
  leftProcesses: boolean;
  /** Whether something that has left its group still held its output open. */
  leftOutputOpen: boolean;
}

/**
 * Runs a command in a process group of its own, unless it shares the terminal, and resolves when it, what it
 * has started and its output have ended.
 *
 * @throws {NotStartedError} If it cannot be started; or whatever recording that it was throws.
 */
export async function runCommand(command: Command, options: CommandOptions): Promise<CommandEnd> {
  const { graceMs, stop, kill, commands } = options;
  const startedAt = performance.now();
  const { terminal } = command;
  const child = spawn(command);
  const group = new ProcessGroup(child, { isAlone: terminal !== undefined });
  terminal?.onLent();
  commands?.add(group);
  const exit = statusOf(child).then((status) => ({ ...status, at: performance.now() }));
  const output = new CommandOutput(terminal?.leavesOutput ? undefined : child, options);
  using early = new EarlyEnding(options);
  void output.ended.then(() => output.error === undefined || early.want("output"));
  const recorded = recordSpawn(options, child.pid);
  recorded.catch(() => early.want("record"));

  await Promise.race([exit, early.wanted]);
  const endedBy = early.reason;
  const by = endedBy === "stop" ? endingSignalOf(stop.reason) : "SIGTERM";
  const hadToEnd = await group.end({ by, graceMs, kill });
  const { code, signal, success, at } = await exit;
  commands?.delete(group);
  const isWell = success && endedBy === undefined;
  // Without a group of its own, nothing else has ended what it left.
  if (!isWell || terminal !== undefined) await options.endLeft();
  const leftOutputOpen = await output.end({ graceMs, stop, kill });
  await recorded;
  return {
    code,
    signal,
    endedBy,
    outputError: output.error,
    durationMs: Math.round(at - startedAt),
    leftProcesses: hadToEnd && endedBy === undefined,
    leftOutputOpen,
  };
}

/** What it takes to kill a command and to tidy up after it, besides the grace. */
const TIDY_UP_MS = 10_000;

/**
 * The time within which {@linkcode runCommand} is over once it was asked to end the command: its group gets
 * the grace, after that what has left the group, and then whoever still holds its output open.
 */
export function endWithinMs(graceMs: number): number {
  return 3 * graceMs + TIDY_UP_MS;
}

/** Deno has no names for the real-time signals, and tells such an end as an error. */
async function statusOf(child: Deno.ChildProcess): Promise<CommandStatus> {
  try {
    return await child.status;
  } catch (error) {
    const [, number] = /^Invalid signal: (\d+)$/.exec(reasonOf(error)) ?? [];
    if (number === undefined) throw error;
    return { success: false, code: 128 + Number(number), signal: `SIG${number}` };
  }
}

/** It is recorded before this returns its promise, where the recording does not wait for anything. */
async function recordSpawn({ onSpawned }: CommandOptions, pid: number): Promise<void> {
  await onSpawned(pid);
}

function spawn(command: Command): Deno.ChildProcess {
  const { program, args, cwd, env, unset, inheritsInput, terminal } = command;
  const output = terminal?.leavesOutput ? "inherit" : "piped";
  try {
    refuseNotExecutable(program);
    return new Deno.Command(program, {
      args,
      cwd,
      ...environmentOf(env, unset),
      stdin: inheritsInput ? "inherit" : "null",
      stdout: output,
      stderr: output,
      detached: !isWindows && terminal === undefined,
    }).spawn();
  } catch (cause) {
    throw NotStartedError.of(cause, { program, cwd });
  }
}

/** A command gets all variables of this process; where it must not have one, the others are named to it. */
function environmentOf(
  own: Record<string, string>,
  unset: readonly string[],
): { env: Record<string, string>; clearEnv?: true } {
  if (!unset.some((name) => Deno.env.has(name))) return { env: own };
  const inherited = Object.entries(Deno.env.toObject()).filter(([name]) => !unset.includes(name));
  return { env: { ...Object.fromEntries(inherited), ...own }, clearEnv: true };
}

/** The first reason to end a command before it ends by itself. */
class EarlyEnding implements Disposable {
  /** The reason; undefined as long as there is none. */
  reason: EarlyEnd | undefined;
  readonly #stop: AbortSignal;
  readonly #cancelTimer: (() => void) | undefined;
  readonly #wanted = Promise.withResolvers<void>();
  /** Resolves when there is one. */
  readonly wanted: Promise<void> = this.#wanted.promise;

  constructor({ stop, timeoutMs }: Pick<CommandOptions, "stop" | "timeoutMs">) {
    this.#stop = stop;
    stop.addEventListener("abort", this.#onStop);
    if (stop.aborted) this.#onStop();
    if (timeoutMs === undefined) return;
    this.#cancelTimer = setAwakeTimeout(() => this.want("timeout"), timeoutMs);
  }

  want(reason: EarlyEnd): void {
    this.reason ??= reason;
    this.#wanted.resolve();
  }

  [Symbol.dispose](): void {
    // The first use of a timer loads a part of the runtime, even to clear none.
    this.#cancelTimer?.();
    this.#stop.removeEventListener("abort", this.#onStop);
  }

  readonly #onStop = () => this.want("stop");
}

const ARRIVAL_TURNS = 8;

/** Both outputs of a command. */
class CommandOutput {
  /** Resolves when both have ended, or one could not be taken. */
  readonly ended: Promise<void>;
  /** What was thrown by whoever took it. */
  error: unknown;
  readonly #pumps: OutputPump[];
  #hasEnded = false;

  /** Begins to read; of no child there is nothing to read. */
  constructor(
    child: Deno.ChildProcess | undefined,
    takers: { takeOutput: TakeOutput; takeErrors: TakeOutput },
  ) {
    this.#pumps = child === undefined ? [] : [
      new OutputPump(child.stdout, takers.takeOutput),
      new OutputPump(child.stderr, takers.takeErrors),
    ];
    this.ended = this.#end();
  }

  /**
   * Waits for what the command has printed, once it has ended itself.
   *
   * @returns Whether something else keeps the output open.
   */
  async end(
    { graceMs, stop, kill }: { graceMs: number; stop: AbortSignal; kill: AbortSignal },
  ): Promise<boolean> {
    await this.#arrive();
    if (this.#hasEnded) return false;
    for (const pump of this.#pumps) void pump.limit(graceMs, kill);
    // Whoever reads our own output may be slow; only a user who wants to stop need not wait for it.
    const abandoned = aborted(stop).then(() => {
      const { milliseconds, signals } = patienceFor(graceMs, kill);
      return wait(milliseconds, ...signals);
    });
    await Promise.race([this.ended, abandoned]);
    await Promise.all(this.#pumps.map((pump) => pump.close()));
    return this.#pumps.some(({ isAbandoned }) => isAbandoned);
  }

  /** What has been printed is there within the next turns of the event loop, and turns cost no timer. */
  async #arrive(): Promise<void> {
    for (let turns = 0; turns < ARRIVAL_TURNS && !this.#hasEnded; turns++) {
      await Promise.race([this.ended, turn()]);
    }
  }

  async #end(): Promise<void> {
    try {
      await Promise.all(this.#pumps.map(({ done }) => done));
    } catch (error) {
      this.error = error;
    }
    this.#hasEnded = this.error === undefined;
  }
}
