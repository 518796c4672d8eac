/**
 * Runs recorded in a directory, as `_internal/root_layout.ts` draws it. Reading goes by way of the event
 * log's readers; what is written here goes through a port, so that the power can be cut between any two
 * operations of a test.
 */
import { sweepTempsSync } from "../../_internal/atomic_replace.ts";
import { makeDirectoriesSync } from "../../_internal/directories.ts";
import {
  checkObject,
  checkOneOf,
  checkString,
  checkTypes,
  defined,
} from "../../_internal/errors.ts";
import {
  denoFilePort,
  type FilePort,
  lookAtSync,
  openRegularSync,
  readFileSync,
  runSteps,
} from "../../_internal/file_port.ts";
import { linePiecesSync, linesOf } from "../../_internal/json_lines.ts";
import {
  absoluteRoot,
  checkRunId,
  checkRunName,
  isReplacedRunFile,
  MAX_RUN_FILE_BYTES,
  type RunPaths,
  runPaths,
  runsDirectory,
} from "../../_internal/root_layout.ts";
import {
  checkRunFormatSync,
  holdLiveSteps,
  makeRunFolderSync,
  nextUlidSteps,
  parseRunFile,
  refuseLinksSync,
  rememberNewRun,
} from "../../_internal/run_folder.ts";
import { compareBytes, decodeManyLines, decodeUtf8, NEWLINE } from "../../_internal/text.ts";
import { listRuns, removeRun, sweepRemovedRuns } from "../../eventlog/runs_directory.ts";
import type {
  HeldRun,
  HoldOptions,
  InboxMessage,
  ReceivedRun,
  RunAbout,
  RunListing,
  RunsRoot,
  RunView,
} from "../types.ts";
import { asRunError, missingError, runError } from "../run_error.ts";
import { FileHeldRun } from "./file_held_run.ts";
import { FileRunView } from "./file_run_view.ts";
import { removeRuntimeOf, StoreFollower } from "./store_follower.ts";
import { SyncedFolder } from "./folders.ts";

/** How long to wait for whoever holds a run: longer than anybody who only looks whether it is held. */
const HOLD_TIMEOUT_MS = 500;
/** How long to wait for others that append to a file. */
const LOCK_TIMEOUT_MS = 5000;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;

/**
 * Opens a directory of runs: what the `taffrail` command records into. Nothing is made before the first run
 * is. The runs are read by the command and by the functions of the event log too.
 *
 * **Durability**: what is appended survives the death of the process at once, and a power cut behind a
 * barrier; documents and messages are on disk when they are acknowledged.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the directory.
 *
 * @param path The directory; it is made, with its parents, when a run is begun.
 * @returns The root.
 * @throws {TypeError} If it is no path, such as a URL.
 *
 * @example A run of its own lines
 * ```ts
 * import { openFileRoot } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * await using root = openFileRoot(await Deno.makeTempDir());
 * await using held = await root.create({ about: { name: "nightly" } });
 * await held.append({ capture: [`{"n":1}`] });
 * await held.barrier();
 *
 * const { events } = await root.view(held.view.runId).lines("capture");
 * assertEquals(events, [{ seq: 1, event: { n: 1 } }]);
 * ```
 */
export function openFileRoot(path: string): RunsRoot {
  checkString(path, "path");
  return new FileRoot(denoFilePort, absoluteRoot(path), { hasStore: true });
}

/** {@linkcode openFileRoot} on a given file system, without a store, which would go around it. */
export function openRootOnPort(port: FilePort, path: string): RunsRoot {
  return new FileRoot(port, absoluteRoot(path), { hasStore: false });
}

class FileRoot implements RunsRoot {
  readonly name: string;
  readonly #port: FilePort;
  readonly #hasStore: boolean;
  readonly #folder: SyncedFolder;
  readonly #runs: SyncedFolder;

  constructor(port: FilePort, root: string, { hasStore }: { hasStore: boolean }) {
    this.name = root;
    this.#port = port;
    this.#hasStore = hasStore;
    this.#folder = new SyncedFolder(port, root);
    this.#runs = new SyncedFolder(port, runsDirectory(root));
  }

  async list(
    options: { prefix?: string; after?: string; limit?: number; newestFirst?: boolean } = {},
  ): Promise<{ runs: RunListing[]; next?: string }> {
    const types = { prefix: "string?", after: "string?", limit: "number?" } as const;
    checkTypes(options, { ...types, newestFirst: "boolean?" });
    const { prefix = "", after, limit = DEFAULT_LIMIT, newestFirst = false } = options;
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
      throw new RangeError(`Cannot list ${limit} runs: limit must be from 1 to ${MAX_LIMIT}`);
    }
    const all = await this.#attempt("", () => listRuns(this.name));
    const way = newestFirst ? -1 : 1;
    const ids = (newestFirst ? all.toReversed() : all).filter((runId) => {
      const isBehind = after === undefined || compareBytes(runId, after) * way > 0;
      return runId.startsWith(prefix) && isBehind;
    });
    const page = ids.slice(0, limit);
    const runs = await Promise.all(page.map((runId) => this.#listing(runId)));
    return { runs, ...(ids.length > limit && { next: page.at(-1)! }) };
  }

  async create(options: { about: RunAbout; runId?: string } & HoldOptions): Promise<HeldRun> {
    checkTypes(options, { about: "object", runId: "string?", timeoutMs: "number?" });
    const { about, runId: chosen } = options;
    checkTypes(about, { name: "string", cwd: "string?", command: "object?", version: "string?" });
    checkDurability(options);
    if (chosen === undefined) checkRunName(about.name);
    else checkRunId(chosen);
    const runId = chosen ?? await this.#newRunId(about.name);
    return await this.#attempt(runId, async () => {
      const paths = runPaths(this.name, runId);
      const facts = defined({ ...about });
      if (!makeRunFolderSync(this.#port, { root: this.name, runId, paths, facts })) {
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

  async hold(runId: string, options: HoldOptions = {}): Promise<HeldRun> {
    checkRunId(runId);
    checkTypes(options, { timeoutMs: "number?" });
    checkDurability(options);
    return await this.#attempt(runId, async () => {
      const paths = runPaths(this.name, runId);
      refuseLinksSync(this.#port, [runsDirectory(this.name), ...Object.values(paths)]);
      this.#checkThere(runId, paths);
      checkRunFormatSync(this.#port, paths);
      const folder = this.#folderOf(paths, { isRootOnDisk: false });
      return await this.#hold(paths, { runId, folder, options, isNew: false });
    });
  }

  view(runId: string): RunView {
    return new FileRunView(this.name, runId);
  }

  async post(runId: string, message: InboxMessage): Promise<void> {
    checkRunId(runId);
    checkObject(message, "message");
    await this.#attempt(runId, async () => {
      const paths = runPaths(this.name, runId);
      refuseLinksSync(this.#port, [runsDirectory(this.name), paths.directory]);
      this.#checkThere(runId, paths);
      checkRunFormatSync(this.#port, paths);
      const inbox = { port: this.#port, root: this.name, runId, lockTimeoutMs: LOCK_TIMEOUT_MS };
      // Most runs get no message, and load no code for it.
      const { postMessage } = await import("./inbox.ts");
      // Whoever made the file, or the run, may have been killed before its name was on disk.
      const named = this.#folderOf(paths, { isRootOnDisk: false });
      await postMessage(inbox, message).then(() => named.reach()).catch((error) => {
        // Whoever has removed the run meanwhile is why.
        this.#checkThere(runId, paths);
        throw error;
      });
    });
  }

  async receive(runId: string): Promise<ReceivedRun> {
    checkRunId(runId);
    const place = { port: this.#port, root: this.name, runId };
    return await this.#attempt(runId, async () => {
      const { FileReceivedRun } = await import("./file_received_run.ts");
      return await FileReceivedRun.begin(place);
    });
  }

  async remove(runId: string): Promise<void> {
    await this.#attempt(runId, async () => {
      this.#checkThere(runId, runPaths(this.name, runId));
      if (this.#hasStore) await removeRuntimeOf(this.name, runId);
      await removeRun(this.name, runId);
    });
  }

  async sweep(): Promise<number> {
    return await this.#attempt("", async () => {
      const { sweepReceived } = await import("./file_received_run.ts");
      return await sweepRemovedRuns(this.name) + await sweepReceived(this.#port, this.name);
    });
  }

  async digestKey(): Promise<{ id: string; key: Uint8Array }> {
    return await this.#attempt("", async () => {
      makeDirectoriesSync(this.#port, this.name, []);
      const { readDigestKey } = await import("./digest_key.ts");
      return await readDigestKey(this.#port, this.name, LOCK_TIMEOUT_MS);
    });
  }

  /** Nothing is open between the calls. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  async #newRunId(name: string): Promise<string> {
    return await this.#attempt(name, async () => {
      // The number need not be on disk: a run that is there after a power cut has it in its name.
      const ulid = await runSteps(nextUlidSteps(this.#port, this.name, { isOnDisk: false }));
      const runId = `${name}-${ulid}`;
      rememberNewRun(runPaths(this.name, runId));
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
        view: this.view(runId),
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
    const has = (path: string) => lookAtSync(this.#port, path) !== undefined;
    const runFile = has(paths.run)
      ? readFileSync(this.#port, paths.run, MAX_RUN_FILE_BYTES)
      : undefined;
    const isThere = () => has(paths.directory);
    return new StoreFollower({ root: this.name, ...how, runFile, isThere });
  }

  #checkThere(runId: string, { directory }: RunPaths): void {
    if (lookAtSync(this.#port, directory)?.isDirectory) return;
    throw missingError(runId, this.name);
  }

  /** What cannot be read of a run is left out: that it is there is known. */
  async #listing(runId: string): Promise<RunListing> {
    const view = this.view(runId);
    const [document, holder, peek] = await Promise.all([
      view.document("run.json").catch(() => undefined),
      view.holder().catch(() => undefined),
      view.peek().catch(() => undefined),
    ]);
    const events = peek?.events ?? [];
    return defined({
      runId,
      createdAt: createdAtIn(document),
      holder,
      first: events[0],
      last: events.at(-1),
    });
  }

  async #attempt<T>(runId: string, operation: () => T | Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      throw asRunError(error, { runId, path: this.name });
    }
  }
}

function checkDurability({ durability }: HoldOptions): void {
  if (durability !== undefined) checkOneOf(durability, "durability", ["os", "disk"]);
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

function createdAtIn(document: Uint8Array | undefined): string | undefined {
  try {
    const createdAt = document && parseRunFile(document).created_at;
    return typeof createdAt === "string" ? createdAt : undefined;
  } catch {
    return undefined;
  }
}
