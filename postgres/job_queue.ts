/**
 * Attempts that workers make, as the holder of a run has them made. What is always true:
 *
 * 1. **Each attempt that is offered ends once**: with the answer of the worker that has its token, or as lost with it, or
 *    as never begun. What comes later is refused by the database.
 * 2. **Nobody is believed to be at work because of what was said once**: the leases are looked at, a few times a
 *    second while something is under way, and whenever a worker says that something has ended.
 * 3. An offer that a crash of the server has taken is made again.
 */
import { defined } from "../_internal/errors.ts";
import type { AttemptQueue, JobEnd, JobOffer } from "../run/attempt_queue.ts";
import type { Link } from "./link.ts";
import type { Holding, Session } from "./session.ts";
import type { PostgresRow, PostgresValue } from "./types.ts";
import { Bell, pause, WakeUps } from "./waiting.ts";

/** How often the jobs of a run are looked at while some are under way. */
const LOOK_MS = 500;

/** What a {@linkcode PostgresJobQueue} works with. */
interface JobQueueOptions {
  link: Link;
  session: Session;
  holding: Holding;
}

/** A job that was offered, and has not ended. */
interface OpenJob {
  offer: JobOffer;
  jobNo: string;
  ended: PromiseWithResolvers<JobEnd>;
  isOver: boolean;
}

/** The jobs of one run. */
export class PostgresJobQueue implements AttemptQueue, Disposable {
  readonly #options: JobQueueOptions;
  readonly #open = new Map<string, OpenJob>();
  #looking: Promise<void> | undefined;
  readonly #mayHaveEnded = new Bell();
  readonly #workers: WakeUps;

  constructor(options: JobQueueOptions) {
    this.#options = options;
    this.#workers = new WakeUps(() => options.link.wakeWorkers());
  }

  async offer(offer: JobOffer, signal: AbortSignal): Promise<JobEnd> {
    if (signal.aborted) return { kind: "unbegun" };
    const jobNo = await this.#put(offer);
    const job: OpenJob = { offer, jobNo, ended: Promise.withResolvers(), isOver: false };
    this.#open.set(jobNo, job);
    const cancel = () => void this.#cancel(job, signal.reason);
    signal.addEventListener("abort", cancel, { once: true });
    if (signal.aborted) cancel();
    this.#workers.send();
    this.#looking ??= this.#lookOn();
    try {
      return await job.ended.promise;
    } finally {
      signal.removeEventListener("abort", cancel);
      job.isOver = true;
      this.#open.delete(job.jobNo);
    }
  }

  async forget(jobs: readonly string[]): Promise<void> {
    if (jobs.length === 0) return;
    const text = "select taffrail.remove_jobs_1($1::bigint, $2::bigint, $3)";
    await this.#ask(text, [jobs.join(" ")]);
  }

  async endLeft(
    onLeft?: (left: { nodeId: string; attempt: number; worker: string }) => void,
  ): Promise<void> {
    const told = new Set<string>();
    const { lost } = this.#options.holding;
    for (;;) {
      const rows = await this.#look("all");
      const taken = rows.filter(({ state }) => state === "t");
      for (const { job_no, node, attempt, worker } of taken) {
        if (told.has(String(job_no))) continue;
        told.add(String(job_no));
        onLeft?.({ nodeId: String(node), attempt: Number(attempt), worker: String(worker) });
      }
      // What waits goes first: a worker that has ended something would take it.
      for (const { job_no } of [...rows.filter(({ state }) => state === "r"), ...taken]) {
        await this.#sendCancel(String(job_no), "stop");
      }
      if (taken.length === 0) return await this.forget(rows.map(({ job_no }) => String(job_no)));
      this.#workers.send();
      await pause(LOOK_MS, lost);
      lost.throwIfAborted();
    }
  }

  /** Nobody is woken any more. */
  [Symbol.dispose](): void {
    this.#workers[Symbol.dispose]();
  }

  async #put({ nodeId, attempt, labels, priority = 0, payload }: JobOffer): Promise<string> {
    const text = "select taffrail.offer_job_1($1::bigint, $2::bigint, $3, $4::int, $5, $6::int, " +
      "$7)::text as job_no";
    const [row] = await this.#ask(text, [nodeId, attempt, labels.join("\n"), priority, payload]);
    if (typeof row?.job_no === "string") return row.job_no;
    this.#options.holding.lose("another process holds it");
    throw this.#options.holding.lost.reason;
  }

  async #lookOn(): Promise<void> {
    const { session, holding } = this.#options;
    using _wakes = session.onWake(holding.runNo, () => this.#mayHaveEnded.ring());
    let lookedAt = performance.now();
    while (this.#open.size > 0 && !holding.lost.aborted) {
      await this.#mayHaveEnded.wait(LOOK_MS, holding.lost);
      try {
        // Whether one is gone is looked for now and then, whether one has ended when that is said.
        const isDue = performance.now() - lookedAt >= LOOK_MS;
        if (isDue) lookedAt = performance.now();
        this.#takeEnds(await this.#look("over"));
        if (isDue) await this.#offerAgain(await this.#look("all"));
      } catch (error) {
        if (holding.lost.aborted) break;
        for (const { ended } of this.#open.values()) ended.reject(error);
      }
    }
    // In the same turn as the last look at what is open: whoever offers next has somebody look.
    this.#looking = undefined;
    for (const { ended } of this.#open.values()) ended.reject(holding.lost.reason);
  }

  #takeEnds(rows: readonly PostgresRow[]): void {
    for (const { job_no, state, worker, answer } of rows) {
      const jobNo = String(job_no);
      const job = this.#open.get(jobNo);
      if (job === undefined) continue;
      const by = defined({ worker: typeof worker === "string" ? worker : undefined });
      if (state === "d") job.ended.resolve({ kind: "ended", answer: String(answer), jobNo, ...by });
      else if (state === "l") job.ended.resolve({ kind: "lost", jobNo, ...by });
    }
  }

  /** What a crash of the server has taken is offered again. */
  async #offerAgain(rows: readonly PostgresRow[]): Promise<void> {
    const there = new Set(rows.map(({ job_no }) => String(job_no)));
    for (const [jobNo, job] of [...this.#open]) {
      // One that was offered since then is there, and is found by the same number.
      if (there.has(jobNo) || this.#open.get(jobNo) !== job) continue;
      this.#open.delete(jobNo);
      job.jobNo = await this.#put(job.offer);
      // Who has offered it may have given up meanwhile.
      if (job.isOver) await this.#sendCancel(job.jobNo, "stop");
      else this.#open.set(job.jobNo, job);
      this.#workers.send();
    }
  }

  async #cancel(job: OpenJob, reason: unknown): Promise<void> {
    const isTimeout = reason instanceof Error && reason.name === "TimeoutError";
    try {
      const answer = await this.#sendCancel(job.jobNo, isTimeout ? "deadline" : "stop");
      if (answer === "unbegun" || answer === "gone") job.ended.resolve({ kind: "unbegun" });
      else this.#workers.send();
    } catch (error) {
      job.ended.reject(error);
    }
  }

  async #sendCancel(jobNo: string, how: "stop" | "deadline"): Promise<unknown> {
    const text = "select taffrail.cancel_job_1($1::bigint, $2::bigint, $3::bigint, $4) as answer";
    const [row] = await this.#ask(text, [jobNo, how]);
    return row?.answer;
  }

  /** The jobs of the run: all, or only those that are over. */
  #look(which: "all" | "over"): Promise<readonly PostgresRow[]> {
    return this.#ask(LOOK, [which === "all"]);
  }

  /** Asks as the holder, what may be asked twice. */
  #ask(text: string, values: readonly PostgresValue[]): Promise<readonly PostgresRow[]> {
    const { link, holding } = this.#options;
    return link.ask(text, [...holding.credentials, ...values], { signal: holding.lost });
  }
}

const LOOK = "select job_no::text, node, attempt, state, worker, answer " +
  "from taffrail.look_at_jobs_1($1::bigint, $2::bigint, $3::boolean)";
