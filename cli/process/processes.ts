/** The processes of the system, as Linux lists them in `/proc`; elsewhere nothing is known. */
import { defined } from "../../_internal/errors.ts";
import type { FileInfo } from "../../_internal/file_port.ts";
import { startTimeIn, statFields } from "../../_internal/lock.ts";
import { isWindows } from "../../_internal/path.ts";
import { lookAt } from "../files.ts";
import { type Mark, marksIn } from "../../run/marks.ts";

/** What tells a process from all others, before and after a restart of the machine. */
export interface ProcessIdentity {
  /** Its id. */
  pid: number;
  /** When it began, in the clock ticks of the system. */
  startTime?: number;
  /** The boot that this counts from. */
  bootId?: string;
}

/** A process that is there. */
export interface ProcessStat {
  /** Its id. */
  pid: number;
  /** Whether it has ended and only waits for its parent to take notice. */
  isZombie: boolean;
  /** Whether it was suspended, by Ctrl-Z or SIGSTOP. */
  isStopped: boolean;
  /** The process that started it, or took it over. */
  parent: number;
  /** Its process group. */
  group: number;
  /** When it began. */
  startTime: number;
}

let isListed: boolean | undefined;

/**
 * Whether the system lists processes by the numbers by which this process would signal them. Where `/proc` is
 * that of another namespace, as in a container that was given the machine's, they are those of others.
 */
export function listsProcesses(): boolean {
  return isListed ??= Deno.build.os === "linux" && ownNumber() === String(Deno.pid);
}

function ownNumber(): string | undefined {
  try {
    return Deno.readLinkSync("/proc/self");
  } catch {
    return undefined;
  }
}

/** Identifies a process that was just started. */
export function identifyProcess(pid: number): ProcessIdentity {
  const stat = listsProcesses() ? readStat(pid) : undefined;
  const boot = readBootId();
  return {
    pid,
    ...defined({ startTime: stat?.startTime, bootId: boot }),
  };
}

let bootId: string | undefined;

/** Which boot of the system this is: as long as this process lives it is the same. */
export function readBootId(): string | undefined {
  if (!listsProcesses()) return undefined;
  try {
    return bootId ??= Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  } catch {
    return undefined;
  }
}

/** All processes that can be seen; undefined when none can. */
export function listProcesses(): ProcessStat[] | undefined {
  if (!listsProcesses()) return undefined;
  try {
    const pids = Array.from(Deno.readDirSync("/proc"), ({ name }) => name)
      .filter((name) => /^\d+$/.test(name));
    return pids.flatMap((pid) => readStat(Number(pid)) ?? []);
  } catch {
    return undefined;
  }
}

/** What Linux tells of a process, in `pid (name) state ppid pgrp …`; undefined where it is gone. */
export function readStat(pid: number): ProcessStat | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = statFields(stat);
    const [state, parent, group] = fields;
    return {
      pid,
      isZombie: state === "Z" || state === "X",
      isStopped: state === "T",
      parent: Number(parent),
      group: Number(group),
      startTime: startTimeIn(fields),
    };
  } catch {
    return undefined;
  }
}

/** The marks that a process was started with, the outermost first; none when they may not be read. */
export function readMarks(pid: number): Mark[] {
  return marksIn(readEnvironment(pid));
}

/**
 * The variables that a process was started with, as `NAME=value`; none when they may not be read. As long as a
 * process becomes another program it seems to have none: it is read again until it has become that.
 */
export function readEnvironment(pid: number): string[] {
  const path = `/proc/${pid}/environ`;
  try {
    let text = readAtOnce(path);
    if (text.endsWith("\0")) return text.split("\0");
    const giveUpAt = performance.now() + LONGEST_EXEC_MS;
    let before = programOf(pid);
    while (!text.endsWith("\0") && performance.now() < giveUpAt) {
      text = readAtOnce(path);
      const now = programOf(pid);
      // It has none, or has written into it.
      if (now !== undefined && now === before) break;
      before = now;
    }
    return text.split("\0");
  } catch {
    return [];
  }
}

/** More than the system takes to load a program, however busy it is. */
const LONGEST_EXEC_MS = 1000;

/** With room for most: what is read in parts may be of two programs. */
const readBuffer = new Uint8Array(256 * 1024);

function readAtOnce(path: string): string {
  using file = Deno.openSync(path);
  const decoder = new TextDecoder();
  let text = "";
  for (let read; (read = file.readSync(readBuffer)) !== null && read > 0;) {
    text += decoder.decode(readBuffer.subarray(0, read), { stream: true });
  }
  return text;
}

/** Where the program of a process and its environment are in memory; undefined as long as they are loaded. */
function programOf(pid: number): string | undefined {
  const fields = statFields(Deno.readTextFileSync(`/proc/${pid}/stat`));
  // Fields 27, 50 and 51: the end of its code, which is told last, and both ends of its environment.
  const [endOfCode, ...environment] = [fields[24], fields[47], fields[48]];
  return endOfCode === "0" ? undefined : [endOfCode, ...environment].join(" ");
}

/** What a signal means to Windows, which has none between processes. */
export function windowsMeaning(name: Deno.Signal): "kill" | "nothing" {
  // The others, as by Ctrl-C, its console sends to all of its processes itself; Deno would kill by them.
  return name === "SIGTERM" || name === "SIGKILL" ? "kill" : "nothing";
}

/** Ends a process of Windows, and with it what it has started, as far as the parents of that still live. */
export function killTree(pid: number): void {
  const args = ["/pid", String(pid), "/t", "/f"];
  const silent = { stdin: "null", stdout: "null", stderr: "null" } as const;
  try {
    new Deno.Command("taskkill", { args, ...silent }).outputSync();
  } catch {
    // Where that is not to be had, at least itself.
    Deno.kill(pid, "SIGKILL");
  }
}

/** Ends a command at once, with its group; on Windows, which has none, with what it has started. */
export function killGroup(pid: number): void {
  if (isWindows) killTree(pid);
  else Deno.kill(-pid, "SIGKILL");
}

/** Number 0, of which the system only looks whether it could be sent; Deno passes it on. */
export const PROBE = 0 as unknown as Deno.Signal;

/** Whether anybody is in a process group, without doing anything to it; true where that cannot be told. */
export function groupExists(group: number): boolean {
  if (isWindows) return true;
  try {
    Deno.kill(-group, PROBE);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

/**
 * Whether a process holds the lock of a file. Linux lists the open files of a process, of one's own
 * processes at least, and the locks on them.
 */
export function holdsLock(pid: number, { dev, ino }: Pick<FileInfo, "dev" | "ino">): boolean {
  const directory = `/proc/${pid}/fd`;
  try {
    return Array.from(Deno.readDirSync(directory)).some(({ name }) => {
      const info = lookAt(`${directory}/${name}`);
      return info?.dev === dev && info.ino === ino && isLocked(`/proc/${pid}/fdinfo/${name}`);
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function isLocked(infoPath: string): boolean {
  try {
    return /^lock:.*\bFLOCK\b/m.test(Deno.readTextFileSync(infoPath));
  } catch (error) {
    // It was closed meanwhile.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A process that has something, to people on this machine. */
export function processText(
  { pid, host }: { pid?: number | undefined; host?: string | undefined },
): string {
  const where = host === undefined || host === hostName() ? "" : ` on ${host}`;
  return (pid === undefined ? "another process" : `process ${pid}`) + where;
}

/** The name of this machine, where it may be asked for. */
export function hostName(): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "hostname" });
  return state === "granted" ? Deno.hostname() : undefined;
}
