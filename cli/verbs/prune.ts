import { EventLogError } from "../../eventlog/event_log_error.ts";
import { isLive } from "../../eventlog/live_lock.ts";
import { removeRun, sweepRemovedRuns } from "../../eventlog/remove_run.ts";
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
import { printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import {
  formatAge,
  formatSize,
  parseAgeOption,
  parseCountOption,
  parseSizeOption,
} from "../text/units.ts";
import { type Arguments, COMMON_HELP, readArguments, textOption, type Verb } from "./arguments.ts";

const MOST_GIBIBYTES = 1024 ** 2;

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
    const { root, json, options, operands } = readArguments("prune", args, {
      "older-than": "string",
      keep: "string",
      "max-size": "string",
      orphans: "boolean",
      "dry-run": "boolean",
    });
    if (operands.length > 0) {
      throw new UsageError("taffrail prune takes rules, such as --older-than 30d, and no runs");
    }
    const rules = readRules(options);
    const isDryRun = options["dry-run"] === true;
    const candidates = (await summarizeRuns(root)).map((run) => toCandidate(root, run));
    const plan = makePlan(candidates, rules);
    if (!isDryRun) await sweepRemovedRuns(root);
    const done = await carryOut(plan, isDryRun ? tryToRemove : removeWhole, root);
    const total = candidates.reduce((sum, { size }) => sum + size, 0);
    const removedBytes = done.removed.reduce((sum, { size }) => sum + size, 0);
    const result = { ...done, removedBytes, leftBytes: total - removedBytes };
    const screen = new Screen(Deno.stdout);
    if (json) screen.line(jsonOf({ root, isDryRun }, result));
    else printResult(screen, { root, isDryRun, maxBytes: rules.maxBytes }, result);
    return done.failed.length === 0 ? 0 : 1;
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

/** A run that is to go, or that stays though a rule meant it. */
interface Judged extends Candidate {
  reason: string;
}

/** What is to be done with the runs that a rule means. */
interface PrunePlan {
  chosen: Judged[];
  kept: Judged[];
}

interface Result {
  removed: Judged[];
  failed: { candidate: Judged; problem: string }[];
  kept: Judged[];
  removedBytes: number;
  leftBytes: number;
}

function readRules(options: Arguments["options"]): Rules {
  const [olderThan, keep, maxSize] = ["older-than", "keep", "max-size"]
    .map((name) => textOption(options, name));
  const isBounded = [olderThan, keep, maxSize].some((rule) => rule !== undefined);
  if (!isBounded && options.orphans !== true) {
    throw new UsageError(
      "Say which runs to remove: taffrail prune --older-than AGE, --keep N, --max-size SIZE " +
        "or --orphans",
    );
  }
  return {
    olderThanMs: olderThan === undefined ? undefined : parseAgeOption("older-than", olderThan),
    keep: keep === undefined ? undefined : parseCountOption("keep", keep),
    maxBytes: maxSize === undefined
      ? undefined
      : parseSizeOption("max-size", maxSize, { mostGibibytes: MOST_GIBIBYTES }),
    orphans: options.orphans === true,
    isBounded,
  };
}

function toCandidate(root: string, run: Listed): Candidate {
  const size = sizeOfRun(root, run.run_id);
  return { run, state: stateWordOf(run), time: lastTimeOf(root, run), size };
}

/** Decides on all runs, the oldest first. */
function makePlan(candidates: Candidate[], rules: Rules): PrunePlan {
  const plan: PrunePlan = { chosen: [], kept: [] };
  const now = Date.now();
  const readable = candidates.filter(({ state }) => state !== "unreadable" && state !== "other");
  const newest = new Set(readable.slice(Math.max(0, readable.length - (rules.keep ?? Infinity))));
  let left = candidates.reduce((sum, { size }) => sum + size, 0);
  for (const candidate of candidates) {
    const { time, size } = candidate;
    const age = time === undefined ? undefined : now - time;
    const reason = rules.olderThanMs !== undefined && age !== undefined && age > rules.olderThanMs
      ? `its last event was ${formatAge(age)}`
      : rules.keep !== undefined && !newest.has(candidate)
      ? `it is not one of the newest ${rules.keep}`
      : rules.maxBytes !== undefined && left > rules.maxBytes
      ? `all runs together have more than ${formatSize(rules.maxBytes)}`
      : rules.orphans && !rules.isBounded && candidate.state === "orphan"
      ? "it has no end, and nobody works on it"
      : undefined;
    if (reason === undefined) continue;
    const stays = reasonToStay(candidate.state, rules);
    if (stays !== undefined) {
      plan.kept.push({ ...candidate, reason: stays });
      continue;
    }
    left -= size;
    plan.chosen.push({ ...candidate, reason });
  }
  return plan;
}

function reasonToStay(state: StateWord, rules: Rules): string | undefined {
  switch (state) {
    case "running":
      return "it is worked on";
    case "orphan":
      return rules.orphans ? undefined : "it has no end, and may be resumed; --orphans removes it";
    case "other":
      return "it is a log of another program";
    case "unreadable":
      return "it cannot be read";
    default:
      return undefined;
  }
}

/** What somebody has opened since it was looked at stays, and so does what cannot be removed. */
async function carryOut(
  plan: PrunePlan,
  remove: typeof removeWhole,
  root: string,
): Promise<Pick<Result, "removed" | "kept" | "failed">> {
  const done: Pick<Result, "removed" | "kept" | "failed"> = {
    removed: [],
    kept: plan.kept,
    failed: [],
  };
  for (const candidate of plan.chosen) {
    try {
      await remove(root, candidate.run.run_id);
      done.removed.push(candidate);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (isInUse(error)) {
        done.kept.push({ ...candidate, reason: "it is worked on" });
      } else {
        done.failed.push({ candidate, problem: error.message });
      }
    }
  }
  return done;
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

/** Does nothing, and fails where it can be told that {@linkcode removeWhole} would. */
async function tryToRemove(root: string, runId: string): Promise<void> {
  if (!await isLive(root, runId)) return;
  throw new EventLogError("live", "Cannot remove a run that is open", { path: runId });
}

function jsonOf(context: { root: string; isDryRun: boolean }, result: Result): string {
  return JSON.stringify({
    root: context.root,
    dry_run: context.isDryRun,
    removed: result.removed.map(({ run, reason, state, size }) => {
      const last = "state" in run ? run.last_ts : null;
      return { run_id: run.run_id, reason, state, last_ts: last, size_bytes: size };
    }),
    kept: result.kept.map(({ run, reason }) => ({ run_id: run.run_id, reason })),
    removed_bytes: result.removedBytes,
    left_bytes: result.leftBytes,
    failed: result.failed.map(({ candidate, problem }) => {
      return { run_id: candidate.run.run_id, problem };
    }),
  });
}

function printResult(
  screen: Screen,
  context: { root: string; isDryRun: boolean; maxBytes: number | undefined },
  { removed, kept, failed, removedBytes, leftBytes }: Result,
): void {
  const word = context.isDryRun ? "would remove" : "removed";
  for (const { run, reason, size } of removed) {
    screen.line(`${word} ${run.run_id}  ${formatSize(size)}, ${reason}`);
  }
  for (const { run, reason } of kept) screen.line(`kept ${run.run_id}  ${reason}`);
  for (const { candidate, problem } of failed) {
    const text = printableLine(`${candidate.run.run_id}  ${problem}`);
    screen.line(screen.paint(`cannot remove ${text}`, "red"));
  }
  const runs = removed.length === 1 ? "1 run" : `${removed.length} runs`;
  screen.line(
    `${word} ${runs}, ${formatSize(removedBytes)}; ${
      formatSize(leftBytes)
    } left in ${context.root}`,
  );
  if (context.maxBytes !== undefined && leftBytes > context.maxBytes) {
    screen.line(
      `that is more than ${formatSize(context.maxBytes)}: what is left may not be removed`,
    );
  }
}
