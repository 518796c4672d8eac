import { join } from "node:path";
import { isLive, listRuns } from "../eventlog/mod.ts";
import { wait } from "./flow/wait.ts";
import { followToEnd, LIVE_POLL_MS, type RunEnd, type RunItem } from "./follow_to_end.ts";

/** Who is told what happens in which run. */
export interface AllRunsView {
  /** Whatever begins from now on is seen. */
  ready(): void;
  /** Something has come. */
  item(runId: string, item: RunItem): void;
  /** A run is over. */
  end(runId: string, end: RunEnd): void;
  /** A run cannot be followed. */
  problem(runId: string, message: string): void;
}

/**
 * Follows all runs that are worked on now, and every run that begins later, until the process is
 * ended. A run that nobody works on is left alone until somebody does again.
 */
export async function followAll(root: string, view: AllRunsView): Promise<never> {
  const runs = new Map<string, FollowedRun>();
  for (const runId of await listRuns(root)) {
    if (!await isLive(root, runId)) runs.set(runId, { state: "resting", lastSeq: 0 });
  }
  view.ready();
  for (;; await wait(LIVE_POLL_MS)) {
    for (const runId of await listRuns(root)) {
      const { state, lastSeq } = runs.get(runId) ?? { state: "new", lastSeq: 0 };
      if (state === "followed" || state === "ended" || !hasLog(root, runId)) continue;
      if (state === "resting" && !await isLive(root, runId)) continue;
      runs.set(runId, { state: "followed", lastSeq });
      void followOne({ root, runId, after: lastSeq }, view).then((run) => runs.set(runId, run));
    }
  }
}

/** What has been seen of a run. */
interface FollowedRun {
  state: "followed" | "resting" | "ended";
  lastSeq: number;
}

async function followOne(
  run: { root: string; runId: string; after: number },
  view: AllRunsView,
): Promise<FollowedRun> {
  let lastSeq = run.after;
  try {
    const end = await followToEnd(run, (item) => {
      lastSeq = item.seq;
      view.item(run.runId, item);
    });
    view.end(run.runId, end);
    return { state: end === "not-live" ? "resting" : "ended", lastSeq };
  } catch (error) {
    view.problem(run.runId, error instanceof Error ? error.message : String(error));
    return { state: "ended", lastSeq };
  }
}

/** The log is made a moment after the folder. */
function hasLog(root: string, runId: string): boolean {
  try {
    return Deno.lstatSync(join(root, "runs", runId, "events.jsonl")).isFile;
  } catch {
    return false;
  }
}
