/**
 * What stays of records from which everything is to be left out that may be private. What is always true:
 *
 * - **What is not known to be harmless does not stay**: each table names what does, and all else goes. What a newer
 *   version, or another program, has added is not known.
 * - What has names (runs, flows, nodes, steps, gates, records), times, numbers, states and the words of the formats
 *   stay; commands, paths, values, texts for people, hosts and people do not. In their place stands `***`, so that it
 *   is told that there was something.
 * - A digest of what is left out goes with it: a short text could be guessed by it.
 */
import { isObject, isStringArray } from "../../_internal/errors.ts";
import { numberOf } from "../../_internal/wire_json/json_value.ts";
import { DIGEST_OF_NOTHING } from "../process/output_file.ts";

/** What stands for what was left out. */
export const MASK = "***";

/** What stays of a value; nothing where it gives undefined. */
export type Keep = (value: unknown) => unknown;

/** What stays of the members of an object, by their names. */
export type KeepMembers = Readonly<Record<string, Keep>>;

/** A name, a time or a word of a format, as a text. */
export const keepText: Keep = (value) => typeof value === "string" ? value : undefined;

/** A number, as it is spelt. */
export const keepNumber: Keep = (value) => numberOf(value) === undefined ? undefined : value;

/** True or false. */
export const keepFlag: Keep = (value) => typeof value === "boolean" ? value : undefined;

/** Names. */
export const keepTexts: Keep = (value) => isStringArray(value) ? value : undefined;

/** That there is something, and nothing of what. */
export const mask: Keep = (value) => value === undefined ? undefined : MASK;

/** That there is a text. */
export const maskText: Keep = (value) => typeof value === "string" ? MASK : undefined;

/** A word that names a kind of thing, such as the class of an error; no text that somebody wrote for people. */
export const keepWord: Keep = (value) => {
  if (typeof value !== "string") return undefined;
  return /^[\w$.-]{1,64}$/.test(value) ? value : MASK;
};

/** The digest of an output, where that has nothing in it. */
export const keepIfOfNothing: Keep = (value) => value === DIGEST_OF_NOTHING ? value : undefined;

/** Why a node was skipped, in the words of the engine. */
const SKIPPED =
  /^(?:needs .+, which (?:failed|was cancelled|was skipped|was not started)|when failure, .+)$/s;

/** Why nodes were skipped, by their names. */
export const keepSkipped: Keep = (value) => {
  if (!isObject(value)) return undefined;
  const reasons = Object.entries(value).map(([id, why]) => {
    return [id, typeof why === "string" && SKIPPED.test(why) ? why : MASK];
  });
  return Object.fromEntries(reasons);
};

/** Pairs of numbers. */
export const keepRanges: Keep = (value) => {
  if (!Array.isArray(value)) return undefined;
  const isRange = (one: unknown) => Array.isArray(one) && one.every(Number.isSafeInteger);
  return value.filter(isRange);
};

/** What stays of an object. */
export function keepMembers(value: unknown, members: KeepMembers): Record<string, unknown> {
  if (!isObject(value)) return {};
  const kept: Record<string, unknown> = {};
  for (const [name, keep] of Object.entries(members)) {
    const stays = Object.hasOwn(value, name) ? keep(value[name]) : undefined;
    if (stays !== undefined) kept[name] = stays;
  }
  return kept;
}

/** The reasons that the engine gives a run without knowing anything of what it ran. */
const REASONS: readonly RegExp[] = [
  /^cancelled(?: by (?:SIG[A-Z0-9]+|taffrail stop))?$/,
  /^(?:it was )?not finished$/,
  /^(?:deadline|sync|nodes were left out)$/,
];

/** Why a run was aborted, where nothing but names and words of the formats stand in it; `failed`: what failed. */
export function reasonKept(reason: unknown, failed: unknown): string {
  if (typeof reason !== "string") return MASK;
  const start = `node ${failed} failed: `;
  const isOfNode = typeof failed === "string" && reason.startsWith(start) &&
    /^\w+$/.test(reason.slice(start.length));
  return isOfNode || REASONS.some((known) => known.test(reason)) ? reason : MASK;
}
