import type { ProcessIdentity } from "../../run/types.ts";

/** What Linux tells about processes in `/proc`; elsewhere nothing is known. */

/** A process that is there. */
export interface ProcessStat {
  /** Its id. */
  pid: number;
  /** Whether it has ended and only waits for its parent to take notice. */
  isZombie: boolean;
  /** Its process group. */
  group: number;
  /** When it began. */
  startTime: number;
}

/** Whether the system tells about processes. */
export const TELLS_PROCESSES: boolean = Deno.build.os === "linux";

/** Where the start time stands behind the name: it is field 22, and the name field 2. */
const START_TIME = 19;

/** Identifies a process that was just started. */
export function identifyProcess(pid: number): ProcessIdentity {
  const stat = TELLS_PROCESSES ? readStat(pid) : undefined;
  const boot = readBootId();
  return {
    pid,
    ...(stat !== undefined && { startTime: stat.startTime }),
    ...(boot !== undefined && { bootId: boot }),
  };
}

let bootId: string | undefined;

/** Which boot of the system this is: as long as this process lives it is the same. */
export function readBootId(): string | undefined {
  if (!TELLS_PROCESSES) return undefined;
  try {
    return bootId ??= Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  } catch {
    return undefined;
  }
}

/** All processes that can be seen; undefined when none can. */
export function listProcesses(): ProcessStat[] | undefined {
  if (!TELLS_PROCESSES) return undefined;
  try {
    const pids = Array.from(Deno.readDirSync("/proc"), ({ name }) => name)
      .filter((name) => /^\d+$/.test(name));
    return pids.flatMap((pid) => readStat(Number(pid)) ?? []);
  } catch {
    return undefined;
  }
}

/** `/proc/<pid>/stat` is `pid (name) state ppid pgrp …`; the name may hold anything. */
function readStat(pid: number): ProcessStat | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, , group] = fields;
    const isZombie = state === "Z" || state === "X";
    return { pid, isZombie, group: Number(group), startTime: Number(fields[START_TIME]) };
  } catch {
    return undefined;
  }
}

/** The variables that a process was started with, as `NAME=value`; none when they may not be read. */
export function readEnvironment(pid: number): string[] {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0");
  } catch {
    return [];
  }
}

const IS_WINDOWS = Deno.build.os === "windows";
const LONGEST_PAUSE_MS = 50;
/** A process that SIGKILL does not end hangs in the kernel; nothing can be done about that. */
const KILL_WAIT_MS = 2000;

/** How long processes may take to end by themselves. */
export interface EndOptions {
  /** The time between SIGTERM and SIGKILL. */
  graceMs: number;
  /** Cuts that time short. */
  hurry: AbortSignal;
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
   * Ends all that is left of the group: SIGTERM, and SIGKILL after the grace.
   *
   * @returns Whether there was anything left.
   */
  async end({ graceMs, hurry }: EndOptions): Promise<boolean> {
    if (!this.#isAlive()) return false;
    this.#signal("SIGTERM");
    // A stopped process takes no signal until it goes on.
    this.#signal("SIGCONT");
    if (await this.#isGoneWithin(graceMs, hurry)) return true;
    this.#signal("SIGKILL");
    await this.#isGoneWithin(KILL_WAIT_MS);
    return true;
  }

  #isGoneWithin(timeoutMs: number, ...hurry: AbortSignal[]): Promise<boolean> {
    const isGone = () => !this.#isAlive();
    return waitUntil(isGone, { timeoutMs, longestPauseMs: LONGEST_PAUSE_MS }, ...hurry);
  }

  /** Tells whether there was anybody to take it. */
  #signal(name: Deno.Signal): boolean {
    try {
      if (!IS_WINDOWS) Deno.kill(-this.#child.pid, name);
      else if (name !== "SIGCONT") this.#child.kill(name);
      return true;
    } catch {
      return false;
    }
  }

  #isAlive(): boolean {
    if (IS_WINDOWS) return this.#hasLeader;
    // SIGCONT changes nothing for a process that runs.
    return this.#signal("SIGCONT") && hasLivingMember(this.#child.pid);
  }
}

/**
 * A process that has ended stays in its group until its parent takes notice, which in a container
 * may be never. Linux tells such zombies apart; elsewhere they end with the grace.
 */
function hasLivingMember(group: number): boolean {
  const processes = listProcesses();
  return processes === undefined ||
    processes.some((process) => process.group === group && !process.isZombie);
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
  isTrue: () => boolean,
  { timeoutMs, longestPauseMs }: { timeoutMs: number; longestPauseMs: number },
  ...signals: AbortSignal[]
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = FIRST_PAUSE_MS; !isTrue(); pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
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
