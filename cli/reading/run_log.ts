import { isStringArray } from "../../_internal/errors.ts";
import { RunFold } from "../../eventlog/derive_run_state.ts";
import { readRunSync } from "../../eventlog/read_run.ts";
import { isKnownRunEvent, type RunEvent } from "../../eventlog/run_event.ts";

/** What was read from the log of a run. */
export interface RunLog {
  /** Its events, put together. */
  fold: RunFold;
  /** The line number of the last line that was read; 0 when there is none. */
  lastSeq: number;
  /** How many lines cannot be used. */
  damagedLines: number;
  /** What is wrong with the first of them. */
  firstDamage: string | null;
}

/** Reads the whole log of a run. Lines that cannot be used are skipped, and counted. */
export function readRunLog(root: string, runId: string): RunLog {
  const log: RunLog = { fold: new RunFold(), lastSeq: 0, damagedLines: 0, firstDamage: null };
  const damage = (seq: number, problem: string) => {
    log.damagedLines++;
    log.firstDamage ??= `line ${seq}: ${problem}`;
  };
  for (const { events, gaps } of readRunSync<RunEvent>(root, runId)) {
    for (const { seq, reason, message } of gaps) damage(seq, `${reason}: ${message}`);
    for (const { seq, event } of events) {
      const problem = eventProblem(event);
      if (problem === undefined) log.fold.take(event);
      else damage(seq, problem);
    }
    log.lastSeq = Math.max(log.lastSeq, gaps.at(-1)?.seq ?? 0, events.at(-1)?.seq ?? 0);
  }
  return log;
}

/**
 * What keeps a JSON object from being an event that can be shown: members that are missing or of
 * another kind. Any program may write to a log.
 */
export function eventProblem(event: RunEvent): string | undefined {
  const missing = ["type", "id", "ts", "run_id"].find((name) => !isText(event, name));
  if (missing !== undefined) return `the event has no text as "${missing}"`;
  if (!isKnownRunEvent(event) || event.type === "pipe.completed") return undefined;
  if (event.type === "node.failed" && !isText(event.error, "kind")) {
    return 'the event has no kind of "error"';
  }
  const name = OWN_TEXTS[event.type] ?? "node_id";
  if (!isText(event, name)) return `the event has no text as "${name}"`;
  if (event.type !== "pipe.started" || event.nodes === undefined || isStringArray(event.nodes)) {
    return undefined;
  }
  return 'the event has something else than texts as "nodes"';
}

/** The text that events of a run as a whole must have; those of a node have its id. */
const OWN_TEXTS: Partial<Record<string, string>> = {
  "pipe.started": "pipe",
  "pipe.aborted": "reason",
};

function isText(value: unknown, name: string): boolean {
  return typeof value === "object" && value !== null &&
    typeof (value as Record<string, unknown>)[name] === "string";
}
