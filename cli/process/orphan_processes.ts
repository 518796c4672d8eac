import { ResumeError } from "../engine/errors.ts";
import { reasonOf } from "../../_internal/text.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import type { NodeAttempt } from "../../run/types.ts";
import { formatDuration } from "../text/units.ts";
import { type EndOptions, endProcesses, waitUntil } from "./end_processes.ts";
import type { Mark } from "../../run/marks.ts";
import { takeLeftOutput } from "./left_output.ts";
import { isOfFiles, type RunPlace } from "../reading/open_root.ts";
import { attemptsIn, processesIn, processLinesOf, type RecordedProcess } from "./process_log.ts";
import { RootComparison, type RootIdentity, rootIdentityOf } from "./root_identity.ts";
import {
  groupExists,
  hostName,
  listProcesses,
  listsProcesses,
  type ProcessStat,
  readBootId,
  readMarks,
  readStat,
} from "./processes.ts";

/** Attempts of a run whose processes are looked for. */
interface LookFor {
  /** The name of the root. */
  root: string;
  /** What that was when the attempts began, where it is known; what it is now when left out. */
  rootIdentity?: RootIdentity;
  /** The run. */
  runId: string;
  /** The attempts. */
  attempts: readonly NodeAttempt[];
  /** The parsed lines of the run's `processes.jsonl`. */
  processes: Iterable<unknown>;
  /** Whether what bears the mark of any other attempt of the run is looked for, too. */
  wholeRun?: boolean;
  /** Assume that nothing is left where that cannot be found out. */
  assumesEnded: boolean;
  /** Whether this process has started all of it, so that nothing of it is older: that spares most of the look. */
  isOwn?: boolean;
}

/** Why it cannot be found out what is left of a run, or why that cannot be ended. */
export class LeftProcessesError extends Error {
  /** The name of the class. */
  override readonly name = "LeftProcessesError";
  /** `own-command`: this process is a part of what is left; `processes`: nobody can tell. */
  readonly kind: "own-command" | "processes";

  constructor(kind: "own-command" | "processes", message: string) {
    super(message);
    this.kind = kind;
  }
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
  const { runId, waits } = options;
  try {
    if (waits) await waitForOrphans({ ...options, attempts: attemptsHere(options) });
    else await endLeft(options);
  } catch (cause) {
    if (!(cause instanceof LeftProcessesError)) throw cause;
    throw new ResumeError(cause.kind, cause.message + REMEDIES[cause.kind], { runId, cause });
  }
}

const REMEDIES: Record<LeftProcessesError["kind"], string> = {
  "own-command": "; resume it from outside",
  processes: ": see that it has ended, and resume it with --assume-ended",
};

/**
 * The attempts of which something may be left on this machine. Those of a run in a database may have been begun on
 * any other: what is left there only that one can see and end, and nobody has to wait for it. One of which no process
 * was recorded was begun where the last one was.
 */
function attemptsHere(
  { root, attempts, processes, note }: LookFor & Pick<EndLeftOptions, "note">,
): readonly NodeAttempt[] {
  if (isOfFiles(root) || attempts.length === 0) return attempts;
  const recorded = processesIn(processes);
  const last = [...recorded.values()].at(-1);
  const own = hostName();
  return attempts.filter((attempt) => {
    const { host } = recorded.get(attemptKey(attempt)) ?? last ?? {};
    if (host === undefined || host === own) return true;
    const what = `attempt ${attempt.attempt} of node ${attempt.nodeId}`;
    note(`${what} was begun on ${host}, and may still run there: it cannot be seen from here`);
    return false;
  });
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
 * @returns The processes that were left.
 * @throws {LeftProcessesError} When it cannot be ended, or found out whether something is left.
 */
export async function endLeft(options: EndLeftOptions): Promise<number[]> {
  const { wholeRun = false, graceMs, stop, note } = options;
  const attempts = attemptsHere(options);
  if (attempts.length === 0 && !wholeRun) return [];
  const orphans = new Orphans({ ...options, attempts });
  const found = orphans.find();
  if (found.length === 0) return [];
  note(`ending ${orphans.describe(found)}, within ${formatDuration(graceMs)}`);
  await endProcesses(orphans, {
    ...options,
    longestPauseMs: LONGEST_PAUSE_MS,
    killWaitMs: KILL_WAIT_MS,
  });
  const rest = orphans.find();
  if (stop?.aborted || rest.length === 0) return found;
  throw new LeftProcessesError("processes", `${orphans.describe(rest)} cannot be ended`);
}

/**
 * Ends what an attempt of this very process has left outside of its group, or all that its whole run has: the
 * end itself is known, so what cannot be found out or ended is told, and hinders nothing.
 */
export async function endLeftOutside(
  attempt: NodeAttempt | "wholeRun",
  options: Omit<EndLeftOptions, "attempts" | "processes" | "wholeRun" | "assumesEnded" | "isOwn">,
): Promise<void> {
  const wholeRun = attempt === "wholeRun";
  if (wholeRun && Deno.build.os === "linux" && !listsProcesses()) {
    return options.note(UNLISTED);
  }
  const attempts = wholeRun ? [] : [attempt];
  await endLeft({ ...options, attempts, wholeRun, processes: [], assumesEnded: true, isOwn: true })
    .catch((error) => {
      const isKnown = error instanceof LeftProcessesError;
      // A command may have taken the root away, which its processes are told apart by.
      options.note(isKnown ? error.message : `Cannot look for what is left: ${reasonOf(error)}`);
    });
}

const UNLISTED =
  "/proc does not list the processes of this namespace: what the commands have left in " +
  "sessions of their own cannot be found, and may still run";

/**
 * Tells in words what is left of a run on which nobody works, or may be left of it elsewhere; undefined when
 * nothing is. Of a run that has an end only the marks are asked: its records tell of processes that have ended.
 */
export async function findLeftOf(
  { root, view, isOrphan }: RunPlace & { isOrphan: boolean },
  sight: Sight | undefined,
): Promise<string | undefined> {
  // Without a look only the records tell, and those of a run that has an end have ended.
  if (!isOrphan && sight === undefined) return undefined;
  const processes = isOrphan ? await processLinesOf(view) : [];
  const notes: string[] = [];
  const options = { root, runId: view.runId, wholeRun: true, processes };
  try {
    const attempts = attemptsHere({
      ...{ ...options, attempts: attemptsIn(processes), assumesEnded: !isOrphan },
      note: (text) => notes.push(text),
    });
    if (notes.length > 0) return notes.join("; ");
    const orphans = new Orphans({ ...options, attempts, assumesEnded: !isOrphan });
    const found = orphans.find(sight);
    return found.length === 0 ? undefined : `there is ${orphans.describe(found)}`;
  } catch (error) {
    if (error instanceof LeftProcessesError) return error.message;
    throw error;
  }
}

/** The processes that are there. */
export interface Sight {
  /** All, those too that have ended and that nobody has taken notice of. */
  all: readonly ProcessStat[];
  /** All that have not ended. */
  living: readonly ProcessStat[];
  /** Those that this process would end itself with: itself, and whatever it was started by. */
  own: ReadonlySet<number>;
  /** The marks that they bear, by the living that bear any. */
  marks: ReadonlyMap<number, readonly Mark[]>;
}

/**
 * Looks at all processes; undefined where the system lists none. `areOwn`: only those that this process may
 * have started are asked for their marks, as each costs a file.
 */
export function lookAround({ areOwn = false } = {}): Sight | undefined {
  const all = listProcesses();
  if (all === undefined) return undefined;
  const living = all.filter(({ isZombie }) => !isZombie);
  const self = areOwn ? all.find(({ pid }) => pid === Deno.pid) : undefined;
  const marks = new Map<number, Mark[]>();
  for (const { pid, startTime } of living) {
    if (self !== undefined && (pid === self.pid || startTime < self.startTime)) continue;
    const found = readMarks(pid);
    if (found.length > 0) marks.set(pid, found);
  }
  return { all, living, own: ancestry(all), marks };
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
  #nodes: string[] = [];

  constructor(options: LookFor) {
    this.#options = options;
    this.#root = new RootComparison(options.rootIdentity ?? rootIdentityOf(options.root));
    const recorded = processesIn(options.processes);
    // Of the others it is not known that they have no end of their own.
    const keys = options.attempts.map(attemptKey);
    this.#recorded = new Map(keys.flatMap((key) => {
      const process = recorded.get(key);
      return process === undefined ? [] : [[key, process]];
    }));
  }

  /** Those that are there now. */
  find(sight: Sight | undefined = lookAround({ areOwn: this.#options.isOwn ?? false })): number[] {
    if (sight === undefined) return this.#findBlindly();
    const found = this.#attemptsIn(sight).map((attempt) => {
      const { nodeId } = attempt;
      return { nodeId, pids: this.#findOf(attempt, sight) };
    }).filter(({ pids }) => pids.length > 0);
    if (found.length > 0) this.#nodes = found.map(({ nodeId }) => nodeId);
    return [...new Set(found.flatMap(({ pids }) => pids))];
  }

  /** Those that are asked for, and all that anybody bears the mark of. */
  #attemptsIn({ marks }: Sight): NodeAttempt[] {
    const { attempts, runId, wholeRun } = this.#options;
    if (!wholeRun) return [...attempts];
    const all = new Map(attempts.map((attempt) => [attemptKey(attempt), attempt]));
    for (const mark of [...marks.values()].flat()) {
      if (mark.runId === runId) all.set(attemptKey(mark), mark);
    }
    return [...all.values()];
  }

  /** Those of the found processes that are the commands themselves. */
  commands(found: readonly number[]): number[] {
    const recorded = this.#options.attempts.map((attempt) => this.#findRecorded(attempt)?.pid);
    return found.filter((pid) => recorded.includes(pid));
  }

  /** Tells them and what they belong to. */
  describe(pids: number[]): string {
    const nodes = [...new Set(this.#nodes)].join(", ");
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
      throw new LeftProcessesError("own-command", "this was started by one of its own commands");
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
    const { runId } = this.#options;
    const doubtful: number[] = [];
    const marked = living.filter(({ pid, group }) => {
      const verdicts = (marks.get(pid) ?? [])
        .filter((mark) =>
          mark.runId === runId && mark.nodeId === nodeId && mark.attempt === attempt
        )
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
    if (this.#options.assumesEnded) return;
    const what = `attempt ${attempt} of node ${nodeId}`;
    const problem = pids.length === 0
      ? `this system does not tell whether ${what} still runs`
      : `nobody can tell whether process ${pids.join(", ")} is left of ${what}`;
    throw new LeftProcessesError("processes", problem);
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
