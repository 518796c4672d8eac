import { defined } from "../../_internal/errors.ts";
import { millisecondsOf } from "../../_internal/event_time.ts";
import { outputPath, runPaths } from "../../_internal/root_layout.ts";
import type { CaptureLine } from "../../capture/session/read_capture_lines.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { AttemptInfo, NodeInfo, RunState } from "../../eventlog/run_state.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import type { EventTime } from "../../supervisor/types.ts";
import { nodeIdProblem } from "../flow/flow.ts";
import { processesIn, processLinesOf, type RecordedProcess } from "../process/process_log.ts";
import { isSuspended } from "../process/run_holder.ts";
import type { Screen } from "../text/screen.ts";
import type { Deferral, Deferrals } from "./deferrals.ts";
import type { ProgramFacts, RecordTold, StepEnd, WaitTold } from "./program_facts.ts";
import { type Outcome, outcomeOf } from "./run_outcome.ts";
import type { RunLog } from "../../run/engine/run_log.ts";
import { isOfFiles, isRedacted, type RunPlace } from "./open_root.ts";

/** Where what an attempt printed is kept. */
interface OutputPaths {
  out: string;
  err: string;
}

/** How many bytes of what an attempt printed are missing, in the middle of what is kept. */
export interface OutputCut {
  out?: number;
  err?: number;
}

/** What is recorded of the outputs of an attempt, which a report has in words of its own. */
type OutputInfo = "output_hash" | "error_hash" | "output_cut" | "error_cut";

/** What a step of a program gave, or why it failed; and who has passed a gate with what. */
interface StepReport extends StepEnd {
  /** The file of a result that is kept as one. */
  result_file?: string;
}

/** An attempt at a node. */
export interface AttemptReport extends Omit<AttemptInfo, OutputInfo>, StepReport {
  /** Where what it printed is kept. */
  output?: OutputPaths;
  /** How much of that is missing; left out where nothing is. */
  cut?: OutputCut;
}

/** A node in a {@linkcode RunReport}; what is said of a step is that of its last attempt. */
export interface NodeReport extends NodeInfo, StepReport {
  /** Its command. */
  name?: string;
  /** The process of its last attempt, as long as that has no end. */
  pid?: number;
  /** When its last attempt began. */
  started_ts?: string;
  /** The exit code of its last attempt, where its command ended by itself. */
  exit_code?: number;
  /** The signal that ended its last attempt. */
  signal?: string;
  /** Where what its last attempt printed is kept. */
  output?: OutputPaths;
  /** How much of that is missing; left out where nothing is. */
  cut?: OutputCut;
  /** What its last attempt printed went to the terminal, and was not recorded. */
  terminal?: true;
  /** All attempts, in order. */
  attempts?: AttemptReport[];
  /** Why it had to wait, in order. */
  deferrals?: Deferral[];
  /** Of a gate: since when the run waits for an answer, or waited when it ended, and until when. */
  waits?: { since: string; until?: string };
}

/** The nodes of a report, each made when it is looked at: where there are very many, no memory holds them. */
export class NodeReports implements Iterable<NodeReport> {
  readonly #make: () => Iterator<NodeReport>;

  /** `make` goes through them from the first. */
  constructor(make: () => Iterator<NodeReport>) {
    this.#make = make;
  }

  /** Goes through them. */
  [Symbol.iterator](): Iterator<NodeReport> {
    return this.#make();
  }

  /** All of them, for a document of a few. */
  toJSON(): NodeReport[] {
    return [...this];
  }
}

/** All that is recorded of a run: the document that `show --json`, `run --json` and `exec --json` print. */
export interface RunReport extends Omit<RunState, "nodes"> {
  /** What became of it, in a word that people use. */
  outcome: Outcome;
  /** That another program wrote the log, with events of its own. */
  is_other_log?: true;
  /** Whether somebody has the run open. */
  is_live: boolean;
  /** Whether the process that works on it was suspended, as by Ctrl-Z. */
  is_suspended: boolean;
  /** When it began. */
  started_ts: string | null;
  /** How long it took; null when it has no end. */
  duration_ms: number | null;
  /** Its nodes. */
  nodes: NodeReports;
  /** The trace that the spans of its last sitting with any are in: 32 hexadecimal digits. */
  trace_id?: string;
  /** How many lines of the log cannot be used. */
  damaged_lines: number;
  /** What is wrong with the first of them. */
  first_damage: string | null;
  /** The file of the log; null where it is in a database. */
  log: string | null;
  /** That what may be private was left out of it when it was exported. */
  redacted?: true;
  /** Of the run of a program: the version that went on with it last. */
  version?: string;
  /** Of the run of a program: the command that starts it. */
  command?: readonly string[];
  /** Of the run of a program: what it has ended with, any JSON. */
  output?: unknown;
  /** Of the run of a program: the gates and sleeps that wait, or waited when it ended. */
  waits?: readonly WaitTold[];
  /** Of the run of a program: what it has recorded. */
  records?: readonly RecordTold[];
}

/**
 * Reads the records of a run. `onLine` is given each line of its journal and `onFold` its log, for whoever wants
 * to know more of them than a report has.
 */
export async function readRunReport(
  { root, view }: RunPlace,
  { onLine, onFold }: {
    onLine?: (line: CaptureLine) => void;
    onFold?: (fold: RunFold) => void;
  } = {},
): Promise<RunReport> {
  // Asked first: a run that ends in between is then seen to have ended.
  const live = await view.holder() !== undefined;
  const suspended = live && isOfFiles(root) && await isSuspended(root, view.runId);
  // Whoever has just run a flow makes a report without it.
  const { readRunHistory } = await import("./run_history.ts");
  const history = await readRunHistory(view, defined({ onLine }));
  onFold?.(history.fold);
  const report = await reportOf({ root, view }, { ...history, live, suspended });
  return await isRedacted(view) ? { ...report, redacted: true } : report;
}

/** What is known of a run, and what nobody has to read again. */
interface RunFacts extends Partial<Omit<RunLog, "fold">> {
  /** Its log, folded. */
  fold: RunFold;
  /** Whether somebody has the run open. */
  live: boolean;
  /** Whether its process was suspended. */
  suspended?: boolean;
  /** Why its nodes had to wait. */
  deferrals: Deferrals;
  /** What only its journal tells, of the run of a program. */
  program?: ProgramFacts;
}

/** Puts together what is known of a run. */
export async function reportOf({ root, view }: RunPlace, facts: RunFacts): Promise<RunReport> {
  const { fold, live, suspended = false, damagedLines = 0, firstDamage = null } = facts;
  const { pipe, state, last_ts } = fold.run;
  const isOrphan = state === "Running" && !live;
  const run = { root, runId: view.runId };
  const processes = await processesAt(view, fold);
  return {
    run_id: run.runId,
    pipe,
    state,
    nodes: new NodeReports(() => nodeReports(run, { ...facts, processes })),
    is_orphan: isOrphan,
    last_ts,
    is_live: live,
    is_suspended: suspended,
    outcome: outcomeOf({ state, is_orphan: isOrphan, is_suspended: suspended }),
    started_ts: fold.startedTs ?? null,
    duration_ms: fold.durationMs ?? null,
    ...defined({ trace_id: traceIdOf(fold) }),
    damaged_lines: damagedLines,
    first_damage: firstDamage,
    log: isOfFiles(root) ? runPaths(root, run.runId).events : null,
    ...ofProgram(facts.program),
  };
}

function traceIdOf({ spans }: RunFold): string | undefined {
  const span = spans.findLast((span) => span !== undefined);
  // Any program may have written to the log.
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(span?.traceparent ?? "")?.[1];
}

/** The processes of a run, where one of its nodes has no end. */
async function processesAt(
  view: RunPlace["view"],
  fold: RunFold,
): Promise<ReadonlyMap<string, RecordedProcess>> {
  for (const { status } of fold.nodes()) {
    if (status === "Running") return processesIn(await processLinesOf(view));
  }
  return new Map();
}

function ofProgram(program: ProgramFacts | undefined): Partial<RunReport> {
  if (program === undefined) return {};
  const { about: { command }, version, output, waits, records } = program;
  return { ...defined({ version, command, output }), waits, records };
}

function* nodeReports(
  run: { root: string; runId: string },
  { fold, deferrals, program, processes }: RunFacts & {
    processes: ReadonlyMap<string, RecordedProcess>;
  },
): Generator<NodeReport, void> {
  for (const node of fold.nodes()) {
    const { id: nodeId, status, attempt = 1 } = node;
    const attempts = fold.attemptsOf(nodeId).map((info) => {
      return { ...attemptReport(run, nodeId, info), ...stepReport(run, nodeId, { program, info }) };
    });
    const waited = deferrals.of(nodeId);
    const report: NodeReport = { ...node, ...lastAttempt(attempts, fold.nameOf(nodeId)) };
    if (waited !== undefined) report.deferrals = waited;
    const gate = deferrals.gateOf(nodeId);
    if (gate !== undefined) {
      const until = gate.until && timeText(gate.until);
      report.waits = { since: timeText(gate.at), ...defined({ until }) };
    }
    if (status === "Running") {
      const pid = processes.get(attemptKey({ nodeId, attempt }))?.pid;
      if (pid !== undefined) report.pid = pid;
    }
    yield report;
  }
}

function timeText(time: EventTime): string {
  return new Date(millisecondsOf(time)).toISOString();
}

function attemptReport(
  run: { root: string; runId: string },
  nodeId: string,
  { output_hash: _output, error_hash: _errors, output_cut, error_cut, ...rest }: AttemptInfo,
): AttemptReport {
  const cut = defined({ out: output_cut, err: error_cut });
  const info = Object.keys(cut).length === 0 ? rest : { ...rest, cut };
  const { attempt } = info;
  if (info.terminal) return info;
  // Any program may write to a log: what could name a file elsewhere names none. A database has no files.
  if (
    !isOfFiles(run.root) || nodeIdProblem(nodeId) !== undefined || !Number.isSafeInteger(attempt)
  ) return info;
  const out = outputPath(run, { nodeId, attempt, stream: "out" });
  const err = outputPath(run, { nodeId, attempt, stream: "err" });
  return { ...info, output: { out, err } };
}

/** What a step of a program gave, or why it failed. */
function stepReport(
  run: { root: string; runId: string },
  nodeId: string,
  { program, info: { attempt } }: { program: ProgramFacts | undefined; info: AttemptInfo },
): StepReport {
  const end = program?.endOf({ nodeId, attempt });
  if (end?.result_hash === undefined || !isOfFiles(run.root)) return end ?? {};
  return { ...end, result_file: outputPath(run, { nodeId, attempt, stream: "result" }) };
}

/** What the last attempt adds to what is known of a node, and all attempts. */
function lastAttempt(attempts: AttemptReport[], name: string | undefined): Partial<NodeReport> {
  const last = attempts.at(-1);
  if (last === undefined) return {};
  const { started_ts, exit_code, signal, output, cut, terminal } = last;
  const { result, result_hash, result_file, error, by } = last;
  const step = { result, result_hash, result_file, error, by };
  const members = { name, started_ts, exit_code, signal, output, cut, terminal, ...step, attempts };
  const known = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known) as Partial<NodeReport>;
}

/** Prints a run as one JSON document on a line. */
export function printReportJson(screen: Screen, report: RunReport): void {
  using _batch = screen.batch();
  let before = "{";
  for (const [name, value] of Object.entries(report)) {
    screen.text(`${before}"${name}":`);
    before = ",";
    // No text holds the nodes of a large run, of which each is small.
    if (value instanceof NodeReports) printNodesJson(screen, value);
    else screen.text(JSON.stringify(value));
  }
  screen.line("}");
}

function printNodesJson(screen: Screen, nodes: NodeReports): void {
  let before = "[";
  for (const node of nodes) {
    screen.text(before + JSON.stringify(node));
    before = ",";
  }
  screen.text(before === "[" ? "[]" : "]");
}
