import { invalidRequestError } from "./store_errors.ts";

/** An id has two characters a byte in a directory's name, which has at most 255. */
export const MAX_ID_BYTES = 126;

const PREFIX = "id-";
const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Refuses what can be no id: blank, a lone surrogate in it, or too long for a directory's name
 * (W-FRS-14). Everything else is one: no character can lead out of the directory.
 */
export function checkId(id: unknown, what: "runtime id" | "worker id"): asserts id is string {
  if (typeof id !== "string") throw invalidRequestError(`${what} must be a string`);
  if (id.trim() === "") throw invalidRequestError(`${what} must not be empty`);
  if (!id.isWellFormed()) throw invalidRequestError(`${what} has a lone surrogate`);
  const { length } = encoder.encode(id);
  if (length > MAX_ID_BYTES) {
    const problem = `${what} has ${length} bytes, and at most ${MAX_ID_BYTES} fit into the name ` +
      "of its directory";
    throw invalidRequestError(problem);
  }
}

/** The name of an id's directory: `id-` and the hexadecimal digits of its UTF-8 bytes. */
export function directoryOfId(id: string): string {
  return PREFIX + encoder.encode(id).toHex();
}

/** The id whose directory has this name; undefined when it is that of no id. */
export function idOfDirectory(name: string): string | undefined {
  if (!/^id-(?:[0-9a-f]{2})+$/.test(name)) return undefined;
  try {
    return utf8.decode(Uint8Array.fromHex(name.slice(PREFIX.length)));
  } catch {
    return undefined;
  }
}

/** The id of the n-th worker. */
export function workerIdOf(number: number): string {
  return `worker-${number.toString(16).padStart(8, "0")}`;
}

/** The number in an id that a runtime gave out; 0 for others. */
export function workerNumberOf(workerId: string): number {
  const digits = /^worker-([0-9a-f]{8,13})$/.exec(workerId)?.[1];
  return digits === undefined ? 0 : Number.parseInt(digits, 16);
}
