/** What the page shows of nodes: what is recorded of them, in the words of `taffrail show`. */
import { defined } from "../../_internal/errors.ts";
import { deferralRuns, detailOf, type ReportWords } from "../reading/print_report.ts";
import type { AttemptReport, NodeReport, RunReport } from "../reading/run_report.ts";
import type { FlowRecord, NodeRecord } from "../flow/flow_record.ts";
import { isAggregate } from "../flow/flow.ts";
import { shownCommand } from "../flow/node_event.ts";
import { listed } from "../text/printable.ts";
import { formatDuration, formatTime } from "../text/units.ts";
import type { JournalFacts } from "./journal_facts.ts";
import type { PageAttempt, PageFact, PageNode, PageState } from "./page_data.ts";
import { blockText, idText, jsonText, lineText } from "./page_text.ts";

/** What is known of a run besides its report. */
export interface NodeSources {
  /** The report. */
  report: RunReport;
  /** The flow; undefined where there is none, or it cannot be read. */
  flow: FlowRecord | undefined;
  /** What the journal tells. */
  facts: JournalFacts;
  /** The words for a program; undefined for a flow. */
  words: ReportWords | undefined;
  /** When the run began, in milliseconds since 1970: all times count from there. */
  beganMs: number;
}

/** The nodes of a run, in the order of its report. */
export function pageNodesOf(sources: NodeSources): PageNode[] {
  const reports = [...sources.report.nodes];
  const places = new Map(reports.map(({ id }, place) => [id, place]));
  const records = new Map(sources.flow?.nodes.map((node) => [node.id, node]));
  const needsOf = needsResolver(records, places);
  return reports.map((node, place) => {
    const record = records.get(node.id);
    const shown = idText(node.id);
    return {
      id: shown,
      ...(shown !== node.id || shown.startsWith("~") ? { key: `~${place}` } : {}),
      state: stateOf(node),
      text: stateTextOf(node, sources.report),
      ...defined({ command: commandOf(node, record) }),
      about: factsOf(record),
      needs: needsOf(node.id),
      deferrals: deferralRuns(node).map(({ text, count }) => ({ text: lineText(text), count })),
      attempts: attemptsOf(node, sources),
      ...(record?.allow_failure && { mayFail: true as const }),
    };
  });
}

/** Of what only stands for others, the others are what is needed. */
function needsResolver(
  records: ReadonlyMap<string, NodeRecord>,
  places: ReadonlyMap<string, number>,
): (id: string) => number[] {
  return (id) => {
    const found = new Set<number>();
    const looked = new Set<string>();
    const ask = [...records.get(id)?.needs ?? []];
    for (const need of ask) {
      if (looked.has(need)) continue;
      looked.add(need);
      const place = places.get(need);
      const record = records.get(need);
      if (place !== undefined) found.add(place);
      else if (record !== undefined && isAggregate(record)) ask.push(...record.needs);
    }
    return [...found];
  };
}

function stateOf(
  { status, skipped, waits }: Pick<NodeReport, "status" | "skipped" | "waits">,
): PageState {
  if (skipped !== undefined) return "skipped";
  if (waits !== undefined) return "waiting";
  if (typeof status === "string") return status.toLowerCase() as PageState;
  return status.Failed.kind === "cancelled" ? "cancelled" : "failed";
}

/** How long something has been running the page tells by its times, which are those of its reading. */
function stateTextOf(node: NodeReport, report: RunReport): string {
  const isAtWork = node.status === "Running" && report.is_live;
  return isAtWork ? "" : lineText(detailOf(node, report));
}

function commandOf({ name }: NodeReport, record: NodeRecord | undefined): string | undefined {
  if (record?.gate !== undefined) return blockText(`asks: ${record.gate}`);
  if (record !== undefined && record.run.length > 0) {
    const { run, task_text: taskText } = record;
    return blockText(shownCommand({ run, ...defined({ taskText }) }));
  }
  return name === undefined ? undefined : blockText(name);
}

function factsOf(record: NodeRecord | undefined): PageFact[] {
  if (record === undefined) return [];
  const { description, task, cwd, env, timeout_ms: timeout, retry, when, on } = record;
  const facts: [string, string | undefined][] = [
    ["what for", description],
    ["task", task],
    ["in", record.run.length > 0 ? cwd : undefined],
    ["variables", env.length > 0 ? listed(env) : undefined],
    ["starts", when && WHEN_TEXTS[when]],
    ["timeout", timeout === undefined ? undefined : formatDuration(timeout)],
    ["tried again", retry && `up to ${retry.max} times`],
    ["may fail", record.allow_failure ? "yes: nothing else follows from that" : undefined],
    ["workers", on && listed(on)],
  ];
  return facts.flatMap(([name, value]) => value === undefined ? [] : [[name, lineText(value)]]);
}

const WHEN_TEXTS = {
  success: undefined,
  failure: "when something that it needs failed",
  always: "whatever became of what it needs",
};

function attemptsOf(node: NodeReport, sources: NodeSources): PageAttempt[] {
  const { facts, beganMs } = sources;
  const attempts: PageAttempt[] = [];
  let beforeMs: number | undefined;
  for (const attempt of node.attempts ?? []) {
    const startMs = Date.parse(attempt.started_ts ?? "");
    const isKnown = !Number.isNaN(startMs);
    const asked = isKnown ? facts.askedBefore(node.id, startMs) : undefined;
    const ready = Math.max(asked ?? -Infinity, beforeMs ?? -Infinity);
    const isRunning = attempt.status === "Running" && sources.report.is_live;
    const length = attempt.duration_ms;
    const end = isKnown && length !== undefined ? startMs + length : undefined;
    beforeMs = end ?? beforeMs;
    attempts.push({
      ...attemptOf(node, attempt, sources),
      ...(isKnown && { startMs: startMs - beganMs }),
      ...(Number.isFinite(ready) && isKnown && { readyMs: Math.min(ready, startMs) - beganMs }),
      ...(end !== undefined && { endMs: end - beganMs }),
      ...(end === undefined && isKnown && !isRunning && {
        endMs: lastSeenMs(startMs, sources) - beganMs,
        isCutOff: true as const,
      }),
    });
  }
  if (node.waits !== undefined) attempts.push(openGate(node, sources));
  return attempts;
}

/** A gate at which the run waits has no attempt before somebody answers. */
function openGate(
  { waits, attempts = [] }: NodeReport,
  { beganMs, report }: NodeSources,
): PageAttempt {
  const { since, until } = waits!;
  const startMs = Date.parse(since);
  const lastMs = Math.max(startMs, Date.parse(report.last_ts ?? since));
  return {
    number: (attempts.at(-1)?.attempt ?? 0) + 1,
    state: "waiting",
    text: until === undefined ? "" : `waits for an answer, until ${formatTime(until)}`,
    startMs: startMs - beganMs,
    ...(!report.is_live && { endMs: lastMs - beganMs, isCutOff: true as const }),
    isGate: true,
    outputs: [],
    error: [],
  };
}

/** How far an attempt is known to have come of which nobody saw the end: to when its run was left. */
function lastSeenMs(startMs: number, { facts, report }: NodeSources): number {
  const left = facts.pauses.find(([fromMs, toMs]) => startMs <= fromMs || startMs < toMs);
  const lastMs = left?.[0] ?? Date.parse(report.last_ts ?? "");
  return Number.isNaN(lastMs) ? startMs : Math.max(startMs, lastMs);
}

function attemptOf(
  node: NodeReport,
  attempt: AttemptReport,
  { report, words, flow }: NodeSources,
): PageAttempt {
  const { status, result, by, result_hash: hash } = attempt;
  const isGate = node.kind === undefined && flow !== undefined;
  const who = by === undefined ? [] : [`passed by ${lineText(by)}`];
  const gave = hash !== undefined ? ["a long result: taffrail logs prints it"] : [];
  const json = jsonText(result);
  const texts = [...who, ...gave, ...(json === undefined ? [] : [json])];
  return {
    number: attempt.attempt,
    state: stateOf({ status }),
    text: stateTextOf({ id: node.id, ...attempt }, report),
    ...(isGate && { isGate }),
    outputs: [],
    ...(texts.length > 0 && { result: texts.join("\n") }),
    error: errorOf(attempt, node, words),
  };
}

function errorOf(
  attempt: AttemptReport,
  { id }: NodeReport,
  words: ReportWords | undefined,
): string[] {
  const { status } = attempt;
  if (typeof status !== "object") return [];
  const lines = words?.failure({ id, ...attempt }) ?? status.Failed.message?.split("\n") ?? [];
  return lines.slice(0, MOST_ERROR_LINES).map(blockText).filter((line) => line !== "");
}

const MOST_ERROR_LINES = 40;
