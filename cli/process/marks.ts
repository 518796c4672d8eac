/**
 * What every command finds in its environment, and by which it and all that it starts is found again.
 *
 * - `TAFFRAIL_WITHIN` has one entry for every level of nesting. An entry is appended and never replaced, so
 *   a process bears the marks of all attempts that it is a part of.
 * - Every entry is ended by a newline: what is not ended was written by nobody of us, and is none.
 * - The fields of an entry never hold `|` or a newline, so that no name of a run or a node can forge one.
 */
import type { NodeAttempt } from "../../run/types.ts";
import type { OwnVariable } from "../flow/flow_values.ts";

/** The attempt that a process is a part of. */
export interface Mark extends NodeAttempt {
  /** The absolute path of the root, as it was found. */
  root: string;
  /** The run. */
  runId: string;
}

/** The variables that a command gets for an attempt. */
export type OwnVariables = Record<OwnVariable, string>;

/** What the commands of a run inherit. */
export interface Inheritance {
  /** The entries that this process bears itself. */
  within: string;
  /** The grace of its commands, in milliseconds: a run among them takes a shorter one. */
  graceMs: number;
}

/** The entries that this process bears itself. */
export function ownEntries(): string {
  const within = Deno.env.get("TAFFRAIL_WITHIN") ?? "";
  return within === "" || within.endsWith("\n") ? within : `${within}\n`;
}

/** The variables of a command: names for people and scripts, and the mark. */
export function ownVariables(mark: Mark, { within, graceMs }: Inheritance): OwnVariables {
  return {
    TAFFRAIL_RUN_ID: mark.runId,
    TAFFRAIL_NODE_ID: mark.nodeId,
    TAFFRAIL_ATTEMPT: String(mark.attempt),
    TAFFRAIL_ROOT: mark.root,
    TAFFRAIL_WITHIN: within + entryOf(mark),
    TAFFRAIL_GRACE_MS: String(graceMs),
  };
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

/** A field of an entry, in which nothing stands that has a meaning there. */
export function encodeField(field: string): string {
  return field.replaceAll(/[%|\n]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  });
}

function decodeField(field: string): string {
  return field.replaceAll(/%(25|7C|0A)/g, (_, digits) => String.fromCharCode(parseInt(digits, 16)));
}
