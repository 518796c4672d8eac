import { defined, isObject } from "../../_internal/errors.ts";
import {
  denoFilePort,
  isNotFound,
  readRangeSync,
  sizeOf,
  withFileSync,
} from "../../_internal/file_port.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import { linePagesOf } from "../../run/engine/run_log.ts";
import type { NodeAttempt, RunView } from "../../run/types.ts";
import { hostName, identifyProcess, type ProcessIdentity } from "./processes.ts";
import { type RootIdentity, rootIdentityOf } from "./root_identity.ts";

/** Which process an attempt was, and of which root. */
export interface RecordedProcess extends ProcessIdentity {
  /** The root whose run it belongs to; undefined when that was not recorded. */
  root: RootIdentity | undefined;
  /** The machine; undefined when that was not recorded. */
  host: string | undefined;
}

/** One line of a run's `processes.jsonl`. */
interface ProcessLine {
  node_id: string;
  attempt: number;
  /** The machine, for people; left out where it may not be asked for. */
  host?: string;
  pid: number;
  start_time?: number;
  boot_id?: string;
  /** The root: its path without links, and what the file system knows it by; or its URL. */
  root: string;
  root_dev?: number;
  root_ino?: number;
}

/**
 * Makes the lines of a run's `processes.jsonl`: which processes its attempts are, so that what is left of
 * them is found when this process dies. Nobody syncs it: a power cut leaves no process either.
 */
export class ProcessLines {
  /** The root as it was in the beginning: a command may move it, or remove it. */
  readonly root: RootIdentity;
  #place: Pick<ProcessLine, "host" | "root" | "root_dev" | "root_ino"> | undefined;

  /** @param root The name of the root. */
  constructor(root: string) {
    this.root = rootIdentityOf(root);
  }

  /** Says which process an attempt is. */
  encode({ nodeId, attempt }: NodeAttempt, pid: number): string {
    const { startTime, bootId } = identifyProcess(pid);
    const { host, ...root } = this.#place ??= placeOf(this.root);
    const line: ProcessLine = {
      node_id: nodeId,
      attempt,
      ...defined({ host }),
      pid,
      ...defined({ start_time: startTime, boot_id: bootId }),
      ...root,
    };
    return JSON.stringify(line);
  }
}

function placeOf({ path, dev, ino }: RootIdentity) {
  return { root: path, ...defined({ host: hostName(), root_dev: dev, root_ino: ino }) };
}

/** What is read at most, from the end on: the attempts that may still run are the last ones. */
const MAX_BYTES = 16 * 1024 * 1024;

/** The recorded processes of a run, by the key of their attempt. A line that is damaged tells of none. */
export function readProcesses(
  { root, runId }: { root: string; runId: string },
): Map<string, RecordedProcess> {
  return processesIn(readProcessLines({ root, runId }));
}

/** The attempts that lines tell of, each once. */
export function attemptsIn(lines: readonly unknown[]): NodeAttempt[] {
  const attempts = lines.flatMap((line) => parseLine(line)?.attempt ?? []);
  return [...new Map(attempts.map((attempt) => [attemptKey(attempt), attempt])).values()];
}

/** All that a run says of its processes, parsed. */
export async function processLinesOf(view: RunView): Promise<unknown[]> {
  const lines: unknown[] = [];
  for await (const { events } of linePagesOf(view, "processes")) {
    for (const { event } of events) lines.push(event);
  }
  return lines;
}

/** The lines of a run's `processes.jsonl`, parsed, without those that are damaged. */
function* readProcessLines(
  { root, runId }: { root: string; runId: string },
): Iterable<unknown> {
  for (const line of readEnd(runPaths(root, runId).processes).split("\n")) {
    try {
      yield JSON.parse(line);
    } catch {
      // It is damaged, as whoever wrote it was killed meanwhile.
    }
  }
}

/**
 * The processes that lines of a run's `processes.jsonl` tell of, by the key of their attempt, in the order of their
 * lines. Of several for one attempt the last counts; what is none tells of none.
 */
export function processesIn(lines: Iterable<unknown>): Map<string, RecordedProcess> {
  const processes = new Map<string, RecordedProcess>();
  for (const line of lines) {
    const found = parseLine(line);
    if (found === undefined) continue;
    const key = attemptKey(found.attempt);
    // In the order of the last lines.
    processes.delete(key);
    processes.set(key, found.process);
  }
  return processes;
}

function readEnd(path: string): string {
  try {
    return withFileSync(denoFilePort, { path, read: true }, (file) => {
      const size = sizeOf(file);
      return new TextDecoder().decode(readRangeSync(file, Math.max(0, size - MAX_BYTES), size));
    });
  } catch (error) {
    if (isNotFound(error)) return "";
    throw error;
  }
}

function parseLine(
  line: unknown,
): { attempt: NodeAttempt; process: RecordedProcess } | undefined {
  if (!isObject(line)) return undefined;
  const { node_id: nodeId, attempt, pid, start_time, boot_id, root, root_dev, root_ino } = line;
  const { host } = line;
  if (typeof nodeId !== "string" || !isWhole(attempt) || !isWhole(pid)) return undefined;
  const process = {
    pid,
    ...defined({ startTime: isWhole(start_time) ? start_time : undefined }),
    ...defined({ bootId: typeof boot_id === "string" ? boot_id : undefined }),
    host: typeof host === "string" ? host : undefined,
    root: typeof root === "string"
      ? {
        path: root,
        dev: isWhole(root_dev) ? root_dev : undefined,
        ino: isWhole(root_ino) ? root_ino : undefined,
      }
      : undefined,
  };
  return { attempt: { nodeId, attempt }, process };
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
