import type { Mutation, Rule } from "../state/mutation.ts";
import {
  createWorker,
  endWorker,
  sendInput,
  stopRuntime,
  storeConfigBundle,
} from "../state/rules.ts";
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
    const options = { status: "stopped", reason, maxBytes: this.#maxBytes } as const;
    return this.#perform(endWorker(ref, options));
  }

  /** {@linkcode WorkerRuntime.cancelWorker} as part of the transaction. */
  cancelWorker(ref: WorkerRef, reason?: string): WorkerLifecycleAck {
    const options = { status: "cancelled", reason, maxBytes: this.#maxBytes } as const;
    return this.#perform(endWorker(ref, options));
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
