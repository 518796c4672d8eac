import type { TraceEnvelope, TraceStep } from "../trace/mod.ts";
import { commandLine, printableLine } from "./printable.ts";
import type { Screen } from "./screen.ts";
import { formatDuration } from "./units.ts";

/** Prints a trace: what it is of, a line a step, and all that is known of the steps that failed. */
export function printTrace(screen: Screen, path: string, trace: TraceEnvelope): void {
  const { run_id: runId, flow, written_at: writtenAt, reason, steps } = trace;
  screen.line(screen.paint(printableLine(runId ?? path), "bold"));
  screen.line(`flow     ${printableLine(flow.id)}`);
  if (writtenAt !== undefined) {
    screen.line(`written  ${printableLine(writtenAt)}, ${whyOf(reason)}`);
  }
  screen.line(`file     ${printableLine(path)}`);
  if ((trace.dropped_steps ?? 0) > 0) {
    screen.line(`dropped  ${trace.dropped_steps} older steps; what is kept are the newest`);
  }
  if (steps.length === 0) return screen.line("it has no steps");
  const names = steps.map(nameOf);
  const width = Math.max(4, ...names.map((name) => name.length));
  const states = `${"STATE".padEnd(9)}  ${"TIME".padStart(6)}  STARTED`;
  const header = `${"STEP".padStart(6)}  ${"NODE".padEnd(width)}  ${states}`;
  screen.line(screen.paint(header, "dim"));
  for (const [index, step] of steps.entries()) {
    const mark = markOf(step);
    const columns = [
      String(index + 1).padStart(6),
      names[index]!.padEnd(width),
      screen.paint(mark.text.padEnd(9), mark.colour),
      formatDuration(step.duration_ms).padStart(6),
      printableLine(step.started_at ?? ""),
    ];
    screen.line(columns.join("  ").trimEnd());
    if (mark.text !== "ok") printDetails(screen, step);
  }
}

/** What a trace was written for, in words. */
function whyOf(reason: TraceEnvelope["reason"]): string {
  switch (reason) {
    case "error":
      return "when something failed";
    case "success":
      return "when all had gone well";
    case "demand":
      return "at its end, after failures";
    case "crash":
      return "when taffrail crashed";
    case "exit":
      return "when its process ended";
    case undefined:
      return "nobody says why";
    default:
      return `at ${reason}`;
  }
}

function nameOf({ node_id: id, attempt }: TraceStep): string {
  return printableLine(attempt === undefined || attempt === 1 ? id : `${id} (${attempt})`);
}

function markOf(
  { status, error }: TraceStep,
): { text: string; colour: "red" | "green" | "yellow" } {
  if (error !== undefined) return { text: "failed", colour: "red" };
  if (status === "in_flight") return { text: "in flight", colour: "yellow" };
  return { text: "ok", colour: "green" };
}

function printDetails(screen: Screen, { invocation_json: invocation, error }: TraceStep): void {
  const line = (name: string, text: string) => {
    for (const [index, part] of text.split("\n").entries()) {
      const label = index === 0 ? name : "";
      screen.line(`        ${label.padEnd(8)} ${printableLine(part)}`);
    }
  };
  const { payload } = (invocation ?? {}) as { payload?: { run?: unknown; cwd?: unknown } };
  if (Array.isArray(payload?.run)) line("command", commandLine(payload.run.map(String)));
  else if (payload !== undefined && payload !== null) line("input", JSON.stringify(payload));
  if (typeof payload?.cwd === "string") line("in", payload.cwd);
  if (error === undefined) return;
  const causes = Array.isArray(error.details) ? error.details : [];
  line("error", error.message);
  for (const cause of causes.slice(1)) line("because", causeText(cause));
}

function causeText(cause: unknown): string {
  const { name, message } = (cause ?? {}) as { name?: unknown; message?: unknown };
  return `${String(name)}: ${String(message)}`;
}
