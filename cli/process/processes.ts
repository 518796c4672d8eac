/** The processes of the system, as Linux lists them in `/proc`; elsewhere nothing is known. */
import { defined } from "../../_internal/errors.ts";
import type { ProcessIdentity } from "../../run/types.ts";

/** A process that is there. */
export interface ProcessStat {
  /** Its id. */
  pid: number;
  /** Whether it has ended and only waits for its parent to take notice. */
  isZombie: boolean;
  /** Its process group. */
  group: number;
  /** When it began. */
  startTime: number;
}

/** Whether the system lists processes. */
function listsProcesses(): boolean {
  return Deno.build.os === "linux";
}

/** Where the start time stands behind the name: it is field 22, and the name field 2. */
const START_TIME = 19;

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

/** `/proc/<pid>/stat` is `pid (name) state ppid pgrp …`; the name may hold anything. */
function readStat(pid: number): ProcessStat | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, , group] = fields;
    const isZombie = state === "Z" || state === "X";
    return { pid, isZombie, group: Number(group), startTime: Number(fields[START_TIME]) };
  } catch {
    return undefined;
  }
}

/** The variables that a process was started with, as `NAME=value`; none when they may not be read. */
export function readEnvironment(pid: number): string[] {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0");
  } catch {
    return [];
  }
}
