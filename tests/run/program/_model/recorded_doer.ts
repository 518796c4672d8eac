/** Does what a program asks for by a run that is recorded, and notes what happens and what it learns. */
import {
  durable,
  openRun,
  type OpenRunOptions,
  passGate,
  type Run,
  StepError,
} from "../../../../run/mod.ts";
import type { RunsRoot, StepContext } from "../../../../run/types.ts";
import { canonicalText } from "../../../../run/program_json.ts";
import type { RunRequest, RunTermination } from "../../../../supervisor/types.ts";
import type { Effects } from "./effects.ts";
import { type Chosen, type Doer, interpret } from "./interpreter.ts";
import { causeOf, choiceText, failureText } from "./model.ts";
import {
  digestOf,
  type PlannedGate,
  type PlannedProgram,
  type PlannedStep,
  valueOf,
} from "./planned.ts";

/** Where a program runs. */
export interface Place {
  root: string | RunsRoot;
  runId: string;
  effects: Effects;
  /** Goes on with the newest run in place of that one. */
  resume?: "newest" | undefined;
}

/** The name of all planned programs. */
export const NAME = "planned";

/** Begins the run of a program, or goes on with it, to its end; gives what it came to. */
export async function runPlanned(program: PlannedProgram, place: Place): Promise<unknown> {
  const { root, runId, effects, resume } = place;
  const life = effects.count("life", NAME);
  effects.add("life", NAME, life);
  const options: OpenRunOptions = {
    ...{ root, name: NAME, durability: program.durability },
    ...(resume === undefined ? { runId } : { resume }),
    constraints: program.constraints,
    invoker: { run: (request) => doSubmitted(request, effects) },
    // A trace goes around a root that is on a simulated disk.
    ...(typeof root !== "string" && { trace: { mode: "off" } }),
  };
  const main = (run: Run) => interpret(program.main, new RecordedDoer(run, { ...place, life }));
  if (program.by === "durable") return await durable(options, main);
  await using run = await openRun(options);
  const value = await main(run).catch((error) => {
    // Of several that a stop has ended it is none that is told.
    run.signal.throwIfAborted();
    throw error;
  });
  const { state, unasked } = await run.finish(value);
  run.signal.throwIfAborted();
  if (state === "Completed" && unasked.length === 0) return value;
  throw new Error(`It ended as ${JSON.stringify(state)}, without ${unasked.join(", ")}`);
}

async function doSubmitted(
  { eventId: id, attempt, payload }: RunRequest,
  effects: Effects,
): Promise<RunTermination> {
  effects.add("begin", id, attempt);
  await wait(Number(payload.delayMs));
  effects.add("end", id, attempt);
  return "Completed";
}

class RecordedDoer implements Doer {
  readonly #run: Run;
  readonly #place: Place & { life: number };

  constructor(run: Run, place: Place & { life: number }) {
    this.#run = run;
    this.#place = place;
  }

  async step(planned: PlannedStep): Promise<unknown> {
    const { id, input, retry, timeoutMs, isChecked, isFragile = false } = planned;
    const given = input === undefined ? undefined : this.#inAnyOrder(JSON.parse(input));
    const options = {
      input: given,
      ...(retry && { retry: { ...retry, if: (error: unknown) => !isFatal(error) } }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    };
    const work = (context: StepContext<unknown>) => this.#attempt(planned, context);
    return await this.#learn(
      id,
      isChecked
        ? this.#run.step(id, work, { ...options, schema: IN_A_LIST })
        : this.#run.step(id, work, options),
      isFragile,
    );
  }

  /** The order of the members of an input does not count. */
  #inAnyOrder(input: Record<string, unknown>): Record<string, unknown> {
    const entries = Object.entries(input);
    return Object.fromEntries(this.#place.life % 2 === 0 ? entries : entries.reverse());
  }

  #attempt(planned: PlannedStep, context: StepContext<unknown>): unknown {
    const { id, delayMs = 0, input, fails } = planned;
    const { effects } = this.#place;
    effects.add("begin", id, context.attempt);
    const text = context.input === undefined ? undefined : JSON.stringify(context.input);
    if ((text && canonicalText(text)) !== (input && canonicalText(input))) {
      effects.add("problem", id, `its input is ${text}`);
    }
    if (delayMs === 0 && fails !== "hang") return this.#end(planned, context);
    return this.#endLater(planned, context);
  }

  async #endLater(planned: PlannedStep, context: StepContext<unknown>): Promise<unknown> {
    const { signal } = context;
    const { delayMs = 0, isObedient, fails } = planned;
    if (fails === "hang" && this.#isToFail(planned)) {
      const aborted = Promise.withResolvers<void>();
      signal.addEventListener("abort", () => aborted.resolve());
      if (!signal.aborted) await aborted.promise;
      if (signal.reason?.name === "TimeoutError") {
        this.#place.effects.add("fail", planned.id, context.attempt);
      }
      throw signal.reason;
    }
    if (delayMs > 0) await wait(delayMs);
    if (isObedient) signal.throwIfAborted();
    return this.#end(planned, context);
  }

  #isToFail({ id, fails, times = Infinity }: PlannedStep): boolean {
    return fails !== undefined && this.#place.effects.count("fail", id) < times;
  }

  /** How an attempt ends that has done its work. */
  #end(planned: PlannedStep, { attempt }: StepContext<unknown>): unknown {
    const { id, fails, gives, passes } = planned;
    const { effects, root, runId } = this.#place;
    if (this.#isToFail(planned)) {
      effects.add("fail", id, attempt);
      if (fails === "not-json") return { at: [new Date(0)] };
      const { message, code } = causeOf(planned);
      if (fails === "fatal") throw Object.assign(new RangeError(message), { code });
      throw new Error(message, { cause: new TypeError("inner") });
    }
    if (passes === undefined) {
      effects.add("end", id, attempt);
      return valueOf(gives);
    }
    const value = valueOf(passes.value);
    return passGate(root, runId, passes.gate, { value, op: `step ${passes.gate}` })
      .then(() => effects.add("end", id, attempt));
  }

  async gate({ id, by, isChecked, value }: PlannedGate): Promise<unknown> {
    if (by === "other" || by === "denied") this.#place.effects.add("gate", id);
    const expected = digestOf(valueOf(value));
    const schema = standardSchema((given) => {
      return digestOf(given) === expected ? { value: given } : { issues: [{ message: "odd" }] };
    });
    const options = { ...(isChecked && { schema }), ...(by === "nobody" && { timeoutMs: 4 }) };
    return await this.#learn(id, this.#run.waitFor(id, options));
  }

  sleep(id: string, ms: number): Promise<void> {
    return this.#run.sleep(id, ms);
  }

  record(id: string, data: unknown): Promise<void> {
    return this.#run.record(id, data);
  }

  submit(id: string, delayMs: number): Promise<void> {
    return this.#run.submit(id, { delayMs });
  }

  async first(how: "race" | "any", id: string, branches: Promise<unknown>[]): Promise<Chosen> {
    let over: number | undefined;
    const settled = branches.map((branch, index) =>
      branch.then(
        (value) => {
          over ??= index;
          return { index, value };
        },
        (error) => {
          if (how === "race") over ??= index;
          throw error;
        },
      )
    );
    try {
      return how === "race" ? await Promise.race(settled) : await Promise.any(settled);
    } finally {
      this.#note(id, over);
    }
  }

  async all(id: string, branches: Promise<unknown>[]): Promise<unknown[]> {
    let failed: number | undefined;
    const settled = branches.map((branch, index) =>
      branch.catch((error) => {
        if (!(error instanceof FragileError)) failed ??= index;
        throw error;
      })
    );
    try {
      return await Promise.all(settled);
    } finally {
      this.#note(id, failed);
    }
  }

  /** Nothing is learned by the end of the run. */
  #note(id: string, index: number | undefined): void {
    if (index === undefined || this.#run.signal.aborted) return;
    this.#place.effects.add("learned", id, choiceText(index));
  }

  /** Notes what the program learns. */
  async #learn(id: string, learning: Promise<unknown>, isFragile = false): Promise<unknown> {
    const { effects } = this.#place;
    let value: unknown;
    try {
      value = await learning;
    } catch (error) {
      if (isFragile && error instanceof StepError) throw new FragileError(error);
      if (error instanceof StepError) {
        effects.add("learned", id, failureText(error));
        effects.add("attempts", id, error.attempts);
      }
      throw error;
    }
    effects.add("learned", id, digestOf(value));
    return value;
  }
}

/** The failure of a step that ends the program. */
class FragileError extends Error {
  constructor(cause: StepError) {
    super(cause.message, { cause });
  }
}

function isFatal(error: unknown): boolean {
  return error instanceof RangeError;
}

function standardSchema(
  validate: (value: unknown) => { value: unknown } | { issues: { message: string }[] },
) {
  return { "~standard": { version: 1, vendor: "test", validate } } as const;
}

const IN_A_LIST = standardSchema((value) => ({ value: [value] }));

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
