import type { ConfigBundleRef, ProfileSelector } from "./types.ts";

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

/** A stored bundle at a glance. */
export interface ConfigBundleSummary {
  /** Its id. */
  id: string;
  /** Its digest. */
  digest: string;
  /** How the digest is made. */
  digest_algorithm: "sha256";
  /** Its revision. */
  revision: string;
  /** The workspace that it is for. */
  workspace_id: string;
  /** When it was made. */
  created_at: string;
  /** Where it came from. */
  provenance: ConfigProvenance;
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
