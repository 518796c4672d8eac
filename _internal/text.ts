/**
 * The smallest shared parts: bytes and text, and the words of whatever was thrown. Their common
 * place is this file, so that each has one definition.
 */

/** The byte that ends a line. */
export const NEWLINE = 10;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The UTF-8 bytes of a text. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/**
 * The text that the bytes are in UTF-8; a byte order mark is a character like others.
 *
 * @throws {TypeError} The bytes are not UTF-8.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Lower-case hexadecimal digits. `Uint8Array.toHex` is missing in Node before version 25. */
export function toHex(bytes: Uint8Array): string {
  let digits = "";
  for (const byte of bytes) digits += byte.toString(16).padStart(2, "0");
  return digits;
}

/** The message of whatever was thrown. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Why an attempt failed: the kind, and the exit code or the signal where there is one. */
export function failureText(
  { kind, exit_code: exitCode, signal }: {
    kind: string;
    exit_code?: number | undefined;
    signal?: string | undefined;
  },
): string {
  if (signal !== undefined) return `${kind}, ended by ${signal}`;
  return exitCode === undefined ? kind : `${kind}, exit code ${exitCode}`;
}
