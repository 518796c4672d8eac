import {
  type ErrorKind,
  type EventLog,
  newEventId,
  type NodeError,
  type RunEvent,
  VERSION,
} from "../../eventlog/mod.ts";
import type { RunTermination } from "../../supervisor/mod.ts";
import { commandLine } from "../printable.ts";
import type { Flow, FlowNode } from "./flow.ts";
import type { ProcessIdentity } from "./processes.ts";
import { RecordingError } from "./recording_error.ts";

/** How an attempt ended, as it is recorded. */
export interface AttemptEnd {
  /** How it ended. */
  termination: RunTermination;
  /** How long it took, where that is known. */
  durationMs?: number;
  /** The exit code, where the command ended by itself. */
  exitCode?: number;
  /** The signal that ended it. */
  signal?: Deno.Signal;
  /** Why it failed, for people. */
  message?: string;
  /** A digest of what is kept of its standard output. */
  outputHash?: string;
}

type EventBody = { type: string } & Record<string, unknown>;

/** What `node.failed` calls the end of an attempt. */
export function errorKindOf(termination: Exclude<RunTermination, "Completed">): ErrorKind {
  if (termination === "TimedOut") return "timeout";
  if (termination === "Aborted") return "cancelled";
  return termination.Failed === "AdapterUnavailable" ? "host_missing" : "crash";
}

/** What was recorded of a run before this process goes on with it. */
export interface RecordedBegin {
  /** When it began. */
  startedTs: string | undefined;
  /** The id of its last event. */
  lastEventId: string | undefined;
}

/** Writes the events of one run. Each is on disk before what it tells of goes on. */
export class RunRecorder {
  readonly #log: EventLog<RunEvent>;
  readonly #startedAt = performance.now();
  readonly #lastEventId: string | undefined;
  /** How long it had taken when this process took it up. */
  readonly #earlierMs: number;

  constructor(log: EventLog<RunEvent>, { startedTs, lastEventId }: Partial<RecordedBegin> = {}) {
    this.#log = log;
    this.#lastEventId = lastEventId;
    const earlierMs = startedTs === undefined ? 0 : Date.now() - Date.parse(startedTs);
    this.#earlierMs = earlierMs > 0 ? earlierMs : 0;
  }

  /** The run begins. */
  async pipeStarted({ name, nodes }: Flow): Promise<void> {
    await this.#append({
      type: "pipe.started",
      pipe: name,
      inputs: [],
      distro_version: VERSION,
      nodes: nodes.map(({ id }) => id),
    });
  }

  /** All of the run has completed. */
  async pipeCompleted(): Promise<void> {
    await this.#append({ type: "pipe.completed", duration_ms: this.#durationMs() });
  }

  /** The run ends otherwise. */
  async pipeAborted(reason: string): Promise<void> {
    await this.#append({ type: "pipe.aborted", reason, duration_ms: this.#durationMs() });
  }

  /** An attempt begins: recorded before anything is started. */
  async nodeStarted({ id, run }: FlowNode, attempt: number): Promise<void> {
    const name = commandLine(run);
    await this.#append({ type: "node.started", node_id: id, kind: "command", name, attempt });
  }

  /** The process of an attempt runs. */
  async nodeSpawned(
    { id }: FlowNode,
    attempt: number,
    { pid, startTime, bootId }: ProcessIdentity,
  ): Promise<void> {
    await this.#append({
      type: "node.spawned",
      node_id: id,
      pid,
      ...(startTime !== undefined && { start_time: startTime }),
      ...(bootId !== undefined && { boot_id: bootId }),
      attempt,
    });
  }

  /** An attempt has ended. */
  async nodeEnded({ id }: FlowNode, attempt: number, end: AttemptEnd): Promise<void> {
    const { termination, durationMs, exitCode, signal, message, outputHash } = end;
    const length = durationMs === undefined ? {} : { duration_ms: durationMs };
    if (termination === "Completed") {
      const digest = outputHash === undefined ? {} : { output_hash: outputHash };
      const body = { node_id: id, ...digest, ...length, attempt };
      await this.#append({ type: "node.completed", ...body });
      return;
    }
    const error: NodeError = { kind: errorKindOf(termination) };
    if (exitCode !== undefined) error.exit_code = exitCode;
    if (signal !== undefined) error.signal = signal;
    await this.#append({
      type: "node.failed",
      node_id: id,
      error,
      ...(message !== undefined && message !== "" && { message }),
      ...length,
      attempt,
    });
  }

  /**
   * An attempt had ended when another process supervised the run: the capture journal has it. Each
   * record that lacks it gets it now.
   */
  async nodeHadEnded(
    node: FlowNode,
    attempt: number,
    { isLogged, readEnd }: { isLogged: boolean; readEnd: () => Promise<AttemptEnd> },
  ): Promise<void> {
    if (!isLogged) await this.nodeEnded(node, attempt, await readEnd());
  }

  #durationMs(): number {
    return Math.round(performance.now() - this.#startedAt + this.#earlierMs);
  }

  async #append({ type, ...members }: EventBody): Promise<void> {
    const { runId } = this.#log;
    const ts = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const after = this.#lastEventId;
    const id = newEventId(after === undefined ? {} : { after });
    try {
      await this.#log.append({ type, id, ts, run_id: runId, ...members });
    } catch (cause) {
      throw new RecordingError("log", { of: `run ${runId}`, cause });
    }
  }
}
