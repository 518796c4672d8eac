import { optionError, UsageError } from "../exit_codes.ts";
import { commandHint, findRun } from "../reading/find_run.ts";
import { describeState } from "../reading/print_report.ts";
import {
  type Listed,
  sizeOfRun,
  STATES,
  type StateWord,
  stateWordOf,
  summarizeRuns,
  type Summary,
} from "../reading/run_summary.ts";
import { lastTime } from "../reading/run_times.ts";
import { columnWidth, fitTo, printableLine } from "../text/printable.ts";
import { type Colour, Screen } from "../text/screen.ts";
import {
  formatAge,
  formatSize,
  formatTime,
  parseAgeOption,
  parseCountOption,
} from "../text/units.ts";
import { COMMON_HELP, numberOption, type Options, readArguments, type Verb } from "./arguments.ts";

/** A run as `--json` prints it. */
type Row = Listed & { size_bytes: number };

/** A run in the table. */
interface Shown {
  row: Row;
  /** When something was recorded last. */
  time: number | undefined;
}

const DEFAULT_LIMIT = 50;

const OPTIONS = {
  state: "string",
  since: "string",
  "older-than": "string",
  limit: "string",
  before: "string",
} as const;

/** `taffrail ls`: lists the runs. */
export const lsVerb: Verb = {
  summary: "list the runs",
  help: `Lists the runs, the one that began last at the end: id, flow, state, nodes
completed of all, size on disk, and the time of the last event. [ORPHAN?] marks
a run that has no end and that nobody works on any more; "suspended" one at work
whose process was stopped, as by Ctrl-Z: it counts as running; "other log" one
that another program wrote, with events of its own. Of a long log only both ends
are read: then nodes are not counted. On a terminal times are told as ages, and
the flow is left out where the id tells it or there is no room; ids are never
cut.

Usage: taffrail ls [options]

  --state STATE       only those that are running, completed, aborted, orphan,
                      other or unreadable; several with commas between
  --since AGE         only those whose last event is at most so old, as 2h or 7d
  --older-than AGE    only those whose last event is older
  --limit N           the newest N of them (default ${DEFAULT_LIMIT})
  --before RUN        only those that stand before this one: the page before
${COMMON_HELP}

Ages are a number with s, m, h, d or w. Exit codes: 0 it is done, also where
there is no run, 1 the root cannot be read, 2 called wrongly.
--json prints { "root", "total", "before", "runs": [{ "run_id", "pipe", "state",
"is_orphan", "is_suspended", "last_ts", "nodes_completed", "nodes_total",
"size_bytes" }] };
state is "Running", "Completed" or { "Aborted": { "reason" } }; where nodes are
not counted they are null. A log of another program is { "run_id",
"is_other_log", "size_bytes" }, a run that cannot be read { "run_id", "problem",
"size_bytes" }. total: how many were asked for. before: what to give to --before
for the page before, or null.`,

  async run(args) {
    const { root, json, options, operands } = readArguments("ls", args, OPTIONS);
    if (operands.length > 0) {
      throw new UsageError(
        `taffrail ls takes no argument; for one run, taffrail show ${operands[0]}`,
      );
    }
    const limit = numberOption(options, "limit", parseCountOption) ?? DEFAULT_LIMIT;
    const filter = filterOf(options);
    const all = await summarizeRuns(root);
    const wanted = (await upTo(root, all, options.before)).filter(filter);
    const shown = wanted.slice(Math.max(0, wanted.length - limit)).map(({ run, times }): Shown => {
      const row = { ...run, size_bytes: sizeOfRun(root, run.run_id) };
      return { row, time: lastTime(times) };
    });
    const before = shown.length < wanted.length ? shown[0]?.row.run_id ?? null : null;
    const screen = new Screen(Deno.stdout);
    if (json) {
      const runs = shown.map(({ row }) => row);
      screen.line(JSON.stringify({ root, total: wanted.length, before, runs }));
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
  const states = options.state === undefined ? STATES : parseStates(options.state);
  const oldest = numberOption(options, "since", parseAgeOption);
  const youngest = numberOption(options, "older-than", parseAgeOption);
  const now = Date.now();
  return ({ run, times }) => {
    if (!states.includes(stateWordOf(run))) return false;
    if (oldest === undefined && youngest === undefined) return true;
    const age = now - (lastTime(times) ?? NaN);
    return age <= (oldest ?? Infinity) && age > (youngest ?? -Infinity);
  };
}

function parseStates(text: string): StateWord[] {
  return text.split(",").map((word) => {
    const state = STATES.find((known) => known === word);
    if (state !== undefined) return state;
    throw optionError("state", word, `the states are ${STATES.join(", ")}`);
  });
}

async function upTo(
  root: string,
  runs: Summary[],
  before: string | undefined,
): Promise<Summary[]> {
  if (before === undefined) return runs;
  const runId = await findRun(root, before);
  return runs.slice(0, runs.findIndex(({ run }) => run.run_id === runId));
}

function showWhatIsLeftOut(screen: Screen, runs: Summary[], before: string | null): void {
  if (before === null) return;
  const unreadable = runs.filter(({ run }) => stateWordOf(run) === "unreadable").length;
  const which = unreadable === 0 ? "" : `, ${unreadable} of them unreadable`;
  screen.line(screen.paint(`${runs.length} more before these${which}: --before ${before}`, "dim"));
}

const STATE_WIDTH = 9;
const NODES_WIDTH = 5;
const SIZE_WIDTH = 7;
const AGE_WIDTH = 7;
const LEAST_FLOW_WIDTH = 6;

/** How wide the columns are; without a flow there is no such column. */
interface Layout {
  id: number;
  flow: number | undefined;
}

function printRows(screen: Screen, shown: Shown[]): void {
  const layout = layOut(screen, shown.map(({ row }) => row));
  const flow = layout.flow === undefined ? "" : `${"FLOW".padEnd(layout.flow)}  `;
  const size = "SIZE".padStart(SIZE_WIDTH);
  const header = `${"RUN".padEnd(layout.id)}  ${flow}STATE      NODES  ${size}  LAST`;
  screen.line(screen.paint(header, "dim"));
  for (const one of shown) {
    const runId = printableLine(one.row.run_id);
    const isLong = runId.length > layout.id;
    if (isLong) screen.line(runId);
    const id = (isLong ? "" : runId).padEnd(layout.id);
    screen.line(`${id}  ${textOf(screen, one, layout)}`.trimEnd());
  }
}

/** Terminals are narrow, and what the ids say already is left out there. Pipes get all. */
function layOut(screen: Screen, rows: Row[]): Layout {
  const id = columnWidth(rows.map(({ run_id: runId }) => printableLine(runId)), 3);
  const flow = columnWidth(rows.map(flowOf), 4);
  if (!screen.isTerminal) return { id, flow };
  const rest = STATE_WIDTH + NODES_WIDTH + SIZE_WIDTH + AGE_WIDTH + 8;
  const room = screen.columns - rest;
  const isTold = rows.every((row) => row.run_id.startsWith(flowOf(row)));
  const left = room - id - 2;
  if (isTold || left < LEAST_FLOW_WIDTH) return { id: Math.min(id, room), flow: undefined };
  return { id, flow: Math.min(flow, left) };
}

function flowOf(row: Row): string {
  return "state" in row ? printableLine(row.pipe) : "";
}

function textOf(screen: Screen, { row, time }: Shown, layout: Layout): string {
  const size = formatSize(row.size_bytes).padStart(SIZE_WIDTH);
  if ("problem" in row) {
    const problem = `unreadable: ${printableLine(row.problem)}`;
    const room = screen.isTerminal ? screen.columns - layout.id - 2 : undefined;
    return screen.paint(fitTo(problem, room), "red");
  }
  const flow = layout.flow === undefined
    ? ""
    : `${fitTo(flowOf(row), layout.flow).padEnd(layout.flow)}  `;
  const state = stateOf(screen, row);
  const counts = "state" in row && row.nodes_total !== null
    ? `${row.nodes_completed}/${row.nodes_total}`
    : "";
  return `${flow}${state}  ${counts.padStart(NODES_WIDTH)}  ${size}  ${lastOf(screen, row, time)}`;
}

function stateOf(screen: Screen, row: Exclude<Row, { problem: string }>): string {
  const { text, colour }: { text: string; colour: Colour } = "state" in row
    ? describeState(row)
    : { text: "other log", colour: "dim" };
  return screen.paint(text.padEnd(STATE_WIDTH), colour);
}

/** People want to know how long ago, programs when. */
function lastOf(screen: Screen, row: Row, time: number | undefined): string {
  if (!screen.isTerminal) return "state" in row ? printableLine(formatTime(row.last_ts ?? "")) : "";
  return time === undefined ? "" : formatAge(Date.now() - time);
}
