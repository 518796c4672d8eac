import { TaffrailError } from "../_internal/errors.ts";

/**
 * What went wrong:
 * - `runtime-stopped`: the runtime is stopped and takes no more mutations
 * - `wrong-runtime`: a worker of another runtime was named
 * - `wrong-runtime-cursor`: the cursor is of another runtime
 * - `worker-not-found`: there is no such worker
 * - `limit-too-large`: more was asked for at once than the runtime's limits allow
 * - `invalid-request`: what was asked for makes no sense; nothing was changed
 * - `config-bundle-missing`: there is no such config bundle
 * - `config-bundle-digest-mismatch`: a bundle's digest is not that of its content, or not the one
 *   asked for
 * - `invalid-profile-selector`: the profile cannot be used with this config bundle
 * - `unsupported-config-declaration`: a bundle declares what no runtime supports
 * - `store-io`: the file system refused; the `cause` says why
 * - `store-missing`: a file that must be there is not
 * - `store-corrupt`: a file does not hold what it must
 * - `owned`: another process, or another opening in this one, owns the runtime
 * - `read-only`: a sync failed since the runtime was opened
 * - `replaced`: a file of the runtime was replaced, moved or removed while it was open; what was
 *   acknowledged before is in its journal, and nothing more is until it is opened again
 * - `closed`: the runtime was closed
 * - `content-too-large`: what was to be recorded is longer than a line may be
 * - `symlink`: a symbolic link stands where a file or directory of the store is expected, or a file that
 *   is to be written has a second name (a hard link)
 */
export type RuntimeStoreErrorKind =
  | "runtime-stopped"
  | "wrong-runtime"
  | "wrong-runtime-cursor"
  | "worker-not-found"
  | "limit-too-large"
  | "invalid-request"
  | "config-bundle-missing"
  | "config-bundle-digest-mismatch"
  | "invalid-profile-selector"
  | "unsupported-config-declaration"
  | "store-io"
  | "store-missing"
  | "store-corrupt"
  | "owned"
  | "read-only"
  | "replaced"
  | "closed"
  | "content-too-large"
  | "symlink";

/** What the store was doing when a file failed it, in the words of the v1 format. */
export type StoreOperation =
  | "create store root"
  | "open runtime store"
  | "create runtime store"
  | "read runtime snapshot"
  | "read events"
  | "read workers"
  | "read worker"
  | "read worker snapshot"
  | "read transcript"
  | "write runtime snapshot"
  | "create worker store"
  | "write worker snapshot"
  | "create transcript log"
  | "append event"
  | "append transcript"
  | "read journal"
  | "write journal"
  | "close runtime store"
  | "verify runtime store"
  | "repair runtime store"
  | "remove runtime store";

/** What a {@linkcode RuntimeStoreError} tells besides its message; what does not apply is absent. */
export interface RuntimeStoreErrorDetails {
  /** What the store was doing. */
  operation?: StoreOperation;
  /** The file or directory concerned. */
  path?: string;
  /** The 1-based line concerned. */
  line?: number;
  /** Where that line, or what is wrong, begins in the file. */
  byteOffset?: number;
  /** The runtime concerned. */
  runtimeId?: string;
  /** The worker concerned. */
  workerId?: string;
  /** The config bundle concerned. */
  bundleId?: string;
  /** What was required: a runtime id, a digest, or the most that is allowed. */
  expected?: string | number;
  /** What was found instead, or asked for. */
  actual?: string | number;
  /** The process that owns the runtime, as far as its lock file says. */
  holderPid?: number;
}

/**
 * The error of this module. Arguments of a wrong type are a `TypeError` instead, and numbers beyond
 * what a document can hold a `RangeError`.
 *
 * @example Usage
 * ```ts
 * import { RuntimeStoreError } from "@taffrail/taffrail/store";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new RuntimeStoreError("runtime-stopped", "runtime rt-1 is stopped", {
 *   details: { runtimeId: "rt-1" },
 * });
 * assertEquals([error.kind, error.details.runtimeId], ["runtime-stopped", "rt-1"]);
 * ```
 */
export class RuntimeStoreError
  extends TaffrailError<RuntimeStoreErrorKind, RuntimeStoreErrorDetails> {
  /** The name of the class. */
  override readonly name = "RuntimeStoreError";
}
