/** A small recording, and what it was made for, in words. */
import type { Divergence } from "../../capture/replay/divergence.ts";
import type {
  CaptureBundle,
  DecisionRecord,
  EpisodeInvocationRecord,
  EventInputRecord,
  ExternalEventRecord,
  InputRecord,
} from "../../capture/types.ts";
import type { RunTermination } from "../../supervisor/types.ts";
import { columnWidth, printableLine } from "../text/printable.ts";

/** How many inputs are listed: who wants all of a longer recording reads its file. */
const MOST_LISTED = 20;

/** The inputs of a recording, each with what was decided on it, and marked where a replay goes otherwise. */
export function inputLines(bundle: CaptureBundle, divergence: Divergence | undefined): string[] {
  const rows = rowsOf(bundle);
  const width = columnWidth(rows.map(({ input }) => input), 0);
  const shown = rows.slice(0, MOST_LISTED).map(({ input, decision, index }) => {
    const isOtherwise = index !== undefined && divergence?.index === index;
    return `${isOtherwise ? ">" : " "} ${input.padEnd(width)}  ${decision}`.trimEnd();
  });
  const more = rows.length - shown.length;
  return more === 0 ? shown : [...shown, `  and ${more} more`];
}

/** An input, what was decided on it, and which of the decisions that is. */
interface Row {
  input: string;
  decision: string;
  index: number | undefined;
}

function rowsOf(bundle: CaptureBundle): Row[] {
  const isSerial = !("inputs" in bundle) || bundle.mode === "serial";
  const names = new Map<number, string>();
  let decided = 0;
  const records: readonly (InputRecord | ExternalEventRecord)[] = "inputs" in bundle
    ? bundle.inputs
    : bundle.events;
  return records.map((record): Row => {
    const isEnd = "type" in record && record.type === "completion";
    const index = isEnd && isSerial ? undefined : decided++;
    const decision = index === undefined ? undefined : bundle.decisions[index];
    if ("event_id" in record && record.kind !== "Pump" && decision !== undefined) {
      names.set(decision.episode_id, record.event_id);
    }
    const nameOf = (episode: number) => names.get(episode) ?? `episode ${episode}`;
    return {
      input: printableLine(inputText(record, nameOf)),
      decision: decision === undefined ? "" : printableLine(decisionText(decision, record, nameOf)),
      index,
    };
  });
}

type NameOf = (episode: number) => string;

function inputText(record: InputRecord | ExternalEventRecord, nameOf: NameOf): string {
  if ("event_id" in record) return record.kind === "Pump" ? "a Pump" : record.event_id;
  const name = nameOf(record.episode_id);
  if (record.type === "withdraw") return `${name} is withdrawn`;
  const attempt = record.attempt === 1 ? "" : `, attempt ${record.attempt},`;
  return `${name}${attempt} ends as ${terminationText(record.termination)}`;
}

function terminationText(termination: RunTermination): string {
  return typeof termination === "string" ? termination : termination.Failed;
}

/** What was decided, and why: `Invoke (admitted)`. A Pump says of what. */
function decisionText(
  decision: EpisodeInvocationRecord | DecisionRecord,
  record: InputRecord | ExternalEventRecord | EventInputRecord,
  nameOf: NameOf,
): string {
  const isPump = "event_id" in record && record.kind === "Pump";
  const reason = "reason" in decision ? decision.reason : undefined;
  const of = isPump && reason !== "nothing_due" ? ` ${nameOf(decision.episode_id)}` : "";
  return `${decision.decision}${of}${reason === undefined ? "" : ` (${reason})`}`;
}
