/**
 * Runs a program that is data, by whoever does what it asks for: a run that is recorded, or the model. It looks
 * at nothing but what it is given, so that what it comes to is for these to say.
 */
import { StepError } from "../../../../run/mod.ts";
import { digestOf, type Planned, type PlannedGate, type PlannedStep, valueOf } from "./planned.ts";

/** Does what a program asks for. */
export interface Doer {
  step(planned: PlannedStep): Promise<unknown>;
  gate(planned: PlannedGate): Promise<unknown>;
  sleep(id: string, ms: number): Promise<void>;
  record(id: string, data: unknown): Promise<void>;
  submit(id: string, delayMs: number): Promise<void>;
  /** Which of these was over first, or was the first that did not fail. */
  first(how: "race" | "any", id: string, branches: Promise<unknown>[]): Promise<Chosen>;
  /** What all of these gave, unless one fails. */
  all(id: string, branches: Promise<unknown>[]): Promise<unknown[]>;
}

/** Which of several it was, and what it gave. */
export interface Chosen {
  index: number;
  value: unknown;
}

/** The code of what may not be tried once more, as it was cut off. */
export const TOO_MANY = "max-attempts";

/** What has failed, as a program tells it; what is no failure of a step is thrown on. */
export function failureOf(error: unknown): unknown {
  if (!(error instanceof StepError)) throw error;
  const { stepId, cause: { name = null, message, code = null, causes = null } } = error;
  // What is said of these is not for the model to know.
  const isSaid = code !== "not-json" && code !== TOO_MANY;
  return { failed: stepId, name, code, causes, ...(isSaid && { message }) };
}

/** Runs a program to its end; gives what it came to, as JSON. */
export async function interpret(planned: Planned, doer: Doer): Promise<unknown> {
  const interpreter = new Interpreter(doer);
  const value = await interpreter.run(planned);
  await interpreter.done();
  return value;
}

class Interpreter {
  readonly #doer: Doer;
  /** What may go on behind the back of the program, as it has lost a race. */
  readonly #branches: Promise<unknown>[] = [];

  constructor(doer: Doer) {
    this.#doer = doer;
  }

  /** Resolves when nothing goes on any more. */
  async done(): Promise<void> {
    // Whoever has lost may begin more of that.
    for (let branch; (branch = this.#branches.pop()) !== undefined;) await branch.catch(failureOf);
  }

  async run(planned: Planned): Promise<unknown> {
    const doer = this.#doer;
    switch (planned.op) {
      case "step":
        return digestOf(await doer.step(planned));
      case "gate":
        return digestOf(await doer.gate(planned));
      case "sleep":
        return digestOf(await doer.sleep(planned.id, planned.ms));
      case "record":
        return digestOf(await doer.record(planned.id, valueOf(planned.data)));
      case "submit":
        return digestOf(await doer.submit(planned.id, planned.delayMs ?? 0));
      case "seq":
        return await this.#behindEachOther(planned.parts.map((part) => () => this.run(part)));
      case "loop":
        return await this.#loop(planned);
      case "if":
        return await this.#decide(planned);
      case "try":
        return await this.#try(planned);
      default:
        return await this.#group(planned);
    }
  }

  async #behindEachOther(parts: (() => Promise<unknown>)[]): Promise<unknown[]> {
    const values: unknown[] = [];
    for (const part of parts) values.push(await part());
    return values;
  }

  async #loop({ id, numbers, atOnce, delayMs = 0 }: Planned & { op: "loop" }): Promise<unknown> {
    const gives = { json: JSON.stringify(numbers) };
    const found = await this.#doer.step({ op: "step", id, gives }) as number[];
    const parts = found.map((number) => () => {
      const gives = { json: String(number * 2) };
      return this.run({ op: "step", id: `${id}.${number}`, gives, delayMs });
    });
    if (!atOnce) return await this.#behindEachOther(parts);
    return await this.#doer.all(`${id}.all`, parts.map((part) => part()));
  }

  async #decide({ id, number, then, otherwise }: Planned & { op: "if" }): Promise<unknown> {
    const given = await this.#doer.step({ op: "step", id, gives: { json: String(number) } });
    return await this.run(given as number % 2 === 0 ? then : otherwise);
  }

  async #try({ body, handler }: Planned & { op: "try" }): Promise<unknown> {
    try {
      return await this.run(body);
    } catch (error) {
      return [failureOf(error), await this.run(handler)];
    }
  }

  async #group(
    { op, id, branches }: Planned & { op: "all" | "race" | "any" | "settled" },
  ): Promise<unknown> {
    const running = branches.map((branch) => this.run(branch));
    this.#branches.push(...running);
    if (op === "all") return await this.#doer.all(id, running);
    if (op === "settled") {
      return (await Promise.allSettled(running)).map((result) => {
        return result.status === "fulfilled" ? result.value : failureOf(result.reason);
      });
    }
    const { index, value } = await this.#doer.first(op, id, running);
    // What the program does next is another thing for each winner.
    const gives = { json: String(index) };
    return [value, await this.run({ op: "step", id: `${id}.${index}`, gives })];
  }
}
