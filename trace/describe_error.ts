import { redactMessage, type RedactTrace } from "./payload.ts";
import type { TraceCause } from "./types.ts";

/** More causes than this are a fault of their own, and are not recorded. */
const MAX_CAUSES = 100;
const UNREADABLE = "(unreadable)";

/**
 * An error with everything that caused it, itself first: the errors of an `AggregateError` before its
 * cause, each followed by its own, none twice. Anything may have been thrown, and every part of it may
 * throw when it is read: this never does (W-TRC-9).
 */
export function describeError(
  error: unknown,
  redact: RedactTrace | undefined,
): [TraceCause, ...TraceCause[]] {
  const [first, ...rest] = chainOf(error);
  return [
    describe(first, "$.error.message", redact),
    ...rest.map((cause, index) => describe(cause, `$.error.details[${index + 1}].message`, redact)),
  ];
}

/** The error and its causes as they are, in the order of {@linkcode describeError}. */
export function chainOf(error: unknown): [unknown, ...unknown[]] {
  const chain: [unknown, ...unknown[]] = [error];
  const seen = new Set<unknown>([error]);
  const waiting = causesOf(error);
  while (waiting.length > 0 && chain.length < MAX_CAUSES) {
    const next = waiting.shift();
    if (seen.has(next)) continue;
    seen.add(next);
    chain.push(next);
    waiting.unshift(...causesOf(next));
  }
  return chain;
}

function causesOf(error: unknown): unknown[] {
  if (typeof error !== "object" || error === null) return [];
  const errors = read(error, "errors");
  const cause = read(error, "cause");
  const several = error instanceof AggregateError && Array.isArray(errors)
    ? errors.slice(0, MAX_CAUSES)
    : [];
  return cause === undefined ? several : [...several, cause];
}

function describe(error: unknown, path: string, redact: RedactTrace | undefined): TraceCause {
  return { name: nameOf(error), message: redactMessage(messageOf(error), path, redact) };
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return error === null ? "null" : typeof error;
  const name = read(error, "name");
  return typeof name === "string" ? name : "Error";
}

function messageOf(error: unknown): string {
  if (error instanceof Error) {
    const message = read(error, "message");
    return typeof message === "string" ? message : UNREADABLE;
  }
  try {
    const isPlain = typeof error === "object" && error !== null;
    return (isPlain ? JSON.stringify(error) : undefined) ?? String(error);
  } catch {
    return UNREADABLE;
  }
}

function read(holder: object, name: string): unknown {
  try {
    return (holder as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}
