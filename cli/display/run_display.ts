import { isWindows } from "../../_internal/path.ts";
import { failureText } from "../../_internal/text.ts";
import { errorKindOf } from "../../run/attempt_key.ts";
import type { WaitedRecord } from "../../capture/types.ts";
import type { AttemptEnd, RunView } from "../../run/types.ts";
import type { DecisionReason } from "../../supervisor/types.ts";
import { ownEntries } from "../../run/marks.ts";
import type { EndOfAttempt } from "../engine/types.ts";
import { type Flow, type FlowNode, isAggregate } from "../flow/flow.ts";
import { recordedRunOf, shownCommand } from "../flow/node_event.ts";
import { type PassedOutput, RawOutput } from "../process/output_pump.ts";
import { isOnGitHub, printableLine, shortened } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { formatDuration } from "../text/units.ts";
import { commandHint } from "../reading/find_run.ts";
import { cutLines, logText, printReport, printTails } from "../reading/print_report.ts";
import type { JunitFile } from "../report/junit_file.ts";
import { gateEndText } from "../reading/run_outcome.ts";
import { printReportJson, type RunReport } from "../reading/run_report.ts";
import type { CiWishes, RunDisplay } from "./types.ts";

/**
 * What is shown of what commands print: the ends of failed ones at the end, all of it as it comes or when each has
 * ended, or nothing.
 */
export const OUTPUT_MODES = ["failed", "labelled", "grouped", "none"] as const;

/** One of {@linkcode OUTPUT_MODES}. */
export type OutputMode = typeof OUTPUT_MODES[number];

/** How a run is shown. */
interface DisplayOptions {
  root: string;
  json: boolean;
  completed?: number;
  output?: OutputMode | undefined;
  junit?: JunitFile | undefined;
}

/** What is wanted here. Of a command of a run nothing is but what it was asked for: the run is told of as a whole. */
export function ciWishes(junit: JunitFile | undefined): CiWishes {
  if (ownEntries() !== "") return { isOnGitHub: false, summary: undefined, junit };
  const summary = Deno.env.get("GITHUB_STEP_SUMMARY") || undefined;
  return { isOnGitHub: isOnGitHub(), summary, junit };
}

/** Whether somebody wants anything. */
export function wantsAny({ isOnGitHub, summary, junit }: CiWishes): boolean {
  return isOnGitHub || summary !== undefined || junit !== undefined;
}

/** Shows the run of a flow as the verb does that began it, also when it is gone on with. */
export async function displayOf(flow: Flow, options: DisplayOptions): Promise<RunDisplay> {
  const wishes = ciWishes(options.junit);
  const display = await displayFor(flow, options, wishes.isOnGitHub);
  if (!wantsAny(wishes)) return display;
  const { CiDisplay } = await import("../report/tell_ci.ts");
  return new CiDisplay(display, { root: options.root, wishes });
}

/** `groups`: whether there is somebody who folds them. */
async function displayFor(
  flow: Flow,
  { root, json, completed = 0, output }: DisplayOptions,
  groups: boolean,
): Promise<RunDisplay> {
  if (flow.madeBy === "exec") {
    const display = new CommandDisplay({ root, json });
    return groups ? await inGroups(display, "live") : display;
  }
  if (json) return new JsonDisplay();
  const mode = output ?? usualMode(flow, groups);
  const pass = mode === "raw"
    ? passRaw
    : mode === "labelled"
    ? await passLabelled(flow)
    : undefined;
  const showsTails = mode === "failed";
  const display = new TextDisplay(flow, { root, completed, pass, showsTails });
  if (mode === "grouped") return await inGroups(display, groups ? "ended" : "plain");
  return mode === "raw" && groups ? await inGroups(display, "live") : display;
}

/** A task alone has the terminal for itself; several would write into each other's lines. */
function usualMode({ madeBy, nodes }: Flow, groups: boolean): OutputMode | "raw" {
  if (madeBy === "tasks" && nodes.length === 1) return "raw";
  if (groups) return "grouped";
  return madeBy === "tasks" ? "labelled" : "failed";
}

async function inGroups(
  display: RunDisplay,
  how: "live" | "ended" | "plain",
): Promise<RunDisplay> {
  const { GroupedDisplay, LiveGroupDisplay } = await import("./grouped_display.ts");
  if (how === "live") return new LiveGroupDisplay(display);
  return new GroupedDisplay(display, { isOnGitHub: how === "ended" });
}

/** Makes what passes on what commands print, beside all else that a display prints. */
type Pass = (display: { out: Screen; err: Screen; note: (text: string) => void }) => PassedOutput;

function passRaw({ out, note }: Parameters<Pass>[0]): PassedOutput {
  return new RawOutput({ prepare: () => out.status(), note });
}

async function passLabelled({ nodes }: Flow): Promise<Pass> {
  const { LabelledOutput } = await import("./labelled_output.ts");
  return (screens) => new LabelledOutput(screens, nodes.map(({ id }) => id));
}

const TICK_MS = 1000;

/** A run for people: a line when a node begins and when it ends, and a table at the end. */
export class TextDisplay implements RunDisplay {
  /** What the commands print, where it is passed on; undefined when it only goes to files. */
  readonly passed: PassedOutput | undefined;
  /** Where it is shown: standard output. */
  readonly screen: Screen = new Screen(Deno.stdout);
  readonly #errors = new Screen(Deno.stderr);
  readonly #root: string;
  readonly #showsTails: boolean;
  readonly #progress: RunProgress;
  readonly #redraw = () => this.#tick();
  #runId = "";
  #ticker: ReturnType<typeof setInterval> | undefined;

  /**
   * `completed`: how many nodes had completed before; `pass`: what passes on what commands print;
   * `showsTails`: whether the ends of what failed ones have printed are shown at the end.
   */
  constructor(
    flow: Flow,
    { root, pass, showsTails, completed }: {
      root: string;
      pass?: Pass | undefined;
      showsTails: boolean;
      completed: number;
    },
  ) {
    this.#root = root;
    this.#showsTails = showsTails;
    const total = flow.nodes.filter((node) => !isAggregate(node)).length;
    this.#progress = new RunProgress(total, completed);
    const note = (text: string) => this.note(text);
    this.passed = pass?.({ out: this.screen, err: this.#errors, note });
  }

  /** Prints the id, as the first line (ORN-1). */
  runStarted({ runId }: RunView): void {
    this.#runId = runId;
    this.screen.line(`run_id=${runId}`);
  }

  /** Prints the command; on a terminal, shows what has been running how long. */
  nodeStarted(node: FlowNode): void {
    this.#progress.started(node.id);
    if (this.screen.isTerminal) this.#tick();
    else {
      const command = shownCommand({ ...node, run: recordedRunOf(node) });
      this.#line(`▸ ${node.id}: ${shortened(printableLine(command))}`);
    }
  }

  /** On a terminal, shows what waits, and why. */
  nodeDeferred(nodeId: string, why: Parameters<RunProgress["deferred"]>[1]): void {
    this.#progress.deferred(nodeId, why);
    if (why.reason === "backoff") {
      const within = formatDuration(Math.max(0, why.until.getTime() - Date.now()));
      this.screen.status();
      this.#line(printableLine(`⏸ ${nodeId} is tried again in ${within}`));
    }
    this.#tick();
  }

  /** Prints how the node ended. */
  nodeEnded({ id, allowFailure }: FlowNode, end: EndOfAttempt): void {
    this.#progress.ended(id, end.termination === "Completed");
    this.screen.status();
    const may = allowFailure && end.termination !== "Completed" ? ", which it may" : "";
    this.#line(`${endLine(this.screen, id, end)}${may}`);
    // Where there are tails at the end, these have it.
    const why = this.#showsTails ? undefined : whyNotStarted(end);
    if (why !== undefined) this.note(why);
    this.#tick();
  }

  /** Prints what is asked, and how to answer. */
  gateWaits(node: FlowNode, until: Date | undefined): void {
    this.screen.status();
    const run = { root: this.#root, runId: this.#runId };
    this.#line(`⏸ ${gateLine(node, until)}`);
    this.#line(`    ${commandHint("pass", run)} ${node.id}`);
    this.#tick();
  }

  /** Prints how a gate was answered. */
  gateEnded({ id, allowFailure }: FlowNode, waited: WaitedRecord): void {
    const isPassed = waited.how === "passed";
    this.#progress.ended(id, isPassed);
    this.screen.status();
    const may = allowFailure && !isPassed ? ", which it may" : "";
    this.#line(
      `${this.screen.mark(isPassed)} ${printableLine(`${id}  ${gateEndText(waited)}${may}`)}`,
    );
    this.#tick();
  }

  /** Removes the line that shows what is running. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.try(() => this.#endTicks());
  }

  #endTicks(): void {
    if (this.#ticker === undefined) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
    if (!isWindows) Deno.removeSignalListener("SIGWINCH", this.#redraw);
    this.screen.status();
  }

  /** Draws the live line, now and every second from now on, and when the window changes. */
  #tick(): void {
    if (!this.screen.isTerminal) return;
    if (this.#ticker === undefined) {
      this.#ticker = setInterval(this.#redraw, TICK_MS);
      if (!isWindows) Deno.addSignalListener("SIGWINCH", this.#redraw);
    }
    // What a command has not finished is not written over.
    if (this.passed?.isInLine) return;
    this.screen.status(this.#progress.text(performance.now()));
  }

  #line(text: string): void {
    this.endLine();
    this.screen.line(text);
  }

  /** Ends a line that a command has begun. */
  endLine(): void {
    if (!this.passed?.isInLine) return;
    this.screen.line();
    this.passed.isInLine = false;
  }

  /** Prints a note, to stderr. */
  note(text: string): void {
    this.screen.status();
    this.#errors.line(text);
  }

  /** Prints the end of what a failed node printed, where that is wanted, and the table. */
  async runEnded(report: RunReport, view: RunView): Promise<void> {
    this.#endTicks();
    const place = { root: this.#root, view };
    if (this.#showsTails) await printTails(this.screen, report, place);
    this.#line("");
    await printReport(this.screen, report, place);
  }
}

/** A run for programs: one JSON document at its end. */
export class JsonDisplay implements RunDisplay {
  /** What commands print only goes to files: the document is alone. */
  readonly passed: PassedOutput | undefined;
  /** Where all but the document is shown: standard error. */
  readonly screen: Screen = new Screen(Deno.stderr);

  /** Prints the id, to stderr. */
  runStarted({ runId }: RunView): void {
    this.screen.line(`run_id=${runId}`);
  }

  /** Prints nothing. */
  nodeStarted(): void {}

  /** Prints nothing. */
  nodeEnded(_node: FlowNode, _end: EndOfAttempt): void {}

  /** Prints what is asked, to stderr. */
  gateWaits(node: FlowNode, until: Date | undefined): void {
    this.screen.line(gateLine(node, until));
  }

  /** Prints a note, to stderr. */
  note(text: string): void {
    this.endLine();
    this.screen.line(text);
  }

  /** There are only whole lines. */
  endLine(): void {}

  /** Does nothing. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  /** Prints the document. */
  runEnded(report: RunReport, _view: RunView): Promise<void> {
    return Promise.try(() => printReportJson(new Screen(Deno.stdout), report));
  }
}

/** A command whose output is passed through: all that is said about it goes to stderr. */
export class CommandDisplay extends JsonDisplay {
  /** What the command prints. */
  override readonly passed: RawOutput = new RawOutput({ note: (text) => this.note(text) });
  readonly #root: string;
  readonly #json: boolean;
  #endLine: string | undefined;

  /** `json`: at the end the document is printed, as one line. */
  constructor({ root, json }: { root: string; json: boolean }) {
    super();
    this.#root = root;
    this.#json = json;
  }

  /** Keeps what is to be said at the end; says why a program could not be started, which the document has. */
  override nodeEnded({ id }: FlowNode, end: EndOfAttempt): void {
    this.#endLine = endLine(this.screen, id, end);
    const why = whyNotStarted(end);
    if (why !== undefined && !this.#json) this.note(why);
  }

  /** Ends a line that the command has begun to print as an error. */
  override endLine(): void {
    if (this.passed.errors.isInLine) this.screen.line();
    this.passed.errors.isInLine = false;
  }

  /** Prints how the command ended, and where the log is. */
  override runEnded(report: RunReport, _view: RunView): Promise<void> {
    const { run_id: runId, nodes } = report;
    if (!this.#json) {
      for (const node of nodes) for (const text of cutLines(node)) this.note(`${node.id}: ${text}`);
    }
    const end = `${this.#endLine ?? runId}  log: ${logText({ root: this.#root, runId })}`;
    this.note(this.#json ? JSON.stringify(report) : end);
    return Promise.resolve();
  }
}

/** What is asked at a gate. */
function gateLine({ id, gate = "" }: FlowNode, until: Date | undefined): string {
  const limit = until === undefined ? "" : `, until ${until.toISOString()}`;
  return printableLine(`${id} waits for an answer${limit}: ${gate}`);
}

/** How a node ended, in one line. */
function endLine(screen: Screen, id: string, end: AttemptEnd): string {
  const { termination, end: { duration_ms: durationMs, exit_code, signal } } = end;
  const length = durationMs === undefined ? "" : `  ${formatDuration(durationMs)}`;
  const unrecorded = end.end.terminal ? "  output not recorded" : "";
  if (termination === "Completed") return `${screen.mark(true)} ${id}${length}${unrecorded}`;
  const kind = errorKindOf(termination, end.end);
  const why = printableLine(failureText({ kind, exit_code, signal }));
  return `${screen.mark(false)} ${id}${length}  ${why}${unrecorded}`;
}

/** Why a program could not be started: its own output cannot tell that. */
function whyNotStarted({ end: { error } }: AttemptEnd): string | undefined {
  return error?.kind === "host_missing" ? printableLine(error.message) : undefined;
}

/** How far a run is: what runs, what waits, and why, in one line. */
export class RunProgress {
  readonly #total: number;
  readonly #running = new Map<string, number>();
  readonly #waiting = new Map<string, string>();
  readonly #failed = new Set<string>();
  #completed: number;

  constructor(total: number, completed = 0) {
    this.#total = total;
    this.#completed = completed;
  }

  /** An attempt begins. */
  started(nodeId: string): void {
    this.#waiting.delete(nodeId);
    this.#failed.delete(nodeId);
    this.#running.set(nodeId, performance.now());
  }

  /** A node that has all it needs has to wait all the same. */
  deferred(nodeId: string, { reason, until }: { reason: DecisionReason; until: Date }): void {
    this.#waiting.set(nodeId, this.#reasonText(reason, until));
  }

  /** An attempt has ended. */
  ended(nodeId: string, hasCompleted: boolean): void {
    this.#running.delete(nodeId);
    if (hasCompleted) this.#completed++;
    else this.#failed.add(nodeId);
  }

  /** `3/30 done · running build 12s, test 3s · waiting lint (rate limit until 12:00:03)`. */
  text(now: number): string {
    const failed = this.#failed.size === 0 ? "" : `, ${this.#failed.size} failed`;
    const parts = [`${this.#completed}/${this.#total} done${failed}`];
    const running = Array.from(this.#running, ([id, startedAt]) => {
      return `${id} ${Math.floor((now - startedAt) / 1000)}s`;
    });
    if (running.length > 0) parts.push(`running ${running.join(", ")}`);
    // Once a node has failed, what waits may have been taken out.
    if (this.#failed.size > 0) return parts.join(" · ");
    for (const [why, waits] of Map.groupBy(this.#waiting, ([, reason]) => reason)) {
      const ids = waits.map(([id]) => id);
      parts.push(`waiting ${ids.join(", ")} (${why})`);
    }
    const others = this.#total - this.#completed - this.#running.size - this.#waiting.size;
    if (others > 0) parts.push(`${others} ${others === 1 ? "needs" : "need"} others`);
    return parts.join(" · ");
  }

  #reasonText(reason: DecisionReason, until: Date): string {
    if (reason === "saturated") return "no free place";
    const time = [until.getHours(), until.getMinutes(), until.getSeconds()]
      .map((part) => String(part).padStart(2, "0")).join(":");
    if (reason === "rate_limited") return `rate limit until ${time}`;
    return reason === "backoff" ? `tried again at ${time}` : reason.replaceAll("_", " ");
  }
}
