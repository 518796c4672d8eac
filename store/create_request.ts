import { decodeJson, encodeJson } from "../_internal/wire_json/codec.ts";
import { refuseBlank } from "./config_bundle.ts";
import { givenRequest } from "./record_codecs.ts";
import { invalidRequestError, reasonOf } from "./store_errors.ts";
import type { CreateWorkerRequest, RuntimeDiagnostic, WorkerRef } from "./types.ts";

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
