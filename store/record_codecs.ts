import type { Codec } from "../_internal/wire_json/codec.ts";
import { leftOutWhenEmpty, optional } from "../_internal/wire_json/containers.ts";
import { internallyTagged, unitEnum } from "../_internal/wire_json/enums.ts";
import { openStruct } from "../_internal/wire_json/open_struct.ts";
import { string, u64 } from "../_internal/wire_json/scalars.ts";
import { struct, type StructMaker } from "../_internal/wire_json/struct.ts";
import type {
  ConfigBundle,
  CreateWorkerRequest,
  RuntimeEvent,
  TranscriptEntry,
  WorkerInput,
  WorkerRef,
} from "./types.ts";

/** What unknown fields are: kept in what files hold, refused in what callers ask for. */
interface StructMakers {
  structOf: StructMaker;
}

const open: StructMakers = { structOf: openStruct };
const closed: StructMakers = {
  structOf: (fields) => struct(fields, { denyUnknownFields: true }),
};

/** Who may say something. */
export const INPUT_KINDS = ["user", "system"] as const;

/** What an event may tell. */
export const EVENT_KINDS = [
  "runtime_started",
  "runtime_stopped",
  "worker_created",
  "worker_input_accepted",
  "worker_stopped",
  "worker_cancelled",
] as const;

/** A worker and its runtime. */
export const workerRef: Codec<WorkerRef> = openStruct({ runtime_id: string, worker_id: string });

const intentVariants = {
  assistant: { purpose: optional(string) },
  task: { objective: string },
  role: { role: string, purpose: optional(string) },
};

const profileVariants = {
  runtime_default: {},
  builtin: { value: string },
  named: { value: string },
};

function requestOf({ structOf }: StructMakers): Codec<CreateWorkerRequest> {
  const reference = structOf({ name: string, reference: string });
  return structOf({
    intent: internallyTagged("kind", intentVariants, structOf),
    profile: internallyTagged("kind", profileVariants, structOf),
    config_bundle: optional(structOf({ id: string, digest: string })),
    requested_capabilities: leftOutWhenEmpty(structOf({ name: string, reason: optional(string) })),
    workspace_refs: leftOutWhenEmpty(reference),
    mount_refs: leftOutWhenEmpty(reference),
  }) as Codec<CreateWorkerRequest>;
}

function bundleOf({ structOf }: StructMakers): Codec<ConfigBundle> {
  const metadata = structOf({
    id: string,
    digest: string,
    revision: string,
    workspace_id: string,
    created_at: string,
    provenance: structOf({ source: string, detail: optional(string) }),
  });
  const profile = structOf({
    selector: internallyTagged("kind", profileVariants, structOf),
    label: optional(string),
  });
  const declaration = structOf({
    kind: unitEnum([
      "secret_ref",
      "mount_grant",
      "network_policy",
      "shell_policy",
      "git_policy",
      "capability_grant",
      "unsupported",
    ]),
    name: string,
    reference: string,
  });
  return structOf({
    metadata,
    profiles: leftOutWhenEmpty(profile),
    declarations: leftOutWhenEmpty(declaration),
  }) as Codec<ConfigBundle>;
}

/** The request that a `worker.json` holds. */
export const storedRequest: Codec<CreateWorkerRequest> = requestOf(open);

/** The request that a caller makes. */
export const givenRequest: Codec<CreateWorkerRequest> = requestOf(closed);

/** A config bundle that a `runtime.json` holds. */
export const storedBundle: Codec<ConfigBundle> = bundleOf(open);

/** A config bundle that a caller gives. */
export const givenBundle: Codec<ConfigBundle> = bundleOf(closed);

/** An input that a caller gives. */
export const givenInput: Codec<WorkerInput> = struct(
  { kind: unitEnum(INPUT_KINDS), content: string },
  { denyUnknownFields: true },
);

const eventVariants = Object.fromEntries(EVENT_KINDS.map((kind) => [kind, {}])) as {
  [Kind in typeof EVENT_KINDS[number]]: Record<never, never>;
};

/** A line of an `events.jsonl`. */
export const runtimeEvent: Codec<RuntimeEvent> = openStruct({
  id: u64,
  worker_ref: optional(workerRef),
  kind: internallyTagged("kind", eventVariants, openStruct),
  message: string,
}) as Codec<RuntimeEvent>;

/** A line of a `transcript.jsonl`. */
export const transcriptEntry: Codec<TranscriptEntry> = openStruct({
  sequence: u64,
  worker_ref: workerRef,
  role: unitEnum(INPUT_KINDS),
  content: string,
  event_id: u64,
});
