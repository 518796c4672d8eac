import { EventLogError } from "../../eventlog/event_log_error.ts";
import { isLive } from "../../eventlog/run_folder.ts";
import { removeRun, sweepRemovedRuns } from "../../eventlog/runs_directory.ts";
import { removeRuntime } from "../../store/check/remove_runtime.ts";
import { RuntimeStoreError } from "../../store/runtime_store_error.ts";
import { UsageError } from "../exit_codes.ts";
import {
  lastTimeOf,
  type Listed,
  sizeOfRun,
  type StateWord,
  stateWordOf,
  summarizeRuns,
} from "../reading/run_summary.ts";
import { counted, printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import {
  formatAge,
  formatSize,
  parseAgeOption,
  parseCountOption,
  parseSizeOption,
} from "../text/units.ts";
import { COMMON_HELP, numberOption, type Options, readArguments, type Verb } from "./arguments.ts";

const MOST_GIBIBYTES = 1024 ** 2;

const OPTIONS = {
  "older-than": "string",
  keep: "string",
  "max-size": "string",
  orphans: "boolean",
  "dry-run": "boolean",
} as const;

/** `taffrail prune`: removes old runs. */
export const pruneVerb: Verb = {
  summary: "remove old runs, and say which",
  help: `Removes runs that have an end, with all their files, and says which, why and how
much that is. A run goes when any of the rules says so. What is worked on, what
cannot be read, what a newer version wrote and logs of other programs always
stay; so do runs without an end, which taffrail resume may continue, but for
--orphans.

Usage: taffrail prune [options] RULE…

  --older-than AGE    remove runs whose last event is older, as 12h or 30d
  --keep N            remove all but the newest N runs
  --max-size SIZE     remove the oldest runs until all that are left have no
                      more than that together, as 500MiB
  --orphans           remove runs without an end, too, that nobody works on;
                      alone it removes these and no others
  --dry-run           remove nothing, and say what would be removed
${COMMON_HELP}

Ages are a number with s, m, h, d or w. Exit codes: 0 it is done, also where
there was nothing to remove, 1 something cannot be removed, 2 called wrongly.
--json prints { "root", "dry_run", "removed": [{ "run_id", "reason", "state",
"last_ts", "size_bytes" }], "kept": [{ "run_id", "reason" }], "removed_bytes",
"left_bytes", "failed": [{ "run_id", "problem" }] }; kept are those that a rule
meant, and that stay all the same.`,

  async run(args) {
    const { root, json, options, operands } = readArguments("prune", args, OPTIONS);
    if (operands.length > 0) {
      throw new UsageError("taffrail prune takes rules, such as --older-than 30d, and no runs");
    }
    const rules = readRules(options);
    const dryRun = options["dry-run"] ?? false;
    const candidates = (await summarizeRuns(root)).map((run) => toCandidate(root, run));
    const chosen = choose(candidates, rules);
    if (!dryRun) await sweepRemovedRuns(root);
    for (const run of chosen) await carryOut(run, dryRun ? tryToRemove : removeWhole, root);
    const result = resultOf(chosen, { root, dryRun, bytes: sizeOf(candidates) });
    const screen = new Screen(Deno.stdout);
    if (json) screen.line(JSON.stringify(result));
    else printResult(screen, result, rules.maxBytes);
    return result.failed.length === 0 ? 0 : 1;
  },
};

interface Rules {
  olderThanMs: number | undefined;
  keep: number | undefined;
  maxBytes: number | undefined;
  orphans: boolean;
  /** Whether there is a rule besides `orphans`. */
  isBounded: boolean;
}

interface Candidate {
  run: Listed;
  state: StateWord;
  time: number | undefined;
  size: number;
}

/** What becomes of a run that a rule means. */
type Fate = "removed" | "kept" | "failed";

/** A run that a rule means. */
interface Chosen extends Candidate {
  fate: Fate;
  /** Why it goes, or stays. */
  reason: string;
}

function sizeOf(runs: readonly Candidate[]): number {
  return runs.reduce((sum, { size }) => sum + size, 0);
}

function readRules(options: Options<typeof OPTIONS>): Rules {
  const { "older-than": olderThan, keep, "max-size": maxSize, orphans = false } = options;
  const isBounded = [olderThan, keep, maxSize].some((rule) => rule !== undefined);
  if (!isBounded && !orphans) {
    throw new UsageError(
      "Say which runs to remove: taffrail prune --older-than AGE, --keep N, --max-size SIZE " +
        "or --orphans",
    );
  }
  return {
    olderThanMs: numberOption(options, "older-than", parseAgeOption),
    keep: numberOption(options, "keep", parseCountOption),
    maxBytes: numberOption(options, "max-size", parseRunsSize),
    orphans,
    isBounded,
  };
}

/** All runs together may have more than one output of a command. */
function parseRunsSize(option: string, text: string): number {
  return parseSizeOption(option, text, { mostGibibytes: MOST_GIBIBYTES });
}

function toCandidate(root: string, run: Listed): Candidate {
  const size = sizeOfRun(root, run.run_id);
  return { run, state: stateWordOf(run), time: lastTimeOf(root, run), size };
}

/** Decides on all runs, the oldest first, and gives those that a rule means. */
function choose(candidates: Candidate[], rules: Rules): Chosen[] {
  const chosen: Chosen[] = [];
  const readable = candidates.filter(({ state }) => state !== "unreadable" && state !== "other");
  const newest = new Set(readable.slice(Math.max(0, readable.length - (rules.keep ?? Infinity))));
  let left = sizeOf(candidates);
  for (const candidate of candidates) {
    const isOld = rules.keep !== undefined && !newest.has(candidate);
    const reason = reasonToGo(candidate, rules, { isOld, left });
    if (reason === undefined) continue;
    const mayGo = rules.orphans && candidate.state === "orphan";
    const stays = mayGo ? undefined : REASONS_TO_STAY[candidate.state];
    if (stays === undefined) left -= candidate.size;
    chosen.push({ ...candidate, fate: stays ? "kept" : "removed", reason: stays ?? reason });
  }
  return chosen;
}

function reasonToGo(
  { state, time }: Candidate,
  { olderThanMs, keep, maxBytes, orphans, isBounded }: Rules,
  { isOld, left }: { isOld: boolean; left: number },
): string | undefined {
  const age = time === undefined ? undefined : Date.now() - time;
  if (olderThanMs !== undefined && age !== undefined && age > olderThanMs) {
    return `its last event was ${formatAge(age)}`;
  }
  if (isOld) return `it is not one of the newest ${keep}`;
  if (maxBytes !== undefined && left > maxBytes) {
    return `all runs together have more than ${formatSize(maxBytes)}`;
  }
  const isOrphan = orphans && !isBounded && state === "orphan";
  return isOrphan ? "it has no end, and nobody works on it" : undefined;
}

/** Why a run in a state stays, whatever a rule says. */
const REASONS_TO_STAY: Partial<Record<StateWord, string>> = {
  running: "it is worked on",
  orphan: "it has no end, and may be resumed; --orphans removes it",
  other: "it is a log of another program",
  unreadable: "it cannot be read",
};

/** What somebody has opened since it was looked at stays, and so does what cannot be removed. */
async function carryOut(run: Chosen, remove: typeof removeWhole, root: string): Promise<void> {
  if (run.fate !== "removed") return;
  try {
    await remove(root, run.run.run_id);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    run.fate = isInUse(error) ? "kept" : "failed";
    run.reason = isInUse(error) ? "it is worked on" : error.message;
  }
}

/** A program of the user's may log alone, and its run have an id that is too long for a runtime. */
const HAS_NO_RUNTIME: ReadonlySet<string> = new Set(["store-missing", "invalid-request"]);

/** Its runtime goes first: killed in between, the run is still listed, and its log makes a new one. */
async function removeWhole(root: string, runId: string): Promise<void> {
  await tryToRemove(root, runId);
  await removeRuntime(root, runId).catch((error) => {
    if (!(error instanceof RuntimeStoreError) || !HAS_NO_RUNTIME.has(error.kind)) throw error;
  });
  await removeRun(root, runId);
}

function isInUse(error: Error): boolean {
  if (error instanceof RuntimeStoreError) return error.kind === "owned";
  return error instanceof EventLogError && error.kind === "live";
}

/** Does nothing, and fails where {@linkcode removeWhole} is known to. */
async function tryToRemove(root: string, runId: string): Promise<void> {
  if (!await isLive(root, runId)) return;
  throw new EventLogError("live", "Cannot remove a run that is open", { details: { path: runId } });
}

/** What became of the runs, as `--json` prints it; `bytes`: of all runs together. */
function resultOf(
  chosen: readonly Chosen[],
  { root, dryRun, bytes }: { root: string; dryRun: boolean; bytes: number },
) {
  const of = (fate: Fate) => chosen.filter((run) => run.fate === fate);
  const removed = of("removed");
  const removedBytes = sizeOf(removed);
  return {
    root,
    dry_run: dryRun,
    removed: removed.map(({ run, reason, state, size }) => {
      const last = "state" in run ? run.last_ts : null;
      return { run_id: run.run_id, reason, state, last_ts: last, size_bytes: size };
    }),
    kept: of("kept").map(({ run, reason }) => ({ run_id: run.run_id, reason })),
    removed_bytes: removedBytes,
    left_bytes: bytes - removedBytes,
    failed: of("failed").map(({ run, reason }) => ({ run_id: run.run_id, problem: reason })),
  };
}

function printResult(
  screen: Screen,
  result: ReturnType<typeof resultOf>,
  maxBytes: number | undefined,
): void {
  const { root, removed, kept, failed, removed_bytes, left_bytes } = result;
  const word = result.dry_run ? "would remove" : "removed";
  for (const { run_id, reason, size_bytes } of removed) {
    screen.line(`${word} ${run_id}  ${formatSize(size_bytes)}, ${reason}`);
  }
  for (const { run_id, reason } of kept) screen.line(`kept ${run_id}  ${reason}`);
  for (const { run_id, problem } of failed) {
    const text = printableLine(`${run_id}  ${problem}`);
    screen.line(screen.paint(`cannot remove ${text}`, "red"));
  }
  const sizes = `${formatSize(removed_bytes)}; ${formatSize(left_bytes)} left in ${root}`;
  screen.line(`${word} ${counted(removed.length, "run")}, ${sizes}`);
  if (maxBytes === undefined || left_bytes <= maxBytes) return;
  screen.line(`that is more than ${formatSize(maxBytes)}: what is left may not be removed`);
}
