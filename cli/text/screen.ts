import { encodeUtf8 } from "../../_internal/text.ts";
import {
  fitTo,
  isOnGitHub,
  printable,
  printableWithColours,
  withoutCommands,
} from "./printable.ts";

/** The colours that are used. */
export type Colour = "red" | "green" | "yellow" | "dim" | "bold";

const CODES: Record<Colour, number> = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 };
const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = "\r\x1b[2K";
const CLEAR_BELOW = "\x1b[J";
const BATCH_LENGTH = 64 * 1024;

/**
 * One of the two streams for people: lines, colours, and a line that is written over. All that is printed
 * goes through here, JSON too, and comes out printable whoever wrote it: no caller can forget that.
 */
export class Screen {
  /** Why something could not be written, other than that nobody reads it any more. */
  static failure: Error | undefined;
  /** Throws where something could not be written. */
  static check(): void {
    if (Screen.failure === undefined) return;
    throw new Error(`Cannot write the output: ${Screen.failure.message}`);
  }

  /** Whether whoever read it has gone, as a write has told. */
  isUnread = false;
  /** Whether somebody watches it, and the line can be written over. */
  readonly isTerminal: boolean;
  readonly #stream: typeof Deno.stdout | typeof Deno.stderr;
  readonly #hasColours: boolean;
  /** Whether some lines would be taken for commands: of nobody's text they are to be any. */
  readonly #isOnGitHub = isOnGitHub();
  #status = "";
  /** Resolves when what is written by {@linkcode lines} is written. */
  #writing: Promise<unknown> = Promise.resolve();
  /** What is to be written when there is enough of it; undefined outside of batches. */
  #batched: string | undefined;

  constructor(stream: typeof Deno.stdout | typeof Deno.stderr) {
    this.#stream = stream;
    this.isTerminal = stream.isTerminal() && Deno.env.get("TERM") !== "dumb";
    this.#hasColours = this.isTerminal && !Deno.noColor;
  }

  /** Writes a line; a status line stays below it. */
  line(text = ""): void {
    this.#line(this.#printable(text));
  }

  /** Writes a line that is a command to the runner of GitHub Actions, which no other one is there. */
  command(line: string): void {
    this.#line(printable(line));
  }

  #line(text: string): void {
    const status = this.#status;
    this.#write(status === "" ? `${text}\n` : `${this.#clear()}${text}\n${status}`);
  }

  /**
   * Writes lines behind those that were written so before, and holds nothing else up where whoever reads
   * them is slow. Resolves, when they are written, to whether anybody reads.
   */
  lines(lines: readonly string[]): Promise<boolean> {
    const text = lines.join("\n");
    if (!this.isTerminal) return this.#writing = this.#writeBehind(`${this.#printable(text)}\n`);
    // A terminal takes what it is given, and the status line stays below.
    this.line(text);
    return Promise.resolve(!this.isUnread);
  }

  async #writeBehind(text: string): Promise<boolean> {
    await this.#writing;
    try {
      for (let rest = encodeUtf8(text); rest.length > 0 && !this.isUnread;) {
        rest = rest.subarray(await this.#stream.write(rest));
      }
    } catch (error) {
      this.#fail(error);
    }
    return !this.isUnread;
  }

  /** Writes a piece of a line. Nothing that stands in two pieces is made printable as one. */
  text(piece: string): void {
    this.#write(this.#printable(piece));
  }

  /** From now on until it is disposed of, what is written goes out in large pieces: for very many lines. */
  batch(): Disposable {
    this.#batched ??= "";
    return { [Symbol.dispose]: () => this.#endBatch() };
  }

  #endBatch(): void {
    const text = this.#batched ?? "";
    this.#batched = undefined;
    this.#write(text);
  }

  /** Shows a line that the next one replaces; without text there is none. Only on a terminal. */
  status(text = ""): void {
    if (!this.isTerminal || (text === "" && this.#status === "")) return;
    const clear = this.#clear();
    this.#status = fitTo(printable(text), this.columns - 1);
    this.#write(`${clear}${this.#status}`);
  }

  /** Takes the status line away, and returns it. */
  takeStatus(): string {
    const status = this.#status;
    this.status();
    return status;
  }

  /** Takes the status line away; in a window that was made narrower it has become several. */
  #clear(): string {
    const rows = Math.ceil(this.#status.length / this.columns);
    return rows < 2 ? CLEAR_LINE : `\r\x1b[${rows - 1}A${CLEAR_BELOW}`;
  }

  /** The text in a colour, where colours are wanted. */
  paint(text: string, colour: Colour): string {
    return this.#hasColours ? `\x1b[${CODES[colour]}m${text}\x1b[0m` : text;
  }

  /** What a line about something begins with that went well, or did not. */
  mark(isWell: boolean): string {
    return isWell ? this.paint("✓", "green") : this.paint("✗", "red");
  }

  /** At worst somebody else's text has a colour. */
  #printable(text: string): string {
    const shown = this.#hasColours ? printableWithColours(text) : printable(text);
    return this.#isOnGitHub ? withoutCommands(shown) : shown;
  }

  /** How wide it is; a terminal that does not know its size says 0. */
  get columns(): number {
    try {
      return Deno.consoleSize().columns || DEFAULT_COLUMNS;
    } catch {
      return DEFAULT_COLUMNS;
    }
  }

  #write(text: string): void {
    if (this.#batched === undefined) return this.#writeOut(text);
    this.#batched += text;
    if (this.#batched.length < BATCH_LENGTH) return;
    this.#writeOut(this.#batched);
    this.#batched = "";
  }

  /** Work that is being recorded must not end because what is said about it is lost. */
  #writeOut(text: string): void {
    try {
      for (let rest = encodeUtf8(text); rest.length > 0;) {
        rest = rest.subarray(this.#stream.writeSync(rest));
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (error instanceof Deno.errors.BrokenPipe) this.isUnread = true;
    else Screen.failure ??= error as Error;
  }
}
