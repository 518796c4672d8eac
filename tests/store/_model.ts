/**
 * The runtime as the rules WRT-1 to WRT-16 say it, in memory, and the files that its store must hold
 * once it is closed. It shares nothing with the library but types.
 */
import type {
  ConfigBundle,
  CreateWorkerRequest,
  RuntimeLimits,
  RuntimeStatus,
  WorkerInput,
  WorkerRef,
  WorkerStatus,
} from "../../store/types.ts";
import {
  bundleOnWire,
  directoryNameOf,
  extrasOnWire,
  intentOnWire,
  type Printable,
  printSnapshot,
  printWire,
  profileOnWire,
  refOnWire,
  requestOnWire,
} from "./_wire.ts";

/** One mutation, as data. */
export type Operation =
  | { do: "createWorker"; request: CreateWorkerRequest }
  | { do: "sendInput"; ref: WorkerRef; input: WorkerInput }
  | { do: "stopWorker" | "cancelWorker"; ref: WorkerRef; reason?: string }
  | { do: "stopRuntime" }
  | { do: "storeConfigBundle"; bundle: ConfigBundle };

/** What the model does not do, with the message of the seed's error. */
export class Refusal extends Error {}

interface ModelEvent {
  id: number;
  worker?: WorkerRef;
  kind: string;
  message: string;
}

interface ModelEntry {
  sequence: number;
  role: "user" | "system";
  content: string;
  eventId: number;
}

interface ModelWorker {
  ref: WorkerRef;
  status: WorkerStatus;
  request: CreateWorkerRequest;
  lastEventId: number;
  transcript: ModelEntry[];
}

interface ModelDiagnostic {
  id: number;
  code: string;
  message: string;
  worker: WorkerRef;
}

interface State {
  status: RuntimeStatus;
  workers: ModelWorker[];
  events: ModelEvent[];
  bundles: { id: string; bundle: ConfigBundle; digest: string }[];
  diagnostics: ModelDiagnostic[];
  nextDiagnosticId: number;
}

/** What a runtime is begun with. */
export interface ModelOptions {
  runtimeId: string;
  displayName?: string;
  limits?: RuntimeLimits;
}

const MOST_DIAGNOSTICS = 1000;
const DEFAULT_LIMITS = { max_transcript_projection_items: 256, max_event_batch_items: 256 };

/** An in-memory runtime. */
export class RuntimeModel {
  readonly runtimeId: string;
  readonly #displayName: string | null;
  readonly #limits: RuntimeLimits;
  #state: State;

  constructor({ runtimeId, displayName, limits = DEFAULT_LIMITS }: ModelOptions) {
    this.runtimeId = runtimeId;
    this.#displayName = displayName ?? null;
    this.#limits = limits;
    this.#state = {
      status: "running",
      workers: [],
      events: [{ id: 1, kind: "runtime_started", message: "runtime started" }],
      bundles: [],
      diagnostics: [],
      nextDiagnosticId: 1,
    };
  }

  /** The same runtime, to go on with apart from this one. */
  clone(): RuntimeModel {
    const { runtimeId, ...rest } = this.#options();
    const copy = new RuntimeModel({ runtimeId, ...rest });
    copy.#state = structuredClone(this.#state);
    return copy;
  }

  #options(): ModelOptions {
    const displayName = this.#displayName;
    return {
      runtimeId: this.runtimeId,
      limits: this.#limits,
      ...(displayName !== null && { displayName }),
    };
  }

  /** Does one mutation and returns its answer as JSON text, or throws a {@linkcode Refusal}. */
  apply(operation: Operation): string {
    return printWire(this.#apply(operation));
  }

  /** Does all of them or, when one is refused, none. */
  applyAll(operations: readonly Operation[]): string[] {
    const before = structuredClone(this.#state);
    try {
      return operations.map((operation) => this.apply(operation));
    } catch (error) {
      this.#state = before;
      throw error;
    }
  }

  #apply(operation: Operation): Printable {
    if (operation.do === "stopRuntime") return this.#stopRuntime();
    if (operation.do === "storeConfigBundle") return this.#storeConfigBundle(operation.bundle);
    if (this.#state.status === "stopped") {
      throw new Refusal(`runtime ${this.runtimeId} is stopped`);
    }
    if (operation.do === "createWorker") return this.#createWorker(operation.request);
    if (operation.do === "sendInput") return this.#sendInput(operation);
    return this.#endWorker(operation);
  }

  #createWorker(request: CreateWorkerRequest): Printable {
    this.#checkRequest(request);
    const number = this.#state.workers.length + 1;
    const id = `worker-${number.toString(16).padStart(8, "0")}`;
    const ref = { runtime_id: this.runtimeId, worker_id: id };
    const lastEventId = this.#addEvent("worker_created", `worker ${id} created`, ref);
    if (request.config_bundle === undefined) {
      this.#diagnose(
        "runtime.local_default_resources",
        "worker created without ConfigBundleRef; runtime-local defaults are assumed",
        ref,
      );
    }
    if ((request.requested_capabilities ?? []).length === 0) {
      const message = "worker created without requested tool capabilities";
      this.#diagnose("worker.tools_less", message, ref);
    }
    const status = "running";
    this.#state.workers.push({ ref, status, request, lastEventId, transcript: [] });
    return this.#detailOf(this.#worker(ref));
  }

  #checkRequest(request: CreateWorkerRequest): void {
    if (request.intent.kind === "task" && request.intent.objective.trim() === "") {
      throw new Refusal("invalid request");
    }
    if (request.requested_capabilities?.some(({ name }) => name.trim() === "")) {
      throw new Refusal("invalid request");
    }
    const reference = request.config_bundle;
    if (reference === undefined) {
      if (request.profile.kind === "named") throw new Refusal("invalid profile selector");
      return;
    }
    const stored = this.#state.bundles.find(({ id }) => id === reference.id);
    if (stored === undefined) {
      throw new Refusal(`config bundle \`${reference.id}\` was not found`);
    }
    if (stored.digest !== reference.digest) {
      const { digest: actual } = stored;
      throw new Refusal(
        `config bundle \`${reference.id}\` digest mismatch: expected ${reference.digest}, got ${actual}`,
      );
    }
    const wanted = printWire(profileOnWire(request.profile));
    const listed = stored.bundle.profiles?.map(({ selector }) =>
      printWire(profileOnWire(selector))
    );
    if (!listed?.includes(wanted)) throw new Refusal("invalid profile selector");
  }

  #sendInput({ ref, input }: { ref: WorkerRef; input: WorkerInput }): Printable {
    if (input.content.trim() === "") {
      throw new Refusal("invalid request: worker input content must not be empty");
    }
    const worker = this.#worker(ref);
    if (worker.status !== "running") {
      throw new Refusal(`invalid request: worker ${ref.worker_id} is not running`);
    }
    const eventId = this.#addEvent("worker_input_accepted", "worker input accepted", worker.ref);
    const sequence = worker.transcript.length + 1;
    worker.transcript.push({ sequence, role: input.kind, content: input.content, eventId });
    worker.lastEventId = eventId;
    return {
      worker_ref: refOnWire(worker.ref),
      status: worker.status,
      transcript_sequence: sequence,
      event_id: eventId,
    };
  }

  #endWorker(
    { do: verb, ref, reason }: {
      do: "stopWorker" | "cancelWorker";
      ref: WorkerRef;
      reason?: string;
    },
  ): Printable {
    const worker = this.#worker(ref);
    if (worker.status === "running") {
      const status = verb === "stopWorker" ? "stopped" : "cancelled";
      worker.lastEventId = this.#addEvent(`worker_${status}`, reason ?? `worker ${status}`, ref);
      worker.status = status;
    }
    const { status, lastEventId } = worker;
    return { worker_ref: refOnWire(ref), status, event_id: lastEventId };
  }

  #stopRuntime(): Printable {
    if (this.#state.status === "stopped") return this.lastEventId;
    this.#state.status = "stopped";
    for (const worker of this.#state.workers) {
      if (worker.status === "running") worker.status = "stopped";
    }
    return this.#addEvent("runtime_stopped", `runtime ${this.runtimeId} stopped`);
  }

  #storeConfigBundle(bundle: ConfigBundle): Printable {
    if (this.#state.status === "stopped") {
      throw new Refusal(`runtime ${this.runtimeId} is stopped`);
    }
    const { id, digest } = bundle.metadata;
    const kept = this.#state.bundles.filter((other) => other.id !== id);
    this.#state.bundles = [...kept, { id, bundle: structuredClone(bundle), digest }];
    return { id, digest };
  }

  #addEvent(kind: string, message: string, worker?: WorkerRef): number {
    const id = this.lastEventId + 1;
    this.#state.events.push({ id, kind, message, ...(worker && { worker }) });
    return id;
  }

  #diagnose(code: string, message: string, worker: WorkerRef): void {
    const { diagnostics } = this.#state;
    diagnostics.push({ id: this.#state.nextDiagnosticId++, code, message, worker });
    if (diagnostics.length > MOST_DIAGNOSTICS) diagnostics.shift();
  }

  #worker(ref: WorkerRef): ModelWorker {
    if (ref.runtime_id !== this.runtimeId) {
      throw new Refusal(
        `worker ${ref.worker_id} belongs to runtime ${ref.runtime_id}, not runtime ${this.runtimeId}`,
      );
    }
    const worker = this.#state.workers.find(({ ref: { worker_id } }) =>
      worker_id === ref.worker_id
    );
    if (worker !== undefined) return worker;
    throw new Refusal(`worker ${ref.worker_id} was not found in runtime ${this.runtimeId}`);
  }

  get lastEventId(): number {
    return this.#state.events.length;
  }

  get isStopped(): boolean {
    return this.#state.status === "stopped";
  }

  /** Every worker, in the order of creation. */
  get refs(): WorkerRef[] {
    return this.#state.workers.map(({ ref }) => ref);
  }

  /** The bundles that are there now. */
  get bundles(): ConfigBundle[] {
    return this.#state.bundles.map(({ bundle }) => bundle);
  }

  /** The summary, as JSON text. */
  summary(): string {
    const { status, workers, diagnostics } = this.#state;
    const count = (wanted: WorkerStatus) =>
      workers.filter((worker) => worker.status === wanted).length;
    return printWire({
      runtime_id: this.runtimeId,
      display_name: this.#displayName,
      backend: "fs_store",
      status,
      worker_count: workers.length,
      active_worker_count: count("running"),
      stopped_worker_count: count("stopped"),
      cancelled_worker_count: count("cancelled"),
      diagnostic_count: diagnostics.length,
      limits: { ...this.#limits },
    });
  }

  /** The summary of every worker, each as JSON text. */
  workerSummaries(): string[] {
    return this.#state.workers.map(({ ref, status, request, transcript, lastEventId }) =>
      printWire({
        worker_ref: refOnWire(ref),
        runtime_id: ref.runtime_id,
        worker_id: ref.worker_id,
        status,
        intent: intentOnWire(request.intent),
        profile: profileOnWire(request.profile),
        requested_capability_count: request.requested_capabilities?.length ?? 0,
        has_config_bundle: request.config_bundle !== undefined,
        transcript_len: transcript.length,
        last_event_id: lastEventId,
      })
    );
  }

  /** The detail of a worker, as JSON text. */
  workerDetail(ref: WorkerRef): string {
    return printWire(this.#detailOf(this.#worker(ref)));
  }

  #detailOf({ ref, status, request, transcript, lastEventId }: ModelWorker): Printable {
    return {
      worker_ref: refOnWire(ref),
      runtime_id: ref.runtime_id,
      worker_id: ref.worker_id,
      status,
      intent: intentOnWire(request.intent),
      profile: profileOnWire(request.profile),
      ...extrasOnWire(request),
      transcript_len: transcript.length,
      last_event_id: lastEventId,
    };
  }

  /** Every event, each as JSON text. */
  events(): string[] {
    return this.#state.events.map(({ id, worker, kind, message }) =>
      printWire({ id, worker_ref: worker && refOnWire(worker), kind: { kind }, message })
    );
  }

  /** Every entry of a worker's transcript, each as JSON text. */
  transcript(ref: WorkerRef): string[] {
    return this.#worker(ref).transcript.map(({ sequence, role, content, eventId }) =>
      printWire({ sequence, worker_ref: refOnWire(ref), role, content, event_id: eventId })
    );
  }

  /** What the seed's program would have written, by path below the root. */
  files(): Map<string, string> {
    const directory = `runtimes/${directoryNameOf(this.runtimeId)}`;
    const files = new Map([
      [`${directory}/runtime.json`, this.#runtimeSnapshot()],
      [`${directory}/events.jsonl`, this.events().map((line) => line + "\n").join("")],
    ]);
    for (const worker of this.#state.workers) {
      const path = `${directory}/workers/${directoryNameOf(worker.ref.worker_id)}`;
      const transcript = this.transcript(worker.ref).map((line) => line + "\n").join("");
      files.set(`${path}/worker.json`, workerSnapshot(worker));
      files.set(`${path}/transcript.jsonl`, transcript);
    }
    return files;
  }

  #runtimeSnapshot(): string {
    const { status, workers, bundles, diagnostics, nextDiagnosticId } = this.#state;
    const sorted = bundles.toSorted((a, b) => a.id < b.id ? -1 : 1);
    return printSnapshot({
      schema_version: 1,
      runtime_id: this.runtimeId,
      display_name: this.#displayName,
      backend: "fs_store",
      status,
      limits: { ...this.#limits },
      next_worker_sequence: workers.length + 1,
      next_event_id: this.lastEventId + 1,
      next_diagnostic_id: nextDiagnosticId,
      config_bundles: new Map(sorted.map(({ id, bundle }) => [id, bundleOnWire(bundle)])),
      diagnostics: diagnostics.map(({ id, code, message, worker }) => ({
        id,
        severity: "info",
        code,
        message,
        worker_ref: refOnWire(worker),
      })),
    });
  }
}

function workerSnapshot({ ref, status, request, transcript, lastEventId }: ModelWorker): string {
  return printSnapshot({
    schema_version: 1,
    worker_ref: refOnWire(ref),
    worker_id: ref.worker_id,
    status,
    request: requestOnWire(request),
    next_transcript_sequence: transcript.length + 1,
    last_event_id: lastEventId,
  });
}
