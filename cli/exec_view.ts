import type { FlowNode } from "./flow/flow.ts";
import type { TakeOutput } from "./flow/output_pump.ts";
import type { AttemptEnd } from "../run/mod.ts";
import { PassThrough } from "./pass_through.ts";
import type { RunReport } from "./run_report.ts";
import { endLine, type WholeRunView } from "./run_view.ts";
import { Screen } from "./screen.ts";

/** A command whose output is passed through: all that is said about it goes to stderr. */
export class ExecView implements Omit<WholeRunView, typeof Symbol.dispose> {
  /** Passes on what the command prints. */
  readonly passThrough: { output: TakeOutput; errors: TakeOutput };
  readonly #errors = new Screen(Deno.stderr);
  readonly #output = new PassThrough(Deno.stdout, (message) => this.note(message));
  readonly #errorOutput = new PassThrough(Deno.stderr, (message) => this.note(message));
  readonly #json: boolean;
  #endLine: string | undefined;

  constructor(json: boolean) {
    this.#json = json;
    this.passThrough = { output: this.#output.take, errors: this.#errorOutput.take };
  }

  /** Whether some of what the command printed could not be passed on. */
  get hasLost(): boolean {
    return this.#output.hasLost || this.#errorOutput.hasLost;
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
    if (this.#errorOutput.isInLine) this.#errors.line();
    this.#errorOutput.isInLine = false;
    this.#errors.line(text);
  }
}
