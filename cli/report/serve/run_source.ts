/** The data of the page of one run, as long as somebody looks at it. */
import type { PageData } from "../page_data.ts";
import { wait } from "../../process/end_processes.ts";
import { readPageData } from "../read_page_data.ts";
import type { OpenedRoot } from "../../reading/open_root.ts";
import type { LiveSource } from "./live_feed.ts";

/** How often to look for what no event tells of: who works on the run, and what a program records. */
const POLL_MS = 1000;

/** Reads a run, and follows its log. */
export class RunSource implements LiveSource {
  readonly shape = { list: "nodes", readAt: "readMs" } satisfies Record<string, keyof PageData>;
  readonly #opened: OpenedRoot;
  readonly #runId: string;
  #before: PageData | undefined;

  constructor(opened: OpenedRoot, runId: string) {
    this.#opened = opened;
    this.#runId = runId;
  }

  async read(): Promise<Record<string, unknown> | undefined> {
    if (await this.#listing() === undefined) return undefined;
    try {
      this.#before = await readPageData(this.#opened, this.#runId, { before: this.#before });
      return { ...this.#before };
    } catch (error) {
      // It may have been removed meanwhile.
      if (await this.#listing() === undefined) return undefined;
      throw error;
    }
  }

  async watch(onChange: () => void, signal: AbortSignal): Promise<void> {
    await Promise.all([this.#follow(onChange, signal), this.#poll(onChange, signal)]);
  }

  async #follow(onChange: () => void, signal: AbortSignal): Promise<void> {
    const { events } = this.#opened.runs.view(this.#runId);
    while (!signal.aborted) {
      try {
        for await (const _ of events.follow({ after: "end", signal })) onChange();
      } catch {
        // What is wrong with it is told by whoever reads it.
        onChange();
      }
      await wait(POLL_MS, signal);
    }
  }

  async #poll(onChange: () => void, signal: AbortSignal): Promise<void> {
    let before: string | undefined;
    while (!signal.aborted) {
      const now = await this.#state();
      if (before !== undefined && now !== before) onChange();
      before = now;
      await wait(POLL_MS, signal);
    }
  }

  /** What tells, with the log, that something is not as it was. */
  async #state(): Promise<string> {
    try {
      const listing = await this.#listing();
      const line = listing && await this.#opened.runs.view(this.#runId).lastLine("capture");
      return JSON.stringify([listing === undefined, listing?.holder?.pid, line]);
    } catch (error) {
      return String(error);
    }
  }

  async #listing() {
    const options = { runIds: [this.#runId], fields: ["holder"] } as const;
    return (await this.#opened.runs.list(options)).runs[0];
  }
}
