/** What nodes printed, compared with the digests of it that the log has. */
import { denoFilePort, lookAtSync } from "../../_internal/file_port.ts";
import { outputPath, type OutputStream } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { AttemptInfo } from "../../eventlog/run_state.ts";
import { nameProblem } from "../flow/flow.ts";
import { hashOutput } from "../process/output_file.ts";
import { fileProblem, type InspectedRun, type Problem } from "./problem.ts";

/** The form of a digest; whatever else a program records as one is its own. */
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * Every output that is unlike its digest in the log, or gone. Where no digest was recorded there is
 * nothing to compare: an output that was never made is not an empty one. `known`: only of these nodes.
 */
export async function inspectOutputs(
  run: InspectedRun,
  fold: RunFold,
  known?: ReadonlySet<string>,
): Promise<Problem[]> {
  const found: Problem[] = [];
  for (const { id } of fold.state().nodes) {
    // Any program may write to a log: what could name a file elsewhere names none.
    if (nameProblem(id) !== undefined || known?.has(id) === false) continue;
    for (const info of fold.attemptsOf(id)) {
      if (!Number.isSafeInteger(info.attempt)) continue;
      found.push(...await inspectAttempt(run, id, info));
    }
  }
  return found;
}

async function inspectAttempt(
  { root, runId }: InspectedRun,
  nodeId: string,
  { attempt, output_hash: outputHash, error_hash: errorHash }: AttemptInfo,
): Promise<Problem[]> {
  const found: Problem[] = [];
  const streams: [OutputStream, string | undefined][] = [["out", outputHash], ["err", errorHash]];
  for (const [stream, expected] of streams) {
    if (expected === undefined || !DIGEST.test(expected)) continue;
    const path = outputPath({ root, runId }, { nodeId, attempt, stream });
    const problem = await compareOutput(path, expected);
    if (problem === undefined) continue;
    const place = { run_id: runId, part: "output", path } as const;
    const what = `what node ${nodeId} printed in attempt ${attempt}`;
    found.push(fileProblem(place, { ...problem, message: `${what} ${problem.message}` }));
  }
  return found;
}

async function compareOutput(
  path: string,
  expected: string,
): Promise<{ kind: string; message: string } | undefined> {
  try {
    if (lookAtSync(denoFilePort, path) === undefined) {
      return { kind: "missing", message: `is gone; the log has its digest, ${expected}` };
    }
    const actual = await hashOutput(path);
    if (actual === expected) return undefined;
    const message = `was changed: its digest is ${actual}, and the log has ${expected}`;
    return { kind: "differs", message };
  } catch (error) {
    return { kind: "unreadable", message: `cannot be read: ${reasonOf(error)}` };
  }
}
