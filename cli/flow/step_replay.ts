import type { ExecuteTraceCall, TraceEnvelope, TraceStep } from "../../trace/mod.ts";
import type { AttemptEnd } from "../../run/mod.ts";
import type { RunTermination } from "../../supervisor/mod.ts";
import { UsageError } from "../usage_error.ts";
import { DEFAULT_CONSTRAINTS, type Flow, type FlowNode } from "./flow.ts";
import { recordedEnv, ReplayInvoker, type ReplayLimits } from "./replay_invoker.ts";

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
