/**
 * Takes jobs and makes them. What is always true:
 *
 * 1. **Nothing of a job runs when its lease may be over**: leases are renewed all the time, and what was not renewed
 *    in time, or is not this worker's any more, is ended at once. The guard does the same where this process cannot.
 * 2. **What was lost is not spoken of any more**: neither its end nor what it prints is sent; the database would refuse it.
 * 3. **An end is told until it is known to be recorded**, or the job is lost: the server may be away meanwhile.
 * 4. No more jobs are taken than there are slots. A job has its slot until its end is recorded.
 */
import { defined } from "../../_internal/errors.ts";
import { reasonOf } from "../../_internal/text.ts";
import { Bell, pause } from "../../postgres/waiting.ts";
import { isServerAway } from "../../postgres/postgres_error.ts";
import type { ClaimedJob, JobSource } from "../../run/attempt_queue.ts";
import type { RunsRoot } from "../../run/types.ts";
import { Guard } from "./guard.ts";
import type { GuardedJob } from "./guard_process.ts";
import { encodeAnswer } from "./job.ts";
import { attemptJob, type JobOutcome, type WorkPlace } from "./job_attempt.ts";
import { clockNow, laterBy, type LeaseTimes, leaseTimes, msUntil } from "./lease.ts";
import { TakenJob } from "./taken_job.ts";
import type { WorkLog } from "./work_log.ts";

/** How often it is looked for jobs that nobody has told of. */
const LOOK_MS = 1000;
/** How soon it is asked again what could not be asked. */
const AWAY_MS = 1000;
/** How soon after a renewal the next one may be: somebody may ask for the end of a job. */
const SOONEST_RENEWAL_MS = 200;

/** What a {@linkcode Worker} works with. */
export interface WorkerOptions {
  runs: Pick<RunsRoot, "name" | "view">;
  source: JobSource;
  place: WorkPlace;
  /** How many jobs it has at a time. */
  slots: number;
  leaseMs: number;
  /** After how long without a job it ends; never where it is left out. */
  idleMs?: number | undefined;
  log: WorkLog;
}

/** A worker. */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #times: LeaseTimes;
  readonly #jobs = new Map<string, TakenJob>();
  readonly #draining = new AbortController();
  readonly #mayClaim = new Bell();
  readonly #mayRenew = new Bell();
  #renewAt = Infinity;
  #lastRenewal = -Infinity;
  #isRenewing = false;
  #isAway = false;
  /** Why it cannot go on. */
  #failure: { of: unknown } | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#times = leaseTimes(options.leaseMs);
  }

  /**
   * Works until it is drained, or has been idle for long enough.
   *
   * @throws What keeps it from going on; nothing of its jobs runs any more then.
   */
  async work(): Promise<void> {
    const { source } = this.#options;
    await using guard = new Guard(() => this.#guarded());
    guard.gone.addEventListener("abort", () => this.#fail(guard.gone.reason));
    using _offers = source.onOffer(() => this.#wake());
    const over = new AbortController();
    const keeping = this.#keepLeases(guard, over.signal);
    const making = new Set<Promise<void>>();
    try {
      await this.#takeJobs((job) => {
        const made = this.#make(job, guard).finally(() => making.delete(made));
        making.add(made);
      });
    } catch (error) {
      this.#failure ??= { of: error };
    }
    while (making.size > 0) await Promise.all(making);
    over.abort();
    this.#mayRenew.ring();
    await keeping;
    if (this.#failure !== undefined) throw this.#failure.of;
  }

  /** How many jobs it has. */
  get size(): number {
    return this.#jobs.size;
  }

  /** Takes no more jobs. */
  drain(): void {
    this.#draining.abort();
    this.#mayClaim.ring();
  }

  /** Takes no more jobs, and ends what runs, within its grace. */
  giveUp(): void {
    this.drain();
    for (const job of this.#jobs.values()) job.giveUp();
  }

  /** The same, without grace. */
  cutShort(): void {
    this.giveUp();
    for (const job of this.#jobs.values()) job.cutShort();
  }

  #fail(reason: unknown): void {
    this.#failure ??= { of: reason };
    this.drain();
    for (const job of this.#jobs.values()) job.lose(reasonOf(reason));
  }

  /** Somebody has said something: there may be jobs, or one is to end. */
  #wake(): void {
    this.#mayClaim.ring();
    this.#renewAt = Math.min(this.#renewAt, this.#lastRenewal + SOONEST_RENEWAL_MS);
    this.#mayRenew.ring();
  }

  async #takeJobs(begin: (job: TakenJob) => void): Promise<void> {
    const { slots, idleMs = Infinity } = this.#options;
    let idleSince = performance.now();
    while (!this.#draining.signal.aborted) {
      const free = slots - this.#jobs.size;
      const claimed = free === 0 ? [] : await this.#claim(free);
      for (const job of claimed) begin(job);
      if (this.#jobs.size > 0) idleSince = performance.now();
      else if (performance.now() - idleSince >= idleMs) return;
      // Where all were taken that fit, somebody has to end first.
      await this.#mayClaim.wait(Math.min(LOOK_MS, idleMs));
    }
  }

  async #claim(limit: number): Promise<TakenJob[]> {
    const { source } = this.#options;
    const asked = clockNow();
    let claimed: ClaimedJob[];
    try {
      claimed = await source.claim(limit);
    } catch (error) {
      if (!isServerAway(error)) throw error;
      await this.#away(error);
      return [];
    }
    this.#back();
    const until = laterBy(asked, this.#times.leaseMs);
    if (msUntil(until) < this.#times.leaseMs / 2) {
      await this.#return(claimed);
      return [];
    }
    const jobs = claimed.map((job) => new TakenJob(job, until));
    for (const job of jobs) this.#jobs.set(job.claimed.jobNo, job);
    this.#renewAt = Math.min(this.#renewAt, asked.monotonicMs + this.#times.renewMs);
    this.#mayRenew.ring();
    return jobs;
  }

  /** Of what was asked for long ago, as by a network that was cut, too little of the lease is left to begin it. */
  async #return(claimed: readonly ClaimedJob[]): Promise<void> {
    const { source, log } = this.#options;
    const patience = AbortSignal.timeout(this.#times.leaseMs);
    for (const job of claimed) {
      try {
        await source.giveBack(job, patience);
        log.job(job, { type: "given-back" });
      } catch (error) {
        if (!isServerAway(error)) throw error;
        log.job(job, { type: "lost", why: reasonOf(error) });
      }
    }
  }

  async #make(job: TakenJob, guard: Guard): Promise<void> {
    const { log } = this.#options;
    try {
      // Whoever was asked to end while it claimed begins nothing.
      if (this.#draining.signal.aborted) return await this.#giveBack(job);
      await guard.tell();
      log.job(job.claimed, { type: "began" });
      await this.#makeAndTell(job, guard);
    } catch (error) {
      if (!job.lost.aborted) job.lose(reasonOf(error));
      log.job(job.claimed, { type: "lost", why: reasonOf(job.lost.reason) });
    } finally {
      this.#jobs.delete(job.claimed.jobNo);
      this.#mayClaim.ring();
    }
  }

  async #makeAndTell(job: TakenJob, guard: Guard): Promise<void> {
    const { source, place, log } = this.#options;
    const onSpawned = () => void guard.tell().catch(() => {});
    const made = await attemptJob(job, { ...this.#options, onSpawned });
    // The guard may have ended it, when this process was not able to.
    this.#endOverdue();
    job.lost.throwIfAborted();
    const outcome = job.isGivenUp ? givenUp(made, place.name) : made;
    if (job.isGivenUp && outcome.end.begun === false) return await this.#giveBack(job);
    job.isEnding = true;
    onSpawned();
    const { termination, end, notes } = outcome;
    const { name: worker, host } = place;
    const answer = encodeAnswer({ termination, end, worker, ...defined({ host }), notes });
    if (!await source.end(job.claimed, answer, job.lost)) {
      throw new Error("its lease was over before its end was told");
    }
    log.job(job.claimed, { type: "ended", ended: { termination, end }, notes });
  }

  async #giveBack(job: TakenJob): Promise<void> {
    const { source, log } = this.#options;
    job.isEnding = true;
    await source.giveBack(job.claimed, job.lost);
    log.job(job.claimed, { type: "given-back" });
  }

  async #keepLeases(guard: Guard, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      this.#endOverdue();
      const dueMs = this.#renewAt - performance.now();
      if (dueMs <= 0 && !this.#isRenewing) void this.#renew(guard);
      const left = [...this.#jobs.values()].map((job) => this.#msLeft(job));
      const nextMs = Math.min(LOOK_MS, ...left, ...(this.#isRenewing ? [] : [dueMs]));
      await this.#mayRenew.wait(Math.max(1, nextMs));
    }
  }

  async #renew(guard: Guard): Promise<void> {
    const { source } = this.#options;
    const { leaseMs, renewMs } = this.#times;
    const asked = clockNow();
    const jobs = [...this.#jobs.values()].filter(({ lost }) => !lost.aborted);
    this.#lastRenewal = asked.monotonicMs;
    this.#renewAt = jobs.length === 0 ? Infinity : asked.monotonicMs + renewMs;
    if (jobs.length === 0) return;
    this.#isRenewing = true;
    try {
      const answers = await source.renew(jobs.map(({ claimed }) => claimed));
      this.#back();
      const kept = new Map(answers.map((answer) => [answer.jobNo, answer]));
      this.#endOverdue();
      for (const job of jobs) {
        const answer = kept.get(job.claimed.jobNo);
        // Of one that is ending the end may have arrived meanwhile, which is told to who asks.
        if (answer === undefined && !job.isEnding) {
          job.lose("another worker has it, or its run is gone");
        }
        if (answer === undefined || job.lost.aborted) continue;
        job.until = laterBy(asked, leaseMs);
        if (answer.cancel !== undefined) job.cancel(answer.cancel);
      }
      await guard.tell();
    } catch (error) {
      // The guard's own end is told by itself, and what else fails fails who claims, too.
      if (isServerAway(error)) this.#sayAway(error);
      this.#renewAt = Math.min(this.#renewAt, performance.now() + AWAY_MS);
    } finally {
      this.#isRenewing = false;
      this.#mayRenew.ring();
    }
  }

  /** Ends what could not be renewed in time. */
  #endOverdue(): void {
    for (const job of this.#jobs.values()) {
      if (this.#msLeft(job) <= 0) job.lose("its lease could not be renewed in time");
    }
  }

  /** Where only its end is to be told, nothing has to be killed before the lease is over. */
  #msLeft(job: TakenJob): number {
    return msUntil(job.until) - (job.isEnding ? 0 : this.#times.endBeforeMs);
  }

  #guarded(): GuardedJob[] {
    const { guardBeforeMs } = this.#times;
    const jobs = [...this.#jobs.values()].filter(({ isEnding }) => !isEnding);
    const now = performance.now();
    return jobs.map(({ claimed: { runId, nodeId, attempt }, until, process }) => ({
      ...{ root: this.#options.runs.name, runId, nodeId, attempt, process },
      leftMs: until.monotonicMs - now - guardBeforeMs,
      until: until.wallMs - guardBeforeMs,
    }));
  }

  async #away(error: unknown): Promise<void> {
    this.#sayAway(error);
    await pause(AWAY_MS, this.#draining.signal);
  }

  #sayAway(error: unknown): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.#options.log.worker("away", `the database is away: ${reasonOf(error)}`);
  }

  #back(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#options.log.worker("back", "the database is back");
  }
}

/** A worker that ends is lost with what it has begun: somebody else may make it. */
function givenUp(outcome: JobOutcome, worker: string): JobOutcome {
  const { termination, end } = outcome;
  if (termination !== "Aborted" || end.begun === false) return outcome;
  const error = { message: `worker ${worker} has ended`, code: "worker-lost" };
  return { ...outcome, end: { ...end, error } };
}
