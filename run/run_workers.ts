/**
 * The store of a run. It follows the log, in batches and behind it, and what is always true of it is:
 *
 * 1. **It can be made again from the log.** Nothing is in it that the log has not, so nothing is synced,
 *    and one that is behind is brought up to the log by taking the log once more.
 * 2. **Taking an event again changes nothing.** Of an attempt its first begin counts and its first end,
 *    whichever stands first in the log: what a log lost is written behind its later lines.
 * 3. **A batch is one mutation** (`takeAll`): the store has all of it or nothing. Behind one that it did
 *    not take nothing is taken any more until it was brought up to the log.
 * 4. **The runtime is stopped by `pipe.completed` alone**: a run that was aborted can be gone on with, and
 *    a stopped runtime takes no more workers.
 */
import { checkTypes, defined } from "../_internal/errors.ts";
import { failureText, shortenTo } from "../_internal/text.ts";
import { attemptChange } from "../eventlog/attempt_change.ts";
import type { AttemptChange } from "../eventlog/run_state.ts";
import { readRun } from "../eventlog/read_run.ts";
import type { RunEvent } from "../eventlog/run_event.ts";
import { type Transaction, WorkerRuntime } from "../store/runtime/worker_runtime.ts";
import type { WorkerRef, WorkerSummary } from "../store/types.ts";
import { attemptKey } from "./attempt_key.ts";

const PAGE = 100;

/** The store takes 1 MiB of text, and each of these is three bytes at most; the log has what is longer. */
const MOST_CHARACTERS = 300_000;
/** What goes into one mutation, whose line in the journal has to stay below 64 MiB. */
const BATCH = { events: 1000, texts: 20 };

/** Where the store of a run is. */
export interface RunWorkersOptions {
  /** The directory that holds the runs. */
  root: string;
  /** The run. */
  runId: string;
  /** The name of what is run. */
  name: string;
}

/** How an attempt ended, as its worker has it. */
interface WorkerEnd {
  status: "stopped" | "cancelled";
  text: string;
  reason: string;
}

/**
 * The attempts of a run as workers of a runtime of the same id. It follows the log: an event that was
 * taken before changes nothing, so what the log has more can be caught up with at any time. A worker's
 * transcript has what the attempt does (`user`) and how it ended (`system`).
 *
 * **Durability**: `"os"` when {@linkcode RunWorkers.take} or {@linkcode RunWorkers.takeAll} resolves. Files of
 * workers are made when it is closed, or when there is much to be written. What a power cut leaves is made
 * again from the log, with {@linkcode restoreRunWorkers}.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 */
export class RunWorkers implements AsyncDisposable {
  /** The runtime that the workers are in, for reading. */
  readonly runtime: WorkerRuntime;
  readonly #root: string;
  /** The attempts that have a worker, by the worker's objective; undefined when it has ended. */
  readonly #workers = new Map<string, WorkerRef | undefined>();
  /** Ends whose begin has not come yet. */
  readonly #earlyEnds = new Map<string, WorkerEnd>();

  /** Whether an event was not taken that the log has. */
  #isBehind = false;

  private constructor(root: string, runtime: WorkerRuntime) {
    this.#root = root;
    this.runtime = runtime;
    this.#look();
  }

  /** Learns which workers there are. */
  #look(): void {
    this.#workers.clear();
    this.#earlyEnds.clear();
    for (const { worker_ref: ref, intent, status } of workersIn(this.runtime)) {
      if (intent.kind !== "task") continue;
      this.#workers.set(intent.objective, status === "running" ? ref : undefined);
    }
  }

  /**
   * Opens the runtime of a run, or makes it.
   *
   * @param options The directory that holds the runs, the run, and the name of what is run.
   * @returns The workers.
   * @throws {TypeError} When an option is missing or of the wrong type; the message names it.
   * @throws {RuntimeStoreError} `owned` if somebody has it open; otherwise as `WorkerRuntime.open`.
   */
  static async open(options: RunWorkersOptions): Promise<RunWorkers> {
    checkTypes(options, { root: "string", runId: "string", name: "string" });
    const { root, runId: runtimeId, name: displayName } = options;
    const runtime = await WorkerRuntime.open({ root, runtimeId, displayName, durability: "os" });
    return new RunWorkers(root, runtime);
  }

  /**
   * Takes an event that the log has. Events are to be taken in the order of the log: behind one that the
   * store did not take nothing is taken any more until {@linkcode RunWorkers.catchUp} has, since what comes
   * behind it may need it.
   *
   * @param event The event; of an unknown type it changes nothing.
   * @throws {RuntimeStoreError} When the store cannot be written.
   */
  async take(event: RunEvent): Promise<void> {
    await this.takeAll([event]);
  }

  /**
   * Takes a batch of events as {@linkcode RunWorkers.take} does, with one write for all of them; for
   * several where they are more than a thousand, or have long texts.
   *
   * @param events The events, in the order of the log.
   * @throws {RuntimeStoreError} When the store cannot be written.
   */
  async takeAll(events: readonly RunEvent[]): Promise<void> {
    for (const batch of batchesOf(events)) {
      try {
        await this.runtime.transaction((transaction) => {
          // Of several batches that wait at the same time the first may have failed.
          if (!this.#isBehind) { for (const event of batch) this.#take(transaction, event); }
        });
      } catch (error) {
        this.#isBehind = true;
        throw error;
      }
    }
  }

  #take(transaction: Transaction, event: RunEvent): void {
    if (event.type === "pipe.completed") return void transaction.stopRuntime();
    const change = attemptChange(event);
    if (change?.status === undefined) return;
    const { node_id: nodeId, attempt = 1, status, name } = change;
    const objective = attemptKey({ nodeId, attempt });
    if (status === "Running") {
      this.#begin(transaction, objective, name?.trim() ? name : nodeId);
    } else {
      this.#end(transaction, objective, endOf(change));
    }
  }

  #begin(transaction: Transaction, objective: string, content: string): void {
    if (this.#workers.has(objective)) return;
    const { worker_ref: ref } = transaction.createWorker({
      intent: { kind: "task", objective },
      profile: { kind: "runtime_default" },
    });
    transaction.sendInput(ref, { kind: "user", content: shortenTo(content, MOST_CHARACTERS) });
    this.#workers.set(objective, ref);
    const end = this.#earlyEnds.get(objective);
    if (end === undefined) return;
    this.#earlyEnds.delete(objective);
    this.#end(transaction, objective, end);
  }

  #end(transaction: Transaction, objective: string, end: WorkerEnd): void {
    const ref = this.#workers.get(objective);
    if (ref === undefined) {
      const isFirst = !this.#workers.has(objective) && !this.#earlyEnds.has(objective);
      if (isFirst) this.#earlyEnds.set(objective, end);
      return;
    }
    const { status, text, reason } = end;
    transaction.sendInput(ref, { kind: "system", content: shortenTo(text, MOST_CHARACTERS) });
    if (status === "cancelled") transaction.cancelWorker(ref, reason);
    else transaction.stopWorker(ref, reason);
    this.#workers.set(objective, undefined);
  }

  /**
   * Takes all that the log has. A runtime that was stopped takes no more workers: it can only be made again,
   * with {@linkcode restoreRunWorkers}.
   *
   * @throws {EventLogError} When the log cannot be read.
   * @throws {RuntimeStoreError} When the store cannot be written.
   */
  async catchUp(): Promise<void> {
    this.#look();
    this.#isBehind = false;
    // Taken last: what a log had lost and got back stands behind it.
    let completed: RunEvent | undefined;
    for await (const page of readRun(this.#root, this.runtime.runtimeId)) {
      const events = page.events.map(({ event }) => event);
      await this.takeAll(events.filter(({ type }) => type !== "pipe.completed"));
      for (const event of events) if (isOfRun(event)) completed = event;
    }
    if (completed?.type === "pipe.completed") await this.takeAll([completed]);
  }

  /** Writes what the next opening would have to redo, and lets go of the runtime. */
  async close(): Promise<void> {
    await this.runtime.close();
  }

  /** Lets go of the runtime at once: whoever opens it next writes what is not in its files. */
  async leave(): Promise<void> {
    await this.runtime.leave();
  }

  /** Same as {@linkcode RunWorkers.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** All workers of a runtime, a page at a time. */
export function* workersIn(
  runtime: Pick<WorkerRuntime, "listWorkers">,
): Generator<WorkerSummary, void> {
  let page: WorkerSummary[] = [];
  do {
    page = runtime.listWorkers(defined({ limit: PAGE, after: page.at(-1)?.worker_id }));
    yield* page;
  } while (page.length === PAGE);
}

/** Whether an event tells of the state of the run: the last one counts. */
export function isOfRun({ type }: RunEvent): boolean {
  return type === "pipe.started" || type === "pipe.completed" || type === "pipe.aborted";
}

/** How an end of an attempt ends its worker. */
export function endOf(change: AttemptChange): WorkerEnd {
  const { status } = change;
  if (typeof status !== "object") {
    return { status: "stopped", text: "completed", reason: "completed" };
  }
  const { kind, message } = status.Failed;
  const reason = failureText({ ...change, kind });
  return {
    status: kind === "cancelled" ? "cancelled" : "stopped",
    text: message === undefined ? reason : `${reason}\n${message}`,
    reason,
  };
}

/** As many events at a time as a mutation may have. */
function* batchesOf(events: readonly RunEvent[]): Generator<readonly RunEvent[], void> {
  let start = 0;
  let texts = 0;
  for (const [index, event] of events.entries()) {
    const longest = Math.max(lengthOf(event, "name"), lengthOf(event, "message"));
    texts += Math.min(longest, MOST_CHARACTERS) / MOST_CHARACTERS;
    if (index - start < BATCH.events && texts < BATCH.texts) continue;
    yield events.slice(start, index + 1);
    start = index + 1;
    texts = 0;
  }
  if (start < events.length) yield events.slice(start);
}

function lengthOf(event: RunEvent, member: string): number {
  const text: unknown = Reflect.get(event, member);
  return typeof text === "string" ? text.length : 0;
}
