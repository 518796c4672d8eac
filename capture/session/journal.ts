import { type AppendFailure, AppendFile } from "../../_internal/append_file.ts";
import { syncDirectorySync } from "../../_internal/directories.ts";
import { checkNumber, checkObject, checkOneOf, checkString } from "../../_internal/errors.ts";
import {
  denoFilePort,
  type FilePort,
  lookAtSync,
  runStepsSync,
} from "../../_internal/file_port.ts";
import { MAX_LINE_BYTES } from "../../_internal/json_lines.ts";
import { absolute, dirname } from "../../_internal/path.ts";
import { encodeUtf8, reasonOf } from "../../_internal/text.ts";
import type { Recovery } from "../../eventlog/types.ts";
import { CaptureJournalError } from "../errors.ts";
import { encodeJournalLine, type JournalLine } from "./journal_lines.ts";

const DEFAULT_LOCK_TIMEOUT_MS = 5000;

/** Where a session records as it goes, so that a crash loses nothing that was decided. */
export interface CaptureJournal {
  /**
   * Takes the next line, an object that is JSON. The session waits for it before it goes on; when it
   * throws or rejects, the supervisor stops with that error.
   */
  append(line: object): void | Promise<void>;
  /** Closes what it has open. The session calls it once. */
  close(): void;
}

/** A {@linkcode CaptureJournal} in a file. */
export interface FileCaptureJournal extends CaptureJournal {
  /** What had to be mended at the end of the file when it was opened. */
  readonly recovery: Recovery;
}

/** Options of {@linkcode openCaptureJournal}. */
export interface OpenCaptureJournalOptions {
  /**
   * When a line counts as recorded: `"os"` = handed to the system, it survives the process; `"disk"` =
   * synced, it survives a power cut.
   *
   * @default {"os"}
   */
  durability?: "os" | "disk";
  /**
   * How long to wait for the lock, in milliseconds.
   *
   * @default {5000}
   */
  lockTimeoutMs?: number;
}

/**
 * Opens a journal file for a session, and creates it, mode 0600, if there is none; its directory must
 * exist. A journal may hold several sessions one behind the other, but one session at a time. Its lines
 * are numbered from 1. A last line that a killed writer left unterminated is completed or moved aside
 * first (`<path>.torn-<n>`); no whole line is ever changed. Hand it to a {@linkcode CapturingSession},
 * which closes it.
 *
 * **Durability**: the file survives a power cut once this returns; its lines as `durability` says.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the directory.
 *
 * @param path The file; where a lock on it would keep readers out, a file `<path>.lock` is created
 * beside it.
 * @param options How to write it.
 * @returns The journal.
 * @throws {CaptureJournalError} `io` or `lock-timeout`.
 *
 * @example Usage
 * ```ts
 * import { CapturingSession, openCaptureJournal, recoverCapture } from "@taffrail/taffrail/capture";
 * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${await Deno.makeTempDir()}/capture.jsonl`;
 * const session = new CapturingSession({
 *   graphId: "g",
 *   constraints: { max_retries: 0 },
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: new FaultInvoker(),
 *   createSupervisor: (options) => new Supervisor(options),
 *   runtimeProvenance: "rpv1:sha256:test",
 *   journal: openCaptureJournal(path, { durability: "disk" }),
 * });
 * await session.onEvent(createEvent({ id: "e1", kind: "Command", at: { secs: 0, nanos: 0 } }));
 *
 * // What a crash at this point would leave:
 * assertEquals((await recoverCapture(path)).bundle, session.intoBundle());
 * ```
 */
export function openCaptureJournal(
  path: string,
  options: OpenCaptureJournalOptions = {},
): FileCaptureJournal {
  checkString(path, "path");
  const { durability, lockTimeoutMs } = checkObject(options, "options");
  if (durability !== undefined) checkOneOf(durability, "durability", ["os", "disk"]);
  if (lockTimeoutMs !== undefined) checkNumber(lockTimeoutMs, "lockTimeoutMs");
  return openJournalOnPort(denoFilePort, absolute(path), options);
}

/** {@linkcode openCaptureJournal} on a given file system. */
export function openJournalOnPort(
  port: FilePort,
  path: string,
  options: OpenCaptureJournalOptions = {},
): FileCaptureJournal {
  const { durability = "os", lockTimeoutMs = DEFAULT_LOCK_TIMEOUT_MS } = options;
  const toError = (failure: AppendFailure) => journalError(path, failure);
  let file: AppendFile | undefined;
  try {
    const isNew = lookAtSync(port, path) === undefined;
    file = runStepsSync(
      AppendFile.open({ port, path, lockPath: `${path}.lock`, lockTimeoutMs, toError }),
    );
    if (isNew) syncDirectorySync(port, dirname(path));
    // Appending nothing counts the lines.
    const { lastSeq } = file.appendSync({ lines: [], onDisk: false });
    return new FileJournal(file, lastSeq, durability);
  } catch (error) {
    file?.closeSync();
    throw error instanceof CaptureJournalError ? error : ioError(path, error);
  }
}

class FileJournal implements FileCaptureJournal {
  readonly recovery: Recovery;
  readonly #file: AppendFile;
  readonly #onDisk: boolean;
  #lines: number;

  constructor(file: AppendFile, lines: number, durability: "os" | "disk") {
    this.recovery = file.recovery;
    this.#file = file;
    this.#lines = lines;
    this.#onDisk = durability === "disk";
  }

  append(line: JournalLine): void | Promise<void> {
    const text = encodeJournalLine(this.#lines + 1, line);
    checkLength(text);
    const request = { lines: [text], onDisk: this.#onDisk, expectedLastSeq: this.#lines };
    if (this.#onDisk) {
      this.#lines++;
      return this.#file.append(request).then(() => {});
    }
    this.#file.appendSync(request);
    this.#lines++;
  }

  close(): void {
    this.#file.closeSync();
  }
}

/** No reader takes longer lines. */
function checkLength(text: string): void {
  if (text.length * 3 <= MAX_LINE_BYTES) return;
  const { length } = encodeUtf8(text);
  if (length <= MAX_LINE_BYTES) return;
  throw new RangeError(
    `Cannot record what makes a line of ${length} bytes in a journal: ${MAX_LINE_BYTES} is the most`,
  );
}

function ioError(path: string, cause: unknown): CaptureJournalError {
  const message = `Cannot write the capture journal ${path}: ${reasonOf(cause)}`;
  return new CaptureJournalError("io", message, { details: { path }, cause });
}

const REMEDIES = {
  sync: "free some space and recover what is in it",
  replaced: "let other programs leave an open journal alone",
};

function journalError(path: string, failure: AppendFailure): CaptureJournalError {
  const { kind, cause, expected, actual, lockPath, problem } = failure;
  if (kind === "io") return ioError(path, cause);
  const writing = `Cannot write the capture journal ${path}:`;
  const reasons = {
    "lock-timeout": `the lock of ${lockPath} was not released in time`,
    conflict: `it has ${actual} lines instead of ${expected}, so another session writes to it`,
    rewound: `it shrank from ${expected} to ${actual} bytes, so another program has cut it`,
    replaced: `${problem}; ${REMEDIES.replaced}`,
    sync: `syncing it failed (${reasonOf(cause)}); ${REMEDIES.sync}`,
    busy: `${actual} lines wait already`,
    closed: "it is closed",
  };
  return new CaptureJournalError(kind, `${writing} ${reasons[kind]}`, {
    details: { path },
    ...((kind === "sync" || kind === "replaced") && { remedy: REMEDIES[kind] }),
    cause,
  });
}
