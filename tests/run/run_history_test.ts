import { assertEquals } from "@std/assert";
import { readRunSync, type RunEvent } from "../../eventlog/mod.ts";
import { openRun } from "../../run/mod.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { RunHistory } from "../../run/run_history.ts";
import { withTempDir } from "../_util/temp.ts";

type Line = Record<string, unknown>;

let second = 0;

/** A time, a second later than the one before, as the journal and as the log have it. */
function tick(): { at: { secs: number; nanos: number }; ts: string } {
  const at = { secs: 1_776_254_400 + ++second, nanos: 7_000_000 };
  return { at, ts: new Date(at.secs * 1000 + 7).toISOString() };
}

function event(type: string, members: object = {}): RunEvent {
  return { type, id: "", ts: tick().ts, run_id: "r", ...members };
}

const begun = event("pipe.started", { pipe: "ci", nodes: ["a", "b"] });
const resumed = event("pipe.started", { pipe: "ci", nodes: ["a", "b"], resumed: true });
const aborted = event("pipe.aborted", { reason: "node a failed: crash" });
const session = { type: "session", config: { max_in_flight: 1, max_retries: 2 } };

function decision(what: string, episode: number, origin: string, members: Line = {}): Line {
  const { at: now } = tick();
  const numbers = { now, in_flight: 1, in_window: 0, deferred: 0, next_due: null, defer_count: 1 };
  const ids = { episode_id: episode, origin_event_id: origin, event_id: origin };
  const rest = { retry_count: 0, reason: "admitted", numbers, schedule_at: null };
  return { type: "decision", decision: what, ...ids, ...rest, ...members };
}

function completion(episode: number, attempt: number, termination: unknown, end?: Line): Line {
  const { at } = tick();
  return { type: "completion", episode_id: episode, attempt, termination, at, ...end && { end } };
}

function ended(state: "Completed" | "Aborted", members: Line = {}): Line {
  return { type: "ended", at: tick().at, state, ...members };
}

function historyOf(events: readonly RunEvent[], lines: readonly Line[]): RunHistory {
  const history = new RunHistory();
  for (const each of events) history.take(each);
  for (const line of lines) history.takeLine(line);
  return history;
}

/** The same, with the journal first, and with both in turns. */
function inEveryOrder(events: readonly RunEvent[], lines: readonly Line[]): RunHistory[] {
  const journalFirst = new RunHistory();
  for (const line of lines) journalFirst.takeLine(line);
  for (const each of events) journalFirst.take(each);
  const turns = new RunHistory();
  for (let index = 0; index < Math.max(events.length, lines.length); index++) {
    if (index < lines.length) turns.takeLine(lines[index]);
    if (index < events.length) turns.take(events[index]!);
  }
  return [historyOf(events, lines), journalFirst, turns];
}

function outline(history: RunHistory): unknown {
  const { state, nodes } = history.state();
  const told = nodes.map(({ id, status, attempt }) => {
    const attempts = history.attemptsOf(id).map(({ attempt, status }) => [attempt, status]);
    return [id, { status, attempt, attempts }] as const;
  });
  return { state, nodes: new Map(told) };
}

Deno.test("RunHistory tells the same of a run wherever its log ends, once the journal is whole", () =>
  withTempDir(async (root) => {
    const ends = new Map([["b", 1], ["c", 5]]);
    const run = await openRun({
      root,
      name: "flow",
      constraints: { max_in_flight: 2, max_retries: 2 },
      invoker: {
        run: ({ eventId, attempt }) =>
          attempt > (ends.get(eventId) ?? 0) ? "Completed" : "TimedOut",
      },
    });
    for (const id of ["a", "b", "c", "d", "e"]) await run.submit(id);
    const { state } = await run.finish();
    const { runId } = run;
    const events = [...readRunSync(root, runId)].flatMap(({ events }) => events)
      .map(({ event }) => event);
    const text = await Deno.readTextFile(runPaths(root, runId).journal);
    const lines: Line[] = text.trimEnd().split("\n").map((line) => JSON.parse(line));
    const end = typeof state === "string" ? { state } : { state: "Aborted", ...state.Aborted };
    lines.push({ type: "ended", at: tick().at, ...end });
    const whole = historyOf(events, []);
    assertEquals(whole.missing, undefined);
    for (let count = 0; count <= events.length; count++) {
      for (const history of inEveryOrder(events.slice(0, count), lines)) {
        assertEquals(outline(history), outline(whole), `${count} events`);
        assertEquals(history.isBehind, count < events.length, `${count} events`);
      }
    }
    // As long as the journal has no more than the log.
    for (let count = 0; count <= lines.length; count++) {
      for (const history of inEveryOrder(events, lines.slice(0, count))) {
        assertEquals(outline(history), outline(whole), `${count} lines`);
        assertEquals(history.isBehind, false);
      }
    }
  }));

Deno.test("RunHistory takes the end of an attempt from the journal, where the log lacks it", () => {
  const start = event("node.started", { node_id: "a", attempt: 1, kind: "command", name: "make" });
  const digest = `sha256:${"1f".repeat(32)}`;
  const end = { exit_code: 3, duration_ms: 41, output_hash: digest, error: { message: "no rule" } };
  const last = completion(0, 1, { Failed: "RuntimeError" }, end);
  const lines = [session, decision("Invoke", 0, "a"), last];
  const status = { Failed: { kind: "crash", message: "no rule" } } as const;
  for (const history of inEveryOrder([begun, start], lines)) {
    const [info] = history.attemptsOf("a");
    const { error: _error, ...members } = end;
    assertEquals(info, { attempt: 1, status, started_ts: info!.started_ts!, ...members });
    assertEquals(history.missing, {
      started: false,
      begins: [],
      ends: [{ nodeId: "a", attempt: 1 }],
      ended: false,
    });
    history.take(event("node.failed", { node_id: "a", attempt: 1, error: { kind: "crash" } }));
    assertEquals(history.isBehind, false);
    assertEquals(history.limits?.max_in_flight, 1);
  }
  // What the log has stands.
  const told = event("node.completed", { node_id: "a", attempt: 1, duration_ms: 40 });
  const [info] = historyOf([begun, start, told], lines).attemptsOf("a");
  assertEquals([info?.status, info?.duration_ms], ["Completed", 40]);
});

Deno.test("RunHistory shows an attempt that only the journal knows, until it turns out to be none", () => {
  const invoke = decision("Invoke", 0, "a");
  for (const history of inEveryOrder([begun], [session, invoke])) {
    const { secs } = (invoke.numbers as { now: { secs: number } }).now;
    const started = new Date(1000 * secs + 7).toISOString();
    assertEquals(history.attemptsOf("a"), [{ attempt: 1, status: "Running", started_ts: started }]);
    assertEquals(history.state().nodes[0], {
      id: "a",
      status: "Running",
      attempt: 1,
      last_ts: started,
    });
    assertEquals(history.missing?.begins, [{ nodeId: "a", attempt: 1 }]);
    history.takeLine(completion(0, 1, "Aborted", { begun: false }));
    assertEquals([history.attemptsOf("a"), history.isBehind], [[], false]);
    assertEquals(history.state().nodes[0], { id: "a", status: "Pending" });
  }
  const program = historyOf([event("pipe.started", { pipe: "p" })], [session, invoke]);
  assertEquals(program.state().nodes.map(({ id, status }) => [id, status]), [["a", "Running"]]);
});

Deno.test("RunHistory counts attempts on over all events that asked for a node", () => {
  const again = { type: "event", event_id: "a#2", first_attempt: 3 };
  const history = historyOf([begun], [
    session,
    { type: "event", event_id: "a" },
    decision("Invoke", 0, "a"),
    completion(0, 1, "TimedOut"),
    decision("Invoke", 0, "a", { retry_count: 1, reason: "retry" }),
    completion(0, 2, "Aborted"),
    decision("Finish", 0, "a"),
    { type: "resumed", lines: 7 },
    again,
    decision("Invoke", 1, "a#2"),
    completion(1, 1, "Completed"),
  ]);
  assertEquals(history.attemptsOf("a").map(({ attempt, status }) => [attempt, status]), [
    [1, { Failed: { kind: "timeout" } }],
    [2, { Failed: { kind: "cancelled" } }],
    [3, "Completed"],
  ]);
  assertEquals(history.state().nodes[0]?.attempt, 3);
});

Deno.test("RunHistory takes the begin and the end of a sitting from the journal, where the log lacks it", () => {
  const reason = "node a failed: crash";
  const end = ended("Aborted", { reason, failed: "a", skipped: { b: "a failed" }, output: [1] });
  const going = { type: "resumed", lines: 3 };
  const told = { Aborted: { reason } };
  const cases: [events: RunEvent[], lines: Line[], state: unknown, behind?: object][] = [
    [[begun], [session], "Running"],
    [[begun], [session, end], told, { ended: true }],
    [[begun, aborted], [session, end], told],
    [[begun, aborted], [session, end, going], "Running", { started: true }],
    [[begun, aborted, resumed], [session, end, going], "Running"],
    [[begun, aborted, resumed], [session, end, going, end], told, { ended: true }],
    [[begun, aborted, resumed, aborted], [session, end, going, end], told],
    // The log was read when it had more than the journal.
    [[begun, aborted, resumed], [session, end], "Running"],
    // A sitting that was killed has no end in either; or one in the log alone, if the journal had failed.
    [[begun, resumed], [session, going], "Running"],
    [[begun, resumed], [session, going, end], told, { ended: true }],
    [[begun, aborted], [session], told],
    [[begun, aborted, resumed], [session, going], "Running"],
  ];
  for (const [index, [events, lines, state, behind]] of cases.entries()) {
    for (const history of inEveryOrder(events, lines)) {
      assertEquals(history.state().state, state, `case ${index}`);
      const none = { started: false, begins: [], ends: [], ended: false };
      assertEquals(history.missing, behind && { ...none, ...behind }, `case ${index}`);
      assertEquals(history.state({ live: false }).is_orphan, state === "Running");
    }
  }
  const { ended: record } = historyOf([begun], [session, end]);
  const { ts: _ts, ...members } = record!;
  assertEquals(members, { state: told, failed: "a", skipped: { b: "a failed" }, output: [1] });
});

Deno.test("RunHistory tells why nodes had to wait, and which wait now", () => {
  const saturated = { reason: "saturated" };
  const due = { secs: 1_776_300_000, nanos: 0 };
  const history = historyOf([begun], [
    session,
    decision("Defer", 0, "a", saturated),
    decision("Defer", 0, "a", saturated),
    decision("Defer", 0, "a", { reason: "backoff", schedule_at: due }),
    decision("Defer", 1, "b", saturated),
    decision("Skip", 1, "b", { reason: "withdrawn" }),
  ]);
  const shown = history.deferralsOf("a").map(({ reason, times, until_ts }) => {
    return [reason, times, until_ts];
  });
  assertEquals(shown, [
    ["saturated", 2, undefined],
    ["backoff", 1, "2026-04-16T00:40:00.000Z"],
  ]);
  assertEquals(history.deferralsOf("a")[0]?.numbers.in_flight, 1);
  assertEquals([history.isDeferred("a"), history.isDeferred("b")], [true, false]);
  history.takeLine(decision("Invoke", 0, "a", { reason: "due" }));
  assertEquals([history.isDeferred("a"), history.deferralsOf("c")], [false, []]);
});

Deno.test("RunHistory has the waits and the records of a program", () => {
  const until = { secs: 1_776_300_000, nanos: 5_000_000 };
  const untilTs = "2026-04-16T00:40:00.005Z";
  const { at, ts } = tick();
  const history = historyOf([begun], [
    session,
    { type: "wait", id: "deploy", kind: "gate", until },
    { type: "wait", id: "pause", kind: "sleep", until },
    { type: "waited", id: "deploy", how: "denied", by: "mia", inbox_line: 1 },
    { type: "wait", id: "deploy", kind: "gate" },
    { type: "record", id: "sum", at, data: { total: 7 } },
    { type: "waited", id: "deploy", how: "passed", value: null, inbox_line: 2 },
  ]);
  assertEquals(history.waits, [
    { id: "deploy", kind: "gate", until_ts: untilTs, how: "denied", by: "mia" },
    { id: "pause", kind: "sleep", until_ts: untilTs },
    { id: "deploy", kind: "gate", how: "passed", value: null },
  ]);
  assertEquals([...history.records], [["sum", { ts, data: { total: 7 } }]]);
});

Deno.test("RunHistory passes over lines that say nothing to it, whatever they are", () => {
  const odd: unknown[] = [undefined, null, 7, "x", [], {}, { type: 7 }, { type: "later", id: "a" }];
  const types = ["session", "event", "completion", "withdraw", "decision", "effects", "wait"];
  for (const type of [...types, "waited", "record", "resumed", "ended"]) {
    const values = [null, "x", -1, [], { secs: 1e300, nanos: 0 }, { secs: "1" }];
    const names = Object.keys({ ...decision("Invoke", 0, "a"), ...completion(0, 1, "Completed") });
    odd.push(
      { type },
      ...names.flatMap((name) => values.map((value) => ({ type, [name]: value }))),
    );
    for (const name of names) {
      for (const value of values) {
        odd.push({
          ...decision("Invoke", 0, "a"),
          ...completion(0, 1, "Aborted", {}),
          type,
          [name]: value,
        });
      }
    }
  }
  const history = new RunHistory();
  history.take(begun);
  for (const line of [...odd, ...odd]) history.takeLine(line);
  assertEquals(history.state().nodes.slice(0, 2).map(({ id }) => id), ["a", "b"]);
});
