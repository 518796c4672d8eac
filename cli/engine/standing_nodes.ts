/**
 * Which ends of nodes stand when a run is gone on with, and which nodes are looked at anew though they have
 * ended. Nothing here reads or changes anything.
 *
 * What is always true:
 * - What has completed stands, and so does a failure for good of a node that may fail.
 * - **Nothing stands on what is no more**: what needs a node that was asked for again since is asked for
 *   again, unless the user accepts what it came to.
 * - A handler has ended because of a need that was bad; when that is asked for again the handler is forgotten.
 */
import type { JournalHistory } from "../../run/engine/journal_history.ts";
import { type Flow, type FlowNode, isAggregate, mayFail } from "../flow/flow.ts";
import { orderOf } from "../flow/ready_nodes.ts";

/** What the journal has, and what the user says of it. */
interface Standing {
  history: Pick<JournalHistory, "completed" | "failed" | "over"> | undefined;
  /** Nodes whose recorded end is kept. */
  accept: readonly string[];
  /** Nodes that the user has run again. */
  rerun: readonly string[];
  /** The only nodes that are asked for; all when undefined. */
  wanted: ReadonlySet<string> | undefined;
}

/** Which ends stand. */
export interface StandingNodes {
  /** Whether the end of a node stands. */
  stands: (id: string) => boolean;
  /** Nodes that are looked at anew though they have ended. */
  rerun: ReadonlySet<string>;
  /** Of these, the ones that need something that was asked for again since. */
  outdated: readonly string[];
  /** Of these, the handlers that ran because of what is asked for again now, each with that. */
  forgotten: ReadonlyMap<string, string>;
}

/** Finds out which ends stand. */
export function findStanding(flow: Flow, standing: Standing): StandingNodes {
  const { history, accept, rerun: given } = standing;
  const completed = history?.completed ?? new Set();
  const allowed = mayFail(flow).intersection(history?.failed ?? new Set());
  const nodes = new NeedsBefore(flow, standing, completed.union(allowed));
  const outdated: string[] = [];
  const forgotten = new Map<string, string>();
  for (const { id, needs, when } of flow.nodes) {
    if (!completed.has(id) || accept.includes(id)) continue;
    const asked = when === "success" ? undefined : needs.find((need) => nodes.isAskedAgain(need));
    if (asked !== undefined) forgotten.set(id, asked);
    else if (needs.some((need) => nodes.isLater(need, id, when))) outdated.push(id);
  }
  const rerun = withDependents(flow, [...given, ...outdated, ...forgotten.keys()]);
  const stands = (id: string) => (completed.has(id) || allowed.has(id)) && !rerun.has(id);
  return { stands, rerun, outdated, forgotten };
}

/** What the needs of nodes had come to before the run is gone on with. */
class NeedsBefore {
  readonly #wanted: ReadonlySet<string> | undefined;
  /** When each node had ended, of those that are ok: what was skipped, and aggregates, with what they need. */
  readonly #places = new Map<string, number>();
  readonly #askedAgain = new Set<string>();

  constructor(flow: Flow, { history, wanted }: Standing, ended: ReadonlySet<string>) {
    this.#wanted = wanted;
    const places = new Map([...history?.over ?? []].map((id, place) => [id, place]));
    for (const node of orderOf(flow.nodes)) {
      if (ended.has(node.id)) this.#places.set(node.id, places.get(node.id) ?? 0);
      else this.#lookAt(node);
    }
  }

  #lookAt(node: FlowNode): void {
    const { id, needs, when } = node;
    const isAlike = isAggregate(node);
    if ((isAlike || when === "failure") && needs.every((need) => this.#places.has(need))) {
      const place = needs.reduce((last, need) => Math.max(last, this.#places.get(need)!), 0);
      this.#places.set(id, place);
    } else if (isAlike ? needs.some((need) => this.#askedAgain.has(need)) : this.#isWanted(id)) {
      this.#askedAgain.add(id);
    }
  }

  #isWanted(id: string): boolean {
    return this.#wanted?.has(id) ?? true;
  }

  /** Whether it had not come to an end that is ok, and is asked for now. */
  isAskedAgain(id: string): boolean {
    return this.#askedAgain.has(id);
  }

  /** Whether a need has ended later than who needs it, or was asked for again and has not ended since. */
  isLater(need: string, id: string, when: FlowNode["when"]): boolean {
    const place = this.#places.get(need);
    // A handler may have run because of it.
    if (place === undefined) return when === "success";
    return place > this.#places.get(id)!;
  }
}

/** These nodes, and all that needs one of them. */
function withDependents(flow: Flow, ids: readonly string[]): Set<string> {
  const found = new Set(ids);
  if (found.size === 0) return found;
  for (const { id, needs } of orderOf(flow.nodes)) {
    if (needs.some((need) => found.has(need))) found.add(id);
  }
  return found;
}
