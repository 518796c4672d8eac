/**
 * The summary of a step: a file to which several may append at the same time. Each does so with one write under the
 * lock of the file, behind a whole line, and none beyond what the whole may have.
 */
import {
  denoFilePort,
  type FileHandle,
  readRangeSync,
  sizeOf,
  withFileSync,
  writeWholeSync,
} from "../../_internal/file_port.ts";
import { withLockSync } from "../../_internal/lock.ts";
import { encodeUtf8, NEWLINE, reasonOf } from "../../_internal/text.ts";
import { MOST_MARKDOWN_BYTES, runMarkdown } from "./markdown.ts";
import type { PageData } from "./page_data.ts";

/** With less room there is nothing to be said. */
const LEAST_BYTES = 8 * 1024;
/** Whoever appends does no more than that. */
const LOCK_TIMEOUT_MS = 2000;

/** Appends a run; returns what is wrong where that cannot be done, which is no failure of the run. */
export function appendSummary(path: string, data: PageData): string | undefined {
  const cannot = (problem: string) =>
    `Cannot write the summary to ${path}, as GITHUB_STEP_SUMMARY says: ${problem}`;
  const timedOut = () => new Error("another process has locked it");
  const lock = { exclusive: true, timeoutMs: LOCK_TIMEOUT_MS, timedOut };
  const opening = { path, read: true, append: true, create: true };
  try {
    const problem = withFileSync(denoFilePort, opening, (file) => {
      return withLockSync(file, lock, () => appendTo(file, data));
    });
    return problem === undefined ? undefined : cannot(problem);
  } catch (error) {
    return cannot(reasonOf(error));
  }
}

function appendTo(file: FileHandle, data: PageData): string | undefined {
  const size = sizeOf(file);
  const [last = NEWLINE] = readRangeSync(file, Math.max(0, size - 1), size);
  const before = size === 0 ? "" : last === NEWLINE ? "\n" : "\n\n";
  const mostBytes = MOST_MARKDOWN_BYTES - size - before.length;
  if (mostBytes < LEAST_BYTES) return "it is full: GitHub takes 1 MiB of all that a step says";
  writeWholeSync(file, encodeUtf8(before + runMarkdown(data, { mostBytes })));
  return undefined;
}
