/**
 * A file that a verb makes of a run, under the name that somebody gives it. What is always true:
 *
 * - **It is written as a whole**: whoever reads it, and whatever is killed, finds what was there before or all of it.
 * - Where what is there is not to be replaced, that holds to the last: also for what came while it was made.
 */
import { atomicReplace, atomicReplaceWhole } from "../_internal/atomic_replace.ts";
import { denoFilePort } from "../_internal/file_port.ts";
import { reasonOf } from "../_internal/text.ts";
import { UsageError } from "./exit_codes.ts";
import { exists } from "./files.ts";

/** How a file is written. */
interface WritingOptions {
  /**
   * Whether one that is there is replaced.
   *
   * @default {true}
   */
  force?: boolean;
  /** The error of what could not be done. */
  toError: (cause: unknown) => Error;
}

/** Refuses the name of a file before there is anything to be written to it. */
export function refuseName(path: string, { force }: { force: boolean }): void {
  if (path === "") throw new UsageError("Cannot use --output: it is empty; name a file");
  if (!force) refuseThere(path);
}

function refuseThere(path: string): void {
  if (!exists(path)) return;
  const remedy = "name another file with -o, or replace it by --force";
  throw new UsageError(`Cannot write ${path}: it is there already; ${remedy}`);
}

/** Says that a file cannot be written; `option`: the one that names it. */
export function cannotWrite(path: string, cause: unknown, option: string): Error {
  const problem = `Cannot write ${path}: ${reasonOf(cause)}; name another file with ${option}`;
  return new Error(problem, { cause });
}

/** Writes a file: bytes that are there, or come block by block. */
export async function writeFile(
  path: string,
  bytes: Uint8Array | AsyncIterable<Uint8Array>,
  { force = true, toError }: WritingOptions,
): Promise<void> {
  const replacement = {
    path,
    toError: ({ cause }: { cause: unknown }) =>
      cause instanceof UsageError ? cause : toError(cause),
    inPlace: (rename: () => void) => {
      if (!force) refuseThere(path);
      rename();
    },
  };
  await (bytes instanceof Uint8Array
    ? atomicReplace(denoFilePort, { ...replacement, bytes })
    : atomicReplaceWhole(denoFilePort, { ...replacement, bytes }));
}
