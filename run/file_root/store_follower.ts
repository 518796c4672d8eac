/**
 * The store of a run follows its log. What is always true:
 *
 * 1. **It is behind what was appended, and in nobody's way**: it is loaded and opened when there is much to
 *    take, or at the end, and whoever appends does not wait for it.
 * 2. **It follows a log of {@linkcode MOST_FOLLOWED} lines, and stays behind a longer one**: with a file or
 *    more for each attempt, the end of a run of 10,000 steps took longer than the run. `taffrail repair`
 *    brings it up to the log, for who wants that.
 * 3. **What it cannot take harms the log in nothing.** It is told when the run is given up, takes nothing
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
/** The store of a run whose log has more lines does not follow it any more: some 1,000 attempts. */
export const MOST_FOLLOWED = 2000;

/** What a {@linkcode StoreFollower} needs. */
interface StoreFollowerOptions {
  root: string;
  runId: string;
  /** The bytes of `run.json`, which has the name of what is run. */
  runFile: Uint8Array | undefined;
  /** Whether the log may have events that the store has not taken. */
  isBehind: boolean;
  /** How many lines the log has. */
  lines: number;
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
  /** How many lines the log has. */
  #lines: number;

  constructor(options: StoreFollowerOptions) {
    this.#options = options;
    this.#lines = options.lines;
  }

  get #isLeft(): boolean {
    return this.#lines > MOST_FOLLOWED;
  }

  /** Takes note of lines that the log has now. */
  take(lines: readonly string[]): void {
    this.#lines += lines.length;
    if (this.#isLeft) this.#waiting = [];
    if (this.#isLeft || this.#failure !== undefined) return;
    this.#waiting.push(...lines);
    if (this.#isDue()) this.#taking ??= this.#takeAll(() => this.#isDue());
  }

  #isDue(): boolean {
    const { length } = this.#waiting;
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
      if (this.#isLeft) await this.#workers?.leave();
      else await this.#workers?.close();
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
