import { listProcesses } from "./processes.ts";
import { waitUntil } from "./wait.ts";

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
