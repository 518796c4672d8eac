/**
 * What is written into a root of files: runs are begun, held, and left messages. It goes through a port, so
 * that the power can be cut between any two operations of a test.
 */
import { sweepTempsSync } from "../../_internal/atomic_replace.ts";
import { checkObject, defined } from "../../_internal/errors.ts";
import {
  type FilePort,
  lookAtSync,
  openRegularSync,
  readFileSync,
  runSteps,
} from "../../_internal/file_port.ts";
import { linePiecesSync, linesOf } from "../../_internal/json_lines.ts";
import {
  checkRunId,
  isReplacedRunFile,
  MAX_RUN_FILE_BYTES,
  type RunPaths,
  runPaths,
  runsDirectory,
} from "../../_internal/root_layout.ts";
import {
  checkRunFormatSync,
  holdLiveSteps,
  isRedactedIn,
  makeRunFolderSync,
  nextUlidSteps,
  refuseLinksSync,
  rememberNewRun,
} from "../../_internal/run_folder.ts";
import { decodeManyLines, decodeUtf8, NEWLINE } from "../../_internal/text.ts";
import type { HeldRun, HoldOptions, InboxMessage, RunView } from "../types.ts";
import {
  checkCreateOptions,
  checkHoldOptions,
  type CreateOptions,
  HOLD_TIMEOUT_MS,
} from "../root_arguments.ts";
import { asRunError, redactedError, runError } from "../run_error.ts";
import { FileHeldRun } from "./file_held_run.ts";
import { refuseMissingSync } from "./file_run_view.ts";
import { SyncedFolder } from "./folders.ts";
import { StoreFollower } from "./store_follower.ts";

/** How long to wait for others that append to a file. */
const LOCK_TIMEOUT_MS = 5000;

/** Writes into one root. */
export class RunsWriter {
  readonly #root: string;
  readonly #port: FilePort;
  readonly #hasStore: boolean;
  readonly #view: (runId: string) => RunView;
  readonly #folder: SyncedFolder;
  readonly #runs: SyncedFolder;

  /** `hasStore`: whether a store follows the runs; `view`: how one is read. */
  constructor(
    port: FilePort,
    root: string,
    { hasStore, view }: { hasStore: boolean; view: (runId: string) => RunView },
  ) {
    this.#root = root;
    this.#port = port;
    this.#hasStore = hasStore;
    this.#view = view;
    this.#folder = new SyncedFolder(port, root);
    this.#runs = new SyncedFolder(port, runsDirectory(root));
  }

  /** Begins a run and holds it. */
  async create(options: CreateOptions): Promise<HeldRun> {
    checkCreateOptions(options);
    const { about, runId: chosen } = options;
    const runId = chosen ?? await this.#newRunId(about.name);
    return await this.#attempt(runId, async () => {
      const paths = runPaths(this.#root, runId);
      const facts = defined({ ...about });
      if (!makeRunFolderSync(this.#port, { root: this.#root, runId, paths, facts })) {
        throw runError("exists", `Cannot begin the run ${runId}: there is one of this id`, {
          details: { runId, path: paths.directory },
          remedy: "go on with that one, or choose another id",
        });
      }
      // An id that was given out says that the folder of the runs is on disk.
      const folder = this.#folderOf(paths, { isRootOnDisk: chosen === undefined });
      return await this.#hold(paths, { runId, folder, options, isNew: true });
    });
  }

  /** Holds a run that is there. */
  async hold(runId: string, options: HoldOptions = {}): Promise<HeldRun> {
    checkHoldOptions(runId, options);
    return await this.#attempt(runId, async () => {
      const paths = runPaths(this.#root, runId);
      refuseLinksSync(this.#port, [runsDirectory(this.#root), ...Object.values(paths)]);
      refuseMissingSync(this.#port, { root: this.#root, runId, paths });
      checkRunFormatSync(this.#port, paths);
      if (isRedactedIn(this.#runFile(paths))) throw redactedError(runId, this.#root);
      const folder = this.#folderOf(paths, { isRootOnDisk: false });
      return await this.#hold(paths, { runId, folder, options, isNew: false });
    });
  }

  /** Leaves a message for whoever holds a run. */
  async post(runId: string, message: InboxMessage): Promise<void> {
    checkRunId(runId);
    checkObject(message, "message");
    await this.#attempt(runId, async () => {
      const paths = runPaths(this.#root, runId);
      refuseLinksSync(this.#port, [runsDirectory(this.#root), paths.directory]);
      refuseMissingSync(this.#port, { root: this.#root, runId, paths });
      checkRunFormatSync(this.#port, paths);
      const inbox = { port: this.#port, root: this.#root, runId, lockTimeoutMs: LOCK_TIMEOUT_MS };
      // Most runs get no message, and load no code for it.
      const { postMessage } = await import("./inbox.ts");
      // Whoever made the file, or the run, may have been killed before its name was on disk.
      const named = this.#folderOf(paths, { isRootOnDisk: false });
      await postMessage(inbox, message).then(() => named.reach()).catch((error) => {
        // Whoever has removed the run meanwhile is why.
        refuseMissingSync(this.#port, { root: this.#root, runId, paths });
        throw error;
      });
    });
  }

  async #newRunId(name: string): Promise<string> {
    return await this.#attempt(name, async () => {
      // The number need not be on disk: a run that is there after a power cut has it in its name.
      const ulid = await runSteps(nextUlidSteps(this.#port, this.#root, { isOnDisk: false }));
      const runId = `${name}-${ulid}`;
      rememberNewRun(runPaths(this.#root, runId));
      return runId;
    });
  }

  /** The folder of a run, whose name, and those above, others may have made and not yet synced. */
  #folderOf(paths: RunPaths, { isRootOnDisk }: { isRootOnDisk: boolean }): SyncedFolder {
    const root = isRootOnDisk ? undefined : { folder: this.#folder, position: this.#folder.add() };
    const runs = root === undefined
      ? this.#runs
      : new SyncedFolder(this.#port, this.#runs.path, root);
    const folder = new SyncedFolder(this.#port, paths.directory, {
      folder: runs,
      position: runs.add(),
    });
    folder.add();
    return folder;
  }

  async #hold(
    paths: RunPaths,
    { runId, folder, options, isNew }: {
      runId: string;
      folder: SyncedFolder;
      options: HoldOptions;
      isNew: boolean;
    },
  ): Promise<HeldRun> {
    const { durability = "os", timeoutMs = HOLD_TIMEOUT_MS } = options;
    const port = this.#port;
    // At least one look, where nobody is to be waited for.
    const live = await runSteps(holdLiveSteps(port, {
      path: paths.liveLock,
      exclusive: true,
      timeoutMs: Math.max(timeoutMs, Number.MIN_VALUE),
    }));
    let held: FileHeldRun | undefined;
    try {
      sweepTempsSync(port, paths.directory, isReplacedRunFile);
      const hasJournal = lookAtSync(port, paths.journal) !== undefined;
      const { begins, lines } = isNew ? { begins: 0, lines: 0 } : countLines(port, paths.events);
      held = new FileHeldRun({
        port,
        view: this.#view(runId),
        paths,
        token: BigInt(begins + 1),
        folder,
        live,
        durability,
        lockTimeoutMs: LOCK_TIMEOUT_MS,
        store: this.#hasStore
          ? this.#storeOf(paths, { runId, lines, isBehind: !isNew })
          : undefined,
      });
      // A run that another program has begun has no journal, and is not given one for being held.
      held.open(isNew || hasJournal ? ["capture", "events"] : ["events"]);
      return held;
    } catch (error) {
      if (held === undefined) live.release();
      else await held[Symbol.asyncDispose]().catch(() => {});
      throw error;
    }
  }

  #storeOf(
    paths: RunPaths,
    how: { runId: string; lines: number; isBehind: boolean },
  ): StoreFollower {
    const isThere = () => lookAtSync(this.#port, paths.directory) !== undefined;
    const runFile = this.#runFile(paths);
    return new StoreFollower({ root: this.#root, ...how, runFile, isThere });
  }

  #runFile({ run: path }: RunPaths): Uint8Array | undefined {
    if (lookAtSync(this.#port, path) === undefined) return undefined;
    return readFileSync(this.#port, path, MAX_RUN_FILE_BYTES);
  }

  async #attempt<T>(runId: string, operation: () => T | Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      throw asRunError(error, { runId, path: this.#root });
    }
  }
}

const BLOCK_BYTES = 256 * 1024;
const BEGIN = "pipe.started";

/** How many lines a log has, and how many are begins of the run: of the others nothing is looked into. */
function countLines(port: FilePort, path: string): { begins: number; lines: number } {
  if (lookAtSync(port, path) === undefined) return { begins: 0, lines: 0 };
  const file = openRegularSync(port, path, { read: true });
  try {
    const count = { begins: 0, lines: 0 };
    for (const piece of linePiecesSync(file, { start: 0, blockBytes: BLOCK_BYTES })) {
      if (piece.kind === "end") break;
      if (piece.kind !== "lines") {
        count.lines++;
        continue;
      }
      count.lines += newlinesIn(piece.bytes);
      if (decodeManyLines(piece.bytes)?.includes(BEGIN) === false) continue;
      for (const { bytes } of linesOf(piece)) if (isBegin(bytes)) count.begins++;
    }
    return count;
  } finally {
    file.close();
  }
}

function newlinesIn(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

/** Damage is no begin. */
function isBegin(line: Uint8Array): boolean {
  try {
    const text = decodeUtf8(line);
    if (!text.includes(BEGIN)) return false;
    return Reflect.get(Object(JSON.parse(text)), "type") === BEGIN;
  } catch {
    return false;
  }
}
