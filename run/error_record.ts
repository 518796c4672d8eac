import type { ErrorRecord } from "./types.ts";

const MOST_MESSAGE_LENGTH = 8000;
const MOST_CAUSES = 20;

/** What was thrown, in words that every record takes. */
export function messageOf(error: unknown): string {
  let text: string;
  try {
    text = String(error instanceof Error ? error.message : error);
  } catch {
    text = "what was thrown has no words";
  }
  return text.slice(0, MOST_MESSAGE_LENGTH).toWellFormed();
}

/** What was thrown, in the form in which it is recorded. */
export function errorRecordOf(error: unknown): ErrorRecord {
  const causes: { name?: string; message: string }[] = [];
  let cause = causeOf(error);
  for (; cause !== undefined && causes.length < MOST_CAUSES; cause = causeOf(cause)) {
    causes.push({ ...textOf(cause, "name"), message: messageOf(cause) });
  }
  return {
    ...textOf(error, "name"),
    message: messageOf(error),
    ...textOf(error, "code"),
    ...textOf(error, "kind"),
    ...(causes.length > 0 && { causes }),
  };
}

/** An error that says the same as a recorded one. */
export function errorOfRecord({ name, message, causes = [] }: ErrorRecord): Error {
  const cause = causes.toReversed().reduce<Error | undefined>(
    (inner, record) => makeError(record, inner),
    undefined,
  );
  return makeError({ message, ...(name !== undefined && { name }) }, cause);
}

function makeError(
  { name, message }: { name?: string; message: string },
  cause: Error | undefined,
): Error {
  const error = new Error(message, cause && { cause });
  if (name !== undefined) error.name = name;
  return error;
}

function causeOf(error: unknown): unknown {
  return memberOf(error, "cause");
}

/** A member of an error; undefined where asking for it throws. */
function memberOf(error: unknown, name: string): unknown {
  try {
    return error instanceof Error ? Reflect.get(error, name) : undefined;
  } catch {
    return undefined;
  }
}

/** A member of an error that is text, as a record takes it. */
function textOf<K extends "name" | "code" | "kind">(
  error: unknown,
  name: K,
): { [P in K]?: string } {
  const value = memberOf(error, name);
  if (typeof value !== "string") return {};
  return { [name]: value.slice(0, MOST_MESSAGE_LENGTH).toWellFormed() } as { [P in K]?: string };
}
