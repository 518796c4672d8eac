import { array, leftOutWhenEmpty } from "../_internal/wire_json/containers.ts";
import type { Codec } from "../_internal/wire_json/codec.ts";
import { externallyTagged } from "../_internal/wire_json/enums.ts";
import { bool, f64, string } from "../_internal/wire_json/scalars.ts";
import { struct } from "../_internal/wire_json/struct.ts";
import type {
  ActionEffect,
  CapturedActionEffect,
  EffectWrite,
  IntentField,
  IntentRecord,
  Value,
} from "./types.ts";

/** An effect holds nothing that its hash does not cover, so fields that are unknown are refused. */
const closed = { denyUnknownFields: true };

const value = externallyTagged({
  Number: f64,
  Series: array(f64),
  Bool: bool,
  String: string,
}) as Codec<Value>;

const write: Codec<EffectWrite> = struct({ key: string, value }, closed);

const field: Codec<IntentField> = struct({ name: string, value }, closed);

const intent: Codec<IntentRecord> = struct(
  { kind: string, intent_id: string, fields: array(field) },
  closed,
);

/** An effect in the form that is hashed: kind, writes, intents if there are any (EFX-1). */
export const actionEffect: Codec<ActionEffect> = struct(
  { kind: string, writes: array(write), intents: leftOutWhenEmpty(intent) },
  closed,
) as Codec<ActionEffect>;

/** An effect with its hash. */
export const capturedEffect: Codec<CapturedActionEffect> = struct(
  { effect: actionEffect, effect_hash: string },
  closed,
);
