import type { RuntimeFolder } from "../files/runtime_folder.ts";
import { workerNumberOf } from "../state/store_state.ts";
import type { RuntimeEvent } from "../types.ts";
import type { Finding, LinePlace } from "./store_problem.ts";
import type { CurrentState } from "./verify_snapshots.ts";

/**
 * What events, workers and transcripts say of each other: a worker names its last event, an entry of a
 * transcript the event of its input.
 */
export class EventReferences {
  readonly #folder: RuntimeFolder;
  readonly #state: CurrentState;
  /** The workers whose last event each of these is, as long as it was not seen. */
  readonly #lastEvents = new Map<number, Set<string>>();
  /** The events of inputs, by worker. */
  readonly #inputs = new Map<string, Set<number>>();
  readonly #findings: Finding[] = [];
  /** The greatest number of a worker that an event names. */
  lastWorker = 0;
  /** Whether an event tells that the runtime was stopped. */
  isStopped = false;
  #isOver = false;

  constructor(folder: RuntimeFolder, state: CurrentState) {
    this.#folder = folder;
    this.#state = state;
    for (const [id, { snapshot }] of state.workers) {
      addTo(this.#lastEvents, snapshot.last_event_id, id);
    }
  }

  add({ id, worker_ref, kind: { kind } }: RuntimeEvent, place: LinePlace): void {
    if (kind === "runtime_stopped") this.isStopped = true;
    if (worker_ref === undefined) return;
    const { runtime_id, worker_id } = worker_ref;
    if (runtime_id !== this.#folder.runtimeId) {
      const path = this.#folder.log(this.#folder.events);
      const message = `event ${id} belongs to runtime ${runtime_id}`;
      this.#findings.push({ kind: "foreign-record", path, ...place, message });
      return;
    }
    this.lastWorker = Math.max(this.lastWorker, workerNumberOf(worker_id));
    this.#lastEvents.get(id)?.delete(worker_id);
    if (kind === "worker_input_accepted") addTo(this.#inputs, worker_id, id);
  }

  /** All events were added. */
  finish(): Finding[] {
    this.#isOver = true;
    for (const [eventId, workers] of this.#lastEvents) {
      for (const id of workers) {
        const { files } = this.#state.workers.get(id)!;
        const directory = files?.directory ?? this.#folder.workerDirectory(id);
        this.#findings.push({
          kind: "dangling",
          path: this.#folder.snapshotIn(directory),
          message: `last_event_id is ${eventId}, and there is no such event about the worker`,
        });
      }
    }
    return this.#findings;
  }

  /** Compares the events of a worker's inputs with those that its transcript names. */
  compareEntries(workerId: string, eventIds: readonly number[], path: string): Finding[] {
    if (!this.#isOver) return [];
    const missing = new Set(this.#inputs.get(workerId));
    const dangling = eventIds.filter((id) => !missing.delete(id));
    const findings: Finding[] = [];
    if (missing.size > 0) {
      const message = `${missing.size} of the inputs that events tell of are missing, the first ` +
        `one that of event ${Math.min(...[...missing].slice(0, 1000))}`;
      findings.push({ kind: "lost", path, message });
    }
    if (dangling.length > 0) {
      const message =
        `${dangling.length} of the entries name no event of an input, the first one ` +
        `event ${dangling[0]}`;
      findings.push({ kind: "dangling", path, message });
    }
    return findings;
  }
}

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}
