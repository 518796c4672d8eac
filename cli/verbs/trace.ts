import { reasonOf } from "../../_internal/text.ts";
import { readTrace } from "../../trace/read_trace.ts";
import { replayTrace, type TraceReplay, type TraceStepReplay } from "../../trace/replay_trace.ts";
import { toChromeTrace } from "../../trace/to_chrome_trace.ts";
import type { TraceEnvelope, TraceStep } from "../../trace/types.ts";
import { optionError, UsageError } from "../exit_codes.ts";
import { givenFlow } from "../flow/read_flow.ts";
import { Interrupts } from "../process/interrupts.ts";
import { isFromMissingFile } from "../files.ts";
import { findReadableRun } from "../reading/find_run.ts";
import {
  documentPlace,
  isOfFiles,
  isRedacted,
  openRoot,
  type RunPlace,
} from "../reading/open_root.ts";
import { readTraceOf } from "../reading/read_documents.ts";
import { isNewer, newerText } from "../reading/open_capture.ts";
import {
  columnWidth,
  commandLine,
  counted,
  listed,
  printableLine,
  shortened,
} from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { formatDuration } from "../text/units.ts";
import {
  COMMAND_OPTIONS,
  commandSettings,
  numberOption,
  onlyOperand,
  type Options,
  type OptionTable,
  readArguments,
  RUN_OPERAND,
  type Verb,
} from "../text/arguments.ts";

const OPTIONS = {
  chrome: {
    value: "FILE",
    text: "write the run, from its log and journal, or the FILE, for ui.perfetto.dev and " +
      "chrome://tracing instead; - writes it to stdout",
  },
  replay: {
    text: "run the commands again, one after the other, up to the one that failed, and compare " +
      "what they print",
  },
  step: { value: "N", text: "with --replay: only this step" },
  "past-failure": { text: "with --replay: go on behind the step that failed" },
  flow: {
    value: "FLOW",
    text: 'with --replay: the flow that was run, for the values of "env", which are recorded ' +
      "nowhere",
  },
  ...COMMAND_OPTIONS,
} as const satisfies OptionTable;

/** `taffrail trace`: shows the last steps of a run. */
export const traceVerb: Verb = {
  summary: "show the last steps of a failed run, or draw any for Perfetto",
  help: {
    about: `Prints the steps that a trace has, newest last, and of those that failed all
that is known. A run has a trace when something in it failed, or with taffrail
run --trace always. FILE is the path of a trace. With --chrome all of a run is
written, also of one that needs none, was killed, or is at work: every attempt
in a lane of where it was made, tied to its retries, what waited and for what,
gates, sleeps, and how much of the limits was used.
${RUN_OPERAND}`,
    usage: ["[options] RUN|FILE"],
    options: OPTIONS,
    operands: ["RUN|FILE"],
    exitCodes: `0 it is printed, or the replay went as recorded, 1 there is none, it cannot be
read, or the replay went otherwise.`,
    json: `the trace as it is in the file, and with --replay { "ok", "replayed",
"reached_end", "steps": [{ "step", "node_id", "outcome", "expected", "actual" }]
}.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("trace", args, OPTIONS);
    const operand = onlyOperand("trace", operands, "run or trace file");
    if (options.chrome !== undefined) return await writeChrome(root, operand, options);
    const { path, trace } = await openTrace(root, operand);
    if (options.replay) return await replay(trace, options, json);
    const screen = new Screen(Deno.stdout);
    if (json) screen.line(JSON.stringify(trace));
    else printTrace(screen, path, trace);
    return 0;
  },
};

/** A trace, and where it is, to people. */
interface OpenedTrace {
  path: string;
  trace: TraceEnvelope;
}

async function openTrace(root: string, operand: string): Promise<OpenedTrace> {
  if (isFile(operand)) {
    const trace = await readTrace(operand).catch((cause) => {
      throw new Error(explain(operand, cause), { cause });
    });
    return { path: operand, trace };
  }
  await using runs = await openRoot(root);
  const runId = await findReadableRun({ root, runs }, operand);
  const path = documentPlace({ root, runId }, "trace.json");
  const place = { root, view: runs.view(runId) };
  const kept = await readTraceOf(place).catch((cause) => {
    throw new Error(explain(path, cause), { cause });
  });
  const trace = kept ?? (isOfFiles(root) ? undefined : await derived(place));
  if (trace !== undefined) return { path, trace };
  if (!await isRedacted(place.view)) throw new Error(noTrace(path));
  throw new Error(
    `Cannot show a trace of ${runId}: it was redacted, so that its trace is left out`,
  );
}

/** In a database a run has a trace of its own only where it was copied there with one. */
async function derived(place: RunPlace): Promise<TraceEnvelope | undefined> {
  const { deriveTrace } = await import("../reading/derive_trace.ts");
  return await deriveTrace(place);
}

function explain(path: string, cause: unknown): string {
  if (isNewer(cause)) return newerText(cause);
  return isFromMissingFile(cause) ? noTrace(path) : reasonOf(cause);
}

function noTrace(path: string): string {
  return `Cannot show a trace: there is no ${path}; a run leaves one when something in it fails, ` +
    "or with --trace always, but not when its process was killed: taffrail show tells what it did";
}

/** Of a run all of it is drawn, from its log and journal; of a file the steps that it has. */
async function writeChrome(
  root: string,
  operand: string,
  { chrome: target = "-", replay }: Options<typeof OPTIONS>,
): Promise<number> {
  if (replay) throw new UsageError("Give --chrome or --replay: a replay draws nothing");
  const { writeChromeRun, writePieces } = await import("../chrome/write_chrome.ts");
  if (isFile(operand)) {
    const { trace } = await openTrace(root, operand);
    writePieces([`${JSON.stringify(toChromeTrace(trace))}\n`], target);
    return 0;
  }
  await using runs = await openRoot(root);
  const runId = await findReadableRun({ root, runs }, operand);
  await writeChromeRun({ root, view: runs.view(runId) }, target);
  return 0;
}

/** Whether what stands on the command line is the path of a trace, and no run. */
function isFile(operand: string): boolean {
  return /[/\\]|\.json$/.test(operand);
}

async function replay(
  trace: TraceEnvelope,
  options: Options<typeof OPTIONS>,
  json: boolean,
): Promise<number> {
  const screen = new Screen(Deno.stdout);
  const settings = commandSettings(options);
  const flow = await givenFlow(options.flow, settings.masks);
  using interrupts = new Interrupts();
  interrupts.listen((signal) => new Screen(Deno.stderr).line(`${signal}: ending what runs`));
  const { StepReplay } = await import("../process/rerun_commands.ts");
  await using commands = await StepReplay.open(trace, flow, {
    interrupts,
    ...settings,
  });
  const step = numberOption(options, "step", parseStep);
  const found = await replayTrace(trace, commands.execute, {
    untilFailure: !options["past-failure"],
    signal: interrupts.stop,
    ...(step !== undefined && { step }),
  }).catch((error) => {
    if (error instanceof RangeError) throw new UsageError(error.message);
    if (interrupts.received === undefined) throw error;
  });
  if (interrupts.received !== undefined || found === undefined) {
    return interrupts.received!.exitCode;
  }
  const { ok, replayed, reachedEnd, steps } = found;
  if (json) {
    const rows = steps.map(({ step, node_id, outcome, expected, actual }) => {
      return { step, node_id, outcome, expected: expected ?? null, actual: actual ?? null };
    });
    screen.line(JSON.stringify({ ok, replayed, reached_end: reachedEnd, steps: rows }));
    return ok && replayed > 0 ? 0 : 1;
  }
  for (const replayed of steps) {
    const { lines, error, outcome } = replayed;
    for (const line of lines) screen.line(printableLine(line));
    if (isMended(trace, replayed)) screen.line("  succeeds now, where it had failed");
    if (error === undefined) continue;
    const reason = reasonOf(error);
    const how = outcome === "failed-again" ? "failed again, as recorded" : "failed, unlike then";
    screen.line(`  ${printableLine(`${how}: ${reason}`)}`);
  }
  screen.line(verdict(screen, trace, found));
  return ok && replayed > 0 ? 0 : 1;
}

/** Whether a step had failed when it was recorded, and does so no more: somebody has mended it. */
function isMended({ steps }: TraceEnvelope, { step, outcome }: TraceStepReplay): boolean {
  return outcome === "diverges" && steps[step - 1]!.error !== undefined;
}

function verdict(
  screen: Screen,
  trace: TraceEnvelope,
  { ok, replayed, steps }: TraceReplay,
): string {
  if (replayed === 0) return `${screen.mark(false)} no step could be replayed`;
  const count = `${counted(replayed, "step")} ${replayed === 1 ? "was" : "were"} replayed`;
  if (ok) return `${screen.mark(true)} ${count}, and went as recorded`;
  const unlike = steps.filter(({ outcome, input }) => {
    return outcome === "diverges" || outcome === "failed" || input !== undefined;
  });
  if (!unlike.every((step) => isMended(trace, step))) {
    return `${screen.mark(false)} ${count}, and not all went as recorded`;
  }
  const names = listed(unlike.map(({ node_id: id }) => printableLine(id)));
  const verb = unlike.length === 1 ? "succeeds" : "succeed";
  return `${count}: ${names} ${verb} now, where it had failed`;
}

function parseStep(option: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw optionError(option, text, "write the number of a step");
}

/** Prints a trace: what it is of, a line a step, and all that is known of the steps that failed. */
function printTrace(screen: Screen, path: string, trace: TraceEnvelope): void {
  const { run_id: runId, flow, written_at: writtenAt, reason, steps } = trace;
  screen.line(screen.paint(printableLine(runId ?? path), "bold"));
  screen.line(`flow     ${printableLine(flow.id)}`);
  if (writtenAt !== undefined) {
    screen.line(`written  ${printableLine(writtenAt)}, ${REASONS.get(reason) ?? `at ${reason}`}`);
  }
  screen.line(`file     ${printableLine(path)}`);
  if ((trace.dropped_steps ?? 0) > 0) {
    screen.line(`dropped  ${trace.dropped_steps} older steps; what is kept are the newest`);
  }
  if (steps.length === 0) return screen.line("it has no steps");
  const names = steps.map(nameOf);
  const width = columnWidth(names, 4);
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

/** What a trace was written for, in words; any other reason is the name of a signal. */
const REASONS = new Map<TraceEnvelope["reason"], string>([
  ["error", "when something failed"],
  ["success", "when all had gone well"],
  ["demand", "at its end, after failures"],
  ["crash", "when taffrail crashed"],
  ["exit", "when its process ended"],
  [undefined, "nobody says why"],
]);

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
  if (Array.isArray(payload?.run)) line("command", shortened(commandLine(payload.run.map(String))));
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
