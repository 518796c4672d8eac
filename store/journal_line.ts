/**
 * One line of a journal: everything that one mutation changed, as the values that it left, so that
 * doing it again changes nothing more.
 */
import { crc32 } from "../_internal/crc32.ts";
import type { RuntimeSnapshot, WorkerSnapshot } from "./snapshot_types.ts";
import type {
  ConfigBundle,
  RuntimeDiagnostic,
  RuntimeEvent,
  RuntimeStatus,
  TranscriptEntry,
  WorkerStatus,
} from "./types.ts";

/** What of a runtime nearly every mutation changes. */
export interface RuntimeCounters {
  status: RuntimeStatus;
  next_worker_sequence: number;
  next_event_id: number;
  next_diagnostic_id: number;
}

/** What of a worker can change at all. */
export interface WorkerChange {
  worker_id: string;
  status: WorkerStatus;
  next_transcript_sequence: number;
  last_event_id: number;
}

/** Lines that belong at one place of one log. */
export interface LogLines {
  /** `events.jsonl` or `workers/<directory>/transcript.jsonl`. */
  file: string;
  /** Where the first line begins. */
  offset: number;
  lines: (RuntimeEvent | TranscriptEntry)[];
}

/** What a line of a journal holds. */
export interface Mutation {
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
  logs?: LogLines[];
}

/** A {@linkcode LogLines} whose lines are printed already. */
export interface PrintedLines {
  file: string;
  offset: number;
  lines: readonly string[];
}

/** How the line of a mutation begins. */
export const MUTATION_PREFIX = '{"crc32":"';
const MIDDLE = '","mutation":';
const MUTATION_START = MUTATION_PREFIX.length + 8 + MIDDLE.length;
const SUFFIX = "}";
const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Prints a mutation as one line with its newline. The lines of the logs are taken as they are. */
export function encodeMutation(
  mutation: Omit<Mutation, "logs">,
  logs: readonly PrintedLines[],
): Uint8Array {
  let text = JSON.stringify(mutation);
  if (logs.length > 0) text = `${text.slice(0, -1)},"logs":[${logs.map(printLogs).join(",")}]}`;
  const start = encoder.encode(MUTATION_PREFIX + "00000000" + MIDDLE + text + SUFFIX + "\n");
  const checksum = crc32(start.subarray(MUTATION_START, start.length - SUFFIX.length - 1));
  encoder.encodeInto(hex(checksum), start.subarray(MUTATION_PREFIX.length));
  return start;
}

/** What a line, without its newline, holds; undefined when it is not what was written. */
export function decodeMutation(line: Uint8Array): Mutation | undefined {
  const body = line.subarray(MUTATION_START, line.length - SUFFIX.length);
  if (line.length < MUTATION_START + SUFFIX.length) return undefined;
  try {
    const frame = utf8.decode(line.subarray(0, MUTATION_START));
    if (frame !== MUTATION_PREFIX + hex(crc32(body)) + MIDDLE) return undefined;
    if (utf8.decode(line.subarray(line.length - SUFFIX.length)) !== SUFFIX) return undefined;
    return JSON.parse(utf8.decode(body));
  } catch {
    return undefined;
  }
}

function printLogs({ file, offset, lines }: PrintedLines): string {
  return `{"file":${JSON.stringify(file)},"offset":${offset},"lines":[${lines.join(",")}]}`;
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}
