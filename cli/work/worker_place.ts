/**
 * Has attempts at the nodes of a flow made by workers. What is always true:
 *
 * 1. **An attempt is over when the database says so**, by the answer of the worker that has it, or since that worker
 *    is lost; what a lost worker may still do is recorded by nobody.
 * 2. **A worker that is lost is no failure of the node**: its attempt ends as aborted, which is tried again, and counts for
 *    no retry. A node whose workers are lost again and again has failed.
 * 3. **No secret goes through the database**: neither a value by a variable nor one in a command line.
 */
import { turn } from "../../_internal/barrier.ts";
import { defined } from "../../_internal/errors.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { AttemptQueue, JobEnd, TraceParent } from "../../run/attempt_queue.ts";
import type { AttemptEnd, AttemptPlace, AttemptRequest, NodeAttempt } from "../../run/types.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import { TRACE_VARIABLES, traceVariables } from "../../run/marks.ts";
import { inheritedParent } from "../../run/spans/trace_context.ts";
import { dirname } from "../../_internal/path.ts";
import { resolve } from "../files.ts";
import { type Flow, type FlowNode, nodesById } from "../flow/flow.ts";
import type { PrintedOutputs } from "../process/printed_outputs.ts";
import { decodeAnswer, encodePayload } from "./job.ts";

/** As long as a timer of JavaScript can be. */
const FOR_EVER_MS = 2 ** 31 - 1;
/** What digests of outputs begin with. */
const DIGEST_PREFIX = "sha256:";
/** So many workers may be lost with a node. */
const MOST_LOST = 5;

/** What a {@linkcode WorkerPlace} works with. */
export interface WorkerPlaceOptions {
  queue: AttemptQueue;
  flow: Flow;
  /** What the run prints is kept in part: how much of each output. */
  maxOutputBytes: number;
  graceMs: number;
  /** What others have printed. */
  outputs: PrintedOutputs;
  isNeeded: (nodeId: string) => boolean;
  /** Told what people should know. */
  note: (text: string) => void;
}

/** Where workers make attempts. */
export class WorkerPlace implements AttemptPlace {
  /** The database says when an attempt is over: its worker has answered, or is lost. */
  readonly endWithinMs = FOR_EVER_MS;
  readonly #options: WorkerPlaceOptions;
  readonly #nodes: ReadonlyMap<string, FlowNode>;
  /** The jobs whose ends are to be told, by their attempts. */
  readonly #ended = new Map<string, string>();
  /** The jobs whose ends are told. */
  readonly #told: string[] = [];
  readonly #lost = new Map<string, number>();

  constructor(options: WorkerPlaceOptions) {
    this.#options = options;
    this.#nodes = nodesById(options.flow.nodes);
  }

  async run({ nodeId, attempt, signal, trace }: AttemptRequest): Promise<AttemptEnd> {
    const node = this.#nodes.get(nodeId)!;
    const problem = workerProblem(node);
    if (problem !== undefined) return failedBefore(problem, "crash");
    const of = { nodeId, attempt };
    const payload = this.#payloadOf(node, trace);
    const end = await this.#options.queue.offer({ ...of, labels: node.labels, payload }, signal);
    return this.#endOf(of, end, signal);
  }

  /** The end of an attempt is recorded: its job is not needed any more. */
  told(attempt: NodeAttempt): void {
    const jobNo = this.#ended.get(attemptKey(attempt));
    if (jobNo === undefined) return;
    this.#ended.delete(attemptKey(attempt));
    if (this.#told.push(jobNo) === 1) void this.#forgetTold();
  }

  /** What is told in one turn is forgotten together, and what is not forgotten then, at the end. */
  async #forgetTold(): Promise<void> {
    await turn();
    await this.#options.queue.forget(this.#told.splice(0)).catch(() => {});
  }

  /** Nothing of the run is to be made any more. */
  async endLeft(): Promise<void> {
    await this.#options.queue.endLeft().catch(() => {});
  }

  #endOf(of: NodeAttempt, end: JobEnd, { reason }: AbortSignal): AttemptEnd {
    if (end.kind === "unbegun") {
      const termination = reason?.name === "TimeoutError" ? "TimedOut" : "Aborted";
      return { termination, end: { begun: false } };
    }
    this.#ended.set(attemptKey(of), end.jobNo);
    if (end.kind === "lost") return this.#lostWith(of, end.worker);
    try {
      const { termination, end: record, worker, notes } = decodeAnswer(end.answer);
      for (const text of notes) this.#options.note(text);
      this.#takePrinted(of, record);
      return { termination, end: { ...record, worker } };
    } catch (error) {
      return failedBefore(`${end.worker}: ${reasonOf(error)}`, "crash");
    }
  }

  #lostWith({ nodeId, attempt }: NodeAttempt, worker = "its worker"): AttemptEnd {
    const lost = (this.#lost.get(nodeId) ?? 0) + 1;
    this.#lost.set(nodeId, lost);
    const message = `${worker} was lost in the middle of attempt ${attempt}`;
    this.#options.note(`${nodeId}: ${message}; its command may go on for a moment`);
    const error = { message, code: "worker-lost" };
    if (lost < MOST_LOST) return { termination: "Aborted", end: { error } };
    const often = `${message}, as ${lost - 1} workers before it were`;
    return failedBefore(often, "crash");
  }

  /** What others find of what it has printed. */
  #takePrinted(of: NodeAttempt, end: AttemptEnd["end"]): void {
    const { output_hash: hash, output_cut: cut, output_masked: isMasked = false } = end;
    if (hash !== undefined) this.#options.outputs.add(of, { hash, cut, isMasked });
  }

  #payloadOf(node: FlowNode, trace: TraceParent | undefined): string {
    const { flow, graceMs, maxOutputBytes, isNeeded, outputs, note } = this.#options;
    const { id, run, timeoutMs, retry, env, envFromFile = [] } = node;
    const given = outputs.givenTo(node);
    for (const text of given.notes) note(text);
    const fromWorker = new Set([...envFromFile, ...flow.secrets]);
    const literal = Object.entries(env).filter(([name]) => !fromWorker.has(name));
    // Of which span the worker itself is a part is nothing to the command.
    const isSaid = "TRACEPARENT" in env;
    const traced = traceVariables(isSaid ? undefined : trace ?? inheritedParent());
    const stale = TRACE_VARIABLES.filter((name) => !(name in traced) && !(name in env));
    return encodePayload({
      run,
      cwd: folderOf(node, flow),
      env: { ...traced, ...Object.fromEntries(literal) },
      from_env: [...fromWorker].filter((name) => envFromFile.includes(name) || name in env),
      secret: flow.secrets,
      ...defined({ timeout_ms: timeoutMs }),
      grace_ms: graceMs,
      max_output_bytes: maxOutputBytes,
      needs_output: isNeeded(id),
      outputs: given.given.map(({ name, nodeId, attempt, hash }) => {
        return { name, node_id: nodeId, attempt, sha256: hash.slice(DIGEST_PREFIX.length) };
      }),
      unset: [...given.unset, ...stale],
      not_on: retry?.notOn ?? [],
    });
  }
}

/** Why a node cannot be made by a worker; undefined where nothing keeps it from that. */
function workerProblem(node: FlowNode): string | undefined {
  if (node.recordedRun === undefined) return undefined;
  return "secret values stand in its command line, which would go through the database: " +
    "hand them over by the environment of the worker";
}

/** Relative to the folder of the flow, unless it leads out of that. */
function folderOf({ cwd }: FlowNode, { path }: Flow): string {
  const folder = path === undefined ? Deno.cwd() : dirname(resolve(path));
  if (cwd === folder) return ".";
  const isBelow = cwd.startsWith(folder) && /^[\\/]/.test(cwd.slice(folder.length));
  return isBelow ? cwd.slice(folder.length + 1) : cwd;
}

function failedBefore(message: string, kind: string): AttemptEnd {
  return {
    termination: { Failed: "ValidationFailed" },
    end: { duration_ms: 0, error: { message, kind } },
  };
}

/** Where attempts are made of a flow of which workers make some. */
export class SharedPlace implements AttemptPlace {
  readonly endWithinMs = FOR_EVER_MS;
  readonly #here: AttemptPlace & { endLeft(): Promise<void> };
  readonly #workers: WorkerPlace;
  readonly #isForWorkers: (nodeId: string) => boolean;

  constructor(
    here: AttemptPlace & { endLeft(): Promise<void> },
    { workers, isForWorkers }: {
      workers: WorkerPlace;
      isForWorkers: (nodeId: string) => boolean;
    },
  ) {
    this.#here = here;
    this.#workers = workers;
    this.#isForWorkers = isForWorkers;
  }

  run(request: AttemptRequest): Promise<AttemptEnd> {
    return (this.#isForWorkers(request.nodeId) ? this.#workers : this.#here).run(request);
  }

  told(attempt: NodeAttempt): void {
    this.#workers.told(attempt);
  }

  async endLeft(): Promise<void> {
    await Promise.all([this.#here.endLeft(), this.#workers.endLeft()]);
  }
}
