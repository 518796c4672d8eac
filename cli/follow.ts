import {
  followRun,
  type Gap,
  isKnownRunEvent,
  isLive,
  readRun,
  type RunEvent,
  type Stored,
} from "../eventlog/mod.ts";
import { COMMON_HELP, onlyOperand, readArguments, type Verb } from "./arguments.ts";
import { runEventProblem } from "./check_event.ts";
import { findRun } from "./find_run.ts";
import { wait } from "./flow/wait.ts";
import { describeFailure, ORPHAN } from "./format_report.ts";
import { printableLine } from "./printable.ts";
import { Screen } from "./screen.ts";
import { formatDuration } from "./units.ts";

type Item = Stored<RunEvent> | Gap;

/** How often to ask whether anybody still works on the run: the system tells nobody. */
const LIVE_POLL_MS = 500;

/** `taffrail follow`: prints the events of a run as they come. */
export const followVerb: Verb = {
  summary: "print the events of a run as they come",
  help: `Prints the events of a run, those that are there and then those that come,
until the run ends or nobody works on it any more; the last line says which.
RUN is the id of a run, or its beginning where no other begins so.

Usage: taffrail follow [options] RUN

${COMMON_HELP}

--json prints one JSON object a line: { "seq", "event" } for an event, { "seq",
"gap": { "reason", "message" } } for a line that cannot be read, and at last
{ "end": "completed" | "aborted" | "not-live" }.`,

  async run(args) {
    const { root, json, operands } = readArguments("follow", args);
    const runId = await findRun(root, onlyOperand("follow", operands, "run"));
    const screen = new Screen(Deno.stdout);
    const print = json
      ? (item: Item) => screen.line(jsonOf(item))
      : (item: Item) => screen.line(textOf(item));
    const end = await followToEnd({ root, runId }, print);
    if (json) screen.line(JSON.stringify({ end }));
    else screen.line(endText(end));
    return 0;
  },
};

type End = "completed" | "aborted" | "not-live";

async function followToEnd(
  { root, runId }: { root: string; runId: string },
  print: (item: Item) => void,
): Promise<End> {
  let lastSeq = 0;
  const take = (item: Item): End | undefined => {
    print(item);
    lastSeq = item.seq;
    return endOf(item);
  };
  const left = new AbortController();
  void abandonWhenNotLive(root, runId, left);
  try {
    for await (const item of followRun(root, runId, { signal: left.signal })) {
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

function endOf(item: Item): End | undefined {
  if (!("event" in item)) return undefined;
  if (item.event.type === "pipe.completed") return "completed";
  return item.event.type === "pipe.aborted" ? "aborted" : undefined;
}

function endText(end: End): string {
  if (end === "not-live") return `${ORPHAN} the run has no end, and nobody works on it any more`;
  return `the run has ${end === "completed" ? "completed" : "been aborted"}`;
}

function jsonOf(item: Item): string {
  if ("event" in item) return JSON.stringify({ seq: item.seq, event: item.event });
  const { seq, reason, message } = item;
  return JSON.stringify({ seq, gap: { reason, message } });
}

function textOf(item: Item): string {
  if (!("event" in item)) return printableLine(`line ${item.seq}: ${item.reason}: ${item.message}`);
  const { seq, event } = item;
  const problem = runEventProblem(event);
  if (problem !== undefined) return printableLine(`line ${seq}: ${problem}`);
  const node = "node_id" in event ? String(event.node_id) : "";
  const columns = [event.ts, event.type.padEnd(14), node, detailOf(event)];
  return printableLine(columns.filter((text) => text !== "").join("  "));
}

function detailOf(event: RunEvent): string {
  if (!isKnownRunEvent(event)) return "";
  switch (event.type) {
    case "pipe.started":
      return event.pipe;
    case "pipe.aborted":
      return event.reason;
    case "node.started":
      return event.name ?? "";
    case "node.failed":
      return `${describeFailure(event.error.kind, event.error)}${lengthOf(event)}`;
    case "pipe.completed":
    case "node.completed":
      return lengthOf(event).slice(2);
    case "node.spawned":
      return `process ${event.pid}`;
    case "gate.passed":
      return event.gate;
    case "iteration.started":
      return String(event.iteration);
  }
}

function lengthOf({ duration_ms: milliseconds }: { duration_ms?: number }): string {
  return typeof milliseconds === "number" ? `, ${formatDuration(milliseconds)}` : "";
}
