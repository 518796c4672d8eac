/**
 * When and how much of which output of an attempt came: a line a chunk, in the order in which they came,
 *
 *     1764469200123 o 512
 *     15 e 80
 *
 * which is the time (of the first in milliseconds since 1970, of the others since the one before), `o` or
 * `e` for the output, and how many bytes it gave, kept or not. Nothing needs it but who shows both outputs
 * in one: it is not synced, and what came behind the 50,000th chunk is not in it.
 */
import { type FileHandle, writeWholeSync } from "../../_internal/file_port.ts";
import { encodeUtf8, NEWLINE } from "../../_internal/text.ts";
import type { OutputChunk } from "../types.ts";
import type { OutputFolder } from "./folders.ts";

const MOST_CHUNKS = 50_000;
const LETTERS = { out: "o", err: "e" } as const;

/** The times of one attempt, of both of its outputs. */
export class OutputTimes {
  readonly #folder: OutputFolder;
  readonly #attempt: { nodeId: string; attempt: number };
  readonly #onRelease: () => void;
  #users = 0;
  #file: FileHandle | undefined;
  #lastMs = 0;
  #chunks = 0;

  constructor(
    folder: OutputFolder,
    attempt: { nodeId: string; attempt: number },
    onRelease: () => void,
  ) {
    this.#folder = folder;
    this.#attempt = attempt;
    this.#onRelease = onRelease;
  }

  /** One more output of the attempt begins. */
  use(): this {
    this.#users++;
    return this;
  }

  /** A chunk came. */
  add({ atMs, stream, byteLength }: OutputChunk): void {
    if (++this.#chunks > MOST_CHUNKS) return;
    this.#file ??= this.#folder.create({ ...this.#attempt, stream: "times" });
    const time = Math.round(atMs);
    const line = `${time - this.#lastMs} ${LETTERS[stream]} ${byteLength}\n`;
    this.#lastMs = time;
    writeWholeSync(this.#file, encodeUtf8(line));
  }

  /** An output has ended; behind the last one the file is closed. */
  release(): void {
    if (--this.#users > 0) return;
    if (this.#file === undefined) {
      this.#folder.removeOlder({ ...this.#attempt, stream: "times" });
    }
    this.#file?.close();
    this.#onRelease();
  }
}

/** The chunks that a file of times names, up to the first line that is none, as a kill leaves it. */
export function parseOutputTimes(bytes: Uint8Array): OutputChunk[] {
  const chunks: OutputChunk[] = [];
  let atMs = 0;
  const text = new TextDecoder().decode(bytes.subarray(0, bytes.lastIndexOf(NEWLINE) + 1));
  for (const line of text.split("\n")) {
    const match = /^(-?\d{1,15}) ([oe]) (\d{1,15})$/.exec(line);
    if (match === null) break;
    atMs += Number(match[1]);
    const stream = match[2] === "o" ? "out" : "err";
    chunks.push({ atMs, stream, byteLength: Number(match[3]) });
  }
  return chunks;
}
