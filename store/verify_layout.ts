/** What stands where in the directories of a runtime. */
import { join } from "../_internal/path.ts";
import type { Entry, RuntimeView, WorkerView } from "./runtime_view.ts";
import type { Finding } from "./store_problem.ts";

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
