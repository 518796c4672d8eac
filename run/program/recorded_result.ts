/**
 * The recorded result of a step, as the program gets it again. What is not what it was is never given, and the
 * step is not run again by silence: what it did may have been done once for all.
 */
import { decodeUtf8, reasonOf, toHex } from "../../_internal/text.ts";
import type { EndedAttempt } from "../engine/lifecycle.ts";
import { runError } from "../run_error.ts";
import type { RunView } from "../types.ts";
import type { RecordedProgram } from "./recorded_program.ts";
import { givenOf, type StepCall, stepErrorOf } from "./step_call.ts";

/** Where it is recorded. */
interface Recording {
  view: RunView;
  recorded: RecordedProgram;
}

/**
 * What the program gets of a step that is over.
 *
 * @throws {StepError} When the step has failed for good.
 * @throws {RunError} `damaged`, when its result is gone or not what it was; `mismatch`, when it is not what the
 * schema says.
 */
export async function recordedResult(
  { id, schema }: StepCall,
  { termination, end, attempt }: EndedAttempt,
  { view, recorded }: Recording,
): Promise<unknown> {
  if (termination !== "Completed") throw stepErrorOf(id, { attempt, termination, end });
  const { result, result_hash: hash } = end ?? {};
  const text = hash === undefined
    ? result === undefined ? undefined : JSON.stringify(result)
    : await resultText(view, { id, attempt, hash });
  const given = await givenOf(text, schema);
  if ("value" in given) return given.value;
  const value: unknown = text === undefined ? undefined : JSON.parse(text);
  if (recorded.isAccepted(id)) return value;
  throw recorded.mismatch(id, `its schema refuses it (${given.problem})`, {
    expected: value,
    actual: given.problem,
  });
}

/** The text of a result that was too long for the journal. */
async function resultText(
  view: RunView,
  { id, attempt, hash }: { id: string; attempt: number; hash: string },
): Promise<string> {
  const bytes = await view.output({ nodeId: id, attempt, stream: "result" }).catch((cause) => {
    throw damagedError(view, id, `it cannot be read (${reasonOf(cause)})`, cause);
  });
  if (bytes === undefined) throw damagedError(view, id, "its file is gone");
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  if (toHex(new Uint8Array(digest)) === hash) return decodeUtf8(bytes);
  throw damagedError(view, id, "its file is not what was written");
}

function damagedError({ runId }: RunView, id: string, problem: string, cause?: unknown) {
  const name = JSON.stringify(id);
  return runError("damaged", `Cannot give the recorded result of ${name}: ${problem}`, {
    details: { runId, nodeId: id },
    remedy: `restore it from a copy, or have the step made again by retryFailed: [${name}]`,
    cause,
  });
}
