/** The values that stand in a flow file: each is read as what it has to be, or said to be wrong. */
import { OWN_VARIABLES } from "../../run/marks.ts";
import { quoted } from "../text/printable.ts";
import { parseDuration } from "../text/units.ts";
import type { Json } from "./parse_jsonc.ts";

/** Says what is wrong, of whatever is read. */
export type Fail = (problem: string) => never;

/** What the variable begins with in which a node finds the path of what another one printed. */
export const OUTPUT_VARIABLE = "TAFFRAIL_OUTPUT_";

/** Reads members of which each may be absent. */
export function readerOf(object: Map<string, Json>, fail: Fail) {
  return <T>(key: string, read: (value: Json, key: string, fail: Fail) => T): T | undefined => {
    const value = object.get(key);
    return value === undefined ? undefined : read(value, key, fail);
  };
}

/** Refuses keys that nothing is known of. */
export function checkKeys(object: Map<string, Json>, known: readonly string[], fail: Fail): void {
  for (const key of object.keys()) {
    if (known.includes(key)) continue;
    fail(`has the unknown key ${quoted(key)}: known are ${known.join(", ")}`);
  }
}

/** A text with something in it that a program can be given. */
export function textIn(value: Json, key: string, fail: Fail): string {
  if (typeof value === "string" && value !== "" && !value.includes("\0")) return value;
  return fail(`has a "${key}" that is no text, or an empty one`);
}

/** A list of texts that a program can be given. */
export function textsIn(value: Json | undefined, key: string, fail: Fail): string[] {
  const isTexts = Array.isArray(value) &&
    value.every((item) => typeof item === "string" && !item.includes("\0"));
  return isTexts ? value as string[] : fail(`has a "${key}" that is no list of texts`);
}

/** A program and its arguments. */
export function commandIn(value: Json, key: string, fail: Fail): string[] {
  const argv = textsIn(value, key, fail);
  if (argv.length === 0 || argv[0] === "") fail(`names no program in "${key}"`);
  return argv;
}

/** One of some words. */
export function wordIn<Word extends string>(
  value: Json,
  { key, known, fail }: { key: string; known: readonly Word[]; fail: Fail },
): Word {
  const word = known.find((word) => word === value);
  const listed = known.map((word) => `"${word}"`).join(", ");
  return word ?? fail(`has the ${key} ${quoted(value)}: known are ${listed}`);
}

/** A yes or a no. */
export function flagIn(value: Json, key: string, fail: Fail): boolean {
  return typeof value === "boolean" ? value : fail(`has a "${key}" that is neither true nor false`);
}

/** A duration, in milliseconds; `shown`: what it is, and that of what follows something is said. */
export function durationIn(
  value: Json,
  { shown, fail, mayBeZero = false }: { shown: string; fail: Fail; mayBeZero?: boolean },
): number {
  const duration = typeof value === "string"
    ? parseDuration(value)
    : { problem: 'is no text: write one, such as "30s"' };
  if (typeof duration !== "number") return fail(`${shown} ${duration.problem}`);
  if (duration > 0 || mayBeZero) return duration;
  return fail(`${shown} leaves no time: leave it out, or write more`);
}

/** Variables, by their names. */
export function variablesIn(value: Json, fail: Fail): Record<string, string> {
  if (!(value instanceof Map)) return fail('has an "env" that is no object of texts');
  for (const [name, text] of value) {
    checkVariableName(name, (problem) => fail(`sets the variable ${quoted(name)}, ${problem}`));
    if (typeof text !== "string" || text.includes("\0")) {
      fail(`sets the variable ${quoted(name)} to something that is no text`);
    }
  }
  return Object.fromEntries(value as Map<string, string>);
}

/** Refuses what is no name of a variable, and those that are not the flow's. */
export function checkVariableName(name: string, fail: Fail): void {
  if (name === "" || /[=\0]/.test(name)) fail("which is no name of a variable");
  if (OWN_VARIABLES.some((own) => own === name)) fail("which is set for every node");
  if (name.startsWith(OUTPUT_VARIABLE)) fail("which is set for what a node needs");
}
