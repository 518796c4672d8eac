/**
 * Work that is handed over by `submit`, and done by the invoker of the program: which of it was asked for, and
 * what became of it.
 */
import { describe, isObject, isOneOf } from "../../_internal/errors.ts";
import { contextOfPayload } from "../../_internal/event_payload.ts";
import { encodeUtf8, reasonOf } from "../../_internal/text.ts";
import { refuseLoss, stringifyVisiting } from "../../_internal/visit_json.ts";
import { ERROR_KINDS, PLAIN_TERMINATIONS } from "../../_internal/wire_names.ts";
import type { RunRequest, RunTermination, RuntimeInvoker } from "../../supervisor/types.ts";
import type { DescribeNode } from "../engine/lifecycle.ts";
import type { Decided, RunEnding } from "../engine/types.ts";
import { errorRecordOf, messageOf } from "../error_record.ts";
import type { AttemptEnd, NodeAttempt } from "../types.ts";
import { MOST_INPUT_BYTES } from "../program_json.ts";

/** What the log says of a step, and of work. */
export const describeStep: DescribeNode = (nodeId) => ({ kind: "command", task: nodeId });

/** The text of a payload, which is to be the same for the invoker and the recording. */
export function payloadText(id: string, payload: Record<string, unknown>): string {
  let text: string | undefined;
  try {
    text = stringifyVisiting(payload, refuseLoss);
  } catch (cause) {
    throw new TypeError(`Cannot submit this payload: ${reasonOf(cause)}`, { cause });
  }
  if (!text?.startsWith("{")) {
    throw new TypeError("Cannot submit this payload: it is not a JSON object");
  }
  const bytes = encodeUtf8(text);
  if (bytes.length > MOST_INPUT_BYTES) {
    throw new RangeError(
      `Cannot submit ${JSON.stringify(id)}: its payload has ${bytes.length} bytes, ` +
        `and ${MOST_INPUT_BYTES} is the most; name a file in it instead`,
    );
  }
  // Refused here, so that the id can be used for another.
  contextOfPayload(bytes);
  return text;
}

/** The work of a run, and what became of it. */
export class SubmittedWork {
  /** The work whose end is not decided on. */
  readonly #left = new Set<string>();
  #failure: RunEnding | undefined;

  /** Work is to come. */
  add(id: string): void {
    this.#left.add(id);
  }

  /** Takes a decision. */
  take(
    { nodeId, decision, reason, termination, errorKind }: Decided,
    { isStopped }: { isStopped: boolean },
  ): void {
    if (reason === "withdrawn") return;
    if (decision === "Skip") {
      this.#failure ??= { reason: `node ${nodeId} was skipped: ${reason}`, failed: nodeId };
    } else if (decision !== "Finish" || termination === null) return;
    else if (termination === "Aborted" && isStopped) return;
    else if (termination !== "Completed") {
      this.#failure ??= { reason: `node ${nodeId} failed: ${errorKind}`, failed: nodeId };
    }
    this.#left.delete(nodeId);
  }

  /** How the run ends when nothing more is done. */
  ending({ isStopped }: { isStopped: boolean }): RunEnding {
    if (this.#failure !== undefined) return this.#failure;
    const [left] = this.#left;
    if (left === undefined) return { reason: undefined };
    return { reason: isStopped ? "cancelled" : `node ${left} was never done` };
  }
}

/**
 * Makes an attempt with what the program gave; whatever it throws is recorded. The invoker knows work by the id with
 * which it was submitted, and counts its attempts, however often it was asked for again.
 */
export async function invokeRecorded(
  invoker: RuntimeInvoker,
  request: RunRequest,
  { nodeId, attempt }: NodeAttempt,
): Promise<AttemptEnd> {
  const startedMs = performance.now();
  const ended = (termination: RunTermination, end: AttemptEnd["end"]): AttemptEnd => {
    return { termination, end: { ...end, duration_ms: Math.round(performance.now() - startedMs) } };
  };
  try {
    // The payload is read when it is asked for.
    const own = Object.defineProperties({}, {
      ...Object.getOwnPropertyDescriptors(request),
      eventId: { value: nodeId, enumerable: true },
      attempt: { value: attempt, enumerable: true },
    }) as RunRequest;
    const answer: unknown = await invoker.run(own);
    // What else is recorded of the end is the run's own to say.
    const termination = hasTermination(answer) ? answer.termination : answer;
    const problem = answerProblem(termination);
    if (problem === undefined) return ended(termination as RunTermination, {});
    return ended({ Failed: "RuntimeError" }, { error: { message: problem } });
  } catch (error) {
    return ended({ Failed: "RuntimeError" }, { error: errorRecordOf(error) });
  }
}

function hasTermination(answer: unknown): answer is { termination: unknown } {
  return typeof answer === "object" && answer !== null && "termination" in answer;
}

/** What is wrong with an answer that the supervisor takes for a failure; undefined if nothing is. */
function answerProblem(answer: unknown): string | undefined {
  if (isOneOf(PLAIN_TERMINATIONS, answer)) return undefined;
  const isFailure = isObject(answer) && "Failed" in answer && Object.keys(answer).length === 1;
  if (isFailure && isOneOf(ERROR_KINDS, answer.Failed)) return undefined;
  const found = isFailure ? `{ Failed: ${describe(answer.Failed)} }` : describe(answer);
  const expected = `"Completed", "TimedOut", "Aborted" or { Failed }, which is one of ` +
    ERROR_KINDS.join(", ");
  return messageOf(`the invoker answered ${found}; expected is ${expected}`);
}
