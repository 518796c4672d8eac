import type { NodeAttempt, ProcessIdentity } from "../../run/types.ts";
import { ResumeError } from "../flow/errors.ts";
import { formatDuration } from "../text/units.ts";
import {
  listProcesses,
  type ProcessStat,
  readBootId,
  readEnvironment,
  waitUntil,
} from "./processes.ts";

/** An attempt whose end nobody has seen. */
export interface CutAttempt extends NodeAttempt {
  /** Its process, where that was recorded. */
  process: ProcessIdentity | undefined;
}

/** What to do about the processes that are left of a run whose supervisor died. */
export interface LeftProcessesOptions {
  /** The run. */
  runId: string;
  /** Its attempts without an end. */
  attempts: CutAttempt[];
  /** Wait for what is left to end by itself, instead of ending it. */
  waits: boolean;
  /** Take it that nothing is left where nobody can tell. */
  assumesEnded: boolean;
  /** The time between SIGTERM and SIGKILL. */
  graceMs: number;
  /** Cuts the grace short. */
  hurry: AbortSignal;
  /** Gives up. */
  stop: AbortSignal;
  /** Says what is done. */
  note: (text: string) => void;
}

const LONGEST_PAUSE_MS = 100;
/** A process that SIGKILL does not end hangs in the kernel. */
const KILL_WAIT_MS = 5000;

/**
 * Sees to it that nothing of the attempts runs any more: what is left of them is ended, or waited for.
 *
 * @throws {ResumeError} When it does not end, or when nobody can tell.
 */
export async function endLeftProcesses(options: LeftProcessesOptions): Promise<void> {
  const { runId, waits, graceMs, hurry, stop, note } = options;
  const processes = new LeftProcesses(options);
  const left = processes.find();
  if (left.length === 0) return;
  const which = processes.describe(left);
  if (waits) {
    note(`waiting for ${which}`);
    await processes.areGoneWithin(Infinity, stop);
  } else {
    note(`ending ${which}, within ${formatDuration(graceMs)}`);
    processes.signal(left, "SIGTERM");
    // A stopped process takes no signal until it goes on.
    processes.signal(left, "SIGCONT");
    if (!await processes.areGoneWithin(graceMs, stop, hurry) && !stop.aborted) {
      await processes.killWithin(KILL_WAIT_MS);
    }
  }
  const rest = processes.find();
  if (stop.aborted || rest.length === 0) return;
  throw new ResumeError(runId, `${processes.describe(rest)} cannot be ended`);
}

/** The processes of attempts. */
class LeftProcesses {
  readonly #options: LeftProcessesOptions;
  readonly #bootId = readBootId();

  constructor(options: LeftProcessesOptions) {
    this.#options = options;
  }

  /** Those that are there now. */
  find(): number[] {
    const { attempts } = this.#options;
    if (attempts.length === 0) return [];
    const all = listProcesses();
    if (all === undefined) return this.#findBlindly();
    const living = all.filter(({ pid, isZombie }) => !isZombie && pid !== Deno.pid);
    const environments = new Map<number, string[]>();
    for (const { pid } of living) environments.set(pid, readEnvironment(pid));
    return [...new Set(attempts.flatMap((attempt) => this.#findOf(attempt, all, environments)))];
  }

  /** Tells them and what they belong to. */
  describe(pids: number[]): string {
    const nodes = [...new Set(this.#options.attempts.map(({ nodeId }) => nodeId))].join(", ");
    const which = pids.length === 1 ? "process" : "processes";
    return `what is left of ${nodes}: ${which} ${pids.join(", ")}`;
  }

  signal(pids: number[], signal: Deno.Signal): void {
    for (const pid of pids) {
      try {
        Deno.kill(pid, signal);
      } catch {
        // It has ended, or is another user's: the next look tells.
      }
    }
  }

  /** Kills them, and what they may have started meanwhile. */
  async killWithin(milliseconds: number): Promise<void> {
    const deadline = performance.now() + milliseconds;
    do this.signal(this.find(), "SIGKILL"); while (
      !await this.areGoneWithin(LONGEST_PAUSE_MS) && performance.now() < deadline
    );
  }

  /** What begins meanwhile is found, too. */
  areGoneWithin(timeoutMs: number, ...signals: AbortSignal[]): Promise<boolean> {
    const areGone = () => this.find().length === 0;
    return waitUntil(areGone, { timeoutMs, longestPauseMs: LONGEST_PAUSE_MS }, ...signals);
  }

  /**
   * What has the variables of the attempt, and all of the groups that this leads. A group whose leader
   * is gone keeps its number from being given out again, but only as long as somebody is in it.
   */
  #findOf(
    attempt: CutAttempt,
    all: readonly ProcessStat[],
    environments: ReadonlyMap<number, string[]>,
  ): number[] {
    const own = this.#variablesOf(attempt);
    const marked = all.filter(({ pid }) => {
      const variables = environments.get(pid) ?? [];
      return own.every((variable) => variables.includes(variable));
    });
    const { process } = attempt;
    const isOwn = process !== undefined && this.#bootId === process.bootId;
    const leader = isOwn ? all.find(({ pid }) => pid === process.pid) : undefined;
    const groups = new Set(marked.filter(({ pid, group }) => pid === group).map(({ pid }) => pid));
    if (isOwn && leader !== undefined && leader.startTime === process.startTime) {
      groups.add(process.pid);
    }
    if (isOwn && leader === undefined) {
      const members = all.filter(({ group, isZombie }) => group === process.pid && !isZombie);
      if (members.some((member) => marked.includes(member))) groups.add(process.pid);
      else if (members.length > 0) this.#cannotTell(attempt, members.map(({ pid }) => pid));
    }
    return all.filter((found) =>
      environments.has(found.pid) && (marked.includes(found) || groups.has(found.group))
    ).map(({ pid }) => pid);
  }

  #variablesOf({ nodeId, attempt }: CutAttempt): string[] {
    return [
      `TAFFRAIL_RUN_ID=${this.#options.runId}`,
      `TAFFRAIL_NODE_ID=${nodeId}`,
      `TAFFRAIL_ATTEMPT=${attempt}`,
    ];
  }

  /** Where the system does not tell, a group that is gone is all that is certain. */
  #findBlindly(): number[] {
    for (const attempt of this.#options.attempts) {
      const { process } = attempt;
      if (process === undefined || hasGroup(process.pid)) {
        this.#cannotTell(attempt, process === undefined ? [] : [process.pid]);
      }
    }
    return [];
  }

  #cannotTell({ nodeId, attempt }: CutAttempt, pids: number[]): void {
    const { runId, assumesEnded } = this.#options;
    if (assumesEnded) return;
    const what = `attempt ${attempt} of node ${nodeId}`;
    const problem = pids.length === 0
      ? `this system does not tell whether ${what} still runs`
      : `nobody can tell whether process ${pids.join(", ")} is left of ${what}`;
    throw new ResumeError(
      runId,
      `${problem}: see that it has ended, and resume it with --assume-ended`,
    );
  }
}

function hasGroup(group: number): boolean {
  if (Deno.build.os === "windows") return true;
  try {
    // It changes nothing for a process that runs.
    Deno.kill(-group, "SIGCONT");
    return true;
  } catch (error) {
    return error instanceof Deno.errors.PermissionDenied;
  }
}
