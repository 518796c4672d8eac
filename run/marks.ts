/**
 * What every command, and whatever a step starts, finds in its environment, and by which it is found again.
 *
 * - `TAFFRAIL_WITHIN` has one entry for every level of nesting. An entry is appended and never replaced, so
 *   a process bears the marks of all attempts that it is a part of.
 * - Every entry is ended by a newline: what is not ended was written by nobody of us, and is none.
 * - The fields of an entry never hold `|` or a newline, so that no name of a run or a node can forge one.
 */
import { requireDeno } from "../_internal/file_port.ts";
import { schemeOf } from "../_internal/root_layout.ts";
import type { TraceParent } from "./attempt_queue.ts";
import type { NodeAttempt } from "./types.ts";

/** The attempt that a process is a part of. */
export interface Mark extends NodeAttempt {
  /** The absolute path of the root, as it was found. */
  root: string;
  /** The run. */
  runId: string;
}

/** What an attempt finds in its environment, and hands to what it starts. */
export const OWN_VARIABLES = [
  "TAFFRAIL_RUN_ID",
  "TAFFRAIL_NODE_ID",
  "TAFFRAIL_ATTEMPT",
  "TAFFRAIL_ROOT",
  "TAFFRAIL_WITHIN",
  "TAFFRAIL_GRACE_MS",
  "TAFFRAIL_JOB_TOKEN",
] as const;

/** These variables; a grace is that of commands, and a token that of commands on workers. */
export type OwnVariables = Record<
  Exclude<(typeof OWN_VARIABLES)[number], "TAFFRAIL_GRACE_MS" | "TAFFRAIL_JOB_TOKEN">,
  string
>;

/** The entries that this process bears itself; none where it may not read its environment. */
export function ownEntries(): string {
  const within = grantedVariable("TAFFRAIL_WITHIN") ?? "";
  return within === "" || within.endsWith("\n") ? within : `${within}\n`;
}

/**
 * The variables of an attempt: names for people and scripts, and the mark, behind the entries that this
 * process bears itself.
 */
export function ownVariables(mark: Mark, within: string): OwnVariables {
  return {
    TAFFRAIL_RUN_ID: mark.runId,
    TAFFRAIL_NODE_ID: mark.nodeId,
    TAFFRAIL_ATTEMPT: String(mark.attempt),
    TAFFRAIL_ROOT: mark.root,
    TAFFRAIL_WITHIN: within + entryOf(mark),
  };
}

/** The variables by which a program is told of which span it is a part, by W3C Trace Context. */
export const TRACE_VARIABLES = ["TRACEPARENT", "TRACESTATE"] as const;

/** These variables of an attempt; none where nobody makes spans. */
export function traceVariables(
  trace: TraceParent | undefined,
): Partial<Record<(typeof TRACE_VARIABLES)[number], string>> {
  if (trace === undefined) return {};
  const { traceparent, tracestate } = trace;
  return {
    TRACEPARENT: traceparent,
    ...(tracestate !== undefined && { TRACESTATE: tracestate }),
  };
}

/** A variable of this process, where it may read that without being asked for it. */
export function grantedVariable(variable: string): string | undefined {
  const { permissions, env } = requireDeno();
  const { state } = permissions.querySync({ name: "env", variable });
  return state === "granted" ? env.get(variable) : undefined;
}

/** The value of `TAFFRAIL_RESUME`, which has a program go on with a run. */
export function resumeVariable({ root, runId }: Pick<Mark, "root" | "runId">): string {
  return [root, runId].map(encodeField).join("|");
}

/** The run that a program is to go on with, and its root; undefined when nobody said so. */
export function runToResume(): Pick<Mark, "root" | "runId"> | undefined {
  const fields = grantedVariable("TAFFRAIL_RESUME")?.split("|").map(decodeField) ?? [];
  const [root, runId] = fields;
  return fields.length === 2 ? { root: root!, runId: runId! } : undefined;
}

/** The run is gone on with: whoever this process starts is not to do so, too. */
export function forgetRunToResume(): void {
  requireDeno().env.delete("TAFFRAIL_RESUME");
}

/**
 * What is the same in all URLs of a database, whoever uses it and whatever its server is called; undefined for what
 * is no URL.
 */
export function databaseOf(root: string): string | undefined {
  if (schemeOf(root) === undefined || !URL.canParse(root)) return undefined;
  const { port, pathname } = new URL(root);
  return `${port || "5432"}${pathname}`;
}

/** The entry of an attempt. */
export function entryOf({ root, runId, nodeId, attempt }: Mark): string {
  return `${[root, runId, nodeId, String(attempt)].map(encodeField).join("|")}\n`;
}

/** The marks that an environment of `NAME=value` bears, the outermost first. */
export function marksIn(environment: readonly string[]): Mark[] {
  const variable = environment.find((text) => text.startsWith(WITHIN));
  if (variable === undefined) return [];
  const entries = variable.slice(WITHIN.length).split("\n");
  entries.pop();
  return entries.flatMap((entry) => parseEntry(entry) ?? []);
}

const WITHIN = "TAFFRAIL_WITHIN=";

function parseEntry(entry: string): Mark | undefined {
  const fields = entry.split("|").map(decodeField);
  const [root, runId, nodeId, number = ""] = fields;
  if (fields.length !== 4 || !/^[1-9]\d*$/.test(number)) return undefined;
  return { root: root!, runId: runId!, nodeId: nodeId!, attempt: Number(number) };
}

function encodeField(field: string): string {
  return field.replaceAll(/[%|\n]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  });
}

function decodeField(field: string): string {
  return field.replaceAll(/%(25|7C|0A)/g, (_, digits) => String.fromCharCode(parseInt(digits, 16)));
}
