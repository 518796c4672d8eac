import { crypto } from "@std/crypto/crypto";
import { checkString } from "../_internal/errors.ts";
import {
  compareUtf8,
  encodeUtf8,
  isBlank,
  reasonOf,
  toHex,
  trimWhiteSpace,
} from "../_internal/text.ts";
import { type Codec, decodeJson, encodeJson } from "../_internal/wire_json/codec.ts";
import { givenBundle } from "./files/log_codecs.ts";
import {
  configBundleMissingError,
  digestMismatchError,
  invalidProfileError,
  invalidRequestError,
  unsupportedDeclarationError,
} from "./store_errors.ts";
import type {
  ConfigBundle,
  ConfigBundleAvailability,
  ConfigBundleRef,
  ConfigBundleSummary,
  CreateWorkerRequest,
  ProfileSelector,
} from "./types.ts";

const MAX_BOUNDARY_BYTES = 2048;
const HOST_PATH_PARTS = [
  "/.cache",
  "\\.cache",
  "/run/",
  "\\run\\",
  ".sock",
  "socket=",
  "session_path",
  "cache_path",
];

/**
 * The digest of a bundle's content, by which workers name it: SHA-256 of its lines in the order of
 * their bytes (WRT-15). The digest that the bundle itself states is not part of it.
 *
 * @param bundle The bundle.
 * @returns 64 lower-case hexadecimal digits.
 *
 * @example Usage
 * ```ts
 * import { computeConfigBundleDigest } from "@taffrail/taffrail/store";
 * import { assertEquals } from "@std/assert";
 *
 * const digest = computeConfigBundleDigest({
 *   metadata: {
 *     id: "bundle-1",
 *     digest: "",
 *     revision: "rev-1",
 *     workspace_id: "workspace-1",
 *     created_at: "2026-06-26T00:00:00Z",
 *     provenance: { source: "workspace-backend", detail: "profile-sync" },
 *   },
 *   profiles: [{ selector: { kind: "builtin", value: "builtin:coder" }, label: "Coder" }],
 *   declarations: [{ kind: "capability_grant", name: "read", reference: "capability:read" }],
 * });
 * assertEquals(digest, "8c48f61515c36d4455462ca9def2425e5b774297b159dda69abf46a530888bd3");
 * ```
 */
export function computeConfigBundleDigest(bundle: ConfigBundle): string {
  const { metadata, profiles = [], declarations = [] } = bundle;
  const { provenance } = metadata;
  const lines = [
    `id\0${metadata.id}`,
    `revision\0${metadata.revision}`,
    `workspace_id\0${metadata.workspace_id}`,
    `created_at\0${metadata.created_at}`,
    `provenance.source\0${provenance.source}`,
    `provenance.detail\0${provenance.detail ?? ""}`,
    ...profiles.map(({ selector, label }) => `profile\0${profileKey(selector)}\0${label ?? ""}`),
    ...declarations.map(({ kind, name, reference }) =>
      `declaration\0${kind}\0${name}\0${reference}`
    ),
  ];
  const text = lines.sort(compareUtf8).map((line) => `${line}\n`).join("");
  const digest = crypto.subtle.digestSync("SHA-256", encodeUtf8(text));
  return toHex(new Uint8Array(digest));
}

/** What tells a profile from any other. */
function profileKey(profile: ProfileSelector): string {
  const { kind } = profile;
  return kind === "runtime_default" ? kind : `${kind}\0${profile.value}`;
}

/** How a profile is named in an error. */
function profileName(profile: ProfileSelector): string {
  return profile.kind === "runtime_default" ? profile.kind : profile.value;
}

/**
 * Checks a bundle that is to be stored, in the original program's order (WRT-16), and returns a copy of it that
 * its giver cannot change any more, with empty lists left out.
 */
export function checkConfigBundle(given: ConfigBundle): ConfigBundle {
  const bundle = copyGiven(given, givenBundle, "config bundle");
  const { metadata, profiles = [], declarations = [] } = bundle;
  const { id, digest, revision, workspace_id, created_at, provenance } = metadata;
  refuseBlank(id, "config bundle id");
  refuseBlank(digest, "config bundle digest");
  refuseBlank(revision, "config bundle revision");
  refuseBlank(workspace_id, "config bundle workspace id");
  refuseBlank(created_at, "config bundle created_at");
  refuseBlank(provenance.source, "config bundle provenance source");
  refuseHostPath(id, "config bundle id");
  refuseHostPath(revision, "config bundle revision");
  refuseHostPath(workspace_id, "config bundle workspace id");
  refuseHostPath(provenance.source, "config bundle provenance source");
  if (provenance.detail !== undefined) {
    refuseHostPath(provenance.detail, "config bundle provenance detail");
  }
  const actual = computeConfigBundleDigest(bundle);
  if (actual !== digest) throw digestMismatchError(id, { expected: digest, actual });
  for (const { selector, label } of profiles) {
    checkSelector(selector, id);
    if (label !== undefined) refuseHostPath(label, "profile label");
  }
  for (const { kind, name, reference } of declarations) {
    refuseBlank(name, "config declaration name");
    refuseBlank(reference, "config declaration reference");
    refuseHostPath(name, "config declaration name");
    refuseHostPath(reference, "config declaration reference");
    if (kind === "unsupported") throw unsupportedDeclarationError(id, { kind, name });
  }
  return bundle;
}

/** A copy of what a caller gives, which its giver cannot change any more; refused if it is none. */
export function copyGiven<T>(given: T, codec: Codec<T>, what: string): T {
  try {
    return decodeJson(codec, encodeJson(codec, given));
  } catch (cause) {
    throw invalidRequestError(`${what}: ${reasonOf(cause)}`, cause);
  }
}

/**
 * Checks the bundle and profile that a request names against the stored bundles (WRT-11). Returns
 * nothing: what it does not refuse is fine.
 */
export function checkRequestConfig(
  { config_bundle: reference, profile }: CreateWorkerRequest,
  findBundle: (id: string) => ConfigBundle | undefined,
): void {
  if (reference === undefined) return checkDefaultProfile(profile);
  const bundle = resolveConfigBundle(reference, findBundle);
  const isDeclared = bundle.profiles?.some(({ selector }) =>
    profileKey(selector) === profileKey(profile)
  );
  if (!isDeclared) {
    const problem = "profile selector is not declared by synced config bundle";
    throw invalidProfileError(profileName(profile), { bundleId: reference.id, problem });
  }
}

/** The stored bundle that a reference names; refused unless it has that very content. */
export function resolveConfigBundle(
  reference: ConfigBundleRef,
  findBundle: (id: string) => ConfigBundle | undefined,
): ConfigBundle {
  // JavaScript may give no reference at all.
  const { id, digest } = reference ?? {};
  checkString(id, "id");
  checkString(digest, "digest");
  if (isBlank(id) || isBlank(digest)) {
    throw invalidRequestError("config bundle reference id and digest must not be empty");
  }
  const bundle = findBundle(id);
  if (bundle === undefined) throw configBundleMissingError(id);
  const actual = bundle.metadata.digest;
  if (actual !== digest) throw digestMismatchError(id, { expected: digest, actual });
  return bundle;
}

function checkDefaultProfile(profile: ProfileSelector): void {
  if (profile.kind === "named") {
    const problem = "named profiles require a synced config bundle reference";
    throw invalidProfileError(profileName(profile), { bundleId: undefined, problem });
  }
  checkSelector(profile, undefined);
}

function checkSelector(profile: ProfileSelector, bundleId: string | undefined): void {
  if (profile.kind === "runtime_default") return;
  const problem = isBlank(profile.value)
    ? "profile selector must not be empty"
    : boundaryProblem(profile.value, "profile selector");
  if (problem !== undefined) {
    throw invalidProfileError(profileName(profile), { bundleId, problem });
  }
}

/** Refuses a blank text. */
export function refuseBlank(text: string, label: string): void {
  if (isBlank(text)) throw invalidRequestError(`${label} must not be empty`);
}

function refuseHostPath(text: string, label: string): void {
  const problem = boundaryProblem(text, label);
  if (problem !== undefined) throw invalidRequestError(problem);
}

/**
 * What is wrong with a text that crosses from one machine to another: it must be a name, not a place
 * on one of them. The original program runs on Linux, where `C:\\x` is a name like others.
 */
function boundaryProblem(text: string, label: string): string | undefined {
  const trimmed = trimWhiteSpace(text);
  if (encodeUtf8(trimmed).length > MAX_BOUNDARY_BYTES) return `${label} is too large`;
  if (/\p{Cc}/u.test(trimmed)) return `${label} must not contain control characters`;
  const isHostPath = /^[/~]/.test(trimmed) ||
    HOST_PATH_PARTS.some((part) => trimmed.includes(part));
  return isHostPath
    ? `${label} must be a stable ref/grant/policy declaration, not a host-local path`
    : undefined;
}

/** A stored bundle at a glance. */
export function summarizeConfigBundle({
  metadata,
  profiles = [],
  declarations = [],
}: ConfigBundle): ConfigBundleSummary {
  const { id, digest, revision, workspace_id, created_at, provenance } = metadata;
  return {
    id,
    digest,
    digest_algorithm: "sha256",
    revision,
    workspace_id,
    created_at,
    provenance: { ...provenance },
    profile_count: profiles.length,
    declaration_count: declarations.length,
  };
}

/** The answer that a bundle is stored. */
export function configBundleAvailability(bundle: ConfigBundle): ConfigBundleAvailability {
  const { id, digest } = bundle.metadata;
  return { reference: { id, digest }, summary: summarizeConfigBundle(bundle) };
}
