import { ResumeError } from "../engine/errors.ts";
import type { CutAttempt } from "../engine/past_attempts.ts";
import { formatDuration } from "../text/units.ts";
import { type EndOptions, endProcesses, waitUntil } from "./end_processes.ts";
import { listProcesses, type ProcessStat, readBootId, readEnvironment } from "./processes.ts";

/** What to do about the processes that are left of a run whose supervisor died. */
interface OrphanOptions extends EndOptions {
  /** The run. */
  runId: string;
  /** Its attempts without an end. */
  attempts: CutAttempt[];
  /** Wait for what is left to end by itself, instead of ending it. */
  waits: boolean;
  /** Assume that nothing is left where that cannot be found out. */
  assumesEnded: boolean;
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
 * @throws {ResumeError} When it does not end, or when that cannot be found out.
 */
export async function endOrphans(options: OrphanOptions): Promise<void> {
  const { runId, waits, graceMs, stop, note } = options;
  const orphans = new Orphans(options);
  const found = orphans.find();
  if (found.length === 0) return;
  const which = orphans.describe(found);
  if (waits) {
    note(`waiting for ${which}`);
    const areGone = () => orphans.find().length === 0;
    await waitUntil(areGone, { timeoutMs: Infinity, longestPauseMs: LONGEST_PAUSE_MS }, stop);
  } else {
    note(`ending ${which}, within ${formatDuration(graceMs)}`);
    await endProcesses((name) => orphans.signal(name), {
      ...options,
      longestPauseMs: LONGEST_PAUSE_MS,
      killWaitMs: KILL_WAIT_MS,
    });
  }
  const rest = orphans.find();
  if (stop.aborted || rest.length === 0) return;
  throw new ResumeError("processes", `${orphans.describe(rest)} cannot be ended`, { runId });
}

/** The processes of attempts whose supervisor has died. */
class Orphans {
  readonly #options: OrphanOptions;
  readonly #bootId = readBootId();

  constructor(options: OrphanOptions) {
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

  /** Signals those that are there now, and returns whether there are any. */
  signal(name: Deno.Signal): boolean {
    const pids = this.find();
    for (const pid of pids) {
      try {
        Deno.kill(pid, name);
      } catch {
        // It has ended, or is another user's: the next look tells.
      }
    }
    return pids.length > 0;
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

  /** Where the system lists no processes, a group that is gone is all that is certain. */
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
    const remedy = "see that it has ended, and resume it with --assume-ended";
    throw new ResumeError("processes", `${problem}: ${remedy}`, { runId });
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
