import type { TakeOutput } from "./flow/output_pump.ts";

const NEWLINE = 10;

/** Passes on what commands print to the stream that it is for, as it comes. */
export class PassThrough {
  /** Whether the last of it ended in the middle of a line. */
  isInLine = false;
  /** Whether some of it could not be passed on. */
  hasLost = false;
  readonly #stream: typeof Deno.stdout | typeof Deno.stderr;
  readonly #onLost: (message: string) => void;

  constructor(
    stream: typeof Deno.stdout | typeof Deno.stderr,
    onLost: (message: string) => void,
  ) {
    this.#stream = stream;
    this.#onLost = onLost;
  }

  /** Where the reader has gone away, the command is to notice: `taffrail exec -- yes | head` ends. */
  readonly take: TakeOutput = async (chunk) => {
    this.isInLine = chunk.at(-1) !== NEWLINE;
    try {
      for (let rest = chunk; rest.length > 0;) {
        rest = rest.subarray(await this.#stream.write(rest));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) {
        this.hasLost = true;
        const reason = error instanceof Error ? error.message : String(error);
        this.#onLost(`Cannot pass on what the command prints: ${reason}`);
      }
      return "close";
    }
  };
}
