/**
 * What a program comes to: what it would if nothing were recorded and nothing cut off. It is pure. Where a
 * program has a choice, such as who wins a race, the model is told how it went, and says whether it may.
 */
import { StepError } from "../../../../run/mod.ts";
import type { ErrorRecord } from "../../../../run/types.ts";
import { type Chosen, type Doer, failureOf, interpret, TOO_MANY } from "./interpreter.ts";
import {
  digestOf,
  type PlannedGate,
  type PlannedProgram,
  type PlannedStep,
  valueOf,
} from "./planned.ts";

/** What a program learns, by the id of what it is of: digests. */
export type Learned = Map<string, string>;

/** What a program comes to. */
export interface Outcome {
  value: unknown;
  learned: Learned;
  /** How many attempts at each step there are, if none is cut off. */
  attempts: Map<string, number>;
  /** What was asked for that is no step. */
  waits: Set<string>;
  records: Set<string>;
  submitted: Set<string>;
}

/** What a program comes to when its choices were as it has learned. */
export async function outcomeOf(program: PlannedProgram, learned: Learned): Promise<Outcome> {
  const model = new Model(learned);
  const value = await interpret(program.main, model);
  return { value, ...model.outcome };
}

/** What is noted of which of several it was. */
export function choiceText(index: number): string {
  return `chose ${index}`;
}

/** What is noted of a failure. */
export function failureText(error: unknown): string {
  return JSON.stringify(failureOf(error));
}

/** What is recorded of a failure. */
export function causeOf({ id, fails }: PlannedStep): ErrorRecord {
  if (fails === "hang") {
    return { name: "TimeoutError", message: "it did not end in time", code: "timeout" };
  }
  if (fails === "not-json") return { name: "TypeError", message: "", code: "not-json" };
  const message = `${id} is broken`;
  if (fails === "fatal") return { name: "RangeError", message, code: "E_FATAL" };
  return { name: "Error", message, causes: [{ name: "TypeError", message: "inner" }] };
}

class Model implements Doer {
  readonly #told: Learned;
  readonly outcome: Omit<Outcome, "value"> = {
    learned: new Map(),
    attempts: new Map(),
    waits: new Set(),
    records: new Set(),
    submitted: new Set(),
  };

  constructor(told: Learned) {
    this.#told = told;
  }

  async step(planned: PlannedStep): Promise<unknown> {
    const { id, fails, times, retry = {} } = planned;
    const { maxRetries = 0, maxAttempts = Infinity } = retry;
    const isFinal = fails === "fatal" || fails === "not-json";
    const tries = isFinal ? 1 : Math.min(maxRetries + 1, maxAttempts);
    const isForGood = fails !== undefined && times === undefined;
    this.outcome.attempts.set(id, isForGood ? tries : 1 + (times ?? 0));
    await undefined;
    if (isForGood) throw this.#fail(planned, causeOf(planned));
    const value = valueOf(planned.gives);
    const given = planned.isChecked ? [value] : value;
    this.outcome.learned.set(id, digestOf(given));
    return given;
  }

  /** One that was cut off too often does not fail by itself. */
  #fail({ id, retry }: PlannedStep, cause: ErrorRecord): StepError {
    const told = this.#told.get(id);
    let error = new StepError(id, 0, cause);
    if (retry?.maxAttempts !== undefined && told?.includes(`"${TOO_MANY}"`)) {
      error = new StepError(id, 0, { message: "", code: TOO_MANY });
    }
    this.outcome.learned.set(id, failureText(error));
    return error;
  }

  async gate({ id, by, value }: PlannedGate): Promise<unknown> {
    this.outcome.waits.add(id);
    await undefined;
    if (by === "denied" || by === "nobody") {
      const error = new StepError(
        id,
        0,
        by === "denied"
          ? { message: "the gate was denied by driver", code: "gate-denied" }
          : { message: "nobody passed it in time", code: "gate-timeout" },
      );
      this.outcome.learned.set(id, failureText(error));
      throw error;
    }
    const given = valueOf(value);
    this.outcome.learned.set(id, digestOf(given));
    return given;
  }

  async sleep(id: string): Promise<void> {
    this.outcome.waits.add(id);
    await undefined;
  }

  async record(id: string): Promise<void> {
    this.outcome.records.add(id);
    await undefined;
  }

  async submit(id: string): Promise<void> {
    this.outcome.submitted.add(id);
    await undefined;
  }

  async first(how: "race" | "any", id: string, branches: Promise<unknown>[]): Promise<Chosen> {
    const results = await Promise.allSettled(branches);
    const index = this.#chosen(id, branches.length);
    const result = results[index]!;
    if (result.status === "fulfilled") return { index, value: result.value };
    if (how === "any") throw new Error(`${id} chose ${index}, which fails`);
    throw result.reason;
  }

  async all(id: string, branches: Promise<unknown>[]): Promise<unknown[]> {
    const results = await Promise.allSettled(branches);
    if (results.every(({ status }) => status === "fulfilled")) return await Promise.all(branches);
    const result = results[this.#chosen(id, branches.length)]!;
    if (result.status === "rejected") throw result.reason;
    throw new Error(`${id} has failed by a branch that does not fail`);
  }

  #chosen(id: string, count: number): number {
    const told = this.#told.get(id) ?? "nothing";
    const index = Array.from({ length: count }, (_, index) => choiceText(index)).indexOf(told);
    if (index < 0) throw new Error(`Of ${id} the program has learned ${told}`);
    this.outcome.learned.set(id, told);
    return index;
  }
}
