import {
  type FileHandle,
  type FilePort,
  readRangeSync,
  writeWholeSync,
} from "../../_internal/file_port.ts";
import { joinBytes } from "../files/log_bytes.ts";
import { fileSizeSync } from "../layout.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { storeCorruptError } from "../store_errors.ts";
import {
  checkFormat,
  decodeMutation,
  headEndIn,
  type Mutation,
  parseHead,
  printHead,
  splitLines,
} from "./journal_lines.ts";

/** The file grows by so much at a time. */
const GROWTH_BYTES = 64 * 1024;

/** A write that left the journal in a state that nobody can vouch for. */
export class UnknownOutcome extends Error {}

/** The journal that mutations are written to. */
export class JournalFile {
  readonly path: string;
  readonly number: number;
  readonly #file: FileHandle;
  /** Where the next line begins. */
  #end: number;
  /** Where the file ends; there are NULs in between. */
  #fileEnd: number;
  #written = 0;
  #synced = 0;
  #hasRefused = false;

  private constructor(path: string, { file, number, end }: {
    file: FileHandle;
    number: number;
    end: number;
  }) {
    this.path = path;
    this.number = number;
    this.#file = file;
    this.#end = end;
    this.#fileEnd = end;
  }

  /**
   * Creates a journal that is on disk, but for its name. If a try that failed has left a file of the
   * name, it has no mutation.
   */
  static createSync(
    port: FilePort,
    { path, number }: { path: string; number: number },
  ): JournalFile {
    const bytes = printHead(number);
    fileSizeSync(port, path, "write journal");
    const options = { read: true, write: true, create: true, truncate: true, mode: 0o600 };
    const file = port.openSync(path, options);
    try {
      writeWholeSync(file, bytes);
      file.syncSync();
    } catch (error) {
      file.close();
      throw error;
    }
    return new JournalFile(path, { file, number, end: bytes.length });
  }

  /** How many mutations it holds. */
  get written(): number {
    return this.#written;
  }

  /** How many of them are known to be on disk. */
  get synced(): number {
    return this.#synced;
  }

  /** Whether a write has failed: there may be room for no more, but for another file. */
  get hasRefused(): boolean {
    return this.#hasRefused;
  }

  /** Its bytes. */
  get size(): number {
    return this.#end;
  }

  /**
   * Appends the lines of mutations in one write: all of them or, when it fails, none. Now and then
   * the write ends in NULs, which later lines take the place of: as long as a file does not become
   * longer, syncing it takes a third less time.
   */
  append(lines: readonly Uint8Array[]): void {
    const length = lines.reduce((sum, line) => sum + line.length, 0);
    try {
      const count = this.#file.writeSync(this.#bytesOf(lines, length));
      if (count < length) {
        throw new Error(`Only ${count} of ${length} bytes were written: is the disk full?`);
      }
      this.#fileEnd = Math.max(this.#fileEnd, this.#end + count);
      if (count > length) this.#file.seekSync(this.#end + length, Deno.SeekMode.Start);
    } catch (error) {
      this.#cutBack(error);
      throw error;
    }
    this.#end += length;
    this.#written += lines.length;
  }

  #bytesOf(lines: readonly Uint8Array[], length: number): Uint8Array {
    if (this.#end + length > this.#fileEnd) {
      return joinBytes([
        ...lines,
        new Uint8Array(GROWTH_BYTES - (this.#end + length) % GROWTH_BYTES),
      ]);
    }
    return lines.length === 1 ? lines[0]! : joinBytes(lines);
  }

  /** Makes what was appended survive a power cut. */
  async sync(): Promise<void> {
    const written = this.#written;
    await this.#file.syncData();
    this.#synced = written;
  }

  close(): void {
    this.#file.close();
  }

  #cutBack(writeError: unknown): void {
    try {
      this.#file.truncateSync(this.#end);
      this.#file.seekSync(this.#end, Deno.SeekMode.Start);
      this.#fileEnd = this.#end;
      this.#hasRefused = true;
    } catch (cutError) {
      const cause = new AggregateError([writeError, cutError]);
      throw new UnknownOutcome("The write failed and could not be cut back", { cause });
    }
  }
}

/** What a journal holds. */
export interface JournalContent {
  /** In their order. */
  mutations: Mutation[];
  /** What stands behind them; undefined when that is nothing but NULs. */
  torn?: TornLine;
}

/** Something in a journal that is no mutation, and whose newline may be missing. */
export interface TornLine {
  path: string;
  /** From 1. */
  line: number;
  byteOffset: number;
}

/**
 * Reads the mutations of a journal. Those behind a torn one never happened either, as they may stand
 * there after a power cut: they were never acknowledged. If one of them says that the torn one was on
 * disk, that one is not torn but damaged.
 */
export function readMutationsSync(file: FileHandle, path: string): JournalContent {
  const size = file.seekSync(0, Deno.SeekMode.End);
  const bytes = readRangeSync(file, 0, size);
  const [first, ...lines] = splitLines(bytes);
  const head = first === undefined ? undefined : parseHead(first.bytes);
  if (head === undefined) return readHeadless(bytes, path);
  checkFormat(head, path);
  const mutations: Mutation[] = [];
  let end = first!.bytes.length + 1;
  let torn: { line: number; byteOffset: number } | undefined;
  for (const [index, { bytes, byteOffset }] of lines.entries()) {
    const mutation = decodeMutation(bytes);
    if (torn === undefined) {
      if (mutation?.sequence === mutations.length + 1) {
        mutations.push(mutation);
        end = byteOffset + bytes.length + 1;
      } else {
        torn = { line: index + 2, byteOffset };
      }
    } else if (mutation !== undefined && mutation.synced > mutations.length) {
      throw damagedMutationError({ path, ...torn });
    }
  }
  torn ??= { line: mutations.length + 2, byteOffset: end };
  return { mutations, ...(hasBytes(bytes, torn.byteOffset) && { torn: { path, ...torn } }) };
}

/** The head is on disk before the first mutation is written: with one behind it, it is damaged. */
function readHeadless(bytes: Uint8Array, path: string): JournalContent {
  const torn = { path, line: 1, byteOffset: 0 };
  const lines = splitLines(bytes.subarray(headEndIn(bytes)));
  if (lines.some((line) => decodeMutation(line.bytes) !== undefined)) {
    const problem = "line 1: the journal's head is damaged";
    throw storeCorruptError({ operation: "read journal", path }, { problem, ...torn });
  }
  return { mutations: [], ...(hasBytes(bytes, 0) && { torn }) };
}

function hasBytes(bytes: Uint8Array, from: number): boolean {
  // Many times faster than some(), and there may be 64 KiB of NULs.
  for (let index = from; index < bytes.length; index++) if (bytes[index] !== 0) return true;
  return false;
}

/** A line that was on disk when its caller was told so, and that is there no more. */
export function damagedMutationError({ path, line, byteOffset }: TornLine): RuntimeStoreError {
  const problem = `line ${line}: an acknowledged mutation is damaged`;
  return storeCorruptError({ operation: "read journal", path }, { problem, line, byteOffset });
}

/**
 * {@linkcode readMutationsSync} of the journal at a path, for who goes on from what it says: that is
 * on disk when this returns. A killed process may have left lines that never were.
 */
export function readJournalSync(port: FilePort, path: string): JournalContent {
  fileSizeSync(port, path, "read journal");
  const file = port.openSync(path, { read: true, write: true });
  try {
    const content = readMutationsSync(file, path);
    if (content.mutations.length > 0) file.syncDataSync();
    return content;
  } finally {
    file.close();
  }
}
