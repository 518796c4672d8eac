/**
 * Begins the run of a program, or goes on with it. What is always true:
 *
 * - **Nothing is written before it is known that the run may be gone on with**: that nobody else works on it, and
 *   that it is of this program and version.
 * - Of two that open the same run at the same time one gets it, and the other one `live`.
 * - A program is asked for no permission beyond the files of its root.
 */
import { listenForEnd } from "../../_internal/ending_signals.ts";
import { defined, isObject } from "../../_internal/errors.ts";
import { requireDeno } from "../../_internal/file_port.ts";
import { isAbsolute } from "../../_internal/path.ts";
import { parseRunFile, runFileText } from "../../_internal/run_folder.ts";
import {
  absoluteRoot,
  DRILL_VARIABLE,
  partsOfRunId,
  runPaths,
} from "../../_internal/root_layout.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import { completeConstraints, type Constraints, limitsOf } from "../../_internal/constraints.ts";
import { lastRuntimeOf } from "../../capture/bundle/records.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import { RunFold } from "../../eventlog/derive_run_state.ts";
import type { ConstraintsInit } from "../../supervisor/types.ts";
import type { JournalHistory } from "../engine/journal_history.ts";
import { eventsOf } from "../engine/lifecycle.ts";
import { hasTelemetry } from "../engine/followed.ts";
import { RunEngine } from "../engine/run_engine.ts";
import type { RunFollower } from "../engine/types.ts";
import { readLogOf, type RunLog } from "../engine/run_log.ts";
import { openFileRoot } from "../file_root/file_root.ts";
import type { Drill } from "../drill_point.ts";
import { databaseOf, forgetRunToResume, grantedVariable, runToResume } from "../marks.ts";
import { checkOptions, constraintsOf, type OpenRunOptions } from "./program_options.ts";
import { asRunError, RunError, runError } from "../run_error.ts";
import { openTrace, type RunTrace } from "../run_trace.ts";
import type { HeldRun, RunAbout, RunsRoot, RunView } from "../types.ts";
import { Program } from "./program.ts";
import { describeStep } from "./submitted_work.ts";

/** What a program that says nothing of its version is. */
const NO_PROVENANCE = "none";

/** The run that a program wants. */
interface Wanted {
  runId: string;
  /** Whether it is there, or may have to be begun. */
  isThere: boolean;
  /** Whether it is gone on with only if it has not completed. */
  isOpenOnly: boolean;
}

/** Opens the run that the options name. */
export async function openProgram(options: OpenRunOptions): Promise<Program> {
  checkOptions(options);
  const { root: given } = options;
  await using own = new AsyncDisposableStack();
  const root = typeof given === "string" ? own.use(openFileRoot(absoluteRoot(given))) : given;
  const opening = new Opening(root, options);
  const wanted = await wantedRun(root, options);
  const program = wanted && await opening.open(wanted) || await opening.begin();
  program.parts.opened.use(own.move());
  return program;
}

/** The run that is to be gone on with, if there is one; undefined for a new one. */
async function wantedRun(root: RunsRoot, options: OpenRunOptions): Promise<Wanted | undefined> {
  const { runId, name, resume } = options;
  const told = await toldRun(root, options);
  if (told !== undefined) return { runId: told, isThere: true, isOpenOnly: runId === undefined };
  if (runId !== undefined) return { runId, isThere: false, isOpenOnly: false };
  if (resume === undefined) return undefined;
  const newest = await newestRun(root, name);
  return newest === undefined ? undefined : { runId: newest, isThere: true, isOpenOnly: true };
}

/** The run that `taffrail resume` has this program go on with, if it is one of this name: for the first that asks. */
async function toldRun(root: RunsRoot, options: OpenRunOptions): Promise<string | undefined> {
  const told = runToResume();
  if (told === undefined || !isSameRoot(told.root, root.name)) return undefined;
  const { runId } = told;
  if (options.runId !== undefined && options.runId !== runId) return undefined;
  const about = await root.view(runId).document("run.json");
  if (about === undefined || nameIn(about) !== options.name) return undefined;
  forgetRunToResume();
  return runId;
}

/** A root may have several paths, where it is behind a link, and a database a URL for each user and name of its server. */
function isSameRoot(told: string, own: string): boolean {
  if (told === own) return true;
  const database = databaseOf(own);
  if (database !== undefined) return databaseOf(told) === database;
  const { permissions, realPathSync } = requireDeno();
  const isOwnPath = isAbsolute(own) && [told, own].every((path) => {
    return permissions.querySync({ name: "read", path }).state === "granted";
  });
  try {
    return isOwnPath && realPathSync(told) === realPathSync(own);
  } catch {
    return false;
  }
}

function nameIn(document: Uint8Array): unknown {
  try {
    return parseRunFile(document).name;
  } catch {
    return undefined;
  }
}

/** The newest run of a name whose id was not chosen, and that is none of a flow. */
async function newestRun(root: RunsRoot, name: string): Promise<string | undefined> {
  let after: string | undefined;
  do {
    const page = await root.list({
      prefix: `${name}-`,
      newestFirst: true,
      limit: 10,
      ...defined({ after }),
    });
    for (const { runId } of page.runs) {
      if (partsOfRunId(runId)?.name !== name) continue;
      if (await root.view(runId).document("flow.json") === undefined) return runId;
    }
    after = page.next;
  } while (after !== undefined);
  return undefined;
}

/** The run has completed: its recording is all that is left to give. */
class CompletedRun extends Error {
  constructor(readonly history: JournalHistory) {
    super("Cannot go on with a run that has completed");
  }
}

/** Opens a run for a program. */
class Opening {
  readonly #root: RunsRoot;
  readonly #options: OpenRunOptions;

  constructor(root: RunsRoot, options: OpenRunOptions) {
    this.#root = root;
    this.#options = options;
  }

  /** Begins a new run. */
  async begin(): Promise<Program> {
    await using own = new AsyncDisposableStack();
    const held = own.use(await this.#root.create({ about: this.#about() }));
    return await this.#beginIn(held, { fold: new RunFold(), lostLines: 0, own });
  }

  /** Opens a run that may be there; undefined when it is not to be gone on with. */
  async open({ runId, isThere, isOpenOnly }: Wanted): Promise<Program | undefined> {
    try {
      await using own = new AsyncDisposableStack();
      const held = own.use(
        isThere ? await this.#root.hold(runId) : await this.#holdOrCreate(runId),
      );
      const { view } = held;
      await this.#refuseFlow(view);
      const log = await readLogOf(view);
      const header = await headerOf(held);
      if ("lostLines" in header) {
        this.#refuseWithoutJournal(held, log);
        await this.#nameRun(held);
        return await this.#beginIn(held, { fold: log.fold, ...header, own });
      }
      try {
        return await this.#goOnIn(held, { header, log, own });
      } catch (error) {
        if (!(error instanceof CompletedRun)) throw error;
        if (isOpenOnly) return undefined;
        // Nothing is to be lost any more: signals do what they do.
        const { signal = new AbortController().signal } = this.#options;
        const program = this.#programOf(view, log.fold, signal);
        this.#tellRest(runId, error.history, log.fold);
        program.open(undefined, error.history);
        return program;
      }
    } catch (error) {
      const { signal } = this.#options;
      if (signal?.aborted && error === signal.reason) throw error;
      throw asRunError(error, { runId, path: this.#root.name });
    }
  }

  /** Whoever has made the folder may have been killed before the run had its name. */
  async #nameRun(held: HeldRun): Promise<void> {
    const { view } = held;
    const about = await view.document("run.json");
    if (about !== undefined) return this.#checkName(held, nameIn(about));
    const facts = { ...this.#about(), created_at: new Date().toISOString() };
    await held.putDocument("run.json", encodeUtf8(runFileText(view.runId, facts)));
  }

  /** A run has completed by its journal: what its log lacks of that is as true. */
  #tellRest(runId: string, history: JournalHistory, fold: RunFold): void {
    const telling = { name: this.#options.name, nodes: [], describe: describeStep };
    const bodies = history.untoldEvents(telling);
    for (const event of eventsOf(bodies, { runId, after: fold.lastEventId })) {
      fold.take(event);
    }
  }

  /** Of two who come at the same time one creates it, and one of them holds it. */
  async #holdOrCreate(runId: string): Promise<HeldRun> {
    try {
      return await this.#root.create({ about: this.#about(), runId });
    } catch (error) {
      if (!(error instanceof RunError) || error.kind !== "exists") throw error;
      return await this.#root.hold(runId);
    }
  }

  #about(): RunAbout {
    const { name, version, command } = this.#options;
    const cwd = command === undefined ? undefined : ownFolder();
    return { name, ...defined({ cwd, version, command }) };
  }

  async #beginIn(
    held: HeldRun,
    { fold, lostLines, own }: LostBeginning & { fold: RunFold; own: AsyncDisposableStack },
  ): Promise<Program> {
    const constraints = constraintsOf(this.#options);
    const { program, followers, engineOptions } = await this.#prepare(held, {
      fold,
      constraints,
      own,
    });
    program.open({ engine: RunEngine.begin(engineOptions, lostLines), followers }, undefined);
    program.parts.opened.use(own.move());
    return program;
  }

  async #goOnIn(
    held: HeldRun,
    { header, log: { fold, damaged }, own }: {
      header: SessionHeader;
      log: RunLog;
      own: AsyncDisposableStack;
    },
  ): Promise<Program> {
    this.#checkName(held, header.graph_id);
    const constraints = limitsOf(header.config);
    const { program, followers, engineOptions } = await this.#prepare(held, {
      fold,
      constraints,
      own,
    });
    const changed = this.#changed(constraints);
    const { engine, history } = await RunEngine.goOn(engineOptions, {
      onHistory: (history, { bundle }) => {
        const version = lastRuntimeOf(bundle);
        if (version !== this.#provenance) {
          this.#checkVersion(held, version);
          changed.push("version");
        }
        if (history.ended?.state === "Completed") throw new CompletedRun(history);
      },
      // Its functions have died with it, and what they have started is the system's own to end.
      endLeftovers: () => Promise.resolve(),
      damaged,
      changed,
    });
    program.open({ engine, followers }, history);
    program.parts.opened.use(own.move());
    return program;
  }

  async #prepare(
    held: HeldRun,
    { fold, constraints, own }: {
      fold: RunFold;
      constraints: ConstraintsInit;
      own: AsyncDisposableStack;
    },
  ) {
    const { signal } = this.#options;
    const stop = own.use(new StopSignals(held.view.runId));
    const stops = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const program = this.#programOf(held.view, fold, stops);
    const trace = this.#traceOf(held, own);
    const spans = await this.#spansOf(held, fold);
    const followers: RunFollower[] = [trace, spans].filter((one) => one !== undefined);
    const engineOptions = program.engineOptions(held, {
      constraints,
      runtimeProvenance: this.#provenance,
      followers,
    });
    const drill = await this.#drillOf(held);
    // Signals are for programs of this machine.
    const hearing = isAbsolute(this.#root.name)
      ? {}
      : { onStopAsked: (signal: Deno.Signal) => stop.by(signal) };
    return { program, followers, engineOptions: { ...engineOptions, ...hearing, ...drill } };
  }

  /** Nobody else loads anything for it. */
  async #spansOf({ view: { runId } }: HeldRun, fold: RunFold): Promise<RunFollower | undefined> {
    if (!hasTelemetry()) return undefined;
    const { spansOfProcess } = await import("../spans/run_spans.ts");
    return spansOfProcess({ runId, name: this.#options.name, fold });
  }

  /** Nobody else loads anything for it. */
  async #drillOf({ view: { runId } }: HeldRun): Promise<Drill | undefined> {
    const { name: root } = this.#root;
    if (grantedVariable(DRILL_VARIABLE) === undefined || !isAbsolute(root)) return undefined;
    return (await import("../drill_point.ts")).takeDrill({ root, runId });
  }

  #programOf(view: RunView, fold: RunFold, stop: AbortSignal): Program {
    const { name, invoker, durability = "os", accept, retryFailed } = this.#options;
    const opened = new AsyncDisposableStack();
    const root = this.#root.name;
    return new Program({
      ...{ view, root, name, invoker, durability, accept, retryFailed, fold, stop, opened },
    });
  }

  /** The trace is a file of this machine. */
  #traceOf({ view: { runId } }: HeldRun, own: AsyncDisposableStack): RunTrace | undefined {
    const { name: root } = this.#root;
    if (!isAbsolute(root)) return undefined;
    const path = runPaths(root, runId).trace;
    return own.use(openTrace({ ...this.#options, path, runId, onSignal: "none" })).trace;
  }

  /** What stands for the program in the recording. */
  get #provenance(): string {
    const { runtimeProvenance, version } = this.#options;
    return runtimeProvenance ?? version ?? NO_PROVENANCE;
  }

  async #refuseFlow(view: RunView): Promise<void> {
    if (await view.document("flow.json") === undefined) return;
    const { runId } = view;
    const problem = `Cannot go on with the run ${runId}: it is one of a flow, and not of a program`;
    const remedy = `choose another runId, or go on with the flow by taffrail resume ${runId}`;
    throw runError("mismatch", problem, { details: { runId }, remedy });
  }

  /** What a log tells is on disk in the journal before: begun anew, its work would be done twice. */
  #refuseWithoutJournal({ view: { runId } }: HeldRun, { lastSeq }: RunLog): void {
    if (lastSeq === 0) return;
    const problem = `Cannot go on with the run ${runId}: its log has ${lastSeq} lines, and its ` +
      "journal none";
    const remedy = "choose another runId, or restore its capture.jsonl from a copy";
    throw runError("damaged", problem, { details: { runId }, remedy });
  }

  #checkName({ view: { runId } }: HeldRun, name: unknown): void {
    if (name === this.#options.name) return;
    const problem = `Cannot go on with the run ${runId}: it is one of ${JSON.stringify(name)}, ` +
      `and not of ${JSON.stringify(this.#options.name)}`;
    const details = { runId, expected: name, actual: this.#options.name };
    throw runError("mismatch", problem, { details, remedy: "choose another runId" });
  }

  #checkVersion({ view: { runId } }: HeldRun, recorded: string): void {
    const { accept } = this.#options;
    if (accept === true || accept?.includes("version")) return;
    const now = this.#provenance;
    const problem = `Cannot go on with the run ${runId}: version ${JSON.stringify(recorded)} has ` +
      `recorded it, and this is version ${JSON.stringify(now)}`;
    throw runError("mismatch", problem, {
      details: { runId, expected: recorded, actual: now },
      remedy: `start that version, or accept: ["version"] to go on with this one`,
    });
  }

  /** What is not as it was recorded, and is not used. */
  #changed(recorded: Constraints): string[] {
    if (this.#options.constraints === undefined) return [];
    const given = JSON.stringify(completeConstraints(constraintsOf(this.#options)));
    return given === JSON.stringify(completeConstraints(recorded)) ? [] : ["constraints"];
  }
}

/** What the first line of a journal says of its session. */
interface SessionHeader {
  graph_id: string;
  config: Constraints;
}

/** Lines of a journal that were not on disk when its first session ended, so that nobody was told of them. */
interface LostBeginning {
  /** How many. */
  lostLines: number;
}

/** What a run was begun with, or what is left where that was not on disk yet. */
async function headerOf({ view }: HeldRun): Promise<SessionHeader | LostBeginning> {
  const { events } = await view.lines("capture", { limit: 1 });
  const header = events[0]?.event;
  if (isObject(header) && header.type === "session" && isObject(header.config)) {
    return header as unknown as SessionHeader;
  }
  try {
    const { bundle: { graph_id, config } } = await recoverCapture(view.raw("capture"));
    return { graph_id, config };
  } catch (error) {
    if (!(error instanceof CaptureJournalError) || !error.details.lost) throw error;
    return { lostLines: error.details.lines! };
  }
}

/** Where the program was started, if it may know. */
function ownFolder(): string | undefined {
  const { permissions, cwd } = requireDeno();
  const { state } = permissions.querySync({ name: "read", path: "." });
  return state === "granted" ? cwd() : undefined;
}

/** Stops a run at the first signal that asks its program to end; the next one does what it does by itself. */
class StopSignals implements Disposable {
  readonly #runId: string;
  readonly #stop = new AbortController();
  readonly #listening: Disposable;

  constructor(runId: string) {
    this.#runId = runId;
    this.#listening = listenForEnd((signal) => {
      this[Symbol.dispose]();
      this.by(signal);
    });
  }

  /** Stops it as by this signal, whoever says so. */
  by(signal: Deno.Signal): void {
    const runId = this.#runId;
    const problem = `The run ${runId} was stopped by ${signal}`;
    const remedy = "start the program again to go on with it";
    const error = runError("stopped", problem, { details: { runId, signal }, remedy });
    this.#stop.abort(error);
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
  }
}
