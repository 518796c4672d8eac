/**
 * The store of a run follows its log. What is always true:
 *
 * 1. **It is behind what was appended, and in nobody's way**: it is loaded and opened when there is much to
 *    take, or at the end, and whoever appends does not wait for it.
 * 2. **What it cannot take harms the log in nothing.** It is told when the run is given up, takes nothing
 *    any more, and can be made again from the log.
 */
import { TaffrailError } from "../../_internal/errors.ts";
import { turn } from "../../_internal/barrier.ts";
import { parseRunFile } from "../../_internal/run_folder.ts";
import { partsOfRunId } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { RunEvent } from "../../eventlog/run_event.ts";
import { isLive } from "../../eventlog/runs_directory.ts";
import { runError } from "../run_error.ts";
import type { RunWorkers } from "../run_workers.ts";

/** When so many events wait, the store is opened: so it is loaded beside the work, or not before the end. */
const BATCH = 64;
/** So many go into one mutation, 1.5 ms in which no command is started; then the event loop has its turn. */
const PIECE = 16;
/** So much longer than taking a piece took the work has its turn: the store is in nobody's way. */
const REST = 9;
/** When so many wait the store takes them without rest, as it would be memory that they take. */
const MOST_WAITING = 20_000;

/** What a {@linkcode StoreFollower} needs. */
interface StoreFollowerOptions {
  root: string;
  runId: string;
  /** The bytes of `run.json`, which has the name of what is run. */
  runFile: Uint8Array | undefined;
  /** Whether the log has events that the store may not have taken. */
  isBehind: boolean;
  /** Whether the run is still where it was. */
  isThere: () => boolean;
}

/** Takes the events of a run into its store. */
export class StoreFollower {
  readonly #options: StoreFollowerOptions;
  #waiting: string[] = [];
  #workers: RunWorkers | undefined;
  #taking: Promise<void> | undefined;
  /** When the store may take the next piece. */
  #restsUntilMs = 0;
  #failure: { error: unknown } | undefined;

  constructor(options: StoreFollowerOptions) {
    this.#options = options;
  }

  /** Takes note of lines that the log has now. */
  take(lines: readonly string[]): void {
    if (this.#failure !== undefined) return;
    // All that a log has lost may come at once, and be more than a call takes arguments.
    for (const line of lines) this.#waiting.push(line);
    if (this.#isDue()) this.#taking ??= this.#takeAll(() => this.#isDue());
  }

  #isDue(): boolean {
    const { length } = this.#waiting;
    if (length >= MOST_WAITING) return true;
    const isMuch = length >= (this.#workers === undefined ? BATCH : PIECE);
    return isMuch && performance.now() >= this.#restsUntilMs;
  }

  /** Takes the rest, and lets go of the store. Throws when the store is behind the log. */
  async close(): Promise<void> {
    await this.#taking;
    // The store of a run that something has removed or moved would be nobody's.
    if (this.#workers === undefined && !this.#options.isThere()) return;
    await this.#takeAll(() => true);
    try {
      await this.#workers?.close();
    } catch (error) {
      this.#failure ??= { error };
    }
    if (this.#failure === undefined) return;
    const { error: cause } = this.#failure;
    const { runId, root } = this.#options;
    const own = cause instanceof TaffrailError ? cause.remedy : undefined;
    throw runError("io", `Cannot bring the store of ${runId} up to its log: ${reasonOf(cause)}`, {
      details: { runId, path: root },
      remedy: own ?? "taffrail repair makes the store again from it",
      cause,
    });
  }

  /** Takes what waits, as long as it is due. */
  async #takeAll(isDue: () => boolean): Promise<void> {
    try {
      while (this.#waiting.length > 0 && this.#failure === undefined && isDue()) {
        const workers = this.#workers ??= await this.#open();
        const beganMs = performance.now();
        const lines = this.#waiting.splice(0, PIECE);
        await workers.takeAll(lines.map((line) => JSON.parse(line) as RunEvent));
        this.#restsUntilMs = performance.now() + REST * (performance.now() - beganMs);
        if (this.#waiting.length > 0) await turn();
      }
    } catch (error) {
      this.#failure = { error };
      this.#waiting = [];
    }
    this.#taking = undefined;
  }

  async #open(): Promise<RunWorkers> {
    const { root, runId, isBehind } = this.#options;
    const of = { root, runId, name: this.#name() };
    // Loaded beside the work, since no line of it is needed before.
    if (!isBehind) return await (await import("../run_workers.ts")).RunWorkers.open(of);
    const { restoreRunWorkers } = await import("../restore_workers.ts");
    return (await restoreRunWorkers(of)).workers;
  }

  #name(): string {
    const { runId, runFile } = this.#options;
    const name = runFile === undefined ? undefined : parseRunFile(runFile).name;
    return typeof name === "string" ? name : partsOfRunId(runId)?.name ?? runId;
  }
}

/** A program of the user's may log alone, and its run have an id that is too long for a runtime. */
const HAS_NO_RUNTIME: ReadonlySet<unknown> = new Set(["store-missing", "invalid-request"]);

/**
 * Removes what the store has of a run that nobody holds. It goes before the run: killed in between, the
 * run is still listed, and its log makes it again.
 */
export async function removeRuntimeOf(root: string, runId: string): Promise<void> {
  if (await isLive(root, runId)) {
    throw runError("live", `Cannot remove the run ${runId}: somebody holds it`, {
      details: { runId, path: root },
    });
  }
  const { removeRuntime } = await import("../../store/check/remove_runtime.ts");
  try {
    await removeRuntime(root, runId);
  } catch (error) {
    if (!(error instanceof Error) || !HAS_NO_RUNTIME.has(Reflect.get(error, "kind"))) throw error;
  }
}
