import { NEWLINE } from "../../_internal/text.ts";
import { printableLine, printableOutput } from "./printable.ts";
import type { Screen } from "./screen.ts";

/** A line of what a command printed, without its newline. */
export interface OutputLine {
  /** Its bytes, which are only good until the next one is asked for. */
  bytes: Uint8Array;
  /** Whether more of the same line follows: no memory holds a flood without newlines. */
  isContinued: boolean;
}

/** The longest line that is kept together. */
const MOST_LINE_BYTES = 64 * 1024;

/** Makes lines of one output of an attempt, which comes in any pieces. */
export class LineSplitter {
  readonly #rest = new Uint8Array(MOST_LINE_BYTES);
  #restLength = 0;

  /** The lines that a piece ends; what is left of it is kept for the next. */
  *lines(piece: Uint8Array): Generator<OutputLine, void> {
    for (let at = 0; at < piece.length;) {
      const found = piece.indexOf(NEWLINE, at);
      const end = found === -1 ? piece.length : found;
      while (this.#restLength + end - at > MOST_LINE_BYTES) {
        const room = MOST_LINE_BYTES - this.#restLength;
        this.#keep(piece.subarray(at, at + room));
        at += room;
        const whole = wholeCharacters(this.#rest);
        yield { bytes: this.#rest.subarray(0, whole), isContinued: true };
        this.#rest.copyWithin(0, whole);
        this.#restLength = MOST_LINE_BYTES - whole;
      }
      this.#keep(piece.subarray(at, end));
      at = end + 1;
      if (found !== -1) yield this.#take();
    }
  }

  /** The last line, where it was not ended. */
  *end(): Generator<OutputLine, void> {
    if (this.#restLength > 0) yield this.#take();
  }

  #keep(bytes: Uint8Array): void {
    this.#rest.set(bytes, this.#restLength);
    this.#restLength += bytes.length;
  }

  #take(): OutputLine {
    const bytes = this.#rest.subarray(0, this.#restLength);
    this.#restLength = 0;
    return { bytes, isContinued: false };
  }
}

/** How many bytes are whole characters: a part of the last one is left for what follows. */
function wholeCharacters(bytes: Uint8Array): number {
  let begin = bytes.length - 1;
  while (begin > bytes.length - 4 && (bytes[begin]! & 0xc0) === 0x80) begin--;
  const first = bytes[begin]!;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
  return begin + length > bytes.length ? begin : bytes.length;
}

/** Labels of nodes are as wide as the widest, up to this. */
const MOST_LABEL_WIDTH = 24;

/** What a command printed, or what a step gave. */
type LabelledStream = "out" | "err" | "result";

/** What stands before the lines of a node: `build | ` for its output, `build ! ` for its errors. */
export class OutputLabels {
  readonly #screen: Screen;
  readonly #width: number;

  /** `nodeIds`: all that there may be. */
  constructor(screen: Screen, nodeIds: Iterable<string>) {
    this.#screen = screen;
    let width = 0;
    for (const { length } of nodeIds) {
      if (length <= MOST_LABEL_WIDTH) width = Math.max(width, length);
    }
    this.#width = width;
  }

  /** A line of an output, fit for a terminal; attempts but the first are told apart: `build#2 | `. */
  line(of: { nodeId: string; attempt: number; stream: LabelledStream }, bytes: Uint8Array): string {
    return this.note(of, printableOutput(decodeLoosely(bytes)));
  }

  /** Something about an output, in place of a line of it. */
  note(
    { nodeId, attempt, stream }: { nodeId: string; attempt: number; stream: LabelledStream },
    text: string,
  ): string {
    const name = attempt === 1 ? nodeId : `${nodeId}#${attempt}`;
    const label = `${printableLine(name).padEnd(this.#width)} ${stream === "err" ? "!" : "|"}`;
    const shown = this.#screen.paint(label, stream === "err" ? "yellow" : "dim");
    return text === "" ? shown : `${shown} ${text}`;
  }
}

/** What is no UTF-8 is shown as U+FFFD. */
export function decodeLoosely(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
