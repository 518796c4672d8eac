/**
 * Runs recorded in a directory, as `_internal/root_layout.ts` draws it. Reading goes by way of the event
 * log's readers; what is written here goes through a port, so that the power can be cut between any two
 * operations of a test.
 */
import { makeDirectoriesSync } from "../../_internal/directories.ts";
import { checkString, defined } from "../../_internal/errors.ts";
import { denoFilePort, type FilePort, lookAtSync } from "../../_internal/file_port.ts";
import { absoluteRoot, checkRunId, runPaths } from "../../_internal/root_layout.ts";
import { createdAtIn } from "../../_internal/run_folder.ts";
import { compareUtf8 } from "../../_internal/text.ts";
import { listRuns, removeRun, sweepRemovedRuns } from "../../eventlog/runs_directory.ts";
import type {
  HeldRun,
  HoldOptions,
  InboxMessage,
  ListingField,
  ListOptions,
  ReceivedRun,
  RunListing,
  RunsRoot,
  RunView,
} from "../types.ts";
import { checkListOptions, type CreateOptions } from "../root_arguments.ts";
import { asRunError } from "../run_error.ts";
import { FileRunView, refuseMissingSync } from "./file_run_view.ts";
import type { RunsWriter } from "./runs_writer.ts";

/** How long to wait for others that append to a file. */
const LOCK_TIMEOUT_MS = 5000;

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
  #writer: Promise<RunsWriter> | undefined;

  constructor(port: FilePort, root: string, { hasStore }: { hasStore: boolean }) {
    this.name = root;
    this.#port = port;
    this.#hasStore = hasStore;
  }

  async list(options: ListOptions = {}): Promise<{ runs: RunListing[]; next?: string }> {
    const { prefix, after, limit, newestFirst, runIds, fields } = checkListOptions(options);
    const all = await this.#attempt("", () => {
      return runIds === undefined ? listRuns(this.name) : this.#known(runIds);
    });
    const way = newestFirst ? -1 : 1;
    const ids = (newestFirst ? all.toReversed() : all).filter((runId) => {
      const isBehind = after === undefined || compareUtf8(runId, after) * way > 0;
      return runId.startsWith(prefix) && isBehind;
    });
    const page = ids.slice(0, limit);
    const runs = await Promise.all(page.map((runId) => this.#listing(runId, fields)));
    return { runs, ...(ids.length > limit && { next: page.at(-1)! }) };
  }

  async create(options: CreateOptions): Promise<HeldRun> {
    return await (await this.#writing()).create(options);
  }

  async hold(runId: string, options: HoldOptions = {}): Promise<HeldRun> {
    return await (await this.#writing()).hold(runId, options);
  }

  view(runId: string): RunView {
    return new FileRunView(this.name, runId);
  }

  async post(runId: string, message: InboxMessage): Promise<void> {
    await (await this.#writing()).post(runId, message);
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
      const paths = runPaths(this.name, runId);
      refuseMissingSync(this.#port, { root: this.name, runId, paths });
      const { removeRuntimeOf } = await import("./store_follower.ts");
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

  /** Who only reads loads nothing of what writes. */
  #writing(): Promise<RunsWriter> {
    return this.#writer ??= import("./runs_writer.ts").then(({ RunsWriter }) => {
      return new RunsWriter(this.#port, this.name, {
        hasStore: this.#hasStore,
        view: (runId) => this.view(runId),
      });
    });
  }

  /** Those that are there, in order. */
  #known(runIds: ReadonlySet<string>): string[] {
    return [...runIds].sort(compareUtf8).filter((runId) => {
      return lookAtSync(this.#port, runPaths(this.name, runId).directory)?.isDirectory;
    });
  }

  /**
   * What cannot be read of a run is left out: that it is there is known. Where it is unknown whether somebody
   * holds it, so are the ends of its log: they say nothing of a run at work.
   */
  async #listing(runId: string, fields: ReadonlySet<ListingField>): Promise<RunListing> {
    const listing: RunListing = { runId };
    if (fields.size === 0) return listing;
    const view = this.view(runId);
    const add = async <Name extends keyof RunListing>(
      name: Name,
      read: () => Promise<RunListing[Name] | undefined>,
    ) => {
      try {
        const value = await read();
        if (value !== undefined) listing[name] = value;
        return true;
      } catch {
        // Whoever reads the run is told.
        return false;
      }
    };
    if (fields.has("created")) {
      await add("createdAt", async () => createdAtIn(await view.document("run.json")));
    }
    if (fields.has("size")) await add("size", () => view.size());
    if (fields.has("ends")) await add("log", async () => await this.#logTimes(runId));
    // Asked before the log is read: a run that ends in between is then seen to have ended.
    if (fields.has("holder") && !await add("holder", () => view.holder())) return listing;
    if (fields.has("ends") || fields.has("peek")) await add("peek", () => view.peek());
    const { events = [] } = listing.peek ?? {};
    return defined({ ...listing, first: events[0], last: events.at(-1) });
  }

  #logTimes(runId: string): RunListing["log"] {
    const { mtime, birthtime } = this.#port.lstatSync(runPaths(this.name, runId).events);
    return defined({ madeMs: birthtime?.getTime(), writtenMs: mtime?.getTime() });
  }

  async #attempt<T>(runId: string, operation: () => T | Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      throw asRunError(error, { runId, path: this.name });
    }
  }
}
