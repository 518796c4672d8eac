import { lookAtSync, readFileSync } from "../../_internal/file_port.ts";
import { basename } from "../../_internal/path.ts";
import { RuntimePaths } from "../../_internal/root_layout.ts";
import { encodeUtf8, joinBytes, NEWLINE } from "../../_internal/text.ts";
import { eventLog, type LogCodec, transcriptLog } from "../files/log_codecs.ts";
import { type OwnerLock, type RuntimeFolder, takeOwnerLock } from "../files/runtime_folder.ts";
import {
  parseRuntimeSnapshot,
  parseWorkerSnapshot,
  printRuntimeSnapshot,
  printWorkerSnapshot,
  type RuntimeSnapshot,
  SCHEMA_VERSION,
} from "../files/snapshots.ts";
import { parseHead, printHead, withNewHead } from "../journal/mutation_record.ts";
import { loadUnchecked } from "../runtime/load_runtime.ts";
import { DEFAULT_RUNTIME_LIMITS, openOwner } from "../runtime/open_runtime.ts";
import { KEPT_DIAGNOSTICS, workerNumberOf } from "../state/store_state.ts";
import type { RuntimeDiagnostic } from "../types.ts";
import {
  cutSync,
  type MendedLog,
  mendLogSync,
  Quarantine,
  renameSync,
  replaceSync,
} from "./repair_files.ts";
import { rebuildMutation } from "./rebuild_mutation.ts";
import type { Fix, RepairStep } from "./store_problem.ts";
import type { Inspection } from "./verify_store.ts";

/** Brings one runtime into order, a round at a time, until nothing more can be done. */

/** What one runtime needs. */
interface RepairPlan {
  /** What comes now. */
  fixes: Fix[];
  /** Whether the journal is redone now, and nothing else. */
  redo: boolean;
}

/**
 * What to do next about the findings: a journal that cannot be read comes first, then what is in a
 * wrong place, then what stands in the way of redoing the journal, then it is redone, and then the
 * rest, which is about plain files.
 */
export function planRepair({ report, files }: Inspection): RepairPlan {
  const fixes = distinct(report.findings.flatMap(({ fix }) => fix ?? []));
  const cuts = fixes.filter(({ action }) => action === "mend-journal" || action === "cut-journal");
  if (cuts.length > 0) return { fixes: cuts, redo: false };
  const unapplied = files?.unapplied.found;
  const isPlain = unapplied === undefined || unapplied.isEmpty;
  // Paths change by these; what is innermost is moved first. A counter is right only before.
  const moves = fixes.filter(({ action }) => action === "quarantine" || action === "rename");
  if (moves.length > 0) {
    const counters = fixes.filter(({ action }) => isPlain && action === "change-runtime");
    const innermost = moves.toSorted((a, b) => b.path.length - a.path.length);
    return { fixes: [...counters, ...innermost], redo: false };
  }
  if (isPlain || fixes.length === 0) return { fixes, redo: false };
  const first = fixes.filter((fix) =>
    fix.action === "rebuild-runtime" || (fix.action === "mend-log" && !unapplied.logs.has(fix.name))
  );
  return { fixes: first, redo: first.length === 0 };
}

function distinct(fixes: readonly Fix[]): Fix[] {
  return [...new Map(fixes.map((fix) => [JSON.stringify(fix), fix])).values()];
}

/** What a fix does, for people. */
export function describeFix(fix: Fix): string {
  switch (fix.action) {
    case "quarantine":
      return "move it to the quarantine of its runtime";
    case "rename":
      return `rename it to ${basename(fix.to)}`;
    case "mend-journal":
      return "keep a copy, and write its first line anew";
    case "cut-journal":
      return `keep a copy, and go on with what stands before byte ${fix.byteOffset}`;
    case "mend-log":
      return "complete its last line or move the stub aside; keep lines without a record as evidence";
    case "create-log":
      return fix.text === "" ? "create it" : "create it, with its first line";
    case "rebuild-runtime":
      return "make it anew from the logs and workers";
    case "change-runtime":
    case "change-worker":
      return `set ${
        Object.entries(fix.changes).map(([name, value]) => `${name} to ${JSON.stringify(value)}`)
          .join(", ")
      }`;
  }
}

/** Does what plans say to one runtime, which it owns meanwhile. */
export class RuntimeRepair {
  readonly #folder: RuntimeFolder;
  readonly #quarantine: Quarantine;
  #lock: OwnerLock;
  /** The greatest number of a worker that was taken away; it is not given out again. */
  #lastWorker = 0;
  /** What is worth telling in the runtime itself. */
  readonly #diagnostics: Omit<RuntimeDiagnostic, "id">[] = [];

  constructor(folder: RuntimeFolder) {
    this.#folder = folder;
    this.#quarantine = new Quarantine(folder);
    this.#lock = takeOwnerLock(folder);
  }

  release(): void {
    this.#lock.release();
  }

  /** Opens and closes the runtime, which brings what its journal holds to its place. */
  async redo(): Promise<RepairStep> {
    this.#lock.release();
    try {
      const owner = await openOwner(this.#folder);
      await owner.close();
    } finally {
      this.#lock = takeOwnerLock(this.#folder);
    }
    const { directory: path } = this.#folder;
    const message = "brought what only the journal held to its place";
    return { action: "redo-journal", path, message };
  }

  /** Does one thing; undefined when there was nothing to do any more. */
  apply(fix: Fix, inspection: Inspection): RepairStep | undefined {
    const { port } = this.#folder;
    const { action, path } = fix;
    const step = (message: string, evidence?: string): RepairStep => {
      return { action, path, message, ...(evidence !== undefined && { evidence }) };
    };
    switch (action) {
      case "quarantine": {
        const evidence = this.#quarantine.moveSync(path);
        this.#addWorkerDiagnostic(inspection, { path, evidence });
        return step(`moved to ${evidence}`, evidence);
      }
      case "rename":
        renameSync(port, path, fix.to);
        return step(`renamed to ${fix.to}`, fix.to);
      case "mend-journal": {
        const evidence = this.#quarantine.copySync(path);
        replaceSync(port, path, withNewHead(readFileSync(port, path), fix.number));
        return step(
          `its first line was written anew; what it was is kept in ${evidence}`,
          evidence,
        );
      }
      case "cut-journal": {
        const evidence = this.#quarantine.copySync(path);
        const did = this.#cutJournal(path, { byteOffset: fix.byteOffset, evidence });
        return step(`${did}; all of it is kept in ${evidence}`, evidence);
      }
      case "mend-log": {
        const options = { quarantine: this.#quarantine, codec: this.#codecOf(fix.name) };
        const { did, evidence } = mendLogSync(this.#folder, path, options);
        return did === "nothing" ? undefined : step(describeMending(did, evidence), evidence);
      }
      case "create-log":
        this.#replace(path, fix.text);
        return step(`created with ${fix.text.length} bytes`);
      case "rebuild-runtime": {
        const evidence = this.#rebuild(path, inspection);
        return step(`made anew from the logs and workers${whereKept(evidence)}`, evidence);
      }
      case "change-runtime":
        this.#changeRuntime(fix.changes);
        return step(`done: ${describeFix(fix)}`);
      case "change-worker": {
        const snapshot = { ...parseWorkerSnapshot(this.#read(path), path), ...fix.changes };
        this.#replace(path, printWorkerSnapshot(snapshot));
        return step(`done: ${describeFix(fix)}`);
      }
    }
  }

  /** Whether something is to be written that redoing the journal would take away. */
  get waitsForRedo(): boolean {
    return this.#diagnostics.length > 0;
  }

  /** Records in the runtime what is worth telling there; false without anything. */
  recordDiagnostics(): boolean {
    if (this.#diagnostics.length === 0) return false;
    this.#changeRuntime({});
    return true;
  }

  /**
   * Cuts a journal where it is damaged, and gives it what the logs have of that; of a runtime that was
   * never recorded elsewhere it is taken away. Killed in between, it is a journal that lacks what the
   * logs have, for which this is done again.
   */
  #cutJournal(
    path: string,
    { byteOffset, evidence }: { byteOffset: number; evidence: string },
  ): string {
    const { port } = this.#folder;
    cutSync(this.#folder, path, byteOffset);
    const files = loadUnchecked(this.#folder);
    if (files.unapplied.error !== undefined) throw files.unapplied.error;
    const rebuilt = rebuildMutation(files, { evidence });
    if (rebuilt === undefined) {
      port.removeSync(path);
      return "taken away, as nothing says what it belongs to";
    }
    const { line, logs } = rebuilt;
    if (line === undefined) return `cut at byte ${byteOffset}`;
    for (const name of logs) this.#quarantine.copySync(this.#folder.log(name));
    const { path: counting, byteOffset: end } = files.unapplied.found!.end!;
    const number = RuntimePaths.journalNumberOf(basename(counting))!;
    const whole = readFileSync(port, counting).subarray(0, end);
    const isHeaded = parseHead(whole.subarray(0, whole.indexOf(NEWLINE))) !== undefined;
    replaceSync(port, counting, joinBytes([isHeaded ? whole : printHead(number), line]));
    return `cut at byte ${byteOffset}, and given what the logs have of that`;
  }

  #codecOf(name: string): LogCodec<unknown> {
    return name === this.#folder.events ? eventLog : transcriptLog;
  }

  /** What was lost must not look as if it had never been. */
  #addWorkerDiagnostic(
    { report, files }: Inspection,
    { path, evidence }: { path: string; evidence: string },
  ): void {
    const worker = files?.workers.find(({ directory }) => directory === path);
    if (worker === undefined) return;
    const { directoryId, snapshot } = worker;
    const isBroken = report.state.broken.has(directoryId);
    const workerId = isBroken ? directoryId : snapshot.found?.worker_id ?? directoryId;
    if (isBroken) this.#lastWorker = Math.max(this.#lastWorker, workerNumberOf(workerId));
    this.#diagnostics.push({
      severity: "warning",
      code: "worker.quarantined",
      message: `a directory of the worker could not be used and is kept in ${evidence}`,
      worker_ref: { runtime_id: this.#folder.runtimeId, worker_id: workerId },
    });
  }

  /** Makes a runtime.json anew; returns where what was there is kept. */
  #rebuild(
    path: string,
    { report: { state, totals }, files }: Inspection,
  ): string | undefined {
    const isThere = lookAtSync(this.#folder.port, path) !== undefined;
    const evidence = isThere ? this.#quarantine.copySync(path) : undefined;
    const workers = [...state.workers.values()].map(({ snapshot }) => snapshot);
    const numbers = workers.map(({ worker_id }) => workerNumberOf(worker_id));
    const lastEvent = Math.max(totals.lastEventId, ...workers.map((each) => each.last_event_id));
    const snapshot: RuntimeSnapshot = {
      schema_version: SCHEMA_VERSION,
      runtime_id: this.#folder.runtimeId,
      display_name: null,
      backend: "fs_store",
      status: totals.isStopped ? "stopped" : "running",
      limits: DEFAULT_RUNTIME_LIMITS,
      next_worker_sequence: Math.max(totals.lastWorker, this.#lastWorker, ...numbers) + 1,
      next_event_id: lastEvent + 1,
      next_diagnostic_id: 1,
      config_bundles: {},
      diagnostics: [],
      // The journal knows them, and would look stale beside a snapshot that is ahead of it.
      ...files?.unapplied.found?.counters,
    };
    this.#replace(path, printRuntimeSnapshot(snapshot));
    this.#diagnostics.push({
      severity: "warning",
      code: "runtime.snapshot_rebuilt",
      message:
        "runtime.json was made anew from logs and workers: name, limits, config bundles and " +
        `earlier diagnostics are not in it${whereKept(evidence)}`,
    });
    return evidence;
  }

  #changeRuntime(changes: Partial<RuntimeSnapshot>): void {
    const path = this.#folder.snapshot;
    const snapshot = { ...parseRuntimeSnapshot(this.#read(path), path), ...changes };
    const added = this.#diagnostics.splice(0).map((diagnostic, index) => {
      return { id: snapshot.next_diagnostic_id + index, ...diagnostic };
    });
    snapshot.next_diagnostic_id += added.length;
    snapshot.next_worker_sequence = Math.max(snapshot.next_worker_sequence, this.#lastWorker + 1);
    snapshot.diagnostics = [...snapshot.diagnostics, ...added].slice(-KEPT_DIAGNOSTICS);
    this.#replace(path, printRuntimeSnapshot(snapshot));
  }

  #read(path: string): Uint8Array {
    return this.#folder.readWhole({ operation: "repair runtime store", path });
  }

  #replace(path: string, text: string): void {
    replaceSync(this.#folder.port, path, encodeUtf8(text));
  }
}

function whereKept(evidence: string | undefined): string {
  return evidence === undefined ? "" : `; what was there is kept in ${evidence}`;
}

function describeMending(did: MendedLog["did"], evidence: string | undefined): string {
  if (did === "completed") return "the last line got its newline";
  return did === "cut"
    ? `the stub at its end is kept in ${evidence}`
    : `lines without a record are gone from it; all of it is kept in ${evidence}`;
}
