import { isWindows } from "../../_internal/path.ts";
import { listProcesses, PROBE } from "./processes.ts";

/** How long processes may take to end by themselves. */
export interface EndOptions {
  /** The time between SIGTERM and SIGKILL, in milliseconds. */
  graceMs: number;
  /** Cuts that time short. */
  kill: AbortSignal;
}

const LONGEST_PAUSE_MS = 50;
/** A process that SIGKILL does not end hangs in the kernel; nothing can be done about that. */
const KILL_WAIT_MS = 2000;

/**
 * Ends processes: SIGTERM, and SIGKILL after the grace to what is left of them. It waits until they are
 * gone, or cannot be killed.
 *
 * @param signal Sends a signal to all that are left, and returns whether there were any; SIGCONT, which
 * changes nothing for a process that runs, only asks.
 * @returns Whether there were any.
 */
export async function endProcesses(
  signal: (name: Deno.Signal) => boolean,
  options: EndOptions & { stop?: AbortSignal; longestPauseMs?: number; killWaitMs?: number },
): Promise<boolean> {
  const { graceMs, kill, stop, longestPauseMs = LONGEST_PAUSE_MS } = options;
  const pauses = { longestPauseMs, timeoutMs: graceMs };
  if (!signal("SIGTERM")) return false;
  // A stopped process takes no signal until it goes on.
  const areGone = () => !signal("SIGCONT");
  const patience = stop === undefined ? [kill] : [kill, stop];
  if (await waitUntil(areGone, pauses, ...patience) || stop?.aborted) return true;
  // What they may have started meanwhile is killed, too.
  const areKilled = () => !signal("SIGKILL");
  await waitUntil(areKilled, { ...pauses, timeoutMs: options.killWaitMs ?? KILL_WAIT_MS });
  return true;
}

/**
 * The processes that a command has started, as far as they have not made a group of their own.
 * Windows has no such groups: there it is the command's own process alone.
 */
export class ProcessGroup {
  readonly #child: Deno.ChildProcess;
  #hasLeader = true;

  /** The child must have been spawned `detached`, so that its pid is that of its group. */
  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    const forget = () => this.#hasLeader = false;
    child.status.then(forget, forget);
  }

  /**
   * Ends all that is left of the group.
   *
   * @returns Whether there was anything left.
   */
  async end(options: EndOptions): Promise<boolean> {
    return await endProcesses((name) => this.#signal(name), options);
  }

  /** Tells whether there was anybody to take it. */
  #signal(name: Deno.Signal): boolean {
    if (!this.#isAlive()) return false;
    this.#send(name);
    return true;
  }

  #isAlive(): boolean {
    if (isWindows) return this.#hasLeader;
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
      if (isWindows) this.#child.kill(name);
      else Deno.kill(-this.#child.pid, name);
      return true;
    } catch {
      return false;
    }
  }
}

const FIRST_PAUSE_MS = 5;

/** Waits for a while, or until one of the signals aborts. */
export function wait(milliseconds: number, ...signals: AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
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
  const deadline = performance.now() + timeoutMs;
  for (
    let pauseMs = FIRST_PAUSE_MS;
    !await isTrue();
    pauseMs = Math.min(pauseMs * 2, longestPauseMs)
  ) {
    const leftMs = deadline - performance.now();
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
