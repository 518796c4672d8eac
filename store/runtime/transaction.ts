import { Draft, type LogNames } from "../state/mutation.ts";
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
import type { RuleMaker } from "./rule_maker.ts";
import type { Rule } from "./store_owner.ts";

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
  readonly #draft: Draft;
  readonly #names: LogNames;
  readonly #rules: RuleMaker;
  #isOver = false;

  private constructor(draft: Draft, { names, rules }: { names: LogNames; rules: RuleMaker }) {
    this.#draft = draft;
    this.#names = names;
    this.#rules = rules;
  }

  /** @internal */
  static run<T>(
    draft: Draft,
    { body, ...parts }: {
      body: (transaction: Transaction) => T;
      names: LogNames;
      rules: RuleMaker;
    },
  ): T {
    const transaction = new Transaction(draft, parts);
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
    return this.#make(this.#rules.createWorker(request));
  }

  /** {@linkcode WorkerRuntime.sendInput} as part of the transaction. */
  sendInput(ref: WorkerRef, input: WorkerInput): WorkerInteractionAck {
    return this.#make(this.#rules.sendInput(ref, input));
  }

  /** {@linkcode WorkerRuntime.stopWorker} as part of the transaction. */
  stopWorker(ref: WorkerRef, reason?: string): WorkerLifecycleAck {
    return this.#make(this.#rules.endWorker(ref, { status: "stopped", reason }));
  }

  /** {@linkcode WorkerRuntime.cancelWorker} as part of the transaction. */
  cancelWorker(ref: WorkerRef, reason?: string): WorkerLifecycleAck {
    return this.#make(this.#rules.endWorker(ref, { status: "cancelled", reason }));
  }

  /** {@linkcode WorkerRuntime.stopRuntime} as part of the transaction. */
  stopRuntime(): number {
    return this.#make(this.#rules.stopRuntime());
  }

  /** {@linkcode WorkerRuntime.storeConfigBundle} as part of the transaction. */
  storeConfigBundle(bundle: ConfigBundle): ConfigBundleAvailability {
    return this.#make(this.#rules.storeConfigBundle(bundle));
  }

  /** A mutation that throws leaves nothing, even if the transaction goes on. */
  #make<T>(rule: Rule<T>): T {
    if (this.#isOver) {
      throw new TypeError("Cannot go on with a transaction whose function has returned");
    }
    const draft = new Draft(this.#draft, this.#names);
    const answer = rule(draft);
    this.#draft.absorb(draft);
    return answer;
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}
