import { syncDirectorySync } from "./directories.ts";
import { type FileHandle, type FilePort, isAlreadyExists } from "./file_port.ts";
import { MAX_LINE_BYTES } from "./json_lines.ts";
import { dirname } from "./path.ts";
import { decodeUtf8, NEWLINE } from "./text.ts";

const BLOCK_BYTES = 64 * 1024;

/** What had to be mended at the end of a JSON Lines file before it could be appended to. */
export interface Recovery {
  /** The last line was a whole JSON object that only lacked its newline; it got it. */
  completed: boolean;
  /** The file to which an unterminated, unreadable tail was moved, byte for byte. */
  tornFile?: string;
}

/** Reads exactly the bytes from `start` to `end`, or up to the end of the file if it is shorter. */
export function readRangeSync(file: FileHandle, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array(end - start);
  file.seekSync(start, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < bytes.length) {
    const count = file.readSync(bytes.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

/** The offset behind the last newline before `size`, found by reading backwards; 0 without one. */
export function lastLineEndSync(file: FileHandle, size: number): number {
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const newline = readRangeSync(file, start, end).lastIndexOf(NEWLINE);
    if (newline !== -1) return start + newline + 1;
    end = start;
  }
  return 0;
}

/** Whether the bytes are the text of exactly one JSON object. */
export function isJsonObject(bytes: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(decodeUtf8(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** Shortens a file. An append-only handle cannot do that on Windows, so it takes one of its own. */
export function cutFileSync(port: FilePort, path: string, length: number): void {
  const file = port.openSync(path, { write: true });
  try {
    file.truncateSync(length);
  } finally {
    file.close();
  }
}

function createTornFileSync(port: FilePort, path: string): { tornFile: string; torn: FileHandle } {
  for (let number = 1;; number++) {
    const tornFile = `${path}.torn-${number}`;
    try {
      const torn = port.openSync(tornFile, { write: true, createNew: true, mode: 0o600 });
      return { tornFile, torn };
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}

/** Writes all bytes, in several writes where one does not take them all. */
export function writeWholeSync(file: FileHandle, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) {
    const count = file.writeSync(bytes.subarray(written));
    if (count === 0) throw new Error("The file system took none of the bytes (disk full)");
    written += count;
  }
}

/** Copies the tail to a quarantine file that is on disk before anything is cut. */
export function quarantineSync(port: FilePort, source: TailSource): string {
  const { tornFile, torn } = createTornFileSync(port, source.path);
  try {
    for (let start = source.tailStart; start < source.size; start += BLOCK_BYTES) {
      const end = Math.min(source.size, start + BLOCK_BYTES);
      writeWholeSync(torn, readRangeSync(source.file, start, end));
    }
    torn.syncSync();
    syncDirectorySync(port, dirname(source.path));
  } catch (error) {
    port.removeSync(tornFile);
    throw error;
  } finally {
    torn.close();
  }
  return tornFile;
}

/** Where an unterminated tail stands. */
export interface TailSource {
  path: string;
  /** Open for reading and appending. */
  file: FileHandle;
  tailStart: number;
  size: number;
}

/**
 * Mends the end of a JSON Lines file whose writer died inside a write, so that the next line
 * cannot fuse with the stub: a whole object gets its newline, anything else is moved aside and
 * cut. The caller holds the lock of the file. Done twice, it does nothing the second time.
 */
export function recoverTailSync(port: FilePort, source: TailSource): Recovery {
  if (source.tailStart === source.size) return { completed: false };
  const short = source.size - source.tailStart <= MAX_LINE_BYTES;
  if (short && isJsonObject(readRangeSync(source.file, source.tailStart, source.size))) {
    writeWholeSync(source.file, new Uint8Array([NEWLINE]));
    source.file.syncDataSync();
    return { completed: true };
  }
  const tornFile = quarantineSync(port, source);
  cutFileSync(port, source.path, source.tailStart);
  source.file.syncDataSync();
  return { completed: false, tornFile };
}
