import { assertEquals } from "@std/assert";
import { chromeProblems } from "./_chrome_validator.ts";

type Event = Record<string, unknown>;

const WHERE = { pid: 1, tid: 1 };
const step = (ts: number, dur: number, changes: Event = {}): Event => ({
  ph: "X",
  name: "step",
  cat: "step",
  ts,
  dur,
  ...WHERE,
  ...changes,
});
const count = (ts: number, steps: unknown): Event => ({
  ph: "C",
  name: "count",
  ts,
  ...WHERE,
  args: { steps },
});
const mark = (changes: Event): Event => ({ ph: "i", name: "mark", ts: 1, ...WHERE, ...changes });
const begin = (ts: number): Event => ({ ph: "B", name: "step", ts, ...WHERE });
const end = (ts: number): Event => ({ ph: "E", ts, ...WHERE });
const named = (changes: Event = {}): Event => ({
  ph: "M",
  name: "thread_name",
  ...WHERE,
  args: { name: "lane 1" },
  ...changes,
});

const arrow = (ph: string, ts: number, changes: Event = {}): Event => {
  return { ph, name: "again", cat: "retry", id: 1, ts, ...WHERE, bp: "e", ...changes };
};

function problemsOf(...traceEvents: unknown[]): string[] {
  return chromeProblems(JSON.stringify({ traceEvents }));
}

Deno.test("the validator passes what the format allows", () => {
  const right: Event[][] = [
    [],
    [step(0, 10), step(2, 3), step(5, 5), step(10, 1)],
    [step(5, 1), step(0, 10)],
    [step(0, 10), step(5, 10, { tid: 2 }), step(5, 10, { pid: 2 })],
    [step(0, 10), step(0, 10), step(0, 5)],
    [count(0, 1), count(1, 0), step(0, 1), count(2, 1.5)],
    [mark({}), mark({ s: "g" }), mark({ s: "p" }), mark({ s: "t" })],
    [begin(0), begin(1), end(2), end(3), begin(3), end(4)],
    [step(0, 2), arrow("s", 1), step(5, 2), arrow("f", 5)],
    [named(), named({ tid: 2 }), named({ name: "thread_sort_index", args: { sort_index: 1 } })],
  ];
  for (const events of right) assertEquals(problemsOf(...events), []);
});

Deno.test("the validator finds what is not the object format", () => {
  const wrong: [trace: unknown, problem: string][] = [
    [[], "the trace is not an object"],
    [{}, "traceEvents is not an array"],
    [{ traceEvents: {} }, "traceEvents is not an array"],
    [{ traceEvents: [], displayTimeUnit: "s" }, "displayTimeUnit is s"],
    [{ traceEvents: [], otherData: [] }, "otherData is not an object"],
    [{ traceEvents: [null] }, "event 0: is not an object"],
  ];
  for (const [trace, problem] of wrong) {
    assertEquals(chromeProblems(JSON.stringify(trace)), [problem]);
  }
});

Deno.test("the validator finds fields that are missing or of another type", () => {
  const wrong: [event: Event, problem: string][] = [
    [step(0, 1, { ph: "?" }), 'ph is "?"'],
    [step(0, 1, { name: 1 }), "name is not a string"],
    [step(0, 1, { cat: ["a"] }), "cat is not a string"],
    [step(0, 1, { pid: "1" }), "pid is not an integer"],
    [step(0, 1, { tid: 1.5 }), "tid is not an integer"],
    [step(0, 1, { args: [] }), "args is not an object"],
    [step(NaN, 1), "ts is not a time"],
    [step(-1, 1), "ts is not a time"],
    [step(0, 1, { dur: undefined }), "dur is not a duration"],
    [step(0, -1), "dur is not a duration"],
    [mark({ s: "x" }), "the scope is x"],
    [count(0, "1"), "a series is no number"],
    [{ ...count(0, 1), args: {} }, "a series is no number"],
    [named({ name: "lane_name" }), "there is no metadata lane_name"],
    [named({ args: {} }), "thread_name lacks its name"],
    [named({ name: "thread_sort_index" }), "thread_sort_index lacks its sort_index"],
  ];
  for (const [event, problem] of wrong) {
    assertEquals(problemsOf(event), [`event 0: ${problem}`]);
  }
});

Deno.test("the validator finds what overlaps in part on one thread, and a wrong order", () => {
  const wrong: [events: Event[], problem: string][] = [
    [[step(0, 10), step(5, 6)], "event 1: overlaps event 0 in part"],
    [[step(5, 6), step(0, 10)], "event 0: overlaps event 1 in part"],
    [[step(0, 10), step(1, 5), step(3, 4)], "event 2: overlaps event 1 in part"],
    [[step(0, 5), step(0, 10)], "event 1: overlaps event 0 in part"],
    [[step(3, 0), step(3, 1)], "event 1: starts with event 0"],
    [[begin(0), end(10), step(5, 6)], "event 2: overlaps event 0 in part"],
    [[begin(0)], "event 0: never ends"],
    [[end(0)], "event 0: ends what has not begun"],
    [[begin(5), end(4)], "event 1: goes back in time"],
    [[count(1, 1), count(1, 2)], "event 1: the counter goes back in time"],
    [[named(), named()], "event 1: thread_name again"],
    [[step(0, 2), arrow("s", 1)], "an arrow never ends"],
    [[step(0, 2), arrow("f", 1)], "event 1: ends an arrow that has not begun"],
    [[step(0, 2), arrow("s", 1), arrow("f", 0)], "event 2: its arrow goes back in time"],
    [[step(0, 2), arrow("s", 1), arrow("f", 2)], "event 2: its arrow is in no slice"],
    [
      [step(0, 2), arrow("s", 0), arrow("f", 1, { bp: undefined })],
      "event 2: would end at the next slice",
    ],
    [
      [named({ name: "process_name" }), named({ name: "process_name", tid: 2 })],
      "event 1: process_name again",
    ],
  ];
  for (const [events, problem] of wrong) assertEquals(problemsOf(...events), [problem]);
});
