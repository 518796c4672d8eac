import type { WaitedRecord } from "../../capture/types.ts";
import type { RunView } from "../../run/types.ts";
import type { EndOfAttempt } from "../engine/types.ts";
import type { FlowNode } from "../flow/flow.ts";
import type { PassedOutput } from "../process/output_pump.ts";
import type { Screen } from "../text/screen.ts";
import type { RunReport } from "../reading/run_report.ts";
import type { RunDisplay } from "./types.ts";

/** A display that shows what another one does, and more at some places. */
export class DisplayAround implements RunDisplay {
  /** The other one. */
  protected readonly inner: RunDisplay;

  /** @param inner What shows all that this does not. */
  constructor(inner: RunDisplay) {
    this.inner = inner;
  }

  /** What the commands print, where it is passed on. */
  get passed(): PassedOutput | undefined {
    return this.inner.passed;
  }

  /** Where it is shown. */
  get screen(): Screen {
    return this.inner.screen;
  }

  /** What is printed next begins a line. */
  endLine(): void {
    this.inner.endLine();
  }

  /** When what happens to the run is shown: now. */
  protected tell(show: () => void): void {
    show();
  }

  /** The run has its id, and can be read. */
  runStarted(view: RunView): void {
    this.tell(() => this.inner.runStarted(view));
  }

  /** An attempt begins. */
  nodeStarted(node: FlowNode): void {
    this.tell(() => this.inner.nodeStarted(node));
  }

  /** A node has to wait, at least until then. */
  nodeDeferred(...told: Parameters<NonNullable<RunDisplay["nodeDeferred"]>>): void {
    this.tell(() => this.inner.nodeDeferred?.(...told));
  }

  /** An attempt has ended. */
  nodeEnded(node: FlowNode, end: EndOfAttempt): void {
    this.tell(() => this.inner.nodeEnded(node, end));
  }

  /** The run waits at a gate. */
  gateWaits(node: FlowNode, until: Date | undefined): void {
    this.tell(() => this.inner.gateWaits?.(node, until));
  }

  /** It does so no more. */
  gateEnded(node: FlowNode, waited: WaitedRecord): void {
    this.tell(() => this.inner.gateEnded?.(node, waited));
  }

  /** Something that people should know, at once. */
  note(text: string): void {
    this.inner.note(text);
  }

  /** The run has ended. */
  runEnded(report: RunReport, view: RunView): Promise<void> {
    return this.inner.runEnded(report, view);
  }

  /** Shows nothing more. */
  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.inner[Symbol.asyncDispose]();
  }
}
