import { atomicReplaceSync, type ReplaceFailure } from "../../_internal/atomic_replace.ts";
import { lookAtSync, makeDirectorySync, syncDirectorySync } from "../../_internal/directories.ts";
import {
  type FileHandle,
  type FilePort,
  readRangeSync,
  writeWholeSync,
} from "../../_internal/file_port.ts";
import { cutFileSync, lastLineEndSync, quarantineSync } from "../../_internal/line_file.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import { basename, dirname, join } from "../../_internal/path.ts";
import { joinBytes, type LogBytes, openLogBytes } from "../files/log_bytes.ts";
import type { LogCodec } from "../files/log_codecs.ts";
import { type LogLine, logLines, parseLine, recordBytes } from "../files/log_lines.ts";
import { storeIoError } from "../store_errors.ts";

/** What repairing does to files, so that nothing is ever gone: it is in its place or kept as evidence. */

const BLOCK_BYTES = 256 * 1024;
const NEWLINE = new Uint8Array([10]);

/** The folder of a runtime where one repair keeps what it takes out of the way. */
export class Quarantine {
  readonly #port: FilePort;
  /** The runtime's directory. */
  readonly #runtime: string;
  #path: string | undefined;

  constructor(port: FilePort, runtime: string) {
    this.#port = port;
    this.#runtime = runtime;
  }

  /** Moves a file or directory there; returns where it is now. */
  moveSync(path: string): string {
    const target = this.#targetOf(path);
    this.#port.renameSync(path, target);
    syncDirectorySync(this.#port, dirname(target));
    syncDirectorySync(this.#port, dirname(path));
    return target;
  }

  /** Copies a file there; the copy is on disk when this returns its path. */
  copySync(path: string): string {
    const target = this.#targetOf(path);
    const source = this.#port.openSync(path, { read: true });
    try {
      const size = source.seekSync(0, Deno.SeekMode.End);
      writeFileSync(this.#port, target, blocksOf(source, size));
    } finally {
      source.close();
    }
    syncDirectorySync(this.#port, dirname(target));
    return target;
  }

  /** A free name for what stands at a path of the runtime. */
  #targetOf(path: string): string {
    this.#path ??= this.#create();
    const folders = foldersBetween(this.#runtime, dirname(path));
    let directory = this.#path;
    for (const folder of folders) {
      if (makeDirectorySync(this.#port, join(directory, folder))) {
        syncDirectorySync(this.#port, directory);
      }
      directory = join(directory, folder);
    }
    const target = join(directory, basename(path));
    for (let number = 1;; number++) {
      const free = number === 1 ? target : `${target}.${number}`;
      if (lookAtSync(this.#port, free) === undefined) return free;
    }
  }

  #create(): string {
    for (let number = 1;; number++) {
      const path = join(this.#runtime, `quarantine-${number}`);
      if (!makeDirectorySync(this.#port, path)) continue;
      syncDirectorySync(this.#port, this.#runtime);
      return path;
    }
  }
}

/** The names of the folders that lead from one directory down to another. */
function foldersBetween(top: string, directory: string): string[] {
  const folders: string[] = [];
  for (let at = directory; at.length > top.length; at = dirname(at)) folders.unshift(basename(at));
  return folders;
}

function* blocksOf(file: FileHandle, size: number): Generator<Uint8Array> {
  for (let start = 0; start < size; start += BLOCK_BYTES) {
    yield readRangeSync(file, start, Math.min(size, start + BLOCK_BYTES));
  }
}

/** Creates a file with these bytes, on disk but for its name; leaves none when that fails. */
function writeFileSync(port: FilePort, path: string, blocks: Iterable<Uint8Array>): void {
  const file = port.openSync(path, { write: true, createNew: true, mode: 0o600 });
  try {
    for (const block of blocks) writeWholeSync(file, block);
    file.syncSync();
  } catch (error) {
    discard(port, path);
    throw error;
  } finally {
    file.close();
  }
}

function discard(port: FilePort, path: string): void {
  try {
    port.removeSync(path);
  } catch { /* The first failure is the one to report. */ }
}

/** Creates or replaces a file with a text, whole or not at all. */
export function replaceTextSync(port: FilePort, path: string, text: string): void {
  replaceSync(port, path, encodeUtf8(text));
}

/** Creates or replaces a file, whole or not at all. */
export function replaceSync(port: FilePort, path: string, bytes: Uint8Array): void {
  const toError = ({ cause }: ReplaceFailure) =>
    storeIoError({ operation: "repair runtime store", path }, cause);
  atomicReplaceSync(port, { path, bytes, toError });
}

/** All bytes of a file. */
export function readWholeSync(port: FilePort, path: string): Uint8Array {
  const file = port.openSync(path, { read: true });
  try {
    return readRangeSync(file, 0, file.seekSync(0, Deno.SeekMode.End));
  } finally {
    file.close();
  }
}

/** Gives a directory another name, for good. */
export function renameSync(port: FilePort, path: string, to: string): void {
  port.renameSync(path, to);
  syncDirectorySync(port, dirname(to));
}

/** Cuts a file, for good. */
export function cutSync(port: FilePort, path: string, length: number): void {
  cutFileSync(port, path, length);
  const file = port.openSync(path, { read: true, write: true });
  try {
    file.syncSync();
  } finally {
    file.close();
  }
}

/** The end of a log, from the start of a line on. */
export interface Surplus {
  /** The number of its first record. */
  first: number;
  bytes: Uint8Array;
}

/** As many bytes in front of where it should begin are looked at: lines there may be missing. */
const SHIFTED_BYTES = 1024 * 1024;

/**
 * What a log has behind its record of a number, near a byte; undefined without anything there.
 * Records are told by their numbers, as a line that is missing moves all behind it.
 */
export function readSurplusSync(
  port: FilePort,
  path: string,
  { near, last }: { near: number; last: number },
): Surplus | undefined {
  if (lookAtSync(port, path) === undefined) return undefined;
  const file = port.openSync(path, { read: true });
  try {
    const end = file.seekSync(0, Deno.SeekMode.End);
    const bytes = readRangeSync(file, Math.min(end, Math.max(0, near - SHIFTED_BYTES)), end);
    for (let start = 0; start < bytes.length;) {
      const newline = bytes.indexOf(NEWLINE[0]!, start);
      const next = newline === -1 ? bytes.length : newline + 1;
      const number = numberOf(bytes.subarray(start, next));
      if (number > last) return { first: number, bytes: bytes.subarray(start) };
      start = next;
    }
    return undefined;
  } finally {
    file.close();
  }
}

/** Puts the end of a log back, if it is missing there. */
export function appendSurplusSync(port: FilePort, path: string, surplus: Surplus): void {
  const file = port.openSync(path, { read: true, write: true });
  try {
    const size = file.seekSync(0, Deno.SeekMode.End);
    const lastLine = size === 0 ? 0 : lastLineEndSync(file, size - 1);
    if (numberOf(readRangeSync(file, lastLine, size)) >= surplus.first) return;
    file.seekSync(size, Deno.SeekMode.Start);
    writeWholeSync(file, surplus.bytes);
    file.syncSync();
  } finally {
    file.close();
  }
}

/** The number of a log's record, or of the last of several; 0 where it cannot be read. */
export function numberOf(lines: Uint8Array): number {
  const end = lines.at(-1) === NEWLINE[0] ? lines.length - 1 : lines.length;
  const start = lines.subarray(0, end).lastIndexOf(NEWLINE[0]!) + 1;
  try {
    const { id, sequence } = JSON.parse(new TextDecoder().decode(lines.subarray(start, end)));
    return Number.isSafeInteger(id) ? id : Number.isSafeInteger(sequence) ? sequence : 0;
  } catch {
    return 0;
  }
}

/** What was done to a log, and where its former bytes are, if any were taken out. */
export interface MendedLog {
  did: "nothing" | "completed" | "cut" | "rewritten";
  evidence?: string;
}

/**
 * Brings a log into an order in which every line holds a record. A tail that lacks only its newline
 * gets it, any other one is moved to `<file>.torn-<n>`. If there are other lines without a record, the
 * file is kept as evidence, and one without them takes its place; a record behind NULs is kept.
 */
export function mendLogSync<T>(
  port: FilePort,
  path: string,
  { codec, quarantine }: { codec: LogCodec<T>; quarantine: Quarantine },
): MendedLog {
  const file = port.openSync(path, { read: true, append: true });
  try {
    const size = file.seekSync(0, Deno.SeekMode.End);
    const log = openLogBytes({ port, path, fileEnd: size });
    try {
      const { hasBad, tail } = survey(log, codec);
      if (hasBad) return rewrite(port, path, { log, codec, quarantine });
      if (tail === undefined) return { did: "nothing" };
      if (recordBytes(tail, codec) === undefined) {
        const evidence = quarantineSync(port, { path, file, tailStart: tail.start, size });
        cutSync(port, path, tail.start);
        return { did: "cut", evidence };
      }
      writeWholeSync(file, NEWLINE);
      file.syncSync();
      return { did: "completed" };
    } finally {
      log.close();
    }
  } finally {
    file.close();
  }
}

function linesIn<T>(log: LogBytes, { operation }: LogCodec<T>): Iterable<LogLine> {
  return logLines(log, { start: 0, blockBytes: BLOCK_BYTES, operation });
}

/** Whether a whole line holds no record, and the unterminated tail. */
function survey<T>(
  log: LogBytes,
  codec: LogCodec<T>,
): { hasBad: boolean; tail: LogLine | undefined } {
  let hasBad = false;
  for (const line of linesIn(log, codec)) {
    if (!line.isWhole) return { hasBad, tail: line };
    hasBad ||= !("record" in parseLine(line, codec));
  }
  return { hasBad, tail: undefined };
}

function rewrite<T>(
  port: FilePort,
  path: string,
  { log, codec, quarantine }: { log: LogBytes; codec: LogCodec<T>; quarantine: Quarantine },
): MendedLog {
  const evidence = quarantine.copySync(path);
  const tempPath = freeTempOf(port, path);
  writeFileSync(port, tempPath, goodLines(log, codec));
  try {
    const mode = (lookAtSync(port, path)?.mode ?? 0o600) & 0o777;
    if (mode !== 0o600) port.chmodSync(tempPath, mode);
    port.renameSync(tempPath, path);
  } catch (error) {
    discard(port, tempPath);
    throw error;
  }
  syncDirectorySync(port, dirname(path));
  return { did: "rewritten", evidence };
}

function freeTempOf(port: FilePort, path: string): string {
  for (let number = 0;; number++) {
    const tempPath = `${path}.${Deno.pid}.${number}.tmp`;
    if (lookAtSync(port, tempPath) === undefined) return tempPath;
  }
}

/** The lines that hold records, many at once. */
function* goodLines<T>(log: LogBytes, codec: LogCodec<T>): Generator<Uint8Array> {
  let chunks: Uint8Array[] = [];
  let size = 0;
  for (const line of linesIn(log, codec)) {
    const record = recordBytes(line, codec);
    if (record === undefined) continue;
    chunks.push(record, NEWLINE);
    size += record.length + 1;
    if (size < BLOCK_BYTES) continue;
    yield joinBytes(chunks);
    chunks = [];
    size = 0;
  }
  yield joinBytes(chunks);
}
