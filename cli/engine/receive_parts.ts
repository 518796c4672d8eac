/**
 * Takes the parts of a run into a root, wherever they come from. What is always true:
 *
 * - Every line stands where it stood, byte for byte, those too that nobody can read. Only the log and the trace of a
 *   run that gets another id say that id.
 * - Memory is bounded, whatever the parts are: a line and a document by what readers take of one, all else by a block.
 */
import { isObject } from "../../_internal/errors.ts";
import { MAX_LINE_BYTES } from "../../_internal/json_lines.ts";
import { decodeUtf8, encodeUtf8, joinBytes, NEWLINE } from "../../_internal/text.ts";
import { parseOutputTimes } from "../../run/outputs.ts";
import type { ReceivedRun, RunDocument, RunStream } from "../../run/types.ts";
import { counted, listed } from "../text/printable.ts";
import { formatSize } from "../text/units.ts";
import type { RunPart } from "./run_parts.ts";

/** What is handed over at once. */
const BATCH_LINES = 1000;

/** What was taken in. */
export interface TakenParts {
  /** How many lines of each stream. */
  lines: Record<RunStream | "events", number>;
  /** Which documents. */
  documents: RunDocument[];
  /** How many outputs of attempts. */
  outputs: number;
  /** How many bytes all that has. */
  bytes: number;
  /** The streams whose last line is not whole, where the root keeps no such lines. */
  leftOut: (RunStream | "events")[];
}

/** Nothing of a run yet. */
export function noParts(): TakenParts {
  return {
    lines: { capture: 0, events: 0, processes: 0, inbox: 0 },
    ...{ documents: [], outputs: 0, bytes: 0, leftOut: [] },
  };
}

/** A line is longer than any reader takes one. */
export class LineTooLongError extends Error {
  /** The name of the class. */
  override readonly name = "LineTooLongError";
}

/** Which run it is. */
interface TakingOptions {
  /** The id that it has. */
  runId: string;
  /** The id that it gets. */
  newId: string;
  /** Told what has been taken so far. */
  onProgress: (taken: TakenParts) => void;
}

/** How much there is of a run, to people. */
export function amountText({ lines, outputs, bytes }: TakenParts): string {
  const count = Object.values(lines).reduce((sum, count) => sum + count, 0);
  return `${counted(count, "line")}, ${counted(outputs, "output")}, ${formatSize(bytes)}`;
}

/** What was left out of a run, to people. */
export function leftOutText({ leftOut }: TakenParts): string[] {
  if (leftOut.length === 0) return [];
  const [what, are] = leftOut.length === 1 ? ["line", "is"] : ["lines", "are"];
  const text = `the unfinished last ${what} of ${listed(leftOut)} ${are} left out`;
  return [`${text}, as a database has none`];
}

/** Takes in the parts of one run. */
export class PartsReceiver {
  readonly taken: TakenParts = noParts();
  readonly #received: ReceivedRun;
  readonly #ids: { runId: string; newId: string };
  readonly #onProgress: (taken: TakenParts) => void;

  constructor(received: ReceivedRun, { runId, newId, onProgress }: TakingOptions) {
    this.#received = received;
    this.#ids = { runId, newId };
    this.#onProgress = onProgress;
  }

  /** Takes a part. */
  async take({ place, bytes }: RunPart): Promise<void> {
    switch (place.kind) {
      case "stream":
        return await this.#lines(place.stream, bytes);
      case "document": {
        const whole = await this.#whole(bytes);
        const taken = place.name === "trace.json" ? renamed(whole, this.#ids) : whole;
        await this.#received.putDocument(place.name, taken);
        this.taken.documents.push(place.name);
        return;
      }
      case "attempt": {
        const { nodeId, attempt, stream } = place.of;
        if (stream === "times") {
          const chunks = parseOutputTimes(await this.#whole(bytes));
          return await this.#received.putTimes({ nodeId, attempt }, chunks);
        }
        for await (const block of bytes) {
          await this.#received.appendOutput({ nodeId, attempt, stream }, block);
          this.#took(block.length);
        }
        this.taken.outputs++;
      }
    }
  }

  async #lines(stream: RunStream | "events", bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const splitter = new LineSplitter();
    const textOf = (line: Uint8Array) => {
      return stream === "events" ? renamed(line, this.#ids) : line;
    };
    for await (const block of bytes) {
      for (const lines of splitter.linesIn(block)) {
        await this.#received.appendLines(stream, lines.map(textOf));
        this.taken.lines[stream] += lines.length;
      }
      this.#took(block.length);
    }
    const { rest } = splitter;
    if (rest.length === 0) return;
    const isKept = await this.#received.putTail(stream, textOf(rest));
    if (!isKept) this.taken.leftOut.push(stream);
  }

  async #whole(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
    const blocks: Uint8Array[] = [];
    for await (const block of bytes) {
      blocks.push(block.slice());
      this.#took(block.length);
    }
    return joinBytes(blocks);
  }

  #took(bytes: number): void {
    this.taken.bytes += bytes;
    this.#onProgress(this.taken);
  }
}

/** Makes lines of blocks of bytes, some of them at a time. */
class LineSplitter {
  /** What stands behind the last newline so far. */
  #begun: Uint8Array[] = [];
  #length = 0;

  /** What stands behind the last newline. */
  get rest(): Uint8Array {
    return joinBytes(this.#begun);
  }

  /** The lines that end in the next block; they are valid as long as that is. */
  *linesIn(block: Uint8Array): Generator<Uint8Array[], void> {
    let lines: Uint8Array[] = [];
    let start = 0;
    for (let end; (end = block.indexOf(NEWLINE, start)) !== -1; start = end + 1) {
      this.#begin(block.subarray(start, end));
      lines.push(this.#begun.length === 1 ? this.#begun[0]! : this.rest);
      this.#begun = [];
      this.#length = 0;
      if (lines.length < BATCH_LINES) continue;
      yield lines;
      lines = [];
    }
    if (lines.length > 0) yield lines;
    if (start < block.length) this.#begin(block.slice(start));
  }

  #begin(piece: Uint8Array): void {
    this.#begun.push(piece);
    this.#length += piece.length;
    if (this.#length <= MAX_LINE_BYTES) return;
    throw new LineTooLongError(`it has a line of more than ${MAX_LINE_BYTES} bytes`);
  }
}

/** JSON that says the id of its run, with another one; what is none, or of none, as it is. */
function renamed(
  bytes: Uint8Array,
  { runId, newId }: { runId: string; newId: string },
): Uint8Array {
  if (newId === runId) return bytes;
  let text: string;
  try {
    text = decodeUtf8(bytes);
    if (idIn(text) !== runId) return bytes;
  } catch {
    return bytes;
  }
  // All but the id stays as it was written, numbers that no number of ours can hold among it.
  const other = text.replace(/("run_id"\s*:\s*)"(?:[^"\\]|\\.)*"/, `$1${JSON.stringify(newId)}`);
  if (idIn(other) === newId) return encodeUtf8(other);
  return encodeUtf8(JSON.stringify({ ...JSON.parse(text), run_id: newId }));
}

function idIn(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return isObject(value) ? value.run_id : undefined;
}
