import type { Codec } from "../_internal/wire_json/codec.ts";
import { array, nullable, optional } from "../_internal/wire_json/containers.ts";
import { unitEnum } from "../_internal/wire_json/enums.ts";
import { bool, string, usize } from "../_internal/wire_json/scalars.ts";
import { struct } from "../_internal/wire_json/struct.ts";
import { TAFFRAIL_CAPTURE_VERSION } from "./constants.ts";
import {
  backoff,
  constraints,
  decisionRecord,
  eventRecord,
  inputRecord,
  seedDecision,
} from "./record_codecs.ts";
import type { SeedCaptureBundle, TaffrailCaptureBundle } from "./types.ts";

const closed = { denyUnknownFields: true };

const provenance = {
  adapter_provenance: string,
  runtime_provenance: string,
  egress_provenance: optional(string),
};

/** A bundle in the seed's format. */
export const seedBundle = struct({
  capture_version: string,
  graph_id: string,
  config: constraints,
  events: array(eventRecord),
  decisions: array(seedDecision),
  ...provenance,
}, closed) as Codec<SeedCaptureBundle>;

/** What both the header of a journal and a bundle in this project's format say first. */
export const sessionFields = {
  graph_id: string,
  mode: unitEnum(["serial", "concurrent"]),
  config: constraints,
  max_deferred: nullable(usize),
  backoff: nullable(backoff),
  redacted: bool,
};

const taffrailFields = {
  capture_version: unitEnum([TAFFRAIL_CAPTURE_VERSION]),
  ...sessionFields,
  inputs: array(inputRecord),
  decisions: array(decisionRecord),
  ...provenance,
};

/** A bundle in this project's format, without its hash. */
export const taffrailBundle = struct(taffrailFields, closed) as Codec<TaffrailCaptureBundle>;

/** A bundle in this project's format as it is in a file: the hash is over all that comes before. */
export const hashedBundle = struct({ ...taffrailFields, bundle_hash: string }, closed) as Codec<
  TaffrailCaptureBundle & { bundle_hash: string }
>;
