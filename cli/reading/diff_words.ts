/**
 * What differs between two recordings, node by node, as people say it: how each node ended, what it was, what
 * it printed, and how long all took. A recording has more: whoever wants every place of it has `--json`.
 */
import {
  CONSTRAINT_NAMES,
  type ConstraintName,
  mapConstraints,
} from "../../_internal/constraints.ts";
import { isObject } from "../../_internal/errors.ts";
import { payloadText } from "../../_internal/event_payload.ts";
import { millisecondsOf } from "../../_internal/event_time.ts";
import { isRawJson, numberOf } from "../../_internal/wire_json/json_value.ts";
import { failureText } from "../../_internal/text.ts";
import type {
  CaptureBundle,
  CompletionInputRecord,
  EventInputRecord,
} from "../../capture/types.ts";
import { errorKindOf } from "../../run/attempt_key.ts";
import { nodeOfEvent } from "../../run/engine/asks.ts";
import type { EndRecord } from "../../run/types.ts";
import { isCommandRecord } from "../flow/node_event.ts";
import { commandLine, shortened } from "../text/printable.ts";
import { formatDuration, formatLimit } from "../text/units.ts";

/** What is told of a node. */
interface NodeTold {
  /** How its last attempt ended. */
  end: string;
  /** How long that took, in milliseconds. */
  durationMs: number | undefined;
  /** What it runs. */
  command: string | undefined;
  /** How many attempts have ended. */
  attempts: number;
  /** The digest of what its last attempt printed. */
  output: string | undefined;
  /** What a step of a program was given, as JSON. */
  input: string | undefined;
  /** What its last attempt gave, as JSON, or the digest of that. */
  result: string | undefined;
}

/** What is told of a recording. */
export interface RecordingTold {
  /** What was run. */
  name: string;
  /** Its limits, by their names. */
  limits: Readonly<Record<ConstraintName, string | undefined>>;
  nodes: ReadonlyMap<string, NodeTold>;
  /** From its first input to its last, in milliseconds. */
  durationMs: number | undefined;
}

const NOT_RUN = "not run";

/** Puts a recording together by its nodes; undefined for one of the original format, which has no ends. */
export function tellRecording(bundle: CaptureBundle): RecordingTold | undefined {
  if (!("inputs" in bundle)) return undefined;
  const nodes = new Map<string, NodeTold>();
  let [first, last]: (number | undefined)[] = [];
  for (const [index, input] of bundle.inputs.entries()) {
    const event = bundle.decisions[index]?.origin_event_id;
    if (input.type === "event" && input.kind !== "Pump") takeEvent(nodes, input);
    if (input.type === "completion" && event) takeEnd(nodes, nodeOfEvent(event), input);
    if (input.type === "withdraw") continue;
    last = millisecondsOf(input.type === "event" ? input.event_time : input.at);
    first ??= last;
  }
  const { graph_id: name, config } = bundle;
  const limits = mapConstraints((_, name) => {
    const limit = config[name];
    return limit === null ? undefined : formatLimit(limit);
  });
  return { name, limits, nodes, durationMs: first === undefined ? undefined : last! - first };
}

function takeEvent(
  nodes: Map<string, NodeTold>,
  { event_id: id, payload }: EventInputRecord,
): void {
  const node = nodeOfEvent(id);
  const asked = { end: NOT_RUN, durationMs: undefined, attempts: 0 };
  const gave = { output: undefined, result: undefined };
  nodes.set(node, { ...asked, ...gave, ...nodes.get(node), ...givenIn(payload) });
}

/** What a node runs, or a step is given. */
function givenIn(payload: string): Pick<NodeTold, "command" | "input"> {
  const nothing = { command: undefined, input: undefined };
  try {
    const given: unknown = JSON.parse(payloadText(payload));
    if (isCommandRecord(given)) return { ...nothing, command: commandLine(given.run) };
    return isObject(given) ? { ...nothing, input: jsonText(given.input) } : nothing;
  } catch {
    // A program of the user's may give any payload.
    return nothing;
  }
}

function jsonText(value: unknown): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}

function takeEnd(
  nodes: Map<string, NodeTold>,
  node: string,
  { termination, end: recorded = {} }: CompletionInputRecord,
): void {
  const end = recorded as EndRecord;
  const told = nodes.get(node);
  if (told === undefined || end.begun === false) return;
  told.attempts++;
  told.durationMs = plain(end.duration_ms);
  told.output = end.output_hash;
  told.result = end.result_hash ?? jsonText(end.result);
  told.end = termination === "Completed" ? "completed" : failureText({
    kind: errorKindOf(termination, end),
    exit_code: plain(end.exit_code),
    signal: end.signal,
  });
}

/** A number of a recording, which is kept as it was written. */
function plain(value: unknown): number | undefined {
  if (isRawJson(value)) return Number(numberOf(value));
  return typeof value === "number" ? value : undefined;
}

/** What differs, a line each; `withTimes`: how long each node took, too. */
export function diffInWords(a: RecordingTold, b: RecordingTold, withTimes: boolean): string[] {
  const lines: string[] = [];
  const ids = new Set([...a.nodes.keys(), ...b.nodes.keys()]);
  for (const id of ids) {
    const parts = nodeParts(a.nodes.get(id), b.nodes.get(id), withTimes);
    if (parts.length > 0) lines.push(`${id}: ${parts.join("; ")}`);
  }
  const name = change(a.name, b.name);
  if (name !== undefined) lines.unshift(`flow ${name}`);
  for (const limit of CONSTRAINT_NAMES) {
    const limits = change(a.limits[limit], b.limits[limit]);
    if (limits !== undefined) lines.push(`${limit} ${limits}`);
  }
  const times = change(lengthText(a.durationMs), lengthText(b.durationMs));
  if (times !== undefined && (lines.length > 0 || withTimes)) lines.push(`took ${times}`);
  return lines;
}

function nodeParts(a: NodeTold | undefined, b: NodeTold | undefined, withTimes: boolean): string[] {
  const parts = [change(a?.end ?? NOT_RUN, b?.end ?? NOT_RUN)];
  // Of a node that only one has, or that ran in one only, nothing else can be compared.
  if (a !== undefined && b !== undefined) {
    const command = change(a.command, b.command);
    parts.push(command && `runs ${command}`);
    const input = change(a.input, b.input);
    parts.push(input && `is given ${input}`);
    if (a.attempts > 0 && b.attempts > 0) {
      const attempts = change(`${a.attempts}`, `${b.attempts}`);
      parts.push(attempts && `attempts ${attempts}`);
      const isSameEnd = a.end === b.end;
      if (isSameEnd && a.output !== b.output) parts.push("printed something else");
      const result = isSameEnd ? change(a.result, b.result) : undefined;
      parts.push(result && `gave ${result}`);
      if (withTimes) parts.push(change(lengthText(a.durationMs), lengthText(b.durationMs)));
    }
  }
  return parts.filter((part) => part !== undefined);
}

function lengthText(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : formatDuration(milliseconds);
}

/** `12s → 15s`; undefined where nothing has changed. */
function change(before = "nothing", after = "nothing"): string | undefined {
  return before === after ? undefined : `${shortened(before)} → ${shortened(after)}`;
}
