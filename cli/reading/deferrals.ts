import { CONSTRAINT_NAMES, CONSTRAINTS, type Constraints } from "../../_internal/constraints.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import { readCaptureLines } from "../../capture/session/read_capture_lines.ts";
import type { CaptureBundle, DecisionRecord } from "../../capture/types.ts";
import { isFromMissingFile } from "../files.ts";
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

  /** Takes the next decision, which was made with these limits. */
  take(decision: DecisionRecord, limits: Constraints): void {
    const { decision: what, origin_event_id: event } = decision;
    if ((what !== "Defer" && what !== "Skip") || event === null) return;
    const node = nodeOfEvent(event);
    const deferral = { reason: decision.reason, text: textOf(decision, limits) };
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
  const deferrals = new Deferrals();
  if (bundle === undefined || !("inputs" in bundle)) return deferrals;
  for (const decision of bundle.decisions) deferrals.take(decision, bundle.config);
  return deferrals;
}

/**
 * Reads why the nodes of a run were deferred from its journal, which is not held; there is nothing where
 * none was begun, or a newer version began it.
 */
export async function readDeferrals(journal: string): Promise<Deferrals> {
  let deferrals = new Deferrals();
  let limits: Constraints | undefined;
  try {
    await readCaptureLines(journal, (line) => {
      if (line.type === "session") {
        limits = line.config;
        deferrals = new Deferrals();
      } else if (line.type === "decision" && limits !== undefined) deferrals.take(line, limits);
    });
  } catch (error) {
    const isNone = error instanceof CaptureJournalError &&
      (error.kind === "no-session" || error.kind === "version");
    if (!isNone && !isFromMissingFile(error)) throw error;
  }
  return deferrals;
}

function textOf({ reason, numbers }: DecisionRecord, limits: Constraints): string {
  const words = reason.replaceAll("_", " ");
  for (const name of CONSTRAINT_NAMES) {
    const { obstacle } = CONSTRAINTS[name];
    if (obstacle?.reason !== reason) continue;
    return `${words}: ${numbers[obstacle.counts]} of ${limits[name]} ${obstacle.words}`;
  }
  return words;
}
