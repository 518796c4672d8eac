import type { RunView } from "./flow/command_invoker.ts";
import type { Flow, FlowNode } from "./flow/flow.ts";
import { type AttemptEnd, errorKindOf } from "../run/mod.ts";
import { describeFailure, printReport, printTails } from "./format_report.ts";
import { commandLine, printableLine } from "./printable.ts";
import type { RunReport } from "./run_report.ts";
import { Screen } from "./screen.ts";
import { formatDuration } from "./units.ts";

/** Shows a run, and at its end what became of it. */
export interface WholeRunView extends RunView, Disposable {
  /** The run has ended. */
  runEnded(report: RunReport): void;
}

const TICK_MS = 1000;

/** A run for people: a line when a node begins and when it ends, and a table at the end. */
export class TextRunView implements WholeRunView {
  readonly #screen = new Screen(Deno.stdout);
  readonly #errors = new Screen(Deno.stderr);
  readonly #total: number;
  readonly #running = new Map<string, { startedAt: number; command: string }>();
  readonly #seen = new Set<string>();
  #ticker: ReturnType<typeof setInterval> | undefined;

  constructor(flow: Flow) {
    this.#total = flow.nodes.length;
  }

  /** Prints the id, as the first line (ORN-1). */
  runStarted(runId: string): void {
    this.#screen.line(`run_id=${runId}`);
  }

  /** Prints the command; on a terminal, shows what has been running how long. */
  nodeStarted(node: FlowNode): void {
    const command = printableLine(commandLine(node.run));
    if (!this.#screen.isTerminal) {
      this.#screen.line(`▸ ${node.id}: ${command}`);
      return;
    }
    this.#seen.add(node.id);
    this.#running.set(node.id, { startedAt: performance.now(), command });
    this.#tick();
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS);
  }

  /** Prints how the node ended. */
  nodeEnded({ id }: FlowNode, end: AttemptEnd): void {
    this.#running.delete(id);
    if (this.#running.size === 0) this[Symbol.dispose]();
    this.#screen.status();
    this.#screen.line(endLine(this.#screen, id, end));
    if (this.#running.size > 0) this.#tick();
  }

  /** Leaves no line behind that tells of something running. */
  [Symbol.dispose](): void {
    clearInterval(this.#ticker);
    this.#ticker = undefined;
    this.#screen.status();
  }

  #tick(): void {
    const now = performance.now();
    const nodes = Array.from(this.#running, ([id, { startedAt, command }]) => {
      const seconds = Math.floor((now - startedAt) / 1000);
      return this.#running.size === 1 ? `${id} ${seconds}s  ${command}` : `${id} ${seconds}s`;
    });
    this.#screen.status(`▸ ${this.#seen.size}/${this.#total} ${nodes.join(", ")}`);
  }

  /** Prints a note, to stderr. */
  note(text: string): void {
    this.#screen.status();
    this.#errors.line(text);
  }

  /** Prints the end of what a failed node printed, and the table. */
  runEnded(report: RunReport): void {
    printTails(this.#screen, report);
    this.#screen.line();
    printReport(this.#screen, report);
  }
}

/** A run for programs: one JSON document at its end. */
export class JsonRunView implements WholeRunView {
  readonly #errors = new Screen(Deno.stderr);

  /** Prints the id, to stderr. */
  runStarted(runId: string): void {
    this.#errors.line(`run_id=${runId}`);
  }

  /** Prints nothing. */
  nodeStarted(): void {}

  /** Prints nothing. */
  nodeEnded(): void {}

  /** Prints a note, to stderr. */
  note(text: string): void {
    this.#errors.line(text);
  }

  /** Does nothing. */
  [Symbol.dispose](): void {}

  /** Prints the document. */
  runEnded(report: RunReport): void {
    new Screen(Deno.stdout).line(JSON.stringify(report));
  }
}

/** How a node ended, in one line. */
export function endLine(screen: Screen, id: string, end: AttemptEnd): string {
  const { termination, durationMs, exitCode, signal } = end;
  const length = durationMs === undefined ? "" : `  ${formatDuration(durationMs)}`;
  if (termination === "Completed") return `${screen.paint("✓", "green")} ${id}${length}`;
  const why = describeFailure(errorKindOf(termination), {
    ...(exitCode !== undefined && { exit_code: exitCode }),
    ...(signal !== undefined && { signal }),
  });
  return `${screen.paint("✗", "red")} ${id}${length}  ${why}`;
}
