import { failureText, reasonOf } from "../../_internal/text.ts";
import { attemptChange } from "../../eventlog/attempt_change.ts";
import type { AttemptChange } from "../../eventlog/run_state.ts";
import { isKnownRunEvent, type RunEvent } from "../../eventlog/run_event.ts";
import type { Gap, Stored } from "../../eventlog/types.ts";
import { UsageError } from "../exit_codes.ts";
import { wait } from "../process/end_processes.ts";
import { listRunIds, type OpenedRoot, openRoot } from "../reading/open_root.ts";
import { findReadableRun, hasLog } from "../reading/find_run.ts";
import { endText, ORPHAN, type Outcome, outcomeOf, reasonText } from "../reading/run_outcome.ts";
import type { RunsRoot, RunView } from "../../run/types.ts";
import { eventProblem } from "../../run/engine/run_log.ts";
import { summarizeRun } from "../reading/run_summary.ts";
import { fitTo, printableLine, shortened } from "../text/printable.ts";
import { Reader, READER_GONE_CODE } from "../text/reader.ts";
import { Screen } from "../text/screen.ts";
import { formatDuration, formatTime } from "../text/units.ts";
import {
  onlyOperand,
  type OptionTable,
  readArguments,
  RUN_OPERAND,
  type Verb,
} from "../text/arguments.ts";

const OPTIONS = {
  all: {
    text: "all runs that are worked on, and those that begin later, until it is interrupted; " +
      "each line begins with the run",
  },
} as const satisfies OptionTable;

/** `taffrail follow`: prints the events of a run as they come. */
export const followVerb: Verb = {
  summary: "print the events of a run, or of all, as they come",
  help: {
    about: `Prints the events of a run, those that are there and then those that come,
until the run ends or nobody works on it any more; the last line says which. A
run that is gone on with later is to be followed anew. It also ends when nobody
reads it any more, as in taffrail follow RUN | head. Of a log that another
program writes, with events of its own, these are printed as they are. Of a
durable program also that is told that it has recorded, and what it waits for.
${RUN_OPERAND}`,
    usage: ["[options] RUN", "[options] --all"],
    options: OPTIONS,
    operands: ["RUN"],
    exitCodes: `0 the run is over, however it ended, 1 there is no such run, or it cannot be
read, 2 called wrongly, 128 + n ended by signal n, as --all always is, and 141
nobody reads it any more, as a shell says it.`,
    json: `one JSON object a line: { "seq", "event" } for an event, { "seq", "gap": {
"reason", "message" } } for a line that cannot be read, { "line", "note" } for
one of the journal of a program, and at last { "end": "completed" | "aborted" |
"not-live", "outcome" }, with the state as taffrail ls calls it. With --all each
of them has a "run_id", too.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("follow", args, OPTIONS);
    const screen = new Screen(Deno.stdout);
    const printer = new Printer(screen, json);
    using reader = new Reader(screen);
    await using runs = await openRoot(root);
    const opened = { root, runs };
    if (options.all) {
      if (operands.length > 0) throw new UsageError("Give a run to taffrail follow, or --all");
      await followAll(opened, { printer, reader });
      return READER_GONE_CODE;
    }
    const operand = operands.length === 0 ? missingRun() : onlyOperand("follow", operands, "run");
    const runId = await findReadableRun(opened, operand);
    const end = await followToEnd(opened, { runId }, {
      print: (item) => printer.item(item),
      signal: reader.gone,
    });
    if (reader.look()) return READER_GONE_CODE;
    printer.end(end);
    return 0;
  },
};

function missingRun(): never {
  throw new UsageError("taffrail follow needs a run, or --all; see taffrail follow --help");
}

/** Prints what comes; of all runs together each line begins with the run. */
class Printer {
  readonly #screen: Screen;
  readonly #json: boolean;

  constructor(screen: Screen, json: boolean) {
    this.#screen = screen;
    this.#json = json;
  }

  /** Something has come. */
  item(item: RunItem | RunNote, runId?: string): void {
    if (this.#json) return this.#line(jsonOf(item), runId);
    const room = this.#screen.isTerminal ? this.#screen.columns : undefined;
    const text = "note" in item ? item.text : textOf(item);
    this.#screen.line(fitTo(`${prefixOf(runId)}${text}`, room));
  }

  /** A run is over. */
  end(end: RunEnd, runId?: string): void {
    if (this.#json) this.#line(end, runId);
    else this.#screen.line(`${prefixOf(runId)}${lastLineOf(end)}`);
  }

  #line(members: object, runId?: string): void {
    const run = runId === undefined ? {} : { run_id: runId };
    this.#screen.line(JSON.stringify({ ...run, ...members }));
  }
}

function lastLineOf({ end, outcome }: RunEnd): string {
  if (outcome === "ended") return "the log has ended: nobody has it open any more";
  if (end === "not-live") return `${ORPHAN} the run has no end, and nobody works on it any more`;
  return `the run ${endText(outcome)}`;
}

function jsonOf(item: RunItem | RunNote): object {
  if ("note" in item) return { line: item.line, note: item.note };
  if ("event" in item) return { seq: item.seq, event: item.event };
  const { seq, reason, message } = item;
  return { seq, gap: { reason, message } };
}

function prefixOf(runId: string | undefined): string {
  return runId === undefined ? "" : `${runId}  `;
}

function textOf(item: RunItem): string {
  if (!("event" in item)) return printableLine(`line ${item.seq}: ${item.reason}: ${item.message}`);
  const { seq, event } = item;
  const problem = eventProblem(event);
  if (problem !== undefined) {
    // An event of a program's own has no words but its own.
    const text = isKnownRunEvent(event) ? `line ${seq}: ${problem}` : JSON.stringify(event);
    return printableLine(text);
  }
  const node = "node_id" in event ? shown(event.node_id) : "";
  const columns = [formatTime(event.ts), event.type.padEnd(14), node, detailOf(event)];
  return printableLine(columns.filter((text) => text !== "").join("  "));
}

/** What an event says besides its node. */
function detailOf(event: RunEvent): string {
  if (!isKnownRunEvent(event)) return "";
  switch (event.type) {
    case "pipe.started":
      return event.pipe;
    case "pipe.completed":
      return lengthOf(event);
    case "pipe.aborted":
      return reasonText(event.reason);
    case "gate.passed":
      return shown(event.gate);
    case "iteration.started":
      return shown(event.iteration);
    default:
      return attemptText(attemptChange(event) ?? {});
  }
}

/** No schema has seen it: what is neither text nor number has no words. */
function shown(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function attemptText(change: Partial<AttemptChange>): string {
  const { status, name = "" } = change;
  if (status === undefined || status === "Running") return shortened(name);
  const length = lengthOf(change);
  if (status === "Completed") return length;
  const why = failureText({ ...change, kind: status.Failed.kind });
  return length === "" ? why : `${why}, ${length}`;
}

function lengthOf({ duration_ms: milliseconds }: { duration_ms?: number }): string {
  return typeof milliseconds === "number" ? formatDuration(milliseconds) : "";
}

/**
 * Follows all runs that are worked on now, and every run that begins or is gone on with later, until the
 * process is ended or nobody reads it any more. A run that nobody works on is left alone until somebody does
 * again.
 */
async function followAll(
  opened: OpenedRoot,
  { printer, reader }: { printer: Printer; reader: Reader },
): Promise<void> {
  const runs = new Map<string, FollowedRun>();
  const { root, runs: all } = opened;
  for (const runId of await listRunIds(all)) {
    const state = await stateOf(all, runId);
    if (state !== "live") runs.set(runId, { ...UNSEEN, state });
  }
  // Whatever begins from now on is seen.
  new Screen(Deno.stderr).line(`following all runs in ${root}; Ctrl-C ends that`);
  for (; !reader.look(); await wait(LIVE_POLL_MS, reader.gone)) {
    for (const runId of await listRunIds(all)) {
      const run = runs.get(runId) ?? UNSEEN;
      if (run.state === "followed" || run.state === "refused" || !hasLog(root, runId)) continue;
      const state = run.state === "resting" ? await stateOf(all, runId) : "live";
      if (state !== "live") {
        runs.set(runId, { ...run, state });
        continue;
      }
      runs.set(runId, { ...run, state: "followed" });
      const { lastSeq: after, lastLine: afterLine, end } = run;
      const seen = { runId, after, afterLine, end };
      const followed = followOne(opened, seen, { printer, reader });
      void followed.then((run) => runs.set(runId, run));
    }
  }
}

/** What has been seen of a run. */
interface FollowedRun {
  state: "new" | "followed" | "resting" | "refused";
  /** The last line of its log, and of its journal. */
  lastSeq: number;
  lastLine: number;
  end: RunEnd;
}

/** Whether a run is worked on; where that cannot be found out, it is said, and the others are followed. */
async function stateOf(
  runs: RunsRoot,
  runId: string,
): Promise<"live" | "resting" | "refused"> {
  try {
    return await runs.view(runId).holder() === undefined ? "resting" : "live";
  } catch (error) {
    new Screen(Deno.stderr).line(printableLine(`${runId}  ${reasonOf(error)}`));
    return "refused";
  }
}

async function followOne(
  opened: OpenedRoot,
  run: { runId: string; after: number; afterLine: number; end: RunEnd },
  { printer, reader }: { printer: Printer; reader: Reader },
): Promise<FollowedRun> {
  let lastSeq = run.after;
  let lastLine = run.afterLine;
  try {
    const print = (item: RunItem | RunNote) => {
      if ("seq" in item) lastSeq = item.seq;
      else lastLine = item.line;
      printer.item(item, run.runId);
    };
    const end = await followToEnd(opened, run, { print, signal: reader.gone });
    // Who has it open and says nothing more has not ended it again.
    if (lastSeq > run.after || run.after === 0) printer.end(end, run.runId);
    return { state: "resting", lastSeq, lastLine, end };
  } catch (error) {
    new Screen(Deno.stderr).line(`${run.runId}  ${reasonOf(error)}`);
    return { ...run, state: "refused", lastSeq, lastLine };
  }
}

/** What comes out of a log. */
type RunItem = Stored<RunEvent> | Gap;

/** How a run that was followed ended: by its last event, or because nobody works on it any more. */
interface RunEnd {
  end: "completed" | "aborted" | "not-live";
  outcome: Outcome;
}

/** Something that a program has recorded, or waits for, in place of an event. */
type RunNote = { line: number; note: object; text: string };

const NOT_LIVE: RunEnd = { end: "not-live", outcome: "orphan" };

/** What is known of a run of which nothing was printed. */
const UNSEEN: FollowedRun = { state: "new", lastSeq: 0, lastLine: 0, end: NOT_LIVE };

/** How often to look for runs that somebody works on again: the system notifies nobody. */
const LIVE_POLL_MS = 500;

/** Passes on the events of a run behind a seq, those that are there and those that come, to its end. */
async function followToEnd(
  opened: OpenedRoot,
  run: { runId: string; after?: number; afterLine?: number; end?: RunEnd },
  { print, signal }: { print: (item: RunItem | RunNote) => void; signal: AbortSignal },
): Promise<RunEnd> {
  const { runId, after = 0, afterLine = 0 } = run;
  const view = opened.runs.view(runId);
  let { end = NOT_LIVE } = run;
  const notes = await view.has("flow.json")
    ? undefined
    : await notesOf(view, afterLine, { print, signal });
  for await (const item of view.events.follow({ after, untilEnd: true, signal })) {
    if (notes !== undefined && "event" in item) await notes.before(item.event);
    print(item);
    end = endBehind(item) ?? end;
  }
  await notes?.end();
  if (end !== NOT_LIVE) return end;
  // What a program writes with events of its own has no other end.
  const isOtherLog = "is_other_log" in await summarizeRun(opened, runId);
  return isOtherLog ? { ...end, outcome: "ended" } : end;
}

/** How often to look for what a program records while no event comes. */
const NOTE_POLL_MS = 200;

/** Prints what a program records and waits for, behind a line of its journal: of that no event tells. */
async function notesOf(
  view: RunView,
  afterLine: number,
  { print, signal }: { print: (item: RunNote) => void; signal: AbortSignal },
): Promise<{ before(event: RunEvent): Promise<void>; end(): Promise<void> }> {
  const { NoteReader, noteText } = await import("../reading/follow_notes.ts");
  const reader = new NoteReader(view, afterLine);
  const over = new AbortController();
  let events = 0;
  const printUpTo = async (atMs: number) => {
    const notes = await reader.upTo(atMs);
    // A flow is kept behind the begin of its log, and before its journal has anything.
    if (notes.length === 0 || await view.has("flow.json")) return;
    for (const taken of notes) print({ ...taken, text: noteText(taken) });
  };
  const watch = async () => {
    for (let seen = -1; !over.signal.aborted && !signal.aborted;) {
      // As long as events come they bring along what was before them.
      if (seen === events) await printUpTo(Infinity);
      seen = events;
      await wait(NOTE_POLL_MS, over.signal, signal);
    }
  };
  const watching = watch();
  return {
    before: async ({ ts }) => {
      events++;
      const atMs = Date.parse(ts);
      if (!Number.isNaN(atMs)) await printUpTo(atMs);
    },
    end: async () => {
      over.abort();
      await watching;
      await printUpTo(Infinity);
    },
  };
}

/** What an event says of the end of its run; that of one that begins again is yet to come. */
function endBehind(item: RunItem): RunEnd | undefined {
  if (!("event" in item) || !isKnownRunEvent(item.event)) return undefined;
  const { event } = item;
  if (event.type === "pipe.started") return NOT_LIVE;
  if (event.type === "pipe.completed") return { end: "completed", outcome: "completed" };
  if (event.type !== "pipe.aborted") return undefined;
  const state = { Aborted: { reason: shown(event.reason) } };
  const outcome = outcomeOf({ state, is_orphan: false, is_suspended: false });
  return { end: "aborted", outcome };
}
