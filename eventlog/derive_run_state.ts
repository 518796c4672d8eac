import { defined } from "../_internal/errors.ts";
import { isUlid } from "../_internal/root_layout.ts";
import {
  type ErrorKind,
  isKnownRunEvent,
  type KnownRunEvent,
  type NodeError,
  type NodeKind,
  type PipeAborted,
  type PipeCompleted,
  type RunEvent,
} from "./run_event.ts";

/** What became of a run. */
export type PipeState = "Running" | "Completed" | { Aborted: { reason: string } };

/** A node of a run, as its last event left it. */
export interface NodeInfo {
  /** The node. */
  id: string;
  /** What it is; known once it has started. */
  kind?: NodeKind | "task";
  /** What became of it. */
  status: NodeStatus;
  /** The time of its last event. */
  last_ts?: string;
  /** The last attempt, from 1. */
  attempt?: number;
  /** How long the last ended attempt took, in milliseconds, where that is known. */
  duration_ms?: number;
}

/** The state of a run, derived from its events. */
export interface RunState {
  /** The run; empty when there is no event. */
  run_id: string;
  /** The name of the flow; empty when its first event is missing. */
  pipe: string;
  /** What became of it. */
  state: PipeState;
  /** Its nodes, in the order of the flow where that is recorded, otherwise of their start. */
  nodes: NodeInfo[];
  /** No terminal event, and nobody has the run open (OST-4). */
  is_orphan: boolean;
  /** The time of the last event. */
  last_ts: string | null;
}

/**
 * Derives the state of a run from its events, and from nothing else (OST-3). Events of unknown
 * types count for the time only. What follows the terminal event changes no state.
 *
 * @param events The events, in order; gaps are left out by the caller.
 * @param options `live`: whether somebody has the run open, as {@linkcode isLive} tells; a run
 * without a terminal event that is not live is an orphan.
 * @returns The state.
 *
 * @example Usage
 * ```ts
 * import { deriveRunState } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const base = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00Z", run_id: "ci-1" };
 * const state = deriveRunState([
 *   { ...base, type: "pipe.started", pipe: "ci", inputs: [], distro_version: "2.0.0" },
 *   { ...base, type: "node.started", node_id: "lint", kind: "command" },
 * ], { live: false });
 * assertEquals(state.state, "Running");
 * assertEquals(state.nodes[0]?.status, "Running");
 * assertEquals(state.is_orphan, true);
 * ```
 */
export function deriveRunState(
  events: Iterable<RunEvent>,
  options: { live?: boolean } = {},
): RunState {
  const fold = new RunFold();
  for (const event of events) fold.take(event);
  return fold.state(options);
}

/**
 * All that the events of a run tell of it, taken one after the other: {@linkcode deriveRunState} is its
 * state, and besides that it knows every attempt. It is what everything that shows or goes on with a
 * run is built on, so that all of them understand a log in the same way.
 *
 * What follows the terminal event changes nothing but the time and the id of the last event.
 *
 * @example How long each attempt at a node took
 * ```ts
 * import { RunFold } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const base = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00Z", run_id: "ci-1" };
 * const lint = { ...base, node_id: "lint", attempt: 1 };
 * const fold = new RunFold();
 * fold.take({ ...lint, type: "node.started", kind: "command" });
 * fold.take({ ...lint, type: "node.failed", error: { kind: "timeout" }, duration_ms: 50 });
 * fold.take({ ...lint, type: "node.started", kind: "command", attempt: 2 });
 * assertEquals(fold.attemptsOf("lint").map(({ duration_ms }) => duration_ms), [50, undefined]);
 * assertEquals(fold.state().nodes[0]?.status, "Running");
 * ```
 */
export class RunFold {
  readonly #run: Omit<RunState, "nodes" | "is_orphan"> = {
    run_id: "",
    pipe: "",
    state: "Running",
    last_ts: null,
  };
  readonly #nodes = new Map<string, NodeInfo>();
  readonly #names = new Map<string, string>();
  readonly #attempts = new Map<string, AttemptInfo[]>();
  #startedTs: string | undefined;
  #hasBegun = false;
  #durationMs: number | undefined;
  #lastEventId: string | undefined;

  /** The time of the first event of a known type; undefined when there is none. */
  get startedTs(): string | undefined {
    return this.#startedTs;
  }

  /** Whether the begin of the run is among the events. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** How long the run took, in milliseconds; undefined when it has no end, or that cannot be told. */
  get durationMs(): number | undefined {
    return this.#durationMs;
  }

  /** The id of the last event that has a ULID. */
  get lastEventId(): string | undefined {
    return this.#lastEventId;
  }

  /**
   * Takes the next event. No schema has seen it: what it lacks, in spite of its type, must not hide the
   * others, and a member that is of another type than it should be counts as missing.
   *
   * @param event The event; of an unknown type it counts for the time only.
   */
  take(event: RunEvent): void {
    const run = this.#run;
    const ts = textOf(event.ts);
    if (run.run_id === "") run.run_id = textOf(event.run_id) ?? "";
    run.last_ts = ts ?? run.last_ts;
    if (typeof event.id === "string" && isUlid(event.id)) this.#lastEventId = event.id;
    if (run.state !== "Running" || !isKnownRunEvent(event)) return;
    this.#startedTs ??= ts;
    switch (event.type) {
      case "pipe.started":
        this.#hasBegun = true;
        run.pipe = textOf(event.pipe) ?? "";
        if (!Array.isArray(event.nodes)) break;
        for (const id of event.nodes.filter((id) => typeof id === "string")) {
          this.#nodes.set(id, { id, status: "Pending" });
        }
        break;
      case "pipe.completed":
        this.#end("Completed", event);
        break;
      case "pipe.aborted":
        this.#end({ Aborted: { reason: textOf(event.reason) ?? "" } }, event);
        break;
      default: {
        const change = attemptChange(event);
        if (change === undefined) break;
        this.#updateNode(change, ts);
        this.#updateAttempt(change, { isNew: event.type === "node.started" });
      }
    }
  }

  /**
   * The state of the run, as {@linkcode deriveRunState} gives it.
   *
   * @param options `live`: whether somebody has the run open.
   * @returns The state; it does not change any more.
   */
  state(options: { live?: boolean } = {}): RunState {
    const { run_id, pipe, state, last_ts } = this.#run;
    const isOrphan = state === "Running" && options.live === false;
    const nodes = [...this.#nodes.values()];
    return { run_id, pipe, state, nodes, is_orphan: isOrphan, last_ts };
  }

  /**
   * All attempts at a node.
   *
   * @param nodeId The node.
   * @returns Its attempts, in the order of the events; none when it has not been started.
   */
  attemptsOf(nodeId: string): readonly AttemptInfo[] {
    return this.#attempts.get(nodeId) ?? [];
  }

  /**
   * What a node does, for people.
   *
   * @param nodeId The node.
   * @returns The name that its last attempt began with; undefined when none had one.
   */
  nameOf(nodeId: string): string | undefined {
    return this.#names.get(nodeId);
  }

  #end(state: PipeState, { ts, duration_ms: durationMs }: PipeCompleted | PipeAborted): void {
    this.#run.state = state;
    const milliseconds = Date.parse(textOf(ts) ?? "") - Date.parse(this.#startedTs ?? "");
    this.#durationMs = numberOf(durationMs) ??
      (Number.isNaN(milliseconds) ? undefined : milliseconds);
  }

  #updateNode(change: AttemptChange, ts: string | undefined): void {
    const { node_id: id, kind, status, attempt, duration_ms: durationMs } = change;
    const { duration_ms: lastMs, ...others } = this.#nodes.get(id) ?? { id, status: "Running" };
    const isEnd = status !== undefined && status !== "Running";
    this.#nodes.set(id, {
      ...others,
      ...defined({ duration_ms: isEnd ? undefined : lastMs }),
      ...defined({ last_ts: ts, attempt, duration_ms: durationMs, kind, status }),
    });
  }

  /** The begin of the attempt may be missing, and its number. */
  #updateAttempt(change: AttemptChange, { isNew }: { isNew: boolean }): void {
    const { node_id: id, kind: _kind, name, ...members } = change;
    if (name !== undefined) this.#names.set(id, name);
    const attempts = this.#attempts.get(id) ?? [];
    const number = change.attempt ??
      (isNew ? attempts.length + 1 : attempts.at(-1)?.attempt ?? 1);
    let info = isNew ? undefined : attempts.findLast(({ attempt }) => attempt === number);
    if (info === undefined) attempts.push(info = { attempt: number, status: "Running" });
    Object.assign(info, members);
    this.#attempts.set(id, attempts);
  }
}

/** What became of a node. */
export type NodeStatus =
  | "Pending"
  | "Running"
  | "Completed"
  | { Failed: { kind: ErrorKind | "cancelled"; message?: string } };

/** An attempt at a node, as its events tell it. */
export interface AttemptInfo {
  /** Which, from 1. */
  attempt: number;
  /** What became of it. */
  status: Exclude<NodeStatus, "Pending">;
  /** When it began. */
  started_ts?: string;
  /** How long it took, in milliseconds. */
  duration_ms?: number;
  /** The exit code, where its command ended by itself. */
  exit_code?: number;
  /** The signal that ended it. */
  signal?: string;
  /** A digest of what it gave. */
  output_hash?: string;
  /** A digest of what it printed as errors, where it was a command. */
  error_hash?: string;
}

/** What one event tells of an attempt: its node, and the members that the event has. */
export interface AttemptChange extends Partial<AttemptInfo> {
  /** The node. */
  node_id: string;
  /** What the node is. */
  kind?: NodeKind | "task";
  /** What the attempt does, for people. */
  name?: string;
}

/**
 * What an event tells of an attempt. {@linkcode RunFold} puts these together; alone it is for those who
 * look at one event, as when a log is followed.
 *
 * @param event The event.
 * @returns The members that the event has, of the types that they should be; undefined when it is about no
 * node.
 *
 * @example Usage
 * ```ts
 * import { attemptChange } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const base = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00Z", run_id: "ci-1" };
 * const failed = attemptChange({
 *   ...base,
 *   type: "node.failed",
 *   node_id: "lint",
 *   error: { kind: "crash", exit_code: 1 },
 *   attempt: 2,
 * });
 * assertEquals(failed, {
 *   node_id: "lint",
 *   attempt: 2,
 *   status: { Failed: { kind: "crash" } },
 *   exit_code: 1,
 * });
 * ```
 */
export function attemptChange(event: RunEvent): AttemptChange | undefined {
  if (!isKnownRunEvent(event) || !("node_id" in event)) return undefined;
  if (typeof event.node_id !== "string") return undefined;
  return { ...numbersOf(event), ...detailsOf(event) };
}

type NodeRunEvent = Extract<KnownRunEvent, { node_id: string }>;

function numbersOf(event: NodeRunEvent & { attempt?: number; duration_ms?: number }) {
  const { node_id, attempt, duration_ms } = event;
  return defined({ node_id, attempt: numberOf(attempt), duration_ms: numberOf(duration_ms) });
}

function detailsOf(event: NodeRunEvent): Omit<AttemptChange, "node_id"> {
  switch (event.type) {
    case "node.started": {
      const kind = textOf(event.task) === undefined ? textOf(event.kind) : "task";
      const { name, ts } = event;
      return defined({ status: "Running", started_ts: textOf(ts), kind, name: textOf(name) });
    }
    case "node.completed":
      return { status: "Completed", exit_code: 0, ...hashesOf(event) };
    case "node.failed": {
      const { kind: recorded, cancelled, exit_code, signal }: Partial<NodeError> = event.error ??
        {};
      // Earlier versions had a word of their own for it.
      const kind = cancelled === true ? "cancelled" : textOf(recorded) ?? "crash";
      const failed = defined({ kind, message: textOf(event.message) || undefined });
      const end = { exit_code: numberOf(exit_code), signal: textOf(signal) };
      return { status: { Failed: failed }, ...defined(end), ...hashesOf(event) };
    }
    case "gate.passed":
    case "iteration.started":
      return {};
  }
}

function hashesOf({ output_hash, error_hash }: { output_hash?: string; error_hash?: string }) {
  return defined({ output_hash: textOf(output_hash), error_hash: textOf(error_hash) });
}

/** The text that a member should be; undefined for anything else, as any program may have written it. */
function textOf<Text extends string>(value: Text | null | undefined): Text | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The number that a member should be. */
function numberOf(value: number | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}
