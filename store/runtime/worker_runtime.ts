import { checkFunction } from "../../_internal/errors.ts";
import { denoFilePort, type FilePort } from "../../_internal/file_port.ts";
import { checkEventQuery } from "../files/log_pages.ts";
import type { Mutation, Rule } from "../state/mutation.ts";
import {
  createWorker,
  endWorker,
  sendInput,
  stopRuntime,
  storeConfigBundle,
} from "../state/rules.ts";
import { closedError } from "../store_errors.ts";
import type {
  ConfigBundle,
  ConfigBundleAvailability,
  CreateWorkerRequest,
  EventCursor,
  EventSubscription,
  WorkerDetail,
  WorkerInput,
  WorkerInteractionAck,
  WorkerLifecycleAck,
  WorkerRef,
} from "../types.ts";
import type { CheckpointOptions } from "./checkpoint.ts";
import { checkOpenOptions, openOwner, type OpenRuntimeOptions } from "./open_runtime.ts";
import { RuntimeReader } from "./runtime_reader.ts";
import type { StoreOwner } from "./store_owner.ts";

/**
 * A runtime that is open for changing, by this one owner. Mutations happen in the order of the
 * calls; callers that do not wait for each other share a write and a sync.
 *
 * **Durability**: a mutation that was acknowledged survives a power cut, whole; one that was not is
 * there whole or not at all. A runtime that was opened with `"os"` survives its process so, and makes no
 * promise about a power cut. When a sync fails nobody can tell which, and the runtime is read-only
 * until it is opened again. What another process finds while the runtime is open stands in
 * `docs/format/store.md`.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @example Usage
 * ```ts
 * import { WorkerRuntime } from "@taffrail/taffrail/store";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await using runtime = await WorkerRuntime.open({ root, runtimeId: "rt-1" });
 * const { worker_ref } = await runtime.createWorker({
 *   intent: { kind: "task", objective: "say hello" },
 *   profile: { kind: "runtime_default" },
 * });
 * await runtime.sendInput(worker_ref, { kind: "user", content: "hello" });
 * const { items } = await runtime.readTranscript(worker_ref, { start: 0, limit: 10 });
 * assertEquals(items.map(({ content }) => content), ["hello"]);
 * ```
 */
export class WorkerRuntime extends RuntimeReader {
  readonly #owner: StoreOwner;
  readonly #maxBytes: number;

  /** @internal */
  constructor(owner: StoreOwner, { maxContentBytes }: { maxContentBytes: number }) {
    super(owner);
    this.#owner = owner;
    this.#maxBytes = maxContentBytes;
  }

  /**
   * Gives the runtime up, as {@linkcode WorkerRuntime.close} does, but leaves in its journal what is there:
   * readers see all of it, and whoever opens the runtime next brings it into the files. For a runtime of so
   * many workers that making a file for each takes too long at the end of what uses it.
   *
   * **Durability**: as that of the mutations.
   */
  async leave(): Promise<void> {
    await this.#owner.leave();
    await this.close();
  }

  /**
   * Opens a runtime, and makes it if there is none (WRT-2). After a crash it is brought into order
   * first: what was acknowledged is there. What is wrong with single workers or logs stands in
   * {@linkcode WorkerRuntime.problems} and does not stand in the way of the rest.
   *
   * **Durability**: a runtime that was made survives a power cut once this returns, unless `durability` is
   * `"os"`.
   *
   * **Permissions**: `--allow-read` and `--allow-write` for the root.
   *
   * @param options What to open, and how.
   * @returns The open runtime.
   * @throws {RuntimeStoreError} `owned` if somebody has it open, `store-io`, `store-missing`,
   * `store-corrupt` or `symlink` if its files cannot be used, `invalid-request` for an id that
   * cannot be one.
   * @throws {TypeError} If `root` or `runtimeId` is not a string, or `durability` none.
   * @throws {RangeError} If a limit is not a whole number.
   */
  static open(options: OpenRuntimeOptions): Promise<WorkerRuntime> {
    return openRuntimeOnPort(denoFilePort, options);
  }

  /**
   * Makes a worker (WRT-4). Its id is the next one of the runtime.
   *
   * @param request What it is made from.
   * @returns The worker.
   * @throws {RuntimeStoreError} `runtime-stopped`, `invalid-request`, the `config-bundle-…` kinds,
   * `invalid-profile-selector`, `content-too-large`; `store-io` if it could not be recorded.
   */
  createWorker(request: CreateWorkerRequest): Promise<WorkerDetail> {
    return this.#owner.submit(createWorker(request, this.#maxBytes));
  }

  /**
   * Records an input to a running worker, in its transcript and as an event (WRT-5).
   *
   * @param ref The worker.
   * @param input Who says what.
   * @returns Its number in the transcript and its event.
   * @throws {RuntimeStoreError} `runtime-stopped`, `invalid-request`, `wrong-runtime`,
   * `worker-not-found`, `content-too-large`; `store-io` if it could not be recorded.
   */
  sendInput(ref: WorkerRef, input: WorkerInput): Promise<WorkerInteractionAck> {
    return this.#owner.submit(sendInput(ref, input, { maxBytes: this.#maxBytes }));
  }

  /**
   * Stops a worker (WRT-6). One that has ended already stays as it is.
   *
   * @param ref The worker.
   * @param reason The message of the event.
   * @returns How it is now, and the last event about it.
   * @throws {RuntimeStoreError} `runtime-stopped`, `wrong-runtime`, `worker-not-found`,
   * `content-too-large`; `store-io` if it could not be recorded.
   */
  stopWorker(ref: WorkerRef, reason?: string): Promise<WorkerLifecycleAck> {
    return this.#owner.submit(
      endWorker(ref, { status: "stopped", reason, maxBytes: this.#maxBytes }),
    );
  }

  /** Cancels a worker; otherwise as {@linkcode WorkerRuntime.stopWorker}. */
  cancelWorker(ref: WorkerRef, reason?: string): Promise<WorkerLifecycleAck> {
    return this.#owner.submit(
      endWorker(ref, { status: "cancelled", reason, maxBytes: this.#maxBytes }),
    );
  }

  /**
   * Stops the runtime for good, and with it every running worker (WRT-7, WRT-8). Done again, it does
   * nothing.
   *
   * @returns The last event.
   * @throws {RuntimeStoreError} `store-io` if it could not be recorded.
   */
  stopRuntime(): Promise<number> {
    return this.#owner.submit(stopRuntime);
  }

  /**
   * Stores a config bundle in place of the one of its id, if there is one (WRT-9). No event tells of
   * it.
   *
   * @param bundle The bundle, with the digest of its content.
   * @returns What to name in requests.
   * @throws {RuntimeStoreError} `runtime-stopped`, `invalid-request`,
   * `config-bundle-digest-mismatch`, `invalid-profile-selector`, `unsupported-config-declaration`,
   * `content-too-large`; `store-io` if it could not be recorded.
   */
  storeConfigBundle(bundle: ConfigBundle): Promise<ConfigBundleAvailability> {
    return this.#owner.submit(storeConfigBundle(bundle, this.#maxBytes));
  }

  /**
   * Does many mutations with one write and one sync, all of them or, if the function throws, none.
   *
   * @typeParam T What the function returns.
   * @param body Makes the mutations; it cannot wait for anything.
   * @returns What the function returned, once the mutations are recorded.
   * @throws {TypeError} If the function returns a promise.
   * @throws {RuntimeStoreError} `store-io` if they could not be recorded.
   */
  transaction<T>(body: (transaction: Transaction) => T): Promise<T> {
    const maxBytes = this.#maxBytes;
    return this.#owner.submit((mutation) => Transaction.run(mutation, { body, maxBytes }));
  }

  /**
   * Where to poll for events: there is no other way to follow a runtime.
   *
   * @param cursor Where to begin; with the first event by default.
   * @returns The cursor to give to {@linkcode WorkerRuntime.readEvents}.
   * @throws {RuntimeStoreError} `wrong-runtime-cursor`.
   */
  subscribeEvents(cursor?: EventCursor): EventSubscription {
    if (this.#owner.isClosed) throw closedError(this.runtimeId);
    const { runtimeId } = this;
    const { runtime_id, next_event_id } = cursor ?? { runtime_id: runtimeId, next_event_id: 1 };
    checkEventQuery({ runtime_id, next_event_id }, { runtimeId, limit: 0, max: 0 });
    return { runtime_id, cursor: { runtime_id, next_event_id }, mode: "poll_only" };
  }
}

/**
 * The mutations of one transaction. They answer at once, see what those before them did, and are
 * recorded together when the function that was given this has returned.
 *
 * @example Usage
 * ```ts
 * import { type Transaction, WorkerRuntime } from "@taffrail/taffrail/store";
 * import { assertEquals } from "@std/assert";
 *
 * function createPair(transaction: Transaction): string[] {
 *   const request = {
 *     intent: { kind: "assistant" as const },
 *     profile: { kind: "runtime_default" as const },
 *   };
 *   return [1, 2].map(() => transaction.createWorker(request).worker_id);
 * }
 *
 * const root = await Deno.makeTempDir();
 * await using runtime = await WorkerRuntime.open({ root, runtimeId: "rt-1" });
 * assertEquals(await runtime.transaction(createPair), ["worker-00000001", "worker-00000002"]);
 * ```
 */
export class Transaction {
  readonly #mutation: Mutation;
  readonly #maxBytes: number;
  #isOver = false;

  private constructor(mutation: Mutation, maxBytes: number) {
    this.#mutation = mutation;
    this.#maxBytes = maxBytes;
  }

  /** @internal */
  static run<T>(
    mutation: Mutation,
    { body, maxBytes }: { body: (transaction: Transaction) => T; maxBytes: number },
  ): T {
    checkFunction(body, "body");
    const transaction = new Transaction(mutation, maxBytes);
    try {
      const answer = body(transaction);
      if (!isThenable(answer)) return answer;
      // Its error is the caller's own; this one says what is wrong.
      Promise.resolve(answer).catch(() => {});
      throw new TypeError(
        "Cannot wait inside a transaction: give it a function that returns no promise",
      );
    } finally {
      transaction.#isOver = true;
    }
  }

  /** {@linkcode WorkerRuntime.createWorker} as part of the transaction. */
  createWorker(request: CreateWorkerRequest): WorkerDetail {
    return this.#perform(createWorker(request, this.#maxBytes));
  }

  /** {@linkcode WorkerRuntime.sendInput} as part of the transaction. */
  sendInput(ref: WorkerRef, input: WorkerInput): WorkerInteractionAck {
    return this.#perform(sendInput(ref, input, { maxBytes: this.#maxBytes }));
  }

  /** {@linkcode WorkerRuntime.stopWorker} as part of the transaction. */
  stopWorker(ref: WorkerRef, reason?: string): WorkerLifecycleAck {
    return this.#perform(endWorker(ref, { status: "stopped", reason, maxBytes: this.#maxBytes }));
  }

  /** {@linkcode WorkerRuntime.cancelWorker} as part of the transaction. */
  cancelWorker(ref: WorkerRef, reason?: string): WorkerLifecycleAck {
    return this.#perform(endWorker(ref, { status: "cancelled", reason, maxBytes: this.#maxBytes }));
  }

  /** {@linkcode WorkerRuntime.stopRuntime} as part of the transaction. */
  stopRuntime(): number {
    return this.#perform(stopRuntime);
  }

  /** {@linkcode WorkerRuntime.storeConfigBundle} as part of the transaction. */
  storeConfigBundle(bundle: ConfigBundle): ConfigBundleAvailability {
    return this.#perform(storeConfigBundle(bundle, this.#maxBytes));
  }

  #perform<T>(rule: Rule<T>): T {
    if (this.#isOver) {
      throw new TypeError("Cannot go on with a transaction whose function has returned");
    }
    return this.#mutation.perform(rule);
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

/** {@linkcode WorkerRuntime.open} on a given file system. */
export async function openRuntimeOnPort(
  port: FilePort,
  options: OpenRuntimeOptions,
  checkpoints: CheckpointOptions = {},
): Promise<WorkerRuntime> {
  const { folder, maxContentBytes, ...how } = checkOpenOptions(port, options);
  const owner = await openOwner(folder, { ...how, checkpoints });
  return new WorkerRuntime(owner, { maxContentBytes });
}
