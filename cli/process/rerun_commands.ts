import { payloadText } from "../../_internal/event_payload.ts";
import type { Divergence } from "../../capture/replay/divergence.ts";
import type { CaptureBundle, CompletionInputRecord } from "../../capture/types.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import { Asks, nodeOfEvent } from "../../run/engine/asks.ts";
import { openFileRoot } from "../../run/file_root/file_root.ts";
import type { AttemptEnd, EndRecord, NodeAttempt } from "../../run/types.ts";
import type { RunRequest, RunTermination, RuntimeInvoker } from "../../supervisor/types.ts";
import type { ExecuteTraceCall } from "../../trace/replay_trace.ts";
import type { TraceEnvelope, TraceStep } from "../../trace/types.ts";
import { UsageError } from "../exit_codes.ts";
import { removeIfThere } from "../files.ts";
import { Programs } from "../flow/find_programs.ts";
import { type Flow, type FlowNode, nodesById } from "../flow/flow.ts";
import { type CommandRecord, isCommandRecord, recordedNode } from "../flow/node_event.ts";
import { maskOf } from "../flow/secrets.ts";
import { CommandPlace, type CommandPlaceOptions } from "./command_place.ts";
import type { Interrupts } from "./interrupts.ts";
import { endWithinMs } from "./run_command.ts";

/** How commands are run again. */
interface RerunLimits {
  /** By which the user ends it. */
  interrupts: Interrupts;
  /** How much of each output is kept, as when it was recorded. */
  maxOutputBytes: number;
  /** The time between SIGTERM and SIGKILL, in milliseconds. */
  graceMs: number;
  /** The variables whose values were kept out of what was recorded. */
  masks: readonly string[];
}

/** A command that was recorded. */
interface RecordedCommand {
  /** What tells it from the others: those of one node may differ, as a flow may change when it is resumed. */
  key: string;
  /** The node that ran it. */
  nodeId: string;
  record: CommandRecord;
}

/** The commands of a recording, each as the node that it was. */
type Commands = ReadonlyMap<string, FlowNode>;

/** Where the commands of a recording are run again, and how. */
interface RerunPlace {
  commands: Commands;
  options: Omit<CommandPlaceOptions, "nodes">;
  opened: AsyncDisposableStack;
}

/** Runs commands of a recording again, below a directory of its own, and records nothing that stays. */
class Rerun implements AsyncDisposable {
  readonly #place: RerunPlace;

  protected constructor(place: RerunPlace) {
    this.#place = place;
  }

  /** Makes a place for recorded commands; what they print goes to files below a root of its own. */
  protected static async openPlace(
    commands: Commands,
    given: Flow | undefined,
    { interrupts, masks, ...limits }: RerunLimits,
  ): Promise<RerunPlace> {
    const nodes = Array.from(commands, ([id, command]) => ({ ...command, id }));
    // What ran later may be made by what ran first.
    const programs = new Programs().check(nodes.slice(0, 1));
    await using opening = new AsyncDisposableStack();
    const root = Deno.makeTempDirSync({ prefix: "taffrail-replay-" });
    // Unless one of the commands has.
    opening.defer(() => removeIfThere(root));
    const runs = opening.use(openFileRoot(root));
    const held = opening.use(await runs.create({ about: { name: "replay" } }));
    const options = {
      ...limits,
      held,
      mask: await maskOf(given ?? { secrets: masks, nodes: [] }),
      findProgram: (node: FlowNode) => programs.find(node),
      root,
      runId: held.view.runId,
      kill: interrupts.kill,
      commands: interrupts.commands,
      note: () => {},
      isNeeded: () => false,
    };
    return { commands, options, opened: opening.move() };
  }

  /** Makes an attempt again, by the command with this key. */
  protected async make(
    key: string,
    attempt: NodeAttempt,
    signal: AbortSignal,
  ): Promise<AttemptEnd> {
    const { commands, options } = this.#place;
    const { nodeId } = attempt;
    const place = new CommandPlace({
      ...options,
      nodes: new Map([[nodeId, commands.get(key)!]]),
    });
    return await place.run({ ...attempt, payload: {}, signal });
  }

  /** The time within which a command is over once it is asked to end, in milliseconds. */
  get endWithinMs(): number {
    return endWithinMs(this.#place.options.graceMs);
  }

  /** Removes what the commands printed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#place.opened.disposeAsync();
  }
}

/** Runs the recorded commands again, in a folder of its own, and compares what they print. */
export class LiveReplay extends Rerun implements RuntimeInvoker {
  readonly #bundle: CaptureBundle;
  readonly #asks: Asks;
  readonly #running = new Set<Promise<unknown>>();
  /** By episode and attempt, what was printed now. */
  readonly #hashes = new Map<string, string | undefined>();
  #failure: { of: unknown } | undefined;
  /** How many attempts were made again. */
  attempts = 0;

  private constructor(bundle: CaptureBundle, place: RerunPlace) {
    super(place);
    this.#bundle = bundle;
    this.#asks = Asks.of(bundle);
  }

  /** `given`: the flow, for the values of variables. */
  static async open(
    bundle: CaptureBundle,
    given: Flow | undefined,
    limits: RerunLimits,
  ): Promise<LiveReplay> {
    const commands = commandsOfBundle(bundle, given);
    return new LiveReplay(bundle, await Rerun.openPlace(commands, given, limits));
  }

  /** Runs the command of an attempt. */
  async run({ eventId, episodeId, attempt, signal }: RunRequest): Promise<RunTermination> {
    const recorded = this.#completion(episodeId, attempt);
    // Nobody can repeat that a user ended it.
    if (recorded?.termination === "Aborted") return "Aborted";
    this.attempts++;
    const made = this.make(eventId, this.#asks.attemptOf(eventId, attempt), signal);
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
      if (replayed === recorded || input.end?.terminal === true) continue;
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

/** The commands that the recorded events ask for, by the ids of those. */
function commandsOfBundle(bundle: CaptureBundle, given: Flow | undefined): Commands {
  const events = "inputs" in bundle
    ? bundle.inputs.filter((input) => input.type === "event")
    : bundle.events;
  const commands = events.filter(({ kind }) => kind !== "Pump").map(
    ({ event_id: key, payload }) => {
      const nodeId = nodeOfEvent(key);
      return { key, nodeId, record: recordOfPayload(nodeId, payload) };
    },
  );
  return commandsBy(commands, given);
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

/** The commands of the steps of a trace, by their attempts. */
function commandsOfTrace(trace: TraceEnvelope, given: Flow | undefined): Commands {
  const commands = trace.steps.filter(isCommand).flatMap((step) => {
    const { payload: record } = (step.invocation_json ?? {}) as { payload?: unknown };
    const attempt = attemptOfStep(step);
    const { nodeId } = attempt;
    return isCommandRecord(record) ? { key: attemptKey(attempt), nodeId, record } : [];
  });
  return commandsBy(commands, given);
}

function attemptOfStep({ node_id: nodeId, attempt = 1 }: TraceStep): NodeAttempt {
  return { nodeId, attempt };
}

function commandsBy(commands: readonly RecordedCommand[], given: Flow | undefined): Commands {
  const values = nodesById(given?.nodes ?? []);
  return new Map(commands.map(({ key, nodeId, record }) => {
    const given = values.get(nodeId);
    const env = recordedEnv(nodeId, record.env, given);
    const run = record.masked ? unmaskedRun(nodeId, given) : record.run;
    return [key, recordedNode(nodeId, { ...record, run }, { env })];
  }));
}

/** A command whose secret values are in its flow only. */
function unmaskedRun(id: string, given: FlowNode | undefined): string[] {
  if (given !== undefined) return given.run;
  throw new UsageError(
    `Cannot run ${JSON.stringify(id)} again: its command had secret values, which are not ` +
      "recorded; name its flow with --flow",
  );
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

  private constructor(signal: AbortSignal, place: RerunPlace) {
    super(place);
    this.#signal = signal;
  }

  /** `given`: the flow, for the values of variables. */
  static async open(
    trace: TraceEnvelope,
    given: Flow | undefined,
    limits: RerunLimits,
  ): Promise<StepReplay> {
    const place = await Rerun.openPlace(commandsOfTrace(trace, given), given, limits);
    return new StepReplay(limits.interrupts.stop, place);
  }

  /** Does what a step did. */
  readonly execute: ExecuteTraceCall = async (_call, { step, recorded }) => {
    if (!isCommand(recorded)) {
      throw new UsageError(
        `Cannot run step ${step} again: it is no command; a program can, with replayTrace`,
      );
    }
    const attempt = attemptOfStep(recorded);
    const { termination, end } = await this.make(attemptKey(attempt), attempt, this.#signal);
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
