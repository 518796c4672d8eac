/** When a recorder writes: never, when something fails, or when a flow succeeds too. */
export type TraceMode = "off" | "on" | "always";

/**
 * Why a trace was written:
 * - `error`: a node or a flow failed
 * - `success`: a flow succeeded, in mode `"always"`
 * - `demand`: `flushBuffer` was called
 * - `crash`: an error or rejection that nobody caught
 * - `exit`: the program ended with steps in flight, or, in mode `"always"`, with steps not yet written
 * - a signal: the program was sent it
 */
export type TraceReason =
  | "error"
  | "success"
  | "demand"
  | "crash"
  | "exit"
  | "SIGHUP"
  | "SIGINT"
  | "SIGTERM"
  | "SIGBREAK";

/** How a step stands. */
export type TraceStatus = "ok" | "error" | "in_flight";

/** A digest. This module writes and understands `"blake3"` only. */
export interface TraceHash {
  /** The name of the algorithm: `"blake3"`. */
  algorithm: string;
  /** The digest: 64 lower-case hexadecimal digits. */
  value: string;
}

/** Something about the input of a step that is not as it should be. */
export interface ValidationIssue {
  /** The kind of issue, such as `missing_required_field`. */
  code: string;
  /** Where: a JSON pointer such as `/operation`; empty for the whole value. */
  path: string;
  /** What is the matter, for people. */
  message: string;
}

/** One error of a cause chain. */
export interface TraceCause {
  /** The error's name, such as `TypeError`; for a thrown value that is no error, its type. */
  name: string;
  /** Its own message. */
  message: string;
}

/** How a step failed. */
export interface TraceError {
  /** `node_error` or `flow_error` in files that this module writes. */
  code: string;
  /** The error's own message. */
  message: string;
  /**
   * With extras the {@linkcode TraceCause}s of the error, itself first; otherwise `null`, as in the
   * v1 format. Any JSON when read.
   */
  details: unknown;
}

/** The pack that a flow came from. */
export interface TracePack {
  /** What names the pack: a path, or any other reference. */
  pack_ref: string;
  /** The digest that the reference stood for. */
  resolved_digest?: string;
}

/** The flow that ran. */
export interface TraceFlow {
  /** Its id. */
  id: string;
  /** Its version; `"unknown"` where there is none. */
  version: string;
}

/** The members of a step beyond the v1 format, which readers of that pass over. */
export interface TraceStepExtras {
  /** The step's number in its run, in the order of starting, from 1; dropped steps count (W-TRC-10). */
  step: number;
  /** The execution that this step was, where the event named it (W-TRC-7). */
  execution_id?: string;
  /** The execution that was running this one, as for a flow called by a node (W-TRC-7). */
  parent_execution_id?: string;
  /** When it started, RFC 3339 with milliseconds (W-TRC-10). */
  started_at: string;
  /** Which attempt of the flow, as the event said; absent on the step that no event announced (W-TRC-10). */
  attempt?: number;
  /** The session, where the event named one (W-TRC-10). */
  session_id?: string;
  /** Whether it ended, and how (W-TRC-6, W-TRC-7). */
  status: TraceStatus;
  /** `true` where the input was to be captured, but there was no room for it (W-TRC-6). */
  input_dropped?: boolean;
}

/** One step of a flow, as on disk. The extras are absent from a file of the original program. */
export interface TraceStep extends Partial<TraceStepExtras> {
  /** The node. */
  node_id: string;
  /** The component that it runs. */
  component_id: string;
  /** The operation of the component. */
  operation: string;
  /** The digest of the input. */
  input_hash: TraceHash;
  /** Component, operation and payload, when inputs are captured. Any JSON when read. */
  invocation_json?: unknown;
  /** Never written; kept when read. */
  invocation_path?: string;
  /** The digest of the output; absent when there is none. */
  output_hash?: TraceHash;
  /** Never written; kept when read. */
  state_delta_hash?: TraceHash;
  /** Milliseconds from start to end, truncated; of a step in flight, up to the writing. */
  duration_ms: number;
  /** Issues with the input; left out when there are none. */
  validation_issues?: ValidationIssue[];
  /** How it failed, if it did. */
  error?: TraceError;
}

/** The members of a trace beyond the v1 format, which readers of that pass over. */
export interface TraceEnvelopeExtras {
  /** The run: tells a stale file from the present one (W-TRC-3, W-TRC-13). */
  run_id: string;
  /** When the recorder was made, RFC 3339 with milliseconds (W-TRC-13). */
  started_at: string;
  /** When this trace was written, likewise (W-TRC-13). */
  written_at: string;
  /** Why it was written (W-TRC-4). */
  reason: TraceReason;
  /** How many traces the run has written, this one included (W-TRC-4). */
  snapshot: number;
  /** How many steps had left the buffer when this was written (W-TRC-6). */
  dropped_steps: number;
  /** How many bytes of inputs that were to be captured were given up for the bound (W-TRC-6). */
  dropped_bytes: number;
}

/** A trace, equal to its JSON. The extras are absent from a file of the original program. */
export interface TraceEnvelope extends Partial<TraceEnvelopeExtras> {
  /** The format: 1. */
  trace_version: number;
  /** The version of the package that wrote it. */
  runner_version?: string;
  /** The commit that ran. */
  git_sha?: string;
  /** The pack. */
  pack: TracePack;
  /** The flow. */
  flow: TraceFlow;
  /** The steps, in the order in which they ended; those in flight last, as they started. */
  steps: TraceStep[];
}

/** What is the same for all steps of a recorder. */
export interface TraceContext {
  /** What names the pack. */
  pack_ref: string;
  /** The digest that it stood for. */
  resolved_digest?: string;
  /** The flow. */
  flow_id: string;
  /**
   * Its version.
   *
   * @default {"unknown"}
   */
  flow_version?: string;
}

/** How a recorder records. */
export interface TraceConfig {
  /** When it writes. By default `"on"`. */
  mode: TraceMode;
  /**
   * The file, by default `trace.json`; a path that ends in no file name gets that one (TRC-15).
   * `{run_id}` and `{flow_id}` in it stand for these, with every character that is not a letter, digit,
   * `_` or `-` replaced by `_`, so that runs or flows do not write over each other (W-TRC-3).
   */
  outPath: string;
  /** How many steps that have ended are kept: the newest. By default 20; 0 keeps none (TRC-10). */
  bufferSize: number;
  /**
   * How many bytes of payload text, two a character, all steps together may hold, those in flight too. By
   * default 16 MiB. Over it the oldest texts are hashed and given up: the steps stay, and lack nothing but
   * their captured input. So the two bounds never compete: this one drops texts, `bufferSize` steps. The
   * messages of errors and issues are not counted.
   */
  bufferBytes: number;
  /** Whether payloads are written to the file, not only their digests. By default not. */
  captureInputs: boolean;
  /** Whether the members beyond the v1 format are written. By default they are. */
  extras: boolean;
  /**
   * How many earlier failures of the run are kept beside the newest state, as `trace.1.json`, where the
   * number is their `snapshot`: the first ones. By default 10.
   */
  maxSnapshots: number;
  /** The commit that runs, for `git_sha`. */
  gitSha?: string;
  /** What `runner_version` says; by default the version of this package (TRC-4). */
  runnerVersion?: string;
}

/** Where an event stands in a flow. Only `attempt` and `session_id` are recorded. */
export interface FlowContext {
  /** Whose flow it is. */
  tenant?: string;
  /** The pack. */
  pack_id?: string;
  /** The flow. */
  flow_id: string;
  /** The node. */
  node_id?: string;
  /** The tool. */
  tool?: string;
  /** The action. */
  action?: string;
  /** The session. */
  session_id?: string;
  /** The provider. */
  provider_id?: string;
  /** Which attempt of the flow this is, from 1. */
  attempt: number;
}

/** What a node is made of. */
export interface TraceNode {
  /** The component that it runs. */
  component_id: string;
  /** The operation, where the node names it. */
  operation_name?: string;
  /** The operation that the node's input mapping names. */
  operation_in_mapping?: string;
}

/** A node that starts, ends or fails. */
export interface NodeEvent {
  /** Where it stands. */
  context: FlowContext;
  /** The node's id. */
  node_id: string;
  /** The node. */
  node: TraceNode;
  /** Its input: anything that JSON can say. */
  payload: unknown;
  /**
   * What tells this execution from all others that are in flight: the same on start and end. Without
   * it, an end belongs to the start that got the same event object; where there is none, to the
   * execution of the same node and attempt that started last.
   */
  execution_id?: string;
  /** The execution that runs this one, as for a flow called by a node. */
  parent_execution_id?: string;
}

/** What a flow engine tells about its nodes. `TraceRecorder` is one that listens. */
export interface ExecutionObserver {
  /** A node starts. */
  onNodeStart(event: NodeEvent): void;
  /** A node has ended, with an output. */
  onNodeEnd(event: NodeEvent, output: unknown): void;
  /** A node has failed. */
  onNodeError(event: NodeEvent, error: unknown): void;
  /** A node's input is not as it should be. */
  onValidation?(event: NodeEvent, issues: readonly ValidationIssue[]): void;
}
