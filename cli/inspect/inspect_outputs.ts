/**
 * What nodes printed, compared with the digests of it. Those of the journal are the truth; where it has
 * none of an attempt there are those of the log.
 */
import { reasonOf } from "../../_internal/text.ts";
import type { ResumedRecord } from "../../capture/types.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import { nodeIdProblem } from "../flow/flow.ts";
import type { FlowRecord } from "../flow/flow_record.ts";
import type { OutputRef, RunView } from "../../run/types.ts";
import { DIGEST_OF_NOTHING, digestOf } from "../process/output_file.ts";
import { processesIn, processLinesOf } from "../process/process_log.ts";
import { outputPlace } from "../reading/open_root.ts";
import type { JournalOfRun } from "./inspect_log.ts";
import { fileProblem, type InspectedRun, type Problem } from "./problem.ts";

/** The form of a digest; whatever else a program records as one is its own. */
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** What is known of the outputs of a run. */
interface OutputFacts {
  fold: RunFold;
  /** What the journal says; undefined where it cannot be used. */
  journal: JournalOfRun | undefined;
  /** Who went on with the run. */
  resumed: readonly ResumedRecord[];
  /** The flow; undefined where it cannot be used. */
  record: FlowRecord | undefined;
}

/** The digests of what an attempt printed. */
interface AttemptDigests {
  nodeId: string;
  attempt: number;
  out: string | undefined;
  err: string | undefined;
  /** The digest of the result of a step, where that is kept as a file. */
  result?: string | undefined;
  /** Who has them. */
  source: "journal" | "log";
  /** In which sitting it ended; undefined where that is not known. */
  sitting?: number;
}

/**
 * Every output that is unlike its digest, or gone. Where no digest was recorded there is nothing to
 * compare: an output that was never made is not an empty one, and what is there of an attempt that was cut
 * off may be anything.
 */
export async function inspectOutputs(run: InspectedRun, facts: OutputFacts): Promise<Problem[]> {
  const found: Problem[] = [];
  let mayBeLost: ((attempt: AttemptDigests) => boolean) | undefined;
  for (const digests of digestsIn(facts)) {
    for (const stream of ["out", "err", "result"] as const) {
      const problem = await inspectOutput(run, digests, stream);
      if (problem === undefined) continue;
      mayBeLost ??= await lossesOf(run, facts);
      // A result is on disk before it counts.
      const isLost = stream !== "result" && problem.kind !== "unreadable" && mayBeLost(digests);
      if (!isLost) found.push(problem);
      else found.push({ ...problem, kind: "lost-output", message: `${problem.message}; ${LOST}` });
    }
  }
  return found;
}

const LOST = "no other node needs it, and it may have been lost when the machine went down";

function* digestsIn({ fold, journal }: OutputFacts): Generator<AttemptDigests> {
  const known = new Set<string>();
  for (const { nodeId, attempt, end, sitting } of journal?.ends ?? []) {
    known.add(attemptKey({ nodeId, attempt }));
    const { output_hash: out, error_hash: err, result_hash: hash } = end ?? {};
    const result = hash && `sha256:${hash}`;
    const digests = { nodeId, attempt, result, source: "journal", sitting } as const;
    if (isFileName(nodeId)) yield { ...digests, out, err };
    else yield { ...digests, out: undefined, err: undefined };
  }
  for (const { id: nodeId } of fold.nodes()) {
    if (!isFileName(nodeId)) continue;
    for (const { attempt, output_hash: out, error_hash: err } of fold.attemptsOf(nodeId)) {
      if (!Number.isSafeInteger(attempt) || known.has(attemptKey({ nodeId, attempt }))) continue;
      // With the journal at hand an attempt that only the log has is damage, and told.
      if (journal === undefined) yield { nodeId, attempt, out, err, source: "log" };
    }
  }
}

/** Any program may write to a log: what could name a file elsewhere names none. */
function isFileName(nodeId: string): boolean {
  return nodeIdProblem(nodeId) === undefined;
}

/**
 * Tells of which attempts the outputs may have been lost: no other node needs them, so that they were not
 * synced, and the run was gone on with after the machine had been started again.
 */
async function lossesOf(
  { view }: InspectedRun,
  { resumed, record }: OutputFacts,
): Promise<(attempt: AttemptDigests) => boolean> {
  const processes = processesIn(await processLinesOf(view));
  const needed = record && new Set(record.nodes.flatMap(({ needs }) => needs));
  return ({ nodeId, attempt, sitting }) => {
    if (sitting === undefined || needed === undefined || needed.has(nodeId)) return false;
    // The first sitting began without such a line.
    const own = processes.get(attemptKey({ nodeId, attempt }))?.bootId ??
      resumed[sitting - 2]?.boot_id;
    return resumed.slice(sitting - 1).some(({ boot_id: boot }) => {
      return boot !== undefined && boot !== own;
    });
  };
}

async function inspectOutput(
  run: InspectedRun,
  digests: AttemptDigests,
  stream: "out" | "err" | "result",
): Promise<Problem | undefined> {
  const { nodeId, attempt, source } = digests;
  const expected = digests[stream];
  if (expected === undefined || !DIGEST.test(expected)) return undefined;
  const of = { nodeId, attempt, stream };
  const problem = await compareOutput(run.view, of, { expected, source });
  if (problem === undefined) return undefined;
  const place = { run_id: run.runId, part: "output", path: outputPlace(run, of) } as const;
  if (stream === "result") {
    const what = `the result of step ${nodeId} (attempt ${attempt})`;
    const remedy =
      `restore it from a copy, or have the step made again: retryFailed: ["${nodeId}"]`;
    return fileProblem(place, { ...problem, message: `${what} ${problem.message}; ${remedy}` });
  }
  const what = `what node ${nodeId} printed in attempt ${attempt}`;
  return fileProblem(place, { ...problem, message: `${what} ${problem.message}` });
}

async function compareOutput(
  view: RunView,
  of: OutputRef,
  { expected, source }: { expected: string; source: string },
): Promise<{ kind: string; message: string } | undefined> {
  try {
    const bytes = await view.output(of);
    if (bytes === undefined) {
      // Nothing is made for an output without a byte.
      if (expected === DIGEST_OF_NOTHING) return undefined;
      return { kind: "missing", message: `is gone; the ${source} has its digest, ${expected}` };
    }
    const actual = await digestOf(bytes);
    if (actual === expected) return undefined;
    const message = `was changed: its digest is ${actual}, and the ${source} has ${expected}`;
    return { kind: "differs", message };
  } catch (error) {
    return { kind: "unreadable", message: `cannot be read: ${reasonOf(error)}` };
  }
}
