import { denoFilePort, type FilePort } from "../../_internal/file_port.ts";
import { RuntimeFolder } from "../files/runtime_folder.ts";
import { RuntimeStoreError } from "../runtime_store_error.ts";
import { asStoreError } from "../store_errors.ts";
import { describeFix, planRepair, RuntimeRepair } from "./repair_runtime.ts";
import type { RepairAction, RepairStep, StoreProblem } from "./store_problem.ts";
import { type Inspection, inspectRuntime, listRuntimes, problemsOf } from "./verify_store.ts";

/** Options of {@linkcode repairStore}. */
export interface RepairStoreOptions {
  /**
   * Only say what would be done.
   *
   * @default {false}
   */
  dryRun?: boolean;
  /** Only this runtime. */
  runtimeId?: string;
  /** Stops the repairing, between two runtimes, with its reason as the error. */
  signal?: AbortSignal;
}

/** What {@linkcode repairStore} did. */
export interface StoreRepair {
  /** Whether nothing is wrong any more. */
  ok: boolean;
  /** What was done; in a dry run, what would be. */
  actions: RepairAction[];
  /** What is still wrong, since nobody can mend it, or, in a dry run, what would be. */
  problems: StoreProblem[];
}

/** So many rounds are never needed; it keeps a repair that undoes itself from going on for ever. */
const MAX_ROUNDS = 12;

/**
 * Mends what can be mended in a store, and keeps as evidence whatever it cuts or moves: stubs of lines
 * in `<file>.torn-<n>`, all else in `quarantine-<n>` of the runtime. Nothing is deleted. What was lost
 * cannot be brought back and stays among the problems. Done twice, it does nothing the second time.
 *
 * Each runtime is owned while it is repaired; one that somebody has open is left alone, and so is one
 * of a newer version. What goes wrong with one runtime does not stop the others.
 *
 * A dry run changes nothing and takes no lock. It tells what follows from the present state; where one
 * repair brings another problem to light, more is done in earnest.
 *
 * **Durability**: what was done is on disk when this returns. It may be killed or fail at any moment:
 * everything that was there is then in its place or in the quarantine, and it can be done again.
 *
 * **Permissions**: `--allow-read` and, unless it is a dry run, `--allow-write` for the root.
 *
 * @param root The directory of the store.
 * @param options What to repair.
 * @returns What was done, and what is left.
 * @throws {RuntimeStoreError} `store-io` when the runtimes cannot be listed.
 * @throws {TypeError} If `root` or `runtimeId` is not a string.
 *
 * @example Usage
 * ```ts
 * import { repairStore, verifyStore, WorkerRuntime } from "@taffrail/taffrail/store";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const runtime = await WorkerRuntime.open({ root, runtimeId: "rt-1" });
 * await runtime.close();
 * const events = `${root}/runtimes/id-72742d31/events.jsonl`;
 * await Deno.writeTextFile(events, '{"id":2,"ki', { append: true });
 *
 * const { ok, actions } = await repairStore(root);
 * assertEquals([ok, actions.length], [true, 1]);
 * assertEquals(await Deno.readTextFile(actions[0]!.evidence!), '{"id":2,"ki');
 * assertEquals((await verifyStore(root)).ok, true);
 * ```
 */
export function repairStore(
  root: string,
  options: RepairStoreOptions = {},
): Promise<StoreRepair> {
  return repairStoreOnPort(denoFilePort, root, options);
}

/** {@linkcode repairStore} on a given file system. */
export async function repairStoreOnPort(
  port: FilePort,
  root: string,
  { dryRun = false, signal, ...which }: RepairStoreOptions = {},
): Promise<StoreRepair> {
  const { ids, problems } = listRuntimes(port, root, which);
  const repair: StoreRepair = { ok: true, actions: [], problems };
  for (const id of ids) {
    signal?.throwIfAborted();
    const folder = new RuntimeFolder(port, { root, runtimeId: id });
    const inspection = await inspectRuntime(folder);
    const { fixes, redo } = planRepair(inspection);
    if (fixes.length === 0 && !redo) {
      repair.problems.push(...problemsOf(inspection, id));
    } else if (dryRun) {
      repair.actions.push(...intendedSteps(inspection).map((step) => ({ runtime: id, ...step })));
      repair.problems.push(...problemsOf(inspection, id).filter(({ repairable }) => !repairable));
    } else {
      await repairRuntime(folder, repair);
    }
  }
  repair.ok = repair.problems.length === 0;
  return repair;
}

function intendedSteps(inspection: Inspection): RepairStep[] {
  const steps = new Map<string, RepairStep>();
  for (const { fix } of inspection.report.findings) {
    if (fix === undefined) continue;
    const { action, path } = fix;
    const step: RepairStep = { action, path, message: describeFix(fix) };
    steps.set(JSON.stringify(step), step);
  }
  if (!isJournaled(inspection)) return [...steps.values()];
  const path = inspection.files!.folder.directory;
  const message = "bring what only the journal holds to its place";
  return [...steps.values(), { action: "redo-journal", path, message }];
}

async function repairRuntime(folder: RuntimeFolder, repair: StoreRepair): Promise<void> {
  const { runtimeId, directory } = folder;
  let work: RuntimeRepair | undefined;
  try {
    work = new RuntimeRepair(folder);
    const last = await workOn(folder, work, repair.actions);
    repair.problems.push(...problemsOf(last, runtimeId));
  } catch (cause) {
    const error = asStoreError({ operation: "repair runtime store", path: directory }, cause);
    if (!(error instanceof RuntimeStoreError)) throw error;
    const { kind, message, details: { path = directory } } = error;
    const what = kind === "owned" || kind === "symlink" ? kind : "io";
    repair.problems.push({ runtime: runtimeId, kind: what, path, message, repairable: false });
    repair.problems.push(...problemsOf(await inspectRuntime(folder), runtimeId));
  } finally {
    work?.release();
  }
}

/**
 * Looks and mends in turns, as what was in the way of one repair may hide another one; returns what is
 * seen last. `actions` gets what was done.
 */
async function workOn(
  folder: RuntimeFolder,
  work: RuntimeRepair,
  actions: RepairAction[],
): Promise<Inspection> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const inspection = await inspectRuntime(folder);
    const { fixes, redo } = planRepair(inspection);
    // What is still to be written behind the journal's lines needs these in their places.
    const isLast = fixes.length === 0 && work.waitsForRedo && isJournaled(inspection);
    const steps: (RepairStep | undefined)[] = [];
    if (redo || isLast) steps.push(await work.redo());
    for (const fix of fixes) steps.push(work.apply(fix, inspection));
    const done = steps.filter((step) => step !== undefined);
    actions.push(...done.map((step) => ({ runtime: folder.runtimeId, ...step })));
    if (done.length > 0) continue;
    const isRecorded = inspection.files?.runtime.found !== undefined && work.recordDiagnostics();
    if (!isRecorded) return inspection;
  }
  return await inspectRuntime(folder);
}

function isJournaled({ files }: Inspection): boolean {
  return files?.unapplied.found?.isEmpty === false;
}
