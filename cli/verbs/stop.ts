import { isLive } from "../../eventlog/run_folder.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import { waitUntil } from "../process/end_processes.ts";
import { lookAt } from "../files.ts";
import { findRun } from "../reading/find_run.ts";
import { orphanLines } from "../reading/print_report.ts";
import { type Listed, stateWordOf, summarizeRun } from "../reading/run_summary.ts";
import { printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { parseDurationOption } from "../text/units.ts";
import { COMMON_HELP, numberOption, onlyOperand, readArguments, type Verb } from "./arguments.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
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
    const kinds = { timeout: "string", kill: "boolean" } as const;
    const { root, json, options, operands } = readArguments("stop", args, kinds);
    const timeoutMs = numberOption(options, "timeout", parseDurationOption) ?? DEFAULT_TIMEOUT_MS;
    const wanted = onlyOperand("stop", operands, "run");
    const runId = await findRun(root, wanted, (id) => isLive(root, id));
    const screen = new Screen(Deno.stdout);
    const report = (text: string) => json ? undefined : screen.line(text);
    const run = { root, runId };
    const sent = await stopRun(run, { timeoutMs, kill: options.kill ?? false, report });
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
  options: { timeoutMs: number; kill: boolean; report: (text: string) => void },
): Promise<Sent> {
  const sent: Sent = { pid: null, signals: [] };
  const send = async (signal: Deno.Signal, waitMs: number): Promise<boolean> => {
    if (!await isLive(run.root, run.runId)) return true;
    const pid = await signalHolder(run, signal);
    if (pid === undefined) return true;
    sent.pid = pid;
    sent.signals.push(signal);
    options.report(`sent ${signal} to process ${pid}`);
    const isOver = async () => !await isLive(run.root, run.runId);
    return await waitUntil(isOver, { timeoutMs: waitMs, longestPauseMs: POLL_MS });
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
    const reason = reasonOf(cause);
    throw new Error(`Cannot stop run ${runId}: process ${holder.pid}: ${reason}`, { cause });
  }
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

/** The process that works on a run, or why that cannot be found out. */
export type Holder = { pid: number } | { problem: string };

/** `ps` prints ages in whole seconds. */
const AGE_SLACK_MS = 1500;

/**
 * Finds the process that works on a live run. Its `live.lock` names the process that opened it
 * first, but a process id is given again to others: it is believed only if that process has this
 * very file open, or, where the system does not list that, if it is older than the entry.
 */
export async function findHolder(root: string, runId: string): Promise<Holder> {
  const path = runPaths(root, runId).liveLock;
  const pid = readPid(path);
  const who = `fuser ${path} may tell which process it is`;
  if (pid === undefined) return { problem: `its live.lock names no process; ${who}` };
  if (Deno.build.os === "windows") {
    return { problem: `Windows has no signal that asks process ${pid} to end: press Ctrl-C there` };
  }
  try {
    const isHolder = Deno.build.os === "linux"
      ? hasOpen(pid, path)
      : isOlder(await ageOf(pid), (await Deno.stat(path)).mtime);
    if (isHolder) return { pid };
  } catch (error) {
    const reason = reasonOf(error);
    return { problem: `process ${pid} cannot be looked at: ${reason}; try as its user` };
  }
  return { problem: `process ${pid}, which opened it, is not the one that has it open; ${who}` };
}

function readPid(path: string): number | undefined {
  try {
    const text = Deno.readTextFileSync(path);
    return /^[1-9]\d{0,9}\n$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}

/** Linux lists the open files of a process, of one's own processes at least. */
function hasOpen(pid: number, path: string): boolean {
  const { dev, ino } = Deno.statSync(path);
  const directory = `/proc/${pid}/fd`;
  try {
    return Array.from(Deno.readDirSync(directory)).some(({ name }) => {
      const info = lookAt(`${directory}/${name}`);
      return info?.dev === dev && info.ino === ino;
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** How long a process runs, in milliseconds; undefined when there is none. */
async function ageOf(pid: number): Promise<number | undefined> {
  const ps = new Deno.Command("ps", { args: ["-o", "etime=", "-p", String(pid)], stderr: "null" });
  const { success, stdout } = await ps.output();
  return success ? parseElapsed(new TextDecoder().decode(stdout)) : undefined;
}

/** Reads what `ps -o etime=` prints, `[[days-]hours:]minutes:seconds`, as milliseconds. */
export function parseElapsed(text: string): number | undefined {
  const match = /^\s*(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)\s*$/.exec(text);
  if (match === null) return undefined;
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
  return (((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!) * 1000;
}

/** Whether a process began before a file was written. */
export function isOlder(ageMs: number | undefined, writtenAt: Date | null): boolean {
  if (ageMs === undefined || writtenAt === null) return false;
  return Date.now() - ageMs <= writtenAt.getTime() + AGE_SLACK_MS;
}
