import { checkTypes, isObject } from "../_internal/errors.ts";
import { isUlid, ulidAfter } from "../_internal/root_layout.ts";
import { GATE_METHODS } from "../_internal/wire_names.ts";
import type { StandardSchema } from "./types.ts";

/** Members that every event of a run has. */
export interface RunEventBase {
  /** A lower-case ULID, unique and increasing within the run (OEV-1). */
  id: string;
  /** RFC 3339, UTC, with milliseconds (OEV-2). */
  ts: string;
  /** `<name>-<lower-case ULID>` (OEV-3). */
  run_id: string;
}

/** One input of a run. */
export interface Input {
  /** Its name. */
  key: string;
  /** Its value. */
  value: string;
}

/** What a node is. */
export type NodeKind = "bash" | "command" | "prompt" | "loop";

/** Why a node failed. */
export type ErrorKind =
  | "crash"
  | "blocked"
  | "max_iterations_exceeded"
  | "host_missing"
  | "timeout"
  | "gate_failed";

/** How a gate was passed. */
export type GateMethod = "hook" | "human_cli" | "mcp_tool";

/** The failure of a node. */
export interface NodeError {
  /** Why it failed. */
  kind: ErrorKind;
  /** Whether it was ended by whoever ended the run, and did not fail by itself; its kind is then `crash`. */
  cancelled?: boolean;
  /** The exit code of its process, where it ended by itself. */
  exit_code?: number;
  /** The signal that ended its process. */
  signal?: string;
}

/** A run begins, or is gone on with. */
export interface PipeStarted extends RunEventBase {
  /** The tag. */
  type: "pipe.started";
  /** The name of the flow. */
  pipe: string;
  /** The inputs of the run. */
  inputs: Input[];
  /** The version of the program that runs it. */
  distro_version: string;
  /** The ids of all nodes, so that those that have not started are known too. */
  nodes?: string[];
  /** Whether it was begun before, and is gone on with: what is known of its nodes stands. */
  resumed?: boolean;
  /** The lines of the log that were found damaged then, each from the first to the last of a part. */
  damaged?: [first: number, last: number][];
  /** The span that stands for this sitting of the run in a distributed trace, as W3C Trace Context writes it. */
  traceparent?: string;
  /** The span that this one is a part of, where it is of one that others began: 16 hexadecimal digits. */
  parent_span_id?: string;
}

/** A run ended well. */
export interface PipeCompleted extends RunEventBase {
  /** The tag. */
  type: "pipe.completed";
  /** How long it took since its last `pipe.started`, in milliseconds. */
  duration_ms?: number;
  /** The nodes that were skipped, each with why. */
  skipped?: Record<string, string>;
  /** What a program has ended with: any JSON. */
  output?: unknown;
}

/** A run ended otherwise. */
export interface PipeAborted extends RunEventBase {
  /** The tag. */
  type: "pipe.aborted";
  /** Why, for people. */
  reason: string;
  /** How long it took since its last `pipe.started`, in milliseconds. */
  duration_ms?: number;
  /** The nodes that were skipped, each with why. */
  skipped?: Record<string, string>;
}

/** An attempt at a node begins. */
export interface NodeStarted extends RunEventBase {
  /** The tag. */
  type: "node.started";
  /** The node. */
  node_id: string;
  /** What it is. */
  kind: NodeKind;
  /** The task that it runs, one of `deno.json` or a step of a program, where it does; its kind is `command`. */
  task?: string;
  /** Its name for people. */
  name?: string | null;
  /** The model it uses. */
  model?: string | null;
  /** The attempt, from 1. */
  attempt?: number;
}

/** An attempt at a node ended well. */
export interface NodeCompleted extends RunEventBase {
  /** The tag. */
  type: "node.completed";
  /** The node. */
  node_id: string;
  /** What the step of a program has given: any JSON; left out where that is long, or nothing. */
  output?: unknown;
  /** The SHA-256 of that, in hexadecimal digits, where it is long and kept in a file. */
  result_hash?: string;
  /** A digest of what it gave. */
  output_hash?: string;
  /** A digest of what it printed as errors, where it was a command. */
  error_hash?: string;
  /** How many bytes of its output were left out of what is kept. */
  output_cut?: number;
  /** The same of what it printed as errors. */
  error_cut?: number;
  /** Whether secret values stood in its output, which are not kept. */
  output_masked?: boolean;
  /** What it printed went to the terminal that it shared, and was not recorded. */
  terminal?: true;
  /** How long it took, in milliseconds. */
  duration_ms?: number;
  /** The attempt, from 1. */
  attempt?: number;
}

/** An attempt at a node failed. */
export interface NodeFailed extends RunEventBase {
  /** The tag. */
  type: "node.failed";
  /** The node. */
  node_id: string;
  /** Why. */
  error: NodeError;
  /** The tail of its error output, for people. */
  message?: string | null;
  /** A digest of what it printed. */
  output_hash?: string;
  /** A digest of what it printed as errors. */
  error_hash?: string;
  /** How many bytes of its output were left out of what is kept. */
  output_cut?: number;
  /** The same of what it printed as errors. */
  error_cut?: number;
  /** Whether secret values stood in its output, which are not kept. */
  output_masked?: boolean;
  /** What it printed went to the terminal that it shared, and was not recorded. */
  terminal?: true;
  /** Of a gate: since when the run waited at it. */
  since?: string;
  /** How long it took, in milliseconds. */
  duration_ms?: number;
  /** The attempt, from 1. */
  attempt?: number;
}

/** A gate behind a node was passed, or one that is a node of its own: then its name is that of the node. */
export interface GatePassed extends RunEventBase {
  /** The tag. */
  type: "gate.passed";
  /** The node. */
  node_id: string;
  /** The name of the gate. */
  gate: string;
  /** How. */
  method: GateMethod;
  /** Since when the run waited at it, where it is a node of its own. */
  since?: string;
  /** How long it did, in milliseconds. */
  duration_ms?: number;
  /** How often it was asked, this time included. */
  attempt?: number;
  /** Who has passed it. */
  by?: string;
}

/** A loop node begins a round. */
export interface IterationStarted extends RunEventBase {
  /** The tag. */
  type: "iteration.started";
  /** The node. */
  node_id: string;
  /** The round, from 1. */
  iteration: number;
  /** Where its output begins in the node's output file. */
  byte_offset: number;
}

/** The events that this version knows. */
export type KnownRunEvent =
  | PipeStarted
  | PipeCompleted
  | PipeAborted
  | NodeStarted
  | NodeCompleted
  | NodeFailed
  | GatePassed
  | IterationStarted;

/** An event of a later version: it is delivered, and never makes a run unreadable. */
export interface OtherRunEvent extends RunEventBase {
  /** A tag that this version does not know. */
  type: string;
  /** Whatever it carries. */
  [member: string]: unknown;
}

/** An event of a run: one of the known ones, told by its `type`, or any other. */
export type RunEvent = KnownRunEvent | OtherRunEvent;

const KNOWN_TYPES: ReadonlySet<string> = new Set<KnownRunEvent["type"]>([
  "pipe.started",
  "pipe.completed",
  "pipe.aborted",
  "node.started",
  "node.completed",
  "node.failed",
  "gate.passed",
  "iteration.started",
]);

/**
 * Tells whether an event has a type that this version knows, so that TypeScript can tell the known
 * ones apart. The members are not checked: that is what a schema is for.
 *
 * @param event The event.
 * @returns Whether its `type` is a known one.
 *
 * @example Usage
 * ```ts
 * import { isKnownRunEvent, type RunEvent } from "@taffrail/taffrail/eventlog";
 *
 * function failedNode(event: RunEvent): string | undefined {
 *   if (isKnownRunEvent(event) && event.type === "node.failed") return event.node_id;
 * }
 * ```
 */
export function isKnownRunEvent(event: RunEvent): event is KnownRunEvent {
  return KNOWN_TYPES.has(event.type);
}

/** What is wrong with a value; undefined when nothing is. */
type Check = (value: unknown) => string | undefined;

const text: Check = (value) => typeof value === "string" ? undefined : wrong(value, "a string");
const optionalText: Check = (value) => value == null ? undefined : text(value);
const node = { node_id: text };

/** The members of each type that the original program needs, besides those that all have. */
const MEMBERS = new Map<unknown, Record<string, Check>>(Object.entries({
  "pipe.started": {
    pipe: text,
    inputs: listOf(struct("Input", { key: text, value: text })),
    distro_version: text,
  },
  "pipe.completed": {},
  "pipe.aborted": { reason: text },
  "node.started": {
    ...node,
    kind: oneOf<NodeKind>("bash", "command", "prompt", "loop"),
    name: optionalText,
    model: optionalText,
  },
  "node.completed": node,
  "node.failed": {
    ...node,
    error: struct("NodeError", {
      kind: oneOf<ErrorKind>(
        "crash",
        "blocked",
        "max_iterations_exceeded",
        "host_missing",
        "timeout",
        "gate_failed",
      ),
    }),
    message: optionalText,
  },
  "gate.passed": {
    ...node,
    gate: text,
    method: oneOf<GateMethod>(...GATE_METHODS),
  },
  "iteration.started": {
    ...node,
    iteration: count("u32", 2 ** 32 - 1),
    byte_offset: count("u64", Number.MAX_SAFE_INTEGER),
  },
}));

/** Deeper nesting the JSON reader of the original program refuses. */
const MOST_LEVELS = 127;

/**
 * What the original program takes for an event of a run, as a [Standard Schema](https://standardschema.dev):
 * its eight types with the members that they need, each of the right type, and its words where it knows a
 * list of them. Members that it does not know may be there. Reading strictly with this schema refuses what
 * that program refuses, and in its words; reading without one is for logs that other versions write too. Not
 * seen is what parsing hides: a key that stands twice, and `1.0` in the place of an integer.
 *
 * @example Read a run as the original program would
 * ```ts
 * import { EventLogError, readRunSync, runEventSchema } from "@taffrail/taffrail/eventlog";
 * import { assertThrows } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await Deno.mkdir(`${root}/runs/demo`, { recursive: true });
 * const event = { type: "node.slept", id: "01kpfntqeej7vhn935kc0tm9vp", ts: "", run_id: "demo" };
 * await Deno.writeTextFile(`${root}/runs/demo/events.jsonl`, `${JSON.stringify(event)}\n`);
 *
 * const strict = readRunSync(root, "demo", { strict: true, schema: runEventSchema });
 * assertThrows(() => [...strict], EventLogError, "unknown variant `node.slept`");
 * ```
 */
export const runEventSchema: StandardSchema<RunEvent> = {
  "~standard": {
    version: 1,
    vendor: "taffrail",
    validate: (value) => {
      const message = eventProblem(value);
      return message === undefined ? { value: value as RunEvent } : { issues: [{ message }] };
    },
  },
};

function eventProblem(value: unknown): string | undefined {
  if (!isObject(value)) return wrong(value, "internally tagged enum Event");
  const { type } = value;
  if (type === undefined) return "missing field `type`";
  const members = MEMBERS.get(type);
  if (members !== undefined) {
    return membersProblem(value, { id: text, ts: text, run_id: text, ...members }) ??
      contentProblem(value);
  }
  return typeof type === "string"
    ? unknownVariant(type, [...MEMBERS.keys()])
    : wrong(type, "variant identifier");
}

function membersProblem(
  object: Record<string, unknown>,
  checks: Record<string, Check>,
): string | undefined {
  // What stands there is read first, in its order; then what does not is missed.
  for (const [name, value] of Object.entries(object)) {
    const check = Object.hasOwn(checks, name) && value !== undefined ? checks[name] : undefined;
    const problem = check?.(value);
    if (problem !== undefined) return problem;
  }
  const missing = Object.keys(checks).find((name) =>
    object[name] === undefined && checks[name] !== optionalText
  );
  return missing === undefined ? undefined : `missing field \`${missing}\``;
}

/** What no text of the original program can hold, wherever it stands. */
function contentProblem(event: object): string | undefined {
  const open: { value: object; level: number }[] = [{ value: event, level: 1 }];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (at.level > MOST_LEVELS) return "recursion limit exceeded";
    for (const [key, value] of Object.entries(at.value)) {
      const isText = key.isWellFormed() && (typeof value !== "string" || value.isWellFormed());
      if (!isText) return "unexpected end of hex escape";
      if (typeof value === "object" && value !== null) open.push({ value, level: at.level + 1 });
    }
  }
  return undefined;
}

function struct(name: string, checks: Record<string, Check>): Check {
  return (value) =>
    isObject(value) ? membersProblem(value, checks) : wrong(value, `struct ${name}`);
}

function listOf(check: Check): Check {
  return (value) => {
    if (!Array.isArray(value)) return wrong(value, "a sequence");
    return value.map(check).find((problem) => problem !== undefined);
  };
}

function oneOf<Word extends string>(...words: Word[]): Check {
  return (value) => {
    if (typeof value !== "string") return wrong(value, "string or map");
    return words.some((word) => word === value) ? undefined : unknownVariant(value, words);
  };
}

function count(name: string, most: number): Check {
  return (value) => {
    if (!Number.isInteger(value)) return wrong(value, name);
    const isCount = (value as number) >= 0 && (value as number) <= most;
    return isCount ? undefined : `invalid value: integer \`${value}\`, expected ${name}`;
  };
}

function unknownVariant(found: string, known: readonly unknown[]): string {
  const names = known.map((name) => `\`${name}\``).join(", ");
  return `unknown variant \`${found}\`, expected one of ${names}`;
}

function wrong(value: unknown, expected: string): string {
  return `invalid type: ${describe(value)}, expected ${expected}`;
}

function describe(value: unknown): string {
  if (typeof value === "string") return `string ${JSON.stringify(value)}`;
  if (typeof value === "boolean") return `boolean \`${value}\``;
  if (typeof value === "number") {
    return `${Number.isInteger(value) ? "integer" : "floating point"} \`${value}\``;
  }
  if (Array.isArray(value)) return "sequence";
  return isObject(value) ? "map" : "null";
}

let lastEventId: string | undefined;

/**
 * Makes the id of a new event: a lower-case ULID, greater than all that this function gave out
 * before in this process (OEV-1).
 *
 * @param options `after`: an id that the new one must be greater than, such as the last one of a
 * log that another process began.
 * @returns The id.
 * @throws {RangeError} If no greater ULID exists.
 *
 * @example Usage
 * ```ts
 * import { newEventId } from "@taffrail/taffrail/eventlog";
 * import { assert } from "@std/assert";
 *
 * const first = newEventId();
 * assert(newEventId() > first);
 * ```
 */
export function newEventId(options: { after?: string } = {}): string {
  checkTypes(options, { after: "string?" });
  const { after } = options;
  if (after !== undefined && !isUlid(after)) {
    throw new TypeError(`Cannot make an event id after "${after}": it is no lower-case ULID`);
  }
  const floor = after !== undefined && after > (lastEventId ?? "") ? after : lastEventId;
  lastEventId = ulidAfter(floor, Date.now());
  return lastEventId;
}
