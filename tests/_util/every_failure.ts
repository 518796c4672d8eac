import type { FilePort } from "../../_internal/file_port.ts";
import { FaultPort } from "./fault_port.ts";
import { comesFrom, makeRoot, RUNS_MAX, withContext } from "./fault_run.ts";
import { type Call, type CallName, describeCall, diskFullError } from "./fault_script.ts";
import { withMemoryDir } from "./temp.ts";

/** What a check is told about the run before it. */
export interface FailureInfo<Acknowledged> {
  /** The number of the fault. */
  readonly n: number;
  /** The call that failed; undefined in the last run, in which none did. */
  readonly call: Call | undefined;
  /** What the workload ended with; undefined if it ended well in spite of the fault. */
  readonly error: unknown;
  readonly acknowledged: readonly Acknowledged[];
  /** The port of the run: its calls, and `crashImage` for a power cut after the failure. */
  readonly port: FaultPort;
}

/** Options of {@linkcode everyFailure}. */
export interface EveryFailureOptions {
  /**
   * Let only calls of these names fail.
   *
   * @default {every call but close and unlockSync, which have no way to fail}
   */
  only?: readonly CallName[];
  /**
   * What the call throws.
   *
   * @default {a full disk}
   */
  error?: Error;
  /** Let every later call that counts fail too. */
  andLater?: boolean;
  /** Another kind of fault, e.g. `(port, n) => port.shortWriteAt(n, 7)`; replaces the three above. */
  inject?: (port: FaultPort, n: number) => void;
  /** Makes the files that are there before the workload starts. */
  before?: (root: string) => void | Promise<void>;
  /**
   * The port that does the work, for instance one that does not wait for the disk.
   *
   * @default {denoFilePort}
   */
  base?: FilePort;
  /** Only this run: to see one failure again. */
  onlyRun?: number;
}

/** A program whose calls fail. It pushes to `acknowledged` what it was told is done. */
export type FailureWorkload<Acknowledged> = (
  port: FaultPort,
  root: string,
  acknowledged: Acknowledged[],
) => void | Promise<void>;

/** Throws if what is left after the failure breaks a promise. */
export type FailureCheck<Acknowledged> = (
  root: string,
  info: FailureInfo<Acknowledged>,
) => void | Promise<void>;

/** Every call that can fail. */
const FALLIBLE: readonly CallName[] = [
  "openSync",
  "mkdirSync",
  "chmodSync",
  "renameSync",
  "removeSync",
  "lstatSync",
  "readDirSync",
  "readSync",
  "read",
  "writeSync",
  "seekSync",
  "truncateSync",
  "syncDataSync",
  "syncData",
  "syncSync",
  "sync",
  "tryLockSync",
];

/**
 * Runs `workload` with call 1, 2, … failing until a run in which none fails, each time in a directory of
 * its own, and after each run lets `check` look at what is left. Resolves to the number of faults.
 *
 * A workload may end with the fault, or an error that has it in its chain of causes (the check is told);
 * every other error is a failure.
 */
export async function everyFailure<Acknowledged = string>(
  workload: FailureWorkload<Acknowledged>,
  check: FailureCheck<Acknowledged>,
  options: EveryFailureOptions = {},
): Promise<number> {
  const first = options.onlyRun ?? 1;
  for (let n = first; n <= RUNS_MAX; n++) {
    const failed = await withMemoryDir((directory) =>
      failOnce(workload, check, { ...options, directory, n })
    );
    if (!failed && n > first) return n - first;
    if (!failed) throw new Error(`Cannot let call ${n} fail: the workload makes fewer calls`);
    if (options.onlyRun !== undefined) return 1;
  }
  throw new Error(`Cannot let every call fail: there are more than ${RUNS_MAX}`);
}

async function failOnce<Acknowledged>(
  workload: FailureWorkload<Acknowledged>,
  check: FailureCheck<Acknowledged>,
  options: EveryFailureOptions & { directory: string; n: number },
): Promise<boolean> {
  const { n } = options;
  const root = await makeRoot(options.directory, options.before);
  const port = new FaultPort({ root, ...(options.base && { base: options.base }) });
  const fault = options.error ?? diskFullError();
  inject(port, options, fault);
  const acknowledged: Acknowledged[] = [];
  let error: unknown;
  try {
    await workload(port, root, acknowledged);
  } catch (thrown) {
    error = thrown;
  } finally {
    port.closeAll();
  }
  const call = port.faulted;
  const where = call === undefined
    ? `No failure (run n=${n})`
    : `Failure n=${n}, in ${describeCall(call, root)} (again: { onlyRun: ${n} })`;
  if (error !== undefined && !mayEndWith(error, fault, port, options)) {
    throw withContext(`${where}: the workload failed by itself`, error);
  }
  try {
    await check(root, { n, call, error, acknowledged, port });
  } catch (thrown) {
    throw withContext(where, thrown);
  }
  return call !== undefined;
}

function inject(
  port: FaultPort,
  options: EveryFailureOptions & { n: number },
  error: Error,
): void {
  if (options.inject !== undefined) return options.inject(port, options.n);
  const { only = FALLIBLE, andLater = false } = options;
  port.failAt(options.n, { only, andLater, error });
}

function mayEndWith(
  error: unknown,
  fault: Error,
  port: FaultPort,
  options: EveryFailureOptions,
): boolean {
  if (port.faulted === undefined) return false;
  // Which errors follow from a fault of the caller's own making, only its check can tell.
  return options.inject !== undefined || comesFrom(error, (cause) => cause === fault);
}
