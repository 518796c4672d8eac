import type { Decided, RunEnding } from "../../run/engine/types.ts";
import type { FlowNode } from "../flow/flow.ts";
import { ReadyNodes } from "../flow/ready_nodes.ts";

/**
 * How far a flow is, as the supervisor decides it. A node counts as completed when that was decided, not
 * when its command ended, and what needs it starts only then. Decisions are taken before they are on disk:
 * what is made of them here nobody can see before it is.
 */
export class FlowProgress {
  /** The first node that did not complete, and will not. */
  failed: { id: string; errorKind: string } | undefined;
  readonly #count: number;
  readonly #ready: ReadyNodes;
  readonly #isWanted: (id: string) => boolean;
  #leftOut = 0;

  /** `isWanted`: which nodes are asked for; all by default. */
  constructor(nodes: readonly FlowNode[], isWanted: (id: string) => boolean = () => true) {
    this.#count = nodes.length;
    this.#ready = new ReadyNodes(nodes);
    this.#isWanted = isWanted;
  }

  /** Whether all nodes have completed. */
  get isDone(): boolean {
    return this.#ready.completedCount === this.#count;
  }

  /** How the run ends when nothing more runs; `stoppedBy`: the signal that has stopped it, if one did. */
  ending(stoppedBy: Deno.Signal | undefined): RunEnding {
    if (this.failed !== undefined) {
      const { id, errorKind } = this.failed;
      return { reason: `node ${id} failed: ${errorKind}`, failed: id };
    }
    if (this.isDone) return { reason: undefined };
    if (stoppedBy === undefined && this.#leftOut > 0) return { reason: "nodes were left out" };
    return { reason: stoppedBy === undefined ? "cancelled" : `cancelled by ${stoppedBy}` };
  }

  /** The next node to ask for. */
  takeReady(): FlowNode | undefined {
    for (let node = this.#ready.take(); node !== undefined; node = this.#ready.take()) {
      if (this.#isWanted(node.id)) return node;
      this.#leftOut++;
    }
    return undefined;
  }

  /** Takes over what has completed in a run that is gone on with: everything else is asked for again. */
  restore(completed: Iterable<string>): void {
    for (const id of completed) {
      this.#ready.start(id);
      this.#ready.complete(id);
    }
  }

  /** Takes a decision. */
  take({ nodeId, decision, reason, termination, errorKind = "crash" }: Decided): void {
    // It was given up, and whoever goes on with the run asks for it again.
    if (reason === "withdrawn") return this.#ready.putBack(nodeId);
    if (decision !== "Finish" || termination === null) return;
    if (termination === "Completed") this.#ready.complete(nodeId);
    // Its end is not its own.
    else if (termination === "Aborted") this.#ready.putBack(nodeId);
    else this.failed ??= { id: nodeId, errorKind };
  }
}
