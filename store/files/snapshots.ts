import { reasonOf } from "../../_internal/text.ts";
import {
  array,
  type Codec,
  encodeJson,
  map,
  membersOf,
  nullable,
  optional,
  string,
  u32,
  u64,
  usize,
  withDefault,
} from "../../_internal/wire_json/codec.ts";
import { unitEnum } from "../../_internal/wire_json/enums.ts";
import {
  JsonPlace,
  JsonRangeError,
  JsonShapeError,
  JsonSyntaxError,
} from "../../_internal/wire_json/errors.ts";
import { type JsonValue, numberOf } from "../../_internal/wire_json/json_value.ts";
import { parseJson } from "../../_internal/wire_json/parse_json.ts";
import { type Fields, openStruct, struct, unknownNames } from "../../_internal/wire_json/struct.ts";
import { storeCorruptError, type StorePlace, unsupportedSchemaError } from "../store_errors.ts";
import type {
  ConfigBundle,
  CreateWorkerRequest,
  RuntimeBackendKind,
  RuntimeDiagnostic,
  RuntimeLimits,
  RuntimeStatus,
  WorkerRef,
  WorkerStatus,
} from "../types.ts";
import { storedBundle, storedRequest, workerRef } from "./log_codecs.ts";

/** The schema of snapshots that this store reads and writes. */
export const SCHEMA_VERSION = 1;

/** What of a runtime nearly every mutation changes. */
export interface RuntimeCounters {
  /** How it is. */
  status: RuntimeStatus;
  /** The number of the next worker, from 1. */
  next_worker_sequence: number;
  /** The id of the next event, from 1. */
  next_event_id: number;
  /** The id of the next diagnostic, from 1. */
  next_diagnostic_id: number;
}

/** What `runtime.json` holds. */
export interface RuntimeSnapshot extends RuntimeCounters {
  /** {@linkcode SCHEMA_VERSION}. */
  schema_version: number;
  /** The runtime. */
  runtime_id: string;
  /** Its name for people. */
  display_name: string | null;
  /** `fs_store` in every file of this store. */
  backend: RuntimeBackendKind;
  /** The largest limits that readers may ask for. */
  limits: RuntimeLimits;
  /** The bundles by their ids. */
  config_bundles: Record<string, ConfigBundle>;
  /** The newest diagnostics. */
  diagnostics: RuntimeDiagnostic[];
}

/** What of a worker can change at all. */
export interface WorkerChange {
  /** Its id. */
  worker_id: string;
  /** How it is. */
  status: WorkerStatus;
  /** The number of the next entry of its transcript, from 1. */
  next_transcript_sequence: number;
  /** The last event about it. */
  last_event_id: number;
}

/** What a `worker.json` holds. */
export interface WorkerSnapshot extends WorkerChange {
  /** {@linkcode SCHEMA_VERSION}. */
  schema_version: number;
  /** Which worker. */
  worker_ref: WorkerRef;
  /** What it was made from. */
  request: CreateWorkerRequest;
}

const runtimeFields = {
  schema_version: u32,
  runtime_id: string,
  display_name: nullable(string),
  backend: unitEnum(["memory", "fs_store"]),
  status: unitEnum(["running", "stopped"]),
  limits: openStruct({ max_transcript_projection_items: usize, max_event_batch_items: usize }),
  next_worker_sequence: u64,
  next_event_id: u64,
  next_diagnostic_id: u64,
  config_bundles: withDefault(map(storedBundle), () => ({})),
  diagnostics: array(
    openStruct({
      id: u64,
      severity: unitEnum(["info", "warning", "error"]),
      code: string,
      message: string,
      worker_ref: optional(workerRef),
    }) as Codec<RuntimeDiagnostic>,
  ),
};

const workerFields = {
  schema_version: u32,
  worker_ref: workerRef,
  worker_id: string,
  status: unitEnum(["running", "stopped", "cancelled"]),
  request: storedRequest,
  next_transcript_sequence: u64,
  last_event_id: u64,
};

/** What a `runtime.json` holds, as a codec: the journal has it in its lines too. */
export const runtimeSnapshot: Codec<RuntimeSnapshot> = struct(runtimeFields);

/** What a `worker.json` holds. */
export const workerSnapshot: Codec<WorkerSnapshot> = struct(workerFields);

/** The text of a `runtime.json`, byte for byte as the original program writes it. */
export function printRuntimeSnapshot(snapshot: RuntimeSnapshot): string {
  return `${encodeJson(runtimeSnapshot, snapshot, { style: "pretty" })}\n`;
}

/** The text of a `worker.json`, byte for byte as the original program writes it. */
export function printWorkerSnapshot(snapshot: WorkerSnapshot): string {
  return `${encodeJson(workerSnapshot, snapshot, { style: "pretty" })}\n`;
}

/**
 * Reads a `runtime.json`. Its schema is looked at first, as nothing else can be known of a newer one.
 * Unknown fields at the top are refused, because writing the file again would lose them; further
 * inside they are kept.
 */
export function parseRuntimeSnapshot(bytes: Uint8Array | string, path: string): RuntimeSnapshot {
  const place: StorePlace = { operation: "read runtime snapshot", path };
  return parseSnapshot(bytes, { codec: runtimeSnapshot, fields: runtimeFields, place });
}

/** Reads a `worker.json`, as {@linkcode parseRuntimeSnapshot} does. */
export function parseWorkerSnapshot(bytes: Uint8Array | string, path: string): WorkerSnapshot {
  const place: StorePlace = { operation: "read worker snapshot", path };
  return parseSnapshot(bytes, { codec: workerSnapshot, fields: workerFields, place });
}

function parseSnapshot<T>(
  bytes: Uint8Array | string,
  { codec, fields, place }: { codec: Codec<T>; fields: Fields<unknown>; place: StorePlace },
): T {
  const tree = parseTree(bytes, place);
  try {
    const members = membersOf<JsonValue>(tree, new JsonPlace("read"));
    const schema = numberOf(members.schema_version);
    if (schema !== undefined && schema !== SCHEMA_VERSION) {
      throw unsupportedSchemaError(place, { expected: SCHEMA_VERSION, actual: schema });
    }
    const [unknown] = unknownNames(members, fields);
    if (unknown !== undefined) refuseUnknown(unknown, place);
    return codec.read(tree, new JsonPlace("read"));
  } catch (cause) {
    if (!(cause instanceof JsonShapeError || cause instanceof JsonRangeError)) throw cause;
    throw storeCorruptError(place, { problem: reasonOf(cause), cause });
  }
}

function parseTree(bytes: Uint8Array | string, place: StorePlace): JsonValue {
  try {
    return parseJson(bytes);
  } catch (cause) {
    if (!(cause instanceof JsonSyntaxError)) throw cause;
    const { problem, line, column, byteOffset } = cause.details;
    const where = `${problem} at line ${line} column ${column}`;
    throw storeCorruptError(place, { problem: where, line, byteOffset, cause });
  }
}

function refuseUnknown(name: string, place: StorePlace): never {
  throw storeCorruptError(place, {
    problem: `unknown field \`${name}\` at the top of the document`,
    remedy: "writing the file again would lose it: open it with the program that wrote it, " +
      "or remove the field",
  });
}

/** What keeps a `runtime.json` from being opened as the runtime of this id (FRS-3). */
export function runtimeIdentityProblems(
  { runtime_id, backend }: RuntimeSnapshot,
  runtimeId: string,
): { kind: "foreign-record" | "backend"; problem: string; remedy?: string }[] {
  return [
    ...(runtime_id === runtimeId ? [] : [{
      kind: "foreign-record" as const,
      problem: `runtime snapshot id ${runtime_id} does not match requested runtime ${runtimeId}`,
    }]),
    ...(backend === "fs_store" ? [] : [{
      kind: "backend" as const,
      problem: "runtime snapshot backend is Memory",
      remedy: "it is not a runtime of this store",
    }]),
  ];
}

/** Why a `worker.json` is not of this runtime, or not of one worker (FRS-4). */
export function workerIdentityProblem(
  { worker_ref, worker_id }: WorkerSnapshot,
  runtimeId: string,
): string | undefined {
  if (worker_ref.runtime_id !== runtimeId) {
    return `worker belongs to runtime ${worker_ref.runtime_id}, expected ${runtimeId}`;
  }
  return worker_ref.worker_id === worker_id
    ? undefined
    : `worker_ref id ${worker_ref.worker_id} does not match worker_id ${worker_id}`;
}
