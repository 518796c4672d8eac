/**
 * The state of workers in files that a person can read, several tools can share and no crash can
 * make unopenable.
 *
 * @module
 */
export type * from "./types.ts";
export {
  RuntimeStoreError,
  type RuntimeStoreErrorDetails,
  type RuntimeStoreErrorKind,
  type StoreOperation,
} from "./runtime_store_error.ts";
export { computeConfigBundleDigest } from "./config_bundle.ts";
export { FsRuntimeStore, type OpenStoreOptions } from "./runtime/fs_runtime_store.ts";
export { DEFAULT_RUNTIME_LIMITS, type OpenRuntimeOptions } from "./runtime/open_runtime.ts";
export type { ListWorkersOptions, RuntimeReader } from "./runtime/runtime_reader.ts";
export { type Transaction, WorkerRuntime } from "./runtime/worker_runtime.ts";
export type {
  RepairAction,
  RepairActionKind,
  StoreProblem,
  StoreProblemKind,
} from "./check/store_problem.ts";
export {
  type RuntimeVerdict,
  type StoreVerdict,
  verifyStore,
  type VerifyStoreOptions,
} from "./check/verify_store.ts";
export { repairStore, type RepairStoreOptions, type StoreRepair } from "./check/repair_store.ts";
export { removeRuntime } from "./check/remove_runtime.ts";
export { setRuntimeAside } from "./check/set_runtime_aside.ts";
export { runtimeDirectory } from "../_internal/root_layout.ts";
export { TaffrailError, type TaffrailErrorOptions } from "../_internal/errors.ts";
