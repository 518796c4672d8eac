/** Which worker of which runtime: the whole authority, as one id alone could be another runtime's. */
export interface WorkerRef {
  /** The runtime. */
  runtime_id: string;
  /** The worker in it. */
  worker_id: string;
}

/** Where a runtime keeps its state; this store knows only `fs_store`. */
export type RuntimeBackendKind = "memory" | "fs_store";

/** A stopped runtime takes no more mutations and stays stopped (WRT-8). */
export type RuntimeStatus = "running" | "stopped";

/** How a worker is; it is active while it is `running`. The first end that it came to stays. */
export type WorkerStatus = "running" | "stopped" | "cancelled";

/** The largest limits that readers may ask for. */
export interface RuntimeLimits {
  /** Entries of a transcript in one answer. */
  max_transcript_projection_items: number;
  /** Events in one answer. */
  max_event_batch_items: number;
}

/** What a worker is for. */
export type WorkerIntent =
  | { kind: "assistant"; purpose?: string }
  | { kind: "task"; objective: string }
  | { kind: "role"; role: string; purpose?: string };

/** Which profile a worker runs with. */
export type ProfileSelector =
  | { kind: "runtime_default" }
  | { kind: "builtin"; value: string }
  | { kind: "named"; value: string };

/** A config bundle, and which content of it. */
export interface ConfigBundleRef {
  /** The bundle's id. */
  id: string;
  /** Its digest. */
  digest: string;
}

/** Something that a worker wants to be able to do. */
export interface CapabilityRequest {
  /** Its name. */
  name: string;
  /** Why. */
  reason?: string;
}

/** A workspace that a worker is given. */
export interface WorkspaceRef {
  /** What the worker calls it. */
  name: string;
  /** Where it is, for whoever resolves it. */
  reference: string;
}

/** A mount that a worker is given. */
export interface MountRef {
  /** What the worker calls it. */
  name: string;
  /** Where it is, for whoever resolves it. */
  reference: string;
}

/** What a worker is made from. An empty list is left out when it is written. */
export interface CreateWorkerRequest {
  /** What it is for. */
  intent: WorkerIntent;
  /** Its profile. */
  profile: ProfileSelector;
  /** The bundle that declares the profile; without one the runtime's own defaults are assumed. */
  config_bundle?: ConfigBundleRef;
  /** What it wants to be able to do. */
  requested_capabilities?: CapabilityRequest[];
  /** Its workspaces. */
  workspace_refs?: WorkspaceRef[];
  /** Its mounts. */
  mount_refs?: MountRef[];
}

/** What a list and a detail say of a worker alike. */
export interface WorkerHead {
  /** Which worker. */
  worker_ref: WorkerRef;
  /** Its runtime. */
  runtime_id: string;
  /** Its id. */
  worker_id: string;
  /** How it is. */
  status: WorkerStatus;
  /** What it is for. */
  intent: WorkerIntent;
  /** Its profile. */
  profile: ProfileSelector;
  /** How many entries its transcript has. */
  transcript_len: number;
  /** The last event about it. */
  last_event_id: number;
}

/** A worker in a list. */
export interface WorkerSummary extends WorkerHead {
  /** How many capabilities it asked for. */
  requested_capability_count: number;
  /** Whether it names a config bundle. */
  has_config_bundle: boolean;
}

/** Everything about a worker but its transcript. */
export type WorkerDetail = WorkerHead & CreateWorkerRequest;

/** The answer to stopping or cancelling a worker. */
export interface WorkerLifecycleAck {
  /** Which worker. */
  worker_ref: WorkerRef;
  /** How it is now. */
  status: WorkerStatus;
  /** The last event about it. */
  event_id: number;
}

/** Who said something. */
export type WorkerInputKind = "user" | "system";

/** Something said to a worker. */
export interface WorkerInput {
  /** By whom. */
  kind: WorkerInputKind;
  /** What. */
  content: string;
}

/** The answer to an input. */
export interface WorkerInteractionAck {
  /** Which worker. */
  worker_ref: WorkerRef;
  /** How it is. */
  status: WorkerStatus;
  /** The input's number in the transcript, from 1. */
  transcript_sequence: number;
  /** The event of the input. */
  event_id: number;
}

/** One line of a `transcript.jsonl`. */
export interface TranscriptEntry {
  /** Its number, from 1. */
  sequence: number;
  /** Whose transcript it is in. */
  worker_ref: WorkerRef;
  /** Who said it. */
  role: WorkerInputKind;
  /** What was said. */
  content: string;
  /** The event that tells of it. */
  event_id: number;
}

/** Which entries of a transcript are wanted. */
export interface TranscriptQuery {
  /** The position of the first one, from 0. */
  start: number;
  /** The most entries to return. */
  limit: number;
}

/** Some entries of a transcript. */
export interface TranscriptProjection {
  /** Whose transcript it is. */
  worker_ref: WorkerRef;
  /** As asked for. */
  start: number;
  /** As asked for. */
  limit: number;
  /** How many entries there are in all. */
  total_items: number;
  /** The entries. */
  items: TranscriptEntry[];
  /** Where to go on; null when there are no more. */
  next_start: number | null;
}

/** A place in a runtime's events. */
export interface EventCursor {
  /** The runtime. */
  runtime_id: string;
  /** The first event wanted. */
  next_event_id: number;
}

/** A placeholder of the original program: events can only be polled for. */
export interface EventSubscription {
  /** The runtime. */
  runtime_id: string;
  /** Where to poll from. */
  cursor: EventCursor;
  /** How. */
  mode: "poll_only";
}

/** What an event tells. */
export interface RuntimeEventKind {
  /** Its name. */
  kind:
    | "runtime_started"
    | "runtime_stopped"
    | "worker_created"
    | "worker_input_accepted"
    | "worker_stopped"
    | "worker_cancelled";
}

/** One line of an `events.jsonl`. */
export interface RuntimeEvent {
  /** Its number in the runtime, from 1. */
  id: number;
  /** The worker that it is about. */
  worker_ref?: WorkerRef;
  /** What happened. */
  kind: RuntimeEventKind;
  /** The same for people, or the reason that was given. */
  message: string;
}

/** Some events of a runtime. */
export interface RuntimeEventBatch {
  /** The runtime. */
  runtime_id: string;
  /** Where to go on. */
  cursor: EventCursor;
  /** The events. */
  events: RuntimeEvent[];
  /** Whether there are more now. */
  has_more: boolean;
}

/** Something that whoever looks after a runtime should know. */
export interface RuntimeDiagnostic {
  /** Its number in the runtime, from 1. */
  id: number;
  /** How bad it is. */
  severity: "info" | "warning" | "error";
  /** What it is, for programs. */
  code: string;
  /** What it is, for people. */
  message: string;
  /** The worker that it is about. */
  worker_ref?: WorkerRef;
}

/** A runtime at a glance. */
export interface RuntimeSummary {
  /** Its id. */
  runtime_id: string;
  /** Its name for people. */
  display_name: string | null;
  /** Where it keeps its state. */
  backend: RuntimeBackendKind;
  /** How it is. */
  status: RuntimeStatus;
  /** How many workers it has. */
  worker_count: number;
  /** How many of them are running. */
  active_worker_count: number;
  /** How many are stopped. */
  stopped_worker_count: number;
  /** How many are cancelled. */
  cancelled_worker_count: number;
  /** How many diagnostics it holds. */
  diagnostic_count: number;
  /** The largest limits that readers may ask for. */
  limits: RuntimeLimits;
}

/** Where a config bundle came from. */
export interface ConfigProvenance {
  /** Who made it. */
  source: string;
  /** How. */
  detail?: string;
}

/** What a config bundle says about itself. */
export interface ConfigBundleMetadata {
  /** Its id. */
  id: string;
  /** See {@linkcode computeConfigBundleDigest}. */
  digest: string;
  /** Which revision of it this is. */
  revision: string;
  /** The workspace that it is for. */
  workspace_id: string;
  /** When it was made, as its maker writes it. */
  created_at: string;
  /** Where it came from. */
  provenance: ConfigProvenance;
}

/** A profile that workers with this bundle may have. */
export interface ConfigProfile {
  /** The profile. */
  selector: ProfileSelector;
  /** Its name for people. */
  label?: string;
}

/** What a declaration is about; `unsupported` ones are refused. */
export type ConfigDeclarationKind =
  | "secret_ref"
  | "mount_grant"
  | "network_policy"
  | "shell_policy"
  | "git_policy"
  | "capability_grant"
  | "unsupported";

/** Something that a bundle declares: a reference or a grant, never a secret itself. */
export interface ConfigDeclaration {
  /** What it is about. */
  kind: ConfigDeclarationKind;
  /** Its name. */
  name: string;
  /** What it refers to. */
  reference: string;
}

/** The configuration of workers. An empty list is left out when it is written. */
export interface ConfigBundle {
  /** What it says about itself. */
  metadata: ConfigBundleMetadata;
  /** The profiles that it declares. */
  profiles?: ConfigProfile[];
  /** What else it declares. */
  declarations?: ConfigDeclaration[];
}

/** A stored bundle at a glance: what it says about itself, and how much there is in it. */
export interface ConfigBundleSummary extends ConfigBundleMetadata {
  /** How the digest is made. */
  digest_algorithm: "sha256";
  /** How many profiles it declares. */
  profile_count: number;
  /** How many other declarations it has. */
  declaration_count: number;
}

/** That a bundle is stored. */
export interface ConfigBundleAvailability {
  /** What to name in a request. */
  reference: ConfigBundleRef;
  /** What it is. */
  summary: ConfigBundleSummary;
}
