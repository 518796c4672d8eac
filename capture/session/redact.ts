import { defined } from "../../_internal/errors.ts";
import { contextOfPayload, payloadObject, taggedValue } from "../../_internal/event_payload.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import { MASK, redactOrMask, stringifyVisiting } from "../../_internal/visit_json.ts";
import { formatPath } from "../../_internal/wire_json/errors.ts";
import type { Value } from "../../supervisor/types.ts";
import type { ActionEffect } from "../types.ts";

/**
 * Replaces a value before it is recorded and hashed. Gets every member of a payload, objects before
 * their members, with a path such as `$.env.TOKEN`, and every value of an effect with its key or name
 * as path, such as `$.token`; returns what is to be recorded. Where it throws, a mask is recorded.
 */
export type RedactCapture = (value: unknown, path: string) => unknown;

/** The payload as it is to be recorded: the bytes as they are if nothing was replaced. */
export function redactPayload(payload: Uint8Array, redact: RedactCapture): Uint8Array {
  if (payload.length === 0) return payload;
  let isChanged = false;
  const text = stringifyVisiting(payloadObject(payload), (value, path) => {
    if (path === "$") return value;
    const replaced = redactOrMask(value, path, redact);
    isChanged ||= !Object.is(replaced, value);
    return replaced;
  });
  if (!isChanged || text === undefined) return payload;
  const bytes = encodeUtf8(text);
  // What is recorded must be a payload that can be replayed.
  contextOfPayload(bytes);
  return bytes;
}

/** The effect as it is to be recorded. */
export function redactEffect(effect: ActionEffect, redact: RedactCapture): ActionEffect {
  const redacted = (value: Value, name: string): Value => {
    const [plain] = Object.values(value);
    const replaced = redactOrMask(plain, formatPath([name]), redact);
    return Object.is(replaced, plain) ? value : taggedValue(replaced) ?? { String: MASK };
  };
  return defined({
    ...effect,
    writes: effect.writes.map(({ key, value }) => ({ key, value: redacted(value, key) })),
    intents: effect.intents?.map((intent) => ({
      ...intent,
      fields: intent.fields.map(({ name, value }) => ({ name, value: redacted(value, name) })),
    })),
  });
}
