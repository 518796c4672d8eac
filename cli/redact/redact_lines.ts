/** What stays of the lines of a run that are no journal: its events, its processes, and what was left for its holder. */
import { isObject } from "../../_internal/errors.ts";
import { decodeUtf8, encodeUtf8 } from "../../_internal/text.ts";
import {
  keepFlag,
  keepIfOfNothing,
  type KeepMembers,
  keepMembers,
  keepNumber,
  keepRanges,
  keepSkipped,
  keepText,
  keepTexts,
  keepWord,
  MASK,
  mask,
  maskText,
  reasonKept,
} from "./masks.ts";

const EVENT = { type: keepText, id: keepText, ts: keepText, run_id: keepText };

const ATTEMPT = {
  ...EVENT,
  node_id: keepText,
  output_hash: keepIfOfNothing,
  error_hash: keepIfOfNothing,
  terminal: keepFlag,
  duration_ms: keepNumber,
  attempt: keepNumber,
};

const EVENTS: Readonly<Record<string, KeepMembers>> = {
  "pipe.started": {
    ...EVENT,
    pipe: keepText,
    inputs: () => [],
    distro_version: keepText,
    nodes: keepTexts,
    resumed: keepFlag,
    damaged: keepRanges,
  },
  "node.started": {
    ...EVENT,
    node_id: keepText,
    kind: keepText,
    task: keepText,
    name: maskText,
    model: maskText,
    attempt: keepNumber,
  },
  "iteration.started": {
    ...EVENT,
    node_id: keepText,
    iteration: keepNumber,
    byte_offset: keepNumber,
  },
  "gate.passed": {
    ...EVENT,
    node_id: keepText,
    gate: keepText,
    method: keepText,
    attempt: keepNumber,
    since: keepText,
    duration_ms: keepNumber,
    by: maskText,
  },
  "node.completed": { ...ATTEMPT, output: mask },
  "node.failed": {
    ...ATTEMPT,
    since: keepText,
    by: maskText,
    error: (error) =>
      keepMembers(error, {
        kind: keepWord,
        cancelled: keepFlag,
        exit_code: keepNumber,
        signal: keepWord,
      }),
    message: keepMessage,
  },
  "pipe.completed": {
    ...EVENT,
    duration_ms: keepNumber,
    skipped: keepSkipped,
    output: mask,
  },
  "pipe.aborted": {
    ...EVENT,
    failed_step: keepText,
    duration_ms: keepNumber,
    skipped: keepSkipped,
  },
};

/** What the engine says of an attempt without knowing anything of what it ran. */
const MESSAGES: readonly string[] = [
  "cut off: nobody has seen its end",
  "nobody passed it in time",
];

function keepMessage(message: unknown): unknown {
  if (typeof message !== "string" || MESSAGES.includes(message)) return message ?? undefined;
  return message.startsWith("it was denied") ? "it was denied" : MASK;
}

/** What stays of an event; of one that is none of the command's, that it was there. */
export function redactEvent(event: Record<string, unknown>): Record<string, unknown> {
  const { type } = event;
  const members = typeof type === "string" && Object.hasOwn(EVENTS, type)
    ? EVENTS[type]!
    : { ...EVENT, type: mask };
  const kept = keepMembers(event, members);
  // What was long is told of in a line as what was short is.
  if (type === "node.completed" && "result_hash" in event) kept.output = MASK;
  if (type === "pipe.aborted") kept.reason = reasonKept(event.reason, event.failed_step);
  return kept;
}

const PROCESS: KeepMembers = { node_id: keepText, attempt: keepNumber, pid: keepNumber };

const MESSAGE: KeepMembers = {
  op: keepText,
  by: maskText,
  gate: keepText,
  method: keepText,
  value: mask,
  denied: keepFlag,
  stop: keepText,
  token: keepText,
};

/** What stays of a line of a stream. */
export const LINES: Readonly<
  Record<
    "events" | "processes" | "inbox",
    (line: Record<string, unknown>) => Record<string, unknown>
  >
> = {
  events: redactEvent,
  processes: (line) => keepMembers(line, PROCESS),
  inbox: (line) => keepMembers(line, MESSAGE),
};

/** What stands for a line that is none. */
export const UNREADABLE: Uint8Array = encodeUtf8(
  "[taffrail: a line that cannot be read is left out]",
);

/** What stays of a line, where it is an object; a blank one is blank, and damage is other damage. */
export function redactLine(
  line: Uint8Array,
  redact: (line: Record<string, unknown>) => Record<string, unknown>,
): Uint8Array {
  if (line.length === 0) return line;
  let content: unknown;
  try {
    content = JSON.parse(decodeUtf8(line));
  } catch {
    return UNREADABLE;
  }
  return isObject(content) ? encodeUtf8(JSON.stringify(redact(content))) : UNREADABLE;
}
