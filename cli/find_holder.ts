import { join } from "node:path";

/** The process that works on a run, or why that cannot be told. */
export type Holder = { pid: number } | { problem: string };

/** `ps` tells ages in whole seconds. */
const AGE_SLACK_MS = 1500;

/**
 * Finds the process that works on a live run. Its `live.lock` names the process that opened it
 * first, but a process id is given again to others: it is believed only if that process has this
 * very file open, or, where the system does not tell that, if it is older than the entry.
 */
export async function findHolder(root: string, runId: string): Promise<Holder> {
  const path = join(root, "runs", runId, "live.lock");
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
    const reason = error instanceof Error ? error.message : String(error);
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
      const info = statOrNone(`${directory}/${name}`);
      return info?.dev === dev && info.ino === ino;
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** It may be closed meanwhile, or be no file. */
function statOrNone(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
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
