/** The store of a run, and what of a root belongs to no run. */
import { denoFilePort, lookAtSync, readFileSync } from "../../_internal/file_port.ts";
import {
  contentOfDigestKey,
  digestKeyPath,
  isUlid,
  lastUlidPath,
  MAX_RUN_FILE_BYTES,
  runtimeDirectory,
  runtimesDirectory,
} from "../../_internal/root_layout.ts";
import { decodeUtf8, reasonOf } from "../../_internal/text.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import type { StoreProblem } from "../../store/check/store_problem.ts";
import { verifyStore } from "../../store/check/verify_store.ts";
import { FsRuntimeStore } from "../../store/runtime/fs_runtime_store.ts";
import { RuntimeStoreError } from "../../store/runtime_store_error.ts";
import { exists } from "../files.ts";
import { leftRuntimes } from "../reading/left_runtimes.ts";
import { fileProblem, type InspectedRun, type Problem } from "./problem.ts";

/** What is wrong in one runtime; or in all but those of some runs, and beside all of them. */
export async function inspectStore(
  root: string,
  which: { runtimeId: string } | { except: ReadonlySet<string> },
): Promise<Problem[]> {
  const { problems } = await verifyStore(root, which);
  return problems.map(asProblem);
}

/** What repairing does to the store of a run which nothing else can mend. */
export const REMAKE_STORE = "make it again from the log, and keep what there was";

/** What is no damage to a store, or another program's, or has to be looked at first. */
const NOT_REMADE: ReadonlySet<string> = new Set([
  "backend",
  "busy",
  "foreign-file",
  "io",
  "owned",
  "schema",
  "stale-temp",
  "symlink",
]);

/** What is wrong in the store of a run. `isLogSound`: it can be made again from the log. */
export async function inspectStoreOfRun(
  { root, runId, live }: InspectedRun,
  { isLogSound }: { isLogSound: boolean },
): Promise<Problem[]> {
  const problems = await inspectStore(root, { runtimeId: runId });
  if (!isLogSound || live) return problems;
  return problems.map((problem) => {
    const isRemade = problem.repair === null && !NOT_REMADE.has(problem.kind);
    return isRemade ? { ...problem, repair: REMAKE_STORE } : problem;
  });
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

/** What is wrong beside these runs and their runtimes. */
export async function inspectBeside(root: string, runIds: readonly string[]): Promise<Problem[]> {
  const own = [...inspectLastUlid(root), ...inspectDigestKey(root)];
  try {
    const others = await inspectStore(root, { except: new Set(runIds) });
    return [...own, ...others, ...inspectLeftRuntimes(root)];
  } catch (error) {
    const place = { run_id: null, part: "store", path: runtimesDirectory(root) } as const;
    return [...own, fileProblem(place, { kind: "unreadable", message: reasonOf(error) })];
  }
}

const MAKE_LAST_ULID = "keep it under another name, and make it again from the ids of the runs";

/** What keeps every new run from getting an id. */
function inspectLastUlid(root: string): Problem[] {
  const path = lastUlidPath(root);
  const info = lookAtSync(denoFilePort, path);
  if (info === undefined) return [];
  try {
    if ((info.nlink ?? 1) > 1) throw new TypeError("it has another name too (a hard link)");
    const text = decodeUtf8(readFileSync(denoFilePort, path, MAX_RUN_FILE_BYTES)).trim();
    if (isUlid(text) || /^\0*$/.test(text)) return [];
    throw new TypeError("it holds no ULID");
  } catch (error) {
    const message = `${reasonOf(error)}; so no new run can be recorded`;
    const place = { run_id: null, part: "run", path } as const;
    return [fileProblem(place, { kind: "unreadable", message, repair: MAKE_LAST_ULID })];
  }
}

/** What values were digested with; one that was being made when the power failed is made anew. */
function inspectDigestKey(root: string): Problem[] {
  const path = digestKeyPath(root);
  if (lookAtSync(denoFilePort, path) === undefined) return [];
  const place = { run_id: null, part: "run", path } as const;
  try {
    const text = new TextDecoder().decode(readFileSync(denoFilePort, path, MAX_RUN_FILE_BYTES));
    if (contentOfDigestKey(text) !== "other") return [];
    const message =
      "it holds no key: put it back from a copy, or move it away; what was digested " +
      "with it cannot be compared then";
    return [fileProblem(place, { kind: "unreadable", message })];
  } catch (error) {
    return [fileProblem(place, { kind: "unreadable", message: reasonOf(error) })];
  }
}

/** Runtimes of runs that are gone: nothing shows or removes them but `taffrail prune`. */
function inspectLeftRuntimes(root: string): Problem[] {
  return leftRuntimes(root).map(({ runtimeId, path }) => {
    const message =
      "its run is gone, which was removed by hand; taffrail prune removes it by the " +
      "rules for runs";
    const place = { run_id: runtimeId, part: "store", path } as const;
    return fileProblem(place, { kind: "run-missing", message });
  });
}

const CATCH_UP = "bring it up to the log";
const PAGE = 100;

const RUN_END = "the end of the run";
const NO_STORE = "no store";

/**
 * Whether the store of a run has what its log has: it follows it, unless that is long. What is wrong in it
 * alone is told elsewhere. `isClean`: the run did not end because something could not be recorded; `lines`:
 * how many its log has.
 */
export async function inspectFollowing(
  { root, runId, live }: InspectedRun,
  { fold, isClean, lines }: { fold: RunFold; isClean: boolean; lines: number },
): Promise<Problem[]> {
  const path = runtimeDirectory(root, runId);
  const place = { run_id: runId, part: "store", path } as const;
  if (live) return [];
  const hasEnd = fold.run.state !== "Running";
  const difference = exists(path) ? await differenceIn(root, runId, fold) : NO_STORE;
  if (difference === undefined) return [];
  // Most stores are up to their log, and nobody needs it.
  const { MOST_FOLLOWED } = await import("../../run/file_root/store_follower.ts");
  const isLeft = lines > MOST_FOLLOWED;
  if (isLeft && (difference === NO_STORE || difference.tooMuch === undefined)) return [];
  if (difference === NO_STORE) {
    const message = hasEnd
      ? "it is gone; what it had is in the log"
      : "it is not there yet; resuming makes it from the log";
    const repair = hasEnd ? CATCH_UP : null;
    return [fileProblem(place, { kind: hasEnd ? "behind-log" : "unfinished", message, repair })];
  }
  const { missing, tooMuch } = difference;
  if (tooMuch !== undefined) {
    const message = `it has ${tooMuch}, which the log has not`;
    const what = hasEnd
      ? { kind: "differs", message, repair: REMAKE_STORE }
      : { kind: "unfinished", message: `${message}; resuming makes it again from the log` };
    return [fileProblem(place, what)];
  }
  // Killed between the log and the store: that is caught up with when the run is gone on with.
  if (!hasEnd) {
    const message =
      `it does not have ${missing} yet, which the log has; resuming brings it up to it`;
    return [fileProblem(place, { kind: "unfinished", message })];
  }
  // What the store could not take ended the run, and the log says so.
  if (!isClean && missing !== RUN_END) {
    const message = `it does not have ${missing}, which the log has: it could not be recorded`;
    return [fileProblem(place, { kind: "unfinished", message })];
  }
  const message = `it does not have ${missing}, which the log has`;
  return [fileProblem(place, { kind: "behind-log", message, repair: CATCH_UP })];
}

/** The first thing that the store has and the log has not, or else that it lacks; undefined when they agree. */
async function differenceIn(
  root: string,
  runId: string,
  fold: RunFold,
): Promise<{ missing?: string; tooMuch?: string } | typeof NO_STORE | undefined> {
  try {
    await using store = await FsRuntimeStore.open({ root, runtimeId: runId, readOnly: true });
    const { state, nodes } = fold.state();
    const isActive = activityIn(store);
    const isStopped = store.summary().status === "stopped";
    let missing: string | undefined;
    for (const { id, kind } of nodes) {
      for (const { attempt, status } of fold.attemptsOf(id)) {
        const key = attemptKey({ nodeId: id, attempt });
        const active = isActive.get(key);
        isActive.delete(key);
        const name = `${id} (attempt ${attempt})`;
        // What has no begin in the log, as a gate, is nobody's work, and has no worker.
        if (active === undefined && kind === undefined) continue;
        if (active === undefined) missing ??= name;
        else if (active && status !== "Running") missing ??= `the end of ${name}`;
        else if (!active && status === "Running" && !isStopped) {
          return { tooMuch: `the end of ${name}` };
        }
      }
    }
    for (const key of isActive.keys()) return { tooMuch: key.replace(/#(\d+)$/, " (attempt $1)") };
    if (state === "Completed" && !isStopped) missing ??= RUN_END;
    return missing === undefined ? undefined : { missing };
  } catch (error) {
    if (error instanceof RuntimeStoreError) {
      // Whoever made it may have been killed before anything was in it.
      return error.kind === "store-missing" ? NO_STORE : undefined;
    }
    throw error;
  }
}

/** Whether each attempt is at work, by its name. */
function activityIn(store: FsRuntimeStore): Map<string, boolean> {
  const found = new Map<string, boolean>();
  let after: string | undefined;
  for (;;) {
    const page = store.listWorkers({ limit: PAGE, ...(after !== undefined && { after }) });
    for (const { intent, status } of page) {
      if (intent.kind === "task") found.set(intent.objective, status === "running");
    }
    if (page.length < PAGE) return found;
    after = page.at(-1)!.worker_id;
  }
}
