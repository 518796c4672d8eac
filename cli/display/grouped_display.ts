/**
 * Shows what commands print in groups, one for each attempt, which GitHub Actions folds. It knows no groups in groups:
 *
 * - What was printed is read from the records when its attempt has ended, so that those that run at the same time do
 *   not come between each other. What else happens is shown when that is done.
 * - A command that is alone is not waited for: its group is begun and ended around it, and what it prints there is
 *   as it is without this, commands to the runner too.
 */
import { reasonOf } from "../../_internal/text.ts";
import type { AttemptInfo } from "../../eventlog/run_state.ts";
import type { RunView } from "../../run/types.ts";
import type { EndOfAttempt } from "../engine/types.ts";
import type { FlowNode } from "../flow/flow.ts";
import { recordedRunOf, shownCommand } from "../flow/node_event.ts";
import { decodeLoosely, LineSplitter } from "../text/output_lines.ts";
import { printableLine, printableOutput, shortened } from "../text/printable.ts";
import { maskCommandIn, workflowCommand } from "../text/workflow_commands.ts";
import { type OutputPiece, RunOutputs } from "../reading/attempt_outputs.ts";
import { DisplayAround } from "./display_around.ts";
import type { RunReport } from "../reading/run_report.ts";
import type { RunDisplay } from "./types.ts";

/** A group around what a command prints as it comes. */
export class LiveGroupDisplay extends DisplayAround {
  #isOpen = false;

  /** Begins it. */
  override nodeStarted(node: FlowNode): void {
    super.nodeStarted(node);
    const command = shownCommand({ ...node, run: recordedRunOf(node) });
    this.#command(workflowCommand("group", { data: shortened(printableLine(command)) }));
    this.#isOpen = true;
  }

  /** Ends it, and tells how its command did. */
  override nodeEnded(node: FlowNode, end: EndOfAttempt): void {
    if (this.#isOpen) this.#command(workflowCommand("endgroup"));
    this.#isOpen = false;
    super.nodeEnded(node, end);
  }

  #command(line: string): void {
    this.endLine();
    this.screen.command(line);
  }
}

/** What is printed of an attempt's output before each of its lines where nothing folds it. */
const INDENT = "  | ";

/** A group with all that an attempt has printed, before the line that tells how it ended. */
export class GroupedDisplay extends DisplayAround {
  readonly #isOnGitHub: boolean;
  #view: RunView | undefined;
  /** Resolves when all is shown that has happened. */
  #shown: Promise<void> = Promise.resolve();

  /** `isOnGitHub`: whether there is something that folds groups. */
  constructor(inner: RunDisplay, { isOnGitHub }: { isOnGitHub: boolean }) {
    super(inner);
    this.#isOnGitHub = isOnGitHub;
  }

  /** What happens is shown in its order, behind the groups that are being printed. */
  protected override tell(show: () => void | Promise<void>): void {
    this.#shown = this.#shown.then(show);
  }

  /** From now on its outputs can be read. */
  override runStarted(view: RunView): void {
    this.#view = view;
    super.runStarted(view);
  }

  /** Prints what was printed, and then how it ended. */
  override nodeEnded(node: FlowNode, end: EndOfAttempt): void {
    this.tell(async () => {
      try {
        await this.#printGroup(node.id, end);
      } catch (error) {
        this.note(`Cannot show what ${node.id} has printed: ${reasonOf(error)}`);
      }
    });
    super.nodeEnded(node, end);
  }

  /** Shows how it ended when all else is shown. */
  override async runEnded(report: RunReport, view: RunView): Promise<void> {
    await this.#shown;
    await super.runEnded(report, view);
  }

  /** Shows all that has happened. */
  override async [Symbol.asyncDispose](): Promise<void> {
    await this.#shown;
    await super[Symbol.asyncDispose]();
  }

  async #printGroup(nodeId: string, { attempt, end }: EndOfAttempt): Promise<void> {
    const { output_hash, error_hash, output_cut, error_cut } = end;
    // A program that was not started has printed nothing, and neither has one that is known to have.
    if (output_hash === undefined && error_hash === undefined) return;
    const info = { attempt, status: "Completed", output_hash, error_hash, output_cut, error_cut };
    const outputs = new RunOutputs(this.#view!);
    outputs.take({ nodeId, attempt, startedMs: 0 }, info as AttemptInfo);
    const title = attempt === 1 ? nodeId : `${nodeId}, attempt ${attempt}`;
    let isOpen = false;
    for await (const lines of linesOf(outputs)) {
      if (!isOpen && this.#isOnGitHub) {
        this.screen.command(workflowCommand("group", { data: title }));
      }
      isOpen = true;
      await this.#print(lines);
      if (this.screen.isUnread) return;
    }
    if (isOpen && this.#isOnGitHub) this.screen.command(workflowCommand("endgroup"));
  }

  async #print(lines: readonly string[]): Promise<void> {
    let plain: string[] = [];
    for (const line of lines) {
      const mask = this.#isOnGitHub ? maskCommandIn(line) : undefined;
      if (mask === undefined) {
        plain.push(this.#isOnGitHub ? line : `${INDENT}${line}`);
        continue;
      }
      // What asks for it was told that it is kept out of the log: from here on it is.
      if (plain.length > 0) await this.screen.lines(plain);
      plain = [];
      this.screen.command(mask);
    }
    if (plain.length > 0) await this.screen.lines(plain);
  }
}

/** What was printed, in whole lines, as many as came together. */
async function* linesOf(outputs: RunOutputs): AsyncGenerator<string[], void> {
  const splitters = { out: new LineSplitter(), err: new LineSplitter() };
  for await (const piece of outputs.pieces()) {
    const splitter = splitters[piece.of.stream];
    const texts = "bytes" in piece
      ? textsOf(splitter.lines(piece.bytes))
      : [...textsOf(splitter.end()), ...missingIn(piece)];
    if (texts.length > 0) yield texts;
  }
}

function textsOf(lines: Iterable<{ bytes: Uint8Array }>): string[] {
  return Array.from(lines, ({ bytes }) => printableOutput(decodeLoosely(bytes)));
}

function missingIn(piece: OutputPiece): string[] {
  if ("missing" in piece) return [`[taffrail: ${piece.missing} bytes are missing]`];
  return "isGone" in piece ? ["[taffrail: what was printed is gone]"] : [];
}
