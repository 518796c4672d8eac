import { type StoreProblem, verifyStore } from "../../store/mod.ts";
import type { Problem } from "./problem.ts";

/** What is wrong in the runtime of a run; without a run, beside and in those that belong to none. */
export async function inspectStore(
  { root, runId }: { root: string; runId: string },
): Promise<Problem[]> {
  const { problems } = await verifyStore(root, { runtimeId: runId });
  return problems.map(asProblem);
}

/** What is wrong in the runtimes that belong to no run, and beside all of them. */
export async function inspectOtherRuntimes(
  root: string,
  runIds: readonly string[],
): Promise<Problem[]> {
  const { problems } = await verifyStore(root, { except: new Set(runIds) });
  return problems.map(asProblem);
}

function asProblem(problem: StoreProblem): Problem {
  const { runtime, kind, path, line, byteOffset, message, repairable } = problem;
  return {
    run_id: runtime === "" ? null : runtime,
    part: "store",
    kind,
    path,
    line: line ?? null,
    byte_offset: byteOffset ?? null,
    message,
    repair: repairable ? "mend it, and keep what it takes away" : null,
  };
}
