import { createFileSync, denoFilePort, readFileSync } from "../../_internal/file_port.ts";
import { toHex } from "../../_internal/text.ts";
import type { OutputRef, RunView } from "../../run/types.ts";
import { printableOutput } from "../text/printable.ts";

/** The digest of an output without a byte, for which no file is made. */
export const DIGEST_OF_NOTHING =
  "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** {@linkcode digestOf} what is in a file. */
export async function hashOutput(path: string): Promise<string> {
  return await digestOf(readFileSync(denoFilePort, path));
}

/**
 * The digest of what is kept of an output: `sha256:` and 64 hexadecimal digits. Of an output that
 * was too long to be kept whole it covers the kept halves and how much lies between them.
 */
export async function digestOf(output: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", output as Uint8Array<ArrayBuffer>);
  return `sha256:${toHex(new Uint8Array(digest))}`;
}

/**
 * Writes an output to a file of its own.
 *
 * @returns What is wrong with it, in words, if it is not what was expected.
 */
export async function fetchOutput(
  view: Pick<RunView, "output">,
  of: OutputRef,
  { expected, path }: { expected: string; path: string },
): Promise<string | undefined> {
  const bytes = await view.output(of);
  if (bytes === undefined) return "is gone";
  if (await digestOf(bytes) !== expected) return "was changed";
  createFileSync(denoFilePort, path, [bytes]);
  return undefined;
}

/** As much as the last lines are looked for in. */
export const TAIL_BYTES = 8 * 1024;

/** The last lines of what a command printed, fit for a terminal; none if it is gone. */
export async function readOutputTail(
  view: RunView,
  of: OutputRef,
  lines: number,
): Promise<string[]> {
  // One byte more tells whether there is more.
  const end = await view.output(of, { last: TAIL_BYTES + 1 }).catch(() => undefined);
  const text = new TextDecoder().decode(end?.subarray(-TAIL_BYTES));
  const isCut = end !== undefined && end.length > TAIL_BYTES;
  return lastLines(isCut ? text.slice(text.indexOf("\n") + 1) : text, lines);
}

/** The last lines of what a command printed, fit for a terminal. */
function lastLines(text: string, lines: number): string[] {
  return printableOutput(text).trimEnd().split("\n").slice(-lines)
    .filter((line, index) => line !== "" || index > 0);
}

const LINE_CHARACTERS = 500;

/** A line of an output, to be shown: of a flood without newlines the beginning says enough. */
export function shortLine(line: string): string {
  return line.length > LINE_CHARACTERS
    ? `${line.slice(0, LINE_CHARACTERS).toWellFormed()} …`
    : line;
}

const MESSAGE_LINES = 20;
const MESSAGE_CHARACTERS = 2000;

/** What is recorded of a failure, by the end of what the command printed to its error output. */
export function failureMessageOf(text: string): string {
  return lastLines(text, MESSAGE_LINES).join("\n").slice(-MESSAGE_CHARACTERS);
}
