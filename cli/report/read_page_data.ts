/** How the data of a page is read: the report that `show` gives, the flow, the journal, and ends of outputs. */
import { CONSTRAINT_NAMES, CONSTRAINTS } from "../../_internal/constraints.ts";
import type { CaptureLine } from "../../capture/session/read_capture_lines.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import { reasonOf } from "../../_internal/text.ts";
import { type FlowRecord, readFlowRecord } from "../flow/flow_record.ts";
import { commandHint } from "../reading/find_run.ts";
import { isOfFiles, type OpenedRoot, type RunPlace } from "../reading/open_root.ts";
import {
  gateText,
  logText,
  MAY_BE_WRONG,
  NO_END,
  orphanReason,
  REDACTED,
  type ReportWords,
} from "../reading/print_report.ts";
import { goOnHint, START_PROGRAM } from "../reading/program_about.ts";
import { outcomeOf, outcomeText, reasonText } from "../reading/run_outcome.ts";
import { type NodeReport, readRunReport, type RunReport } from "../reading/run_report.ts";
import { type OtherLog, summarizeRun } from "../reading/run_summary.ts";
import { commandLine, counted } from "../text/printable.ts";
import { formatLimit, formatTime } from "../text/units.ts";
import { criticalPathOf } from "./critical_path.ts";
import { JournalFacts, type WaitSpan } from "./journal_facts.ts";
import { readOutputEnds } from "./output_ends.ts";
import type { PageData, PageFact, PageHint, PageRun, PageWait } from "./page_data.ts";
import { pageNodesOf } from "./page_nodes.ts";
import { idText, jsonText, lineText } from "./page_text.ts";

/** How much of a run is read. */
interface ReadOptions {
  /** When, in milliseconds since 1970: now. */
  readMs?: number;
  /** Whether what failed, or was cancelled, is all whose outputs are wanted. */
  failedOnly?: boolean;
  /** The page as it was read before. */
  before?: PageData | undefined;
}

/** Reads what the page of a run shows, as its records are now. */
export async function readPageData(
  opened: OpenedRoot,
  runId: string,
  options: ReadOptions = {},
): Promise<PageData> {
  const place = { root: opened.root, view: opened.runs.view(runId) };
  const { readMs = Date.now() } = options;
  const summary = await summarizeRun(opened, runId);
  if ("is_other_log" in summary) return pageOfOtherLog(summary, { place, readMs });
  return await readRunData(place, { ...options, readMs });
}

/** {@linkcode readPageData} of a run that is known to be none of another program. */
export async function readRunData(
  place: RunPlace,
  { readMs = Date.now(), failedOnly = false, before }: ReadOptions = {},
): Promise<PageData> {
  const facts = new JournalFacts();
  let limits: PageFact[] = [];
  let fold: RunFold | undefined;
  const report = await readRunReport(place, {
    onLine: (line) => {
      facts.takeLine(line);
      if (line.type === "session") limits = limitFacts(line);
    },
    onFold: (read) => fold = read,
  });
  const { flow, problem } = await readFlow(place);
  const words = report.records === undefined
    ? undefined
    : (await import("../reading/program_words.ts")).programWords(place.root);
  const reports = [...report.nodes];
  const known = beginOf(report, reports);
  const beganMs = known ?? readMs;
  const nodes = pageNodesOf({ report, reports, flow, facts, words, beganMs });
  const left = await readOutputEnds(place.view, {
    reports,
    nodes,
    fold: fold!,
    failedOnly,
    before,
  });
  const waits = facts.waits.map((span) => waitOf(span, { place, beganMs, report }));
  return {
    readMs,
    run: await pageRunOf(place, {
      report,
      flow,
      words,
      problem,
      limits,
      readMs,
      waits,
      beganMs: known,
    }),
    nodes,
    critical: criticalPathOf(nodes, flow === undefined ? "times" : "needs"),
    decisions: facts.decisions.map(({ decision, reason, count }) => {
      return { decision, reason: decisionReason(reason), count };
    }),
    waits,
    records: (report.records ?? []).map(({ id, at, data }) => {
      return { id: idText(id), atMs: Date.parse(at) - beganMs, text: jsonText(data) ?? "" };
    }),
    pauses: facts.pauses.map(([fromMs, toMs]) => [fromMs - beganMs, toMs - beganMs]),
    left,
  };
}

/** What times count from: where the log does not tell when the run began, the first thing that did. */
function beginOf(
  { started_ts: started }: RunReport,
  reports: readonly NodeReport[],
): number | undefined {
  const beganMs = Date.parse(started ?? "");
  if (!Number.isNaN(beganMs)) return beganMs;
  let firstMs = Infinity;
  for (const { attempts = [] } of reports) {
    for (const { started_ts } of attempts) {
      const startMs = Date.parse(started_ts ?? "");
      if (startMs < firstMs) firstMs = startMs;
    }
  }
  return Number.isFinite(firstMs) ? firstMs : undefined;
}

/** A flow that cannot be read costs what only it tells, and no more. */
async function readFlow(
  place: RunPlace,
): Promise<{ flow: FlowRecord | undefined; problem?: string }> {
  try {
    return { flow: await readFlowRecord(place) };
  } catch (error) {
    return { flow: undefined, problem: lineText(reasonOf(error)) };
  }
}

function limitFacts({ config }: CaptureLine & { type: "session" }): PageFact[] {
  return CONSTRAINT_NAMES.flatMap((name): PageFact[] => {
    const limit = config[name];
    return limit === null || limit === 0 ? [] : [[name, formatLimit(limit)]];
  });
}

/** Why something was decided, in the word of the records and what that means. */
function decisionReason(reason: string): string {
  const word = lineText(reason.replaceAll("_", " "));
  for (const { obstacle } of Object.values(CONSTRAINTS)) {
    if (obstacle?.reason === reason) return `${word}: waits for ${obstacle.awaits}`;
  }
  return word;
}

async function pageRunOf(
  place: RunPlace,
  { report, flow, words, problem, limits, readMs, beganMs, waits }: {
    report: RunReport;
    flow: FlowRecord | undefined;
    words: ReportWords | undefined;
    problem: string | undefined;
    limits: PageFact[];
    readMs: number;
    beganMs: number | undefined;
    waits: readonly PageWait[];
  },
): Promise<PageRun> {
  const { root } = place;
  const { outcome, run_id: runId, damaged_lines: damaged, first_damage: first } = report;
  const kind = words === undefined ? "flow" : "program";
  const facts: [string, string | undefined][] = [
    [kind, report.pipe || "unknown"],
    ["version", report.version],
    ["command", report.command && commandLine(report.command)],
    ["what for", flow?.description],
    ["file", flow?.path ?? undefined],
    ...limits,
    ["log", logText({ root, runId })],
    ["read", formatTime(new Date(readMs).toISOString())],
  ];
  const output = jsonText(report.output);
  return {
    id: runId,
    kind,
    name: lineText(report.pipe),
    outcome,
    outcomeText: outcomeText(outcome).text,
    why: await whyOf(place, report),
    next: await hintsOf(place, report, waits),
    logs: commandHint("logs", { root, runId }),
    isLive: report.is_live,
    beganMs: beganMs ?? null,
    durationMs: report.duration_ms,
    damage: [
      ...(report.redacted ? [REDACTED] : []),
      ...(damaged > 0
        ? [
          `${counted(damaged, "line")} of the log cannot be used; ${lineText(first ?? "")}`,
          MAY_BE_WRONG,
        ]
        : []),
      ...(problem === undefined ? [] : [problem]),
    ],
    about: facts.flatMap(([name, value]) => value === undefined ? [] : [[name, lineText(value)]]),
    ...(output !== undefined && { output }),
  };
}

async function whyOf(place: RunPlace, report: RunReport): Promise<string[]> {
  const { state } = report;
  if (typeof state === "object") return [lineText(reasonText(state.Aborted.reason))];
  if (report.is_suspended) return ["its process was suspended, as by Ctrl-Z"];
  if (!report.is_orphan) return [];
  if (report.redacted) return [NO_END];
  // What is to be typed stands among the hints.
  return [orphanReason(await goOnHint(place)).join(" ")];
}

/** What to do first, then what else can be looked at. */
async function hintsOf(
  place: RunPlace,
  report: RunReport,
  waits: readonly PageWait[],
): Promise<PageHint[]> {
  const run = { root: place.root, runId: report.run_id };
  const hints: PageHint[] = [];
  const { redacted = false } = report;
  if (!redacted && (typeof report.state === "object" || report.is_orphan)) {
    const goOn = await goOnHint(place);
    const isFirst = true;
    hints.push(
      goOn === START_PROGRAM
        ? { text: goOn, isFirst }
        : { text: "go on with it", command: goOn, isFirst },
    );
  }
  for (const { id, command } of waits) {
    if (command !== undefined) hints.push({ text: `pass the gate ${id}`, command, isFirst: true });
  }
  if (report.is_live) {
    hints.push({ text: "follow it", command: commandHint("follow", run), isFirst: true });
    hints.push({ text: "end it", command: commandHint("stop", run) });
  }
  if (!redacted) hints.push({ text: "all that was printed", command: commandHint("logs", run) });
  hints.push({ text: "the same as text", command: commandHint("show", run) });
  if (isOfFiles(place.root)) {
    hints.push({ text: "check its records", command: commandHint("verify", run) });
  }
  return hints;
}

function waitOf(
  { id, kind, fromMs, untilMs, toMs, how, by }: WaitSpan,
  { place, beganMs, report }: { place: RunPlace; beganMs: number; report: RunReport },
): PageWait {
  const isOpen = toMs === undefined;
  const until = untilMs === undefined ? undefined : new Date(untilMs).toISOString();
  const open = kind === "sleep" ? `sleeps until ${formatTime(until ?? "")}` : gateText(until);
  const who = by === undefined ? "" : ` by ${lineText(by)}`;
  const value = report.records === undefined ? "" : " --value JSON";
  const hint = commandHint("pass", { root: place.root, runId: report.run_id });
  return {
    id: idText(id),
    kind,
    fromMs: fromMs - beganMs,
    ...(!isOpen && { toMs: toMs - beganMs }),
    text: isOpen ? open : `${HOW_TEXTS[how!]}${who}`,
    ...(isOpen && kind === "gate" && report.state !== "Completed" && !report.redacted && {
      command: lineText(`${hint} ${commandLine([id])}${value}`),
    }),
  };
}

const HOW_TEXTS = {
  passed: "was passed",
  denied: "was refused",
  due: "was over",
  timeout: "nobody passed it in time",
};

/** Of what another program wrote the page says what `show` says. */
function pageOfOtherLog(
  log: OtherLog,
  { place: { root }, readMs }: { place: RunPlace; readMs: number },
): PageData {
  const run = { root, runId: log.run_id };
  const outcome = outcomeOf(log);
  const began = Date.parse(log.started_ts ?? "");
  return {
    readMs,
    run: {
      id: log.run_id,
      kind: "log",
      name: "",
      outcome,
      outcomeText: outcomeText(outcome).text,
      why: ["A program wrote it, with events of its own."],
      next: [{ text: "print them", command: commandHint("follow", run), isFirst: true }],
      isLive: log.is_live,
      beganMs: Number.isNaN(began) ? null : began,
      durationMs: log.duration_ms,
      damage: [],
      about: [["log", lineText(logText(run))]],
    },
    nodes: [],
    critical: { nodes: [], by: "times" },
    decisions: [],
    waits: [],
    records: [],
    pauses: [],
    left: 0,
  };
}
