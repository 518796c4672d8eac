/**
 * A step that a program has asked for, and its attempts. What is always true:
 *
 * - **What the program gets is made of the text that is recorded**, never what the function returned, so that it
 *   gets the same when the run is gone on with.
 * - What a function has done stands: a result that cannot be recorded is a failure that is not tried again.
 */
import {
  checkFunction,
  checkObject,
  checkTypes,
  defined,
  isObject,
} from "../../_internal/errors.ts";
import { durationOfMs } from "../../_internal/event_time.ts";
import { encodeUtf8, reasonOf } from "../../_internal/text.ts";
import type { StandardSchema } from "../../eventlog/types.ts";
import type { EventRetry, RunRequest, RunTermination } from "../../supervisor/types.ts";
import { backoffOf } from "../engine/asks.ts";
import { wasBegun } from "../engine/lifecycle.ts";
import { errorRecordOf } from "../error_record.ts";
import { ownEntries, ownVariables, traceVariables } from "../marks.ts";
import { StepError } from "../step_error.ts";
import type { TraceParent } from "../attempt_queue.ts";
import type {
  AttemptEnd,
  CheckedStepOptions,
  EndRecord,
  ErrorRecord,
  HeldRun,
  NodeAttempt,
  StepContext,
  StepOptions,
  StepRetry,
} from "../types.ts";
import { MOST_INPUT_BYTES, programJson, textForLine } from "../program_json.ts";

/** What a step gives stands in the line of its end up to this size, and behind it in a file. */
const MOST_INLINE_BYTES = 64 * 1024;
const MOST_RESULT_BYTES = 16 * 1024 * 1024;
/** The most that the supervisor takes. */
const MOST_FACTOR = 1000;
/** A hundred years, which no program waits for. */
const LONGEST_MS = 100 * 365 * 24 * 60 * 60 * 1000;

/** What does the work of a step. */
export type StepWork = (context: StepContext) => unknown;

/** Where a step is made. */
interface StepPlace {
  held: HeldRun;
  /** The directory that holds the runs, or its address. */
  root: string;
  /** Aborts when the run is to end. */
  stop: AbortSignal;
  /** The span that the attempt is, where it is one. */
  trace: TraceParent | undefined;
}

/** A step that is asked for. */
export class StepCall {
  readonly id: string;
  /** The payload of its event, which holds its input. */
  readonly payload: string;
  readonly schema: StandardSchema<unknown> | undefined;
  /** How the event says that it is tried, where that is not as the constraints say. */
  readonly eventRetry: EventRetry | undefined;
  readonly #work: StepWork;
  /** Its input, where it has one. */
  readonly #input: string | undefined;
  readonly #options: StepOptions;
  /** What the program gets, by attempt: one that was given up may end while the next one is told. */
  readonly #given = new Map<number, unknown>();
  /** Which attempt was the last that has thrown, and where. */
  #thrown: { attempt: number; frames: string | undefined } | undefined;

  /**
   * @throws {TypeError} When an argument is of the wrong type.
   * @throws {RangeError} When a number is out of range.
   * @throws {RunError} `not-json` or `too-large`, of the input.
   */
  constructor(id: string, work: StepWork, options: StepOptions | CheckedStepOptions<unknown>) {
    checkFunction(work, "the work of the step");
    checkOptions(options);
    this.id = id;
    this.#work = work;
    this.#options = options;
    this.schema = "schema" in options ? options.schema : undefined;
    this.eventRetry = eventRetryOf(options);
    this.#input = inputText(id, options.input);
    this.payload = this.#input === undefined ? "{}" : `{"input":${this.#input}}`;
  }

  /** How many attempts may be begun at all. */
  get maxAttempts(): number | undefined {
    return this.#options.retry?.maxAttempts;
  }

  /** Whether an attempt may begin; else how it ends, which is none then. */
  mayBegin(attempt: number): true | AttemptEnd {
    const { maxAttempts = Infinity } = this;
    if (attempt <= maxAttempts) return true;
    const begun = attempt === 2 ? "1 attempt was" : `${attempt - 1} attempts were`;
    const error = {
      message: `${begun} begun, and maxAttempts is ${maxAttempts}`,
      code: "max-attempts",
    };
    return { termination: { Failed: "SemanticError" }, end: { begun: false, error } };
  }

  /** What the program gets of an attempt that has completed. */
  givenBy(attempt: number): unknown {
    return this.#given.get(attempt);
  }

  /** The failure of its last attempt; its stack is of what was thrown, which is what a person looks for. */
  failureOf(ended: EndedStep): StepError {
    const error = stepErrorOf(this.id, ended);
    const { attempt, frames } = this.#thrown ?? {};
    if (frames === undefined || attempt !== ended.attempt) return error;
    error.stack = `${error.name}: ${error.message}${frames}`;
    return error;
  }

  /** Makes an attempt. What it throws keeps the run from being recorded. */
  async run(request: RunRequest, attempt: NodeAttempt, place: StepPlace): Promise<AttemptEnd> {
    const startedMs = performance.now();
    const { termination, end } = await this.#attempt(request, attempt, place);
    const durationMs = Math.round(performance.now() - startedMs);
    return { termination, end: { ...end, duration_ms: durationMs } };
  }

  async #attempt(
    request: RunRequest,
    attempt: NodeAttempt,
    place: StepPlace,
  ): Promise<AttemptEnd> {
    let value: unknown;
    try {
      value = await this.#work(this.#contextOf(request.signal, attempt, place));
    } catch (error) {
      if (request.signal.aborted) return endOfAborted(request.signal, place.stop);
      this.#thrown = { attempt: attempt.attempt, frames: framesOf(error) };
      const Failed = isWorth(this.#options.retry?.if, error) ? "RuntimeError" : "SemanticError";
      return { termination: { Failed }, end: { error: errorRecordOf(error) } };
    }
    return await this.#keep(value, attempt, place);
  }

  #contextOf(
    signal: AbortSignal,
    { nodeId: stepId, attempt }: NodeAttempt,
    { held, root, trace }: StepPlace,
  ): StepContext {
    const { runId } = held.view;
    return {
      stepId,
      runId,
      attempt,
      // Of its own: what a function does to it is seen by no other attempt, and by nothing that is recorded.
      input: this.#input === undefined ? undefined : JSON.parse(this.#input),
      signal,
      get env() {
        const own = ownVariables({ root, runId, nodeId: stepId, attempt }, ownEntries());
        return trace === undefined ? own : { ...own, ...traceVariables(trace) };
      },
    };
  }

  /** Records what a function gave. */
  async #keep(value: unknown, attempt: NodeAttempt, { held }: StepPlace): Promise<AttemptEnd> {
    let json;
    try {
      json = programJson(value);
    } catch (error) {
      const message = `its result is no JSON: ${reasonOf(error)}: give it as plain JSON`;
      return finalFailure({ name: "TypeError", message, code: "not-json" });
    }
    const checked = await givenOf(json?.text, this.schema);
    if ("problem" in checked) {
      const message = `its result is not what its schema says: ${checked.problem}`;
      return finalFailure({ message, code: "schema" });
    }
    this.#given.set(attempt.attempt, checked.value);
    if (json === undefined) return { termination: "Completed", end: {} };
    const { text, isDeep } = json;
    if (text.length * 3 <= MOST_INLINE_BYTES && !isDeep) return inline(text);
    const bytes = encodeUtf8(text);
    if (bytes.length <= MOST_INLINE_BYTES && !isDeep) return inline(text);
    if (bytes.length > MOST_RESULT_BYTES) {
      const message =
        `its result has ${bytes.length} bytes, and ${MOST_RESULT_BYTES} is the most: ` +
        "name a file in it instead";
      return finalFailure({ name: "RangeError", message, code: "too-large" });
    }
    const sink = held.openOutput({ ...attempt, stream: "result" }, { maxBytes: bytes.length });
    sink.write(bytes, Date.now());
    await sink.ready();
    const { sha256 } = await sink.close({ sync: true });
    return { termination: "Completed", end: { result_hash: sha256 } };
  }
}

/** The text of an input; most steps have none, and no words of an error are made for it. */
function inputText(id: string, input: unknown): string | undefined {
  if (input === undefined) return undefined;
  return textForLine(input, {
    what: `the input of step ${JSON.stringify(id)}`,
    details: { nodeId: id },
    mostBytes: MOST_INPUT_BYTES,
  });
}

function inline(text: string): AttemptEnd {
  return { termination: "Completed", end: { result: JSON.parse(text) } };
}

/** A failure of what was done, which is not tried again. */
function finalFailure(error: ErrorRecord): AttemptEnd {
  return { termination: { Failed: "ValidationFailed" }, end: { error } };
}

/** How an attempt ended whose work was asked to end, and has thrown because of that or meanwhile. */
function endOfAborted({ reason }: AbortSignal, stop: AbortSignal): AttemptEnd {
  // A run may be stopped because its own time is over, which is no failure of the step.
  const isStop = stop.aborted && stop.reason === reason;
  return { termination: isStop ? "Aborted" : "TimedOut", end: {} };
}

function isWorth(
  isWorthRetrying: ((error: unknown) => boolean) | undefined,
  error: unknown,
): boolean {
  try {
    return isWorthRetrying?.(error) ?? true;
  } catch {
    return false;
  }
}

/**
 * What a program gets of a recorded text: what a schema makes of it, or what is wrong with it.
 */
export async function givenOf(
  text: string | undefined,
  schema: StandardSchema<unknown> | undefined,
): Promise<{ value: unknown } | { problem: string }> {
  const value: unknown = text === undefined ? undefined : JSON.parse(text);
  if (schema === undefined) return { value };
  try {
    const result = await schema["~standard"].validate(value);
    if (result.issues === undefined) return { value: result.value };
    return { problem: result.issues.map(({ message }) => message).join("; ") };
  } catch (error) {
    return { problem: `it has thrown ${reasonOf(error)}` };
  }
}

/** How the last attempt at a step has failed. */
interface EndedStep {
  attempt: number;
  termination: Exclude<RunTermination, "Completed">;
  end: EndRecord | undefined;
}

/** The failure of a step, by its last attempt, in the form in which it is recorded, the first time too. */
export function stepErrorOf(id: string, { attempt, termination, end }: EndedStep): StepError {
  return new StepError(id, wasBegun({ end }) ? attempt : attempt - 1, causeOf(termination, end));
}

/** Where something was thrown, as the lines of its stack; undefined where nobody knows. */
function framesOf(error: unknown): string | undefined {
  try {
    return /(?:\n {4}at [^\n]*)+$/.exec((error as Error).stack ?? "")?.[0];
  } catch {
    return undefined;
  }
}

function causeOf(
  termination: Exclude<RunTermination, "Completed">,
  end: EndRecord | undefined,
): ErrorRecord {
  // A copy: what a program does to it changes nothing that is recorded.
  if (end?.error !== undefined) return structuredClone(end.error);
  if (termination === "TimedOut") {
    return { name: "TimeoutError", message: "it did not end in time", code: "timeout" };
  }
  if (termination === "Aborted") return { name: "AbortError", message: "it was ended" };
  return { message: `it answered ${termination.Failed}` };
}

const OPTION_TYPES = { timeoutMs: "number?", retry: "object?", schema: "object?" } as const;
const RETRY_TYPES = {
  maxRetries: "number?",
  maxAttempts: "number?",
  delayMs: "number?",
  factor: "number?",
  maxDelayMs: "number?",
  if: "function?",
} as const;

function checkOptions(options: StepOptions | CheckedStepOptions<unknown>): void {
  checkTypes(options, OPTION_TYPES);
  if ("schema" in options && options.schema !== undefined) checkSchema(options.schema);
  const { retry, timeoutMs } = options;
  // Most steps say nothing of it.
  if (retry !== undefined) checkRetry(retry);
  if (timeoutMs !== undefined && !(timeoutMs > 0)) {
    throw new RangeError(`Cannot use timeoutMs ${timeoutMs}: it is not more than 0`);
  }
}

function checkRetry(retry: StepRetry): void {
  checkTypes(retry, RETRY_TYPES);
  const { maxRetries = 0, maxAttempts = 1, delayMs = 0, factor = 1, maxDelayMs = 0 } = retry;
  checkCount({ maxRetries }, { least: 0 });
  checkCount({ maxAttempts }, { least: 1 });
  checkCount({ factor }, { least: 1, most: MOST_FACTOR });
  for (const [name, value] of Object.entries({ delayMs, maxDelayMs })) {
    if (!(value >= 0)) {
      throw new RangeError(`Cannot use retry.${name} ${value}: it is not 0 or more`);
    }
  }
}

function checkCount(
  given: Record<string, number>,
  { least, most }: { least: number; most?: number },
): void {
  const range = most === undefined ? `from ${least} on` : `from ${least} to ${most}`;
  for (const [name, value] of Object.entries(given)) {
    if (Number.isSafeInteger(value) && value >= least && value <= (most ?? Infinity)) continue;
    throw new RangeError(`Cannot use retry.${name} ${value}: it is no whole number ${range}`);
  }
}

/** Refuses what is no Standard Schema. */
export function checkSchema(schema: unknown): void {
  const standard = isObject(schema) ? schema["~standard"] : checkObject(schema, "schema");
  if (isObject(standard) && typeof standard.validate === "function") return;
  throw new TypeError(
    'Cannot use schema: it is no Standard Schema, which has "~standard".validate',
  );
}

/** How the event that asks for a step says that it is tried, where that is not as the constraints say. */
function eventRetryOf({ retry, timeoutMs }: StepOptions): EventRetry | undefined {
  if (retry === undefined && timeoutMs === undefined) return undefined;
  const { maxRetries, delayMs = 0, factor = 1, maxDelayMs } = retry ?? {};
  return defined({
    max_retries: maxRetries,
    deadline: timeoutMs === undefined ? undefined : durationOfMs(wholeMs(timeoutMs)),
    backoff: backoffOf({
      delayMs: wholeMs(delayMs),
      factor,
      ...(maxDelayMs !== undefined && { maxDelayMs: wholeMs(maxDelayMs) }),
    }),
  });
}

function wholeMs(milliseconds: number): number {
  return Math.ceil(Math.min(milliseconds, LONGEST_MS));
}
