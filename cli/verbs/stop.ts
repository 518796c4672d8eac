import { defined } from "../../_internal/errors.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { StoppedOrphan } from "../engine/stop_orphan.ts";
import { waitUntil } from "../process/end_processes.ts";
import { hostName } from "../process/processes.ts";
import { findHolder } from "../process/run_holder.ts";
import { findRun } from "../reading/find_run.ts";
import { openRoot, type RunPlace } from "../reading/open_root.ts";
import type { RunHolder, RunsRoot, RunView } from "../../run/types.ts";
import { endText, outcomeOf, reasonText } from "../reading/run_outcome.ts";
import { type Listed, stateWordOf, summarizeRun } from "../reading/run_summary.ts";
import { printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { parseDurationOption } from "../text/units.ts";
import {
  numberOption,
  onlyOperand,
  type OptionTable,
  readArguments,
  RUN_OPERAND,
  userName,
  type Verb,
} from "../text/arguments.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
const POLL_MS = 50;
/** The same, of a run in a database. */
const FAR_POLL_MS = 500;
/** A process that SIGKILL does not end hangs in the kernel. */
const KILL_WAIT_MS = 5000;

/** What is left of a run whose process is gone gets this long, or as long as is waited if that is less. */
const ORPHAN_GRACE_MS = 5000;

const OPTIONS = {
  timeout: { value: "DURATION", text: "how long to wait for that (default 30s)" },
  kill: {
    text: "then end the process with SIGKILL, if it still works on the run, and what it leaves",
  },
} as const satisfies OptionTable;

/** `taffrail stop`: ends a run of another process. */
export const stopVerb: Verb = {
  summary: "end a run that another process works on, or has left",
  help: {
    about: `Ends a run as Ctrl-C does where it runs: its process gets SIGTERM, ends its
commands and records that. Waits until nobody works on the run any more, and
says how it ended. No process is signalled unless it is sure that it works on
the run. One that was suspended, as by Ctrl-Z, is continued, so that it can end.
${RUN_OPERAND} Of
the runs of a flow it is the newest at work.

A run in a database may be worked on by any machine: its process gets a message
and ends as by SIGTERM; with --kill it kills its commands then. One that is
frozen or cut off does neither: taffrail resume --take-over takes its run.

Where the process of a run was killed, what is left of it, its commands and all
that they have started, is ended (SIGTERM, then SIGKILL after 5s, or after the
timeout where that is less), and the end is recorded: taffrail resume can go on
with the run.`,
    usage: ["[options] RUN"],
    options: OPTIONS,
    operands: ["RUN"],
    runs: ["running", "orphan"],
    exitCodes: `0 the run has an end, also where it had one before, 1 it has none: it is worked
on still, or that cannot be recorded, 2 called wrongly.`,
    json: `{ "run_id", "pid", "host", "signals", "left", "is_live", "state" }; signals are
those that were sent to process pid, or null, on host, null for this machine;
left are the processes that were left of the run, and were ended; state is one
of running, completed, aborted, orphan, other, unreadable.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("stop", args, OPTIONS);
    const timeoutMs = numberOption(options, "timeout", parseDurationOption) ?? DEFAULT_TIMEOUT_MS;
    const wanted = onlyOperand("stop", operands, "run");
    await using runs = await openRoot(root);
    const runId = await findRun({ root, runs }, wanted, (id) => isHeld(runs.view(id)));
    const screen = new Screen(Deno.stdout);
    const report = (text: string) => json ? undefined : screen.line(text);
    const run = { root, runs, runId };
    const sent = await stopRun(run, { timeoutMs, kill: options.kill ?? false, report });
    const live = await isHeld(runs.view(runId));
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
  run: StoppedRun,
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

/** The run that is to be stopped. */
interface StoppedRun {
  /** What the root was named. */
  root: string;
  runs: RunsRoot;
  runId: string;
}

async function isHeld(view: RunView): Promise<boolean> {
  return await view.holder() !== undefined;
}

/** To whom which signals were sent. */
interface Sent {
  pid: number | null;
  /** The machine of that process; null where it is this one, or not known. */
  host: string | null;
  signals: Deno.Signal[];
  /** The processes that were left of the run. */
  left: number[];
}

async function stopRun(
  run: StoppedRun,
  options: { timeoutMs: number; kill: boolean; report: (text: string) => void },
): Promise<Sent> {
  const sent: Sent = { pid: null, host: null, signals: [], left: [] };
  const view = run.runs.view(run.runId);
  const send = async (signal: Deno.Signal, waitMs: number): Promise<boolean> => {
    const holder = await view.holder();
    if (holder === undefined) return true;
    const isAsked = holder.token !== undefined
      ? await askHolder(run, { signal, holder, sent, report: options.report })
      : await tellHolder(run, { signal, sent, report: options.report });
    if (!isAsked) return true;
    const isOver = async () => !await isHeld(view);
    const longestPauseMs = holder.token === undefined ? POLL_MS : FAR_POLL_MS;
    return await waitUntil(isOver, { timeoutMs: waitMs, longestPauseMs });
  };
  const isOver = await send("SIGTERM", options.timeoutMs);
  if (!isOver && options.kill) await send("SIGKILL", KILL_WAIT_MS);
  return sent;
}

/** How to ask for an end, and what is told of it. */
interface Asking {
  signal: Deno.Signal;
  sent: Sent;
  report: (text: string) => void;
}

/** Leaves a message for a holder that may be on any machine, and stops as by that signal. */
async function askHolder(
  { runs, runId }: StoppedRun,
  { signal, holder: { token, pid, host }, sent, report }: Asking & { holder: RunHolder },
): Promise<boolean> {
  const message = { op: crypto.randomUUID(), stop: signal, token: String(token), by: userName() };
  await runs.post(runId, defined(message));
  const isHere = host === undefined || host === hostName();
  sent.pid = pid ?? null;
  sent.host = isHere ? null : host;
  sent.signals.push(signal);
  report(`asked ${describeHolder(sent)} to stop, as by ${signal}`);
  return true;
}

function describeHolder({ pid, host }: Pick<Sent, "pid" | "host">): string {
  const where = host === null ? "" : ` on ${host}`;
  return `process ${pid ?? "that works on it"}${where}`;
}

/** Signals a holder of this machine; false when the run is over just now. */
async function tellHolder(run: StoppedRun, { signal, sent, report }: Asking): Promise<boolean> {
  const signalled = await signalHolder(run, signal);
  if (signalled === undefined) return false;
  const { pid, signals } = signalled;
  sent.pid = pid;
  sent.signals.push(...signals);
  const why = signals.length > 1 ? "it was suspended: " : "";
  report(`${why}sent ${signals.join(" and ")} to process ${pid}`);
  return true;
}

/**
 * Gives the process that was signalled, and how; undefined when the run is over just now. A process that
 * was suspended takes no signal but SIGKILL until it goes on.
 */
async function signalHolder(
  { root, runs, runId }: StoppedRun,
  signal: Deno.Signal,
): Promise<{ pid: number; signals: Deno.Signal[] } | undefined> {
  const holder = await findHolder(root, runId);
  if ("problem" in holder) {
    // Its process may have ended between the two looks.
    if (!await isHeld(runs.view(runId))) return undefined;
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
    return [`run ${id} is still worked on by ${describeHolder(sent)}${remedy}`];
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
