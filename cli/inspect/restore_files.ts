/** Files of a run or a root that are made again from what is there beside them. */
import { atomicReplaceSync, sweepTempsSync } from "../../_internal/atomic_replace.ts";
import { defined } from "../../_internal/errors.ts";
import { denoFilePort, isSameFile } from "../../_internal/file_port.ts";
import { basename, dirname } from "../../_internal/path.ts";
import { lastUlidPath, partsOfRunId, runPaths, timeOfUlid } from "../../_internal/root_layout.ts";
import { runFileText, writeRunFileSync } from "../../_internal/run_folder.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import { stringifyCaptureJournal } from "../../capture/session/recover_capture.ts";
import type { TaffrailCaptureBundle } from "../../capture/types.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import { exists } from "../files.ts";
import type { FlowRecord } from "../flow/flow_record.ts";

/** How long to wait for a lock that somebody else holds. */
export const LOCK_TIMEOUT_MS = 500;

/** Writes the journal that a bundle was made of. Killed in between, there is none, and never half of it. */
export function restoreJournal(path: string, bundle: TaffrailCaptureBundle): void {
  replace(path, stringifyCaptureJournal(bundle));
}

function replace(path: string, text: string): void {
  // What a repair left that was killed is nobody else's to remove.
  sweepTempsSync(denoFilePort, dirname(path), (name) => name === basename(path));
  atomicReplaceSync(denoFilePort, {
    path,
    bytes: encodeUtf8(text),
    toError: ({ cause }) => cause instanceof Error ? cause : new Error(String(cause)),
  });
}

/** Writes the head of a run's folder, with what is known of its begin. */
export function restoreRunFile(
  { root, runId }: { root: string; runId: string },
  { fold, record, isRedacted }: {
    fold: RunFold | undefined;
    record: FlowRecord | undefined;
    /** Whether what may be private was left out of the run. */
    isRedacted: boolean;
  },
): void {
  const parts = partsOfRunId(runId);
  const begun = Date.parse(fold?.startedTs ?? "");
  const made = parts === undefined ? begun : timeOfUlid(parts.ulid);
  const path = runPaths(root, runId).run;
  const cwd = isRedacted
    ? undefined
    : record?.path === null || record === undefined
    ? record?.nodes[0]?.cwd
    : dirname(record.path);
  const createdAt = Number.isNaN(made) ? undefined : new Date(made).toISOString();
  const name = record?.name ?? (fold?.run.pipe || undefined);
  const redacted = isRedacted || undefined;
  const text = runFileText(runId, defined({ name, created_at: createdAt, cwd, redacted }));
  writeRunFileSync(denoFilePort, path, text);
}

/** Writes the last id that was given out anew, so that the next one is greater; returns where the old file is. */
export function restoreLastUlid(root: string, runIds: readonly string[]): string | null {
  const path = lastUlidPath(root);
  const kept = setAsideIfThere(path);
  const ulids = runIds.flatMap((runId) => partsOfRunId(runId)?.ulid ?? []);
  const last = ulids.toSorted().at(-1);
  if (last !== undefined) replace(path, `${last}\n`);
  return kept;
}

/** Moves a file aside, to a name of its own beside it; null where there is none. */
export function setAsideIfThere(path: string): string | null {
  const kept = keepAsideIfThere(path);
  if (kept !== null && exists(path)) Deno.removeSync(path);
  return kept;
}

/**
 * Gives a file that is to be replaced a second name beside it, so that it is never missing in between;
 * null where there is none. What has no second names, as a folder, is moved there.
 */
export function keepAsideIfThere(path: string): string | null {
  if (!exists(path)) return null;
  const info = denoFilePort.lstatSync(path);
  for (let number = 1;; number++) {
    const kept = `${path}.damaged-${number}`;
    // Whoever was killed behind this has kept it already.
    if (exists(kept)) {
      const other = denoFilePort.lstatSync(kept);
      if (info.ino !== null && other.ino !== null && isSameFile(info, other)) return kept;
      continue;
    }
    try {
      // A link fails where a rename would replace what has come in between; a folder has none.
      if (info.isDirectory) Deno.renameSync(path, kept);
      else Deno.linkSync(path, kept);
      return kept;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}
