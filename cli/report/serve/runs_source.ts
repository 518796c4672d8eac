/** The data of the page of all runs, as long as somebody looks at it. */
import { wait } from "../../process/end_processes.ts";
import type { OpenedRoot } from "../../reading/open_root.ts";
import { outcomeOf, stateText } from "../../reading/run_outcome.ts";
import {
  type Listed,
  summarizeMore,
  summarizeRuns,
  type Summary,
} from "../../reading/run_summary.ts";
import { shortened } from "../../text/printable.ts";
import { idText, lineText } from "../page_text.ts";
import type { LiveSource } from "./live_feed.ts";
import type { RunRow, RunsData } from "./runs_data.ts";

/** Older ones are for `taffrail ls`. */
const MOST_RUNS = 1000;
const POLL_MS = 1000;
/** Of thousands of runs the list is read for a while, and hardly ever anything has changed. */
const POLLS_PER_READ = 10;

/** What more was read of a run, as long as its log ends the same. */
interface Known {
  ends: string;
  run: Listed;
}

/** Reads the list of runs again and again: nothing tells of a new one. */
export class RunsSource implements LiveSource {
  readonly shape = { list: "runs", readAt: "readMs" } satisfies Record<string, keyof RunsData>;
  readonly #opened: OpenedRoot;
  #known = new Map<string, Known>();
  #pollMs = POLL_MS;

  constructor(opened: OpenedRoot) {
    this.#opened = opened;
  }

  async read(): Promise<Record<string, unknown>> {
    const readMs = Date.now();
    const beganMs = performance.now();
    const all = await summarizeRuns(this.#opened);
    const runs = (await this.#withMore(all.slice(-MOST_RUNS))).map(rowOf);
    const root = lineText(this.#opened.runs.name);
    this.#pollMs = Math.max(POLL_MS, (performance.now() - beganMs) * POLLS_PER_READ);
    return { readMs, root, total: all.length, runs } satisfies RunsData;
  }

  async watch(onChange: () => void, signal: AbortSignal): Promise<void> {
    for (; !signal.aborted; await wait(this.#pollMs, signal)) onChange();
  }

  /** Nothing more is read of a run that has an end, if that was done before. */
  async #withMore(summaries: readonly Summary[]): Promise<Listed[]> {
    const ends = summaries.map(({ run }) => JSON.stringify(run));
    const isNew = ({ run }: Summary, place: number) => {
      return isAtWork(run) || this.#known.get(run.run_id)?.ends !== ends[place];
    };
    const news = summaries.filter(isNew);
    const more = new Map(
      (await summarizeMore(this.#opened, news, { size: false })).map((
        { run },
      ) => [run.run_id, run]),
    );
    const known = summaries.map(({ run }, place): [string, Known] => {
      const { run_id: runId } = run;
      return [runId, { ends: ends[place]!, run: more.get(runId) ?? this.#known.get(runId)!.run }];
    });
    this.#known = new Map(known);
    return known.map(([, { run }]) => run);
  }
}

function isAtWork(run: Listed): boolean {
  const outcome = outcomeOf(run);
  return outcome === "running" || outcome === "suspended";
}

function rowOf(run: Listed): RunRow {
  const { run_id: runId } = run;
  const row = {
    id: idText(runId),
    address: `run/${encodeURIComponent(runId)}`,
    name: "",
    outcome: outcomeOf(run),
    text: stateText(run),
    about: "",
    beganMs: null,
    durationMs: null,
    isLive: isAtWork(run),
  };
  if ("problem" in run) return { ...row, about: lineText(run.problem) };
  const beganMs = Date.parse(run.started_ts ?? "");
  const times = {
    beganMs: Number.isNaN(beganMs) ? null : beganMs,
    durationMs: run.duration_ms,
  };
  if ("is_other_log" in run) return { ...row, ...times };
  const { nodes_completed: completed, nodes_total: total } = run;
  return {
    ...row,
    ...times,
    name: lineText(run.pipe),
    about: lineText(shortened(run.command ?? "")),
    ...(completed !== null && total !== null && { nodes: { completed, total } }),
  };
}
