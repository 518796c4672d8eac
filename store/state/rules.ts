import { decodeJson, encodeJson } from "../../_internal/wire_json/codec.ts";
import { checkRequestConfig, configBundleAvailability, refuseBlank } from "../config_bundle.ts";
import { givenRequest } from "../files/log_codecs.ts";
import { workerIdOf } from "../layout.ts";
import { findWorker } from "../runtime/runtime_reader.ts";
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
import type { Draft } from "./mutation.ts";
import type { WorkerEntry } from "./store_state.ts";
import { encodeUtf8, reasonOf } from "../../_internal/text.ts";

/** What the mutations of a runtime do, in the seed's order of checks (WRT-4 to WRT-11). */

/** An argument that was taken at the call: a check that it failed speaks when its turn comes. */
export type Taken<T> = () => T;

/** Takes an argument now, so that its giver may change it. */
export function take<T>(copy: () => T): Taken<T> {
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
export function checkSize(text: string, what: string, max: number): void {
  // A unit is three bytes at most, so that most texts need not be encoded.
  if (text.length * 3 <= max) return;
  const { length } = encodeUtf8(text);
  if (length > max) throw contentTooLargeError(what, { actual: length, expected: max });
}

function checkRunning(draft: Draft): void {
  if (draft.counters.status !== "running") throw runtimeStoppedError(draft.runtimeId);
}

/** WRT-4. */
export function createWorker(draft: Draft, taken: Taken<CreateWorkerRequest>): WorkerDetail {
  checkRunning(draft);
  const request = taken();
  checkRequestConfig(request, (id) => draft.bundle(id));
  const workerId = workerIdOf(draft.counters.next_worker_sequence);
  const ref = draft.refOf(workerId);
  const eventId = draft.addEvent("worker_created", `worker ${workerId} created`, workerId);
  for (const { code, message } of createDiagnostics(request, ref)) {
    draft.addDiagnostic(code, message, workerId);
  }
  draft.createWorker(workerId, request, eventId);
  return {
    worker_ref: ref,
    runtime_id: draft.runtimeId,
    worker_id: workerId,
    status: "running",
    ...structuredClone(request),
    transcript_len: 0,
    last_event_id: eventId,
  };
}

/** WRT-5. */
export function sendInput(
  draft: Draft,
  ref: WorkerRef,
  taken: Taken<WorkerInput>,
): WorkerInteractionAck {
  checkRunning(draft);
  const input = taken();
  if (input.content.trim() === "") {
    throw invalidRequestError("worker input content must not be empty");
  }
  const entry = findWorker(draft, ref);
  if (entry.status !== "running") {
    throw invalidRequestError(`worker ${entry.worker_id} is not running`);
  }
  const eventId = draft.addEvent("worker_input_accepted", "worker input accepted", ref.worker_id);
  return {
    worker_ref: draft.refOf(entry.worker_id),
    status: entry.status,
    transcript_sequence: draft.addEntry(entry, input, eventId),
    event_id: eventId,
  };
}

/** WRT-6. */
export function endWorker(
  draft: Draft,
  ref: WorkerRef,
  { status, taken }: { status: "stopped" | "cancelled"; taken: Taken<string | undefined> },
): WorkerLifecycleAck {
  checkRunning(draft);
  const entry = findWorker(draft, ref);
  const reason = taken();
  if (entry.status !== "running") return lifecycleAck(draft, entry);
  const message = reason ?? `worker ${status}`;
  const eventId = draft.addEvent(`worker_${status}`, message, entry.worker_id);
  const ended = { ...entry, status, last_event_id: eventId };
  draft.changeWorker(entry, ended);
  return lifecycleAck(draft, ended);
}

function lifecycleAck(draft: Draft, entry: WorkerEntry): WorkerLifecycleAck {
  const { worker_id, status, last_event_id } = entry;
  return { worker_ref: draft.refOf(worker_id), status, event_id: last_event_id };
}

/** WRT-7: the id of the event that tells of the runtime's end, or of the last one there was. */
export function stopRuntime(draft: Draft): number {
  const { status, next_event_id } = draft.counters;
  if (status === "stopped") return next_event_id - 1;
  for (const entry of [...draft.workers()]) {
    if (entry.status === "running") draft.changeWorker(entry, { status: "stopped" });
  }
  draft.counters = { ...draft.counters, status: "stopped" };
  return draft.addEvent("runtime_stopped", `runtime ${draft.runtimeId} stopped`);
}

/** WRT-9. */
export function storeConfigBundle(
  draft: Draft,
  taken: Taken<ConfigBundle>,
): ConfigBundleAvailability {
  checkRunning(draft);
  const bundle = taken();
  draft.bundles.set(bundle.metadata.id, bundle);
  return structuredClone(configBundleAvailability(bundle));
}

/**
 * Checks the request of a new worker (WRT-10) and returns a copy that its giver cannot change any
 * more, with empty lists left out. What a request may not have is refused, as a misspelt member
 * would not be obeyed.
 */
export function checkCreateRequest(given: CreateWorkerRequest): CreateWorkerRequest {
  const request = copyRequest(given);
  const { intent, requested_capabilities = [] } = request;
  if (intent.kind === "task") refuseBlank(intent.objective, "task objective");
  for (const { name } of requested_capabilities) refuseBlank(name, "requested capability name");
  return request;
}

function copyRequest(given: CreateWorkerRequest): CreateWorkerRequest {
  try {
    return decodeJson(givenRequest, encodeJson(givenRequest, given));
  } catch (cause) {
    throw invalidRequestError(`create worker request: ${reasonOf(cause)}`, cause);
  }
}

/** What is worth telling about a new worker, without ids (WRT-12). */
export function createDiagnostics(
  request: CreateWorkerRequest,
  ref: WorkerRef,
): Omit<RuntimeDiagnostic, "id">[] {
  const diagnostics: Omit<RuntimeDiagnostic, "id">[] = [];
  if (request.config_bundle === undefined) {
    diagnostics.push({
      severity: "info",
      code: "runtime.local_default_resources",
      message: "worker created without ConfigBundleRef; runtime-local defaults are assumed",
      worker_ref: ref,
    });
  }
  if ((request.requested_capabilities ?? []).length === 0) {
    diagnostics.push({
      severity: "info",
      code: "worker.tools_less",
      message: "worker created without requested tool capabilities",
      worker_ref: ref,
    });
  }
  return diagnostics;
}
