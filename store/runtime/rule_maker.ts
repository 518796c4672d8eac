import { decodeJson, encodeJson } from "../../_internal/wire_json/codec.ts";
import { checkConfigBundle } from "../config_bundle.ts";
import { givenInput } from "../files/log_codecs.ts";
import {
  checkCreateRequest,
  checkSize,
  createWorker,
  endWorker,
  sendInput,
  stopRuntime,
  storeConfigBundle,
  take,
  type Taken,
} from "../state/rules.ts";
import { invalidRequestError } from "../store_errors.ts";
import type {
  ConfigBundle,
  ConfigBundleAvailability,
  CreateWorkerRequest,
  WorkerDetail,
  WorkerInput,
  WorkerInteractionAck,
  WorkerLifecycleAck,
  WorkerRef,
} from "../types.ts";
import type { Rule } from "./store_owner.ts";
import { reasonOf } from "../../_internal/text.ts";

/**
 * Makes the rule of each mutation from its arguments, which are taken as they are at the call: what
 * their giver does to them afterwards changes nothing.
 */
export class RuleMaker {
  readonly #maxContentBytes: number;

  constructor(maxContentBytes: number) {
    this.#maxContentBytes = maxContentBytes;
  }

  createWorker(given: CreateWorkerRequest): Rule<WorkerDetail> {
    const request = take(() => {
      const copy = checkCreateRequest(given);
      checkSize(JSON.stringify(copy), "a create worker request", this.#maxContentBytes);
      return copy;
    });
    return (draft) => createWorker(draft, request);
  }

  sendInput(ref: WorkerRef, given: WorkerInput): Rule<WorkerInteractionAck> {
    const taken = copyRef(ref);
    const input = take(() => {
      const copy = copyInput(given);
      checkSize(copy.content, "a worker input", this.#maxContentBytes);
      return copy;
    });
    return (draft) => sendInput(draft, taken(), input);
  }

  endWorker(
    ref: WorkerRef,
    { status, reason }: { status: "stopped" | "cancelled"; reason: string | undefined },
  ): Rule<WorkerLifecycleAck> {
    const taken = copyRef(ref);
    const checked = take(() => {
      if (reason !== undefined) checkReason(reason);
      checkSize(reason ?? "", "a reason", this.#maxContentBytes);
      return reason;
    });
    return (draft) => endWorker(draft, taken(), { status, taken: checked });
  }

  stopRuntime(): Rule<number> {
    return stopRuntime;
  }

  storeConfigBundle(given: ConfigBundle): Rule<ConfigBundleAvailability> {
    const bundle = take(() => {
      const copy = checkConfigBundle(given);
      checkSize(JSON.stringify(copy), "a config bundle", this.#maxContentBytes);
      return copy;
    });
    return (draft) => storeConfigBundle(draft, bundle);
  }
}

function copyRef(ref: WorkerRef): Taken<WorkerRef> {
  return take(() => {
    const { runtime_id, worker_id } = ref;
    if (typeof runtime_id === "string" && typeof worker_id === "string") {
      return { runtime_id, worker_id };
    }
    throw invalidRequestError("worker ref must have a runtime_id and a worker_id");
  });
}

/** The common case is looked at by hand: this is where most of a runtime's time goes. */
function copyInput(given: WorkerInput): WorkerInput {
  const { kind, content } = given;
  const isPlain = (kind === "user" || kind === "system") && typeof content === "string" &&
    content.isWellFormed() && Object.keys(given).length === 2;
  if (isPlain) return { kind, content };
  try {
    return decodeJson(givenInput, encodeJson(givenInput, given));
  } catch (cause) {
    throw invalidRequestError(`worker input: ${reasonOf(cause)}`, cause);
  }
}

function checkReason(reason: unknown): void {
  if (typeof reason === "string" && reason.isWellFormed()) return;
  throw invalidRequestError("reason must be a string of whole characters");
}
