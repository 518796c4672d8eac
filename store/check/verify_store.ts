import { lookAtSync } from "../../_internal/directories.ts";
import { denoFilePort, type FilePort } from "../../_internal/file_port.ts";
import { basename, join } from "../../_internal/path.ts";
import { idOfDirectory, StorePaths } from "../layout.ts";
import { RuntimeStoreError } from "../runtime_store_error.ts";
import { asStoreError } from "../store_errors.ts";
import { isRemoved } from "./remove_runtime.ts";
import { type Entry, listSync, readRuntimeView, type RuntimeView } from "./runtime_view.ts";
import type { Finding, StoreProblem } from "./store_problem.ts";
import { type RuntimeReport, verifyRuntime } from "./verify_runtime.ts";
import { isUnborn } from "./verify_snapshots.ts";

/** An id with a longer directory cannot be that of a runtime; file systems refuse to look for it. */
const MAX_NAME_LENGTH = 255;

/** Options of {@linkcode verifyStore}. */
export interface VerifyStoreOptions {
  /** Only this runtime; the others cost nothing. */
  runtimeId?: string;
  /** All runtimes but these. */
  except?: ReadonlySet<string>;
  /** Stops the looking, between two runtimes, with its reason as the error. */
  signal?: AbortSignal;
}

/** What {@linkcode verifyStore} has to say of one runtime. */
export interface RuntimeVerdict {
  /** The runtime. */
  runtime: string;
  /** Its directory. */
  path: string;
  /**
   * - `clean`: its snapshots and logs hold everything
   * - `journaled`: some of it may be only in its journal, as it is open or was not closed; opening
   *   it brings the rest up to date, and nothing is lost
   * - `empty`: its making was interrupted before anything was recorded
   * - `unknown`: it could not be looked at
   */
  state: "clean" | "journaled" | "empty" | "unknown";
  /** How many events it has. */
  events: number;
  /** How many workers it has. */
  workers: number;
}

/** What {@linkcode verifyStore} found. */
export interface StoreVerdict {
  /** Whether nothing is wrong. */
  ok: boolean;
  /** Every runtime, in the order of their directories. */
  runtimes: RuntimeVerdict[];
  /** Everything that is wrong. */
  problems: StoreProblem[];
}

/**
 * Looks for everything that is wrong in a store, and changes nothing. It may be used beside an owner
 * who is at work: it sees the state of one moment, what is only in the journal included, and raises
 * no alarm for what that owner is about to do. It takes no lock.
 *
 * Time and reads are those of going through all logs once. Memory does not grow with the text in
 * them, only by a number for each input.
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @param root The directory of the store.
 * @param options What to look at.
 * @returns What was found. A root without runtimes is fine.
 * @throws {RuntimeStoreError} `store-io` when the runtimes cannot be listed.
 *
 * @example Usage
 * ```ts
 * import { verifyStore } from "@taffrail/taffrail/store";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await Deno.mkdir(`${root}/runtimes`);
 * await Deno.writeTextFile(`${root}/runtimes/notes.txt`, "not part of a store");
 *
 * const { ok, problems } = await verifyStore(root);
 * assertEquals(ok, false);
 * assertEquals(problems[0]?.kind, "foreign-file");
 * ```
 */
export function verifyStore(
  root: string,
  options: VerifyStoreOptions = {},
): Promise<StoreVerdict> {
  return verifyStoreOnPort(denoFilePort, root, options);
}

/** {@linkcode verifyStore} on a given file system. */
export async function verifyStoreOnPort(
  port: FilePort,
  root: string,
  { signal, ...which }: VerifyStoreOptions = {},
): Promise<StoreVerdict> {
  const { ids, problems } = listRuntimesSync(port, root, which);
  const verdict: StoreVerdict = { ok: true, runtimes: [], problems };
  for (const id of ids) {
    signal?.throwIfAborted();
    const paths = new StorePaths(root, id);
    const { report, state } = await inspectRuntime(port, paths, id);
    verdict.runtimes.push({
      runtime: id,
      path: paths.directory,
      state,
      events: report.events,
      workers: report.state.workers.size,
    });
    verdict.problems.push(...report.findings.map((finding) => problemOf(finding, id)));
  }
  verdict.ok = verdict.problems.length === 0;
  return verdict;
}

/** The runtimes below a root that are meant, and what else stands beside them or in their place. */
export function listRuntimesSync(
  port: FilePort,
  root: string,
  { runtimeId, except }: Pick<VerifyStoreOptions, "runtimeId" | "except"> = {},
): { ids: string[]; problems: StoreProblem[] } {
  const path = join(root, "runtimes");
  const ids: string[] = [];
  const problems: StoreProblem[] = [];
  try {
    const entries = runtimeId === undefined
      ? listAllSync(port, path)
      : listOneSync(port, new StorePaths(root, runtimeId).directory);
    for (const entry of entries) {
      const id = idOfDirectory(entry.name);
      if (id !== undefined && except?.has(id)) continue;
      if (id !== undefined && entry.isDirectory) ids.push(id);
      else if (isRemoved(entry)) continue;
      else problems.push(problemOf(strayFinding(entry), runtimeId ?? ""));
    }
  } catch (error) {
    throw asStoreError({ operation: "verify runtime store", path }, error);
  }
  return { ids, problems };
}

function listAllSync(port: FilePort, path: string): Entry[] {
  return lookAtSync(port, path) === undefined ? [] : listSync(port, path);
}

function listOneSync(port: FilePort, path: string): Entry[] {
  const name = basename(path);
  if (name.length > MAX_NAME_LENGTH) return [];
  const info = lookAtSync(port, path);
  return info === undefined ? [] : [{ ...info, path, name }];
}

function strayFinding(
  { path, name, isSymlink, isDirectory }: Entry,
): Finding {
  if (isSymlink) return { kind: "symlink", path, message: "it is a symbolic link" };
  if (idOfDirectory(name) !== undefined) {
    const message = "runtime path exists but is not a directory; move it away";
    return { kind: "foreign-file", path, message };
  }
  const message = isDirectory
    ? "the directory's name is not that of a runtime; move it away"
    : "the file does not belong to the store; move it away";
  return { kind: "foreign-file", path, message };
}

/** One runtime, looked at. */
export interface Inspection {
  report: RuntimeReport;
  state: RuntimeVerdict["state"];
  /** Undefined when it could not be looked at. */
  view: RuntimeView | undefined;
}

/** Looks at one runtime; what the file system refuses is a finding too. */
export async function inspectRuntime(
  port: FilePort,
  paths: StorePaths,
  runtimeId: string,
): Promise<Inspection> {
  const path = paths.directory;
  try {
    const view = await readRuntimeView(port, paths, runtimeId);
    if (view === undefined) {
      const message = "its owner writes so fast that no consistent state could be seen; try again";
      return { report: emptyReport({ kind: "busy", path, message }), state: "unknown", view };
    }
    const report = await verifyRuntime(port, view);
    if (isUnborn(view)) return { report, state: "empty", view };
    const isClean = view.journal.error === undefined && view.journal.found?.isEmpty;
    return { report, state: isClean ? "clean" : "journaled", view };
  } catch (cause) {
    const error = asStoreError({ operation: "verify runtime store", path }, cause);
    if (!(error instanceof RuntimeStoreError)) throw error;
    const finding: Finding = { kind: "io", path: error.path ?? path, message: error.message };
    return { report: emptyReport(finding), state: "unknown", view: undefined };
  }
}

function emptyReport(finding: Finding): RuntimeReport {
  return {
    findings: [finding],
    state: { runtime: undefined, workers: new Map(), broken: new Set() },
    events: 0,
    told: { lastEventId: 0, isStopped: false, lastWorker: 0 },
  };
}

/** A finding as it is told. */
export function problemOf({ fix, ...finding }: Finding, runtime: string): StoreProblem {
  return { runtime, ...finding, repairable: fix !== undefined };
}
