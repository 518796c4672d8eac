/**
 * The spans of the sitting before, where its process is gone: those of what had not ended it could not tell any more.
 * Where spans are known by what they stand for, they are made again as they would have been, so that what their commands
 * have told has its parents, and no trace has holes.
 */
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { SittingSpan } from "../../eventlog/run_state.ts";
import type { AttemptEnd, NodeAttempt } from "../types.ts";
import { endSpan, type OpenSpan, type SpanBegin, type SpanMaker } from "./span_maker.ts";
import {
  attemptName,
  cutOffEnd,
  type NamedRun,
  runAttributes,
  runName,
  taskAttributes,
  taskEnd,
} from "./span_words.ts";
import type { SpanContext } from "./telemetry.ts";
import { parseTraceContext } from "./trace_context.ts";

/** The newest sitting of a run whose span is known, as the log has it when another one begins. */
export interface EarlierSitting {
  /** Its span. */
  context: SpanContext;
  /** Which sitting: the first is 1. */
  number: number;
  /** Its process is gone, and has not told of it. */
  wasCutOff: boolean;
  span: SittingSpan;
  /** From when to when it is recorded, in milliseconds since 1970. */
  from: number;
  to: number;
}

/** The newest sitting whose span is known; undefined where none is. */
export function earlierSitting(fold: RunFold): EarlierSitting | undefined {
  const { spans, run, sittings, sittingTs } = fold;
  const index = spans.findLastIndex((span) => span !== undefined);
  const span = spans[index];
  const context = span && parseTraceContext(span);
  if (context === undefined) return undefined;
  const from = Date.parse(sittingTs ?? "");
  const to = Math.max(from, Date.parse(run.last_ts ?? ""));
  const isLast = index === sittings - 1 && !Number.isNaN(to);
  const wasCutOff = isLast && run.state === "Running";
  return { context, number: index + 1, wasCutOff, span: span!, from, to };
}

/** Makes them again. */
export class LeftSpans {
  readonly #run: NamedRun & { fold: RunFold };
  readonly #sitting: EarlierSitting;
  readonly #maker: SpanMaker;
  /** What was begun, by what it stands for. */
  readonly #begun = new Map<string, OpenSpan | undefined>();

  constructor(
    run: NamedRun & { fold: RunFold },
    { sitting, maker }: { sitting: EarlierSitting; maker: SpanMaker },
  ) {
    this.#run = run;
    this.#sitting = sitting;
    this.#maker = maker;
  }

  /** Makes the span of an attempt, with those of its node and its sitting. */
  make(attempt: NodeAttempt, end: AttemptEnd): void {
    const { fold } = this.#run;
    const { nodeId, attempt: number } = attempt;
    const from = beginOf(fold, attempt);
    if (from === undefined) return;
    const { duration_ms: length } = end.end;
    const to = length === undefined ? Math.max(from, this.#sitting.to) : from + length;
    const isCutOff = end.termination === "Aborted" && length === undefined;
    const { thrown, ...how } = isCutOff ? cutOffEnd(to) : taskEnd(end, to);
    const first = fold.attemptsOf(nodeId).find(({ attempt }) => {
      return (beginOf(fold, { nodeId, attempt }) ?? -Infinity) >= this.#sitting.from;
    })?.attempt ?? number;
    const node = this.#begin(`node ${nodeId} ${first}`, {
      name: nodeId,
      from: beginOf(fold, { nodeId, attempt: first }) ?? from,
      attributes: taskAttributes(this.#run, { nodeId }),
      within: this.#sittingSpan(),
    });
    const made = this.#begin(`attempt ${nodeId} ${number}`, {
      name: attemptName(attempt),
      from,
      attributes: taskAttributes(this.#run, attempt),
      within: node,
    });
    if (made !== undefined) endSpan(made, { ...how, thrown });
    if (node !== undefined) endSpan(node, how);
  }

  #sittingSpan(): OpenSpan | undefined {
    const { context, number, span, from, to, wasCutOff } = this.#sitting;
    if (!wasCutOff) return this.#maker.remote(context);
    const { traceId, traceFlags } = context;
    const parent = parseTraceContext({
      traceparent: `00-${traceId}-${span.parentSpanId ?? ""}-0${traceFlags}`,
    });
    const what = `run ${number}`;
    const isNew = !this.#begun.has(what);
    const opened = this.#begin(what, {
      name: runName(this.#run),
      kind: SERVER,
      from,
      attributes: runAttributes(this.#run, number),
      within: parent && this.#maker.remote(parent),
    });
    if (!isNew || opened === undefined) return opened;
    // Others are put inside of it all the same.
    const error = { type: "cut_off", reason: "cut off: its process was gone" };
    endSpan(opened, { attributes: { "cicd.pipeline.result": "error" }, error, to });
    return opened;
  }

  /** Begins a span once. */
  #begin(what: string, begin: SpanBegin): OpenSpan | undefined {
    if (!this.#begun.has(what)) this.#begun.set(what, this.#maker.begin(what, begin));
    return this.#begun.get(what);
  }
}

/** What the API calls the kind of a span that somebody has asked for. */
export const SERVER = 1;

function beginOf(fold: RunFold, { nodeId, attempt }: NodeAttempt): number | undefined {
  const at = Date.parse(fold.attemptOf(nodeId, attempt)?.started_ts ?? "");
  return Number.isNaN(at) ? undefined : at;
}
