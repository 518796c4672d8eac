import { assertEquals } from "@std/assert";
import { readCaptureLines, recoverCapture } from "../../../capture/mod.ts";
import type { CaptureLine } from "../../../capture/session/read_capture_lines.ts";
import { readRunSync, type RunEvent, RunFold } from "../../../eventlog/mod.ts";
import { runPaths } from "../../../_internal/root_layout.ts";
import { JournalHistory } from "../../../run/engine/journal_history.ts";
import { eventsOf } from "../../../run/engine/lifecycle.ts";
import { openRun } from "../../../run/mod.ts";
import { withTempDir } from "../../_util/temp.ts";

const TELLING = {
  name: "flow",
  nodes: [],
  describe: (nodeId: string) => ({ kind: "command", task: nodeId }) as const,
};

function foldOf(events: Iterable<RunEvent>): RunFold {
  const fold = new RunFold();
  for (const event of events) fold.take(event);
  return fold;
}

function outline(fold: RunFold): unknown {
  const nodes = Array.from(fold.nodes(), ({ id, status, attempt, kind }) => {
    const attempts = fold.attemptsOf(id).map(({ started_ts: _, ...info }) => info);
    return [id, { status, attempt, kind, attempts }] as const;
  });
  return { state: fold.run.state, pipe: fold.run.pipe, nodes: new Map(nodes) };
}

/** Puts into a fold what it lacks. */
function bringUp(fold: RunFold, history: JournalHistory): number {
  const bodies = history.missingEvents(TELLING);
  const events = eventsOf(bodies, { runId: "r", after: fold.lastEventId });
  for (const event of events) fold.take(event);
  return events.length;
}

async function linesOf(source: string | string[]): Promise<CaptureLine[]> {
  const lines: CaptureLine[] = [];
  await readCaptureLines(source, (line) => lines.push(structuredClone(line)));
  return lines;
}

function historyOf(fold: RunFold, lines: readonly CaptureLine[]): JournalHistory {
  const history = new JournalHistory(fold);
  for (const line of lines) history.take(line);
  return history;
}

/** A run in which three nodes are tried several times, two at once. */
async function recordRun(root: string): Promise<{ events: RunEvent[]; journal: string }> {
  const ends = new Map([["b", 1], ["c", 5]]);
  const run = await openRun({
    root,
    name: "flow",
    constraints: { max_in_flight: 2, max_retries: 2 },
    invoker: {
      run: ({ eventId, attempt }) => attempt > (ends.get(eventId) ?? 0) ? "Completed" : "TimedOut",
    },
  });
  for (const id of ["a", "b", "c", "d"]) await run.submit(id);
  await run.finish();
  const events = [...readRunSync(root, run.runId)].flatMap(({ events }) => events);
  return {
    events: events.map(({ event }) => event),
    journal: runPaths(root, run.runId).journal,
  };
}

Deno.test("JournalHistory brings every beginning of a log up to its journal, each event once", () =>
  withTempDir(async (root) => {
    const { events, journal } = await recordRun(root);
    const lines = await linesOf(journal);
    const recovered = await recoverCapture(journal);
    const whole = outline(foldOf(events));
    const { completed, begun } = JournalHistory.of(recovered, new RunFold());
    assertEquals([completed, begun], [new Set(["a", "b", "d"]), new Set(["a", "b", "c", "d"])]);
    for (let count = 0; count <= events.length; count++) {
      const known = events.slice(0, count);
      for (const read of [historyOf, (fold: RunFold) => JournalHistory.of(recovered, fold)]) {
        const fold = foldOf(known);
        const history = read(fold, lines);
        assertEquals(history.missingWords().length, events.length - count, `${count} events`);
        assertEquals(bringUp(fold, history), events.length - count, `${count} events`);
        assertEquals(outline(fold), whole, `${count} events`);
        assertEquals(read(fold, lines).missingEvents(TELLING), []);
      }
    }
    // Any line may be lost, and the others not.
    for (const [index, { type }] of events.entries()) {
      const fold = foldOf(events.toSpliced(index, 1));
      // Behind an end another begin needs another end.
      const written = type === "pipe.started" ? 2 : 1;
      assertEquals(bringUp(fold, historyOf(fold, lines)), written, `without event ${index}`);
      assertEquals(outline(fold), whole);
    }
  }));

Deno.test("JournalHistory says the same of every beginning of a journal, read as a whole or line by line", () =>
  withTempDir(async (root) => {
    const { events, journal } = await recordRun(root);
    const texts = (await Deno.readTextFile(journal)).trimEnd().split("\n");
    for (let count = 1; count <= texts.length; count++) {
      const part = texts.slice(0, count);
      const recovered = await recoverCapture(part);
      const all = foldOf(events);
      // What the log has stands.
      assertEquals(historyOf(all, await linesOf(part)).missingEvents(TELLING), []);
      const [streamed, read] = [
        historyOf(new RunFold(), await linesOf(part)),
        JournalHistory.of(recovered, new RunFold()),
      ];
      assertEquals(streamed.missingEvents(TELLING), read.missingEvents(TELLING), `${count} lines`);
      assertEquals(streamed.cutOff, read.cutOff);
      const named = ({ undecidedEnds }: JournalHistory) => {
        return undecidedEnds.map(({ nodeId, attempt, termination, end }) => {
          return { nodeId, attempt, termination, end };
        });
      };
      assertEquals(named(streamed), named(read), `${count} lines`);
      // What is shown has no end less than what is recorded.
      const shown = new RunFold();
      const untold = streamed.untoldEvents(TELLING);
      for (const event of eventsOf(untold, { runId: "r", after: undefined })) shown.take(event);
      const ends = part.filter((text) => text.includes('"completion"')).length;
      const ended = Array.from(shown.nodes()).flatMap(({ id }) => shown.attemptsOf(id))
        .filter(({ status }) => status !== "Running");
      assertEquals(ended.length, ends, `${count} lines`);
    }
  }));

/** Times a second apart, as the journal and the log have them. */
class Clock {
  #second = 1_776_254_400;

  time() {
    return { secs: ++this.#second, nanos: 7_000_000 };
  }

  event(type: string, members: object = {}): RunEvent {
    const ts = new Date(this.time().secs * 1000 + 7).toISOString();
    return { type, id: "", ts, run_id: "r", ...members };
  }
}

Deno.test("JournalHistory tells begins and ends of sittings that the log lacks", () =>
  withTempDir(async (root) => {
    const { journal } = await recordRun(root);
    const [session] = await linesOf(journal);
    const clock = new Clock();
    const begun = clock.event("pipe.started", { pipe: "flow" });
    const aborted = clock.event("pipe.aborted", { reason: "node a failed: crash" });
    const broken = clock.event("pipe.aborted", { reason: "the disk was full" });
    const resumed = clock.event("pipe.started", { pipe: "flow", resumed: true });
    const going = { type: "resumed" } as CaptureLine;
    const ended = (state: "Completed" | "Aborted", reason?: string) => {
      return { type: "ended", at: clock.time(), state, ...reason && { reason } } as CaptureLine;
    };
    const failed = ended("Aborted", "node a failed: crash");
    const completed = ended("Completed");
    const told = { Aborted: { reason: "node a failed: crash" } };
    const cases: [events: RunEvent[], lines: CaptureLine[], words: string[], state: unknown][] = [
      [[], [], [], "Running"],
      [[begun], [], [], "Running"],
      // Sittings in which nothing happened, before one in which the run ended.
      [[], [going], [], "Running"],
      [
        [],
        [going, going, completed],
        [
          "the begin of the run",
          "that it was gone on with",
          "that it was gone on with",
          "the end of the run",
        ],
        "Completed",
      ],
      [[begun], [failed], ["the end of the run"], told],
      [[], [failed], ["the begin of the run", "the end of the run"], told],
      [[begun, aborted], [failed], [], told],
      [[begun, aborted], [failed, going], ["that it was gone on with"], "Running"],
      [[begun, aborted, resumed], [failed, going], [], "Running"],
      [[begun, aborted, resumed], [failed, going, completed], ["the end of the run"], "Completed"],
      [
        [begun, aborted],
        [failed, going, completed],
        ["that it was gone on with", "the end of the run"],
        "Completed",
      ],
      // A sitting that was killed has no end in either, or one in the log alone, if its journal had failed.
      [[begun, resumed], [going], [], "Running"],
      [[begun, broken], [], [], { Aborted: { reason: "the disk was full" } }],
      // What was recorded broke off behind the end.
      [[begun, broken], [completed], ["the end of the run"], "Completed"],
      [[begun, broken], [failed], [], { Aborted: { reason: "the disk was full" } }],
    ];
    for (const [index, [events, lines, words, state]] of cases.entries()) {
      const fold = foldOf(events);
      const history = historyOf(fold, [session!, ...lines]);
      assertEquals(history.missingWords(), words, `case ${index}`);
      bringUp(fold, history);
      assertEquals(fold.run.state, state, `case ${index}`);
      assertEquals(historyOf(fold, [session!, ...lines]).missingEvents(TELLING), []);
    }
  }));

Deno.test("JournalHistory counts attempts on over all events that asked for a node", () =>
  withTempDir(async (root) => {
    const { journal } = await recordRun(root);
    const [session] = await linesOf(journal);
    const clock = new Clock();
    const decision = (what: string, episode: number, origin: string, members: object = {}) => {
      const numbers = { now: clock.time() };
      const ids = { episode_id: episode, origin_event_id: origin, event_id: origin };
      const line = { type: "decision", decision: what, ...ids, retry_count: 0, numbers };
      return { ...line, ...members } as unknown as CaptureLine;
    };
    const ask = (id: string, members: object = {}) => {
      return {
        type: "event",
        event_id: id,
        kind: "Command",
        payload: "",
        ...members,
      } as CaptureLine;
    };
    const end = (episode: number, attempt: number, termination: unknown, members: object = {}) => {
      const line = { type: "completion", episode_id: episode, attempt, termination };
      return { ...line, at: clock.time(), ...members } as CaptureLine;
    };
    const fold = new RunFold();
    const history = historyOf(fold, [
      session!,
      ask("a"),
      decision("Invoke", 0, "a"),
      end(0, 1, "TimedOut"),
      decision("Invoke", 0, "a", { retry_count: 1 }),
      end(0, 2, "Aborted"),
      decision("Finish", 0, "a", { termination: "Aborted" }),
      { type: "resumed" } as CaptureLine,
      ask("a#2", { first_attempt: 3 }),
      decision("Invoke", 1, "a#2"),
      // It was ended before it began, so that its number is given again.
      end(1, 1, "Aborted", { end: { begun: false } }),
      decision("Finish", 1, "a#2", { termination: "Aborted" }),
      ask("a#3", { first_attempt: 3 }),
      decision("Invoke", 2, "a#3"),
      end(2, 1, "Completed", { end: { duration_ms: 41 } }),
      decision("Finish", 2, "a#3", { termination: "Completed" }),
    ]);
    bringUp(fold, history);
    const attempts = fold.attemptsOf("a").map(({ attempt, status }) => [attempt, status]);
    assertEquals(attempts, [
      [1, { Failed: { kind: "timeout" } }],
      [2, {
        Failed: { kind: "cancelled", message: "cut off: nobody has seen its end" },
      }],
      [3, "Completed"],
    ]);
  }));
