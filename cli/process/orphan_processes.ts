import { ResumeError } from "../engine/errors.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import type { NodeAttempt } from "../../run/types.ts";
import { formatDuration } from "../text/units.ts";
import { type EndOptions, endProcesses, waitUntil } from "./end_processes.ts";
import type { Mark } from "./marks.ts";
import { takeLeftOutput } from "./left_output.ts";
import { processesIn, type RecordedProcess, RootComparison } from "./process_log.ts";
import {
  groupExists,
  listProcesses,
  type ProcessStat,
  readBootId,
  readMarks,
  readStat,
} from "./processes.ts";

/** Attempts of a run whose processes are looked for. */
interface LookFor {
  /** The directory that holds the runs. */
  root: string;
  /** The run. */
  runId: string;
  /** The attempts. */
  attempts: readonly NodeAttempt[];
  /** The parsed lines of the run's `processes.jsonl`. */
  processes: Iterable<unknown>;
  /** Assume that nothing is left where that cannot be found out. */
  assumesEnded: boolean;
}

/** How they are ended. */
interface EndLeftOptions extends LookFor, EndOptions {
  /** Gives up. */
  stop?: AbortSignal;
  /** Says what is done. */
  note: (text: string) => void;
}

/** What to do about the processes that are left of a run whose supervisor died. */
interface OrphanOptions extends EndLeftOptions {
  /** Wait for what is left to end by itself, instead of ending it. */
  waits: boolean;
  /** Gives up. */
  stop: AbortSignal;
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
  if (options.waits) return await waitForOrphans(options);
  const { runId } = options;
  const rest = await endLeft(options);
  if (rest !== undefined) throw new ResumeError("processes", `${rest} cannot be ended`, { runId });
}

async function waitForOrphans(options: OrphanOptions): Promise<void> {
  const orphans = new Orphans(options);
  const found = orphans.find();
  if (found.length === 0) return;
  takeLeftOutput(orphans.commands(found));
  options.note(`waiting for ${orphans.describe(found)}`);
  const areGone = () => orphans.find().length === 0;
  const pauses = { timeoutMs: Infinity, longestPauseMs: LONGEST_PAUSE_MS };
  await waitUntil(areGone, pauses, options.stop);
}

/**
 * Ends what is left of attempts that have ended themselves.
 *
 * @returns What cannot be ended, in words; undefined when nothing is left.
 * @throws {ResumeError} When it cannot be found out whether something is left.
 */
export async function endLeft(options: EndLeftOptions): Promise<string | undefined> {
  const { attempts, graceMs, stop, note } = options;
  if (attempts.length === 0) return undefined;
  const orphans = new Orphans(options);
  const found = orphans.find();
  if (found.length === 0) return undefined;
  note(`ending ${orphans.describe(found)}, within ${formatDuration(graceMs)}`);
  await endProcesses(orphans, {
    ...options,
    longestPauseMs: LONGEST_PAUSE_MS,
    killWaitMs: KILL_WAIT_MS,
  });
  const rest = orphans.find();
  return stop?.aborted || rest.length === 0 ? undefined : orphans.describe(rest);
}

/**
 * Ends what an attempt of this very process has left outside of its group: its own end is known, so what
 * cannot be found out or ended is told, and hinders nothing.
 */
export async function endLeftOutside(
  attempt: NodeAttempt,
  options: Omit<EndLeftOptions, "attempts" | "processes" | "assumesEnded">,
): Promise<void> {
  const attempts = [attempt];
  const rest = await endLeft({ ...options, attempts, processes: [], assumesEnded: true });
  if (rest !== undefined) options.note(`${rest} cannot be ended`);
}

/** The processes that are there. */
interface Sight {
  /** All, those too that have ended and that nobody has taken notice of. */
  all: readonly ProcessStat[];
  /** All that have not ended. */
  living: readonly ProcessStat[];
  /** Those that this process would end itself with: itself, and whatever it was started by. */
  own: ReadonlySet<number>;
  /** The marks of the run that they bear, by the living that bear any. */
  marks: ReadonlyMap<number, readonly Mark[]>;
}

/**
 * The processes of attempts whose supervisor has died. One of them is known by the mark that every command
 * gets in its environment, root, run, node and attempt, which is also in those of all runs that it has
 * started, at any level of nesting; or as the recorded process, by pid, start time, boot and root. Whoever
 * leads a group brings its group along. Whatever is not sure to be of this very
 * root is left alone: a copy of it has the same records, and its original may be alive.
 */
class Orphans {
  readonly #options: LookFor;
  readonly #bootId = readBootId();
  readonly #root: RootComparison;
  readonly #recorded: ReadonlyMap<string, RecordedProcess>;

  constructor(options: LookFor) {
    this.#options = options;
    this.#root = new RootComparison(options.root);
    this.#recorded = processesIn(options.processes);
  }

  /** Those that are there now. */
  find(): number[] {
    const { attempts, runId } = this.#options;
    const all = listProcesses();
    if (all === undefined) return this.#findBlindly();
    const living = all.filter(({ isZombie }) => !isZombie);
    const marks = new Map<number, Mark[]>();
    for (const { pid } of living) {
      const ofRun = readMarks(pid).filter((mark) => mark.runId === runId);
      if (ofRun.length > 0) marks.set(pid, ofRun);
    }
    const sight = { all, living, own: ancestry(all), marks };
    return [...new Set(attempts.flatMap((attempt) => this.#findOf(attempt, sight)))];
  }

  /** Those of the found processes that are the commands themselves. */
  commands(found: readonly number[]): number[] {
    const recorded = this.#options.attempts.map((attempt) => this.#findRecorded(attempt)?.pid);
    return found.filter((pid) => recorded.includes(pid));
  }

  /** Tells them and what they belong to. */
  describe(pids: number[]): string {
    const nodes = [...new Set(this.#options.attempts.map(({ nodeId }) => nodeId))].join(", ");
    const which = pids.length === 1 ? "process" : "processes";
    return `what is left of ${nodes}: ${which} ${pids.join(", ")}`;
  }

  /** Whether there are any. */
  isAlive(): boolean {
    return this.find().length > 0;
  }

  /** Signals those that are there now, and returns whether there are any. */
  signal(...names: Deno.Signal[]): boolean {
    const pids = this.find();
    for (const name of names) {
      for (const pid of pids) {
        try {
          Deno.kill(pid, name);
        } catch {
          // It has ended, or is another user's: the next look tells.
        }
      }
    }
    return pids.length > 0;
  }

  /**
   * What bears the mark of the attempt, and all of the groups that this leads. A group whose leader is gone
   * keeps its number from being given out again, but only as long as somebody is in it.
   */
  #findOf(attempt: NodeAttempt, sight: Sight): number[] {
    const { all, living, own } = sight;
    const recorded = this.#findRecorded(attempt);
    const leader = all.find(({ pid }) => pid === recorded?.pid);
    const isSame = leader !== undefined && leader.startTime === recorded?.startTime;
    const marked = this.#findMarked(attempt, sight, isSame ? leader.pid : undefined);
    if (marked.some(({ pid }) => own.has(pid))) {
      const problem = "this was started by one of its own commands; resume it from outside";
      throw new ResumeError("own-command", problem, { runId: this.#options.runId });
    }
    const groups = new Set(marked.filter(({ pid, group }) => pid === group).map(({ pid }) => pid));
    if (isSame) groups.add(leader.pid);
    else if (recorded !== undefined && leader === undefined) {
      const members = living.filter(({ group }) => group === recorded.pid);
      if (members.some((member) => marked.includes(member))) groups.add(recorded.pid);
      else if (members.length > 0) this.#cannotTell(attempt, members.map(({ pid }) => pid));
    }
    for (const { pid, group } of all) if (own.has(pid)) groups.delete(group);
    return living.filter((found) => marked.includes(found) || groups.has(found.group))
      .map(({ pid }) => pid);
  }

  /**
   * The processes with the mark of an attempt, which are those of this root alone. `ownGroup`: it is known to
   * be of this root by the record, also when that was moved and the mark names a path that is gone.
   */
  #findMarked(
    { nodeId, attempt }: NodeAttempt,
    { living, marks }: Sight,
    ownGroup: number | undefined,
  ): ProcessStat[] {
    const doubtful: number[] = [];
    const marked = living.filter(({ pid, group }) => {
      const verdicts = (marks.get(pid) ?? [])
        .filter((mark) => mark.nodeId === nodeId && mark.attempt === attempt)
        .map(({ root }) => this.#root.compareSeenBy(pid, root));
      if (verdicts.includes("own")) return true;
      if (verdicts.includes("unknown") && group !== ownGroup) doubtful.push(pid);
      return false;
    });
    if (doubtful.length > 0) this.#cannotTell({ nodeId, attempt }, doubtful);
    return marked;
  }

  /** The recorded process of an attempt, where it may still be there and is this root's. */
  #findRecorded(attempt: NodeAttempt): RecordedProcess | undefined {
    const recorded = this.#recorded.get(attemptKey(attempt));
    if (recorded === undefined || recorded.pid <= 1 || recorded.bootId !== this.#bootId) {
      return undefined;
    }
    const verdict = this.#root.compare(recorded.root);
    if (verdict === "own") return recorded;
    const stat = verdict === "unknown" ? readStat(recorded.pid) : undefined;
    if (stat !== undefined && !stat.isZombie && stat.startTime === recorded.startTime) {
      this.#cannotTell(attempt, [recorded.pid]);
    }
    return undefined;
  }

  /** Where the system lists no processes, a group that is gone is all that is certain. */
  #findBlindly(): number[] {
    for (const attempt of this.#options.attempts) {
      const recorded = this.#recorded.get(attemptKey(attempt));
      if (recorded === undefined) this.#cannotTell(attempt, []);
      else if (this.#root.compare(recorded.root) !== "other" && groupExists(recorded.pid)) {
        this.#cannotTell(attempt, [recorded.pid]);
      }
    }
    return [];
  }

  #cannotTell({ nodeId, attempt }: NodeAttempt, pids: number[]): void {
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

/** This process, and those that it descends from. */
function ancestry(all: readonly ProcessStat[]): Set<number> {
  const parents = new Map(all.map(({ pid, parent }) => [pid, parent]));
  const own = new Set<number>([1]);
  for (let pid: number | undefined = Deno.pid; pid !== undefined && pid > 0 && !own.has(pid);) {
    own.add(pid);
    pid = parents.get(pid);
  }
  return own;
}
