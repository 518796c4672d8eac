import { isWindows } from "../../_internal/path.ts";
import { awakeNow, setAwakeTimeout } from "./awake_time.ts";
import type { SignalTarget } from "./interrupts.ts";
import { killTree, listProcesses, PROBE, windowsMeaning } from "./processes.ts";

/** How long processes may take to end by themselves. */
export interface EndOptions {
  /** The time between what asks them to end and SIGKILL, in milliseconds. */
  graceMs: number;
  /** Cuts that time short. */
  kill: AbortSignal;
}

const LONGEST_PAUSE_MS = 50;
/** A process that SIGKILL does not end hangs in the kernel; nothing can be done about that. */
const KILL_WAIT_MS = 2000;

/** Processes that are to end. */
interface Ending {
  /** Sends signals to all that are left, in this order, and returns whether there were any. */
  signal(...names: Deno.Signal[]): boolean;
  /** Whether any are left; asking does nothing to them. */
  isAlive(): boolean;
}

/**
 * Ends processes: SIGTERM, and SIGKILL after the grace to what is left of them. It waits until they are
 * gone, or cannot be killed.
 *
 * @returns Whether there were any.
 */
export async function endProcesses(
  processes: Ending,
  options: EndOptions & { stop?: AbortSignal; longestPauseMs?: number; killWaitMs?: number },
): Promise<boolean> {
  const { graceMs, kill, stop, longestPauseMs = LONGEST_PAUSE_MS } = options;
  const pauses = { longestPauseMs, timeoutMs: graceMs };
  if (!ask(processes, "SIGTERM")) return false;
  const areGone = () => !processes.isAlive();
  const patience = stop === undefined ? [kill] : [kill, stop];
  if (await waitUntil(areGone, pauses, ...patience) || stop?.aborted) return true;
  await killProcesses(processes, options);
  return true;
}

/** A stopped process takes no signal until it goes on. */
function ask(processes: Ending, name: Deno.Signal): boolean {
  return processes.signal(name, "SIGCONT");
}

/** What they may have started meanwhile is killed, too. */
async function killProcesses(
  processes: Ending,
  { longestPauseMs = LONGEST_PAUSE_MS, killWaitMs = KILL_WAIT_MS }: {
    longestPauseMs?: number;
    killWaitMs?: number;
  },
): Promise<void> {
  const areKilled = () => !processes.signal("SIGKILL");
  await waitUntil(areKilled, { longestPauseMs, timeoutMs: killWaitMs });
}

/**
 * The processes that a command has started, as far as they have not made a group of their own. It is the
 * command's own process alone where that has none, as it is in the group of this process; on Windows, which
 * has no groups, it is killed with what it has started.
 */
export class ProcessGroup implements SignalTarget {
  readonly #child: Deno.ChildProcess;
  readonly #isAlone: boolean;
  #hasLeader = true;

  /** Unless it is alone, the child must have been spawned `detached`: then its pid is that of its group. */
  constructor(child: Deno.ChildProcess, { isAlone }: { isAlone: boolean }) {
    this.#child = child;
    this.#isAlone = isAlone || isWindows;
    const forget = () => this.#hasLeader = false;
    child.status.then(forget, forget);
  }

  /**
   * Ends all that is left of the group: `by` this signal, then SIGKILL. When the command has ended by it, what
   * it has left behind gets SIGTERM: a shell lets what it starts in the background ignore SIGINT and SIGQUIT.
   *
   * @returns Whether there was anything left.
   */
  async end({ by = "SIGTERM", ...options }: EndOptions & { by?: Deno.Signal }): Promise<boolean> {
    if (by === "SIGTERM" || !this.#hasLeader) return await endProcesses(this, options);
    const { graceMs, kill } = options;
    const until = awakeNow() + graceMs;
    if (!ask(this, by)) return false;
    const hasEnded = () => !this.#hasLeader;
    const pauses = { longestPauseMs: LONGEST_PAUSE_MS, timeoutMs: graceMs };
    if (await waitUntil(hasEnded, pauses, kill)) {
      await endProcesses(this, { graceMs: Math.max(0, until - awakeNow()), kill });
    } else await killProcesses(this, {});
    return true;
  }

  /** Passes a signal on. */
  send(name: Deno.Signal): void {
    if (this.#hasLeader) this.#send(name);
  }

  /** Tells whether there was anybody to take it. */
  signal(...names: Deno.Signal[]): boolean {
    if (!this.isAlive()) return false;
    for (const name of names) this.#send(name);
    return true;
  }

  /** Whether anybody is left. */
  isAlive(): boolean {
    if (this.#isAlone) return this.#hasLeader;
    return this.#send(PROBE) && this.#hasLivingMember();
  }

  /**
   * A process that has ended stays in its group until its parent takes notice, which in a container may be
   * never. Linux marks such zombies; elsewhere they end with the grace. A number that belongs to a process
   * again, once this one has taken notice of the end of its own, is another group's.
   */
  #hasLivingMember(): boolean {
    const processes = listProcesses();
    if (processes === undefined) return true;
    const { pid: group } = this.#child;
    if (!this.#hasLeader && processes.some(({ pid }) => pid === group)) return false;
    return processes.some((process) => process.group === group && !process.isZombie);
  }

  #send(name: Deno.Signal): boolean {
    try {
      if (isWindows) sendOnWindows(this.#child.pid, name);
      else if (this.#isAlone) this.#child.kill(name);
      else Deno.kill(-this.#child.pid, name);
      return true;
    } catch {
      return false;
    }
  }
}

/** A process ends with all that it has started: Windows asks nobody to end. */
function sendOnWindows(pid: number, name: Deno.Signal): void {
  if (windowsMeaning(name) === "kill") killTree(pid);
}

const FIRST_PAUSE_MS = 5;

/** Waits for a while, or until one of the signals aborts. */
export function wait(milliseconds: number, ...signals: AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      for (const signal of signals) signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = setAwakeTimeout(end, milliseconds);
    for (const signal of signals) signal.addEventListener("abort", end);
    if (signals.some((signal) => signal.aborted)) end();
  });
}

/**
 * Looks until something has come true, soon at first and then less often.
 *
 * @returns Whether it has; not so after the time, or when one of the signals aborts.
 */
export async function waitUntil(
  isTrue: () => boolean | Promise<boolean>,
  { timeoutMs, longestPauseMs }: { timeoutMs: number; longestPauseMs: number },
  ...signals: AbortSignal[]
): Promise<boolean> {
  const deadline = awakeNow() + timeoutMs;
  for (
    let pauseMs = FIRST_PAUSE_MS;
    !await isTrue();
    pauseMs = Math.min(pauseMs * 2, longestPauseMs)
  ) {
    const leftMs = deadline - awakeNow();
    if (leftMs <= 0 || signals.some((signal) => signal.aborted)) return false;
    await wait(Math.min(pauseMs, leftMs), ...signals);
  }
  return true;
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
