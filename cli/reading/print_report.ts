import { runPaths } from "../../_internal/root_layout.ts";
import { failureText } from "../../_internal/text.ts";
import { nodeIdProblem } from "../flow/flow.ts";
import { readOutputTail, shortLine } from "../process/output_file.ts";
import { columnWidth, commandLine, printableLine } from "../text/printable.ts";
import type { Colour, Screen } from "../text/screen.ts";
import { formatDuration, formatTime } from "../text/units.ts";
import { commandHint } from "./find_run.ts";
import { goOnHint, START_PROGRAM } from "./program_about.ts";
import type { StepEnd } from "./program_facts.ts";
import { type Outcome, outcomeOf, outcomeText, reasonText } from "./run_outcome.ts";
import type { AttemptReport, NodeReport, RunReport } from "./run_report.ts";
import type { OtherLog } from "./run_summary.ts";
import { isOfFiles, type RunPlace } from "./open_root.ts";

const TAIL_LINES = 10;
/** As wide as the ids of nodes; those of steps may be far longer. */
const MOST_ID_WIDTH = 64;

/** What is said of a run of which not all is there. */
export const REDACTED =
  "it was redacted: commands, outputs, inputs and results are left out; *** stands for them";
/** The same of one that had no end. */
export const NO_END = "it had no end when it was exported.";
/** What is said where lines of the log cannot be used. */
export const MAY_BE_WRONG = "what they told is lost, so what is shown here may be wrong";

/** What is said of a run in other words than those for a flow. */
export interface ReportWords {
  /** What was run, in place of the name of the flow. */
  head(report: RunReport): string[];
  /** What an attempt came to, to stand behind all else that is said of it. */
  end(attempt: StepEnd): string;
  /** What stands behind the nodes; with the width of their ids. */
  rest(report: RunReport, width: number): string[];
  /** What is told of a failed node that has printed nothing. */
  failure(node: NodeReport): string[];
}

/** Prints a run: its state, its nodes, and where its log is. */
export async function printReport(
  screen: Screen,
  report: RunReport,
  place: RunPlace,
  words?: ReportWords,
): Promise<void> {
  const { root } = place;
  const { redacted = false } = report;
  const reason = typeof report.state === "object" ? report.state.Aborted.reason : undefined;
  const goOn = reason === undefined || redacted ? undefined : await goOnHint(place);
  const orphan = !report.is_orphan ? [] : redacted ? [NO_END] : await orphanLines(place);
  using _batch = screen.batch();
  printTitle(screen, report.run_id, report.outcome);
  if (reason !== undefined) screen.line(`reason  ${printableLine(reasonText(reason))}`);
  if (goOn !== undefined) screen.line(`go on   ${goOn}`);
  if (report.is_suspended) {
    const stop = commandHint("stop", { root, runId: report.run_id });
    screen.line("reason  its process was suspended, as by Ctrl-Z; SIGCONT continues it, and it is");
    screen.line(`        ended by: ${stop}`);
  }
  if (orphan.length > 0) screen.line(`reason  ${orphan.join(`\n${" ".repeat(8)}`)}`);
  const head = words?.head(report) ?? [`flow    ${printableLine(report.pipe) || "unknown"}`];
  for (const line of head) screen.line(line);
  if (redacted) screen.line(screen.paint(`note    ${REDACTED}`, "yellow"));
  screen.line(`when    ${timesOf(report)}`);
  screen.line(`log     ${logText({ root, runId: report.run_id })}`);
  if (report.trace_id !== undefined) screen.line(`trace   ${report.trace_id}`);
  if (report.damaged_lines > 0) {
    const what = `${report.damaged_lines} unusable; ${printableLine(report.first_damage ?? "")}`;
    screen.line(screen.paint(`lines   ${what}`, "red"));
    screen.line(`        ${MAY_BE_WRONG}`);
  }
  const width = Math.min(MOST_ID_WIDTH, columnWidth(idsOf(report), 0));
  for (const node of report.nodes) {
    screen.line(`  ${nodeLine(screen, node, report, { width, words })}`);
    // What it came to before it was skipped is not what became of it.
    const fewest = node.skipped === undefined ? 1 : 0;
    if ((node.attempts?.length ?? 0) > fewest) {
      for (const attempt of node.attempts!) {
        screen.line(`      ${attemptLine(node.id, attempt, report, words)}`);
      }
    }
    for (const text of cutLines(node)) screen.line(screen.paint(`      ${text}`, "yellow"));
    if (node.waits !== undefined && !redacted) {
      const pass = commandHint("pass", { root, runId: report.run_id });
      screen.line(screen.paint(`      ${pass} ${node.id}`, "dim"));
    }
    for (const text of deferralLines(node)) screen.line(screen.paint(`      ${text}`, "dim"));
  }
  for (const line of words?.rest(report, width) ?? []) screen.line(line);
}

/** Where the log of a run is, to people. */
export function logText({ root, runId }: { root: string; runId: string }): string {
  return isOfFiles(root) ? runPaths(root, runId).events : `${runId} in ${root}`;
}

function printTitle(screen: Screen, runId: string, outcome: Outcome): void {
  const { text, colour } = outcomeText(outcome);
  screen.line(`${screen.paint(runId, "bold")}  ${screen.paint(text, colour)}`);
}

/** Prints what is known of a log that another program wrote. */
export function printOtherLog(screen: Screen, log: OtherLog, root: string): void {
  const { run_id: runId } = log;
  printTitle(screen, runId, outcomeOf(log));
  screen.line(`when    ${timesOf(log)}`);
  screen.line(`log     ${logText({ root, runId })}`);
  screen.line("A program wrote it, with events of its own. To print them:");
  screen.line(commandHint("follow", { root, runId }));
}

function* idsOf({ nodes }: RunReport): Generator<string> {
  for (const { id } of nodes) yield printableLine(id);
}

/** What is wrong with a run that has no end, in lines, where it is gone on with so. */
export function orphanReason(goOn: string): [string, string] {
  const what = "it has no end, and nobody works on it any more.";
  return goOn === START_PROGRAM
    ? [what, "A program of yours recorded it, or it died before it began: start that again."]
    : [`${what} If its process was killed,`, "what it had started may still run on."];
}

/** The same, and what to do. */
export async function orphanLines(place: RunPlace): Promise<string[]> {
  const goOn = await goOnHint(place);
  const [first, last] = orphanReason(goOn);
  if (goOn === START_PROGRAM) return [first, last];
  return [first, `${last} To end that and continue the run:`, goOn];
}

/** What is missing of what a node printed. */
export function cutLines({ attempts = [] }: NodeReport): string[] {
  return attempts.flatMap(({ attempt, cut }) => {
    if (cut === undefined) return [];
    const { out = 0, err = 0 } = cut;
    const parts = [...missing(out, "stdout"), ...missing(err, "stderr")].join(" and ");
    const which = attempts.length > 1 ? `attempt ${attempt}: ` : "";
    return [`${which}the middle of what it printed was not kept: ${parts}`];
  });
}

function missing(bytes: number, stream: string): string[] {
  return bytes === 0 ? [] : [`${bytes} bytes of ${stream}`];
}

function deferralLines(node: NodeReport): string[] {
  return deferralRuns(node).map(({ text, count }) => {
    return printableLine(count === 1 ? text : `${text}, ${count} times`);
  });
}

/** Why a node had to wait; the same reason many times in a row is told once. */
export function deferralRuns({ deferrals = [] }: NodeReport): { text: string; count: number }[] {
  const runs: { text: string; count: number }[] = [];
  for (const { text } of deferrals) {
    const last = runs.at(-1);
    if (last?.text === text) last.count++;
    else runs.push({ text, count: 1 });
  }
  return runs;
}

function timesOf(
  report: Pick<RunReport, "started_ts" | "last_ts" | "duration_ms" | "is_live">,
): string {
  const { started_ts: started, last_ts: last, duration_ms: milliseconds } = report;
  if (started === null) return "not begun";
  const length = milliseconds !== null
    ? formatDuration(milliseconds)
    : report.is_live
    ? runningSince(started)
    : `last event ${formatTime(last ?? "")}`;
  return printableLine(`${formatTime(started)}, ${length}`);
}

function runningSince(started: string | undefined): string {
  const milliseconds = Date.now() - Date.parse(started ?? "");
  return milliseconds >= 0 ? `running for ${formatDuration(milliseconds)}` : "running";
}

function nodeLine(
  screen: Screen,
  node: NodeReport,
  report: RunReport,
  { width, words }: { width: number; words: ReportWords | undefined },
): string {
  const { mark, colour } = markOf(node);
  const id = printableLine(node.id).padEnd(width);
  const isTold = node.skipped === undefined && typeof node.duration_ms === "number";
  const length = isTold ? formatDuration(node.duration_ms!) : "";
  const attempt = (node.attempt ?? 1) > 1 ? `attempt ${node.attempt}` : "";
  const details = [detailOf(node, report), attempt, unrecordedText(node)]
    .filter((text) => text !== "").join(", ") + (words?.end(node) ?? "");
  const line = `${screen.paint(mark, colour)} ${id}  ${length.padStart(6)}  ${details.trimStart()}`;
  return line.trimEnd();
}

function attemptLine(
  id: string,
  attempt: AttemptReport,
  report: RunReport,
  words: ReportWords | undefined,
): string {
  const length = typeof attempt.duration_ms === "number" ? formatDuration(attempt.duration_ms) : "";
  const how = detailOf({ id, ...attempt }, report) || "completed";
  const details = [how, unrecordedText(attempt)].filter((text) => text !== "").join(", ");
  return `attempt ${attempt.attempt}  ${length.padStart(6)}  ${details}${
    words?.end(attempt) ?? ""
  }`;
}

/** What is said where nothing was recorded of what was printed. */
export function unrecordedText({ terminal }: { terminal?: true }): string {
  return terminal ? "output not recorded: it was left to the terminal" : "";
}

function markOf({ status, skipped }: NodeReport): { mark: string; colour: Colour } {
  if (skipped !== undefined) return { mark: "⏭", colour: "dim" };
  if (status === "Completed") return { mark: "✓", colour: "green" };
  if (status === "Pending") return { mark: "⏸", colour: "dim" };
  if (status === "Running") return { mark: "▸", colour: "yellow" };
  return { mark: "✗", colour: "red" };
}

/** How a gate stands at which a run waits; `until`: for so long. */
export function gateText(until: string | undefined): string {
  return `waits for an answer${until === undefined ? "" : `, until ${formatTime(until)}`}`;
}

/** How a node stands, in words; nothing where its mark says all. */
export function detailOf(node: NodeReport, report: RunReport): string {
  if (node.skipped !== undefined) return `skipped: ${printableLine(node.skipped)}`;
  if (node.waits !== undefined) return gateText(node.waits.until);
  if (node.status === "Pending") return report.is_live ? "" : "not started";
  if (node.status === "Completed") return "";
  if (node.status !== "Running") {
    return printableLine(failureText({ ...node, kind: node.status.Failed.kind }));
  }
  if (report.is_live) return runningSince(node.started_ts);
  return report.is_orphan && !report.redacted ? "was running, and may still run" : "was running";
}

/**
 * Prints the end of what each failed node of a run printed, or what is recorded of its failure; with `hints`
 * also what prints all of it.
 */
export async function printTails(
  screen: Screen,
  report: RunReport,
  { root, view }: RunPlace,
  { words, hints = false }: { words?: ReportWords | undefined; hints?: boolean } = {},
): Promise<void> {
  // Of what was printed nothing is there, and of messages nothing but that there was one.
  if (report.redacted) return;
  using _batch = screen.batch();
  for (const node of report.nodes) {
    const { id, status } = node;
    if (typeof status !== "object") continue;
    const tails = await tailsOf(view, node);
    const hasPrinted = tails.length > 0;
    const { message } = status.Failed;
    if (tails.length === 0 && message !== undefined) {
      const lines = words?.failure(node) ?? message.split("\n").map(printableLine);
      tails.push({ title: `${id}:`, lines });
    }
    for (const { title, lines } of tails) {
      screen.line();
      screen.line(title);
      for (const line of lines) screen.line(`  | ${shortLine(line)}`);
    }
    if (hints && hasPrinted) {
      const hint = commandHint("logs", { root, runId: report.run_id });
      screen.line(screen.paint(`  all of it: ${hint} ${commandLine([id])}`, "dim"));
    }
  }
}

/** The ends of what the last attempt at a node printed, as far as it printed something. */
async function tailsOf(view: RunPlace["view"], node: NodeReport) {
  const { id, attempt = 1, output, terminal } = node;
  const tails: { title: string; lines: string[] }[] = [];
  if (terminal || nodeIdProblem(id) !== undefined || !Number.isSafeInteger(attempt)) return tails;
  for (const stream of ["out", "err"] as const) {
    const lines = await readOutputTail(view, { nodeId: id, attempt, stream }, TAIL_LINES);
    const title = `${id}, the end of ${output?.[stream] ?? `its std${stream}`}:`;
    if (lines.length > 0) tails.push({ title, lines });
  }
  return tails;
}
