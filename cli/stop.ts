import { isLive } from "../eventlog/mod.ts";
import { COMMON_HELP, onlyOperand, readArguments, type Verb } from "./arguments.ts";
import { findHolder } from "./find_holder.ts";
import { findRun } from "./find_run.ts";
import { wait } from "./flow/wait.ts";
import { orphanLines } from "./format_report.ts";
import { printableLine } from "./printable.ts";
import { type Listed, stateWordOf, summarizeRun } from "./run_summary.ts";
import { Screen } from "./screen.ts";
import { parseDurationOption } from "./units.ts";

const POLL_MS = 50;
/** A process that SIGKILL does not end hangs in the kernel. */
const KILL_WAIT_MS = 5000;

/** `taffrail stop`: ends a run of another process. */
export const stopVerb: Verb = {
  summary: "end a run that another process works on",
  help: `Ends a run as Ctrl-C does where it runs: its process gets SIGTERM, ends its
commands and records that. Waits until nobody works on the run any more, and
says how it ended. RUN is the id of a run, its beginning where no other begins
so, or the name of a flow for its newest run at work. No process is signalled
unless it is sure that it works on the run.

Usage: taffrail stop [options] RUN

  --timeout DURATION  how long to wait for that (default 30s)
  --kill              then end the process with SIGKILL, if it still works on
                      the run; its commands run on: taffrail resume ends them
${COMMON_HELP}

Exit codes: 0 the run has an end, also where it had one before, 1 it has none:
it is worked on still, or its process was killed, 2 called wrongly.
--json prints { "run_id", "pid", "signals", "is_live", "state" }; signals are
those that were sent to process pid, or null; state is one of running,
completed, aborted, orphan, other, unreadable.`,

  async run(args) {
    const { root, json, options, operands } = readArguments("stop", args, {
      timeout: "string",
      kill: "boolean",
    });
    const timeoutMs = parseDurationOption("timeout", String(options.timeout ?? "30s"));
    const runId = await findRun(
      root,
      onlyOperand("stop", operands, "run"),
      (id) => isLive(root, id),
    );
    const screen = new Screen(Deno.stdout);
    const tell = (text: string) => json ? undefined : screen.line(text);
    const run = { root, runId };
    const sent = await stopRun(run, { timeoutMs, kill: options.kill === true, tell });
    const live = await isLive(root, runId);
    const summary = await summarizeRun(root, runId);
    const state = stateWordOf(summary);
    if (json) {
      screen.line(JSON.stringify({ run_id: runId, ...sent, is_live: live, state }));
    } else {
      for (const line of linesOf(summary, { root, live, sent })) screen.line(line);
    }
    return state === "completed" || state === "aborted" ? 0 : 1;
  },
};

/** To whom which signals were sent. */
interface Sent {
  pid: number | null;
  signals: Deno.Signal[];
}

async function stopRun(
  run: { root: string; runId: string },
  options: { timeoutMs: number; kill: boolean; tell: (text: string) => void },
): Promise<Sent> {
  const sent: Sent = { pid: null, signals: [] };
  const send = async (signal: Deno.Signal, waitMs: number): Promise<boolean> => {
    if (!await isLive(run.root, run.runId)) return true;
    const pid = await signalHolder(run, signal);
    if (pid === undefined) return true;
    sent.pid = pid;
    sent.signals.push(signal);
    options.tell(`sent ${signal} to process ${pid}`);
    return await isOverWithin(run, waitMs);
  };
  const isOver = await send("SIGTERM", options.timeoutMs);
  if (!isOver && options.kill) await send("SIGKILL", KILL_WAIT_MS);
  return sent;
}

/** Gives the process that was signalled; undefined when the run is over just now. */
async function signalHolder(
  { root, runId }: { root: string; runId: string },
  signal: Deno.Signal,
): Promise<number | undefined> {
  const holder = await findHolder(root, runId);
  if ("problem" in holder) {
    // Its process may have ended between the two looks.
    if (!await isLive(root, runId)) return undefined;
    throw new Error(`Cannot stop run ${runId}: ${holder.problem}`);
  }
  try {
    Deno.kill(holder.pid, signal);
    return holder.pid;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot stop run ${runId}: process ${holder.pid}: ${reason}`, { cause });
  }
}

async function isOverWithin(
  { root, runId }: { root: string; runId: string },
  milliseconds: number,
): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  while (await isLive(root, runId)) {
    if (performance.now() >= deadline) return false;
    await wait(POLL_MS);
  }
  return true;
}

function linesOf(
  run: Listed,
  { root, live, sent }: { root: string; live: boolean; sent: Sent },
): string[] {
  const { run_id: id } = run;
  const already = sent.pid === null ? " already" : "";
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
    const reason = printableLine(run.state.Aborted.reason);
    return [`run ${id} has been aborted${already}: ${reason}`];
  }
  return [`run ${id} is not over:`, ...orphanLines({ root, runId: id })];
}
