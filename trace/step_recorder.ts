import { describeError } from "./describe_error.ts";
import { InFlight } from "./in_flight.ts";
import { redactMessage, type RedactTrace, takeText } from "./payload.ts";
import {
  elapsedMs,
  operationOf,
  operationWithoutMapping,
  RecordedStep,
  RecordedValue,
} from "./recorded_step.ts";
import type { TraceClock } from "./recorder_options.ts";
import { StepBuffer } from "./step_buffer.ts";
import { ToldErrors } from "./told_errors.ts";
import type { NodeEvent, TraceConfig, ValidationIssue } from "./types.ts";

/** What a {@linkcode StepRecorder} goes by. */
export interface StepRecorderParts {
  readonly config: TraceConfig;
  readonly redact: RedactTrace | undefined;
  readonly clock: TraceClock;
}

/** Makes steps of events, and says which steps there are. It writes nothing. */
export class StepRecorder {
  /** The steps that have ended. */
  readonly buffer: StepBuffer;
  /** The others. */
  readonly inFlight = new InFlight();
  /** How many errors were recorded. */
  failures = 0;
  /** How many times anything has changed. */
  changes = 0;
  readonly #extras: boolean;
  readonly #redact: RedactTrace | undefined;
  readonly #clock: TraceClock;
  readonly #told = new ToldErrors();
  #steps = 0;
  /** How many steps had started when a node failed that the flow has not yet answered for. */
  #stepsAtFailure = 0;

  constructor({ config, redact, clock }: StepRecorderParts) {
    this.buffer = new StepBuffer(config);
    this.#extras = config.extras;
    this.#redact = redact;
    this.#clock = clock;
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
      return { ...issue, message: redactMessage(issue.message, path, this.#redact) };
    }));
  }

  /** The flow has failed (TRC-12), unless that is on record already (TRC-14). */
  failFlow(error: unknown): void {
    if (!this.#told.has(error)) this.#failCulprit(error);
    this.#told.forgetMessage();
    this.#stepsAtFailure = 0;
  }

  #failCulprit(error: unknown): void {
    const culprit = this.#culprit();
    if (culprit !== undefined) {
      this.inFlight.remove(culprit);
      culprit.durationMs = elapsedMs(culprit, this.#clock.monotonicMs());
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
    const candidates = this.#extras ? innermostOf(steps) : steps.slice(-1);
    return candidates.length === 1 && candidates[0]!.number > this.#stepsAtFailure
      ? candidates[0]
      : undefined;
  }

  #fail(step: RecordedStep, code: string, error: unknown): void {
    const causes = describeError(error, this.#redact);
    step.status = "error";
    step.error = { code, causes };
    this.buffer.push(step);
    this.#told.add(error);
    this.failures++;
    this.changes++;
  }

  #newStep(event?: NodeEvent, operation?: string): RecordedStep {
    this.changes++;
    // A flow that goes on has handled the failure before.
    this.#told.forgetMessage();
    return new RecordedStep(++this.#steps, this.#clock, event, operation);
  }

  /** The step that has ended with an event, made of the event if it never started. */
  #takeEnded(event: NodeEvent): RecordedStep {
    const started = this.inFlight.take(event);
    if (started !== undefined) {
      this.changes++;
      started.durationMs = elapsedMs(started, this.#clock.monotonicMs());
      return started;
    }
    const step = this.#newStep(event, operationWithoutMapping(event.node));
    this.#take(step, step.input, event.payload);
    return step;
  }

  #take(step: RecordedStep, value: RecordedValue, given: unknown): void {
    const taken = takeText(given, value.what, this.#redact);
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
