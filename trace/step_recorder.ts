import { redactMessage, type RedactTrace, takeText } from "./payload.ts";
import {
  elapsedMs,
  operationOf,
  operationWithoutMapping,
  RecordedStep,
  RecordedValue,
} from "./recorded_step.ts";
import { StepBuffer, StepsInFlight } from "./step_buffer.ts";
import type { TraceClock } from "./trace_config.ts";
import type { NodeEvent, TraceCause, TraceConfig, ValidationIssue } from "./types.ts";

/** What a {@linkcode StepRecorder} goes by. */
interface StepRecorderParts {
  readonly config: TraceConfig;
  readonly redact: RedactTrace | undefined;
  readonly clock: TraceClock;
}

/** Makes steps of events, and says which steps there are. It writes nothing. */
export class StepRecorder {
  /** The steps that have ended. */
  readonly buffer: StepBuffer;
  /** The others. */
  readonly inFlight = new StepsInFlight();
  /** How many errors were recorded. */
  failures = 0;
  /** How many times anything has changed. */
  changes = 0;
  readonly #parts: StepRecorderParts;
  readonly #reported = new ReportedErrors();
  #steps = 0;
  /** How many steps had started when a node failed that the flow has not yet answered for. */
  #stepsAtFailure = 0;

  constructor(parts: StepRecorderParts) {
    this.buffer = new StepBuffer(parts.config);
    this.#parts = parts;
  }

  /** A node starts (TRC-6). */
  start(event: NodeEvent): void {
    const step = this.#newStep(event, operationOf(event.node));
    this.#take(step, step.input, event.payload);
    this.inFlight.add(step, event);
  }

  /** A node has ended (TRC-7). */
  end(event: NodeEvent, output: unknown): void {
    const step = this.#takeEnded(event);
    step.status = "ok";
    step.output = new RecordedValue("output");
    this.#take(step, step.output, output);
    this.buffer.push(step);
  }

  /** A node has failed (TRC-8). */
  fail(event: NodeEvent, error: unknown): void {
    this.#fail(this.#takeEnded(event), "node_error", error);
    this.#stepsAtFailure = this.#steps;
  }

  /** A node's input has issues (TRC-9). */
  addIssues(event: NodeEvent, issues: readonly ValidationIssue[]): void {
    this.changes++;
    this.inFlight.find(event)?.addIssues(issues.map((issue, index) => {
      const path = `$.validation_issues[${index}].message`;
      return { ...issue, message: redactMessage(issue.message, path, this.#parts.redact) };
    }));
  }

  /** The flow has failed (TRC-12), unless that is on record already (TRC-14). */
  failFlow(error: unknown): void {
    if (!this.#reported.has(error)) this.#failCulprit(error);
    this.#reported.forgetMessage();
    this.#stepsAtFailure = 0;
  }

  #failCulprit(error: unknown): void {
    const culprit = this.#culprit();
    if (culprit !== undefined) {
      this.inFlight.remove(culprit);
      culprit.durationMs = elapsedMs(culprit, this.#parts.clock.monotonicMs());
      return this.#fail(culprit, "node_error", error);
    }
    const step = this.#newStep();
    this.#take(step, step.input, null);
    this.#fail(step, "flow_error", error);
  }

  /**
   * The step in flight that an error of the flow is about, as far as that can be known. One that was
   * there already when another node failed is not: it is being given up for that failure.
   */
  #culprit(): RecordedStep | undefined {
    const steps = this.inFlight.all();
    const candidates = this.#parts.config.extras ? innermostOf(steps) : steps.slice(-1);
    return candidates.length === 1 && candidates[0]!.number > this.#stepsAtFailure
      ? candidates[0]
      : undefined;
  }

  #fail(step: RecordedStep, code: string, error: unknown): void {
    const causes = describeError(error, this.#parts.redact);
    step.status = "error";
    step.error = { code, causes };
    this.buffer.push(step);
    this.#reported.add(error);
    this.failures++;
    this.changes++;
  }

  #newStep(event?: NodeEvent, operation?: string): RecordedStep {
    this.changes++;
    // A flow that goes on has handled the failure before.
    this.#reported.forgetMessage();
    return new RecordedStep(++this.#steps, this.#parts.clock, event, operation);
  }

  /** The step that has ended with an event, made of the event if it never started. */
  #takeEnded(event: NodeEvent): RecordedStep {
    const started = this.inFlight.find(event);
    if (started !== undefined) {
      this.inFlight.remove(started);
      this.changes++;
      started.durationMs = elapsedMs(started, this.#parts.clock.monotonicMs());
      return started;
    }
    const step = this.#newStep(event, operationWithoutMapping(event.node));
    this.#take(step, step.input, event.payload);
    return step;
  }

  #take(step: RecordedStep, value: RecordedValue, given: unknown): void {
    const taken = takeText(given, value.what, this.#parts.redact);
    if (typeof taken === "string") return this.buffer.hold(step, value, taken);
    value.setUnhashable();
    step.addIssues([taken]);
  }
}

/** The steps that run no other. */
function innermostOf(steps: readonly RecordedStep[]): RecordedStep[] {
  const parents = new Set(steps.map(({ parentExecutionId }) => parentExecutionId));
  return steps.filter(({ executionId }) => executionId === undefined || !parents.has(executionId));
}

/**
 * The errors that are on record already, so that an error of a node which then ends the flow, as it is or
 * as the cause of another, is not recorded twice (TRC-14).
 */
class ReportedErrors {
  readonly #objects = new WeakSet<object>();
  /**
   * What the newest failed node said, for engines that pass on nothing but the text. It is not redacted:
   * two errors that say different things can look the same behind a mask.
   */
  #message: string | undefined;

  /** Takes an error on record. */
  add(error: unknown): void {
    for (const cause of chainOf(error)) {
      if (typeof cause === "object" && cause !== null) this.#objects.add(cause);
    }
    this.#message = describeError(error, undefined)[0].message;
  }

  /** Whether it, or one of its causes, is on record. */
  has(error: unknown): boolean {
    return this.#hasObject(error) || this.#hasMessage(error);
  }

  /**
   * The flow has gone on, or its attempt has ended: what is said from now on is said by another error,
   * even in the same words.
   */
  forgetMessage(): void {
    this.#message = undefined;
  }

  #hasObject(error: unknown): boolean {
    return chainOf(error).some((cause) =>
      typeof cause === "object" && cause !== null && this.#objects.has(cause)
    );
  }

  /** The same text, or one with a name in front of it; a text that has it anywhere may be about anything. */
  #hasMessage(error: unknown): boolean {
    const reported = this.#message;
    if (reported === undefined) return false;
    return describeError(error, undefined).some(({ message }) =>
      message === reported || message.endsWith(`: ${reported}`)
    );
  }
}

/** More causes than this are a fault of their own, and are not recorded. */
const MAX_CAUSES = 100;
const UNREADABLE = "(unreadable)";

/**
 * An error with everything that caused it, itself first: the errors of an `AggregateError` before its
 * cause, each followed by its own, none twice. Anything may have been thrown, and every part of it may
 * throw when it is read: this never does (W-TRC-9).
 */
export function describeError(
  error: unknown,
  redact: RedactTrace | undefined,
): [TraceCause, ...TraceCause[]] {
  const [first, ...rest] = chainOf(error);
  return [
    describe(first, "$.error.message", redact),
    ...rest.map((cause, index) => describe(cause, `$.error.details[${index + 1}].message`, redact)),
  ];
}

/** The error and its causes as they are, in the order of {@linkcode describeError}. */
function chainOf(error: unknown): [unknown, ...unknown[]] {
  const chain: [unknown, ...unknown[]] = [error];
  const seen = new Set<unknown>([error]);
  const waiting = causesOf(error);
  while (waiting.length > 0 && chain.length < MAX_CAUSES) {
    const next = waiting.shift();
    if (seen.has(next)) continue;
    seen.add(next);
    chain.push(next);
    waiting.unshift(...causesOf(next));
  }
  return chain;
}

function causesOf(error: unknown): unknown[] {
  if (typeof error !== "object" || error === null) return [];
  const errors = read(error, "errors");
  const cause = read(error, "cause");
  const several = error instanceof AggregateError && Array.isArray(errors)
    ? errors.slice(0, MAX_CAUSES)
    : [];
  return cause === undefined ? several : [...several, cause];
}

function describe(error: unknown, path: string, redact: RedactTrace | undefined): TraceCause {
  return { name: nameOf(error), message: redactMessage(messageOf(error), path, redact) };
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return error === null ? "null" : typeof error;
  const name = read(error, "name");
  return typeof name === "string" ? name : "Error";
}

function messageOf(error: unknown): string {
  if (error instanceof Error) {
    const message = read(error, "message");
    return typeof message === "string" ? message : UNREADABLE;
  }
  try {
    const isPlain = typeof error === "object" && error !== null;
    return (isPlain ? JSON.stringify(error) : undefined) ?? String(error);
  } catch {
    return UNREADABLE;
  }
}

function read(holder: object, name: string): unknown {
  try {
    return (holder as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}
