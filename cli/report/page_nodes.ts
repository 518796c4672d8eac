/** What the page shows of nodes: what is recorded of them, in the words of `taffrail show`. */
import { defined } from "../../_internal/errors.ts";
import { deferralRuns } from "../reading/print_report.ts";
import type { NodeReport } from "../reading/run_report.ts";
import type { NodeRecord } from "../flow/flow_record.ts";
import { isAggregate } from "../flow/flow.ts";
import { shownCommand } from "../flow/node_event.ts";
import { listed } from "../text/printable.ts";
import { formatDuration } from "../text/units.ts";
import { attemptsOf, type NodeSources, stateOf, stateTextOf } from "./page_attempts.ts";
import type { PageFact, PageNode } from "./page_data.ts";
import { blockText, idText, lineText } from "./page_text.ts";

/** The nodes of a run, in the order of its report. */
export function pageNodesOf(sources: NodeSources): PageNode[] {
  const { reports } = sources;
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
