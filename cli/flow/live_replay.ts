import type { CaptureBundle, DecisionRecord, Divergence } from "../../capture/mod.ts";
import type { RunRequest, RunTermination, RuntimeInvoker } from "../../supervisor/mod.ts";
import { UsageError } from "../usage_error.ts";
import { CommandInvoker } from "./command_invoker.ts";
import { findPrograms } from "./find_programs.ts";
import { DEFAULT_CONSTRAINTS, type Flow, type FlowNode } from "./flow.ts";
import type { Interrupts } from "./interrupts.ts";
import { nodeAttemptOf, nodeOfEvent } from "./node_attempt.ts";
import type { NodePayload } from "./node_event.ts";

/** What a {@linkcode LiveReplay} works with. */
export interface LiveReplayOptions {
  /** Gives the values of variables, which are never recorded. */
  flow: Flow | undefined;
  /** The wish of the user to end it. */
  interrupts: Interrupts;
  /** How much of each output is kept. */
  maxOutputBytes: number;
  /** The time between SIGTERM and SIGKILL. */
  graceMs: number;
}

/** Runs the recorded commands again, in a folder of its own, and compares what they print. */
export class LiveReplay implements RuntimeInvoker, Disposable {
  readonly #bundle: CaptureBundle;
  readonly #root = Deno.makeTempDirSync({ prefix: "taffrail-replay-" });
  readonly #invoker: CommandInvoker;
  readonly #hashes = new Map<string, string>();
  #failure: unknown;
  /** How many attempts were made again. */
  attempts = 0;

  constructor(bundle: CaptureBundle, options: LiveReplayOptions) {
    this.#bundle = bundle;
    const { interrupts, flow: given, ...limits } = options;
    try {
      const flow = recordedFlow(bundle, given);
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
    if (this.#failure !== undefined) throw this.#failure;
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

  /** Removes what the commands printed, unless one of them has. */
  [Symbol.dispose](): void {
    try {
      Deno.removeSync(this.#root, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
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

function recordedNode(id: string, bytes: number[], given: Flow | undefined): FlowNode {
  const payload = parsePayload(bytes);
  if (payload === undefined) {
    throw new UsageError(`Cannot run ${JSON.stringify(id)} again: its event names no command`);
  }
  const { run, cwd, env: names, timeout_ms: timeoutMs } = payload;
  const env = given?.nodes.find((node) => node.id === id)?.env ?? {};
  const missing = names.find((name) => env[name] === undefined);
  if (missing !== undefined) {
    throw new UsageError(
      `Cannot run ${JSON.stringify(id)} again: values of variables are not recorded, ` +
        `and it was given ${missing}; name its flow with --flow`,
    );
  }
  return { id, run, needs: [], env, cwd, ...(timeoutMs !== undefined && { timeoutMs }) };
}

function parsePayload(bytes: number[]): NodePayload | undefined {
  try {
    const payload: NodePayload = JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes)));
    const isWhole = Array.isArray(payload.run) && typeof payload.run[0] === "string" &&
      typeof payload.cwd === "string" && Array.isArray(payload.env);
    return isWhole ? payload : undefined;
  } catch {
    return undefined;
  }
}
