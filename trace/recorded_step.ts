import { defined } from "../_internal/errors.ts";
import { reasonOf } from "../_internal/text.ts";
import { isRawJson, type JsonValue } from "../_internal/wire_json/json_value.ts";
import { parseJson } from "../_internal/wire_json/parse_json.ts";
import { hashJsonText } from "./hash_value.ts";
import { locateInText, notJson, type ValueName } from "./payload.ts";
import { printable } from "./read_trace.ts";
import { isCount, type TraceClock } from "./trace_config.ts";
import type {
  NodeEvent,
  TraceCause,
  TraceHash,
  TraceNode,
  TraceStatus,
  TraceStep,
  ValidationIssue,
} from "./types.ts";

const UNKNOWN = "unknown";
/** How deep a payload may be so that it can be printed inside a trace. */
const MAX_PAYLOAD_DEPTH = 120;

/** A value that a step was given or gave: its text until it is needed no more, or its digest. */
export class RecordedValue {
  /** Its text; undefined when it was discarded, or there never was one. */
  text: string | undefined;
  #hash: TraceHash | undefined;

  constructor(readonly what: ValueName) {}

  /** Discards the text, not the digest; returns what is wrong with the text. */
  discard(): ValidationIssue | undefined {
    const problem = this.#compute();
    this.text = undefined;
    return problem;
  }

  /** There is no text, and so the digest of `null`. */
  setUnhashable(): void {
    this.#hash = hashJsonText("null");
  }

  /** The digest, which is computed now if it was not before; with an issue if that cannot be. */
  hash(): { hash: TraceHash; problem?: ValidationIssue | undefined } {
    const problem = this.#compute();
    return { hash: this.#hash!, problem };
  }

  #compute(): ValidationIssue | undefined {
    if (this.#hash !== undefined) return undefined;
    try {
      this.#hash = hashJsonText(this.text!);
    } catch (error) {
      this.setUnhashable();
      const { what, text } = this;
      return locateInText(text!, what) ?? notJson(what, "", reasonOf(error));
    }
  }
}

/** A step in memory. */
export class RecordedStep {
  readonly nodeId: string;
  readonly componentId: string;
  readonly operation: string;
  /**
   * What the captured input names as operation: it looks into the mapping in every case. Undefined for
   * the step that nobody announced, which has no input.
   */
  readonly invocationOperation: string | undefined;
  readonly executionId: string | undefined;
  readonly parentExecutionId: string | undefined;
  readonly sessionId: string | undefined;
  readonly attempt: number | undefined;
  readonly startedAtMs: number;
  readonly startMs: number;
  /** The event that it started with, while it is in flight and has no id. */
  event: NodeEvent | undefined;
  status: TraceStatus = "in_flight";
  durationMs = 0;
  readonly input = new RecordedValue("input");
  output: RecordedValue | undefined;
  inputDropped = false;
  issues: ValidationIssue[] | undefined;
  error: { code: string; causes: readonly [TraceCause, ...TraceCause[]] } | undefined;

  /** `number`: from 1. Without an event it is the step that nobody announced (TRC-12). */
  constructor(
    readonly number: number,
    clock: TraceClock,
    event: NodeEvent | undefined,
    operation: string = UNKNOWN,
  ) {
    // The clocks are read first, so that what recording costs is no part of the step's duration.
    this.startedAtMs = clock.wallMs();
    this.startMs = clock.monotonicMs();
    this.nodeId = event?.node_id ?? UNKNOWN;
    this.componentId = event?.node.component_id ?? UNKNOWN;
    this.operation = operation;
    this.invocationOperation = event && operationOf(event.node);
    this.executionId = event?.execution_id;
    this.parentExecutionId = event?.parent_execution_id;
    this.sessionId = event?.context.session_id;
    this.attempt = event?.context.attempt;
  }

  /** Adds issues. */
  addIssues(issues: readonly ValidationIssue[]): void {
    this.issues = this.issues === undefined ? [...issues] : [...this.issues, ...issues];
  }
}

/** The operation at a start (TRC-6). */
export function operationOf(node: TraceNode): string {
  return node.operation_name ?? node.operation_in_mapping ?? UNKNOWN;
}

/** The operation at an end without a start, which does not look into the mapping (TRC-7). */
export function operationWithoutMapping(node: TraceNode): string {
  return node.operation_name ?? UNKNOWN;
}

/** How a step is put into a file. */
interface StepStyle {
  /** Whether the members beyond the v1 format are written. */
  readonly extras: boolean;
  /** Whether the input is written. */
  readonly captureInputs: boolean;
  /** The time of writing, up to which steps in flight have lasted. */
  readonly nowMs: number;
}

/** The step as it is on disk. */
export function toTraceStep(step: RecordedStep, style: StepStyle): TraceStep {
  const input = step.input.hash();
  const output = step.output?.hash();
  const problems = [input.problem, output?.problem].filter((issue) => issue !== undefined);
  if (problems.length > 0) step.addIssues(problems);
  const isInFlight = step.status === "in_flight";
  return {
    node_id: step.nodeId,
    component_id: step.componentId,
    operation: step.operation,
    input_hash: input.hash,
    duration_ms: isInFlight ? elapsedMs(step, style.nowMs) : step.durationMs,
    validation_issues: step.issues ?? [],
    ...defined({
      invocation_json: style.captureInputs ? invocationOf(step) : undefined,
      output_hash: output?.hash,
      error: step.error && toTraceError(step.error, style),
    }),
    ...(style.extras && extrasOf(step, style)),
  };
}

/** Whole milliseconds since the start (TRC-7). */
export function elapsedMs(step: RecordedStep, nowMs: number): number {
  return Math.max(0, Math.trunc(nowMs - step.startMs));
}

function invocationOf(step: RecordedStep): JsonValue | undefined {
  if (step.invocationOperation === undefined) return undefined;
  const payload = payloadOf(step.input);
  if (payload === undefined) {
    step.inputDropped = true;
    return undefined;
  }
  return {
    component_id: printable(step.componentId),
    operation: printable(step.invocationOperation),
    payload,
  };
}

/** The payload, if it is there and a trace can hold it. */
function payloadOf({ text }: RecordedValue): JsonValue | undefined {
  if (text === undefined) return undefined;
  try {
    const payload = parseJson(text);
    return isDeeperThan(MAX_PAYLOAD_DEPTH, payload) ? undefined : payload;
  } catch {
    // An issue of the step says why: its digest could not be computed either.
    return undefined;
  }
}

function isDeeperThan(depth: number, value: JsonValue): boolean {
  if (typeof value !== "object" || value === null || isRawJson(value)) return false;
  return depth === 0 || Object.values(value).some((member) => isDeeperThan(depth - 1, member));
}

function toTraceError(
  { code, causes }: NonNullable<RecordedStep["error"]>,
  { extras }: StepStyle,
): TraceStep["error"] & object {
  const details = causes.map(({ name, message }) => ({
    name: printable(name),
    message: printable(message),
  }));
  return { code, message: causes[0].message, details: extras ? details : null };
}

function extrasOf(step: RecordedStep, { captureInputs }: StepStyle): Partial<TraceStep> {
  const { executionId, parentExecutionId, sessionId, attempt } = step;
  return defined({
    step: step.number,
    execution_id: executionId,
    parent_execution_id: parentExecutionId,
    started_at: new Date(step.startedAtMs).toISOString(),
    attempt: isCount(attempt) ? attempt : undefined,
    session_id: sessionId,
    status: step.status,
    input_dropped: captureInputs && step.inputDropped ? true : undefined,
  });
}
