import type { ExecuteTraceCall, TraceEnvelope, TraceStep } from "../../trace/mod.ts";
import { UsageError } from "../usage_error.ts";
import { CommandInvoker } from "./command_invoker.ts";
import { findPrograms } from "./find_programs.ts";
import { DEFAULT_CONSTRAINTS, type Flow, type FlowNode } from "./flow.ts";
import type { Interrupts } from "./interrupts.ts";

/** How to run the commands of a trace again. */
export interface StepReplayOptions {
  /** The flow, for the values of variables. */
  flow: Flow | undefined;
  /** The wish of the user to end it. */
  interrupts: Interrupts;
  /** How much of each output is kept, as when it was recorded. */
  maxOutputBytes: number;
  /** The time between SIGTERM and SIGKILL. */
  graceMs: number;
}

/** Runs the commands of a trace's steps again, and answers what the run recorded of them. */
export class StepReplay implements Disposable {
  readonly #root = Deno.makeTempDirSync({ prefix: "taffrail-trace-" });
  readonly #invoker: CommandInvoker;
  readonly #signal: AbortSignal;
  #failure: unknown;

  constructor(trace: TraceEnvelope, { flow: given, interrupts, ...limits }: StepReplayOptions) {
    this.#signal = interrupts.stop;
    try {
      const nodes = trace.steps.flatMap((step, index) => nodeOf(step, index + 1, given) ?? []);
      const flow = { name: trace.flow.id, nodes, constraints: DEFAULT_CONSTRAINTS };
      this.#invoker = new CommandInvoker({
        ...limits,
        flow,
        programs: findPrograms(flow),
        root: this.#root,
        runId: "replay",
        recorder: { nodeStarted: async () => {}, nodeSpawned: async () => {} },
        view: { nodeStarted: () => {}, note: () => {} },
        hurry: interrupts.hurry,
        onFatal: (error) => this.#failure ??= error,
      });
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Does what a step did. */
  readonly execute: ExecuteTraceCall = async (_call, { step, recorded }) => {
    if (recorded.component_id !== "command") {
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
    if (this.#failure !== undefined) throw this.#failure;
    const end = this.#invoker.takeEnd(nodeId, 1);
    if (termination === "Completed") {
      return { exit_code: end?.exitCode ?? null, output: end?.outputHash ?? null };
    }
    throw new Error(end?.message || "the command failed");
  };

  /** Removes what the commands printed. */
  [Symbol.dispose](): void {
    Deno.removeSync(this.#root, { recursive: true });
  }
}

function nameOf(step: number): string {
  return `step-${step}`;
}

/** The node that a step was; undefined where it is no command, or nothing of it was recorded. */
function nodeOf(step: TraceStep, number: number, given: Flow | undefined): FlowNode | undefined {
  const payload = payloadOf(step);
  if (step.component_id !== "command" || payload === undefined) return undefined;
  const { run, cwd, env: names } = payload;
  const env = given?.nodes.find(({ id }) => id === step.node_id)?.env ?? {};
  const missing = names.find((name) => env[name] === undefined);
  if (missing !== undefined) {
    throw new UsageError(
      `Cannot run ${JSON.stringify(step.node_id)} again: values of variables are not recorded, ` +
        `and it was given ${missing}; name its flow with --flow`,
    );
  }
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
