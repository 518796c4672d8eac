/**
 * A run in the Trace Event Format, one event after the other. What is always true:
 *
 * - Every node of the run is in it by its name: each attempt as a slice in a lane of the place where it was made, and
 *   what was not begun as a mark at the end.
 * - Slices of one thread follow each other; those that wait have a bounded number of lanes, and what there is no lane
 *   for is counted, and still told by the attempt that it was before.
 * - Attempts at one node are tied together by arrows.
 */
import { defined } from "../../_internal/errors.ts";
import { millisecondsOf } from "../../_internal/event_time.ts";
import { failureText, shortenTo } from "../../_internal/text.ts";
import { VERSION } from "../../_internal/version.ts";
import type { AttemptInfo } from "../../eventlog/run_state.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import { reasonText } from "../reading/run_outcome.ts";
import type { Stretch, StretchKind } from "./journal_stretches.ts";
import { changesOf, Lanes, type Span } from "./lanes.ts";
import { type RunTimeline, type TimedAttempt, unbegunOf } from "./run_timeline.ts";

/** One event of the format. */
export type ChromeEvent = Readonly<Record<string, unknown>> & { ph: string };

/** The process of what is about the run as a whole; the places of work come behind it. */
const RUN_PID = 1;
const RUN_TID = 1;
/** Where the threads of each kind of waiting begin, and what they are called. */
const WAITING = [
  ["gate", "gates", 1000],
  ["sleep", "sleeps", 2000],
  ["ready", "ready, and waiting", 3000],
  ["backoff", "back-off", 4000],
] as const;
/** So many of one kind that wait at the same time are drawn: nobody looks at more. */
const MOST_WAITING = 64;
/** A time line has no room for longer results. */
const MOST_CHARACTERS = 200;
/** Colours of the format, which some viewers know. */
const COLOURS = { well: "good", failed: "terrible", cut: "grey", waits: "yellow" } as const;

/** All events of a run. */
export class ChromeRun {
  readonly #run: RunTimeline;
  /** When the trace begins, in milliseconds since 1970. */
  readonly #originMs: number;
  /** When what is drawn began and ended, by which what was in flight is counted. */
  readonly #begins: number[] = [];
  readonly #ends: number[] = [];
  /** How many that waited there was no lane for. */
  #undrawn = 0;

  constructor(run: RunTimeline) {
    this.#run = run;
    const firsts = [run.sittings[0]?.from, run.attempts[0]?.from].filter((at) => at !== undefined);
    this.#originMs = firsts.length === 0 ? 0 : Math.min(...firsts);
  }

  /** Goes through them. */
  *events(): Generator<ChromeEvent, void> {
    yield* this.#sittings();
    yield* this.#attempts();
    for (const [kind, name, tid] of WAITING) yield* this.#waiting(kind, { name, tid });
    yield* this.#unbegun();
    yield* this.#counters();
  }

  /** What is known of the whole, when all events were gone through. */
  get about(): Record<string, unknown> {
    const { runId, history: { fold, program }, attempts } = this.#run;
    const { pipe, state } = fold.run;
    const reason = typeof state === "object" ? reasonText(state.Aborted.reason) : undefined;
    return {
      run_id: runId,
      [program === undefined ? "flow" : "program"]: pipe,
      state: typeof state === "object" ? "Aborted" : state,
      ...defined({ reason }),
      began_at: new Date(this.#originMs).toISOString(),
      attempts: attempts.length,
      waits_without_a_lane: this.#undrawn,
      taffrail: VERSION,
    };
  }

  /** Microseconds since the begin. */
  #ts(atMs: number): number {
    return Math.round(Math.max(0, atMs - this.#originMs) * 1000);
  }

  /** From then to then, in whole microseconds, one at least. */
  #span(from: number, to: number): Span {
    const ts = this.#ts(from);
    return { ts, dur: Math.max(1, this.#ts(to) - ts) };
  }

  *#sittings(): Generator<ChromeEvent, void> {
    const { runId, history: { fold: { run: { pipe } } }, sittings } = this.#run;
    const thread = { pid: RUN_PID, tid: RUN_TID };
    yield* nameProcess(RUN_PID, `${pipe} (${runId})`);
    yield* nameThread(thread, "run");
    let before = 0;
    for (const [index, { from, to, end, isWell }] of sittings.entries()) {
      const span = this.#span(from, to);
      // The clock of whoever goes on may be behind.
      const ts = Math.max(span.ts, before);
      before = Math.max(ts + 1, span.ts + span.dur);
      const how = end ?? (index + 1 < sittings.length ? "cut off" : "no end");
      yield {
        ph: "X",
        name: index === 0 ? pipe : `${pipe}, gone on with`,
        cat: "run",
        ts,
        dur: before - ts,
        ...thread,
        cname: isWell ? COLOURS.well : end === undefined ? COLOURS.cut : COLOURS.failed,
        args: { sitting: index + 1, end: reasonText(how) },
      };
    }
  }

  *#attempts(): Generator<ChromeEvent, void> {
    const { attempts, history: { program } } = this.#run;
    const here = program === undefined ? "commands" : "steps";
    const places = new Map<string | undefined, { pid: number; lanes: Lanes }>();
    const waits = this.#waitsBefore();
    let arrows = 0;
    const tied = new Map<string, number>();
    for (const attempt of attempts) {
      const { worker, nodeId } = attempt;
      let place = places.get(worker);
      if (place === undefined) {
        place = { pid: RUN_PID + 1 + places.size, lanes: new Lanes() };
        places.set(worker, place);
        yield* nameProcess(place.pid, worker === undefined ? here : `worker ${worker}`);
      }
      const before = place.lanes.count;
      const { lane, ...span } = place.lanes.take(this.#span(attempt.from, attempt.to))!;
      this.#begins.push(span.ts);
      this.#ends.push(span.ts + span.dur);
      const tid = 1 + lane;
      const thread = { pid: place.pid, tid };
      if (place.lanes.count > before) yield* nameThread(thread, `lane ${tid}`);
      const info = this.#run.history.fold.attemptOf(nodeId, attempt.attempt)!;
      const end = endOf(info);
      const slice = this.#attemptSlice({ ...attempt, span }, {
        info,
        end,
        waited: waits.get(attemptKey(attempt)),
      });
      yield { ...slice, ...thread };
      // A mark where something failed, which is found by why.
      if (end.isFailure) {
        const args = { node: nodeId, ...defined({ reason: end.reason }) };
        const at = { ts: slice.ts + slice.dur, s: "t", ...thread };
        yield { ph: "i", name: end.text, cat: "failure", ...at, args };
      }
      if (attempt.isFirst && attempt.isLast) continue;
      const id = tied.get(nodeId) ?? ++arrows;
      tied.set(nodeId, id);
      yield* this.#arrow({ ...attempt, id, slice, thread });
    }
  }

  /** What attempts had waited for, and how long. */
  #waitsBefore(): Map<string, Waited> {
    const { stretches: { of }, lastMs } = this.#run;
    const waits = new Map<string, Waited>();
    for (const stretch of [...of.ready, ...of.backoff]) {
      const { from, to = lastMs, text } = stretch;
      const key = attemptKey(stretch);
      const { waited_ms: before, waited_for: whys } = waits.get(key) ?? NOT_WAITED;
      const whyToo = whys === "" || whys.endsWith(text) ? text : `${whys}; ${text}`;
      waits.set(key, { waited_ms: before + Math.max(0, to - from), waited_for: whyToo });
    }
    return waits;
  }

  #attemptSlice(
    { nodeId, attempt, span, worker }: TimedAttempt & { span: Span },
    { info: { exit_code, signal }, end, waited }: {
      info: AttemptInfo;
      end: DrawnEnd;
      waited: Waited | undefined;
    },
  ): Slice {
    const { history: { fold, program }, needs } = this.#run;
    const number = attempt === 1 ? "" : ` (${attempt})`;
    const result = program?.endOf({ nodeId, attempt }).result;
    return {
      ph: "X",
      name: `${end.isFailure ? "✗ " : ""}${nodeId}${number}`,
      cat: end.category,
      ...span,
      cname: end.colour,
      args: {
        node: nodeId,
        attempt,
        ended: end.text,
        ...defined({
          reason: end.reason,
          command: fold.nameOf(nodeId),
          needs: needs.get(nodeId)?.join(", "),
          exit_code,
          signal,
          worker,
          result: result === undefined
            ? undefined
            : shortenTo(JSON.stringify(result), MOST_CHARACTERS),
        }),
        ...waited,
      },
    };
  }

  /** From each attempt to the next one at the same node. */
  *#arrow(
    { isFirst, isLast, id, slice: { ts, dur }, thread }: TimedAttempt & {
      id: number;
      slice: Slice;
      thread: Thread;
    },
  ): Generator<ChromeEvent, void> {
    const arrow = { name: "tried again", cat: "retry", id, ...thread };
    if (!isFirst) yield { ph: "f", bp: "e", ...arrow, ts };
    // It leaves its slice inside of that.
    if (!isLast) yield { ph: "s", ...arrow, ts: ts + dur - 1 };
  }

  *#waiting(
    kind: StretchKind,
    { name, tid: first }: { name: string; tid: number },
  ): Generator<ChromeEvent, void> {
    const { stretches, lastMs } = this.#run;
    const lanes = new Lanes(MOST_WAITING);
    for (const { nodeId, attempt, from, to = lastMs, text, isBad } of stretches.of[kind]) {
      const before = lanes.count;
      const place = lanes.take(this.#span(from, to));
      if (place === undefined) continue;
      const { lane, ...span } = place;
      const thread = { pid: RUN_PID, tid: first + lane };
      if (lanes.count > before) {
        yield* nameThread(thread, lane === 0 ? name : `${name} ${lane + 1}`);
      }
      yield {
        ph: "X",
        name: isBad ? `✗ ${nodeId}` : nodeId,
        cat: kind,
        ...span,
        ...thread,
        cname: isBad ? COLOURS.failed : COLOURS.waits,
        args: { node: nodeId, attempt, why: text },
      };
    }
    this.#undrawn += lanes.left;
  }

  *#unbegun(): Generator<ChromeEvent, void> {
    const thread = { pid: RUN_PID, tid: RUN_TID + 1 };
    const ts = this.#ts(this.#run.lastMs);
    let isNamed = false;
    for (const { nodeId, why } of unbegunOf(this.#run)) {
      if (!isNamed) yield* nameThread(thread, "not begun");
      isNamed = true;
      const args = { node: nodeId, ...defined({ why }) };
      yield { ph: "i", name: nodeId, cat: "unbegun", ts, s: "t", ...thread, args };
    }
  }

  *#counters(): Generator<ChromeEvent, void> {
    const { stretches: { of, begun, limits } } = this.#run;
    const most = limits?.max_in_flight ?? undefined;
    const inFlight = most === undefined ? "in flight" : `in flight, of ${most}`;
    yield* this.#counter(inFlight, changesOf(this.#begins, this.#ends));
    const waiting = [...of.ready, ...of.backoff];
    const [since, until] = timesOf(waiting, this.#run);
    yield* this.#counter("waiting", this.#changesOf(since, until));
    const { max_per_window: mostBegun, rate_window: window } = limits ?? {};
    if (mostBegun == null || window == null) return;
    const lengthMs = millisecondsOf(window);
    const over = begun.map((at) => at + lengthMs).filter((at) => at <= this.#run.lastMs);
    const name = `begun in the window, of ${mostBegun}`;
    yield* this.#counter(name, this.#changesOf(begun, over));
  }

  #changesOf(begins: readonly number[], ends: readonly number[]) {
    return changesOf(begins.map((at) => this.#ts(at)), ends.map((at) => this.#ts(at)));
  }

  /** One event wherever a number changes. */
  *#counter(
    name: string,
    changes: Iterable<[ts: number, count: number]>,
  ): Generator<ChromeEvent, void> {
    for (const [ts, nodes] of changes) {
      yield { ph: "C", name, ts, pid: RUN_PID, tid: RUN_TID, args: { nodes } };
    }
  }
}

/** A thread of a process. */
interface Thread {
  pid: number;
  tid: number;
}

/** An attempt, as it is drawn. */
interface Slice extends Span, Record<string, unknown> {
  ph: "X";
}

/** What an attempt had to wait for, and how long. */
interface Waited {
  waited_ms: number;
  waited_for: string;
}

const NOT_WAITED: Waited = { waited_ms: 0, waited_for: "" };

/** How an attempt ended, as it is drawn. */
interface DrawnEnd {
  text: string;
  reason?: string | undefined;
  category: string;
  colour: string;
  isFailure: boolean;
}

function timesOf(
  stretches: readonly Stretch[],
  { lastMs }: RunTimeline,
): [begins: number[], ends: number[]] {
  return [stretches.map(({ from }) => from), stretches.map(({ to = lastMs }) => to)];
}

function endOf({ status, exit_code, signal }: AttemptInfo): DrawnEnd {
  if (status === "Completed") {
    return { text: "completed", category: "attempt", colour: COLOURS.well, isFailure: false };
  }
  if (status === "Running") {
    return { text: "has no end", category: "attempt,open", colour: COLOURS.cut, isFailure: false };
  }
  const { kind, message: reason } = status.Failed;
  const isFailure = kind !== "cancelled";
  return {
    text: failureText({ kind, exit_code, signal }),
    reason,
    category: isFailure ? "attempt,failed" : "attempt,cancelled",
    colour: isFailure ? COLOURS.failed : COLOURS.cut,
    isFailure,
  };
}

function* nameProcess(pid: number, name: string): Generator<ChromeEvent, void> {
  const process = { ph: "M", pid, tid: 0 };
  yield { ...process, name: "process_name", args: { name } };
  yield { ...process, name: "process_sort_index", args: { sort_index: pid } };
}

function* nameThread(thread: Thread, name: string): Generator<ChromeEvent, void> {
  yield { ph: "M", name: "thread_name", ...thread, args: { name } };
  yield { ph: "M", name: "thread_sort_index", ...thread, args: { sort_index: thread.tid } };
}
