/**
 * The guard of a worker: a process of its own that ends the worker's commands when the worker cannot. What is always
 * true:
 *
 * 1. **Nothing of a job runs when its lease is over**, on the monotonic clock or on the wall's: one of them stands still
 *    while the machine sleeps, the other one can be set. It is SIGKILL, without grace: the job may have begun elsewhere.
 * 2. **Nothing of any job runs when the worker is gone**: then the pipe closes by which the guard is told.
 * 3. What it is told is all that there is, each time anew: it keeps no state that could be wrong.
 *
 * Ended are the process group of a command and, where the system lists processes, whoever bears the mark of the attempt:
 * also one that was started in the moment in which the worker was killed.
 */
import { isObject } from "../../_internal/errors.ts";
import { isWindows } from "../../_internal/path.ts";
import type { Mark } from "../../run/marks.ts";
import {
  killGroup,
  listProcesses,
  type ProcessStat,
  readMarks,
  readStat,
} from "../process/processes.ts";

/** A job, as the guard is told of it. */
export interface GuardedJob extends Mark {
  /** How much longer its commands may run, in milliseconds. */
  leftMs: number;
  /** Until when, in milliseconds since 1970. */
  until: number;
  /** The process of its command, which leads a group. */
  process?: { pid: number; startTime?: number } | undefined;
}

/** A job, and the time of this process at which its lease is over. */
interface WatchedJob extends GuardedJob {
  ownUntil: number;
}

/** How often the clocks are looked at: no timer says that a clock was set, or that the machine has slept. */
const TICK_MS = 200;
/** For how long what is left of a worker is looked for: a process that was just forked bears no mark yet. */
const LAST_LOOKS = { count: 10, pauseMs: 100 };

const IGNORED: readonly Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

/** Is the guard, until its input ends. */
export async function beGuard(): Promise<void> {
  // Who ends a worker may signal all of its processes: it is the worker that is to end first.
  for (const name of isWindows ? [] : IGNORED) Deno.addSignalListener(name, () => {});
  const guard = new GuardProcess();
  let rest = "";
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(64 * 1024);
  for (let count; (count = await readOrEnd(buffer)) !== null;) {
    const lines = (rest + decoder.decode(buffer.subarray(0, count), { stream: true })).split("\n");
    rest = lines.pop()!;
    // Each line takes the place of the one before.
    const newest = lines.at(-1);
    if (newest !== undefined) guard.watch(parseJobs(newest));
  }
  await guard.endAll();
}

/** A pipe whose other end was killed ends, or breaks. */
async function readOrEnd(buffer: Uint8Array): Promise<number | null> {
  try {
    return await Deno.stdin.read(buffer);
  } catch {
    return null;
  }
}

function parseJobs(line: string): WatchedJob[] {
  const jobs: unknown = JSON.parse(line);
  if (!Array.isArray(jobs) || !jobs.every(isObject)) throw new TypeError("Cannot guard: no jobs");
  const now = performance.now();
  return (jobs as unknown as GuardedJob[]).map((job) => ({ ...job, ownUntil: now + job.leftMs }));
}

/** The jobs of a worker. */
class GuardProcess {
  #jobs: readonly WatchedJob[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** From now on these are all. */
  watch(jobs: readonly WatchedJob[]): void {
    this.#jobs = jobs;
    this.#look();
  }

  /** Ends all that there is; the worker is gone. */
  async endAll(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#jobs.length === 0) return;
    for (let looks = 0; looks < LAST_LOOKS.count; looks++) {
      if (looks > 0) await new Promise((resolve) => setTimeout(resolve, LAST_LOOKS.pauseMs));
      endJobs(this.#jobs);
    }
  }

  readonly #look = (): void => {
    clearTimeout(this.#timer);
    if (this.#jobs.length === 0) return;
    const now = performance.now();
    const wallNow = Date.now();
    const over = this.#jobs.filter(({ ownUntil, until }) => now >= ownUntil || wallNow >= until);
    if (over.length > 0) endJobs(over);
    const left = this.#jobs.map(({ ownUntil, until }) => Math.min(ownUntil - now, until - wallNow));
    const next = Math.min(TICK_MS, ...left.filter((ms) => ms > 0));
    this.#timer = setTimeout(this.#look, Math.ceil(next));
  };
}

/** Ends whatever runs of these jobs now. */
function endJobs(jobs: readonly WatchedJob[]): void {
  for (const { process } of jobs) {
    if (process !== undefined && isSame(process)) unlessEnded(() => killGroup(process.pid));
  }
  for (const { pid } of markedBy(jobs)) unlessEnded(() => Deno.kill(pid, "SIGKILL"));
}

/** Whether the group is that of the command: as long as somebody is in it, nobody else gets its number. */
function isSame({ pid, startTime }: NonNullable<GuardedJob["process"]>): boolean {
  const leader = startTime === undefined ? undefined : readStat(pid);
  return leader === undefined || leader.startTime === startTime;
}

function markedBy(jobs: readonly WatchedJob[]): ProcessStat[] {
  const wanted = new Set(jobs.map(keyOf));
  const living = (listProcesses() ?? []).filter(({ isZombie }) => !isZombie);
  return living.filter(({ pid }) => readMarks(pid).some((mark) => wanted.has(keyOf(mark))));
}

function keyOf({ root, runId, nodeId, attempt }: Mark): string {
  return JSON.stringify([root, runId, nodeId, attempt]);
}

function unlessEnded(kill: () => void): void {
  try {
    kill();
  } catch {
    // It has ended already.
  }
}
