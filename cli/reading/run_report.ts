import { CONSTRAINT_NAMES, CONSTRAINTS, type Constraints } from "../../_internal/constraints.ts";
import { outputPath, runPaths } from "../../_internal/root_layout.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import type { CaptureBundle, DecisionRecord } from "../../capture/types.ts";
import type { AttemptInfo, NodeInfo, RunFold, RunState } from "../../eventlog/derive_run_state.ts";
import { isLive } from "../../eventlog/runs_directory.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import { isFromMissingFile } from "../files.ts";
import { nameProblem } from "../flow/flow.ts";
import { nodeOfEvent } from "../flow/node_event.ts";
import { readProcesses } from "../process/process_log.ts";
import { isSuspended } from "../process/run_holder.ts";
import { isNewer } from "./open_capture.ts";
import { readRunLog, type RunLog } from "./run_log.ts";

/** Where what an attempt printed is kept. */
interface OutputPaths {
  out: string;
  err: string;
}

/** An attempt at a node. */
export interface AttemptReport extends Omit<AttemptInfo, "output_hash" | "error_hash"> {
  /** Where what it printed is kept. */
  output?: OutputPaths;
}

/** A node in a {@linkcode RunReport}. */
export interface NodeReport extends NodeInfo {
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
  /** All attempts, in order. */
  attempts?: AttemptReport[];
  /** Why it had to wait, in order. */
  deferrals?: Deferral[];
}

/** All that is recorded of a run: the document that `show --json`, `run --json` and `exec --json` print. */
export interface RunReport extends RunState {
  /** Whether somebody has the run open. */
  is_live: boolean;
  /** Whether the process that works on it was suspended, as by Ctrl-Z. */
  is_suspended: boolean;
  /** When it began. */
  started_ts: string | null;
  /** How long it took; null when it has no end. */
  duration_ms: number | null;
  /** Its nodes. */
  nodes: NodeReport[];
  /** How many lines of the log cannot be used. */
  damaged_lines: number;
  /** What is wrong with the first of them. */
  first_damage: string | null;
  /** Where the log is. */
  log: string;
}

/** Reads the log of a run, and why its nodes had to wait. */
export async function readRunReport(root: string, runId: string): Promise<RunReport> {
  // Asked first: a run that ends in between is then seen to have ended.
  const live = await isLive(root, runId);
  const suspended = live && await isSuspended(root, runId);
  const log = readRunLog(root, runId);
  const bundle = await readJournal(runPaths(root, runId).journal);
  return withProcesses(
    { root, runId },
    reportOf({ root, runId }, { ...log, live, suspended, bundle }),
  );
}

/** Names the processes of the attempts that have no end. */
function withProcesses(run: { root: string; runId: string }, report: RunReport): RunReport {
  if (!report.nodes.some(({ status }) => status === "Running")) return report;
  const processes = readProcesses(run);
  const nodes = report.nodes.map((node) => {
    const { id: nodeId, status, attempt = 1 } = node;
    const pid = processes.get(attemptKey({ nodeId, attempt }))?.pid;
    return status === "Running" && pid !== undefined ? { ...node, pid } : node;
  });
  return { ...report, nodes };
}

/** What is known of a run, and what nobody has to read again. */
interface RunFacts extends Partial<Omit<RunLog, "fold">> {
  /** Its log, folded. */
  fold: RunFold;
  /** Whether somebody has the run open. */
  live: boolean;
  /** Whether its process was suspended. */
  suspended?: boolean;
  /** The recording so far; undefined without one. */
  bundle: CaptureBundle | undefined;
}

/** Puts together what is known of a run. */
export function reportOf(run: { root: string; runId: string }, facts: RunFacts): RunReport {
  const { fold, live, suspended = false, bundle, damagedLines = 0, firstDamage = null } = facts;
  const state = fold.state({ live });
  const deferrals = deferralsOf(bundle);
  return {
    ...state,
    run_id: run.runId,
    is_live: live,
    is_suspended: suspended,
    started_ts: fold.startedTs ?? null,
    duration_ms: fold.durationMs ?? null,
    nodes: state.nodes.map((node) => {
      const waited = deferrals.get(node.id);
      const attempts = fold.attemptsOf(node.id).map((info) => attemptReport(run, node.id, info));
      return {
        ...node,
        ...lastAttempt(attempts, fold.nameOf(node.id)),
        ...(waited !== undefined && { deferrals: waited }),
      };
    }),
    damaged_lines: damagedLines,
    first_damage: firstDamage,
    log: runPaths(run.root, run.runId).events,
  };
}

function attemptReport(
  run: { root: string; runId: string },
  nodeId: string,
  { output_hash: _output, error_hash: _errors, ...info }: AttemptInfo,
): AttemptReport {
  const { attempt } = info;
  // Any program may write to a log: what could name a file elsewhere names none.
  if (nameProblem(nodeId) !== undefined || !Number.isSafeInteger(attempt)) return info;
  const out = outputPath(run, { nodeId, attempt, stream: "out" });
  const err = outputPath(run, { nodeId, attempt, stream: "err" });
  return { ...info, output: { out, err } };
}

/** What the last attempt adds to what is known of a node, and all attempts. */
function lastAttempt(attempts: AttemptReport[], name: string | undefined): Partial<NodeReport> {
  const last = attempts.at(-1);
  if (last === undefined) return {};
  const { started_ts, exit_code, signal, output } = last;
  const members = { name, started_ts, exit_code, signal, output, attempts };
  const known = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known) as Partial<NodeReport>;
}

/** Why a node had to wait. */
interface Deferral {
  /** What stood in its way, in the supervisor's word. */
  reason: string;
  /** The same, for people, with the numbers behind it. */
  text: string;
}

/** Why each node of a run was deferred, by node. */
function deferralsOf(bundle: CaptureBundle | undefined): Map<string, Deferral[]> {
  const deferrals = new Map<string, Deferral[]>();
  if (bundle === undefined || !("inputs" in bundle)) return deferrals;
  for (const decision of bundle.decisions) {
    const { decision: what, origin_event_id: event } = decision;
    if ((what !== "Defer" && what !== "Skip") || event === null) continue;
    const node = nodeOfEvent(event);
    const deferral = { reason: decision.reason, text: textOf(decision, bundle.config) };
    const waited = deferrals.get(node);
    if (waited === undefined) deferrals.set(node, [deferral]);
    else waited.push(deferral);
  }
  return deferrals;
}

/** The recording so far; undefined where none was begun, or a newer version began it. */
async function readJournal(path: string): Promise<CaptureBundle | undefined> {
  try {
    return (await recoverCapture(path)).bundle;
  } catch (error) {
    const isNone = isFromMissingFile(error) ||
      (error instanceof CaptureJournalError && error.kind === "no-session") || isNewer(error);
    if (isNone) return undefined;
    throw error;
  }
}

function textOf({ reason, numbers }: DecisionRecord, limits: Constraints): string {
  const words = reason.replaceAll("_", " ");
  for (const name of CONSTRAINT_NAMES) {
    const { obstacle } = CONSTRAINTS[name];
    if (obstacle?.reason !== reason) continue;
    return `${words}: ${numbers[obstacle.counts]} of ${limits[name]} ${obstacle.words}`;
  }
  return words;
}
