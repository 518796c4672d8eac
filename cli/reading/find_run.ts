import { exists, resolve } from "../files.ts";
import { EventLogError } from "../../eventlog/event_log_error.ts";
import { denoFilePort, lookAtSync } from "../../_internal/file_port.ts";
import { isUlid, runPaths } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import { RunError } from "../../run/run_error.ts";
import { UsageError } from "../exit_codes.ts";
import { commandLine } from "../text/printable.ts";
import { findRoot } from "./find_root.ts";
import { isOfFiles, listRunIds, type OpenedRoot } from "./open_root.ts";

const MOST_SHOWN = 5;

/** What is written for the newest run of all. */
const NEWEST = ["-", "latest"];

/**
 * Finds the run that is meant by an id, by its beginning, or by the name of its flow: that is the newest,
 * where `isMeant` is given the newest of those that it is true of. `-` and `latest` are the newest run of
 * all, whatever became of it; `latest` only where no run and no flow is called so.
 *
 * @throws {Error} If there is none; its message names those with a similar id.
 * @throws {UsageError} If several begin so.
 */
export async function findRun(
  opened: OpenedRoot,
  wanted: string,
  isMeant?: (runId: string) => boolean | Promise<boolean>,
): Promise<string> {
  const { root, runs } = opened;
  const matching = await listRunIds(runs, wanted);
  if (matching.includes(wanted)) return wanted;
  if (NEWEST.includes(wanted) && !matching.some((id) => isNewIdOf(wanted, id))) {
    // Few ask for it.
    const { newestRun } = await import("./run_times.ts");
    const newest = await newestRun(runs);
    if (newest !== undefined) return newest;
  }
  if (matching.length === 1) return matching[0]!;
  // Ids of one flow sort by time.
  const named = matching.filter((id) => isNewIdOf(wanted, id)).toSorted();
  for (const id of named.toReversed()) {
    if (isMeant === undefined || await isMeant(id)) return id;
  }
  if (named.length > 0) return named.at(-1)!;
  const shown = JSON.stringify(wanted);
  if (matching.length > 1) {
    throw new UsageError(
      `Cannot tell which run ${shown} is: ${shorten(matching)} begin so; write more of its id`,
    );
  }
  const all = await listRunIds(runs);
  if (all.length === 0) throw new Error(`Cannot find run ${shown}: ${root} has no runs`);
  const similar = similarRuns(all, wanted);
  const remedy = similar.length === 0
    ? `${commandHint("ls", { root })} lists its ${
      all.length === 1 ? "only run" : `${all.length} runs`
    }`
    : `did you mean ${shorten(similar)}?`;
  throw new Error(`Cannot find run ${shown} in ${root}: ${remedy}`);
}

/**
 * {@linkcode findRun}, for those who read its log.
 *
 * @throws If there is no log, or a newer version wrote it.
 */
export async function findReadableRun(
  opened: OpenedRoot,
  wanted: string,
  isMeant?: (runId: string) => boolean | Promise<boolean>,
): Promise<string> {
  const { root, runs } = opened;
  const runId = await findRun(opened, wanted, isMeant);
  const problem = logProblem(root, runId);
  if (problem !== undefined) throw new Error(`Cannot read run ${runId}: ${problem}`);
  try {
    await runs.view(runId).peek();
  } catch (cause) {
    throw new Error(readingProblem({ root, runId }, cause), { cause });
  }
  return runId;
}

/** What is wrong with the log of a run before it is opened, and what to do; undefined when nothing is. */
export function logProblem(root: string, runId: string): string | undefined {
  // A database has the log of each of its runs.
  if (!isOfFiles(root)) return undefined;
  const { events, journal } = runPaths(root, runId);
  const info = lookAtSync(denoFilePort, events);
  if (info?.isFile) return undefined;
  if (info !== undefined) return `its log ${events} is no file: move it away`;
  const what = `it has no log ${events}`;
  return exists(journal)
    ? `${what}, but its journal ${journal} is there: ${commandHint("repair", { root, runId })} ` +
      "makes the log again of it"
    : `${what}: if no program uses its folder, remove that`;
}

/** Whether there is a log: that is made a moment after the folder. */
export function hasLog(root: string, runId: string): boolean {
  return logProblem(root, runId) === undefined;
}

/** Why a run cannot be read, and what to do: what is damaged beside its log can be made again. */
export function readingProblem(run: { root: string; runId: string }, error: unknown): string {
  const reason = reasonOf(error);
  const isOfRun = error instanceof EventLogError || error instanceof RunError;
  const isDamaged = isOfRun && error.kind === "format" && error.details.expected === undefined;
  return isDamaged ? `${reason}; or ${commandHint("repair", run)} makes it again` : reason;
}

/** Whether an id is what newRunId makes of a name. */
function isNewIdOf(name: string, id: string): boolean {
  return id.startsWith(`${name}-`) && isUlid(id.slice(name.length + 1));
}

/** The newest first: those that have the text in their id, or begin as it does. */
function similarRuns(runs: string[], wanted: string): string[] {
  const text = wanted.toLowerCase();
  const name = text.replace(/-[^-]*$/, "");
  const containing = runs.filter((id) => id.toLowerCase().includes(text));
  const alike = runs.filter((id) => id.toLowerCase().startsWith(name));
  return (containing.length > 0 ? containing : alike).toReversed();
}

function shorten(ids: string[]): string {
  const rest = ids.length - MOST_SHOWN;
  const shown = ids.slice(0, MOST_SHOWN).join(", ");
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}

/** What to type here, about a run or all of them: with `--root` where they are not found without. */
export function commandHint(
  verb: string,
  { root, runId }: { root: string; runId?: string },
): string {
  const isFound = isOfFiles(root) && resolve(root) === resolve(findRoot(Deno.cwd()));
  const options = isFound ? [] : ["--root", root];
  const operands = runId === undefined ? [] : [runId];
  return commandLine(["taffrail", verb, ...options, ...operands]);
}
