import { denoFilePort } from "../../_internal/file_port.ts";
import type { StorePaths } from "../layout.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { closedError } from "../store_errors.ts";
import type {
  ConfigBundle,
  ConfigBundleAvailability,
  ConfigBundleRef,
  ConfigBundleSummary,
  CreateWorkerRequest,
  EventCursor,
  EventSubscription,
  RuntimeDiagnostic,
  RuntimeEventBatch,
  RuntimeSummary,
  TranscriptProjection,
  TranscriptQuery,
  WorkerDetail,
  WorkerInput,
  WorkerInteractionAck,
  WorkerLifecycleAck,
  WorkerRef,
  WorkerSummary,
} from "../types.ts";
import { openRuntimeOnPort, type OpenRuntimeOptions } from "./open_runtime.ts";
import { RuleMaker } from "./rule_maker.ts";
import { type ListWorkersOptions, RuntimeReader } from "./runtime_reader.ts";
import type { StoreOwner } from "./store_owner.ts";
import { Transaction } from "./transaction.ts";

/** What a {@linkcode WorkerRuntime} is made of; {@linkcode WorkerRuntime.open} puts it together. */
export interface WorkerRuntimeParts {
  /** Who changes the files. */
  owner: StoreOwner;
  /** Where they are. */
  paths: StorePaths;
  /** The most bytes of one text. */
  maxContentBytes: number;
}

/**
 * A runtime that is open for changing, by this one owner. Mutations happen in the order of the
 * calls; callers that do not wait for each other share a write and a sync.
 *
 * **Durability**: a mutation that was acknowledged survives a power cut, whole; one that was not is
 * there whole or not at all. When a sync fails nobody can tell which, and the runtime is read-only
 * until it is opened again. What another process finds while the runtime is open is told in
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
export class WorkerRuntime implements AsyncDisposable {
  /** The runtime's id. */
  readonly runtimeId: string;
  /** Its directory. */
  readonly path: string;
  readonly #owner: StoreOwner;
  readonly #paths: StorePaths;
  readonly #reader: RuntimeReader;
  readonly #rules: RuleMaker;

  /** @internal */
  constructor({ owner, paths, maxContentBytes }: WorkerRuntimeParts) {
    const { state } = owner;
    this.runtimeId = state.runtimeId;
    this.path = paths.directory;
    this.#owner = owner;
    this.#paths = paths;
    this.#rules = new RuleMaker(maxContentBytes);
    const requestOf = (workerId: string) => owner.requestOf(workerId);
    this.#reader = new RuntimeReader({ state, paths, logs: owner, requestOf });
  }

  /**
   * Opens a runtime, and makes it if there is none (WRT-2). After a crash it is brought into order
   * first: what was acknowledged is there. What is wrong with single workers or logs is told in
   * {@linkcode WorkerRuntime.problems} and does not stand in the way of the rest.
   *
   * **Durability**: a runtime that was made survives a power cut once this returns.
   *
   * **Permissions**: `--allow-read` and `--allow-write` for the root.
   *
   * @param options What to open, and how.
   * @returns The open runtime.
   * @throws {RuntimeStoreError} `owned` if somebody has it open, `store-io`, `store-missing`,
   * `store-corrupt` or `symlink` if its files cannot be used, `invalid-request` for an id that
   * cannot be one.
   * @throws {RangeError} If a limit is not a whole number.
   */
  static open(options: OpenRuntimeOptions): Promise<WorkerRuntime> {
    return openRuntimeOnPort(denoFilePort, options);
  }

  /** What was found to be wrong when the runtime was opened; nothing in it was repaired silently. */
  get problems(): readonly RuntimeStoreError[] {
    return this.#owner.problems;
  }

  /** The runtime at a glance. */
  summary(): RuntimeSummary {
    return this.#open().summary();
  }

  /**
   * The workers in the order of their ids, a page at a time: those behind `after`.
   *
   * @param options Where to begin, and how many.
   * @returns The workers; fewer than `limit` when there are no more.
   * @throws {RangeError} If `limit` is not a whole number.
   */
  listWorkers(options: ListWorkersOptions = {}): WorkerSummary[] {
    return this.#open().listWorkers(options);
  }

  /** The newest 1,000 diagnostics. */
  diagnostics(): RuntimeDiagnostic[] {
    return this.#open().diagnostics();
  }

  /** The config bundles at a glance, in the order of their ids. */
  listConfigBundles(): ConfigBundleSummary[] {
    return this.#open().listConfigBundles();
  }

  /**
   * Tells about a stored config bundle.
   *
   * @param reference The bundle, and which content of it.
   * @returns What it is.
   * @throws {RuntimeStoreError} `config-bundle-missing` or `config-bundle-digest-mismatch`.
   */
  configBundleAvailability(reference: ConfigBundleRef): ConfigBundleAvailability {
    return this.#open().configBundleAvailability(reference);
  }

  /**
   * Everything about a worker but its transcript.
   *
   * @param ref The worker.
   * @returns Its request and how it is.
   * @throws {RuntimeStoreError} `wrong-runtime`, `worker-not-found`, or what is wrong with its files.
   */
  // deno-lint-ignore require-await -- What reads files can become asynchronous.
  async workerDetail(ref: WorkerRef): Promise<WorkerDetail> {
    return this.#open().workerDetail(ref);
  }

  /**
   * Events from a cursor on, at the cost of the page (FRS-8). A limit of 0 gives an empty page that
   * says that there is no more.
   *
   * @param cursor Where to begin; `{ runtime_id, next_event_id: 1 }` for all.
   * @param limit The most events.
   * @returns The events and where to go on.
   * @throws {RuntimeStoreError} `wrong-runtime-cursor`, `limit-too-large`, or what is wrong with the
   * log.
   */
  // deno-lint-ignore require-await -- What reads files can become asynchronous.
  async readEvents(cursor: EventCursor, limit: number): Promise<RuntimeEventBatch> {
    return this.#open().readEvents(cursor, limit);
  }

  /**
   * Where to poll for events: there is no other way to follow a runtime.
   *
   * @param cursor Where to begin; with the first event by default.
   * @returns The cursor to give to {@linkcode WorkerRuntime.readEvents}.
   * @throws {RuntimeStoreError} `wrong-runtime-cursor`.
   */
  subscribeEvents(cursor?: EventCursor): EventSubscription {
    return this.#open().subscribeEvents(cursor);
  }

  /**
   * Entries of a worker's transcript by their position (FRS-10).
   *
   * @param ref The worker.
   * @param query The first position, from 0, and the most entries.
   * @returns The entries and where to go on.
   * @throws {RuntimeStoreError} `wrong-runtime`, `limit-too-large`, `worker-not-found`, or what is
   * wrong with its files.
   */
  // deno-lint-ignore require-await -- What reads files can become asynchronous.
  async readTranscript(ref: WorkerRef, query: TranscriptQuery): Promise<TranscriptProjection> {
    return this.#open().readTranscript(ref, query);
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
    return this.#owner.submit(this.#rules.createWorker(request));
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
    return this.#owner.submit(this.#rules.sendInput(ref, input));
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
    return this.#owner.submit(this.#rules.endWorker(ref, { status: "stopped", reason }));
  }

  /** Cancels a worker; otherwise as {@linkcode WorkerRuntime.stopWorker}. */
  cancelWorker(ref: WorkerRef, reason?: string): Promise<WorkerLifecycleAck> {
    return this.#owner.submit(this.#rules.endWorker(ref, { status: "cancelled", reason }));
  }

  /**
   * Stops the runtime for good, and with it every running worker (WRT-7, WRT-8). Done again, it does
   * nothing.
   *
   * @returns The last event.
   * @throws {RuntimeStoreError} `store-io` if it could not be recorded.
   */
  stopRuntime(): Promise<number> {
    return this.#owner.submit(this.#rules.stopRuntime());
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
    return this.#owner.submit(this.#rules.storeConfigBundle(bundle));
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
    const parts = { body, names: this.#paths, rules: this.#rules };
    return this.#owner.submit((draft) => Transaction.run(draft, parts));
  }

  /**
   * Waits for the mutations under way, brings everything into the files that other programs read,
   * and gives the runtime up. Done again, it does nothing.
   *
   * @throws {RuntimeStoreError} `store-io` if that failed: nothing that was acknowledged is lost, and
   * the next opening does it.
   */
  close(): Promise<void> {
    return this.#owner.close();
  }

  /** Same as {@linkcode WorkerRuntime.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(): RuntimeReader {
    if (this.#owner.isClosed) throw closedError(this.runtimeId);
    return this.#reader;
  }
}
