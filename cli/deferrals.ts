import {
  type CaptureBundle,
  CaptureJournalError,
  type DecisionRecord,
  recoverCapture,
} from "../capture/mod.ts";
import { runPaths } from "../run/mod.ts";
import { nodeOfEvent } from "./flow/node_attempt.ts";
import { isNewer } from "./newer.ts";

/** Why a node had to wait. */
export interface Deferral {
  /** What stood in its way, in the supervisor's word. */
  reason: string;
  /** The same, for people, with the numbers behind it. */
  text: string;
}

/** Why each node of a run was deferred, by node, as its capture journal tells; none without one. */
export async function readDeferrals(
  root: string,
  runId: string,
): Promise<Map<string, Deferral[]>> {
  const deferrals = new Map<string, Deferral[]>();
  const bundle = await readJournal(runPaths(root, runId).journal);
  if (bundle === undefined || !("inputs" in bundle)) return deferrals;
  for (const decision of bundle.decisions) {
    const { decision: what, origin_event_id: event } = decision;
    if ((what !== "Defer" && what !== "Skip") || event === null) continue;
    const node = nodeOfEvent(event);
    const deferral = { reason: decision.reason, text: textOf(decision, bundle.config) };
    deferrals.set(node, [...deferrals.get(node) ?? [], deferral]);
  }
  return deferrals;
}

/** The recording so far; undefined where none was begun, or a newer version began it. */
async function readJournal(path: string): Promise<CaptureBundle | undefined> {
  try {
    await Deno.lstat(path);
    return (await recoverCapture(path)).bundle;
  } catch (error) {
    const isNone = error instanceof Deno.errors.NotFound ||
      (error instanceof CaptureJournalError && error.kind === "no-session") || isNewer(error);
    if (isNone) return undefined;
    throw error;
  }
}

function textOf(
  { reason, numbers }: DecisionRecord,
  limits: { max_in_flight: number | null; max_per_window: number | null },
): string {
  switch (reason) {
    case "saturated":
      return `saturated: ${numbers.in_flight} of ${limits.max_in_flight} in flight`;
    case "rate_limited":
      return `rate limited: ${numbers.in_window} of ${limits.max_per_window} in the window`;
    default:
      return reason.replaceAll("_", " ");
  }
}
