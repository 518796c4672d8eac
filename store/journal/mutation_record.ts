import { isNotFound, readRangeSync } from "../../_internal/file_port.ts";
import { crc32, decodeUtf8, encodeUtf8, joinBytes, NEWLINE } from "../../_internal/text.ts";
import type { RuntimeFolder } from "../files/runtime_folder.ts";
import type {
  RuntimeCounters,
  RuntimeSnapshot,
  WorkerChange,
  WorkerSnapshot,
} from "../files/snapshots.ts";
import { storeCorruptError, USE_NEWER } from "../store_errors.ts";
import type { ConfigBundle, RuntimeDiagnostic, RuntimeEvent, TranscriptEntry } from "../types.ts";

/**
 * The lines of a journal: the first one says how to read the others; each of these is a record of
 * everything that one mutation changed, as the values that it left, so that doing it again changes
 * nothing more.
 */

/** Lines that belong at one place of one log. */
export interface LogLines<Line> {
  /** `events.jsonl` or `workers/<directory>/transcript.jsonl`. */
  file: string;
  /** Where the first line begins. */
  offset: number;
  lines: readonly Line[];
}

/** What a line of a journal holds. */
export interface MutationRecord {
  /** Its number in this journal, from 1. */
  sequence: number;
  /** How many mutations of this journal were known to be on disk when this one was written. */
  synced: number;
  /** The runtime itself, in the mutation that began it. */
  created_runtime?: RuntimeSnapshot;
  runtime: RuntimeCounters;
  /** New ones only. */
  diagnostics?: RuntimeDiagnostic[];
  /** Stored ones only; each replaces the one of its id. */
  config_bundles?: ConfigBundle[];
  created_workers?: WorkerSnapshot[];
  workers?: WorkerChange[];
  logs?: LogLines<RuntimeEvent | TranscriptEntry>[];
}

/** How the line of a mutation begins. */
const MUTATION_PREFIX = '{"crc32":"';
const MIDDLE = '","mutation":';
const MUTATION_START = MUTATION_PREFIX.length + 8 + MIDDLE.length;
const SUFFIX = "}";
const encoder = new TextEncoder();

/** Prints a mutation as one line with its newline. The lines of the logs are taken as they are. */
export function encodeMutation(
  mutation: Omit<MutationRecord, "logs">,
  logs: readonly LogLines<string>[],
): Uint8Array {
  let text = JSON.stringify(mutation);
  if (logs.length > 0) text = `${text.slice(0, -1)},"logs":[${logs.map(printLogs).join(",")}]}`;
  const start = encoder.encode(MUTATION_PREFIX + "00000000" + MIDDLE + text + SUFFIX + "\n");
  const checksum = crc32(start.subarray(MUTATION_START, start.length - SUFFIX.length - 1));
  encoder.encodeInto(hex(checksum), start.subarray(MUTATION_PREFIX.length));
  return start;
}

/** What a line, without its newline, holds; undefined when it is not what was written. */
export function decodeMutation(line: Uint8Array): MutationRecord | undefined {
  const body = line.subarray(MUTATION_START, line.length - SUFFIX.length);
  if (line.length < MUTATION_START + SUFFIX.length) return undefined;
  try {
    const frame = decodeUtf8(line.subarray(0, MUTATION_START));
    if (frame !== MUTATION_PREFIX + hex(crc32(body)) + MIDDLE) return undefined;
    if (decodeUtf8(line.subarray(line.length - SUFFIX.length)) !== SUFFIX) return undefined;
    return JSON.parse(decodeUtf8(body));
  } catch {
    return undefined;
  }
}

function printLogs({ file, offset, lines }: LogLines<string>): string {
  return `{"file":${JSON.stringify(file)},"offset":${offset},"lines":[${lines.join(",")}]}`;
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}

const FORMAT = 1;
/** Far more than the first line has. */
const MAX_HEAD_BYTES = 1024;
const latin1 = new TextDecoder("latin1");

/** What the first line holds. */
interface JournalHead {
  format: number;
  journal: number;
}

/** The first line, with its newline. */
export function printHead(number: number): Uint8Array {
  const head: JournalHead = { format: FORMAT, journal: number };
  return encodeUtf8(`${JSON.stringify(head)}\n`);
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
    remedy: USE_NEWER,
  });
}

/**
 * Refuses the journals of a newer version, before anything is written beside them. One that is removed
 * meanwhile has been made part of the snapshots by its owner.
 */
export function checkJournalFormats(folder: RuntimeFolder): void {
  for (const number of folder.journalNumbers()) {
    const path = folder.journal(number);
    try {
      const place = { operation: "read journal", path } as const;
      const bytes = folder.use(place, (file) => readRangeSync(file, 0, MAX_HEAD_BYTES));
      const head = parseHead(bytes.subarray(0, bytes.indexOf(NEWLINE)));
      if (head !== undefined) checkFormat(head, path);
    } catch (error) {
      if (!isNotFound(error)) throw error;
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
