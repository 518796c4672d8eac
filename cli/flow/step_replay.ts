import type { ExecuteTraceCall, TraceEnvelope, TraceStep } from "../../trace/mod.ts";
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
    const nodes = trace.steps.flatMap((step, index) => nodeOf(step, index + 1, given) ?? []);
    const flow = { name: trace.flow.id, nodes, constraints: DEFAULT_CONSTRAINTS };
    this.#invoker = new ReplayInvoker(flow, limits);
  }

  /** Does what a step did. */
  readonly execute: ExecuteTraceCall = async (_call, { step, recorded }) => {
    if (!isCommand(recorded)) {
      throw new UsageError(
        `Cannot run step ${step} again: it is no command; a program can, with replayTrace`,
      );
    }
    const nodeId = nameOf(step);
    const termination = await this.#invoker.run({
      graphId: "replay",
      eventId: nodeId,
      episodeId: step,
      attempt: 1,
      context: new Map(),
      signal: this.#signal,
    });
    this.#invoker.throwFailure();
    const end = this.#invoker.takeEnd(nodeId, 1);
    if (termination === "Completed") {
      return { exit_code: end?.exitCode ?? null, output: end?.outputHash ?? null };
    }
    throw new Error(end?.message || "the command failed");
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

function nameOf(step: number): string {
  return `step-${step}`;
}

/** The node that a step was; undefined where it is no command, or nothing of it was recorded. */
function nodeOf(step: TraceStep, number: number, given: Flow | undefined): FlowNode | undefined {
  const payload = payloadOf(step);
  if (!isCommand(step) || payload === undefined) return undefined;
  const { run, cwd, env: names } = payload;
  const env = recordedEnv(step.node_id, names, given);
  return { id: nameOf(number), run, needs: [], env, cwd };
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
