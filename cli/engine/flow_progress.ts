/**
 * What becomes of the nodes of a flow: which may start, which are skipped or blocked, and how the run ends,
 * after what was decided. Nothing here runs, waits or has a clock.
 *
 * What is always true:
 * - **A node is looked at once all that it needs is over**, in the order of the flow, and what is made of it
 *   depends on nothing but the flow and the decisions.
 * - A node that is over is *ok* or *bad*, and its outcome says which. Only the first node that fails for good
 *   changes what else may start; a handler (`when` failure or always) mends nothing, and a failed one is bad.
 * - A node counts as completed when that was decided, not when its command ended. Decisions are taken
 *   before they are on disk: what is made of them here nobody can see before it is.
 * - Every node and every need is looked at once, so that a flow of 100,000 nodes costs no more than reading it.
 */
import type { WaitedRecord } from "../../capture/types.ts";
import type { Decided, RunEnding } from "../../run/engine/types.ts";
import { type FlowNode, isAggregate, nodesById } from "../flow/flow.ts";
import { ReadyNodes } from "../flow/ready_nodes.ts";

/** How a node ended that is ok for what needs it. */
type OkOutcome = "completed" | "failed, and may" | "skipped" | "of ok nodes";
/** How a node ended, or did not begin, that is bad for what needs it. */
type BadOutcome = "failed" | "cancelled" | "blocked" | "not started";
/** What became of a node that is over. */
export type Outcome = OkOutcome | BadOutcome;

const BAD: ReadonlySet<Outcome> = new Set<BadOutcome>([
  "failed",
  "cancelled",
  "blocked",
  "not started",
]);

/** What is said of a need that is bad. */
const NEED_WORDS: { readonly [outcome in BadOutcome]: string } = {
  "failed": "which failed",
  "cancelled": "which was cancelled",
  "blocked": "which was skipped",
  "not started": "which was not started",
};

/** The last lines of a log and of a journal are looked at by whoever lists many runs. */
const MOST_SKIPPED_CHARACTERS = 32 * 1024;

/** What has already become of nodes in a run that is gone on with. */
export interface PastNodes {
  /** The nodes that have completed, and keep that. */
  completed: Iterable<string>;
  /** The nodes that have failed for good, and may. */
  allowed: Iterable<string>;
}

/** What {@linkcode FlowProgress} keeps to. */
interface FlowRules {
  /** What the first failure does. */
  onFailure: "stop" | "keep_going" | "cancel";
  /** Which nodes are asked for. */
  isWanted?: ((id: string) => boolean) | undefined;
}

/**
 * What may start: everything; after the first failure only handlers, which also wait until all has ended that
 * was cut off; and nothing, once the run itself is ended.
 */
type Phase = "open" | "cutting" | "handlers" | "over";

/** How far a flow is, as the supervisor decides it. */
export class FlowProgress {
  /** The first node that did not complete, and will not. */
  failed: { id: string; errorKind: string } | undefined;
  readonly #rules: FlowRules;
  readonly #nodes: readonly FlowNode[];
  readonly #byId: ReadonlyMap<string, FlowNode>;
  readonly #ready: ReadyNodes;
  readonly #outcomes = new Map<string, Outcome>();
  readonly #skipped = new Map<string, string>();
  /** What was handed out and is not over. */
  readonly #atWork = new Set<string>();
  /** What has failed, and may be tried again. */
  readonly #tried = new Set<string>();
  /** Handlers that wait until all has ended that was cut off. */
  #held: string[] = [];
  #phase: Phase = "open";
  #isCutOff = false;
  #hasBad = false;

  constructor(nodes: readonly FlowNode[], rules: FlowRules) {
    this.#nodes = nodes;
    this.#rules = rules;
    this.#ready = new ReadyNodes(nodes);
    this.#byId = nodesById(nodes);
  }

  /** Whether all nodes are over. */
  get isDone(): boolean {
    return this.#outcomes.size === this.#nodes.length;
  }

  /**
   * Whether what waits for its place, its time or a retry, and may not begin any more, has to be taken out
   * before anything more is handed out; {@linkcode FlowProgress.hasTakenOut} says that this is seen to.
   */
  get mustTakeOut(): boolean {
    return this.#isCutOff;
  }

  /** Whether what runs is to be ended, and all that is handed out later is not. */
  get mustCancel(): boolean {
    return this.#phase === "cutting";
  }

  /** What became of a node; undefined as long as it is not over. */
  outcomeOf(id: string): Outcome | undefined {
    return this.#outcomes.get(id);
  }

  /** The nodes that were skipped or are blocked, each with why: the first ones of the flow, where they are many. */
  get skipped(): Record<string, string> {
    const skipped: [id: string, why: string][] = [];
    let characters = 0;
    for (const { id } of this.#nodes) {
      const why = this.#skipped.get(id);
      if (why === undefined) continue;
      characters += id.length + why.length;
      if (characters > MOST_SKIPPED_CHARACTERS) break;
      skipped.push([id, why]);
    }
    return Object.fromEntries(skipped);
  }

  /** Takes over what has become of nodes in a run that is gone on with: all others are looked at anew. */
  restore({ completed, allowed }: PastNodes): void {
    const settle = (ids: Iterable<string>, outcome: Outcome) => {
      for (const id of ids) {
        this.#ready.start(id);
        this.#settle(id, outcome);
      }
    };
    settle(completed, "completed");
    settle(allowed, "failed, and may");
  }

  /** The next node to ask for. */
  takeReady(): FlowNode | undefined {
    for (let node = this.#ready.take(); node !== undefined; node = this.#ready.take()) {
      if (this.#look(node)) {
        this.#atWork.add(node.id);
        return node;
      }
    }
    return undefined;
  }

  /** Whether the work of a node that was handed out may begin now, as it may when its begin was decided on. */
  mayBegin(id: string): boolean {
    if (this.#phase === "open") return true;
    return this.#phase === "handlers" && this.#byId.get(id)?.when !== "success";
  }

  /** Takes a decision. */
  take({ nodeId, decision, reason, termination, begun, errorKind = "crash" }: Decided): void {
    const isBad = termination !== null && termination !== "Completed";
    // What may not begin any more, and waits, has to be taken out.
    if (decision === "Defer" && !this.mayBegin(nodeId)) this.#isCutOff = true;
    // It was given up.
    if (reason === "withdrawn") this.#putBack(nodeId);
    else if (decision !== "Finish" || termination === null) {
      if (isBad) this.#tried.add(nodeId);
    } else if (termination === "Aborted") {
      // Its end is not its own, unless this run has ended it.
      if (begun && this.#phase !== "open") this.#settle(nodeId, "cancelled");
      else this.#putBack(nodeId);
    } else this.#finish(nodeId, isBad ? errorKind : undefined);
  }

  /** Somebody has passed a gate that was handed out, or has not; `undefined`: it is not waited for any more. */
  takeGate(id: string, how: WaitedRecord["how"] | undefined): void {
    if (how === undefined) this.#settle(id, "not started");
    else this.#finish(id, how === "passed" ? undefined : "gate_failed");
  }

  /** What waits and may not begin is being taken out. */
  hasTakenOut(): void {
    this.#isCutOff = false;
  }

  /** The run itself is ended: nothing more starts. */
  end(): void {
    this.#phase = "over";
  }

  /** How the run ends when nothing more runs; `stoppedBy`: what has stopped it, if anything did. */
  ending(stoppedBy: string | undefined): RunEnding {
    // What has become ready is looked at, though none of it starts.
    if (!this.isDone) this.end();
    this.takeReady();
    const { skipped } = this;
    if (this.failed !== undefined) {
      const { id, errorKind } = this.failed;
      return { reason: `node ${id} failed: ${errorKind}`, failed: id, skipped };
    }
    if (this.isDone && !this.#hasBad) return { reason: undefined, skipped };
    const reason = stoppedBy ?? (this.isDone ? "cancelled" : "nodes were left out");
    return { reason, skipped };
  }

  /** Looks at a node, all of whose needs are over; whether it is handed out. */
  #look(node: FlowNode): boolean {
    const { id, when } = node;
    const badNeed = node.needs.find((need) => BAD.has(this.#outcomes.get(need)!));
    if (badNeed !== undefined && (when === "success" || isAggregate(node))) {
      // Of a run that is ended from outside nobody has to be told why nothing more was started.
      if (this.#phase === "over") return this.#settle(id, "not started");
      return this.#skip(id, "blocked", `needs ${badNeed}, ${this.#needWords(badNeed)}`);
    }
    if (isAggregate(node)) return this.#settle(id, "of ok nodes");
    if (badNeed === undefined && when === "failure") {
      return this.#skip(id, "skipped", "when failure, and nothing that it needs has failed");
    }
    // What a run that is gone on with leaves out is not over.
    if (this.#rules.isWanted?.(id) === false) return false;
    const isHandler = when !== "success";
    if (this.#phase === "cutting" && isHandler) return this.#held.push(id) === 0;
    const mayStart = this.#phase === "open" || (this.#phase === "handlers" && isHandler);
    return mayStart || this.#settle(id, this.#tried.has(id) ? "failed" : "not started");
  }

  #needWords(need: string): string {
    return NEED_WORDS[this.#outcomes.get(need) as BadOutcome];
  }

  #skip(id: string, outcome: Outcome, why: string): false {
    this.#skipped.set(id, why);
    return this.#settle(id, outcome);
  }

  /** A node has ended for good; `errorKind`: how it failed, undefined where it did not. */
  #finish(id: string, errorKind: string | undefined): void {
    if (errorKind === undefined) this.#settle(id, "completed");
    else if (this.#byId.get(id)?.allowFailure) this.#settle(id, "failed, and may");
    else this.#fail(id, errorKind);
  }

  #fail(id: string, errorKind: string): void {
    if (this.failed === undefined) {
      this.failed = { id, errorKind };
      const { onFailure } = this.#rules;
      if (onFailure !== "keep_going" && this.#phase === "open") {
        this.#isCutOff = true;
        this.#phase = onFailure === "cancel" ? "cutting" : "handlers";
      }
    }
    this.#settle(id, "failed");
  }

  /** A node is over; false, as it is not handed out. */
  #settle(id: string, outcome: Outcome): false {
    this.#outcomes.set(id, outcome);
    if (BAD.has(outcome)) this.#hasBad = true;
    this.#ready.settle(id);
    this.#leave(id);
    return false;
  }

  /** A node that was handed out is looked at anew. */
  #putBack(id: string): void {
    this.#ready.putBack(id);
    this.#leave(id);
  }

  #leave(id: string): void {
    this.#atWork.delete(id);
    if (this.#phase !== "cutting" || this.#atWork.size > 0) return;
    this.#phase = "handlers";
    for (const held of this.#held.splice(0)) this.#ready.putBack(held);
  }
}
