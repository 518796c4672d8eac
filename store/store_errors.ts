/**
 * The errors of this module, each made in one place, with the original program's messages where it has
 * them.
 */
import { isNotFound } from "../_internal/file_port.ts";
import { RuntimeStoreError, type StoreOperation } from "./runtime_store_error.ts";
import { reasonOf, writeRemedy } from "../_internal/text.ts";

/** A mutation of a stopped runtime (WRT-8). */
export function runtimeStoppedError(runtimeId: string): RuntimeStoreError {
  return new RuntimeStoreError("runtime-stopped", `runtime ${runtimeId} is stopped`, {
    details: { runtimeId },
  });
}

/** A worker that belongs to the runtime `actual`. */
export function wrongRuntimeError(
  workerId: string,
  { expected, actual }: { expected: string; actual: string },
): RuntimeStoreError {
  const message = `worker ${workerId} belongs to runtime ${actual}, not runtime ${expected}`;
  return new RuntimeStoreError("wrong-runtime", message, {
    details: { workerId, expected, actual },
  });
}

/** A cursor that belongs to the runtime `actual`. */
export function wrongRuntimeCursorError(
  { expected, actual }: { expected: string; actual: string },
): RuntimeStoreError {
  const message = `cursor belongs to runtime ${actual}, not runtime ${expected}`;
  return new RuntimeStoreError("wrong-runtime-cursor", message, { details: { expected, actual } });
}

/** A worker that is not there. */
export function workerNotFoundError(runtimeId: string, workerId: string): RuntimeStoreError {
  const message = `worker ${workerId} was not found in runtime ${runtimeId}`;
  return new RuntimeStoreError("worker-not-found", message, { details: { runtimeId, workerId } });
}

/** More asked for at once than allowed (WRT-14). */
export function limitTooLargeError(requested: number, max: number): RuntimeStoreError {
  const message = `limit ${requested} exceeds maximum ${max}`;
  return new RuntimeStoreError("limit-too-large", message, {
    details: { actual: requested, expected: max },
  });
}

/** A request that makes no sense. */
export function invalidRequestError(problem: string, cause?: unknown): RuntimeStoreError {
  return new RuntimeStoreError("invalid-request", `invalid request: ${problem}`, { cause });
}

/** A config bundle that is not there. */
export function configBundleMissingError(bundleId: string): RuntimeStoreError {
  const message = `config bundle \`${bundleId}\` was not found`;
  return new RuntimeStoreError("config-bundle-missing", message, { details: { bundleId } });
}

/** A digest that is not the content's (`expected` is declared) or not the stored one's. */
export function digestMismatchError(
  bundleId: string,
  { expected, actual }: { expected: string; actual: string },
): RuntimeStoreError {
  const message =
    `config bundle \`${bundleId}\` digest mismatch: expected ${expected}, got ${actual}`;
  const details = { bundleId, expected, actual };
  return new RuntimeStoreError("config-bundle-digest-mismatch", message, { details });
}

/** A profile that cannot be used. */
export function invalidProfileError(
  profile: string,
  { bundleId, problem }: { bundleId: string | undefined; problem: string },
): RuntimeStoreError {
  const bundle = bundleId === undefined ? "None" : `Some(${JSON.stringify(bundleId)})`;
  const message = `invalid profile selector \`${profile}\` for config bundle ${bundle}: ${problem}`;
  const details = { actual: profile, ...(bundleId === undefined ? {} : { bundleId }) };
  return new RuntimeStoreError("invalid-profile-selector", message, { details });
}

/** A declaration that no runtime supports. */
export function unsupportedDeclarationError(
  bundleId: string,
  { kind, name }: { kind: string; name: string },
): RuntimeStoreError {
  const message =
    `config bundle \`${bundleId}\` contains unsupported declaration \`${kind}\` named \`${name}\``;
  return new RuntimeStoreError("unsupported-config-declaration", message, {
    details: { bundleId, actual: kind },
  });
}

/** Where something failed, and doing what. */
export interface StorePlace {
  operation: StoreOperation;
  path: string;
}

/** A refusal of the file system. */
export function storeIoError({ operation, path }: StorePlace, cause: unknown): RuntimeStoreError {
  const message = `runtime store ${operation} failed at ${path}: ${reasonOf(cause)}`;
  return new RuntimeStoreError("store-io", message, { details: { operation, path }, cause });
}

/** What to do about damage, unless an error knows better. */
export const REPAIR =
  "`taffrail verify` lists what is wrong and `taffrail repair` (`repairStore`) mends " +
  "what can be mended";

/** A file or directory that must be there. Of a runtime that does not exist nothing can be repaired. */
export function storeMissingError(
  { operation, path }: StorePlace,
  { remedy }: { remedy?: string } = {},
): RuntimeStoreError {
  const message = `runtime store ${operation} missing data at ${path}`;
  return new RuntimeStoreError("store-missing", message, { details: { operation, path }, remedy });
}

/** What is wrong with a file, and where in it. */
interface Corruption {
  /** In the original program's words where it has words for it. */
  problem: string;
  line?: number;
  byteOffset?: number;
  /** What belongs there, and what is there instead. */
  expected?: number | string;
  actual?: number | string;
  /** What to do, where repairing would not help. */
  remedy?: string | undefined;
  cause?: unknown;
}

/** A file that does not hold what it must. */
export function storeCorruptError(
  { operation, path }: StorePlace,
  { problem, remedy = REPAIR, cause, ...where }: Corruption,
): RuntimeStoreError {
  const message = `runtime store ${operation} found corrupt data at ${path}: ${problem}`;
  return new RuntimeStoreError("store-corrupt", message, {
    details: { operation, path, ...where },
    remedy,
    cause,
  });
}

/** A log that is as long as nobody of us made it. */
export function changedFileError(
  place: StorePlace,
  { actual, expected }: { actual: number; expected: number },
): RuntimeStoreError {
  return storeCorruptError(place, {
    problem: `it has ${actual} bytes instead of ${expected}, so another program has changed it`,
    byteOffset: Math.min(actual, expected),
    remedy: "close the runtime and open it again: what was acknowledged is in its journal",
  });
}

/** What an error says to somebody who is verifying and repairing already. */
export function findingTextOf({ message, remedy }: RuntimeStoreError): string {
  return remedy === undefined || remedy === REPAIR ? message : `${message}; ${remedy}`;
}

/** What to do with what a newer program wrote: nothing else is known of it, so nobody touches it. */
export const USE_NEWER = "open it with the program that wrote it, or a newer taffrail";

/** A snapshot of another schema (FRS-3): there is nothing to mend, a newer program wrote it. */
export function unsupportedSchemaError(
  place: StorePlace,
  { expected, actual }: { expected: number; actual: number },
): RuntimeStoreError {
  return storeCorruptError(place, {
    problem: `unsupported schema version ${actual}, expected ${expected}`,
    remedy: USE_NEWER,
  });
}

/** A runtime that somebody else has open for writing; `pid` is undefined where the lock file names none. */
export function ownedError(
  path: string,
  { runtimeId, pid }: { runtimeId: string; pid: number | undefined },
): RuntimeStoreError {
  const holder = pid === undefined ? "another process" : `process ${pid}`;
  const message =
    `Cannot open runtime ${runtimeId}: ${holder} owns it (${path}); wait until that ` +
    "has closed it, or open it with readOnly";
  const details = { runtimeId, path, ...(pid === undefined ? {} : { holderPid: pid }) };
  return new RuntimeStoreError("owned", message, { details });
}

/** A mutation after a sync, or the look behind it, failed: nobody can tell any more what is on disk. */
export function readOnlyAfterSyncError(
  runtimeId: string,
  { path, cause, doing = "syncing" }: {
    path: string;
    cause: unknown;
    doing?: "syncing" | "looking at";
  },
): RuntimeStoreError {
  const message = `Cannot vouch for changes of runtime ${runtimeId}: ${doing} ${path} failed ` +
    `(${reasonOf(cause)}), so it is read-only now; ${writeRemedy(cause)} and open it again`;
  return new RuntimeStoreError("read-only", message, { details: { runtimeId, path }, cause });
}

/** A file that was replaced, moved or removed under its owner: what is written to it reaches nobody. */
export function replacedError(
  runtimeId: string,
  { path, how }: { path: string; how: string },
): RuntimeStoreError {
  const message =
    `Cannot vouch for changes of runtime ${runtimeId}: ${path} ${how}, so the runtime ` +
    "is read-only now; put back what was there, if it was moved, and open the runtime again";
  return new RuntimeStoreError("replaced", message, { details: { runtimeId, path } });
}

/** A runtime that was closed. */
export function closedError(runtimeId: string): RuntimeStoreError {
  const message = `Cannot use runtime ${runtimeId}: it is closed; open it again`;
  return new RuntimeStoreError("closed", message, { details: { runtimeId } });
}

/** Something too long to be recorded; sizes are bytes of UTF-8. */
export function contentTooLargeError(
  what: string,
  { actual, expected }: { actual: number; expected: number },
): RuntimeStoreError {
  const message = `Cannot record ${what} of ${actual} bytes: at most ${expected} are allowed; ` +
    "put it into a file and record its name";
  return new RuntimeStoreError("content-too-large", message, { details: { actual, expected } });
}

const REGULAR_FILE = "a regular file";

/** Something else in the place of a file. */
export function notRegularError(
  { operation, path }: StorePlace,
  actual: string,
): RuntimeStoreError {
  return storeCorruptError({ operation, path }, {
    problem: `it is ${actual}, not ${REGULAR_FILE}`,
    expected: REGULAR_FILE,
    actual,
    remedy: "move it away",
  });
}

/** Whether an error is about something else in the place of a file: a link, a pipe, a directory. */
export function isNoFile({ kind, details }: RuntimeStoreError): boolean {
  return kind === "symlink" || details.expected === REGULAR_FILE;
}

/** A file that is to be written has a second name, under which it may be somebody else's. */
export function otherNameError({ operation, path }: StorePlace): RuntimeStoreError {
  const message = `Cannot write to ${path}: the file has another name too (a hard link); ` +
    "replace it by a copy of its own";
  return new RuntimeStoreError("symlink", message, { details: { operation, path } });
}

/** A link where a file or directory is expected: it could lead out of the store. */
export function symlinkError({ operation, path }: StorePlace): RuntimeStoreError {
  const message = `Cannot use ${path}: it is a symbolic link; put what it leads to in its place`;
  return new RuntimeStoreError("symlink", message, { details: { operation, path } });
}

/** Runs file operations; what the file system refuses becomes an error that names the path. */
export function wrapIo<T>(place: StorePlace, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw asStoreError(place, error);
  }
}

/** What was thrown, as an error of this module: a missing file is `store-missing`. */
export function asStoreError(place: StorePlace, error: unknown): unknown {
  const isRefusal = error instanceof TypeError && /\(os error \d+\)$/.test(error.message);
  const isKnown = error instanceof RuntimeStoreError || error instanceof RangeError ||
    (error instanceof TypeError && !isRefusal);
  if (isKnown) return error;
  return isNotFound(error) ? storeMissingError(place) : storeIoError(place, error);
}
