import { crypto } from "@std/crypto/crypto";
import { encodeUtf8, joinBytes, toHex } from "../../_internal/text.ts";
import {
  array,
  bool,
  type Codec,
  encodeJson,
  f64,
  leftOutWhenEmpty,
  string,
} from "../../_internal/wire_json/codec.ts";
import { externallyTagged } from "../../_internal/wire_json/enums.ts";
import { closedStruct } from "../../_internal/wire_json/struct.ts";
import type { Value } from "../../supervisor/types.ts";
import type {
  ActionEffect,
  CapturedActionEffect,
  EffectWrite,
  IntentField,
  IntentRecord,
} from "../types.ts";

/**
 * The hash of an effect (EFX-1): SHA-256 of its compact JSON, with the fields kind, writes and, when
 * there are any, intents. Numbers are printed as floats, exactly: `1` as `1.0`, and `0` and `-0` have
 * different hashes.
 *
 * Permissions: none.
 *
 * @param effect The effect.
 * @returns 64 lower-case hexadecimal digits.
 * @throws {TypeError} When the effect has another shape, or a number in it is not finite; the message
 * names the path.
 *
 * @example Usage
 * ```ts
 * import { computeEffectHash } from "@taffrail/taffrail/capture";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   computeEffectHash({ kind: "set_context", writes: [{ key: "x", value: { Number: 1 } }] }),
 *   "55d64445c2438c7e5e64bd81f1a8e0d4ab3922df4a9f20f3344590178095fdb9",
 * );
 * ```
 */
export function computeEffectHash(effect: ActionEffect): string {
  return sha256Hex(encodeJson(actionEffect, effect));
}

/** What makes an intent the one that it is. */
export interface IntentIdentity {
  /** The graph that ran. */
  graphId: string;
  /** The event that it ran for. */
  eventId: string;
  /** The node of the graph that wants something done. */
  nodeRuntimeId: string;
  /** What kind of thing. */
  intentKind: string;
  /** Which of the node's intents of that kind, from 0. */
  ordinal: number;
}

/**
 * The id of an intent (EFX-3): `eid1:sha256:` and the SHA-256, in hexadecimal, of the segments `eid1`,
 * graph id, event id, node runtime id, intent kind and ordinal, each behind its length in bytes as 32
 * bits, the most significant first. The same run of the same event makes the same ids, so whoever
 * carries intents out can see that it has done one already.
 *
 * Permissions: none.
 *
 * @param identity What makes the intent.
 * @returns The id.
 * @throws {RangeError} When the ordinal is no integer from 0 to 2^53 − 1.
 * @throws {TypeError} When a text holds a lone surrogate, which no bytes could say.
 *
 * @example Usage
 * ```ts
 * import { computeIntentId } from "@taffrail/taffrail/capture";
 * import { assertEquals } from "@std/assert";
 *
 * const id = computeIntentId({
 *   graphId: "graph_alpha",
 *   eventId: "evt_001",
 *   nodeRuntimeId: "n42",
 *   intentKind: "place_order",
 *   ordinal: 3,
 * });
 * assertEquals(id, "eid1:sha256:157aed720bd20c1712cede0a499cf6607f687401a29d70ce5df5d2778f85a9fa");
 * ```
 */
export function computeIntentId(identity: IntentIdentity): string {
  const { graphId, eventId, nodeRuntimeId, intentKind, ordinal } = identity;
  if (!Number.isSafeInteger(ordinal) || ordinal < 0) {
    throw new RangeError(`Cannot make an intent id: ordinal ${ordinal} is no integer from 0 on`);
  }
  const segments = ["eid1", graphId, eventId, nodeRuntimeId, intentKind, String(ordinal)];
  return `eid1:sha256:${sha256Hex(framed(segments))}`;
}

/** Every segment behind its length, so that no two lists of segments give the same bytes. */
function framed(segments: readonly string[]): Uint8Array {
  return joinBytes(segments.flatMap((segment) => {
    if (!segment.isWellFormed()) {
      throw new TypeError(
        `Cannot make an intent id: ${JSON.stringify(segment)} has a lone surrogate`,
      );
    }
    const bytes = encodeUtf8(segment);
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, bytes.length);
    return [length, bytes];
  }));
}

// An effect holds nothing that its hash does not cover, so fields that are unknown are refused.

const value = externallyTagged({
  Number: f64,
  Series: array(f64),
  Bool: bool,
  String: string,
}) as Codec<Value>;

const write: Codec<EffectWrite> = closedStruct({ key: string, value });

const field: Codec<IntentField> = closedStruct({ name: string, value });

const intent: Codec<IntentRecord> = closedStruct(
  { kind: string, intent_id: string, fields: array(field) },
);

/** An effect in the form that is hashed: kind, writes, intents if there are any (EFX-1). */
export const actionEffect: Codec<ActionEffect> = closedStruct(
  { kind: string, writes: array(write), intents: leftOutWhenEmpty(intent) },
) as Codec<ActionEffect>;

/** An effect with its hash. */
export const capturedEffect: Codec<CapturedActionEffect> = closedStruct(
  { effect: actionEffect, effect_hash: string },
);

/** SHA-256 of bytes, or of a text in UTF-8, as 64 lower-case hexadecimal digits. */
export function sha256Hex(data: Uint8Array | string): string {
  const bytes = typeof data === "string" ? encodeUtf8(data) : data;
  const digest = crypto.subtle.digestSync("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return toHex(new Uint8Array(digest));
}

/** {@linkcode sha256Hex} by the engine, five times as fast, where the caller can wait for it. */
export async function sha256HexOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", bytes)));
}
