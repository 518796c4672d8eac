/**
 * A run as spans of OpenTelemetry: one for each sitting of the run, in it one for each node, and in that one for each
 * attempt. What is always true:
 *
 * - **What makes spans never hurts the run.**
 * - **An attempt is made while its span is active**, so that spans of what it does are inside of it; what it starts is
 *   told its span.
 * - **A span is ended when its end is recorded**, with the time at which the work was over. What was never begun is none,
 *   and what waits is one when it does no more.
 * - **Sittings of one run belong together**: a later one is in the span of the one before, unless its process is a part
 *   of something else, and has a link to it in any case.
 */
import { millisecondsOf } from "../../_internal/event_time.ts";
import { VERSION } from "../../_internal/version.ts";
import type { WaitedRecord, WaitRecord } from "../../capture/types.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { SittingSpan } from "../../eventlog/run_state.ts";
import { attemptKey } from "../attempt_key.ts";
import { wasBegun } from "../engine/lifecycle.ts";
import type { Decided, MakeAttempt, RunFollower } from "../engine/types.ts";
import type { AttemptEnd, NodeAttempt } from "../types.ts";
import { type EarlierSitting, earlierSitting, LeftSpans, SERVER } from "./left_spans.ts";
import { contextOf, endSpan, type OpenSpan, SpanMaker, tellEvent, traceOf } from "./span_maker.ts";
import {
  attemptName,
  cutOffEnd,
  type NamedRun,
  runAttributes,
  runEnd,
  runName,
  taskAttributes,
  taskEnd,
  waitEnd,
} from "./span_words.ts";
import {
  registeredTelemetry,
  type SpanContext,
  type SpanLink,
  type Telemetry,
} from "./telemetry.ts";
import { inheritedContext } from "./trace_context.ts";

/** A node that was asked for. */
interface AskedNode {
  /** When it was, in milliseconds since 1970. */
  from: number;
  /** Why it had to wait, before its span was begun. */
  deferrals: Deferral[];
  /** Its span; undefined until an attempt at it is made. */
  opened?: OpenSpan | undefined;
  /** The span of its last attempt. */
  last?: SpanContext | undefined;
}

/** That a node has to wait. */
interface Deferral {
  reason: string;
  at: number;
  /** Until when at least; undefined where nobody knows. */
  until: number | undefined;
}

/** An attempt that is made. */
interface MadeAttempt {
  opened: OpenSpan | undefined;
  /** When its work was over, in milliseconds since 1970; undefined as long as it is not. */
  over?: number;
}

/** Makes the spans of a run of this process with what is registered in it; undefined where that does not work. */
export function spansOfProcess(run: NamedRun & { fold: RunFold }): RunSpans | undefined {
  try {
    const telemetry = registeredTelemetry(VERSION);
    return telemetry && new RunSpans(run, telemetry);
  } catch {
    return undefined;
  }
}

/** Makes the spans of a sitting of a run. */
export class RunSpans implements RunFollower {
  /** The span of this sitting, for the log. */
  readonly span: SittingSpan | undefined;
  readonly #run: NamedRun;
  readonly #maker: SpanMaker;
  readonly #earlier: EarlierSitting | undefined;
  readonly #left: LeftSpans | undefined;
  readonly #opened: OpenSpan | undefined;
  readonly #nodes = new Map<string, AskedNode>();
  readonly #attempts = new Map<string, MadeAttempt>();
  /** When the last of what has ended did, in milliseconds since 1970. */
  #lastEnd = 0;
  #isOver = false;

  /** Begins the span of the sitting. */
  constructor(run: NamedRun & { fold: RunFold }, telemetry: Telemetry) {
    this.#run = run;
    const maker = this.#maker = new SpanMaker(telemetry);
    const earlier = this.#earlier = earlierSitting(run.fold);
    if (earlier?.number === run.fold.sittings && maker.hasNames) {
      this.#left = new LeftSpans(run, { sitting: earlier, maker });
    }
    const number = run.fold.sittings + 1;
    const within = this.#parent();
    this.#opened = maker.begin(`run ${number}`, {
      name: runName(run),
      kind: SERVER,
      from: Date.now(),
      attributes: runAttributes(run, number),
      links: earlier === undefined ? [] : [linkTo(earlier.context, "resumed")],
      within,
    });
    const trace = this.#opened && traceOf(this.#opened);
    const parentSpanId = within && contextOf(within)?.spanId;
    this.span = trace && {
      traceparent: trace.traceparent,
      ...(parentSpanId !== undefined && { parentSpanId }),
    };
  }

  /** What this sitting is a part of: what is active, what the environment says, or the sitting before. */
  #parent(): OpenSpan | undefined {
    const { active } = this.#maker;
    if (active !== undefined) return active;
    const context = inheritedContext() ?? this.#earlier?.context;
    return context && this.#maker.remote(context);
  }

  /** A node is one from when it was asked for, though its span is begun with its first attempt. */
  decided({ nodeId, decision, reason, at, dueAt }: Decided): void {
    if (decision === "Skip") this.#nodes.delete(nodeId);
    if (decision !== "Invoke" && decision !== "Defer") return;
    const node = this.#nodes.get(nodeId) ?? { from: at, deferrals: [] };
    this.#nodes.set(nodeId, node);
    if (decision !== "Defer") return;
    const until = dueAt === null ? undefined : millisecondsOf(dueAt);
    const deferral = { reason, at, until };
    if (node.opened === undefined) node.deferrals.push(deferral);
    else tellDeferral(node.opened, deferral);
  }

  /** Makes an attempt inside of its span. */
  async making(attempt: NodeAttempt, make: MakeAttempt): Promise<AttemptEnd> {
    const { nodeId, attempt: number } = attempt;
    const from = Date.now();
    const began = performance.now();
    const overAt = () => from + fractionOf(from, began) + (performance.now() - began);
    const node = this.#nodeFor(attempt);
    const opened = this.#maker.begin(`attempt ${nodeId} ${number}`, {
      name: attemptName(attempt),
      from,
      attributes: taskAttributes(this.#run, attempt),
      links: node.last === undefined ? [] : [linkTo(node.last, "retry")],
      within: node.opened ?? this.#opened,
    });
    const made: MadeAttempt = { opened };
    this.#attempts.set(attemptKey(attempt), made);
    node.last = opened && contextOf(opened);
    const trace = opened && traceOf(opened);
    const told = { ...attempt, ...(trace !== undefined && { trace }) };
    try {
      return await this.#maker.within(opened, () => make(told));
    } finally {
      made.over = overAt();
    }
  }

  /** The node of an attempt, whose span is begun with it. */
  #nodeFor({ nodeId, attempt }: NodeAttempt): AskedNode {
    const node = this.#nodes.get(nodeId) ?? { from: Date.now(), deferrals: [] };
    this.#nodes.set(nodeId, node);
    if (node.opened !== undefined) return node;
    // It may be asked for again in the same sitting.
    node.opened = this.#maker.begin(`node ${nodeId} ${attempt}`, {
      name: nodeId,
      from: node.from,
      attributes: taskAttributes(this.#run, { nodeId }),
      within: this.#opened,
    });
    for (const deferral of node.deferrals.splice(0)) {
      if (node.opened !== undefined) tellDeferral(node.opened, deferral);
    }
    return node;
  }

  /** Of begins all is known when the work is called for. */
  attemptBegan(): void {}

  /** Ends the span of an attempt, and with the last one that of its node. */
  attemptEnded(attempt: NodeAttempt, end: AttemptEnd & { at: number; isLast: boolean }): void {
    const { nodeId } = attempt;
    const key = attemptKey(attempt);
    const made = this.#attempts.get(key);
    if (made === undefined) return this.#endLeft(attempt, end);
    this.#attempts.delete(key);
    const { at, isLast } = end;
    const node = this.#nodes.get(nodeId);
    if (isLast) this.#nodes.delete(nodeId);
    if (!wasBegun(end)) return;
    // What was given up may be over later than its end says; that has no fractions.
    const to = made.over === undefined || made.over > at + 1 ? at : made.over;
    this.#lastEnd = Math.max(to, this.#lastEnd);
    const { thrown, ...how } = taskEnd(end, to);
    if (made.opened !== undefined) endSpan(made.opened, { ...how, thrown });
    if (isLast && node?.opened !== undefined) endSpan(node.opened, how);
  }

  /** An attempt has ended that another process has begun. */
  #endLeft(attempt: NodeAttempt, end: AttemptEnd): void {
    if (!wasBegun(end) || this.#earlier === undefined) return;
    if (this.#left !== undefined) return this.#left.make(attempt, end);
    if (this.#opened === undefined) return;
    const { nodeId, attempt: number } = attempt;
    const attributes = { "cicd.pipeline.task.name": nodeId, "taffrail.attempt": number };
    tellEvent(this.#opened, { name: "ended since the sitting before", attributes, at: Date.now() });
  }

  /** It is told what was waited for when that is over, as it may have begun in an earlier sitting. */
  waitEnded({ id, kind, at }: WaitRecord, { how, by, at: ended }: WaitedRecord): void {
    const from = millisecondsOf(at);
    const opened = this.#maker.begin(`wait ${id} ${from}`, {
      name: id,
      from,
      attributes: {
        ...taskAttributes(this.#run, { nodeId: id }),
        "taffrail.wait": kind,
        ...(by !== undefined && { "taffrail.gate.by": by }),
      },
      within: this.#opened,
    });
    if (opened !== undefined) endSpan(opened, waitEnd(how, millisecondsOf(ended)));
  }

  /** Ends the span of the sitting. */
  finish(reason?: string): Promise<void> {
    if (!this.#isOver) this.#end(reason);
    this.#isOver = true;
    return Promise.resolve();
  }

  #end(reason: string | undefined): void {
    // That has fractions, and a span may not end before what is inside of it.
    const to = Math.max(Date.now(), this.#lastEnd);
    // What could not be recorded any more has no end that anybody knows.
    for (const { opened } of [...this.#attempts.values(), ...this.#nodes.values()]) {
      if (opened !== undefined) endSpan(opened, cutOffEnd(to));
    }
    if (this.#opened !== undefined) endSpan(this.#opened, runEnd(reason, to));
  }
}

/**
 * How much later than a time of whole milliseconds it was, by the other clock, which has fractions: what an attempt does
 * is not to end behind it. Where the clocks have come apart, as when the machine slept, it is the most that it can be.
 */
function fractionOf(atMs: number, performanceMs: number): number {
  const fraction = performance.timeOrigin + performanceMs - atMs;
  return fraction >= 0 && fraction < 1 ? fraction : 1;
}

function linkTo(context: SpanContext, why: "retry" | "resumed"): SpanLink {
  return { context, attributes: { "taffrail.link": why } };
}

function tellDeferral(opened: OpenSpan, { reason, at, until }: Deferral): void {
  const attributes = {
    "taffrail.reason": reason,
    ...(until !== undefined && { "taffrail.until": new Date(until).toISOString() }),
  };
  tellEvent(opened, { name: reason === "backoff" ? "backoff" : "deferred", attributes, at });
}
