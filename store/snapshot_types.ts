import type {
  ConfigBundle,
  CreateWorkerRequest,
  RuntimeBackendKind,
  RuntimeDiagnostic,
  RuntimeLimits,
  RuntimeStatus,
  WorkerRef,
  WorkerStatus,
} from "./types.ts";

/** The schema of snapshots that this store reads and writes. */
export const SCHEMA_VERSION = 1;

/** What `runtime.json` holds. */
export interface RuntimeSnapshot {
  /** {@linkcode SCHEMA_VERSION}. */
  schema_version: number;
  /** The runtime. */
  runtime_id: string;
  /** Its name for people. */
  display_name: string | null;
  /** `fs_store` in every file of this store. */
  backend: RuntimeBackendKind;
  /** How it is. */
  status: RuntimeStatus;
  /** The largest limits that readers may ask for. */
  limits: RuntimeLimits;
  /** The number of the next worker, from 1. */
  next_worker_sequence: number;
  /** The id of the next event, from 1. */
  next_event_id: number;
  /** The id of the next diagnostic, from 1. */
  next_diagnostic_id: number;
  /** The bundles by their ids. */
  config_bundles: Record<string, ConfigBundle>;
  /** The newest diagnostics. */
  diagnostics: RuntimeDiagnostic[];
}

/** What a `worker.json` holds. */
export interface WorkerSnapshot {
  /** {@linkcode SCHEMA_VERSION}. */
  schema_version: number;
  /** Which worker. */
  worker_ref: WorkerRef;
  /** Its id. */
  worker_id: string;
  /** How it is. */
  status: WorkerStatus;
  /** What it was made from. */
  request: CreateWorkerRequest;
  /** The number of the next entry of its transcript, from 1. */
  next_transcript_sequence: number;
  /** The last event about it. */
  last_event_id: number;
}
