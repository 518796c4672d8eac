import { isMovedAside } from "../../_internal/directories.ts";
import { checkString, defined } from "../../_internal/errors.ts";
import { denoFilePort, type FilePort, lookAtSync } from "../../_internal/file_port.ts";
import { basename } from "../../_internal/path.ts";
import {
  idOfDirectory,
  isSystemFile,
  runtimeDirectory,
  runtimesDirectory,
} from "../../_internal/root_layout.ts";
import { type DirectoryEntry, listDirectory, RuntimeFolder } from "../files/runtime_folder.ts";
import { isFresh, loadRuntimeBeside, type RuntimeFiles } from "../runtime/load_runtime.ts";
import { RuntimeStoreError } from "../runtime_store_error.ts";
import { asStoreError, findingTextOf, isNoFile, wrapIo } from "../store_errors.ts";
import type { Finding, StoreProblem } from "./store_problem.ts";
import { emptyReport, type RuntimeReport, verifyRuntime } from "./verify_runtime.ts";

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
 * @throws {TypeError} If `root` or `runtimeId` is not a string.
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
  const { ids, problems } = listRuntimes(port, root, which);
  const verdict: StoreVerdict = { ok: true, runtimes: [], problems };
  for (const id of ids) {
    signal?.throwIfAborted();
    const folder = new RuntimeFolder(port, { root, runtimeId: id });
    const inspection = await inspectRuntime(folder);
    const { report, state } = inspection;
    const path = folder.directory;
    const [events, workers] = [report.events, report.state.workers.size];
    verdict.runtimes.push({ runtime: id, path, state, events, workers });
    verdict.problems.push(...problemsOf(inspection, id));
  }
  verdict.ok = verdict.problems.length === 0;
  return verdict;
}

/** The runtimes below a root that are meant, and what else stands beside them or in their place. */
export function listRuntimes(
  port: FilePort,
  root: string,
  { runtimeId, except }: Omit<VerifyStoreOptions, "signal">,
): { ids: string[]; problems: StoreProblem[] } {
  checkString(root, "root");
  if (runtimeId !== undefined) checkString(runtimeId, "runtimeId");
  const path = runtimesDirectory(root);
  return wrapIo({ operation: "verify runtime store", path }, () => {
    const ids: string[] = [];
    const problems: StoreProblem[] = [];
    const [runtimes] = entryOf(port, path);
    if (runtimes === undefined) return { ids, problems };
    if (!runtimes.isDirectory) {
      const message = "runtimes path exists but is not a directory; move it away";
      const finding = runtimes.isSymlink
        ? strayFinding(runtimes)
        : { kind: "foreign-file" as const, path, message };
      return { ids, problems: [problemOf(finding, runtimeId ?? "")] };
    }
    const entries = runtimeId === undefined
      ? listDirectory(port, path)
      : entryOf(port, runtimeDirectory(root, runtimeId));
    for (const entry of entries) {
      if (isSystemFile(entry.name)) continue;
      const id = idOfDirectory(entry.name);
      if (id !== undefined && except?.has(id)) continue;
      if (id !== undefined && entry.isDirectory) ids.push(id);
      else if (isMovedAside(entry)) continue;
      else problems.push(problemOf(strayFinding(entry), runtimeId ?? ""));
    }
    return { ids, problems };
  });
}

function entryOf(port: FilePort, path: string): DirectoryEntry[] {
  const name = basename(path);
  const info = name.length > MAX_NAME_LENGTH ? undefined : lookAtSync(port, path);
  return info === undefined ? [] : [{ ...info, name, path }];
}

function strayFinding({ path, name, isSymlink, isDirectory }: DirectoryEntry): Finding {
  if (isSymlink) return { kind: "symlink", path, message: "it is a symbolic link" };
  const message = idOfDirectory(name) !== undefined
    ? "runtime path exists but is not a directory; move it away"
    : isDirectory
    ? "the directory's name is not that of a runtime; move it away"
    : "the file does not belong to the store; move it away";
  return { kind: "foreign-file", path, message };
}

/** One runtime, looked at. */
export interface Inspection {
  report: RuntimeReport;
  state: RuntimeVerdict["state"];
  /** Undefined when it could not be looked at. */
  files: RuntimeFiles | undefined;
}

/** Looks at one runtime; what the file system refuses is a finding too. */
export async function inspectRuntime(folder: RuntimeFolder): Promise<Inspection> {
  const operation = "verify runtime store";
  const path = folder.directory;
  try {
    const files = await loadRuntimeBeside(folder, operation);
    if (files === undefined) {
      const message = "its owner writes so fast that no consistent state could be seen; try again";
      return unknown({ kind: "busy", path, message });
    }
    const report = await verifyRuntime(files);
    if (isFresh(files)) return { report, state: "empty", files };
    return { report, state: files.unapplied.found?.isEmpty ? "clean" : "journaled", files };
  } catch (cause) {
    const error = asStoreError({ operation, path }, cause);
    if (!(error instanceof RuntimeStoreError)) throw error;
    const kind = error.kind === "symlink" ? "symlink" : isNoFile(error) ? "foreign-file" : "io";
    return unknown({ kind, path: error.details.path ?? path, message: findingTextOf(error) });
  }
}

function unknown(finding: Finding): Inspection {
  return { report: emptyReport(finding), state: "unknown", files: undefined };
}

/** The findings as they are reported. */
export function problemsOf({ report }: Inspection, runtime: string): StoreProblem[] {
  return report.findings.map((finding) => problemOf(finding, runtime));
}

function problemOf(finding: Finding, runtime: string): StoreProblem {
  const { kind, path, line, byteOffset, message, fix } = finding;
  return {
    runtime,
    kind,
    path,
    ...defined({ line, byteOffset }),
    message,
    repairable: fix !== undefined,
  };
}
