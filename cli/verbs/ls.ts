import { optionError, UsageError } from "../exit_codes.ts";
import { commandHint, findRun } from "../reading/find_run.ts";
import { type OpenedRoot, openRoot } from "../reading/open_root.ts";
import {
  isAskedFor,
  type Outcome,
  outcomeOf,
  outcomeText,
  STATE_WORDS,
  stateText,
  type StateWord,
} from "../reading/run_outcome.ts";
import { type Listed, summarizeMore, summarizeRuns, type Summary } from "../reading/run_summary.ts";
import { lastTime } from "../reading/run_times.ts";
import { columnWidth, fitTo, printableLine, shortened } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import {
  formatAge,
  formatDuration,
  formatSize,
  formatTime,
  parseAgeOption,
  parseCountOption,
} from "../text/units.ts";
import {
  numberOption,
  type Options,
  type OptionTable,
  readArguments,
  type Verb,
} from "../text/arguments.ts";

/** A run as `--json` prints it. */
type Row = Listed & { outcome: Outcome; size_bytes: number };

/** A run in the table. */
interface Shown {
  row: Row;
  /** When something was recorded last. */
  time: number | undefined;
}

const DEFAULT_LIMIT = 50;

const OPTIONS = {
  state: {
    value: "STATE",
    words: STATE_WORDS,
    isList: true,
    text: "only those that are running, suspended, completed, failed, cancelled, timed-out, " +
      "unfinished, orphan, ended or unreadable; aborted: all that did not complete but have an " +
      "end; other: logs of other programs; several with commas between",
  },
  since: { value: "AGE", text: "only those whose last event is at most so old, as 2h or 7d" },
  "older-than": { value: "AGE", text: "only those whose last event is older" },
  limit: { value: "N", text: `the newest N of them (default ${DEFAULT_LIMIT})` },
  before: { value: "RUN", text: "only those that stand before this one: the page before" },
} as const satisfies OptionTable;

/** `taffrail ls`: lists the runs. */
export const lsVerb: Verb = {
  summary: "list the runs",
  help: {
    about: `Lists the runs, the one that began last at the end: id, flow, state, nodes
completed of all, how long it took, size on disk, the time of the last event,
and the command where it is only one. [ORPHAN?] marks a run that has no end and
that nobody works on any more; "suspended" one at work whose process was
stopped, as by Ctrl-Z: it counts as running; "unfinished" one that its program
left before its end; "waiting" a program that waits at a gate, and "sleeping"
one that sleeps, and does nothing else: they count as running. A log that
another program wrote, with events of its own, is "running" as long as somebody
has it open, and then "ended". Of a long log only both ends are read: then nodes
are not counted. On a terminal times are told as ages, and the columns are left
out for which there is no room; ids are never cut.`,
    options: OPTIONS,
    notes: "Ages are a number with s, m, h, d or w.",
    exitCodes: `0 it is done, also where there is no run, 1 the root cannot be read, 2 called
wrongly.`,
    json: `{ "root", "total", "before", "runs": [{ "run_id", "pipe", "state", "outcome",
"is_orphan", "is_suspended", "started_ts", "last_ts", "duration_ms", "command",
"waits_for", "nodes_completed", "nodes_total", "size_bytes" }] }; state is
"Running", "Completed" or { "Aborted": { "reason" } }, outcome one of the words
above. A log of another program is { "run_id", "is_other_log", "is_live",
"outcome", "started_ts", "last_ts", "duration_ms", "size_bytes" }, a run that
cannot be read { "run_id", "problem", "outcome", "size_bytes" }. What is not
known is null. total: how many were asked for. before: what to give to --before
for the page before, or null.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("ls", args, OPTIONS);
    if (operands.length > 0) {
      throw new UsageError(
        `taffrail ls takes no argument; for one run, taffrail show ${operands[0]}`,
      );
    }
    const limit = numberOption(options, "limit", parseCountOption) ?? DEFAULT_LIMIT;
    const filter = filterOf(options);
    await using runs = await openRoot(root);
    const opened = { root, runs };
    const all = await summarizeRuns(opened);
    const wanted = (await upTo(opened, all, options.before)).filter(filter);
    const newest = wanted.slice(Math.max(0, wanted.length - limit));
    const shown = (await summarizeMore(opened, newest)).map(({ run, times, size }): Shown => {
      const row = { ...run, outcome: outcomeOf(run), size_bytes: size ?? 0 };
      return { row, time: lastTime(times) };
    });
    const before = shown.length < wanted.length ? shown[0]?.row.run_id ?? null : null;
    const screen = new Screen(Deno.stdout);
    if (json) {
      const rows = shown.map(({ row }) => row);
      screen.line(JSON.stringify({ root, total: wanted.length, before, runs: rows }));
    } else if (all.length === 0) {
      const exec = commandHint("exec", { root });
      screen.line(`No runs in ${root} yet. Record one: ${exec} -- COMMAND, or`);
      screen.line(`${commandHint("run", { root })} FLOW`);
    } else if (wanted.length === 0) {
      screen.line(`None of the ${all.length} runs in ${root} is such a one`);
    } else {
      showWhatIsLeftOut(screen, wanted.slice(0, wanted.length - shown.length), before);
      printRows(screen, shown);
    }
    return 0;
  },
};

function filterOf(options: Options<typeof OPTIONS>): (summary: Summary) => boolean {
  const states = options.state === undefined ? undefined : parseStates(options.state);
  const oldest = numberOption(options, "since", parseAgeOption);
  const youngest = numberOption(options, "older-than", parseAgeOption);
  const now = Date.now();
  return ({ run, times }) => {
    if (states !== undefined && !states.some((word) => isAskedFor(word, run))) return false;
    if (oldest === undefined && youngest === undefined) return true;
    const age = now - (lastTime(times) ?? NaN);
    return age <= (oldest ?? Infinity) && age > (youngest ?? -Infinity);
  };
}

function parseStates(text: string): StateWord[] {
  return text.split(",").map((word) => {
    const state = STATE_WORDS.find((known) => known === word);
    if (state !== undefined) return state;
    throw optionError("state", word, `the states are ${STATE_WORDS.join(", ")}`);
  });
}

async function upTo(
  opened: OpenedRoot,
  runs: Summary[],
  before: string | undefined,
): Promise<Summary[]> {
  if (before === undefined) return runs;
  const runId = await findRun(opened, before);
  return runs.slice(0, runs.findIndex(({ run }) => run.run_id === runId));
}

function showWhatIsLeftOut(screen: Screen, runs: Summary[], before: string | null): void {
  if (before === null) return;
  const unreadable = runs.filter(({ run }) => "problem" in run).length;
  const which = unreadable === 0 ? "" : `, ${unreadable} of them unreadable`;
  screen.line(screen.paint(`${runs.length} more before these${which}: --before ${before}`, "dim"));
}

/** A column; what is narrower than it is filled up. */
interface Column {
  name: string;
  width: number;
  isRight?: boolean;
  text: (row: Exclude<Row, { problem: string }>, time: number | undefined) => string;
}

const GAP = "  ";
const LEAST_FLOW_WIDTH = 6;
const LEAST_COMMAND_WIDTH = 10;
const NICE_COMMAND_WIDTH = 24;

function printRows(screen: Screen, shown: Shown[]): void {
  const rows = shown.map(({ row }) => row);
  const { id, columns } = layOut(screen, rows);
  const line = (first: string, texts: string[]) => {
    screen.line([first.padEnd(id), ...texts].join(GAP).trimEnd());
  };
  const header = columns.map((column) => padded(column.name, column));
  screen.line(screen.paint(["RUN".padEnd(id), ...header].join(GAP).trimEnd(), "dim"));
  for (const { row, time } of shown) {
    const runId = printableLine(row.run_id);
    const isLong = runId.length > id;
    if (isLong) screen.line(runId);
    const first = isLong ? "" : runId;
    if ("problem" in row) line(first, [problemOf(screen, row.problem, id)]);
    else line(first, columns.map((column) => cell(screen, column, { row, time })));
  }
}

function problemOf(screen: Screen, problem: string, idWidth: number): string {
  const room = screen.isTerminal ? screen.columns - idWidth - GAP.length : undefined;
  return screen.paint(fitTo(`unreadable: ${printableLine(problem)}`, room), "red");
}

function cell(
  screen: Screen,
  column: Column,
  { row, time }: { row: Exclude<Row, { problem: string }>; time: number | undefined },
): string {
  const text = padded(column.text(row, time), column);
  return column === STATE ? screen.paint(text, outcomeText(row.outcome).colour) : text;
}

function padded(
  text: string,
  { width, isRight = false }: Pick<Column, "width" | "isRight">,
): string {
  return isRight ? text.padStart(width) : text.padEnd(width);
}

const STATE: Column = {
  name: "STATE",
  width: 10,
  text: stateText,
};
const NODES: Column = { name: "NODES", width: 5, isRight: true, text: nodesOf };
const TIME: Column = { name: "TIME", width: 7, isRight: true, text: lengthOf };
const SIZE: Column = {
  name: "SIZE",
  width: 7,
  isRight: true,
  text: ({ size_bytes: bytes }) => formatSize(bytes),
};

/** People want to know how long ago, programs when. */
const AGE: Column = {
  name: "LAST",
  width: 8,
  text: (_row, time) => time === undefined ? "" : formatAge(Date.now() - time),
};

/** Terminals are narrow, and what the ids say already is left out there. Pipes get all. */
function layOut(screen: Screen, rows: Row[]): { id: number; columns: Column[] } {
  const id = columnWidth(rows.map(({ run_id: runId }) => printableLine(runId)), 3);
  const flow = { name: "FLOW", width: columnWidth(rows.map(flowOf), 4), text: flowOf };
  const command = { name: "COMMAND", width: columnWidth(rows.map(commandOf), 7), text: commandOf };
  if (!screen.isTerminal) {
    const last = { name: "LAST", width: columnWidth(rows.map(lastOf), 4), text: lastOf };
    return { id, columns: [flow, STATE, NODES, TIME, SIZE, last, command] };
  }
  const needed = [STATE, NODES, TIME, AGE];
  const room = screen.columns - widthOf(needed);
  let left = room - id;
  /** The column as wide as there is room for it, if that is enough. */
  const fit = (column: Column, least: number): Column[] => {
    const width = Math.min(column.width, left - GAP.length);
    if (width < least) return [];
    left -= width + GAP.length;
    return [{ ...column, width, text: (row, time) => fitTo(column.text(row, time), width) }];
  };
  const isTold = rows.every((row) => row.run_id.startsWith(flowOf(row)));
  const flows = isTold ? [] : fit(flow, Math.min(flow.width, LEAST_FLOW_WIDTH));
  const isWide = left - widthOf([SIZE]) >= NICE_COMMAND_WIDTH;
  const sizes = isWide ? fit(SIZE, SIZE.width) : [];
  const commands = rows.some((row) => commandOf(row) !== "")
    ? fit(command, LEAST_COMMAND_WIDTH)
    : [];
  const columns = [...flows, STATE, NODES, TIME, ...sizes, AGE, ...commands];
  return { id: Math.min(id, room), columns };
}

function widthOf(columns: Column[]): number {
  return columns.reduce((sum, { width }) => sum + width + GAP.length, 0);
}

function flowOf(row: Row): string {
  return "state" in row ? printableLine(row.pipe) : "";
}

function commandOf(row: Row): string {
  return "state" in row ? shortened(printableLine(row.command ?? "")) : "";
}

function nodesOf(row: Row): string {
  return "state" in row && row.nodes_total !== null
    ? `${row.nodes_completed}/${row.nodes_total}`
    : "";
}

/** How long it took, or takes already. */
function lengthOf(row: Exclude<Row, { problem: string }>): string {
  const { outcome, duration_ms: milliseconds, started_ts: started } = row;
  if (milliseconds !== null) return formatDuration(milliseconds);
  const elapsed = Date.now() - Date.parse(started ?? "");
  return outcome === "running" && elapsed >= 0 ? formatDuration(elapsed) : "";
}

function lastOf(row: Row): string {
  return "problem" in row ? "" : printableLine(formatTime(row.last_ts ?? ""));
}
