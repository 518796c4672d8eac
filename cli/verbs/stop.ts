import { isLive } from "../../eventlog/runs_directory.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { StoppedOrphan } from "../engine/stop_orphan.ts";
import { waitUntil } from "../process/end_processes.ts";
import { findHolder } from "../process/run_holder.ts";
import { findRun } from "../reading/find_run.ts";
import { openRoot, type RunPlace } from "../reading/open_root.ts";
import { endText, outcomeOf, reasonText } from "../reading/run_outcome.ts";
import { type Listed, stateWordOf, summarizeRun } from "../reading/run_summary.ts";
import { printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { parseDurationOption } from "../text/units.ts";
import {
  COMMON_HELP,
  numberOption,
  onlyOperand,
  readArguments,
  RUN_OPERAND,
  type Verb,
} from "./arguments.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
const POLL_MS = 50;
/** A process that SIGKILL does not end hangs in the kernel. */
const KILL_WAIT_MS = 5000;

/** What is left of a run whose process is gone gets this long, or as long as is waited if that is less. */
const ORPHAN_GRACE_MS = 5000;

/** `taffrail stop`: ends a run of another process. */
export const stopVerb: Verb = {
  summary: "end a run that another process works on, or has left",
  help: `Ends a run as Ctrl-C does where it runs: its process gets SIGTERM, ends its
commands and records that. Waits until nobody works on the run any more, and
says how it ended. No process is signalled unless it is sure that it works on
the run. One that was suspended, as by Ctrl-Z, is continued, so that it can end.
${RUN_OPERAND} Of
the runs of a flow it is the newest at work.

Where the process of a run was killed, what is left of it, its commands and all
that they have started, is ended (SIGTERM, then SIGKILL after 5s, or after the
timeout where that is less), and the end is recorded: taffrail resume can go on
with the run.

Usage: taffrail stop [options] RUN

  --timeout DURATION  how long to wait for that (default 30s)
  --kill              then end the process with SIGKILL, if it still works on
                      the run, and what it leaves
${COMMON_HELP}

Exit codes: 0 the run has an end, also where it had one before, 1 it has none:
it is worked on still, or that cannot be recorded, 2 called wrongly.
--json prints { "run_id", "pid", "signals", "left", "is_live", "state" };
signals are those that were sent to process pid, or null; left are the processes
that were left of the run, and were ended; state is one of running, completed,
aborted, orphan, other, unreadable.`,

  async run(args) {
    const kinds = { timeout: "string", kill: "boolean" } as const;
    const { root, json, options, operands } = readArguments("stop", args, kinds);
    const timeoutMs = numberOption(options, "timeout", parseDurationOption) ?? DEFAULT_TIMEOUT_MS;
    const wanted = onlyOperand("stop", operands, "run");
    await using runs = await openRoot(root);
    const runId = await findRun({ root, runs }, wanted, (id) => isLive(root, id));
    const screen = new Screen(Deno.stdout);
    const report = (text: string) => json ? undefined : screen.line(text);
    const run = { root, runId };
    const sent = await stopRun(run, { timeoutMs, kill: options.kill ?? false, report });
    const live = await isLive(root, runId);
    const wasOrphan = !live && stateWordOf(await summarizeRun({ root, runs }, runId)) === "orphan";
    if (!live) {
      const { left, unrecorded } = await endLeft(run, { wasOrphan, timeoutMs, report });
      sent.left = left;
      if (unrecorded !== undefined) {
        const problem = `Cannot record the end of run ${runId}: ${unrecorded}`;
        new Screen(Deno.stderr).line(printableLine(problem));
      }
    }
    const summary = await summarizeRun({ root, runs }, runId);
    const state = stateWordOf(summary);
    if (json) {
      screen.line(JSON.stringify({ run_id: runId, ...sent, is_live: live, state }));
    } else {
      for (
        const line of await linesOf(summary, {
          root,
          view: runs.view(runId),
          live,
          hadEnd: sent.pid === null && !wasOrphan,
          sent,
        })
      ) screen.line(line);
    }
    return state === "completed" || state === "aborted" ? 0 : 1;
  },
};

/** Ends what is left of a run that nobody works on, and records that where it has no end. */
async function endLeft(
  run: { root: string; runId: string },
  { wasOrphan, timeoutMs, report }: {
    wasOrphan: boolean;
    timeoutMs: number;
    report: (text: string) => void;
  },
): Promise<StoppedOrphan> {
  const options = { ...run, graceMs: Math.min(timeoutMs, ORPHAN_GRACE_MS), note: report };
  // Most runs that are stopped are at work.
  const { endLeftOfEnded, stopOrphan } = await import("../engine/stop_orphan.ts");
  try {
    return await (wasOrphan ? stopOrphan(options) : endLeftOfEnded(options));
  } catch (cause) {
    const reason = printableLine(reasonOf(cause));
    throw new Error(`Cannot stop run ${run.runId}: ${reason}`, { cause });
  }
}

/** To whom which signals were sent. */
interface Sent {
  pid: number | null;
  signals: Deno.Signal[];
  /** The processes that were left of the run. */
  left: number[];
}

async function stopRun(
  run: { root: string; runId: string },
  options: { timeoutMs: number; kill: boolean; report: (text: string) => void },
): Promise<Sent> {
  const sent: Sent = { pid: null, signals: [], left: [] };
  const send = async (signal: Deno.Signal, waitMs: number): Promise<boolean> => {
    if (!await isLive(run.root, run.runId)) return true;
    const signalled = await signalHolder(run, signal);
    if (signalled === undefined) return true;
    const { pid, signals } = signalled;
    sent.pid = pid;
    sent.signals.push(...signals);
    const why = signals.length > 1 ? "it was suspended: " : "";
    options.report(`${why}sent ${signals.join(" and ")} to process ${pid}`);
    const isOver = async () => !await isLive(run.root, run.runId);
    return await waitUntil(isOver, { timeoutMs: waitMs, longestPauseMs: POLL_MS });
  };
  const isOver = await send("SIGTERM", options.timeoutMs);
  if (!isOver && options.kill) await send("SIGKILL", KILL_WAIT_MS);
  return sent;
}

/**
 * Gives the process that was signalled, and how; undefined when the run is over just now. A process that
 * was suspended takes no signal but SIGKILL until it goes on.
 */
async function signalHolder(
  { root, runId }: { root: string; runId: string },
  signal: Deno.Signal,
): Promise<{ pid: number; signals: Deno.Signal[] } | undefined> {
  const holder = await findHolder(root, runId);
  if ("problem" in holder) {
    // Its process may have ended between the two looks.
    if (!await isLive(root, runId)) return undefined;
    throw new Error(`Cannot stop run ${runId}: ${holder.problem}`);
  }
  const mustGoOn = holder.isSuspended && signal !== "SIGKILL";
  const signals: Deno.Signal[] = mustGoOn ? [signal, "SIGCONT"] : [signal];
  try {
    for (const name of signals) Deno.kill(holder.pid, name);
    return { pid: holder.pid, signals };
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    const reason = reasonOf(cause);
    throw new Error(`Cannot stop run ${runId}: process ${holder.pid}: ${reason}`, { cause });
  }
}

async function linesOf(
  run: Listed,
  { root, view, live, hadEnd, sent }: RunPlace & { live: boolean; hadEnd: boolean; sent: Sent },
): Promise<string[]> {
  const { run_id: id } = run;
  const already = hadEnd ? " already" : "";
  if (live) {
    const remedy = sent.signals.includes("SIGKILL") ? "" : "; add --kill, or --timeout DURATION";
    return [`run ${id} is still worked on by process ${sent.pid}${remedy}`];
  }
  if ("problem" in run) {
    return [printableLine(`nobody works on run ${id}, which cannot be read: ${run.problem}`)];
  }
  if ("is_other_log" in run) return [`nobody has the log ${id} of another program open`];
  if (run.state === "Completed") return [`run ${id} has completed${already}`];
  if (run.state !== "Running") {
    const reason = printableLine(reasonText(run.state.Aborted.reason));
    // Of one that was cancelled the reason says all.
    if (reason.startsWith("cancelled")) return [`run ${id} was${already} ${reason}`];
    return [`run ${id} ${endText(outcomeOf(run))}${already}: ${reason}`];
  }
  const { orphanLines } = await import("../reading/print_report.ts");
  return [`run ${id} is not over:`, ...await orphanLines({ root, view })];
}
