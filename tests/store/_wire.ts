/**
 * The seed's wire text, printed by hand and apart from the library's codecs, so that a test can tell what
 * a file must hold byte for byte.
 */
import type {
  ConfigBundle,
  CreateWorkerRequest,
  ProfileSelector,
  WorkerIntent,
  WorkerRef,
} from "../../store/types.ts";

/** JSON data in which maps keep the order of their entries, whatever the keys look like. */
export type Printable =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Printable[]
  | ReadonlyMap<string, Printable>
  | { readonly [name: string]: Printable };

function entriesOf(value: object): [string, Printable][] {
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return entries.filter(([, member]) => member !== undefined);
}

/** As `JSON.stringify`, for {@linkcode Printable}. */
export function printWire(value: Printable, indent = "", newline = ""): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const isList = Array.isArray(value);
  const inner = newline + indent;
  const colon = indent === "" ? ":" : ": ";
  const parts = isList
    ? value.map((item) => printWire(item, indent, inner))
    : entriesOf(value).map(([name, member]) =>
      JSON.stringify(name) + colon + printWire(member, indent, inner)
    );
  const [open, close] = isList ? "[]" : "{}";
  if (parts.length === 0) return `${open}${close}`;
  return open + inner + parts.join("," + inner) + newline + close;
}

/** As a snapshot file has it: pretty, with a newline. */
export function printSnapshot(value: Printable): string {
  return printWire(value, "  ", "\n") + "\n";
}

/** As a log has it: one line. */
export function printLine(value: Printable): string {
  return printWire(value) + "\n";
}

function unlessEmpty<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}

/** A worker's reference, its members in the order of the wire. */
export function refOnWire({ runtime_id, worker_id }: WorkerRef): Printable {
  return { runtime_id, worker_id };
}

/** An intent on the wire. */
export function intentOnWire(intent: WorkerIntent): Printable {
  switch (intent.kind) {
    case "assistant":
      return { kind: intent.kind, purpose: intent.purpose };
    case "task":
      return { kind: intent.kind, objective: intent.objective };
    case "role":
      return { kind: intent.kind, role: intent.role, purpose: intent.purpose };
  }
}

/** A profile on the wire. */
export function profileOnWire(profile: ProfileSelector): Printable {
  if (profile.kind === "runtime_default") return { kind: profile.kind };
  return { kind: profile.kind, value: profile.value };
}

/** The optional part of a request, as requests and details have it. */
export function extrasOnWire(request: CreateWorkerRequest): { [name: string]: Printable } {
  const { config_bundle: bundle } = request;
  const named = (list: readonly { name: string; reference: string }[] | undefined) =>
    unlessEmpty(list?.map(({ name, reference }) => ({ name, reference })));
  return {
    config_bundle: bundle && { id: bundle.id, digest: bundle.digest },
    requested_capabilities: unlessEmpty(
      request.requested_capabilities?.map(({ name, reason }) => ({ name, reason })),
    ),
    workspace_refs: named(request.workspace_refs),
    mount_refs: named(request.mount_refs),
  };
}

/** A request on the wire. */
export function requestOnWire(request: CreateWorkerRequest): Printable {
  return {
    intent: intentOnWire(request.intent),
    profile: profileOnWire(request.profile),
    ...extrasOnWire(request),
  };
}

/** A bundle on the wire. */
export function bundleOnWire({ metadata, profiles, declarations }: ConfigBundle): Printable {
  const { id, digest, revision, workspace_id, created_at, provenance } = metadata;
  const { source, detail } = provenance;
  return {
    metadata: {
      id,
      digest,
      revision,
      workspace_id,
      created_at,
      provenance: { source, detail },
    },
    profiles: unlessEmpty(
      profiles?.map(({ selector, label }) => ({ selector: profileOnWire(selector), label })),
    ),
    declarations: unlessEmpty(
      declarations?.map(({ kind, name, reference }) => ({ kind, name, reference })),
    ),
  };
}

const encoder = new TextEncoder();

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The name of a directory for an id. */
export function directoryNameOf(id: string): string {
  return `id-${hex(encoder.encode(id))}`;
}

function profileSortKey(profile: ProfileSelector): string {
  return profile.kind === "runtime_default" ? profile.kind : `${profile.kind}\0${profile.value}`;
}

/** The digest that a bundle must carry (WRT-15). Only for texts whose bytes sort as their UTF-16. */
export async function digestOf(
  { metadata, profiles, declarations }: ConfigBundle,
): Promise<string> {
  const { provenance } = metadata;
  const lines = [
    `id\0${metadata.id}`,
    `revision\0${metadata.revision}`,
    `workspace_id\0${metadata.workspace_id}`,
    `created_at\0${metadata.created_at}`,
    `provenance.source\0${provenance.source}`,
    `provenance.detail\0${provenance.detail ?? ""}`,
    ...(profiles ?? []).map(({ selector, label }) =>
      `profile\0${profileSortKey(selector)}\0${label ?? ""}`
    ),
    ...(declarations ?? []).map(({ kind, name, reference }) =>
      `declaration\0${kind}\0${name}\0${reference}`
    ),
  ];
  const text = lines.sort().map((line) => line + "\n").join("");
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text))));
}
