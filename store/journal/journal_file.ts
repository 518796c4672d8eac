import {
  type FileHandle,
  readRangeSync,
  runSteps,
  sizeOf,
  writeWholeSync,
} from "../../_internal/file_port.ts";
import { linesOf } from "../../_internal/json_lines.ts";
import { LineFile } from "../../_internal/line_file.ts";
import { closeLock } from "../../_internal/lock.ts";
import { basename, isWindows } from "../../_internal/path.ts";
import { RuntimePaths } from "../../_internal/root_layout.ts";
import { joinBytes } from "../../_internal/text.ts";
import { HeldFile, type RuntimeFolder } from "../files/runtime_folder.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { storeCorruptError } from "../store_errors.ts";
import {
  checkFormat,
  decodeMutation,
  headEndIn,
  type MutationRecord,
  parseHead,
  printHead,
} from "./mutation_record.ts";

/** The file grows by so much at a time. */
const GROWTH_BYTES = 64 * 1024;
/** No journal gets as long as that: only a file that was stretched, which has NULs there, is. */
const MAX_BYTES = 128 * 1024 * 1024;

/** The journal that mutations are written to. */
export class JournalFile {
  readonly path: string;
  readonly #held: HeldFile;
  readonly #lines: LineFile;
  /** How many mutations it holds. */
  written = 0;
  /** How many of them are known to be on disk. */
  synced = 0;
  /** Whether a write has failed: there may be room for no more, but for another file. */
  hasRefused = false;

  private constructor(held: HeldFile, end: number) {
    this.path = held.path;
    this.#held = held;
    this.#lines = new LineFile(held.file, { end, growthBytes: GROWTH_BYTES });
  }

  /**
   * Creates a journal that is on disk, but for its name. If a try that failed has left a file of the
   * name, it has no mutation.
   */
  static create(folder: RuntimeFolder, number: number): JournalFile {
    const path = folder.journal(number);
    const bytes = printHead(number);
    const options = { read: true, write: true, create: true, mode: 0o600 };
    const file = folder.open({ operation: "write journal", path }, options);
    try {
      file.truncateSync(0);
      writeWholeSync(file, bytes);
      file.syncSync();
      // Tells a second owner of the first one, should the lock file be removed.
      if (!isWindows) file.tryLockSync(true);
      return new JournalFile(new HeldFile(folder, { path, file }), bytes.length);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Its bytes. */
  get size(): number {
    return this.#lines.end;
  }

  /**
   * Refuses to go on when another file stands in the journal's place, or somebody has made it shorter or
   * longer: what was appended nobody finds then. Asked behind each sync.
   */
  check(): void {
    this.#checkSize(this.#held.sizeAfterSync());
  }

  /** Refuses to append to a journal that somebody has made shorter or longer. */
  checkSize(): void {
    this.#checkSize(sizeOf(this.#held.file));
    this.#held.file.seekSync(this.#lines.end, Deno.SeekMode.Start);
  }

  #checkSize(size: number): void {
    const { fileEnd } = this.#lines;
    if (size === fileEnd) return;
    throw this.#held.replacedError(`has ${size} bytes instead of ${fileEnd}`);
  }

  /** Appends the lines of mutations in one write: all of them or, when it fails, none. */
  append(lines: readonly Uint8Array[]): void {
    try {
      this.#lines.append(lines.length === 1 ? lines[0]! : joinBytes(lines));
    } catch (error) {
      this.hasRefused = true;
      throw error;
    }
    this.written += lines.length;
  }

  /** Makes what was appended survive a power cut; `mayBlock` as for {@linkcode LineFile.sync}. */
  async sync(options?: { mayBlock?: boolean }): Promise<void> {
    const written = this.written;
    await runSteps(this.#lines.sync(options));
    this.synced = written;
  }

  close(): void {
    closeLock(this.#held.file);
  }
}

/** What a journal holds. */
export interface JournalContent {
  /** In their order. */
  mutations: MutationRecord[];
  /** Where they end: the next one would stand there. */
  end: JournalPlace;
  /** Whether anything but NULs stands there. */
  isTorn: boolean;
}

/** Where the line of a mutation begins, or would begin. */
export interface JournalPlace {
  path: string;
  /** From 1. */
  line: number;
  byteOffset: number;
}

/**
 * Reads the mutations of a journal. Those behind a torn one never happened either, as they may stand
 * there after a power cut: they were never acknowledged. If one of them says that the torn one was on
 * disk, that one is not torn but damaged. Whether the logs know more is for others to look at.
 */
export function readMutations(file: FileHandle, path: string): JournalContent {
  const bytes = readRangeSync(file, 0, Math.min(sizeOf(file), MAX_BYTES));
  const [first, ...lines] = linesOf({ bytes, byteOffset: 0, skippedNuls: 0 });
  const head = first && parseHead(first.bytes);
  if (head === undefined) return readHeadless(bytes, path);
  checkFormat(head, path);
  checkNumber(head, path);
  const mutations: MutationRecord[] = [];
  let end = { path, line: 2, byteOffset: first!.bytes.length + 1 };
  let isTorn = false;
  for (const { bytes, byteOffset } of lines) {
    const mutation = decodeMutation(bytes);
    if (!isTorn && mutation?.sequence === mutations.length + 1) {
      mutations.push(mutation);
      end = { path, line: end.line + 1, byteOffset: byteOffset + bytes.length + 1 };
    } else if (mutation !== undefined && mutation.synced > mutations.length) {
      throw damagedMutationError(end);
    } else {
      isTorn = true;
    }
  }
  return { mutations, end, isTorn: hasBytes(bytes, end.byteOffset) };
}

/** The head is on disk before the first mutation is written: with one behind it, it is damaged. */
function readHeadless(bytes: Uint8Array, path: string): JournalContent {
  const byteOffset = headEndIn(bytes);
  const lines = linesOf({ bytes: bytes.subarray(byteOffset), byteOffset, skippedNuls: 0 });
  if (lines.some((line) => decodeMutation(line.bytes) !== undefined)) {
    throw damagedLineError({ path, line: 1, byteOffset: 0 }, "the journal's head is damaged");
  }
  return { mutations: [], end: { path, line: 2, byteOffset }, isTorn: hasBytes(bytes, 0) };
}

/** A journal under the name of another number has been copied or renamed by hand. */
function checkNumber({ journal: actual }: { journal: number }, path: string): void {
  const expected = RuntimePaths.journalNumberOf(basename(path))!;
  if (actual === expected) return;
  throw storeCorruptError({ operation: "read journal", path }, {
    problem: `line 1: it says that it is journal ${actual}`,
    line: 1,
    byteOffset: 0,
    expected,
    actual,
  });
}

function hasBytes(bytes: Uint8Array, from: number): boolean {
  // Many times faster than some(), and there may be 64 KiB of NULs.
  for (let index = from; index < bytes.length; index++) if (bytes[index] !== 0) return true;
  return false;
}

/** A line that was acknowledged, and that is there no more. */
export function damagedMutationError(place: JournalPlace): RuntimeStoreError {
  return damagedLineError(place, "an acknowledged mutation is damaged");
}

function damagedLineError({ path, ...where }: JournalPlace, what: string): RuntimeStoreError {
  const problem = `line ${where.line}: ${what}`;
  return storeCorruptError({ operation: "read journal", path }, { problem, ...where });
}

/**
 * {@linkcode readMutations} of the journal of a number, for who goes on from what it says: that is on
 * disk when this returns. A killed process may have left lines that never were.
 */
export function readJournal(folder: RuntimeFolder, number: number): JournalContent {
  const path = folder.journal(number);
  return folder.use({ operation: "read journal", path }, (file) => {
    const content = readMutations(file, path);
    if (content.mutations.length > 0) file.syncDataSync();
    return content;
  }, { read: true, write: true });
}
