import { RunFold } from "../eventlog/derive_run_state.ts";
import { hasTelemetry } from "../run/engine/followed.ts";
import type { HeldRun, RunsRoot, RunView } from "../run/types.ts";
import { RecordingError } from "./engine/errors.ts";
import { runFlow, type RunFlowEnd, type RunFlowOptions } from "./engine/run_flow.ts";
import { exitCodeOfRun, StoppedError } from "./exit_codes.ts";
import { Programs } from "./flow/find_programs.ts";
import { type Flow, type FlowNode, nodesById, partNotes } from "./flow/flow.ts";
import { digestsOf, maskOf, secretNotes } from "./flow/secrets.ts";
import type { ValueDigests } from "./flow/value_digests.ts";
import { hasTerminal } from "./process/shared_terminal.ts";
import { CommandPlace } from "./process/command_place.ts";
import { PrintedOutputs } from "./process/printed_outputs.ts";
import type { Exclusive } from "./process/exclusive_flow.ts";
import { Interrupts } from "./process/interrupts.ts";
import { prepareRootDirectory } from "./reading/find_root.ts";
import { isOfFiles, openRoot } from "./reading/open_root.ts";
import type { RunDisplay } from "./display/types.ts";
import { deferralsOf } from "./reading/deferrals.ts";
import { readRunReport, reportOf, type RunReport } from "./reading/run_report.ts";
import { Screen } from "./text/screen.ts";
import { wantsSpansSent } from "./telemetry/otel_variables.ts";
import type { CommandSpans } from "./telemetry/types.ts";
import type { RunSettings } from "./text/arguments.ts";
import type { SharedPlace } from "./work/worker_place.ts";

/** How a run ended, and the exit code for it. */
interface EndOfRun {
  /** What `show --json` prints of it. */
  report: RunReport;
  /** The exit code. */
  exitCode: number;
}

/**
 * Runs a flow, and records it as a new run below the root.
 *
 * @param flow The flow.
 * @param options Where, how, and what shows it, from its begin to its end.
 * @returns How it ended.
 * @throws {UsageError} If a program of the flow is missing; then nothing was recorded.
 * @throws {RecordingError} If something cannot be recorded.
 */
export async function recordRun(
  flow: Flow,
  options: RunSettings & { root: string; display: RunDisplay; exclusive?: Exclusive },
): Promise<EndOfRun> {
  const { root, display, exclusive } = options;
  const here = flow.nodes.filter((node) => !isForWorkers(node, options));
  const programs = new Programs(flow).check(here);
  prepareRootDirectory(root);
  using interrupts = new Interrupts();
  interrupts.listenFor(display, options.graceMs);
  await using runs = await openRoot(root);
  const alone = exclusive && new Alone({ runs, flow: flow.name, exclusive }, interrupts);
  using _alone = alone && isOfFiles(root) ? await alone.hold() : undefined;
  // What is sent is sent when the run is over, and all of it is shown.
  await using behind = new AsyncDisposableStack();
  let view: RunView;
  let end: RunFlowEnd;
  {
    await using held = await createRun(runs, flow.name);
    ({ view } = held);
    if (!isOfFiles(root)) await alone?.waitWith(held);
    display.runStarted(view);
    const notes = [...partNotes(flow), ...secretNotes(flow), ...labelNotes(flow, root)];
    for (const text of notes) display.note(text);
    const fold = new RunFold();
    const digests = await digestsOf(flow, () => runs.digestKey());
    const run = { ...options, runs, root: runs.name, flow, digests, programs, held, fold };
    end = await runOfFlow(run, { interrupts, behind, past: undefined });
  }
  const report = await reportOfEnd({ root, view }, end);
  await display.runEnded(report, view);
  return { report, exitCode: exitCodeOf(report, { ...options, interrupts, flow, end }) };
}

/** The exit code of a run that was shown to its end; `end`: undefined where it was not gone on with. */
export function exitCodeOf(
  report: RunReport,
  { flow, interrupts, display, end }: {
    flow: Flow;
    interrupts: Interrupts;
    display: RunDisplay;
    end: RunFlowEnd | undefined;
  },
): number {
  const exitCode = exitCodeOfRun(report, {
    madeBy: flow.madeBy,
    received: interrupts.received,
    hasLost: display.passed?.hasLost ?? false,
    failure: end?.failure,
  });
  // Of what a command's exit code stands for, that what was said of it is lost is no part.
  if (exitCode === 0) Screen.check();
  return exitCode;
}

/** A flow that is to run alone. */
interface ExclusiveFlow {
  runs: RunsRoot;
  flow: string;
  exclusive: Exclusive;
}

/** Lets no other run of a flow be at work; who waits for one may end that. */
class Alone {
  readonly #flow: ExclusiveFlow;
  readonly #interrupts: Interrupts;

  constructor(flow: ExclusiveFlow, interrupts: Interrupts) {
    this.#flow = flow;
    this.#interrupts = interrupts;
  }

  /** In a directory: by a lock of the flow. */
  async hold(): Promise<Disposable> {
    const { holdFlow } = await import("./process/exclusive_flow.ts");
    return await holdFlow(this.#options) ?? this.#giveUp();
  }

  /** In a database: with a run that is held, and is none again where it cannot begin. */
  async waitWith(held: HeldRun): Promise<void> {
    const { waitForEarlier } = await import("./process/exclusive_flow.ts");
    const { runId } = held.view;
    try {
      if (!await waitForEarlier(this.#options, runId)) this.#giveUp();
    } catch (error) {
      await held[Symbol.asyncDispose]();
      await this.#flow.runs.remove(runId);
      throw error;
    }
  }

  get #options() {
    const errors = new Screen(Deno.stderr);
    const onWait = (text: string) => errors.line(text);
    return { ...this.#flow, onWait, stop: this.#interrupts.stop };
  }

  #giveUp(): never {
    const { name, exitCode } = this.#interrupts.received!;
    throw new StoppedError(`${name}: ${this.#flow.flow} was not run`, exitCode);
  }
}

/** A flow that is to be run, and by what it is shown. */
interface RunOfFlow extends RunSettings {
  flow: Flow;
  digests: ValueDigests | undefined;
  programs: Programs;
  /** The name of the root: an absolute path, or a URL. */
  root: string;
  runs: RunsRoot;
  held: HeldRun;
  display: RunDisplay;
  fold: RunFold;
}

/**
 * Runs a flow, or what is left of it, in a run that is held.
 *
 * @param run The run.
 * @param how Who may end it, what another process has left of it, and what is done `behind` it, when it is shown.
 */
export async function runOfFlow(
  run: RunOfFlow,
  { interrupts, behind, ...left }: {
    interrupts: Interrupts;
    behind: AsyncDisposableStack;
  } & Pick<RunFlowOptions, "past" | "lostLines">,
): Promise<RunFlowEnd> {
  using ports = await flowPorts(run, interrupts);
  const spans = behind.use(await openSpans(run, interrupts));
  return await runFlow({ ...run, ...ports, spans: spans?.follower, ...left });
}

/** What a run is connected with: where its commands run, who sees it, and who may end it. */
async function flowPorts(run: RunOfFlow, interrupts: Interrupts) {
  const { display: observer, flow, digests, held, fold } = run;
  const { runId } = held.view;
  const nodes = nodesById(flow.nodes);
  const { stop, kill, commands } = interrupts;
  const { passed } = observer;
  const note = (text: string) => observer.note(text);
  const terminal = flow.madeBy === "exec" && hasTerminal()
    ? { leavesOutput: flow.terminal === true, onLent: () => interrupts.shareTerminal() }
    : undefined;
  const needed = new Set(flow.nodes.flatMap(({ needs }) => needs));
  const outputs = new PrintedOutputs({ root: run.root, view: held.view, nodes, fold });
  const isNeeded = (nodeId: string) => needed.has(nodeId);
  const place = new CommandPlace({
    ...run,
    findProgram: (node) => run.programs.find(node),
    runId,
    nodes,
    mask: await maskOf(flow),
    outputs,
    // Whoever holds the run next may begin the same work: what runs here has no time left.
    kill: AbortSignal.any([kill, held.lost]),
    commands,
    note,
    passThrough: passed,
    givesInput: passed !== undefined && flow.madeBy !== undefined,
    terminal,
    isNeeded,
  });
  return {
    [Symbol.dispose]: () => outputs[Symbol.dispose](),
    flow,
    digests,
    held,
    observer,
    stop,
    stoppedBy: () => interrupts.received?.name,
    onStopAsked: isOfFiles(run.root) ? undefined : (signal: Deno.Signal) => interrupts.ask(signal),
    place: await sharedPlace(run, { place, outputs, isNeeded }),
  };
}

/**
 * Makes the spans of a run; undefined where nobody makes or wants any, and then nothing is loaded for it. What is wrong
 * with that is told at the end, and stops nothing.
 */
async function openSpans(
  { held: { view: { runId } }, flow: { name }, fold, display }: RunOfFlow,
  { kill }: Interrupts,
): Promise<CommandSpans | undefined> {
  // Whoever has registered something in this process sends it, too.
  if (hasTelemetry()) {
    const { spansOfProcess } = await import("../run/spans/run_spans.ts");
    const follower = spansOfProcess({ runId, name, fold });
    return { follower, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  if (!wantsSpansSent()) return undefined;
  const { openSentSpans } = await import("./telemetry/sent_spans.ts");
  return await openSentSpans({ runId, name, fold, kill, note: (text) => display.note(text) });
}

/** Tells of nodes that are for workers where there are none. */
function labelNotes({ nodes }: Flow, root: string): string[] {
  if (!isOfFiles(root)) return [];
  return nodes.filter(({ labels }) => labels.length > 0).map(({ id, labels }) => {
    return `${id} is for a worker with ${labels.join(", ")}, and runs here: a directory has none`;
  });
}

/** Whether a worker makes the attempts at a node: where it asks for one, or all do. */
export function isForWorkers(
  { labels, run }: FlowNode,
  { root, byWorkers = false }: { root: string; byWorkers?: boolean | undefined },
): boolean {
  return run.length > 0 && (byWorkers || labels.length > 0) && !isOfFiles(root);
}

/** Where attempts are made: in this process, and by workers where there are nodes for those. */
async function sharedPlace(
  run: RunOfFlow,
  { place, ...own }: {
    place: CommandPlace;
    outputs: PrintedOutputs;
    isNeeded: (nodeId: string) => boolean;
  },
): Promise<CommandPlace | SharedPlace> {
  const { flow, runs, held, display } = run;
  const forWorkers = new Set(
    flow.nodes.filter((node) => isForWorkers(node, run)).map(({ id }) => id),
  );
  if (forWorkers.size === 0 || runs.queue === undefined) return place;
  const { SharedPlace, WorkerPlace } = await import("./work/worker_place.ts");
  const note = (text: string) => display.note(text);
  const workers = new WorkerPlace({ ...run, ...own, queue: runs.queue(held), note });
  return new SharedPlace(place, { workers, isForWorkers: (nodeId) => forWorkers.has(nodeId) });
}

/** What `show` tells of a run that has ended, and is not held any more; `lastSeq`: how many lines its log had. */
export async function reportOfEnd(
  { root, view, lastSeq = 0 }: { root: string; view: RunView; lastSeq?: number },
  { fold, bundle, logged }: RunFlowEnd,
): Promise<RunReport> {
  // Else somebody has written there too.
  const isAlone = await view.events.lastSeq() === lastSeq + logged;
  if (!isAlone) return await readRunReport({ root, view });
  return await reportOf({ root, view }, { fold, deferrals: deferralsOf(bundle), live: false });
}

/** The records of a new run. */
async function createRun(runs: RunsRoot, name: string): Promise<HeldRun> {
  try {
    return await runs.create({ about: { name } });
  } catch (cause) {
    throw new RecordingError("run", { of: "a new run", cause, hasBegun: false });
  }
}
