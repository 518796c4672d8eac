import { AppendFile } from "../_internal/append_file.ts";
import { sweepTempsSync } from "../_internal/atomic_replace.ts";
import { syncDirectoriesSync } from "../_internal/directories.ts";
import { checkTypes } from "../_internal/errors.ts";
import {
  denoFilePort,
  type FilePort,
  runSteps,
  runStepsSync,
  type Steps,
} from "../_internal/file_port.ts";
import {
  absoluteRoot,
  checkRunId,
  isReplacedRunFile,
  type RunPaths,
  runPaths,
} from "../_internal/root_layout.ts";
import {
  checkRunFormatSync,
  type HeldRun,
  holdLiveSteps,
  makeRunFolderSync,
  refuseLinksSync,
} from "../_internal/run_folder.ts";
import { checkSchema, type Redact } from "../_internal/event_codec.ts";
import { appendError, asModuleError } from "./event_log_error.ts";
import { FileEventLog } from "./file_event_log.ts";
import type { RunEvent } from "./run_event.ts";
import type { Durability, StandardSchema } from "./types.ts";

/**
 * How long opening and appending wait for a lock, in milliseconds, where `lockTimeoutMs` does not say it: as
 * long as the original program does.
 */
export const DEFAULT_LOCK_TIMEOUT_MS = 5000;

/** Options of {@linkcode openEventLog}. */
export interface OpenEventLogOptions<E> {
  /** The directory that holds the runs; it is created when it is missing. */
  root: string;
  /** 1 to 128 of `A-Z a-z 0-9 . _ -`; {@linkcode newRunId} makes good ones. */
  runId: string;
  /**
   * When appends are acknowledged, unless they say otherwise.
   *
   * @default {"os"}
   */
  durability?: Durability;
  /**
   * How long to wait for a lock, in milliseconds; 0 always fails (OLG-4).
   *
   * @default {5000}
   */
  lockTimeoutMs?: number;
  /** Checks each event, on append and on read. It must answer synchronously. */
  schema?: StandardSchema<E>;
  /**
   * Hold the run alone: fail with kind `live` if it is open anywhere.
   *
   * @default {false}
   */
  exclusive?: boolean;
  /**
   * Replaces values before they are written: gets each member with its path, such as
   * `$.env.TOKEN`, and returns what is to be kept. Where it throws, a mask is written.
   */
  redact?: Redact;
}

/**
 * Opens the log of a run for writing, and creates it if there is none (OLG-1, OLG-2). A last line
 * that a killed writer left unterminated is completed or moved aside first, which
 * {@linkcode FileEventLog.recovery} tells; no whole line is ever changed. While it is open the run
 * is live.
 *
 * **Durability**: the run's folder and its empty log survive a power cut once this returns.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @typeParam E The events; by default the vocabulary of runs.
 * @param options What to open, and how.
 * @returns The open log.
 * @throws {TypeError} If the run id is not allowed, differs from an existing one only in case, or
 * its folder is a symbolic link; if one of its files is a link, a pipe or anything else than a regular
 * file without a second name; if an option is missing or of a wrong type.
 * @throws {EventLogError} `io`, `lock-timeout`, `live`, or `format` when a newer version wrote it.
 *
 * @example Usage
 * ```ts
 * import { newRunId, openEventLog } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const runId = await newRunId({ root, name: "nightly" });
 * await using log = await openEventLog<{ step: string }>({ root, runId, durability: "disk" });
 * await log.append({ step: "begin" });
 * await log.append({ step: "end" });
 * assertEquals((await log.read()).events.map(({ event }) => event.step), ["begin", "end"]);
 * ```
 */
export function openEventLog<E = RunEvent>(
  options: OpenEventLogOptions<E>,
): Promise<FileEventLog<E>> {
  return openOnPort(denoFilePort, options);
}

/**
 * {@linkcode openEventLog}, blocking.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @typeParam E The events; by default the vocabulary of runs.
 * @param options What to open, and how.
 * @returns The open log.
 * @throws {TypeError} As {@linkcode openEventLog}.
 * @throws {EventLogError} As {@linkcode openEventLog}.
 *
 * @example Usage
 * ```ts
 * import { openEventLogSync } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * using log = openEventLogSync<{ step: string }>({ root, runId: "demo" });
 * assertEquals(log.appendSync({ step: "begin" }).lastSeq, 1);
 * ```
 */
export function openEventLogSync<E = RunEvent>(options: OpenEventLogOptions<E>): FileEventLog<E> {
  return openOnPortSync(denoFilePort, options);
}

/** {@linkcode openEventLog} on a given file system. */
export function openOnPort<E>(
  port: FilePort,
  options: OpenEventLogOptions<E>,
): Promise<FileEventLog<E>> {
  return runSteps(openSteps(port, options));
}

/** {@linkcode openEventLogSync} on a given file system. */
export function openOnPortSync<E>(
  port: FilePort,
  options: OpenEventLogOptions<E>,
): FileEventLog<E> {
  return runStepsSync(openSteps(port, options));
}

function* openSteps<E>(
  port: FilePort,
  relative: OpenEventLogOptions<E>,
): Steps<FileEventLog<E>> {
  checkOptions(relative);
  checkRunId(relative.runId);
  const options = { ...relative, root: absoluteRoot(relative.root) };
  const paths = runPaths(options.root, options.runId);
  const { exclusive = false, lockTimeoutMs: timeoutMs = DEFAULT_LOCK_TIMEOUT_MS } = options;
  let live: HeldRun | undefined;
  try {
    prepare(port, paths, { root: options.root, runId: options.runId });
    live = yield* holdLiveSteps(port, { path: paths.liveLock, exclusive, timeoutMs });
    const file = yield* AppendFile.open({
      port,
      path: paths.events,
      lockPath: paths.eventsLock,
      lockTimeoutMs: timeoutMs,
      held: live,
      toError: (failure) => appendError(failure, paths.events),
    });
    return finish(port, options, { paths, live, file });
  } catch (error) {
    live?.release();
    throw asModuleError(paths.directory, error);
  }
}

function checkOptions<E>(options: OpenEventLogOptions<E>): void {
  checkTypes(options, {
    root: "string",
    runId: "string",
    lockTimeoutMs: "number?",
    exclusive: "boolean?",
    redact: "function?",
  });
  checkSchema(options.schema);
  const { durability = "os", lockTimeoutMs } = options;
  if (durability !== "os" && durability !== "disk") {
    throw new TypeError(`Cannot open a log with durability "${durability}": say "os" or "disk"`);
  }
  if (Number.isNaN(lockTimeoutMs)) {
    throw new RangeError("Cannot wait NaN ms for a lock: set lockTimeoutMs");
  }
}

/** Makes the run's folder. `run.json` is the first thing in it, so that it cannot come too late. */
function prepare(port: FilePort, paths: RunPaths, options: { root: string; runId: string }): void {
  makeRunFolderSync(port, { ...options, paths, facts: { cwd: Deno.cwd() } });
  refuseLinksSync(port, Object.values(paths));
  checkRunFormatSync(port, paths);
  sweepTempsSync(port, paths.directory, isReplacedRunFile);
}

function finish<E>(
  port: FilePort,
  options: OpenEventLogOptions<E>,
  opened: { paths: RunPaths; live: HeldRun; file: AppendFile },
): FileEventLog<E> {
  const { root, runId, durability = "os", schema, redact } = options;
  try {
    syncDirectoriesSync(port, root, ["runs", runId]);
  } catch (error) {
    opened.file.closeSync();
    throw error;
  }
  return new FileEventLog({ port, root, runId, durability, schema, redact, ...opened });
}
