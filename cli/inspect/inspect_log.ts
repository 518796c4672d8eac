/** The log of a run compared with its capture journal, which is written first. */
import type { RecoveredCapture } from "../../capture/session/recover_capture.ts";
import type { NodeCompleted } from "../../eventlog/run_event.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { AttemptInfo } from "../../eventlog/run_state.ts";
import { attemptKey, errorKindOf } from "../../run/attempt_key.ts";
import { JournalHistory } from "../../run/engine/journal_history.ts";
import type { EndedAttempt } from "../../run/engine/lifecycle.ts";
import { wasBegun } from "../../run/engine/lifecycle.ts";
import { pagesOf } from "../../run/engine/run_log.ts";
import type { RunView } from "../../run/types.ts";
import { listed } from "../text/printable.ts";
import type { MakeProblem, Problem } from "./problem.ts";

/** What the journal of a run says, beside what its log says. */
export interface JournalOfRun {
  /** What the log lacks of it. */
  history: JournalHistory;
  /** Every end of an attempt that was begun. */
  ends: readonly EndedAttempt[];
}

/** Puts together what a journal says. */
export function journalOfRun(recovered: RecoveredCapture, fold: RunFold): JournalOfRun {
  const ends: EndedAttempt[] = [];
  const history = JournalHistory.of(recovered, fold, { onEnd: (ended) => ends.push(ended) });
  return { history, ends };
}

const COMPLETE_LOG = "write what is missing behind its last line, from the journal";

/** What the log lacks of what the journal has: as long as the run has no end, going on with it writes that. */
export function inspectLost(
  problem: MakeProblem,
  { fold, journal }: { fold: RunFold; journal: JournalOfRun | undefined },
): Problem[] {
  if (journal === undefined) return lostBegins(problem, fold);
  const { history } = journal;
  const undecided = history.undecidedEnds.filter(wasBegun).filter(({ nodeId, attempt }) => {
    return fold.attemptOf(nodeId, attempt)?.status === "Running";
  });
  const words = [
    ...history.missingWords(),
    ...undecided.map(({ nodeId, attempt }) => `the end of ${nodeId} (attempt ${attempt})`),
  ];
  if (words.length === 0) return [];
  const message = `it lacks what the capture journal has: ${listed(words)}`;
  const isOver = history.ended !== undefined || fold.run.state === "Completed";
  return isOver
    ? [problem("log", "lost-events", message, COMPLETE_LOG)]
    : [problem("log", "unfinished", `${message}; resuming writes it`)];
}

/** What the log itself shows that it lacks, where nothing else has it. */
function lostBegins(problem: MakeProblem, fold: RunFold): Problem[] {
  const { nodes, run_id: logged } = fold.state();
  if (logged === "") return [];
  const missing = nodes.flatMap(({ id }) => {
    return fold.attemptsOf(id).filter(({ started_ts: ts }) => ts === undefined)
      .map(({ attempt }) => `that of ${id} (attempt ${attempt})`);
  });
  if (!fold.hasBegun) missing.unshift("that of the run");
  if (missing.length === 0) return [];
  return [problem("log", "lost-events", `it lacks begins: ${listed(missing)}`)];
}

/** Where the log says something else than the journal. */
export function inspectDifferences(
  problem: MakeProblem,
  { fold, journal: { history, ends } }: { fold: RunFold; journal: JournalOfRun },
): Problem[] {
  const found = ends.flatMap((ended) => differenceOf(fold, ended) ?? []);
  const known = new Set(ends.map(attemptKey));
  for (const { id: nodeId } of fold.nodes()) {
    for (const { attempt, status } of fold.attemptsOf(nodeId)) {
      if (status === "Running" || known.has(attemptKey({ nodeId, attempt }))) continue;
      const what = `node ${nodeId} (attempt ${attempt})`;
      found.push(
        `it says of ${what}: ${statusText(status)}, of which the capture journal has no end`,
      );
    }
  }
  if (history.ended?.state === "Aborted" && fold.run.state === "Completed") {
    found.push("it says that the run has completed, and the capture journal that it was aborted");
  }
  return found.map((message) => problem("log", "differs", message));
}

/**
 * Where the log has other results than the journal, which it has them from. What only one of the two has is
 * told otherwise.
 */
export async function inspectResults(
  problem: MakeProblem,
  { view, journal: { history, ends } }: { view: RunView; journal: JournalOfRun },
): Promise<Problem[]> {
  const recorded = new Map(ends.map((ended) => [attemptKey(ended), ended.end ?? {}]));
  const hasResults = ends.some(({ end = {} }) => "result" in end || "result_hash" in end);
  if (!hasResults && history.ended?.output === undefined) return [];
  const found: string[] = [];
  let end: unknown;
  for await (const { events } of pagesOf(view)) {
    for (const { event } of events) {
      if (event.type === "pipe.completed") end = event.output;
      if (event.type !== "node.completed" || typeof event.node_id !== "string") continue;
      const { node_id: nodeId, attempt = 1, output, result_hash: hash } = event as NodeCompleted;
      const own = recorded.get(attemptKey({ nodeId, attempt }));
      if (own === undefined) continue;
      const isSame = isSameJson(output, own.result) && hash === own.result_hash;
      if (!isSame) found.push(`step ${nodeId} (attempt ${attempt}) gave`);
    }
  }
  const isOver = history.ended?.state === "Completed" && !history.missingWords().length;
  if (isOver && !isSameJson(end, history.ended?.output)) found.push("the run gave");
  return found.map((what) => {
    return problem(
      "log",
      "differs",
      `what it says that ${what} is not what the capture journal has`,
    );
  });
}

/** Numbers may be spelt in two ways. */
function isSameJson(one: unknown, other: unknown): boolean {
  return plain(one) === plain(other);
}

function differenceOf(fold: RunFold, ended: EndedAttempt): string | undefined {
  const { nodeId, attempt, termination, end } = ended;
  const logged = fold.attemptOf(nodeId, attempt);
  if (logged === undefined || logged.status === "Running") return undefined;
  const said = statusText(logged.status);
  const recorded = termination === "Completed" ? "completed" : errorKindOf(termination, end);
  const what = `node ${nodeId} (attempt ${attempt})`;
  if (said !== recorded) {
    return `it says of ${what}: ${said}, and the capture journal says: ${recorded}`;
  }
  for (const name of ["output_hash", "error_hash"] as const) {
    const [hash, known] = [logged[name], end?.[name]];
    if (hash === undefined || known === undefined || hash === known) continue;
    return `its digest of what ${what} printed is ${hash}, and the capture journal has ${known}`;
  }
  return undefined;
}

function statusText(status: Exclude<AttemptInfo["status"], "Running">): string {
  return typeof status === "string" ? status.toLowerCase() : status.Failed.kind;
}

function plain(value: unknown): string | undefined {
  return value === undefined ? undefined : JSON.stringify(JSON.parse(JSON.stringify(value)));
}
