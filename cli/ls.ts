import {
  deriveRunState,
  isKnownRunEvent,
  isLive,
  listRuns,
  peekRun,
  type PipeState,
  type RunEvent,
} from "../eventlog/mod.ts";
import { COMMON_HELP, readArguments, type Verb } from "./arguments.ts";
import { runEventProblem } from "./check_event.ts";
import { describeState } from "./format_report.ts";
import { printableLine } from "./printable.ts";
import { Screen } from "./screen.ts";
import { UsageError } from "./usage_error.ts";

/** A run in the list. */
interface ListedRun {
  run_id: string;
  pipe: string;
  state: PipeState;
  is_orphan: boolean;
  last_ts: string | null;
  nodes_completed: number | null;
  nodes_total: number | null;
}

/** A run that cannot be listed. */
interface DamagedRun {
  run_id: string;
  problem: string;
}

/** `taffrail ls`: lists the runs. */
export const lsVerb: Verb = {
  summary: "list the runs",
  help: `Lists the runs, the newest last: id, flow, state, nodes completed of all, and
the time of the last event. [ORPHAN?] marks a run that has no end and that
nobody works on any more. Of a long log only both ends are read: then nodes are
not counted.

Usage: taffrail ls [options]

${COMMON_HELP}

--json prints { "root", "runs": [{ "run_id", "pipe", "state", "is_orphan",
"last_ts", "nodes_completed", "nodes_total" }] }; state is "Running",
"Completed" or { "Aborted": { "reason" } }; where nodes are not counted they are
null. A run that cannot be read is { "run_id", "problem" }.`,

  async run(args) {
    const { root, json, operands } = readArguments("ls", args);
    if (operands.length > 0) {
      throw new UsageError(
        `taffrail ls takes no argument; for one run, taffrail show ${operands[0]}`,
      );
    }
    const runs = await readAll(root, await listRuns(root));
    const screen = new Screen(Deno.stdout);
    if (json) screen.line(JSON.stringify({ root, runs }));
    else printRuns(screen, root, runs);
    return 0;
  },
};

/** Lists what can be listed: a run that cannot be read is a line of its own. */
async function readAll(root: string, runIds: string[]): Promise<(ListedRun | DamagedRun)[]> {
  const runs = await Promise.all(runIds.map((runId) => readOne(root, runId)));
  return runs.toSorted((a, b) => compareText(sortKey(a), sortKey(b)));
}

async function readOne(root: string, runId: string): Promise<ListedRun | DamagedRun> {
  try {
    // Asked first: a run that ends in between is then seen to have ended.
    const live = await isLive(root, runId);
    const { events, whole, size } = await peekRun(root, runId);
    return derive(runId, { events, whole, isEmpty: size === 0, live });
  } catch (error) {
    return { run_id: runId, problem: error instanceof Error ? error.message : String(error) };
  }
}

function derive(
  runId: string,
  peek: { events: RunEvent[]; whole: boolean; isEmpty: boolean; live: boolean },
): ListedRun | DamagedRun {
  const events = peek.events.filter((event) => runEventProblem(event) === undefined);
  if (!events.some(isKnownRunEvent) && !peek.isEmpty) {
    return { run_id: runId, problem: "its log has no event of a run that can be read" };
  }
  const { pipe, state, is_orphan: isOrphan, last_ts: lastTs, nodes } = deriveRunState(events, {
    live: peek.live,
  });
  const completed = nodes.filter(({ status }) => status === "Completed").length;
  return {
    run_id: runId,
    pipe,
    state,
    is_orphan: isOrphan,
    last_ts: lastTs,
    nodes_completed: peek.whole ? completed : null,
    nodes_total: peek.whole ? nodes.length : null,
  };
}

/** By time; damaged ones first, so that those of today stay at the end. */
function sortKey(run: ListedRun | DamagedRun): string {
  return "problem" in run ? ` ${run.run_id}` : `${run.last_ts ?? ""} ${run.run_id}`;
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function printRuns(screen: Screen, root: string, runs: (ListedRun | DamagedRun)[]): void {
  if (runs.length === 0) {
    screen.line(`No runs in ${root} yet. Record one: taffrail exec -- COMMAND, or`);
    screen.line("taffrail run FLOW");
    return;
  }
  const idWidth = Math.max(...runs.map(({ run_id: id }) => id.length));
  const pipes = runs.map((run) => "problem" in run ? "" : printableLine(run.pipe));
  const pipeWidth = Math.max(4, ...pipes.map((pipe) => pipe.length));
  const header = `${"RUN".padEnd(idWidth)}  ${"FLOW".padEnd(pipeWidth)}  STATE      NODES  LAST`;
  screen.line(screen.paint(header, "dim"));
  for (const run of runs) {
    const id = run.run_id.padEnd(idWidth);
    if ("problem" in run) {
      screen.line(`${id}  ${screen.paint(`unreadable: ${printableLine(run.problem)}`, "red")}`);
      continue;
    }
    const { text, colour } = describeState(run);
    const counts = run.nodes_total === null ? "" : `${run.nodes_completed}/${run.nodes_total}`;
    const state = screen.paint(text.padEnd(9), colour);
    const pipe = printableLine(run.pipe).padEnd(pipeWidth);
    const last = printableLine(run.last_ts ?? "");
    screen.line(`${id}  ${pipe}  ${state}  ${counts.padStart(5)}  ${last}`.trimEnd());
  }
}
