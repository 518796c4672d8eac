import { CONSTRAINT_NAMES, CONSTRAINTS, type Constraints } from "../../_internal/constraints.ts";
import { join } from "node:path";
import { CaptureJournalError } from "../../capture/errors.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import type { CaptureBundle, DecisionRecord } from "../../capture/types.ts";
import {
  deriveRunState,
  type NodeInfo,
  type NodeStatus,
  type RunState,
} from "../../eventlog/derive_run_state.ts";
import { isLive } from "../../eventlog/run_folder.ts";
import { readRunSync } from "../../eventlog/read_run.ts";
import { isKnownRunEvent, type RunEvent } from "../../eventlog/run_event.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { nameProblem } from "../flow/flow.ts";
import { nodeOfEvent } from "../flow/node_attempt.ts";
import { outputPath } from "../process/output.ts";
import { runEventProblem } from "./check_event.ts";
import { isNewer } from "./open_capture.ts";

/** An attempt at a node. */
export interface AttemptReport {
  /** Which, from 1. */
  attempt: number;
  /** What became of it. */
  status: Exclude<NodeStatus, "Pending">;
  /** When it began. */
  started_ts?: string;
  /** How long it took. */
  duration_ms?: number;
  /** The exit code, where its command ended by itself. */
  exit_code?: number;
  /** The signal that ended it. */
  signal?: string;
  /** Where what it printed is kept. */
  output?: { out: string; err: string };
}

/** A node in a {@linkcode RunReport}. */
export interface NodeReport extends NodeInfo {
  /** Its command. */
  name?: string;
  /** When its last attempt began. */
  started_ts?: string;
  /** The exit code of its last attempt, where its command ended by itself. */
  exit_code?: number;
  /** The signal that ended its last attempt. */
  signal?: string;
  /** Where what its last attempt printed is kept. */
  output?: { out: string; err: string };
  /** All attempts, in order. */
  attempts?: AttemptReport[];
  /** Why it had to wait, in order. */
  deferrals?: Deferral[];
}

/** All that a log tells about its run: what `--json` prints. */
export interface RunReport extends RunState {
  /** Whether somebody has the run open. */
  is_live: boolean;
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

/** Reads all of a run's log. */
export async function readRunReport(root: string, runId: string): Promise<RunReport> {
  // Asked first: a run that ends in between is then seen to have ended.
  const live = await isLive(root, runId);
  const report = readSync({ root, runId }, live);
  const deferrals = await readDeferrals(root, runId);
  for (const node of report.nodes) {
    const waited = deferrals.get(node.id);
    if (waited !== undefined) node.deferrals = waited;
  }
  return report;
}

function readSync(run: { root: string; runId: string }, live: boolean): RunReport {
  const reader = new ReportReader(run);
  const state = deriveRunState(reader.events(), { live });
  return {
    ...state,
    run_id: run.runId,
    is_live: live,
    started_ts: reader.startedAt ?? null,
    duration_ms: reader.durationMs ?? null,
    nodes: state.nodes.map((node) => ({ ...node, ...reader.detailsOf(node) })),
    damaged_lines: reader.damagedLines,
    first_damage: reader.firstDamage ?? null,
    log: join(run.root, "runs", run.runId, "events.jsonl"),
  };
}

/** Passes the events on and keeps what the derived state leaves out. */
class ReportReader {
  startedAt: string | undefined;
  durationMs: number | undefined;
  damagedLines = 0;
  firstDamage: string | undefined;
  readonly #run: { root: string; runId: string };
  readonly #names = new Map<string, string>();
  readonly #attempts = new Map<string, AttemptReport[]>();

  constructor(run: { root: string; runId: string }) {
    this.#run = run;
  }

  *events(): Generator<RunEvent> {
    for (const { events, gaps } of readRunSync(this.#run.root, this.#run.runId)) {
      for (const { seq, reason, message } of gaps) this.#damage(seq, `${reason}: ${message}`);
      for (const { seq, event } of events) {
        const problem = runEventProblem(event);
        if (problem !== undefined) {
          this.#damage(seq, problem);
          continue;
        }
        this.#look(event);
        yield event;
      }
    }
  }

  /** What the last attempt adds to what is known of a node, and all attempts. */
  detailsOf({ id }: NodeInfo): Partial<NodeReport> {
    const attempts = this.#attempts.get(id)?.map((attempt) => this.#withOutput(id, attempt));
    const last = attempts?.at(-1);
    if (attempts === undefined || last === undefined) return {};
    const { started_ts, exit_code, signal, output } = last;
    const members = { name: this.#names.get(id), started_ts, exit_code, signal, output, attempts };
    const known = Object.entries(members).filter(([, value]) => value !== undefined);
    return Object.fromEntries(known) as Partial<NodeReport>;
  }

  #withOutput(nodeId: string, attempt: AttemptReport): AttemptReport {
    // Any program may write to a log: what could name a file elsewhere names none.
    if (nameProblem(nodeId) !== undefined || !Number.isSafeInteger(attempt.attempt)) return attempt;
    const of = { nodeId, attempt: attempt.attempt };
    const out = outputPath(this.#run, { ...of, stream: "out" });
    const err = outputPath(this.#run, { ...of, stream: "err" });
    return { ...attempt, output: { out, err } };
  }

  #damage(seq: number, message: string): void {
    this.damagedLines++;
    this.firstDamage ??= `line ${seq}: ${message}`;
  }

  #look(event: RunEvent): void {
    if (!isKnownRunEvent(event)) return;
    this.startedAt ??= event.ts;
    switch (event.type) {
      case "pipe.completed":
      case "pipe.aborted":
        this.durationMs ??= event.duration_ms ?? millisecondsBetween(this.startedAt, event.ts);
        break;
      case "node.started": {
        const { node_id: id, name, ts } = event;
        if (typeof name === "string") this.#names.set(id, name);
        this.#attemptOf(event, { isNew: true }).started_ts = ts;
        break;
      }
      case "node.completed":
        Object.assign(this.#attemptOf(event), { status: "Completed", exit_code: 0 });
        break;
      case "node.failed": {
        const { kind, exit_code, signal } = event.error;
        const failed = event.message ? { kind, message: event.message } : { kind };
        Object.assign(this.#attemptOf(event), {
          status: { Failed: failed },
          ...(exit_code !== undefined && { exit_code }),
          ...(signal !== undefined && { signal }),
        });
        break;
      }
    }
  }

  /** The attempt that an event is about; its begin may be missing, and its number. */
  #attemptOf(
    event: { node_id: string; attempt?: number; duration_ms?: number },
    { isNew = false } = {},
  ): AttemptReport {
    const attempts = this.#attempts.get(event.node_id) ?? [];
    this.#attempts.set(event.node_id, attempts);
    const number = event.attempt ?? (isNew ? attempts.length + 1 : attempts.at(-1)?.attempt ?? 1);
    let attempt = attempts.findLast((known) => known.attempt === number);
    if (attempt === undefined || isNew) {
      attempt = { attempt: number, status: "Running" };
      attempts.push(attempt);
    }
    if (typeof event.duration_ms === "number") attempt.duration_ms = event.duration_ms;
    return attempt;
  }
}

function millisecondsBetween(from: string, to: string): number | undefined {
  const milliseconds = Date.parse(to) - Date.parse(from);
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
}

/** Why a node had to wait. */
export interface Deferral {
  /** What stood in its way, in the supervisor's word. */
  reason: string;
  /** The same, for people, with the numbers behind it. */
  text: string;
}

/** Why each node of a run was deferred, by node, as its capture journal tells; none without one. */
export async function readDeferrals(
  root: string,
  runId: string,
): Promise<Map<string, Deferral[]>> {
  const deferrals = new Map<string, Deferral[]>();
  const bundle = await readJournal(runPaths(root, runId).journal);
  if (bundle === undefined || !("inputs" in bundle)) return deferrals;
  for (const decision of bundle.decisions) {
    const { decision: what, origin_event_id: event } = decision;
    if ((what !== "Defer" && what !== "Skip") || event === null) continue;
    const node = nodeOfEvent(event);
    const deferral = { reason: decision.reason, text: textOf(decision, bundle.config) };
    deferrals.set(node, [...deferrals.get(node) ?? [], deferral]);
  }
  return deferrals;
}

/** The recording so far; undefined where none was begun, or a newer version began it. */
async function readJournal(path: string): Promise<CaptureBundle | undefined> {
  try {
    await Deno.lstat(path);
    return (await recoverCapture(path)).bundle;
  } catch (error) {
    const isNone = error instanceof Deno.errors.NotFound ||
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
