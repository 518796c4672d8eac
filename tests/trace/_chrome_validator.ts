/**
 * A validator of Chrome traces, written from the document "Trace Event Format" and from what Perfetto's
 * FAQ demands of JSON traces. It knows nothing of the code under test.
 */

type Members = Record<string, unknown>;

/** A span of time on one thread, by an X or a pair of B and E. */
interface ThreadSpan {
  place: string;
  start: number;
  end: number;
}

/** All phases of the format, those that are deprecated too. */
const PHASES = new Set("BEXiICbneSTpFstfPNODMVvRc");

/** Metadata: which argument it has, and of which type. */
const METADATA: Readonly<Record<string, readonly [argument: string, type: string]>> = {
  process_name: ["name", "string"],
  process_labels: ["labels", "string"],
  process_sort_index: ["sort_index", "number"],
  thread_name: ["name", "string"],
  thread_sort_index: ["sort_index", "number"],
};

/** What is wrong with the text of a trace, in the JSON Object Format; nothing when it is right. */
export function chromeProblems(text: string): string[] {
  const trace: unknown = JSON.parse(text);
  if (!isObject(trace)) return ["the trace is not an object"];
  const { traceEvents, displayTimeUnit, otherData } = trace;
  if (!Array.isArray(traceEvents)) return ["traceEvents is not an array"];
  const problems: string[] = [];
  if (displayTimeUnit !== undefined && displayTimeUnit !== "ms" && displayTimeUnit !== "ns") {
    problems.push(`displayTimeUnit is ${displayTimeUnit}`);
  }
  if (otherData !== undefined && !isObject(otherData)) problems.push("otherData is not an object");
  traceEvents.forEach((event, index) => {
    for (const problem of eventProblems(event)) problems.push(`event ${index}: ${problem}`);
  });
  if (problems.length > 0) return problems;
  return [
    ...counterProblems(traceEvents),
    ...metadataProblems(traceEvents),
    ...threadProblems(traceEvents),
    ...flowProblems(traceEvents),
  ];
}

function eventProblems(event: unknown): string[] {
  if (!isObject(event)) return ["is not an object"];
  const problems: string[] = [];
  const require = (isRight: boolean, problem: string) => {
    if (!isRight) problems.push(problem);
  };
  const { ph, name, cat, ts, dur, pid, tid, args, s } = event;
  require(typeof ph === "string" && PHASES.has(ph), `ph is ${JSON.stringify(ph)}`);
  require(typeof name === "string" || ph === "E", "name is not a string");
  require(cat === undefined || typeof cat === "string", "cat is not a string");
  require(Number.isInteger(pid), "pid is not an integer");
  require(Number.isInteger(tid), "tid is not an integer");
  require(args === undefined || isObject(args), "args is not an object");
  if (ph !== "M") require(isTime(ts), "ts is not a time");
  if (ph === "X") require(isTime(dur), "dur is not a duration");
  if (ph === "i" || ph === "I") {
    require(s === undefined || s === "g" || s === "p" || s === "t", `the scope is ${s}`);
  }
  if (ph === "C") {
    const series = Object.values(isObject(args) ? args : {});
    require(series.length > 0 && series.every(Number.isFinite), "a series is no number");
  }
  if (ph === "M") problems.push(...metadataArgumentProblems(name, args));
  return problems;
}

function metadataArgumentProblems(name: unknown, args: unknown): string[] {
  const rule = METADATA[String(name)];
  if (rule === undefined) return [`there is no metadata ${name}`];
  const [argument, type] = rule;
  return isObject(args) && typeof args[argument] === type ? [] : [`${name} lacks its ${argument}`];
}

/** The samples of one counter come in the order of time. */
function counterProblems(events: readonly Members[]): string[] {
  const last = new Map<string, number>();
  return events.flatMap(({ ph, pid, name, id, ts }, index) => {
    if (ph !== "C") return [];
    const key = JSON.stringify([pid, name, id]);
    const previous = last.get(key) ?? -Infinity;
    last.set(key, ts as number);
    return ts as number > previous ? [] : [`event ${index}: the counter goes back in time`];
  });
}

/** A thread or process is named once. */
function metadataProblems(events: readonly Members[]): string[] {
  const seen = new Set<string>();
  return events.flatMap(({ ph, pid, tid, name }, index) => {
    if (ph !== "M") return [];
    const key = JSON.stringify([name, pid, String(name).startsWith("thread_") ? tid : null]);
    if (seen.has(key)) return [`event ${index}: ${name} again`];
    seen.add(key);
    return [];
  });
}

function threadProblems(events: readonly Members[]): string[] {
  const spans = new Map<string, ThreadSpan[]>();
  const open = new Map<string, ThreadSpan[]>();
  const lastTime = new Map<string, number>();
  const problems: string[] = [];
  events.forEach(({ ph, pid, tid, ts, dur }, index) => {
    if (ph !== "X" && ph !== "B" && ph !== "E") return;
    const thread = `${pid}/${tid}`;
    const place = `event ${index}`;
    const start = ts as number;
    if (ph === "X") {
      entry(spans, thread).push({ place, start, end: start + (dur as number) });
      return;
    }
    if (start < (lastTime.get(thread) ?? 0)) problems.push(`${place}: goes back in time`);
    lastTime.set(thread, start);
    if (ph === "B") {
      const span = { place, start, end: Infinity };
      entry(spans, thread).push(span);
      entry(open, thread).push(span);
      return;
    }
    const begun = entry(open, thread).pop();
    if (begun === undefined) problems.push(`${place}: ends what has not begun`);
    else begun.end = start;
  });
  for (const { place } of [...open.values()].flat()) problems.push(`${place}: never ends`);
  return [...problems, ...[...spans.values()].flatMap(nestingProblems)];
}

/** An arrow begins and ends in a slice that stands before it, and each of its ends has a begin. */
function flowProblems(events: readonly Members[]): string[] {
  const begun = new Map<string, number>();
  const slices: Members[] = [];
  return events.flatMap((event, index) => {
    const { ph, cat, id, name, ts, pid, tid, bp } = event;
    if (ph === "X") slices.push(event);
    if (ph !== "s" && ph !== "t" && ph !== "f") return [];
    const place = `event ${index}`;
    const key = JSON.stringify([cat, id, name]);
    const problems: string[] = [];
    const at = ts as number;
    const isIn = (slice: Members) => {
      const from = slice.ts as number;
      return slice.pid === pid && slice.tid === tid && from <= at &&
        at < from + (slice.dur as number);
    };
    if (!slices.some(isIn)) problems.push(`${place}: its arrow is in no slice`);
    if (ph === "f" && bp !== "e") problems.push(`${place}: would end at the next slice`);
    const before = begun.get(key);
    if (ph === "s") begun.set(key, at);
    else if (before === undefined) problems.push(`${place}: ends an arrow that has not begun`);
    else if (before > at) problems.push(`${place}: its arrow goes back in time`);
    if (ph === "f") begun.delete(key);
    return problems;
  }).concat(begun.size === 0 ? [] : ["an arrow never ends"]);
}

/** Spans of one thread contain or follow each other; what contains comes first in the file. */
function nestingProblems(spans: readonly ThreadSpan[]): string[] {
  const problems: string[] = [];
  const around: ThreadSpan[] = [];
  for (const span of spans.toSorted((a, b) => a.start - b.start)) {
    while (around.length > 0 && around.at(-1)!.end <= span.start) {
      const before = around.pop()!;
      // Of the same time and without length: viewers would draw the one over the other.
      if (before.start === span.start) problems.push(`${span.place}: starts with ${before.place}`);
    }
    const outer = around.at(-1);
    if (outer !== undefined && span.end > outer.end) {
      problems.push(`${span.place}: overlaps ${outer.place} in part`);
    }
    around.push(span);
  }
  return problems;
}

function entry<T>(map: Map<string, T[]>, key: string): T[] {
  const list = map.get(key) ?? [];
  map.set(key, list);
  return list;
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTime(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}
