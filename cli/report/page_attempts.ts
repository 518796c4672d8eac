/** What the page shows of attempts: when each could have begun, began and ended, and how. */
import type { FlowRecord } from "../flow/flow_record.ts";
import { detailOf, gateText, type ReportWords } from "../reading/print_report.ts";
import type { AttemptReport, NodeReport, RunReport } from "../reading/run_report.ts";
import type { JournalFacts } from "./journal_facts.ts";
import type { PageAttempt, PageState } from "./page_data.ts";
import { blockText, jsonText, lineText } from "./page_text.ts";

const MOST_ERROR_LINES = 40;

/** Records may say anything: what is further away than a hundred years is no time of an attempt. */
const MOST_MS = 100 * 365 * 86_400_000;

/** What is known of a run, of which its nodes are shown. */
export interface NodeSources {
  /** The report. */
  report: RunReport;
  /** Its nodes: a report makes them anew for each who looks at them. */
  reports: readonly NodeReport[];
  /** The flow; undefined where there is none, or it cannot be read. */
  flow: FlowRecord | undefined;
  /** What the journal tells. */
  facts: JournalFacts;
  /** The words for a program; undefined for a flow. */
  words: ReportWords | undefined;
  /** When the run began, in milliseconds since 1970: all times count from there. */
  beganMs: number;
}

/** The attempts at a node, in order. */
export function attemptsOf(node: NodeReport, sources: NodeSources): PageAttempt[] {
  const attempts: PageAttempt[] = [];
  let before: Times = {};
  for (const attempt of node.attempts ?? []) {
    const times = timesOf(attempt, { nodeId: node.id, before, sources });
    attempts.push({ ...attemptOf(node, attempt, sources), ...times });
    before = times;
  }
  if (node.waits !== undefined) attempts.push(openGate(node, sources));
  return attempts;
}

type Times = Pick<PageAttempt, "readyMs" | "startMs" | "endMs" | "isCutOff">;

/** When an attempt could have begun, began and ended; `before`: the times of the one before it. */
function timesOf(
  { started_ts: started, duration_ms: length, status }: AttemptReport,
  { nodeId, before, sources: { facts, beganMs, report } }: {
    nodeId: string;
    before: Times;
    sources: NodeSources;
  },
): Times {
  const beginMs = Date.parse(started ?? "");
  const startMs = beginMs - beganMs;
  if (!(Math.abs(startMs) <= MOST_MS)) return {};
  const askedMs = (facts.askedBefore(nodeId, beginMs) ?? NaN) - beganMs;
  const readyMs = Math.max(...[askedMs, before.endMs ?? NaN].filter((ms) => !Number.isNaN(ms)));
  const ready = Number.isFinite(readyMs) ? { readyMs: Math.min(readyMs, startMs) } : {};
  if (length !== undefined) {
    return { ...ready, startMs, endMs: startMs + Math.max(0, Math.min(length, MOST_MS)) };
  }
  if (status === "Running" && report.is_live) return { ...ready, startMs };
  const endMs = lastSeenMs(beginMs, { facts, report }) - beganMs;
  return { ...ready, startMs, endMs, isCutOff: true };
}

/** How far an attempt is known to have come of which nobody saw the end: to when its run was left. */
function lastSeenMs(beginMs: number, { facts, report }: Pick<NodeSources, "facts" | "report">) {
  const left = facts.pauses.find(([, toMs]) => beginMs < toMs);
  const lastMs = left?.[0] ?? Date.parse(report.last_ts ?? "");
  return lastMs > beginMs ? Math.min(lastMs, beginMs + MOST_MS) : beginMs;
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
    text: until === undefined ? "" : gateText(until),
    startMs: startMs - beganMs,
    ...(!report.is_live && { endMs: lastMs - beganMs, isCutOff: true as const }),
    isGate: true,
    outputs: [],
    error: [],
  };
}

/** How a node or an attempt stands, in a word. */
export function stateOf(
  { status, skipped, waits }: Pick<NodeReport, "status" | "skipped" | "waits">,
): PageState {
  if (skipped !== undefined) return "skipped";
  if (waits !== undefined) return "waiting";
  if (typeof status === "string") return status.toLowerCase() as PageState;
  return status.Failed.kind === "cancelled" ? "cancelled" : "failed";
}

/**
 * How it stands in the words of `show`. How long something has been running the page tells by its times, which
 * are those of its reading.
 */
export function stateTextOf(node: NodeReport, report: RunReport): string {
  const isAtWork = node.status === "Running" && report.is_live;
  return isAtWork ? "" : lineText(detailOf(node, report));
}

function attemptOf(
  node: NodeReport,
  attempt: AttemptReport,
  { report, words, facts }: NodeSources,
): PageAttempt {
  const { status, result, by, result_hash: hash } = attempt;
  const who = by === undefined ? [] : [`passed by ${lineText(by)}`];
  const gave = hash !== undefined ? ["a long result: taffrail logs prints it"] : [];
  const json = jsonText(result);
  const texts = [...who, ...gave, ...(json === undefined ? [] : [json])];
  return {
    number: attempt.attempt,
    state: stateOf({ status }),
    text: stateTextOf({ id: node.id, ...attempt }, report),
    ...(facts.isGate(node.id) && { isGate: true as const }),
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
