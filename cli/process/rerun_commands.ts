import { payloadText } from "../../_internal/event_payload.ts";
import type { Divergence } from "../../capture/replay/divergence.ts";
import type { CaptureBundle, CompletionInputRecord } from "../../capture/types.ts";
import { Asks, nodeOfEvent } from "../../run/engine/asks.ts";
import { openFileRoot } from "../../run/file_root/file_root.ts";
import type { AttemptEnd, EndRecord } from "../../run/port.ts";
import type { NodeAttempt } from "../../run/types.ts";
import type { RunRequest, RunTermination, RuntimeInvoker } from "../../supervisor/types.ts";
import type { ExecuteTraceCall } from "../../trace/replay_trace.ts";
import type { TraceEnvelope, TraceStep } from "../../trace/types.ts";
import { UsageError } from "../exit_codes.ts";
import { findPrograms } from "../flow/find_programs.ts";
import { DEFAULT_CONSTRAINTS, type Flow, type FlowNode, nodesById } from "../flow/flow.ts";
import { type CommandRecord, isCommandRecord, recordedNode } from "../flow/node_event.ts";
import { CommandPlace } from "./command_place.ts";
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

/** Runs commands of a recording again, below a directory of its own, and records nothing that stays. */
class Rerun implements AsyncDisposable {
  readonly #place: CommandPlace;
  readonly #opened: AsyncDisposableStack;

  protected constructor(place: CommandPlace, opened: AsyncDisposableStack) {
    this.#place = place;
    this.#opened = opened;
  }

  /** Makes a place for the commands of a flow; what they print goes to files below `root`. */
  protected static async openPlace(flow: Flow, { interrupts, ...limits }: RerunLimits) {
    const programs = findPrograms(flow);
    await using opening = new AsyncDisposableStack();
    const root = Deno.makeTempDirSync({ prefix: "taffrail-replay-" });
    opening.defer(() => removeIfThere(root));
    const runs = opening.use(openFileRoot(root));
    const held = opening.use(await runs.create({ about: { name: "replay" } }));
    const place = new CommandPlace({
      ...limits,
      held,
      nodes: nodesById(flow.nodes),
      programs,
      root,
      runId: held.view.runId,
      kill: interrupts.kill,
      note: () => {},
      isNeeded: () => false,
    });
    return { place, opened: opening.move() };
  }

  /** Makes an attempt again. */
  protected async make(attempt: NodeAttempt, signal: AbortSignal): Promise<AttemptEnd> {
    return await this.#place.run({ ...attempt, payload: {}, signal });
  }

  /** The time within which a command is over once it is asked to end, in milliseconds. */
  get endWithinMs(): number {
    return this.#place.endWithinMs;
  }

  /** Removes what the commands printed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }
}

/** Unless one of the commands has. */
function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Runs the recorded commands again, in a folder of its own, and compares what they print. */
export class LiveReplay extends Rerun implements RuntimeInvoker {
  readonly #bundle: CaptureBundle;
  readonly #asks = new Asks();
  readonly #running = new Set<Promise<unknown>>();
  /** By episode and attempt, what was printed now. */
  readonly #hashes = new Map<string, string | undefined>();
  #failure: { of: unknown } | undefined;
  /** How many attempts were made again. */
  attempts = 0;

  private constructor(
    bundle: CaptureBundle,
    { place, opened }: Awaited<ReturnType<typeof Rerun.openPlace>>,
  ) {
    super(place, opened);
    this.#bundle = bundle;
    if (!("inputs" in bundle)) return;
    for (const input of bundle.inputs) {
      if (input.type !== "event") continue;
      this.#asks.add({ eventId: input.event_id, firstAttempt: input.first_attempt ?? 1 });
    }
  }

  /** `given`: the flow, for the values of variables. */
  static async open(
    bundle: CaptureBundle,
    given: Flow | undefined,
    limits: RerunLimits,
  ): Promise<LiveReplay> {
    return new LiveReplay(bundle, await Rerun.openPlace(flowOfBundle(bundle, given), limits));
  }

  /** Runs the command of an attempt. */
  async run({ eventId, episodeId, attempt, signal }: RunRequest): Promise<RunTermination> {
    const recorded = this.#completion(episodeId, attempt);
    // Nobody can repeat that a user ended it.
    if (recorded?.termination === "Aborted") return "Aborted";
    this.attempts++;
    const made = this.make(this.#asks.attemptOf(eventId, attempt), signal);
    this.#running.add(made);
    try {
      const { termination, end } = await made;
      if (termination === "Completed") this.#hashes.set(`${episodeId} ${attempt}`, end.output_hash);
      return termination;
    } catch (error) {
      this.#failure ??= { of: error };
      return "Aborted";
    } finally {
      this.#running.delete(made);
    }
  }

  /** Resolves when no command runs any more; rejects when what one printed could not be kept. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running);
    if (this.#failure !== undefined) throw this.#failure.of;
  }

  /** Where a command that completed again printed something else. */
  outputDivergences(): Divergence[] {
    const bundle = this.#bundle;
    const found: Divergence[] = [];
    if (!("inputs" in bundle)) return found;
    for (const [index, input] of bundle.inputs.entries()) {
      if (input.type !== "completion" || input.termination !== "Completed") continue;
      const key = `${input.episode_id} ${input.attempt}`;
      if (!this.#hashes.has(key)) continue;
      const [recorded, replayed] = [input.end?.output_hash, this.#hashes.get(key)];
      if (replayed === recorded) continue;
      const event = bundle.decisions[index]?.origin_event_id ?? "";
      const path = `$.inputs[${index}].end.output_hash`;
      found.push({ kind: "changed", index, event, path, recorded, replayed, context: [] });
    }
    return found;
  }

  #completion(episodeId: number, attempt: number): CompletionInputRecord | undefined {
    const bundle = this.#bundle;
    const inputs = "inputs" in bundle ? bundle.inputs : [];
    return inputs.filter((input) => input.type === "completion")
      .find((input) => input.episode_id === episodeId && input.attempt === attempt);
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
export class StepReplay extends Rerun {
  readonly #signal: AbortSignal;

  private constructor(
    signal: AbortSignal,
    { place, opened }: Awaited<ReturnType<typeof Rerun.openPlace>>,
  ) {
    super(place, opened);
    this.#signal = signal;
  }

  /** `given`: the flow, for the values of variables. */
  static async open(
    trace: TraceEnvelope,
    given: Flow | undefined,
    limits: RerunLimits,
  ): Promise<StepReplay> {
    const opened = await Rerun.openPlace(flowOfTrace(trace, given), limits);
    return new StepReplay(limits.interrupts.stop, opened);
  }

  /** Does what a step did. */
  readonly execute: ExecuteTraceCall = async (_call, { step, recorded }) => {
    if (!isCommand(recorded)) {
      throw new UsageError(
        `Cannot run step ${step} again: it is no command; a program can, with replayTrace`,
      );
    }
    const { node_id: nodeId, attempt = 1 } = recorded;
    const { termination, end } = await this.make({ nodeId, attempt }, this.#signal);
    if (termination === "Completed") {
      return { exit_code: end.exit_code ?? null, output: end.output_hash ?? null };
    }
    throw new Error(describeEnd(termination, end));
  };
}

/** A task is a command of Deno. */
function isCommand({ component_id: kind }: TraceStep): boolean {
  return kind === "command" || kind === "task";
}

function describeEnd(
  termination: RunTermination,
  { exit_code: exitCode, signal, error }: EndRecord,
): string {
  const how = exitCode !== undefined ? `exit code ${exitCode}` : signal ?? String(termination);
  return error?.message ? `${how}: ${error.message}` : how;
}
