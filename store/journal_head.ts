/** The first line of a journal, which says how to read the others. */
import type { FileHandle, FilePort } from "../_internal/file_port.ts";
import { readRangeSync } from "../_internal/tail.ts";
import { MUTATION_PREFIX } from "./journal_line.ts";
import { joinBytes } from "./log_bytes.ts";
import { storeCorruptError } from "./store_errors.ts";
import { fileSizeSync, journalNumbersSync, type StorePaths } from "./store_paths.ts";

const FORMAT = 1;
const NEWLINE = 10;
/** Far more than the first line has. */
const MAX_HEAD_BYTES = 1024;
const latin1 = new TextDecoder("latin1");

/** What the first line holds. */
export interface JournalHead {
  format: number;
  journal: number;
}

/** The first line, with its newline. */
export function printHead(number: number): Uint8Array {
  const head: JournalHead = { format: FORMAT, journal: number };
  return new TextEncoder().encode(`${JSON.stringify(head)}\n`);
}

/** What a line says; undefined when it is no head. */
export function parseHead(line: Uint8Array): JournalHead | undefined {
  try {
    const head = JSON.parse(new TextDecoder().decode(line));
    return Number.isSafeInteger(head.format) && head.format > 0 ? head : undefined;
  } catch {
    return undefined;
  }
}

/** Refuses a journal of a newer version. */
export function checkFormat({ format }: JournalHead, path: string): void {
  if (format === FORMAT) return;
  throw storeCorruptError({ operation: "read journal", path }, {
    problem: `line 1: unsupported journal format ${format}, expected ${FORMAT}`,
    line: 1,
    remedy: "open it with the program that wrote it, or a newer taffrail",
  });
}

/**
 * Refuses the journals of a newer version, before anything is written beside them. One that is removed
 * meanwhile has been made part of the snapshots by its owner.
 */
export function checkJournalFormatsSync(port: FilePort, paths: StorePaths): void {
  for (const number of journalNumbersSync(port, paths.directory)) {
    const path = paths.journal(number);
    let file: FileHandle;
    try {
      fileSizeSync(port, path, "read journal");
      file = port.openSync(path, { read: true });
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue;
      throw error;
    }
    try {
      const [first] = splitLines(readRangeSync(file, 0, MAX_HEAD_BYTES));
      const head = first && parseHead(first.bytes);
      if (head !== undefined) checkFormat(head, path);
    } finally {
      file.close();
    }
  }
}

/** Where a damaged head ends: where the first mutation begins, should the newline be damaged too. */
export function headEndIn(bytes: Uint8Array): number {
  const begin = latin1.decode(bytes.subarray(0, MAX_HEAD_BYTES)).indexOf(MUTATION_PREFIX);
  return begin === -1 ? bytes.indexOf(NEWLINE) + 1 : begin;
}

/** A journal with its head written anew: there is nothing in it that its name does not say. */
export function withNewHead(bytes: Uint8Array, number: number): Uint8Array {
  return joinBytes([printHead(number), bytes.subarray(headEndIn(bytes))]);
}

/** A line without its newline, and where it begins. */
export interface Line {
  bytes: Uint8Array;
  byteOffset: number;
}

/** The terminated lines, without their newlines. */
export function splitLines(bytes: Uint8Array): Line[] {
  const lines: Line[] = [];
  for (let start = 0;;) {
    const end = bytes.indexOf(NEWLINE, start);
    if (end === -1) return lines;
    lines.push({ bytes: bytes.subarray(start, end), byteOffset: start });
    start = end + 1;
  }
}
