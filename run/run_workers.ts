import { checkTypes, defined } from "../_internal/errors.ts";
import { failureText } from "../_internal/text.ts";
import { attemptChange } from "../eventlog/derive_run_state.ts";
import { readRun } from "../eventlog/read_run.ts";
import type { RunEvent } from "../eventlog/run_event.ts";
import { WorkerRuntime } from "../store/runtime/worker_runtime.ts";
import type { WorkerRef, WorkerSummary } from "../store/types.ts";
import { attemptKey } from "./attempt_key.ts";

const PAGE = 100;

/** The store takes 1 MiB of text, and each of these is three bytes at most. */
const MOST_CHARACTERS = 300_000;

/**
 * The attempts of a run as workers of a runtime of the same id. It follows the log: an event that was
 * taken before changes nothing, so what the log has more can be caught up with at any time. A worker's
 * transcript has what the attempt does (`user`) and how it ended (`system`).
 *
 * **Durability**: `"disk"` when {@linkcode RunWorkers.take} resolves.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @example A store that catches up with the log
 * ```ts
 * import { newEventId, openEventLog } from "@taffrail/taffrail/eventlog";
 * import { RunWorkers } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const runId = "demo-1";
 * await using log = await openEventLog({ root, runId });
 * const event = { id: newEventId(), ts: "2026-01-01T00:00:00Z", run_id: runId, node_id: "a" };
 * await log.append({ ...event, type: "node.started", kind: "command", attempt: 1 });
 *
 * await using workers = await RunWorkers.open({ root, runId, name: "demo" });
 * await workers.catchUp();
 * assertEquals(workers.runtime.listWorkers().map(({ status }) => status), ["running"]);
 * ```
 */
export class RunWorkers implements AsyncDisposable {
  /** The runtime that the workers are in, for reading. */
  readonly runtime: WorkerRuntime;
  readonly #root: string;
  /** The attempts that have a worker, by the worker's objective. */
  readonly #workers = new Map<string, { ref: WorkerRef; isActive: boolean }>();

  /** Whether an event was not taken that the log has. */
  #isBehind = false;

  private constructor(root: string, runtime: WorkerRuntime) {
    this.#root = root;
    this.runtime = runtime;
    let workers: WorkerSummary[] = [];
    do {
      workers = runtime.listWorkers(defined({ limit: PAGE, after: workers.at(-1)?.worker_id }));
      for (const { worker_ref: ref, intent, status } of workers) {
        if (intent.kind !== "task") continue;
        this.#workers.set(intent.objective, { ref, isActive: status === "running" });
      }
    } while (workers.length === PAGE);
  }

  /**
   * Opens the runtime of a run, or makes it.
   *
   * @param options The directory that holds the runs, the run, and the name of what is run.
   * @returns The workers.
   * @throws {TypeError} When an option is missing or of the wrong type; the message names it.
   * @throws {RuntimeStoreError} `owned` if somebody has it open; otherwise as `WorkerRuntime.open`.
   */
  static async open(
    options: { root: string; runId: string; name: string },
  ): Promise<RunWorkers> {
    checkTypes(options, { root: "string", runId: "string", name: "string" });
    const { root, runId: runtimeId, name: displayName } = options;
    return new RunWorkers(root, await WorkerRuntime.open({ root, runtimeId, displayName }));
  }

  /**
   * Takes an event that the log has. Events are to be taken in the order of the log: behind one that the
   * store did not take nothing is taken any more until {@linkcode RunWorkers.catchUp} has, since a runtime
   * that was stopped could never be brought up to the log.
   *
   * @param event The event; of an unknown type it changes nothing.
   * @throws {RuntimeStoreError} When the store cannot be written.
   */
  async take(event: RunEvent): Promise<void> {
    if (this.#isBehind) return;
    try {
      await this.#take(event);
    } catch (error) {
      this.#isBehind = true;
      throw error;
    }
  }

  async #take(event: RunEvent): Promise<void> {
    if (event.type === "pipe.completed" || event.type === "pipe.aborted") {
      if (this.runtime.summary().status === "running") await this.runtime.stopRuntime();
      return;
    }
    const change = attemptChange(event);
    if (change?.status === undefined) return;
    const { node_id: nodeId, attempt = 1, status, name } = change;
    const objective = attemptKey({ nodeId, attempt });
    if (status === "Running") {
      await this.#begin(objective, name?.trim() ? name : nodeId);
    } else if (status === "Completed") {
      await this.#end(objective, { status: "completed", text: "completed" });
    } else {
      const { kind, message } = status.Failed;
      const reason = failureText({ ...change, kind });
      const text = message === undefined ? reason : `${reason}\n${message}`;
      await this.#end(objective, {
        status: kind === "cancelled" ? "cancelled" : "failed",
        text,
        reason,
      });
    }
  }

  /**
   * Takes all that the log has.
   *
   * @throws {EventLogError} When the log cannot be read.
   * @throws {RuntimeStoreError} When the store cannot be written.
   */
  async catchUp(): Promise<void> {
    this.#isBehind = false;
    for await (const { events } of readRun(this.#root, this.runtime.runtimeId)) {
      for (const { event } of events) await this.take(event);
    }
  }

  /** Writes what the next opening would have to redo, and lets go of the runtime. */
  async close(): Promise<void> {
    await this.runtime.close();
  }

  /** Same as {@linkcode RunWorkers.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #begin(objective: string, content: string): Promise<void> {
    if (this.#workers.has(objective)) return;
    const ref = await this.runtime.transaction((transaction) => {
      const { worker_ref: created } = transaction.createWorker({
        intent: { kind: "task", objective },
        profile: { kind: "runtime_default" },
      });
      transaction.sendInput(created, { kind: "user", content: shorten(content) });
      return created;
    });
    this.#workers.set(objective, { ref, isActive: true });
  }

  async #end(
    objective: string,
    end: { status: "completed" | "failed" | "cancelled"; text: string; reason?: string },
  ): Promise<void> {
    const worker = this.#workers.get(objective);
    if (worker === undefined || !worker.isActive) return;
    const { ref } = worker;
    const { status, text, reason = status } = end;
    await this.runtime.transaction((transaction) => {
      transaction.sendInput(ref, { kind: "system", content: shorten(text) });
      if (status === "cancelled") transaction.cancelWorker(ref, reason);
      else transaction.stopWorker(ref, reason);
    });
    worker.isActive = false;
  }
}

/** Command lines and messages may be long; the log has all of them. */
function shorten(text: string): string {
  if (text.length <= MOST_CHARACTERS) return text;
  return `${text.slice(0, MOST_CHARACTERS - 1).toWellFormed()}…`;
}
