import { payloadText } from "../../_internal/event_payload.ts";
import type { Divergence } from "../../capture/replay/divergence.ts";
import type { CaptureBundle, DecisionRecord } from "../../capture/types.ts";
import type { AttemptEnd } from "../../run/types.ts";
import type { RunRequest, RunTermination } from "../../supervisor/types.ts";
import type { ExecuteTraceCall } from "../../trace/replay_trace.ts";
import type { TraceEnvelope, TraceStep } from "../../trace/types.ts";
import { UsageError } from "../exit_codes.ts";
import { findPrograms } from "../flow/find_programs.ts";
import { DEFAULT_CONSTRAINTS, type Flow, type FlowNode, nodesById } from "../flow/flow.ts";
import {
  type CommandRecord,
  isCommandRecord,
  nodeAttemptOf,
  nodeOfEvent,
  recordedNode,
} from "../flow/node_event.ts";
import { CommandInvoker } from "./command_invoker.ts";
import type { Interrupts } from "./interrupts.ts";

/** How commands are run again. */
interface RerunLimits {
  /** By which the user ends it. */
  interrupts: Interrupts;
  /** How much of each output is kept, as when it was recorded. */
  maxOutputBytes: number;
  /** The time between SIGTERM and SIGKILL, in milliseconds. */
  graceMs: number;
}

/** Runs commands of a recording again, below a directory of its own, and records nothing. */
class RerunInvoker extends CommandInvoker implements Disposable {
  readonly #root: string;
  #failure: { of: unknown } | undefined;

  constructor(flow: Flow, { interrupts, ...limits }: RerunLimits) {
    const programs = findPrograms(flow);
    const root = Deno.makeTempDirSync({ prefix: "taffrail-replay-" });
    super({
      ...limits,
      flow,
      programs,
      root,
      runId: "replay",
      recorder: { nodeStarted: async () => {} },
      observer: { nodeStarted: () => {}, note: () => {} },
      kill: interrupts.kill,
      onFatal: (error) => this.#failure ??= { of: error },
    });
    this.#root = root;
  }

  /** Begins an attempt and makes it: a replay records no begins. */
  override async run(request: RunRequest): Promise<RunTermination> {
    await this.beforeRun(request);
    return await super.run(request);
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

/** Runs the recorded commands again, in a folder of its own, and compares what they print. */
export class LiveReplay extends RerunInvoker {
  readonly #bundle: CaptureBundle;
  readonly #hashes = new Map<string, string>();
  /** How many attempts were made again. */
  attempts = 0;

  /** `given`: the flow, for the values of variables. */
  constructor(bundle: CaptureBundle, given: Flow | undefined, limits: RerunLimits) {
    super(flowOfBundle(bundle, given), limits);
    this.#bundle = bundle;
  }

  /** Runs the command of an attempt. */
  override async run(request: RunRequest): Promise<RunTermination> {
    const { eventId, episodeId, attempt } = request;
    // Nobody can repeat that a user ended it.
    if (this.#wasAborted(episodeId, attempt)) return "Aborted";
    this.attempts++;
    const termination = await super.run(request);
    const hash = this.takeEnd(nodeAttemptOf(eventId, attempt))?.outputHash;
    if (termination === "Completed" && hash !== undefined) this.#hashes.set(eventId, hash);
    return termination;
  }

  /** Resolves when no command runs any more; rejects when what one printed could not be kept. */
  override async settled(): Promise<void> {
    await super.settled();
    this.throwFailure();
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

  #wasAborted(episodeId: number, attempt: number): boolean {
    const bundle = this.#bundle;
    return "inputs" in bundle &&
      bundle.inputs.some((input) =>
        input.type === "completion" && input.episode_id === episodeId &&
        input.attempt === attempt && input.termination === "Aborted"
      );
  }
}

/** The commands that the recorded events ask for. */
function flowOfBundle(bundle: CaptureBundle, given: Flow | undefined): Flow {
  const events = "inputs" in bundle
    ? bundle.inputs.filter((input) => input.type === "event")
    : bundle.events;
  const commands = events.filter(({ kind }) => kind !== "Pump").map(({ event_id, payload }) => {
    const id = nodeOfEvent(event_id);
    return { id, record: recordOfPayload(id, payload) };
  });
  return flowOfCommands(bundle.graph_id, commands, given);
}

function recordOfPayload(id: string, recorded: string | number[]): CommandRecord {
  try {
    const payload = JSON.parse(payloadText(recorded));
    if (isCommandRecord(payload)) return payload;
  } catch {
    // A program of the user's may give any payload.
  }
  throw new UsageError(`Cannot run ${JSON.stringify(id)} again: its event names no command`);
}

/** The commands of the steps of a trace. */
function flowOfTrace(trace: TraceEnvelope, given: Flow | undefined): Flow {
  const commands = trace.steps.filter(isCommand).flatMap((step) => {
    const { payload } = (step.invocation_json ?? {}) as { payload?: unknown };
    return isCommandRecord(payload) ? { id: step.node_id, record: payload } : [];
  });
  return flowOfCommands(trace.flow.id, commands, given);
}

/** A flow of recorded commands; one that was run again is recorded more than once, and there once. */
function flowOfCommands(
  name: string,
  commands: { id: string; record: CommandRecord }[],
  given: Flow | undefined,
): Flow {
  const values = nodesById(given?.nodes ?? []);
  const nodes = commands.map(({ id, record }) => {
    return recordedNode(id, record, { env: recordedEnv(id, record.env, values.get(id)) });
  });
  return { name, nodes: [...nodesById(nodes).values()], constraints: DEFAULT_CONSTRAINTS };
}

/** The values of the variables that a node was given: they are in its flow only. */
function recordedEnv(
  id: string,
  names: readonly string[],
  given: FlowNode | undefined,
): Record<string, string> {
  const env = given?.env ?? {};
  const missing = names.find((name) => env[name] === undefined);
  if (missing === undefined) return env;
  throw new UsageError(
    `Cannot run ${JSON.stringify(id)} again: values of variables are not recorded, ` +
      `and it was given ${missing}; name its flow with --flow`,
  );
}

/** Runs the commands of a trace's steps again, and answers what the run recorded of them. */
export class StepReplay extends RerunInvoker {
  readonly #signal: AbortSignal;

  /** `given`: the flow, for the values of variables. */
  constructor(trace: TraceEnvelope, given: Flow | undefined, limits: RerunLimits) {
    super(flowOfTrace(trace, given), limits);
    this.#signal = limits.interrupts.stop;
  }

  /** Does what a step did. */
  readonly execute: ExecuteTraceCall = async (_call, { step, recorded }) => {
    if (!isCommand(recorded)) {
      throw new UsageError(
        `Cannot run step ${step} again: it is no command; a program can, with replayTrace`,
      );
    }
    const { node_id: nodeId, attempt = 1 } = recorded;
    const termination = await this.run({
      graphId: "replay",
      eventId: nodeId,
      episodeId: step,
      attempt,
      context: new Map(),
      payload: {},
      signal: this.#signal,
    });
    this.throwFailure();
    const end = this.takeEnd({ nodeId, attempt });
    if (termination === "Completed") {
      return { exit_code: end?.exitCode ?? null, output: end?.outputHash ?? null };
    }
    throw new Error(describeEnd(termination, end));
  };
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
