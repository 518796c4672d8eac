import type { WorkerChange } from "../files/snapshots.ts";
import type { RuntimeEvent, WorkerStatus } from "../types.ts";
import { workerNumberOf } from "./store_state.ts";

/** What the events say of one worker. */
interface WorkerEffects {
  lastEventId: number;
  /** How it ended; the first end stays (WRT-6). */
  end: Exclude<WorkerStatus, "running"> | undefined;
}

/**
 * What events say of a runtime and its workers, whatever snapshots say: of what a lost journal held, the
 * events are all that is left.
 */
export class EventEffects {
  readonly #workers = new Map<string, WorkerEffects>();
  /** The greatest id. */
  lastEventId: number;
  /** The greatest number of a worker. */
  lastWorker: number;
  /** Whether the runtime was stopped. */
  isStopped = false;

  /** Begins behind an event of which more is known than the events tell. */
  constructor({ lastEventId = 0, lastWorker = 0 } = {}) {
    this.lastEventId = lastEventId;
    this.lastWorker = lastWorker;
  }

  /** Takes an event of this runtime. */
  add({ id, worker_ref, kind: { kind } }: RuntimeEvent): void {
    // Every worker has an event of its making: a greater number than that allows is a damaged one.
    const mostMade = id - this.lastEventId - (kind === "worker_created" ? 0 : 1);
    this.lastEventId = Math.max(this.lastEventId, id);
    if (kind === "runtime_stopped") this.isStopped = true;
    if (worker_ref === undefined) return;
    const { worker_id } = worker_ref;
    const number = workerNumberOf(worker_id);
    if (number - this.lastWorker <= mostMade) this.lastWorker = Math.max(this.lastWorker, number);
    const worker = this.#workers.get(worker_id) ?? { lastEventId: 0, end: undefined };
    worker.lastEventId = Math.max(worker.lastEventId, id);
    if (kind === "worker_stopped") worker.end ??= "stopped";
    if (kind === "worker_cancelled") worker.end ??= "cancelled";
    this.#workers.set(worker_id, worker);
  }

  /** What of a worker the events know better than its snapshot; undefined when they do not. */
  changesOf(worker: WorkerChange): Partial<WorkerChange> | undefined {
    const { lastEventId = 0, end } = this.#workers.get(worker.worker_id) ?? {};
    const isBehind = lastEventId > worker.last_event_id;
    const hasEnded = worker.status === "running" && end !== undefined;
    if (!isBehind && !hasEnded) return undefined;
    return {
      ...(isBehind && { last_event_id: lastEventId }),
      ...(hasEnded && { status: end }),
    };
  }
}
