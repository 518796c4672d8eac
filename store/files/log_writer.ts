import { writeNewSync } from "../../_internal/atomic_replace.ts";
import { makeDirectorySync } from "../../_internal/directories.ts";
import { type FileHandle, sizeOf, writeWholeSync } from "../../_internal/file_port.ts";
import { dirname } from "../../_internal/path.ts";
import { joinBytes } from "../../_internal/text.ts";
import type { StoreOperation } from "../runtime_store_error.ts";
import { asStoreError, changedFileError, wrapIo } from "../store_errors.ts";
import { LogBytes } from "./log_lines.ts";
import { HeldFile, type RuntimeFolder } from "./runtime_folder.ts";

const OPEN_FILES = 64;
const NOTHING = new Uint8Array();

/** A log that has got lines since the last checkpoint. */
interface DirtyLog {
  readonly name: string;
  readonly path: string;
  readonly operation: StoreOperation;
  /** Where its first line of these begins. */
  readonly start: number;
  /** How far the file has the log. */
  written: number;
  /** What belongs behind that and could not be written yet. */
  pending: Uint8Array[];
  /** While it is open. */
  held: HeldFile | undefined;
  /** What it was when it was opened first: another one of the name is none of ours. */
  first: HeldFile | undefined;
  /** A write failed, so that the file may be longer than it was written. */
  hasRefused: boolean;
}

/** Lines for a log, which begin at `offset`. */
interface NewLines {
  readonly file: string;
  readonly offset: number;
  readonly bytes: readonly Uint8Array[];
}

/**
 * Brings lines that the journal holds to the logs. Nothing is lost when that fails, by a full disk
 * for one: the lines are kept, read from memory, and written at the next occasion. Each is written
 * at its place, so that writing it again does no harm.
 */
export class LogWriter {
  readonly #folder: RuntimeFolder;
  /** Those that must be synced before the journal may go. */
  readonly #dirty = new Map<string, DirtyLog>();
  /** Those whose file is open, the one used longest ago first. */
  readonly #open = new Set<DirtyLog>();
  /** Those that have to be written to, or created. */
  readonly #behind = new Set<DirtyLog>();

  constructor(folder: RuntimeFolder) {
    this.#folder = folder;
  }

  /**
   * Takes lines for logs; {@linkcode LogWriter.flush} writes them. They are kept in one block, as they may
   * wait for long, and a buffer of its own costs three times what a short line is.
   */
  addAll(logs: Iterable<NewLines>): void {
    const added = [...logs];
    const block = joinBytes(added.flatMap(({ bytes }) => bytes));
    let start = 0;
    for (const { file, offset, bytes } of added) {
      let end = start;
      for (const { length } of bytes) end += length;
      const log = this.#dirtyLog(file, offset);
      log.pending.push(block.subarray(start, end));
      this.#behind.add(log);
      start = end;
    }
  }

  /** A log is to be there even if it gets no lines; `end` is where the first one would begin. */
  touch(name: string, end: number): void {
    this.#behind.add(this.#dirtyLog(name, end));
  }

  /**
   * Writes what is not written yet, of so many logs at most; tells whether there are more. Throws the first
   * refusal and keeps the rest. With `isSynced` false nothing is kept of the files that are made: nobody
   * syncs them.
   */
  flush({ most = Infinity, isSynced = true }: { most?: number; isSynced?: boolean } = {}): boolean {
    let left = most;
    for (const log of this.#behind) {
      if (left-- === 0) return true;
      if (isSynced || !this.#makeFile(log)) this.#flushLog(log);
      else this.#dirty.delete(log.name);
      this.#behind.delete(log);
    }
    return false;
  }

  /** Makes everything written survive a power cut. */
  async sync(): Promise<void> {
    for (const log of this.#dirty.values()) {
      // An empty transcript is there as soon as its directory is synced.
      if (log.written === log.start) continue;
      try {
        await this.#fileOf(log).syncData();
      } catch (cause) {
        throw asStoreError(log, cause);
      }
    }
  }

  /** Refuses to take for written what went into files that nobody finds any more. */
  check(): void {
    for (const log of this.#dirty.values()) {
      if (log.written === log.start) continue;
      wrapIo(log, () => {
        const size = log.first!.sizeInPlace();
        if (!log.hasRefused) checkLength(log, size);
      });
    }
  }

  /** All is synced and the snapshots are written: begins anew. */
  forget(): void {
    this.#dirty.clear();
    this.close();
  }

  /** Opens a log for reading, `end` bytes long. */
  read(name: string, end: number): LogBytes {
    const folder = this.#folder;
    const path = folder.log(name);
    const dirty = this.#dirty.get(name);
    if (dirty === undefined || dirty.written >= end) {
      return LogBytes.open({ folder, path, fileEnd: end });
    }
    // So that many reads of many lines do not join them each time.
    if (dirty.pending.length > 1) dirty.pending = [joinBytes(dirty.pending)];
    const tail = (dirty.pending[0] ?? NOTHING).subarray(0, end - dirty.written);
    return LogBytes.open({ folder, path, fileEnd: dirty.written, tail });
  }

  close(): void {
    for (const log of this.#open) {
      closeLog(log);
    }
    this.#open.clear();
  }

  #dirtyLog(name: string, start: number): DirtyLog {
    let log = this.#dirty.get(name);
    if (log === undefined) {
      const path = this.#folder.log(name);
      const operation = name === this.#folder.events ? "append event" : "append transcript";
      log = {
        name,
        path,
        operation,
        start,
        written: start,
        pending: [],
        held: undefined,
        first: undefined,
        hasRefused: false,
      };
      this.#dirty.set(name, log);
    }
    return log;
  }

  /** Makes the folder of a log and the log in it; false when that folder is there already. */
  #makeFile(log: DirtyLog): boolean {
    if (log.start > 0 || log.first !== undefined) return false;
    return wrapIo(log, () => {
      const { port } = this.#folder;
      if (!makeDirectorySync(port, dirname(log.path))) return false;
      writeNewSync(port, log.path, joinBytes(log.pending));
      return true;
    });
  }

  #flushLog(log: DirtyLog): void {
    wrapIo(log, () => {
      const file = this.#fileOf(log);
      if (log.pending.length === 0) return;
      const bytes = log.pending.length === 1 ? log.pending[0]! : joinBytes(log.pending);
      log.first!.lookNowAndThen();
      if (!log.hasRefused) checkLength(log, sizeOf(log.held!.file));
      // At the file's end; a part that a failed try left is written over.
      log.hasRefused = true;
      file.seekSync(log.written, Deno.SeekMode.Start);
      writeWholeSync(file, bytes);
      log.hasRefused = false;
      log.written += bytes.length;
      log.pending = [];
    });
  }

  #fileOf(log: DirtyLog): FileHandle {
    this.#open.delete(log);
    log.held ??= this.#openFile(log);
    this.#open.add(log);
    for (const oldest of this.#open) {
      if (this.#open.size <= OPEN_FILES) break;
      closeLog(oldest);
      this.#open.delete(oldest);
    }
    return log.held.file;
  }

  #openFile(log: DirtyLog): HeldFile {
    const { path, operation, first } = log;
    const directory = dirname(path);
    const { port } = this.#folder;
    if (!this.#folder.isDirectory(directory, { operation, what: "worker" })) {
      makeDirectorySync(port, directory);
    }
    const options = { read: true, write: true, create: true, mode: 0o600 };
    const file = this.#folder.open({ operation, path }, options);
    try {
      const held = new HeldFile(this.#folder, { path, file });
      if (first?.isSame(held) === false) throw held.replacedError("is another file now");
      if (first === undefined) checkLength(log, sizeOf(file));
      log.first ??= held;
      return held;
    } catch (error) {
      file.close();
      throw error;
    }
  }
}

function checkLength({ path, operation, written: expected }: DirtyLog, actual: number): void {
  if (actual !== expected) throw changedFileError({ operation, path }, { actual, expected });
}

function closeLog(log: DirtyLog): void {
  log.held?.file.close();
  log.held = undefined;
}
