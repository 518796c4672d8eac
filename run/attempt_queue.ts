/**
 * The ports by which attempts are made by workers anywhere: what the holder of a run asks, and what a worker takes; and
 * what an attempt is told of where it stands, wherever it is made.
 */

/** Where an attempt stands in a distributed trace, as W3C Trace Context writes it. */
export interface TraceParent {
  /** Its span. */
  traceparent: string;
  /** What tracing systems have to say to each other; left out where they have nothing to say. */
  tracestate?: string;
}

/** Which attempt it is. */
export interface AttemptNumber {
  /** The node. */
  nodeId: string;
  /** Which attempt at it, from 1. */
  attempt: number;
}

/** An attempt that a worker is to make. */
export interface JobOffer extends AttemptNumber {
  /** The labels that the worker must have. */
  labels: readonly string[];
  /**
   * Which jobs come first: those with the smaller number.
   *
   * @default {0}
   */
  priority?: number;
  /** What is to be done, as a text that workers understand. It is kept no longer than the job. */
  payload: string;
}

/** What became of a job: it has ended with an answer, it was lost with its worker, or nobody began it. */
export type JobEnd =
  | {
    kind: "ended";
    /** What the worker says of it. */
    answer: string;
    /** The job, to be forgotten when its end is recorded. */
    jobNo: string;
    /** The worker. */
    worker?: string;
  }
  | { kind: "lost"; jobNo: string; worker?: string }
  | { kind: "unbegun" };

/** Has the attempts of one run made by workers anywhere. */
export interface AttemptQueue {
  /**
   * Offers an attempt, and resolves when it is over. When the signal aborts a worker that makes it is asked to end it,
   * by `deadline` where the reason is a TimeoutError, and its answer counts.
   */
  offer(job: JobOffer, signal: AbortSignal): Promise<JobEnd>;
  /** Jobs whose ends are recorded are not needed any more. */
  forget(jobs: readonly string[]): Promise<void>;
  /**
   * Ends what another holder of the run has left to workers, and resolves when nothing of it runs any more, or is
   * lost with its worker.
   *
   * @param onLeft Told, once, of each that is still being made, and by whom.
   */
  endLeft(onLeft?: (left: AttemptNumber & { worker: string }) => void): Promise<void>;
}

/** A job that a worker has taken. */
export interface ClaimedJob extends AttemptNumber {
  /** The job. */
  jobNo: string;
  /** By which the worker is known: what is sent with an older one is refused. */
  token: bigint;
  /** The run. */
  runId: string;
  /** What is to be done. */
  payload: string;
}

/** A job that a worker still has. */
export interface RenewedJob {
  /** The job. */
  jobNo: string;
  /** That it is to end, and why. */
  cancel?: "stop" | "deadline";
}

/**
 * Gives attempts to a worker. Whoever takes them ends what runs when the lease is over and was not renewed. `patience`
 * ends the asking again of what was not answered.
 */
export interface JobSource {
  /** Takes jobs, up to a number. */
  claim(limit: number): Promise<ClaimedJob[]>;
  /** Renews the leases of jobs; gives those that this worker still has, and which of them are to end. */
  renew(jobs: readonly Pick<ClaimedJob, "jobNo" | "token">[]): Promise<RenewedJob[]>;
  /** Says how a job has ended; false when this worker does not have it any more. It is on disk then. */
  end(
    job: Pick<ClaimedJob, "jobNo" | "token">,
    answer: string,
    patience: AbortSignal,
  ): Promise<boolean>;
  /** Gives a job back that was not begun. */
  giveBack(job: Pick<ClaimedJob, "jobNo" | "token">, patience: AbortSignal): Promise<void>;
  /**
   * Puts a piece of what a job prints, or of the times of that; no bytes: only what an earlier attempt of the number
   * has left under it is removed. False when this worker does not have the job any more.
   */
  putOutput(
    job: Pick<ClaimedJob, "jobNo" | "token">,
    piece: {
      stream: "out" | "err" | "times";
      piece: number;
      bytes: Uint8Array | null;
      waits: boolean;
    },
    patience: AbortSignal,
  ): Promise<boolean>;
  /** Calls back when there may be jobs, or one is to end; any call can be missed. */
  onOffer(wake: () => void): Disposable;
}
