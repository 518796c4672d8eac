import {
  followRun,
  type Gap,
  isLive,
  readRun,
  type RunEvent,
  type Stored,
} from "../eventlog/mod.ts";
import { wait } from "./flow/wait.ts";

/** What comes out of a log. */
export type RunItem = Stored<RunEvent> | Gap;

/** How a run that was followed ended: by its last event, or because nobody works on it any more. */
export type RunEnd = "completed" | "aborted" | "not-live";

/** How often to ask whether anybody still works on a run: the system tells nobody. */
export const LIVE_POLL_MS = 500;

/** Passes on the events of a run behind a seq, those that are there and those that come, to its end. */
export async function followToEnd(
  { root, runId, after = 0 }: { root: string; runId: string; after?: number },
  print: (item: RunItem) => void,
): Promise<RunEnd> {
  let lastSeq = after;
  const take = (item: RunItem): RunEnd | undefined => {
    print(item);
    lastSeq = item.seq;
    return endOf(item);
  };
  const left = new AbortController();
  const watching = abandonWhenNotLive(root, runId, left);
  try {
    for await (const item of followRun(root, runId, { after, signal: left.signal })) {
      const end = take(item);
      if (end !== undefined) return end;
    }
    // What came between the last look at the log and the end of its last writer.
    for await (const { events, gaps } of readRun(root, runId, { after: lastSeq })) {
      for (const item of [...gaps, ...events].toSorted((a, b) => a.seq - b.seq)) {
        const end = take(item);
        if (end !== undefined) return end;
      }
    }
    return "not-live";
  } finally {
    left.abort();
    await watching;
  }
}

async function abandonWhenNotLive(
  root: string,
  runId: string,
  left: AbortController,
): Promise<void> {
  while (!left.signal.aborted && await isLive(root, runId)) await wait(LIVE_POLL_MS, left.signal);
  left.abort();
}

function endOf(item: RunItem): RunEnd | undefined {
  if (!("event" in item)) return undefined;
  if (item.event.type === "pipe.completed") return "completed";
  return item.event.type === "pipe.aborted" ? "aborted" : undefined;
}
