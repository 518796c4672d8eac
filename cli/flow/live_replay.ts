import type { CaptureBundle, DecisionRecord, Divergence } from "../../capture/mod.ts";
import type { RunRequest, RunTermination, RuntimeInvoker } from "../../supervisor/mod.ts";
import { UsageError } from "../usage_error.ts";
import { DEFAULT_CONSTRAINTS, type Flow, type FlowNode } from "./flow.ts";
import { nodeAttemptOf, nodeOfEvent } from "./node_attempt.ts";
import type { NodePayload } from "./node_event.ts";
import { recordedEnv, ReplayInvoker, type ReplayLimits } from "./replay_invoker.ts";

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

function recordedNode(id: string, bytes: number[], given: Flow | undefined): FlowNode {
  const payload = parsePayload(bytes);
  if (payload === undefined) {
    throw new UsageError(`Cannot run ${JSON.stringify(id)} again: its event names no command`);
  }
  const { run, cwd, env: names, timeout_ms: timeoutMs } = payload;
  const env = recordedEnv(id, names, given);
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
