import { payloadText } from "../../_internal/event_payload.ts";
import type { Divergence } from "../../capture/replay/divergence.ts";
import type { CaptureBundle, DecisionRecord } from "../../capture/types.ts";
import type { AttemptEnd } from "../../run/types.ts";
import type { RunRequest, RunTermination, RuntimeInvoker } from "../../supervisor/types.ts";
import type { ExecuteTraceCall } from "../../trace/replay_trace.ts";
import type { TraceEnvelope, TraceStep } from "../../trace/types.ts";
import { findPrograms } from "../flow/find_programs.ts";
import { DEFAULT_CONSTRAINTS, type Flow, type FlowNode } from "../flow/flow.ts";
import { nodeAttemptOf, nodeOfEvent, type NodePayload } from "../flow/node_attempt.ts";
import { CommandInvoker } from "../process/command_invoker.ts";
import { UsageError } from "../text/usage_error.ts";
import type { Interrupts } from "./interrupts.ts";

/** Runs the recorded commands again, in a folder of its own, and compares what they print. */
export class LiveReplay implements RuntimeInvoker, Disposable {
  readonly #bundle: CaptureBundle;
  readonly #invoker: ReplayInvoker;
  readonly #hashes = new Map<string, string>();
  /** How many attempts were made again. */
  attempts = 0;

  /** `given`: the flow, for the values of variables. */
  constructor(bundle: CaptureBundle, given: Flow | undefined, limits: ReplayLimits) {
    this.#bundle = bundle;
    this.#invoker = new ReplayInvoker(recordedFlow(bundle, given), limits);
  }

  /** Runs the command of an attempt. */
  async run(request: RunRequest): Promise<RunTermination> {
    const { eventId, episodeId, attempt } = request;
    // Nobody can repeat the wish of a user to end it.
    if (this.#wasAborted(episodeId, attempt)) return "Aborted";
    this.attempts++;
    const termination = await this.#invoker.run(request);
    const { nodeId, attempt: number } = nodeAttemptOf(eventId, attempt);
    const hash = this.#invoker.takeEnd(nodeId, number)?.outputHash;
    if (hash !== undefined) this.#hashes.set(eventId, hash);
    return termination;
  }

  /** Resolves when no command runs any more; rejects when what one printed could not be kept. */
  async settled(): Promise<void> {
    await this.#invoker.settled();
    this.#invoker.throwFailure();
  }

  /** Where a command that completed again printed something else. */
  outputDivergences(): Divergence[] {
    const found: Divergence[] = [];
    for (const [index, decision] of this.#bundle.decisions.entries()) {
      const { effect } = decision.effects[0] ?? {};
      const event = (decision as DecisionRecord).origin_event_id;
      if (effect?.kind !== "output" || event === null) continue;
      const value = effect.writes[0]?.value;
      const recorded = value !== undefined && "String" in value ? value.String : undefined;
      const replayed = this.#hashes.get(event);
      if (replayed === undefined || replayed === recorded) continue;
      const path = `$.decisions[${index}].effects[0].effect.writes[0].value.String`;
      found.push({ kind: "changed", index, event, path, recorded, replayed, context: [] });
    }
    return found;
  }

  /** Removes what the commands printed. */
  [Symbol.dispose](): void {
    this.#invoker[Symbol.dispose]();
  }

  #wasAborted(episodeId: number, attempt: number): boolean {
    const bundle = this.#bundle;
    return "inputs" in bundle &&
      bundle.inputs.some((input) =>
        input.type === "completion" && input.episode_id === episodeId &&
        input.attempt === attempt && input.termination === "Aborted"
      );
  }
}

/** The nodes that the recorded events are of. */
function recordedFlow(bundle: CaptureBundle, given: Flow | undefined): Flow {
  const events = "inputs" in bundle
    ? bundle.inputs.filter((input) => input.type === "event")
    : bundle.events;
  const nodes = events
    .filter(({ kind }) => kind !== "Pump")
    .map(({ event_id: id, payload }) => recordedNode(nodeOfEvent(id), payload, given));
  // A node that a resumed run has run again is there more than once.
  const byId = new Map(nodes.map((node) => [node.id, node]));
  return { name: bundle.graph_id, nodes: [...byId.values()], constraints: DEFAULT_CONSTRAINTS };
}

function recordedNode(id: string, recorded: string | number[], given: Flow | undefined): FlowNode {
  const payload = parsePayload(recorded);
  if (payload === undefined) {
    throw new UsageError(`Cannot run ${JSON.stringify(id)} again: its event names no command`);
  }
  const { run, cwd, env: names, timeout_ms: timeoutMs } = payload;
  const env = recordedEnv(id, names, given);
  return { id, run, needs: [], env, cwd, ...(timeoutMs !== undefined && { timeoutMs }) };
}

function parsePayload(recorded: string | number[]): NodePayload | undefined {
  try {
    const payload: NodePayload = JSON.parse(payloadText(recorded));
    const isWhole = Array.isArray(payload.run) && typeof payload.run[0] === "string" &&
      typeof payload.cwd === "string" && Array.isArray(payload.env);
    return isWhole ? payload : undefined;
  } catch {
    return undefined;
  }
}

/** How commands are run again. */
export interface ReplayLimits {
  /** The wish of the user to end it. */
  interrupts: Interrupts;
  /** How much of each output is kept, as when it was recorded. */
  maxOutputBytes: number;
  /** The time between SIGTERM and SIGKILL. */
  graceMs: number;
}

/** Runs commands of a recording again, below a directory of its own, and records nothing. */
export class ReplayInvoker extends CommandInvoker implements Disposable {
  readonly #root: string;
  #failure: { of: unknown } | undefined;

  constructor(flow: Flow, { interrupts, ...limits }: ReplayLimits) {
    const programs = findPrograms(flow);
    const root = Deno.makeTempDirSync({ prefix: "taffrail-replay-" });
    super({
      ...limits,
      flow,
      programs,
      root,
      runId: "replay",
      recorder: { nodeStarted: async () => {}, nodeSpawned: async () => {} },
      view: { nodeStarted: () => {}, note: () => {} },
      hurry: interrupts.hurry,
      onFatal: (error) => this.#failure ??= { of: error },
    });
    this.#root = root;
  }

  /** Throws what kept the output of a command from being kept. */
  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.of;
  }

  /** Removes what the commands printed, unless one of them has. */
  [Symbol.dispose](): void {
    try {
      Deno.removeSync(this.#root, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** The values of the variables that a node was given: they are in its flow only. */
export function recordedEnv(
  id: string,
  names: readonly string[],
  flow: Flow | undefined,
): Record<string, string> {
  const env = flow?.nodes.find((node) => node.id === id)?.env ?? {};
  const missing = names.find((name) => env[name] === undefined);
  if (missing === undefined) return env;
  throw new UsageError(
    `Cannot run ${JSON.stringify(id)} again: values of variables are not recorded, ` +
      `and it was given ${missing}; name its flow with --flow`,
  );
}

/** Runs the commands of a trace's steps again, and answers what the run recorded of them. */
export class StepReplay implements Disposable {
  readonly #invoker: ReplayInvoker;
  readonly #signal: AbortSignal;

  /** `given`: the flow, for the values of variables. */
  constructor(trace: TraceEnvelope, given: Flow | undefined, limits: ReplayLimits) {
    this.#signal = limits.interrupts.stop;
    const nodes = trace.steps.flatMap((step) => nodeOf(step, given) ?? []);
    // A node that was tried again is in more than one step.
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const flow = {
      name: trace.flow.id,
      nodes: [...byId.values()],
      constraints: DEFAULT_CONSTRAINTS,
    };
    this.#invoker = new ReplayInvoker(flow, limits);
  }

  /** Does what a step did. */
  readonly execute: ExecuteTraceCall = async (_call, { step, recorded }) => {
    if (!isCommand(recorded)) {
      throw new UsageError(
        `Cannot run step ${step} again: it is no command; a program can, with replayTrace`,
      );
    }
    const { node_id: nodeId, attempt = 1 } = recorded;
    const termination = await this.#invoker.run({
      graphId: "replay",
      eventId: nodeId,
      episodeId: step,
      attempt,
      context: new Map(),
      payload: {},
      signal: this.#signal,
    });
    this.#invoker.throwFailure();
    const end = this.#invoker.takeEnd(nodeId, attempt);
    if (termination === "Completed") {
      return { exit_code: end?.exitCode ?? null, output: end?.outputHash ?? null };
    }
    throw new Error(describeEnd(termination, end));
  };

  /** Removes what the commands printed. */
  [Symbol.dispose](): void {
    this.#invoker[Symbol.dispose]();
  }
}

/** A task is a command of Deno. */
function isCommand({ component_id: kind }: TraceStep): boolean {
  return kind === "command" || kind === "task";
}

function describeEnd(termination: RunTermination, end: AttemptEnd | undefined): string {
  const { exitCode, signal, message } = end ?? {};
  const how = exitCode !== undefined ? `exit code ${exitCode}` : signal ?? String(termination);
  return message ? `${how}: ${message}` : how;
}

/** The node that a step was; undefined where it is no command, or nothing of it was recorded. */
function nodeOf(step: TraceStep, given: Flow | undefined): FlowNode | undefined {
  const payload = payloadOf(step);
  if (!isCommand(step) || payload === undefined) return undefined;
  const { run, cwd, env: names } = payload;
  const env = recordedEnv(step.node_id, names, given);
  return { id: step.node_id, run, needs: [], env, cwd };
}

function payloadOf(step: TraceStep): { run: string[]; cwd: string; env: string[] } | undefined {
  const { payload } = (step.invocation_json ?? {}) as { payload?: Record<string, unknown> };
  const { run, cwd, env } = payload ?? {};
  const isTexts = (value: unknown): value is string[] =>
    Array.isArray(value) && value.every((item) => typeof item === "string");
  if (!isTexts(run) || run.length === 0 || typeof cwd !== "string" || !isTexts(env)) {
    return undefined;
  }
  return { run, cwd, env };
}
