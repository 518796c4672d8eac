/** Why nodes had to wait: what the decisions of a recording say, in words. */
import { CONSTRAINT_NAMES, CONSTRAINTS, type Constraints } from "../../_internal/constraints.ts";
import type { CaptureLine } from "../../capture/session/read_capture_lines.ts";
import type { BundleNote, CaptureBundle, DecisionRecord, WaitRecord } from "../../capture/types.ts";
import { nodeOfEvent } from "../../run/engine/asks.ts";

/** Why a node had to wait. */
export interface Deferral {
  /** What stood in its way, in the supervisor's word. */
  reason: string;
  /** The same, for people, with the numbers behind it. */
  text: string;
}

/** Why the nodes of a run were deferred. */
export class Deferrals {
  readonly #byNode = new Map<string, Deferral[]>();
  readonly #gates = new Map<string, WaitRecord>();
  #limits: Constraints | undefined;

  /** `limits`: what the decisions are made with, until a line says it. */
  constructor(limits?: Constraints) {
    this.#limits = limits;
  }

  /** Takes the next line of a journal. */
  takeLine(line: CaptureLine): void {
    if (line.type === "session") this.#limits = line.config;
    else if (line.type === "decision") this.take(line);
    else this.takeWait(line);
  }

  /** Takes that something waits for an answer, or has got one; of anything else there is nothing to know. */
  takeWait(line: CaptureLine | BundleNote): void {
    if (line.type === "wait" && line.kind === "gate") this.#gates.set(line.id, line);
    else if (line.type === "waited") this.#gates.delete(line.id);
  }

  /** The gate at which the run waits, or waited when it ended. */
  gateOf(nodeId: string): WaitRecord | undefined {
    return this.#gates.get(nodeId);
  }

  /** Takes the next decision. What is taken out has not to wait for anything. */
  take(decision: DecisionRecord): void {
    const { decision: what, origin_event_id: event, reason } = decision;
    if ((what !== "Defer" && what !== "Skip") || event === null || reason === "withdrawn") return;
    const node = nodeOfEvent(event);
    const deferral = { reason, text: deferralText(decision, this.#limits!) };
    const waited = this.#byNode.get(node);
    if (waited === undefined) this.#byNode.set(node, [deferral]);
    else waited.push(deferral);
  }

  /** Why a node had to wait, in order; undefined when it had not. */
  of(nodeId: string): Deferral[] | undefined {
    return this.#byNode.get(nodeId);
  }
}

/** Why the nodes were deferred whose decisions a recording has; none without one. */
export function deferralsOf(bundle: CaptureBundle | undefined): Deferrals {
  if (bundle === undefined || !("inputs" in bundle)) return new Deferrals();
  const deferrals = new Deferrals(bundle.config);
  for (const decision of bundle.decisions) deferrals.take(decision);
  for (const note of bundle.notes ?? []) deferrals.takeWait(note);
  return deferrals;
}

/** What stood in the way of a node, for people, with the numbers behind it. */
export function deferralText(
  { reason, numbers }: DecisionRecord,
  limits: Constraints,
): string {
  for (const name of CONSTRAINT_NAMES) {
    const { obstacle } = CONSTRAINTS[name];
    if (obstacle?.reason !== reason) continue;
    const { awaits, counts, words } = obstacle;
    return `waited for ${awaits}: ${numbers[counts]} of ${limits[name]} ${words}`;
  }
  if (reason === "backoff") return "waited before it was tried again";
  return reason === "queue_full" ? "was not taken: too many wait" : reason.replaceAll("_", " ");
}
