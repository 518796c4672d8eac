/**
 * A program as data: what `interpreter.ts` runs, by a run that is recorded or by the model. What it comes to
 * depends on nothing but the data and on its choices: who won a race, which of several failures came first, and
 * whether a step had too few attempts left.
 */
import type { ConstraintsInit } from "../../../../supervisor/types.ts";

/** A value, in words that a JSON file can hold. */
export type PlannedValue =
  | { json: string }
  | { nothing: true }
  /** A text of so many characters of this one. */
  | { text: string; length: number }
  /** A list in a list, so many levels deep. */
  | { levels: number };

/** By what an attempt fails: the deadline of its step, an error that is or is not worth another attempt, a result. */
export type Failing = "error" | "fatal" | "hang" | "not-json";

/** A step. */
export interface PlannedStep {
  op: "step";
  id: string;
  gives: PlannedValue;
  /** How long it takes; without it the work does not await anything. */
  delayMs?: number;
  /** Whether it stops waiting when it is asked to. */
  isObedient?: boolean;
  fails?: Failing;
  /** How many attempts fail; all without it. */
  times?: number;
  /** Nothing catches its failure, so the program ends by that, and is started again. */
  isFragile?: boolean;
  /** A JSON object. */
  input?: string;
  retry?: { maxRetries?: number; maxAttempts?: number; delayMs?: number; factor?: number };
  timeoutMs?: number;
  /** Its result is checked, and put into a list by that. */
  isChecked?: boolean;
  /** Passes this gate. */
  passes?: { gate: string; value: PlannedValue };
}

/** A gate, and who passes it: a step of the program before, or whoever looks at it from outside. */
export interface PlannedGate {
  op: "gate";
  id: string;
  by: "step" | "other" | "denied" | "nobody";
  value: PlannedValue;
  /** Its value has to be this one, and another one is given first. */
  isChecked?: boolean;
}

/** A part of a program. */
export type Planned =
  | PlannedStep
  | PlannedGate
  | { op: "sleep"; id: string; ms: number }
  | { op: "record"; id: string; data: PlannedValue }
  | { op: "submit"; id: string; delayMs?: number }
  | { op: "seq"; parts: Planned[] }
  | { op: "all" | "race" | "any" | "settled"; id: string; branches: Planned[] }
  | { op: "try"; body: Planned; handler: Planned }
  /** A step gives numbers, and there is a step for each, one behind the other or all at once. */
  | { op: "loop"; id: string; numbers: number[]; atOnce: boolean; delayMs?: number }
  /** A step gives a number, which decides what follows. */
  | { op: "if"; id: string; number: number; then: Planned; otherwise: Planned };

/** A program. */
export interface PlannedProgram {
  /** Whether `durable` runs it, or it holds the run itself. */
  by: "durable" | "openRun";
  durability: "os" | "disk";
  constraints: ConstraintsInit;
  main: Planned;
}

/** Makes a value. */
export function valueOf(planned: PlannedValue): unknown {
  if ("json" in planned) return JSON.parse(planned.json);
  if ("text" in planned) return planned.text.repeat(planned.length);
  if ("nothing" in planned) return undefined;
  let value: unknown = [];
  for (let level = 1; level < planned.levels; level++) value = [value];
  return value;
}

const LONGEST_WHOLE = 80;

/** What a value is, in a few characters: the order of its members counts. */
export function digestOf(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  if (text.length <= LONGEST_WHOLE) return text;
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return `${text.slice(0, 20)}… ${text.length} ${hash >>> 0}`;
}

/** All parts of a program, the outer ones first; those of loops are made while it runs. */
export function* partsOf(planned: Planned): Generator<Planned, void> {
  yield planned;
  const inner = "parts" in planned
    ? planned.parts
    : "branches" in planned
    ? planned.branches
    : planned.op === "try"
    ? [planned.body, planned.handler]
    : planned.op === "if"
    ? [planned.then, planned.otherwise]
    : [];
  for (const part of inner) yield* partsOf(part);
}
