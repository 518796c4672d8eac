import type { FlowNode } from "./flow/flow.ts";
import type { TakeOutput } from "./flow/output_pump.ts";
import type { AttemptEnd } from "../run/mod.ts";
import type { RunReport } from "./run_report.ts";
import { endLine, type WholeRunView } from "./run_view.ts";
import { Screen } from "./screen.ts";

const NEWLINE = 10;

/** A command whose output is passed through: all that is said about it goes to stderr. */
export class ExecView implements Omit<WholeRunView, typeof Symbol.dispose> {
  /** Passes on what the command prints. */
  readonly passThrough: { output: TakeOutput; errors: TakeOutput };
  readonly #errors = new Screen(Deno.stderr);
  readonly #json: boolean;
  #endLine: string | undefined;
  #isInLine = false;
  #hasLost = false;

  constructor(json: boolean) {
    this.#json = json;
    this.passThrough = {
      output: (chunk) => this.#passOn(Deno.stdout, chunk),
      errors: (chunk) => {
        this.#isInLine = chunk.at(-1) !== NEWLINE;
        return this.#passOn(Deno.stderr, chunk);
      },
    };
  }

  /** Whether some of what the command printed could not be passed on. */
  get hasLost(): boolean {
    return this.#hasLost;
  }

  /** Prints the id. */
  runStarted(runId: string): void {
    this.#errors.line(`run_id=${runId}`);
  }

  /** Prints nothing: the line belongs to the command now. */
  nodeStarted(): void {}

  /** Keeps what is to be said at the end. */
  nodeEnded({ id }: FlowNode, end: AttemptEnd): void {
    this.#endLine = endLine(this.#errors, id, end);
  }

  /** Prints a note. */
  note(text: string): void {
    this.#line(text);
  }

  /** Prints how the command ended, and where the log is. */
  runEnded(report: RunReport): void {
    if (this.#json) this.#line(JSON.stringify(report));
    else this.#line(`${this.#endLine ?? report.run_id}  log: ${report.log}`);
  }

  #line(text: string): void {
    if (this.#isInLine) this.#errors.line();
    this.#isInLine = false;
    this.#errors.line(text);
  }

  /** Where the reader has gone away, the command is to notice: `taffrail exec -- yes | head` ends. */
  async #passOn(
    stream: typeof Deno.stdout | typeof Deno.stderr,
    chunk: Uint8Array,
  ): Promise<void | "close"> {
    try {
      for (let rest = chunk; rest.length > 0;) rest = rest.subarray(await stream.write(rest));
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) {
        this.#hasLost = true;
        const reason = error instanceof Error ? error.message : String(error);
        this.note(`Cannot pass on what the command prints: ${reason}`);
      }
      return "close";
    }
  }
}
