import {
  denoFilePort,
  type FileInfo,
  isNotFound,
  withFileSync,
} from "../../_internal/file_port.ts";
import { parseOpener, readOwnerSync, type RunOpener } from "../../_internal/lock.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import { holdsLock, listsProcesses, readBootId, readStat } from "./processes.ts";

/** The process that works on a run, or why that cannot be found out. */
export type Holder = { pid: number; isSuspended: boolean } | { problem: string };

/** How long to try to hold a run: a probe may have its lock for a moment, who works on it has it longer. */
export const HOLD_TIMEOUT_MS = 500;

/** `ps` prints ages in whole seconds. */
const AGE_SLACK_MS = 1500;

/**
 * Finds the process that works on a live run, so that it may be signalled. The run's `live.lock` names the
 * process that opened it first. It is believed only if the file is the run's own, the very one that was
 * written, with no second name; and if that process is the one that was meant, and holds the lock of this
 * file: a process id is given again to others, and a file may be copied, linked or put in its place.
 */
export async function findHolder(root: string, runId: string): Promise<Holder> {
  const path = runPaths(root, runId).liveLock;
  let found: { opener: RunOpener | undefined; info: FileInfo };
  try {
    found = readLock(path);
  } catch (error) {
    const isGone = isNotFound(error);
    return { problem: isGone ? `its live.lock was removed by hand` : reasonOf(error) };
  }
  const { opener, info } = found;
  const who = `fuser ${path} may tell which process it is`;
  if (opener === undefined) return { problem: `its live.lock names no process; ${who}` };
  const { pid } = opener;
  if ((info.nlink ?? 1) > 1) {
    return { problem: `its live.lock has another name too (a hard link); ${who}` };
  }
  if (opener.ino !== undefined && (opener.dev !== info.dev || opener.ino !== info.ino)) {
    return { problem: `its live.lock was copied from another run or root; ${who}` };
  }
  if (Deno.build.os === "windows") {
    return { problem: `Windows has no signal that asks process ${pid} to end: press Ctrl-C there` };
  }
  if (Deno.build.os === "linux" && !listsProcesses()) {
    return { problem: `/proc does not list the processes of this namespace; press Ctrl-C there` };
  }
  try {
    if (pid > 1 && await isHolder(opener, info)) {
      return { pid, isSuspended: readStat(pid)?.isStopped ?? false };
    }
  } catch (error) {
    const reason = reasonOf(error);
    return { problem: `process ${pid} cannot be looked at: ${reason}; try as its user` };
  }
  return { problem: `process ${pid}, which opened it, is not the one that has it open; ${who}` };
}

/** Whether the process that works on a live run was suspended, as by Ctrl-Z; false where nobody can tell. */
export async function isSuspended(root: string, runId: string): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  const holder = await findHolder(root, runId);
  return "pid" in holder && holder.isSuspended;
}

function readLock(path: string): { opener: RunOpener | undefined; info: FileInfo } {
  return withFileSync(denoFilePort, { path, read: true }, (file) => {
    return { opener: parseOpener(readOwnerSync(file)), info: file.statSync() };
  });
}

async function isHolder({ pid, start_time, boot_id }: RunOpener, lock: FileInfo) {
  if (Deno.build.os !== "linux") return isOlder(await ageOf(pid), lock.mtime);
  if (boot_id !== undefined && boot_id !== readBootId()) return false;
  if (start_time !== undefined && readStat(pid)?.startTime !== start_time) return false;
  return holdsLock(pid, lock);
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
