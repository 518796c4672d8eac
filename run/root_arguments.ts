/** What every root checks of what it is given, before it does anything. */
import { checkObject, checkOneOf, checkString, checkTypes, isObject } from "../_internal/errors.ts";
import { MAX_LINE_BYTES } from "../_internal/json_lines.ts";
import { checkRunId, checkRunName } from "../_internal/root_layout.ts";
import { encodeUtf8, NEWLINE, reasonOf } from "../_internal/text.ts";
import { refuseLoss, stringifyVisiting } from "../_internal/visit_json.ts";
import { runError } from "./run_error.ts";
import type { HoldOptions, InboxMessage, ListingField, ListOptions, RunAbout } from "./types.ts";

/** How long to wait for whoever holds a run: longer than anybody who only looks whether it is held. */
export const HOLD_TIMEOUT_MS = 500;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;

const USUAL_FIELDS = ["created", "holder", "ends"] as const;

/** Options of `RunsRoot.create`. */
export interface CreateOptions extends HoldOptions {
  about: RunAbout;
  runId?: string;
}

/** The options of a list, with their defaults. */
export function checkListOptions(options: ListOptions): {
  prefix: string;
  after: string | undefined;
  limit: number;
  newestFirst: boolean;
  runIds: ReadonlySet<string> | undefined;
  fields: ReadonlySet<ListingField>;
} {
  checkTypes(options, {
    ...{ prefix: "string?", after: "string?", limit: "number?", newestFirst: "boolean?" } as const,
    ...{ runIds: "object?", fields: "object?" } as const,
  });
  const { prefix = "", after, limit = DEFAULT_LIMIT, newestFirst = false } = options;
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new RangeError(`Cannot list ${limit} runs: limit must be from 1 to ${MAX_LIMIT}`);
  }
  const runIds = options.runIds && new Set(options.runIds);
  const fields = new Set(options.fields ?? USUAL_FIELDS);
  return { prefix, after, limit, newestFirst, runIds, fields };
}

/** Refuses what no run can be made of. */
export function checkCreateOptions(options: CreateOptions): void {
  checkTypes(options, { about: "object", runId: "string?", timeoutMs: "number?" });
  const { about, runId } = options;
  checkTypes(about, { name: "string", cwd: "string?", command: "object?", version: "string?" });
  checkDurability(options);
  if (runId === undefined) checkRunName(about.name);
  else checkRunId(runId);
}

/** Refuses what no run can be held by. */
export function checkHoldOptions(runId: string, options: HoldOptions): void {
  checkRunId(runId);
  checkTypes(options, { timeoutMs: "number?", takeOver: "boolean?" });
  checkDurability(options);
}

function checkDurability({ durability }: HoldOptions): void {
  if (durability !== undefined) checkOneOf(durability, "durability", ["os", "disk"]);
}

/** The text of a message, which is one line; what is none, or is too large, is refused. */
export function encodeMessage(message: InboxMessage): string {
  checkString(checkObject(message, "message").op, "message.op");
  if (!isObject(message) || message.op === "") {
    throw new TypeError("Cannot leave a message without an op: give it one that no other has");
  }
  let text: string | undefined;
  try {
    text = stringifyVisiting(message, refuseLoss);
  } catch (cause) {
    throw runError("not-json", `Cannot leave a message: ${reasonOf(cause)}`, { cause });
  }
  const { length } = encodeUtf8(text!);
  if (length > MAX_LINE_BYTES) {
    const problem = `Cannot leave a message of ${length} bytes: ${MAX_LINE_BYTES} is the most`;
    throw runError("too-large", problem, { details: { expected: MAX_LINE_BYTES, actual: length } });
  }
  return text!;
}

/** A line with a newline would be two. */
export function refuseNewlines(lines: readonly (string | Uint8Array)[]): void {
  for (const line of lines) {
    const has = typeof line === "string" ? line.includes("\n") : line.includes(NEWLINE);
    if (has) throw new TypeError("Cannot append a line that has a newline in it");
  }
}
