import { isKnownRunEvent, type RunEvent } from "../eventlog/mod.ts";
import { COMMON_HELP, onlyOperand, readArguments, type Verb } from "./arguments.ts";
import { runEventProblem } from "./check_event.ts";
import { findReadableRun } from "./find_run.ts";
import { followAll } from "./follow_all.ts";
import { followToEnd, type RunEnd, type RunItem } from "./follow_to_end.ts";
import { describeFailure, ORPHAN } from "./format_report.ts";
import { fitTo, printableLine } from "./printable.ts";
import { Screen } from "./screen.ts";
import { formatDuration } from "./units.ts";
import { UsageError } from "./usage_error.ts";

/** `taffrail follow`: prints the events of a run as they come. */
export const followVerb: Verb = {
  summary: "print the events of a run, or of all, as they come",
  help: `Prints the events of a run, those that are there and then those that come,
until the run ends or nobody works on it any more; the last line says which.
RUN is the id of a run, its beginning where no other begins so, or the name of a
flow for its newest run.

Usage: taffrail follow [options] RUN
       taffrail follow [options] --all

  --all               all runs that are worked on, and those that begin later,
                      until it is interrupted; each line begins with the run
${COMMON_HELP}

Exit codes: 0 the run is over, however it ended, 1 there is no such run, or it
cannot be read, 2 called wrongly, 128 + n ended by signal n, as --all always is.
--json prints one JSON object a line: { "seq", "event" } for an event, { "seq",
"gap": { "reason", "message" } } for a line that cannot be read, and at last
{ "end": "completed" | "aborted" | "not-live" }. With --all each of them has a
"run_id", too.`,

  async run(args) {
    const { root, json, options, operands } = readArguments("follow", args, { all: "boolean" });
    const screen = new Screen(Deno.stdout);
    const print = json ? printJson : printText;
    if (options.all === true) {
      if (operands.length > 0) throw new UsageError("Give a run to taffrail follow, or --all");
      const errors = new Screen(Deno.stderr);
      await followAll(root, {
        ready: () => errors.line(`following all runs in ${root}; Ctrl-C ends that`),
        item: (runId, item) => print(screen, item, runId),
        end: (runId, end) => printEnd(screen, end, { json, runId }),
        problem: (runId, message) => errors.line(`${runId}  ${message}`),
      });
      return 0;
    }
    const operand = operands.length === 0 ? missingRun() : onlyOperand("follow", operands, "run");
    const runId = await findReadableRun(root, operand);
    const end = await followToEnd({ root, runId }, (item) => print(screen, item));
    printEnd(screen, end, { json });
    return 0;
  },
};

function missingRun(): never {
  throw new UsageError("taffrail follow needs a run, or --all; see taffrail follow --help");
}

function printEnd(screen: Screen, end: RunEnd, { json, runId }: { json: boolean; runId?: string }) {
  if (json) screen.line(JSON.stringify({ ...(runId && { run_id: runId }), end }));
  else screen.line(`${prefixOf(runId)}${endText(end)}`);
}

function endText(end: RunEnd): string {
  if (end === "not-live") return `${ORPHAN} the run has no end, and nobody works on it any more`;
  return `the run has ${end === "completed" ? "completed" : "been aborted"}`;
}

function printJson(screen: Screen, item: RunItem, runId?: string): void {
  const run = runId === undefined ? {} : { run_id: runId };
  if ("event" in item) {
    screen.line(JSON.stringify({ ...run, seq: item.seq, event: item.event }));
    return;
  }
  const { seq, reason, message } = item;
  screen.line(JSON.stringify({ ...run, seq, gap: { reason, message } }));
}

function printText(screen: Screen, item: RunItem, runId?: string): void {
  const text = `${prefixOf(runId)}${textOf(item)}`;
  screen.line(fitTo(text, screen.isTerminal ? screen.columns : undefined));
}

function prefixOf(runId: string | undefined): string {
  return runId === undefined ? "" : `${runId}  `;
}

function textOf(item: RunItem): string {
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
