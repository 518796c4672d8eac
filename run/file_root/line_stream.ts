/**
 * One file of lines of a run that this process alone writes. It is opened with its first line, unless it was
 * there, and every failure is an error of the run.
 */
import { type AppendFailure, AppendFile } from "../../_internal/append_file.ts";
import { Barrier } from "../../_internal/barrier.ts";
import { type FilePort, runStepsSync } from "../../_internal/file_port.ts";
import { reasonOf, writeRemedy } from "../../_internal/text.ts";
import { type RunError, runError } from "../run_error.ts";
import type { SyncedFolder } from "./folders.ts";

/** What a {@linkcode LineStream} needs. */
interface LineStreamOptions {
  port: FilePort;
  runId: string;
  path: string;
  /** What is locked in its place where its lock would keep readers out. */
  lockPath: string;
  lockTimeoutMs: number;
  /** Whether nobody else may append to it. */
  isAlone: boolean;
  /** The folder that it is in. */
  folder: SyncedFolder;
  /** The lock by which the run is held, whose file must stay in its place. */
  held: { isInPlace(): boolean };
  /** Told when the file is not what it was: nobody finds what is appended now. */
  onLost: (error: RunError) => void;
}

/** A file of lines. */
export class LineStream {
  readonly #options: LineStreamOptions;
  readonly #barrier: Barrier;
  #file: AppendFile | undefined;
  /** How much was appended, so that a barrier knows whether there is anything to wait for. */
  #lines = 0;
  /** How many lines the file has, where nobody else may append. */
  #lastSeq: number | undefined;
  /** Why a line is not in the file: where lines are numbered, none comes behind it. */
  #failure: { of: unknown } | undefined;
  /** Where its name stands in its folder. */
  #name = 0;

  constructor(options: LineStreamOptions) {
    this.#options = options;
    this.#barrier = new Barrier({
      position: () => this.#lines,
      // A barrier begins its sync when the turn is over: signals and timers come before it.
      sync: async () => await this.#file?.sync({ mayBlock: true, isTurnOver: true }),
    });
  }

  /** Opens the file, makes it where it is missing, and mends what a killed writer left at its end. */
  open(): AppendFile {
    if (this.#file !== undefined) return this.#file;
    const { port, path, lockPath, lockTimeoutMs, held, folder } = this.#options;
    const toError = (failure: AppendFailure) => this.#errorOf(failure);
    const opening = AppendFile.open({ port, path, lockPath, lockTimeoutMs, held, toError });
    this.#file = runStepsSync(opening);
    this.#name = folder.add();
    // What was in it before may not be on disk either.
    this.#lines++;
    return this.#file;
  }

  /** Appends lines before it returns. */
  append(lines: readonly string[]): void {
    if (lines.length === 0) return;
    const file = this.open();
    if (this.#options.isAlone) this.#appendNumbered(file, lines);
    else file.appendSync({ lines, onDisk: false });
    this.#lines += lines.length;
  }

  #appendNumbered(file: AppendFile, lines: readonly string[]): void {
    if (this.#failure !== undefined) throw this.#failure.of;
    try {
      // Appending nothing counts the lines that are there.
      this.#lastSeq ??= file.appendSync({ lines: [], onDisk: false }).lastSeq;
      const expectedLastSeq = this.#lastSeq;
      this.#lastSeq = file.appendSync({ lines, onDisk: false, expectedLastSeq }).lastSeq;
    } catch (error) {
      this.#failure = { of: error };
      throw error;
    }
  }

  /** Resolves when all lines that were appended, and the name of the file, are on disk. */
  async reach(): Promise<void> {
    await Promise.all([this.#barrier.reach(), this.#options.folder.reach(this.#name)]);
  }

  /** Closes the file; throws when what was appended is not in it any more and nobody was told yet. */
  async close(): Promise<void> {
    await this.#file?.close();
  }

  #errorOf(failure: AppendFailure): RunError {
    const error = appendError(failure, this.#options);
    if (error.kind === "lost") this.#options.onLost(error);
    return error;
  }
}

const LEAVE_ALONE = "let other programs leave an open run alone, and go on with it";

/** Says in the words of a run why lines could not be appended. */
function appendError(
  { kind, cause, problem, expected, actual }: AppendFailure,
  { path, runId }: LineStreamOptions,
): RunError {
  const details = { runId, path };
  const appending = `Cannot append to ${path}:`;
  switch (kind) {
    case "replaced":
      return runError("lost", `${appending} ${problem}`, {
        details,
        remedy: LEAVE_ALONE,
        cause,
      });
    case "rewound":
      return runError("lost", `${appending} it shrank from ${expected} to ${actual} bytes`, {
        details: { ...details, expected, actual },
        remedy: LEAVE_ALONE,
      });
    case "conflict": {
      const problem =
        `it has ${actual} lines instead of ${expected}, so another session writes to it`;
      return runError("lost", `${appending} ${problem}`, {
        details: { ...details, expected, actual },
        remedy: LEAVE_ALONE,
      });
    }
    case "closed":
      return runError("lost", `${appending} the run is not held any more`, { details });
    case "sync": {
      const remedy = `${writeRemedy(cause)}, and go on with the run`;
      const why = `syncing it failed (${reasonOf(cause)})`;
      return runError("sync", `Cannot vouch for what was appended to ${path}: ${why}`, {
        details,
        remedy,
        cause,
      });
    }
    default: {
      const why = kind === "io" ? reasonOf(cause) : `its lock was not given up (${kind})`;
      return runError("io", `${appending} ${why}`, { details, cause });
    }
  }
}
