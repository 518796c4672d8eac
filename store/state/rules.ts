import { encodeUtf8 } from "../../_internal/text.ts";
import {
  checkConfigBundle,
  checkRequestConfig,
  configBundleAvailability,
  copyGiven,
  refuseBlank,
} from "../config_bundle.ts";
import { givenInput, givenRequest } from "../files/log_codecs.ts";
import { contentTooLargeError, invalidRequestError, runtimeStoppedError } from "../store_errors.ts";
import type {
  ConfigBundle,
  ConfigBundleAvailability,
  CreateWorkerRequest,
  RuntimeDiagnostic,
  WorkerDetail,
  WorkerInput,
  WorkerInteractionAck,
  WorkerLifecycleAck,
  WorkerRef,
} from "../types.ts";
import type { Mutation, Rule } from "./mutation.ts";
import { findWorker, workerIdOf } from "./store_state.ts";

/**
 * What the mutations of a runtime do, in the original program's order of checks (WRT-4 to WRT-11).
 * Each function takes its arguments as they are at the call, so that what their giver does to them
 * afterwards changes nothing, and returns the rule that is then applied in its turn.
 */

/** Takes an argument now; a check that it failed speaks when its turn comes. */
function take<T>(copy: () => T): () => T {
  try {
    const value = copy();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/** Refuses texts beyond what may be recorded at once. */
export function checkSize(text: string, what: string, maxBytes: number): void {
  // A unit is three bytes at most, so that most texts need not be encoded.
  if (text.length * 3 <= maxBytes) return;
  const { length } = encodeUtf8(text);
  if (length > maxBytes) throw contentTooLargeError(what, { actual: length, expected: maxBytes });
}

function checkRunning({ counters, runtimeId }: Mutation): void {
  if (counters.status !== "running") throw runtimeStoppedError(runtimeId);
}

/** A new worker (WRT-4). */
export function createWorker(given: CreateWorkerRequest, maxBytes: number): Rule<WorkerDetail> {
  const taken = take(() => {
    const copy = checkCreateRequest(given);
    checkSize(JSON.stringify(copy), "a create worker request", maxBytes);
    return copy;
  });
  return (mutation) => {
    checkRunning(mutation);
    const request = taken();
    checkRequestConfig(request, (id) => mutation.bundle(id));
    const workerId = workerIdOf(mutation.counters.next_worker_sequence);
    const eventId = mutation.addEvent("worker_created", `worker ${workerId} created`, workerId);
    const diagnostics = createDiagnostics(request, mutation.refOf(workerId));
    for (const diagnostic of diagnostics) mutation.addDiagnostic(diagnostic);
    mutation.createWorker(workerId, request, eventId);
    return {
      worker_ref: mutation.refOf(workerId),
      runtime_id: mutation.runtimeId,
      worker_id: workerId,
      status: "running",
      ...structuredClone(request),
      transcript_len: 0,
      last_event_id: eventId,
    };
  };
}

/** An input to a running worker (WRT-5). */
export function sendInput(
  ref: WorkerRef,
  given: WorkerInput,
  { maxBytes }: { maxBytes: number },
): Rule<WorkerInteractionAck> {
  const takenRef = take(() => copyRef(ref));
  const takenInput = take(() => {
    const copy = copyInput(given);
    checkSize(copy.content, "a worker input", maxBytes);
    return copy;
  });
  return (mutation) => {
    const ref = takenRef();
    checkRunning(mutation);
    const input = takenInput();
    refuseBlank(input.content, "worker input content");
    const entry = findWorker(mutation, ref);
    const { worker_id, status } = entry;
    if (status !== "running") throw invalidRequestError(`worker ${worker_id} is not running`);
    const eventId = mutation.addEvent("worker_input_accepted", "worker input accepted", worker_id);
    return {
      worker_ref: mutation.refOf(worker_id),
      status,
      transcript_sequence: mutation.addEntry(entry, input, eventId),
      event_id: eventId,
    };
  };
}

/** The end of a worker (WRT-6); one that has ended already stays as it is. */
export function endWorker(
  ref: WorkerRef,
  { status, reason, maxBytes }: {
    status: "stopped" | "cancelled";
    reason: string | undefined;
    maxBytes: number;
  },
): Rule<WorkerLifecycleAck> {
  const takenRef = take(() => copyRef(ref));
  const takenReason = take(() => checkReason(reason, maxBytes));
  return (mutation) => {
    const ref = takenRef();
    checkRunning(mutation);
    const entry = findWorker(mutation, ref);
    const message = takenReason() ?? `worker ${status}`;
    const { worker_id } = entry;
    const workerRef = mutation.refOf(worker_id);
    if (entry.status !== "running") {
      return { worker_ref: workerRef, status: entry.status, event_id: entry.last_event_id };
    }
    const eventId = mutation.addEvent(`worker_${status}`, message, worker_id);
    mutation.changeWorker(entry, { status, last_event_id: eventId });
    return { worker_ref: workerRef, status, event_id: eventId };
  };
}

/** The end of the runtime (WRT-7): the id of the event of it, or of the last one there was. */
export function stopRuntime(mutation: Mutation): number {
  const { status, next_event_id } = mutation.counters;
  if (status === "stopped") return next_event_id - 1;
  for (const entry of [...mutation.workers()]) {
    if (entry.status === "running") mutation.changeWorker(entry, { status: "stopped" });
  }
  mutation.counters = { ...mutation.counters, status: "stopped" };
  return mutation.addEvent("runtime_stopped", `runtime ${mutation.runtimeId} stopped`);
}

/** A config bundle, in place of the one of its id (WRT-9). */
export function storeConfigBundle(
  given: ConfigBundle,
  maxBytes: number,
): Rule<ConfigBundleAvailability> {
  const taken = take(() => {
    const copy = checkConfigBundle(given);
    checkSize(JSON.stringify(copy), "a config bundle", maxBytes);
    return copy;
  });
  return (mutation) => {
    const bundle = taken();
    checkRunning(mutation);
    mutation.bundles.set(bundle.metadata.id, bundle);
    return structuredClone(configBundleAvailability(bundle));
  };
}

/**
 * Checks the request of a new worker (WRT-10) and returns a copy that its giver cannot change any
 * more, with empty lists left out. What a request may not have is refused, as a misspelt member
 * would not be obeyed.
 */
export function checkCreateRequest(given: CreateWorkerRequest): CreateWorkerRequest {
  const request = copyGiven(given, givenRequest, "create worker request");
  const { intent, requested_capabilities = [] } = request;
  if (intent.kind === "task") refuseBlank(intent.objective, "task objective");
  for (const { name } of requested_capabilities) refuseBlank(name, "capability name");
  return request;
}

function copyRef(ref: WorkerRef | undefined): WorkerRef {
  const { runtime_id, worker_id } = ref ?? {};
  if (typeof runtime_id === "string" && typeof worker_id === "string") {
    return { runtime_id, worker_id };
  }
  throw invalidRequestError("worker ref must have a runtime_id and a worker_id");
}

/** The common case is looked at by hand: this is where most of a runtime's time goes. */
function copyInput(given: WorkerInput | undefined): WorkerInput {
  const { kind, content } = given ?? {};
  const isPlain = (kind === "user" || kind === "system") && typeof content === "string" &&
    content.isWellFormed() && Object.keys(given!).length === 2;
  return isPlain ? { kind, content } : copyGiven(given!, givenInput, "worker input");
}

function checkReason(reason: unknown, maxBytes: number): string | undefined {
  if (reason === undefined) return undefined;
  if (typeof reason !== "string" || !reason.isWellFormed()) {
    throw invalidRequestError("reason must be a string of whole characters");
  }
  checkSize(reason, "a reason", maxBytes);
  return reason;
}

/** What is worth telling about a new worker, without ids (WRT-12). */
export function createDiagnostics(
  request: CreateWorkerRequest,
  ref: WorkerRef,
): Omit<RuntimeDiagnostic, "id">[] {
  const diagnostics: Omit<RuntimeDiagnostic, "id">[] = [];
  const add = (code: string, message: string) =>
    diagnostics.push({ severity: "info", code, message, worker_ref: ref });
  if (request.config_bundle === undefined) {
    add(
      "runtime.local_default_resources",
      "worker created without ConfigBundleRef; runtime-local defaults are assumed",
    );
  }
  if ((request.requested_capabilities ?? []).length === 0) {
    add("worker.tools_less", "worker created without requested tool capabilities");
  }
  return diagnostics;
}
