/**
 * Jobs as a worker takes them. What is always true:
 *
 * 1. **What a worker may do of a job it may do by its token**: when another worker has the job, or nobody knows of it
 *    any more, everything that it sends is refused, and it is told so.
 * 2. **A job is held for the time of its lease**, counted from before it was asked for, by the caller's own clock. Who
 *    takes jobs ends what runs when that is over: nothing here does.
 * 3. **What was taken by a claim whose answer was lost is given back** by the claims behind it: nobody has begun it.
 */
import { defined } from "../_internal/errors.ts";
import type { ClaimedJob, JobSource, RenewedJob } from "../run/attempt_queue.ts";
import type { Link } from "./link.ts";
import { asRootError } from "./postgres_error.ts";
import type { Session } from "./session.ts";
import type { PostgresRow, PostgresValue } from "./types.ts";
import { WakeUps } from "./waiting.ts";

/** For so many leases a claim without an answer is remembered. */
const LONGEST_DELAY_LEASES = 10;

/** What a {@linkcode PostgresJobSource} works with. */
interface JobSourceOptions {
  link: Link;
  session: Session;
  /** The root, as it is called. */
  root: string;
  /** What the worker is called. */
  worker: string;
  /** The labels that it has. */
  labels: readonly string[];
  leaseMs: number;
}

/** So many runs are remembered; one that was forgotten costs nothing. */
const MOST_HOLDERS = 100;

/** The jobs that one worker may take. */
export class PostgresJobSource implements JobSource {
  readonly #options: JobSourceOptions;
  readonly #holders = new Map<string, WakeUps>();
  /** Claims that got no answer, and when they were asked for: they may be done late, by a connection that is given up. */
  readonly #unanswered = new Map<string, number>();

  constructor(options: JobSourceOptions) {
    this.#options = options;
  }

  async claim(limit: number): Promise<ClaimedJob[]> {
    const { worker, labels, leaseMs } = this.#options;
    const claim = crypto.randomUUID();
    const now = performance.now();
    for (const [earlier, askedAt] of this.#unanswered) {
      if (now - askedAt > LONGEST_DELAY_LEASES * leaseMs) this.#unanswered.delete(earlier);
    }
    const text = "select job_no::text, token::text, run_id, node, attempt, payload " +
      "from taffrail.claim_jobs_1($1, $2, $3::int, $4::int, $5, $6)";
    const values = [worker, labels.join("\n"), limit, this.#leaseSeconds];
    const unanswered = [...this.#unanswered.keys()].join(" ");
    this.#unanswered.set(claim, now);
    const rows = await this.#once(text, [...values, claim, unanswered]);
    this.#unanswered.delete(claim);
    return rows.map(({ job_no, token, run_id, node, attempt, payload }) => ({
      jobNo: String(job_no),
      token: BigInt(String(token)),
      runId: String(run_id),
      nodeId: String(node),
      attempt: Number(attempt),
      payload: String(payload),
    }));
  }

  async renew(jobs: readonly Pick<ClaimedJob, "jobNo" | "token">[]): Promise<RenewedJob[]> {
    const pairs = jobs.map(({ jobNo, token }) => `${jobNo} ${token}`);
    const text = "select job_no::text, cancel from taffrail.renew_jobs_1($1, $2::int)";
    const rows = await this.#once(text, [pairs.join("\n"), this.#leaseSeconds]);
    return rows.map(({ job_no, cancel }) => {
      const how = cancel === "stop" || cancel === "deadline" ? cancel : undefined;
      return { jobNo: String(job_no), ...defined({ cancel: how }) };
    });
  }

  async end(
    { jobNo, token }: Pick<ClaimedJob, "jobNo" | "token">,
    answer: string,
    patience: AbortSignal,
  ): Promise<boolean> {
    const text = "select taffrail.end_job_1($1::bigint, $2::bigint, $3)::text as run_no";
    const [row] = await this.#ask(text, [jobNo, String(token), answer], patience);
    if (typeof row?.run_no !== "string") return false;
    this.#holderOf(row.run_no).send();
    return true;
  }

  /** Wakes the holder of a run: while one wake-up is under way, all others are one. */
  #holderOf(runNo: string): WakeUps {
    let wakeUps = this.#holders.get(runNo);
    if (wakeUps === undefined) {
      wakeUps = new WakeUps(() => this.#options.link.wake(runNo), { restMs: 0 });
      if (this.#holders.size >= MOST_HOLDERS) this.#holders.clear();
      this.#holders.set(runNo, wakeUps);
    }
    return wakeUps;
  }

  async giveBack(
    { jobNo, token }: Pick<ClaimedJob, "jobNo" | "token">,
    patience: AbortSignal,
  ): Promise<void> {
    const text = "select taffrail.give_back_job_1($1::bigint, $2::bigint)";
    await this.#ask(text, [jobNo, String(token)], patience);
    void this.#options.link.wakeWorkers().catch(() => {});
  }

  async putOutput(
    { jobNo, token }: Pick<ClaimedJob, "jobNo" | "token">,
    { stream, piece, bytes, waits }: {
      stream: "out" | "err" | "times";
      piece: number;
      bytes: Uint8Array | null;
      waits: boolean;
    },
    patience: AbortSignal,
  ): Promise<boolean> {
    const text = "select taffrail.put_job_output_1($1::bigint, $2::bigint, $3, $4::int, " +
      "$5::bytea, $6::boolean) as done";
    const values = [jobNo, String(token), stream, piece, bytes, waits];
    const [row] = await this.#ask(text, values, patience);
    return row?.done === true;
  }

  onOffer(wake: () => void): Disposable {
    return this.#options.session.onWake("jobs", wake);
  }

  get #leaseSeconds(): number {
    return Math.ceil(this.#options.leaseMs / 1000);
  }

  async #once(text: string, values: readonly PostgresValue[]): Promise<readonly PostgresRow[]> {
    const { link, root } = this.#options;
    try {
      return await link.query(text, values);
    } catch (error) {
      throw asRootError(error, { root });
    }
  }

  async #ask(
    text: string,
    values: readonly PostgresValue[],
    signal: AbortSignal,
  ): Promise<readonly PostgresRow[]> {
    const { link, root } = this.#options;
    try {
      return await link.ask(text, values, { signal });
    } catch (error) {
      throw asRootError(error, { root });
    }
  }
}
