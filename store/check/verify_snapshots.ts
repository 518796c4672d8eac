import { join } from "../../_internal/path.ts";
import { computeConfigBundleDigest } from "../config_bundle.ts";
import type { RuntimeSnapshot, WorkerSnapshot } from "../files/snapshots.ts";
import { directoryOfId } from "../layout.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { findingTextOf } from "../store_errors.ts";
import type { Entry, RuntimeView, WorkerView } from "./runtime_view.ts";
import type { Finding, Fix } from "./store_problem.ts";

/** What the snapshots of a runtime say, each by itself; and the state that they make with the journal. */

/** A worker, as opening the runtime would have it. */
export interface WorkerState {
  snapshot: WorkerSnapshot;
  /** Where its files are; undefined when there is only the journal yet. */
  view: WorkerView | undefined;
}

/** A runtime, as opening it would have it. */
export interface RuntimeState {
  /** Undefined when nobody can tell. */
  runtime: RuntimeSnapshot | undefined;
  workers: Map<string, WorkerState>;
  /** Ids of workers whose files are there and cannot be used. */
  broken: Set<string>;
}

/** Finds what is wrong with the snapshots, and puts the state together. */
export function verifySnapshots(
  view: RuntimeView,
): { state: RuntimeState; findings: Finding[] } {
  const findings: Finding[] = [];
  const state: RuntimeState = {
    runtime: currentRuntime(view),
    workers: new Map(),
    broken: new Set(),
  };
  findings.push(...verifyRuntimeSnapshot(view, state.runtime));
  // Directories that have the right name come first: a second one of a worker is the odd one.
  const ordered = view.workers.toSorted((a, b) => Number(isMisnamed(a)) - Number(isMisnamed(b)));
  for (const worker of ordered) findings.push(...verifyWorker(worker, { view, state }));
  for (const [id, snapshot] of view.journal.found?.createdWorkers ?? []) {
    if (state.workers.has(id)) continue;
    const directory = view.workers.find(({ directoryId }) => directoryId === id);
    state.workers.set(id, { snapshot: currentWorker(view, snapshot), view: directory });
  }
  return { state, findings };
}

function currentRuntime({ runtime, journal }: RuntimeView): RuntimeSnapshot | undefined {
  const overlay = journal.found;
  const base = runtime.found ?? overlay?.createdRuntime;
  return base && { ...base, ...overlay?.counters };
}

function currentWorker({ journal }: RuntimeView, snapshot: WorkerSnapshot): WorkerSnapshot {
  return { ...snapshot, ...journal.found?.changedWorkers.get(snapshot.worker_id) };
}

/**
 * What an error of reading a snapshot is, and whether `fix` may be used for it. Links are told where
 * the directory is looked at.
 */
function findingsOf(
  error: RuntimeStoreError,
  { path, fix }: { path: string; fix: Fix },
): Finding[] {
  if (error.kind === "symlink") return [];
  const { line, byteOffset } = error;
  const place = {
    path,
    message: findingTextOf(error),
    ...(line !== undefined && { line }),
    ...(byteOffset !== undefined && { byteOffset }),
  };
  if (error.kind !== "store-corrupt") return [{ kind: "io", ...place }];
  if (error.message.includes("unsupported schema version")) return [{ kind: "schema", ...place }];
  // What only has a field too many is whole, and another program can read it.
  const isWhole = error.cause === undefined;
  return [{ kind: "corrupt", ...place, ...(isWhole ? {} : { fix }) }];
}

function verifyRuntimeSnapshot(
  { paths, runtimeId, runtime }: RuntimeView,
  current: RuntimeSnapshot | undefined,
): Finding[] {
  const path = paths.snapshot;
  if (runtime.error !== undefined) {
    return findingsOf(runtime.error, { path, fix: { action: "rebuild-runtime", path } });
  }
  if (current === undefined) return [];
  const findings: Finding[] = [];
  if (current.runtime_id !== runtimeId) {
    const message = `runtime snapshot id ${current.runtime_id} does not match requested runtime ` +
      `${runtimeId}; its directory should be ${directoryOfId(current.runtime_id)}`;
    findings.push({ kind: "foreign-record", path, message });
  }
  if (current.backend !== "fs_store") {
    findings.push({ kind: "backend", path, message: "runtime snapshot backend is Memory" });
  }
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
  const lastDiagnostic = Math.max(0, ...current.diagnostics.map(({ id }) => id));
  if (current.next_diagnostic_id <= lastDiagnostic) {
    const changes = { next_diagnostic_id: lastDiagnostic + 1 };
    const message =
      `next_diagnostic_id is ${current.next_diagnostic_id}, and there is a diagnostic ${lastDiagnostic}`;
    const fix = { action: "change-runtime", path, changes } as const;
    findings.push({ kind: "counter", path, message, fix });
  }
  return findings;
}

function isMisnamed({ directoryId, snapshot }: WorkerView): boolean {
  return snapshot.found !== undefined && snapshot.found.worker_id !== directoryId;
}

function verifyWorker(
  worker: WorkerView,
  { view, state }: { view: RuntimeView; state: RuntimeState },
): Finding[] {
  const { directory, directoryId, snapshot } = worker;
  const path = join(directory, "worker.json");
  const quarantine = { action: "quarantine", path: directory } as const;
  if (snapshot.error !== undefined) {
    state.broken.add(directoryId);
    return findingsOf(snapshot.error, { path, fix: quarantine });
  }
  const transcriptName = view.paths.transcript(directoryId);
  const missing = missingInWorker(worker, { view, transcriptName });
  if (snapshot.found === undefined) {
    if (missing.length > 0) state.broken.add(directoryId);
    return missing;
  }
  const { worker_id, worker_ref } = snapshot.found;
  const foreign = worker_ref.runtime_id !== view.runtimeId
    ? `worker belongs to runtime ${worker_ref.runtime_id}, expected ${view.runtimeId}`
    : worker_ref.worker_id !== worker_id
    ? `worker_ref id ${worker_ref.worker_id} does not match worker_id ${worker_id}`
    : undefined;
  if (foreign !== undefined) {
    state.broken.add(directoryId);
    return [{ kind: "foreign-record", path, message: foreign, fix: quarantine }];
  }
  if (state.workers.has(worker_id) || isTaken(worker_id, { view, worker })) {
    const message = `duplicate worker id in store: worker ${worker_id} has another directory, ` +
      directoryOfId(worker_id);
    return [{ kind: "duplicate-worker", path: directory, message, fix: quarantine }];
  }
  state.workers.set(worker_id, { snapshot: currentWorker(view, snapshot.found), view: worker });
  if (worker_id === directoryId) return missing;
  const to = join(view.paths.workers, directoryOfId(worker_id));
  const message = `worker ${worker_id} is in the directory of worker ${directoryId}`;
  const fix = { action: "rename", path: directory, to } as const;
  return [{ kind: "directory-name", path: directory, message, fix }, ...missing];
}

/** Whether the directory that a misnamed worker should have is another worker's. */
function isTaken(
  workerId: string,
  { view, worker }: { view: RuntimeView; worker: WorkerView },
): boolean {
  const name = directoryOfId(workerId);
  return view.workerEntries.some((entry) => entry.name === name && entry.path !== worker.directory);
}

/** What stands where in the directories of a runtime. */

const STALE_TEMP_MS = 60_000;
const SEED_TEMP = /^\.(?:runtime|worker)\.json\.tmp-\d+-\d+$/;
const OUR_TEMP =
  /^(?:(?:runtime|worker)\.json|(?:events|transcript|journal-\d+)\.jsonl)\.\d+\.\d+\.tmp$/;
const TORN = /^(?:events|transcript|journal-\d+)\.jsonl\.torn-\d+$/;
const JOURNAL = /^journal-\d+\.jsonl$/;
const QUARANTINE = /^quarantine-\d+$/;

/** What may stand in a directory. */
interface Layout {
  files: readonly string[];
  directories: readonly string[];
  /** Names of which there may be any number. */
  kept: readonly RegExp[];
}

const RUNTIME_LAYOUT: Layout = {
  files: ["runtime.json", "events.jsonl", "owner.lock"],
  directories: ["workers"],
  kept: [TORN, JOURNAL, QUARANTINE],
};

const WORKER_LAYOUT: Layout = {
  files: ["worker.json", "transcript.jsonl"],
  directories: [],
  kept: [TORN],
};

/** Finds what does not belong into the directories of a runtime (FRS-6, W-FRS-14). */
export function verifyLayout(view: RuntimeView, now: number): Finding[] {
  const workerDirectories = new Set(view.workers.map(({ directory }) => directory));
  const findings = view.entries.flatMap((entry) => verifyEntry(entry, RUNTIME_LAYOUT, now));
  for (const entry of view.workerEntries) {
    if (workerDirectories.has(entry.path)) continue;
    findings.push(...verifyEntry(entry, { files: [], directories: [], kept: [] }, now));
  }
  for (const { entries } of view.workers) {
    findings.push(...entries.flatMap((entry) => verifyEntry(entry, WORKER_LAYOUT, now)));
  }
  return findings;
}

function verifyEntry(entry: Entry, layout: Layout, now: number): Finding[] {
  const { name, path, isDirectory, isSymlink, mtime } = entry;
  const isKnown = layout.files.includes(name) || layout.directories.includes(name);
  if (isSymlink && isKnown) {
    const message = "it is a symbolic link; put what it leads to in its place";
    return [{ kind: "symlink", path, message }];
  }
  const fix = { action: "quarantine", path } as const;
  if (SEED_TEMP.test(name) || OUR_TEMP.test(name)) {
    const ageMs = mtime === null ? Infinity : now - mtime.getTime();
    if (ageMs < STALE_TEMP_MS) return [];
    const message = "a killed process left it, and nothing refers to it";
    return [{ kind: "stale-temp", path, message, fix }];
  }
  if (isKnown && isDirectory !== layout.directories.includes(name)) {
    const message = isDirectory
      ? `${name} is a directory, and a file is expected`
      : `${name} path exists but is not a directory`;
    return [{ kind: "foreign-file", path, message, fix }];
  }
  if (isKnown || layout.kept.some((pattern) => pattern.test(name))) return [];
  const message = isDirectory
    ? "the directory does not belong to the store"
    : layout.files.length === 0
    ? "worker path exists but is not a directory"
    : "the file does not belong to the store";
  return [{ kind: "foreign-file", path, message, fix }];
}

/** Whether a runtime's making was interrupted before anything was recorded: it is made anew. */
export function isUnborn({ entries, runtime, workerEntries, journal }: RuntimeView): boolean {
  const hasEvents = entries.some(({ name, size }) => name === "events.jsonl" && size > 0);
  return runtime.found === undefined && runtime.error === undefined && !hasEvents &&
    workerEntries.length === 0 && journal.error === undefined &&
    (journal.found?.isEmpty ?? true);
}

/** The files that a worker's directory lacks. */
export function missingInWorker(
  { directory, directoryId, entries, snapshot }: WorkerView,
  { view, transcriptName }: { view: RuntimeView; transcriptName: string },
): Finding[] {
  const overlay = view.journal.found;
  // Of a damaged journal nobody knows what it has.
  const isJournaled = overlay === undefined || overlay.createdWorkers.has(directoryId);
  if (isJournaled) return [];
  if (snapshot.found === undefined && snapshot.error === undefined) {
    const path = join(directory, "worker.json");
    const message = "there is no such file, so nobody knows what the worker was";
    const fix = { action: "quarantine", path: directory } as const;
    return [{ kind: "missing", path, message, fix }];
  }
  if (snapshot.found === undefined || overlay.logs.has(transcriptName)) return [];
  if (entries.some(({ name }) => name === "transcript.jsonl")) return [];
  const path = join(directory, "transcript.jsonl");
  const fix = { action: "create-log", path, text: "" } as const;
  return [{ kind: "missing", path, message: "there is no such file", fix }];
}
