import {
  type ReplaceFailure,
  type Replacement,
  replaceSteps,
  sweepTempsSync,
} from "../_internal/atomic_replace.ts";
import { ParentDirectories } from "../_internal/directories.ts";
import {
  type FilePort,
  lookAtSync,
  readRangeSync,
  runStepsSync,
  type Steps,
  withFileSync,
} from "../_internal/file_port.ts";
import { basename, dirname, join } from "../_internal/path.ts";
import { crc32, reasonOf } from "../_internal/text.ts";
import { TraceFileError, type TraceFileErrorKind } from "./trace_file_error.ts";

/** One state of a recorder, ready to be written. */
export interface TraceState {
  readonly bytes: Uint8Array;
  /** The number of this state among all that were made: the greatest is the newest. */
  readonly order: number;
  /** How many failures it comes after, if it is the state after a failure. */
  readonly failures: number | undefined;
}

/** What a {@linkcode TraceFile} knows about the state that it wrote last. */
interface Written {
  readonly order: number;
  readonly failures: number | undefined;
  readonly length: number;
  readonly checksum: number;
  readonly snapshot: number;
  /** Whether a numbered file holds it too, or none is to. */
  isKept: boolean;
}

/** Thrown at the rename when a newer state stands there already: then nothing is left to do. */
class OvertakenError extends Error {}

/**
 * The file of a recorder. It always holds the newest state; the first failures are kept as numbered files
 * beside it when a later state takes their place (W-TRC-4).
 *
 * Several writings may be under way at a time. Whether one of them is still the newest, what it replaces
 * and the rename itself are one turn (`inPlace`), so that no state can slip in between: the number of the
 * state in place only grows.
 */
export class TraceFile {
  /** How many states have been written. */
  snapshots = 0;
  readonly #port: FilePort;
  readonly #path: string;
  readonly #maxSnapshots: number;
  readonly #parents: ParentDirectories;
  #last: Written | undefined;
  #kept = 0;
  #isSwept = false;

  constructor(port: FilePort, { path, maxSnapshots }: { path: string; maxSnapshots: number }) {
    this.#port = port;
    this.#parents = new ParentDirectories(port);
    this.#path = path;
    this.#maxSnapshots = maxSnapshots;
  }

  /**
   * Writes a state, whole or not at all (W-TRC-1, W-TRC-2), unless a newer one stands there when it is
   * ready. What fails is a {@linkcode TraceFileError} with the original program's message (TRC-15, TRC-16).
   */
  *write(state: TraceState): Steps<void> {
    try {
      yield* this.#replace({
        path: this.#path,
        bytes: state.bytes,
        inPlace: (rename) => this.#putInPlace(state, rename),
      });
    } catch (error) {
      const isOvertaken = error instanceof TraceFileError && error.cause instanceof OvertakenError;
      if (!isOvertaken) throw error;
    }
  }

  *#replace(replacement: Omit<Replacement, "toError">): Steps<void> {
    const { path } = replacement;
    const directory = dirname(path);
    attempt("create-directory", directory, `failed to create ${directory}`, () => {
      this.#parents.createSync(directory);
    });
    yield* replaceSteps(this.#port, { ...replacement, toError });
    attempt("sync-directory", path, `sync the directory of ${path}`, () => {
      this.#parents.syncSync();
    });
  }

  #putInPlace(state: TraceState, rename: () => void): void {
    if (this.#last !== undefined && this.#last.order > state.order) throw new OvertakenError();
    this.#keepLast(state);
    rename();
    this.#last = {
      order: state.order,
      failures: state.failures,
      length: state.bytes.length,
      checksum: crc32(state.bytes),
      snapshot: ++this.snapshots,
      isKept: false,
    };
    this.#sweepOnce();
  }

  /** Keeps the state that stands there if it is the one after an earlier failure. */
  #keepLast(state: TraceState): void {
    const last = this.#last;
    if (last === undefined || last.isKept || last.failures === undefined) return;
    const isSameFailure = state.failures !== undefined && state.failures <= last.failures;
    if (isSameFailure || this.#kept >= this.#maxSnapshots) return;
    const bytes = this.#readBack(last);
    if (bytes !== undefined) {
      runStepsSync(this.#replace({ path: numbered(this.#path, last.snapshot), bytes }));
      this.#kept++;
    }
    last.isKept = true;
  }

  /** What was written last; undefined if another recorder or person has written over it (W-TRC-3). */
  #readBack(last: Written): Uint8Array | undefined {
    const path = this.#path;
    return attempt("read", path, `read ${path} back to keep it`, () => {
      if (lookAtSync(this.#port, path)?.isFile !== true) return undefined;
      return withFileSync(this.#port, { path, read: true }, (file) => {
        const bytes = readRangeSync(file, 0, last.length + 1);
        const isOurs = bytes.length === last.length && crc32(bytes) === last.checksum;
        return isOurs ? bytes : undefined;
      });
    });
  }

  /** Removes what killed processes left beside the file. That is no part of writing and never fails. */
  #sweepOnce(): void {
    if (this.#isSwept) return;
    this.#isSwept = true;
    try {
      const name = basename(this.#path);
      sweepTempsSync(this.#port, dirname(this.#path), (other) => other === name);
    } catch { /* What is left is swept another time. */ }
  }
}

/** `trace.json` as `trace.3.json`. */
function numbered(path: string, number: number): string {
  const name = basename(path);
  const dot = name.lastIndexOf(".");
  const stem = dot <= 0 ? name : name.slice(0, dot);
  return join(dirname(path), `${stem}.${number}${name.slice(stem.length)}`);
}

function toError({ stage, path, tempPath, cause }: ReplaceFailure): TraceFileError {
  // What is done between here and the rename says by itself what failed.
  if (cause instanceof TraceFileError) return cause;
  if (stage === "rename") return failure(stage, path, `rename ${tempPath} -> ${path}`, cause);
  if (stage === "sync-directory") {
    return failure(stage, path, `sync the directory of ${path}`, cause);
  }
  return failure("write", path, `write ${tempPath}`, cause);
}

function attempt<T>(kind: TraceFileErrorKind, path: string, what: string, operate: () => T): T {
  try {
    return operate();
  } catch (cause) {
    throw failure(kind, path, what, cause);
  }
}

function failure(
  kind: TraceFileErrorKind,
  path: string,
  what: string,
  cause: unknown,
): TraceFileError {
  return new TraceFileError(kind, `${what}: ${reasonOf(cause)}`, { details: { path }, cause });
}
