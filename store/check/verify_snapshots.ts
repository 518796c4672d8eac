import { join } from "../../_internal/path.ts";
import { directoryOfId } from "../../_internal/root_layout.ts";
import { computeConfigBundleDigest } from "../config_bundle.ts";
import {
  runtimeIdentityProblems,
  type RuntimeSnapshot,
  workerIdentityProblem,
  type WorkerSnapshot,
} from "../files/snapshots.ts";
import type { RuntimeFiles, WorkerFiles } from "../runtime/load_runtime.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { isNoFile, USE_NEWER } from "../store_errors.ts";
import { type Finding, findingOf, type Fix } from "./store_problem.ts";

/** What the snapshots of a runtime say, each by itself; and the state that they make with the journal. */

/** A worker, as opening the runtime would have it. */
export interface CurrentWorker {
  snapshot: WorkerSnapshot;
  /** Where its files are; undefined when there is only the journal yet. */
  files: WorkerFiles | undefined;
}

/** A runtime, as opening it would have it. */
export interface CurrentState {
  /** Undefined when nothing says it. */
  runtime: RuntimeSnapshot | undefined;
  workers: Map<string, CurrentWorker>;
  /** Ids of workers whose files are there and cannot be used. */
  broken: Set<string>;
}

/** Finds what is wrong with the snapshots, and puts the state together. */
export function verifySnapshots(
  files: RuntimeFiles,
): { state: CurrentState; findings: Finding[] } {
  const unapplied = files.unapplied.found;
  const base = files.runtime.found ?? unapplied?.createdRuntime;
  const runtime = base && { ...base, ...unapplied?.counters };
  const state: CurrentState = { runtime, workers: new Map(), broken: new Set() };
  const findings = verifyRuntimeSnapshot(files, runtime);
  // Directories that have the right name come first: a second one of a worker is the odd one.
  const ordered = files.workers.toSorted((a, b) => Number(isMisnamed(a)) - Number(isMisnamed(b)));
  for (const worker of ordered) findings.push(...verifyWorker(worker, { files, state }));
  for (const [id, snapshot] of unapplied?.createdWorkers ?? []) {
    if (state.workers.has(id)) continue;
    const directory = files.workers.find(({ directoryId }) => directoryId === id);
    state.workers.set(id, { snapshot: currentWorker(files, snapshot), files: directory });
  }
  return { state, findings };
}

function currentWorker({ unapplied }: RuntimeFiles, snapshot: WorkerSnapshot): WorkerSnapshot {
  return { ...snapshot, ...unapplied.found?.changedWorkers.get(snapshot.worker_id) };
}

/**
 * What an error of reading a snapshot is, and whether `fix` may be used for it. What is no file is
 * reported where the directory is looked at.
 */
function findingsOf(error: RuntimeStoreError, path: string, fix: Fix): Finding[] {
  if (isNoFile(error)) return [];
  const finding = findingOf(error, path);
  if (error.kind !== "store-corrupt") return [{ kind: "io", ...finding }];
  if (error.remedy === USE_NEWER) return [{ kind: "schema", ...finding }];
  // What only has a field too many is whole, and another program can read it.
  const isWhole = error.cause === undefined;
  return [{ kind: "corrupt", ...finding, ...(isWhole ? {} : { fix }) }];
}

function verifyRuntimeSnapshot(
  { folder: { snapshot: path, runtimeId }, runtime }: RuntimeFiles,
  current: RuntimeSnapshot | undefined,
): Finding[] {
  if (runtime.error !== undefined) {
    return findingsOf(runtime.error, path, { action: "rebuild-runtime", path });
  }
  if (current === undefined) return [];
  const findings: Finding[] = runtimeIdentityProblems(current, runtimeId).map(
    ({ kind, problem }) => {
      const place = `; its directory should be ${directoryOfId(current.runtime_id)}`;
      return { kind, path, message: problem + (kind === "foreign-record" ? place : "") };
    },
  );
  for (const [id, bundle] of Object.entries(current.config_bundles)) {
    const digest = computeConfigBundleDigest(bundle);
    if (bundle.metadata.digest !== digest) {
      const message = `config bundle \`${id}\` digest mismatch: expected ` +
        `${bundle.metadata.digest}, got ${digest}; store it again`;
      findings.push({ kind: "bundle", path, message });
    } else if (bundle.metadata.id !== id) {
      const message = `config bundle \`${id}\` says that it is \`${bundle.metadata.id}\``;
      findings.push({ kind: "bundle", path, message });
    }
  }
  const next = current.next_diagnostic_id;
  const last = Math.max(0, ...current.diagnostics.map(({ id }) => id));
  if (next <= last) {
    const message = `next_diagnostic_id is ${next}, and there is a diagnostic ${last}`;
    const changes = { next_diagnostic_id: last + 1 };
    const fix = { action: "change-runtime", path, changes } as const;
    findings.push({ kind: "counter", path, message, fix });
  }
  return findings;
}

function isMisnamed({ directoryId, snapshot }: WorkerFiles): boolean {
  return snapshot.found !== undefined && snapshot.found.worker_id !== directoryId;
}

function verifyWorker(
  worker: WorkerFiles,
  { files, state }: { files: RuntimeFiles; state: CurrentState },
): Finding[] {
  const { directory, directoryId, snapshot } = worker;
  const { folder } = files;
  const path = folder.snapshotIn(directory);
  const quarantine = { action: "quarantine", path: directory } as const;
  if (snapshot.error !== undefined) {
    state.broken.add(directoryId);
    return findingsOf(snapshot.error, path, quarantine);
  }
  const missing = missingFiles(worker, files);
  if (snapshot.found === undefined) {
    if (missing.length > 0) state.broken.add(directoryId);
    return missing;
  }
  const foreign = workerIdentityProblem(snapshot.found, folder.runtimeId);
  if (foreign !== undefined) {
    state.broken.add(directoryId);
    return [{ kind: "foreign-record", path, message: foreign, fix: quarantine }];
  }
  const { worker_id } = snapshot.found;
  const name = directoryOfId(worker_id);
  const to = join(folder.workers, name);
  // Whether the directory that a misnamed worker should have is another worker's, or anything else.
  const isTaken = worker_id !== directoryId &&
    [...files.workers.map((other) => other.directory), ...files.strays.map((stray) => stray.path)]
      .includes(to);
  if (state.workers.has(worker_id) || isTaken) {
    const message = `duplicate worker id in store: worker ${worker_id} has another directory, ` +
      name;
    return [{ kind: "duplicate-worker", path: directory, message, fix: quarantine }];
  }
  state.workers.set(worker_id, { snapshot: currentWorker(files, snapshot.found), files: worker });
  if (worker_id === directoryId) return missing;
  const message = `worker ${worker_id} is in the directory of worker ${directoryId}`;
  const fix = { action: "rename", path: directory, to } as const;
  return [{ kind: "directory-name", path: directory, message, fix }, ...missing];
}

/** The files that a worker's directory lacks. */
function missingFiles(
  { directory, directoryId, snapshot, transcript }: WorkerFiles,
  { folder, unapplied: { found: unapplied } }: RuntimeFiles,
): Finding[] {
  // Of a damaged journal nobody knows what it has.
  if (unapplied === undefined || unapplied.createdWorkers.has(directoryId)) return [];
  if (snapshot.found === undefined) {
    const path = folder.snapshotIn(directory);
    const message = "there is no such file, so nobody knows what the worker was";
    const fix = { action: "quarantine", path: directory } as const;
    return [{ kind: "missing", path, message, fix }];
  }
  if (unapplied.logs.has(folder.transcript(directoryId))) return [];
  if (transcript.found !== undefined || transcript.error !== undefined) return [];
  const path = folder.transcriptIn(directory);
  const fix = { action: "create-log", path, text: "" } as const;
  return [{ kind: "missing", path, message: "there is no such file", fix }];
}
