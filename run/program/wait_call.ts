/** What a program waits for: for how long, and what it gets when that is over. */
import { checkTypes } from "../../_internal/errors.ts";
import type { WaitedRecord } from "../../capture/types.ts";
import type { StandardSchema } from "../../eventlog/types.ts";
import { StepError } from "../step_error.ts";
import type { WaitForOptions } from "../types.ts";
import type { RecordedProgram } from "./recorded_program.ts";
import { checkSchema, givenOf } from "./step_call.ts";

/** The last time that a `Date` can say. */
const LATEST_MS = 8.64e15;

/**
 * Until when a sleep lasts, in milliseconds since 1970, if it is asked for at a given time.
 *
 * @throws {RangeError} When it is no length of time, and no time.
 */
export function untilOf(id: string, until: number | Date): (nowMs: number) => number {
  const isDate = until instanceof Date;
  // What is before 1970 is as past as what is behind it.
  const milliseconds = isDate ? Math.max(0, until.getTime()) : until;
  if (typeof milliseconds !== "number" || !(milliseconds >= 0)) {
    const expected = "it takes milliseconds, 0 or more, or a Date";
    throw new RangeError(`Cannot sleep ${JSON.stringify(id)} for ${String(until)}: ${expected}`);
  }
  return (nowMs) => Math.min(Math.ceil((isDate ? 0 : nowMs) + milliseconds), LATEST_MS);
}

/** Refuses options that nobody can keep to. */
export function checkWaitOptions(options: WaitForOptions): WaitForOptions {
  checkTypes(options, { timeoutMs: "number?", schema: "object?" });
  const { schema, timeoutMs } = options;
  if (schema !== undefined) checkSchema(schema);
  if (timeoutMs !== undefined && !(timeoutMs >= 0)) {
    throw new RangeError(`Cannot use timeoutMs ${timeoutMs}: it is not 0 or more`);
  }
  if (timeoutMs === undefined) return options;
  return { ...options, timeoutMs: timeoutMs > LATEST_MS ? Infinity : Math.ceil(timeoutMs) };
}

/** Says what is wrong with a value that came with passing a gate; undefined without a schema. */
export function checkOf(
  schema: StandardSchema<unknown> | undefined,
): ((value: unknown) => Promise<string | undefined>) | undefined {
  if (schema === undefined) return undefined;
  return async (value) => {
    const given = await givenOf(textOf(value), schema);
    return "problem" in given ? given.problem : undefined;
  };
}

/**
 * What the program gets of a gate.
 *
 * @throws {StepError} When it was not passed.
 * @throws {RunError} `mismatch`, when what was recorded is not what the schema says now.
 */
export async function valueOfGate(
  { id, how, value, by }: WaitedRecord,
  { schema, asks, recorded }: {
    schema: StandardSchema<unknown> | undefined;
    /** How often it was asked for. */
    asks: number;
    recorded: RecordedProgram;
  },
): Promise<unknown> {
  if (how === "denied") {
    const message = `the gate was denied${by === undefined ? "" : ` by ${by}`}`;
    throw new StepError(id, asks, { message, code: "gate-denied" });
  }
  if (how !== "passed") {
    throw new StepError(id, asks, { message: "nobody passed it in time", code: "gate-timeout" });
  }
  const given = await givenOf(textOf(value), schema);
  if ("value" in given) return given.value;
  if (recorded.isAccepted(id)) return structuredClone(value);
  const sides = { expected: value, actual: given.problem };
  throw recorded.mismatch(id, `its schema refuses it (${given.problem})`, sides);
}

function textOf(value: unknown): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}
