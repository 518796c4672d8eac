import { defined } from "../../_internal/errors.ts";
import { resolve } from "../files.ts";
import { outputPath, type OutputStream, runPaths } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import type { AttemptEnd, NodeAttempt } from "../../run/types.ts";
import type { AttemptRef, RunRequest, RunTermination } from "../../supervisor/types.ts";
import { RecordingError } from "../engine/errors.ts";
import type { AttemptPlace, PlacePorts, RunObserver } from "../engine/types.ts";
import { pathFor } from "../flow/find_programs.ts";
import { type Flow, type FlowNode, nodesById } from "../flow/flow.ts";
import { commandRecordOf, nodeAttemptOf } from "../flow/node_event.ts";
import { commandLine } from "../text/printable.ts";
import { endLeftOutside } from "./orphan_processes.ts";
import { hashOutput, OutputFile, readFailureMessage } from "./output_file.ts";
import type { TakeOutput } from "./output_pump.ts";
import { ownEntries, ownVariables } from "./marks.ts";
import { ProcessLog } from "./process_log.ts";
import { type Command, type CommandEnd, endWithinMs, runCommand } from "./run_command.ts";

/** What a {@linkcode CommandInvoker} works with. */
interface CommandInvokerOptions extends PlacePorts {
  /** The flow. */
  flow: Flow;
  /** The paths of the programs, by the ids of the nodes. */
  programs: ReadonlyMap<string, string>;
  /** The directory that holds the runs. */
  root: string;
  /** The run. */
  runId: string;
  /** Observes them. */
  observer: Pick<RunObserver, "nodeStarted" | "note">;
  /** How much of each output of a node is kept. */
  maxOutputBytes: number;
  /** The time between SIGTERM and SIGKILL, in milliseconds. */
  graceMs: number;
  /** Cuts the grace short. */
  kill: AbortSignal;
  /** Gets what a command prints as it comes; its standard input is then that of this process. */
  passThrough?: { output: TakeOutput; errors: TakeOutput };
}

/**
 * Makes an attempt at a node by running its command. Its begin is recorded here, before the supervisor
 * starts the deadline; its end is kept for whoever records that the supervisor has taken it.
 */
export class CommandInvoker implements AttemptPlace {
  /** The time within which a command is over once it is asked to end. */
  readonly endWithinMs: number;
  readonly #options: CommandInvokerOptions;
  readonly #nodes: ReadonlyMap<string, FlowNode>;
  readonly #processes: ProcessLog;
  /** The attempts whose begin was recorded and whose end nobody has taken. */
  readonly #begun = new Set<string>();
  /** What those of them print into that have not been started yet. */
  readonly #prepared = new Map<string, NodeAttempt & { files: [OutputFile, OutputFile] }>();
  readonly #ends = new Map<string, NodeAttempt & { end: AttemptEnd }>();
  /** The begins that are being recorded. */
  readonly #beginning = new Set<Promise<unknown>>();
  /** The commands that run. */
  readonly #running = new Set<Promise<unknown>>();
  readonly #note = (text: string) => this.#options.observer.note(text);

  constructor(options: CommandInvokerOptions) {
    this.#options = options;
    this.#nodes = nodesById(options.flow.nodes);
    this.#processes = new ProcessLog(options);
    this.endWithinMs = endWithinMs(options.graceMs);
  }

  /** Records the begin of an attempt. Where that fails, `run` starts nothing. */
  async beforeRun({ eventId, attempt }: AttemptRef): Promise<void> {
    const begin = this.#begin(nodeAttemptOf(eventId, attempt));
    await this.#orFatal(begin, { among: this.#beginning, otherwise: undefined });
  }

  /** Runs the command of a node, and resolves when nothing of it runs any more. */
  async run(request: RunRequest): Promise<RunTermination> {
    const attempt = nodeAttemptOf(request.eventId, request.attempt);
    const key = attemptKey(attempt);
    const prepared = this.#prepared.get(key);
    if (prepared === undefined) return "Aborted";
    this.#prepared.delete(key);
    const node = this.#runNode(attempt, request.signal, prepared.files);
    return await this.#orFatal(node, { among: this.#running, otherwise: "Aborted" });
  }

  /** How an attempt at a node ended; undefined when it was abandoned before it did. */
  takeEnd(attempt: NodeAttempt): AttemptEnd | undefined {
    const key = attemptKey(attempt);
    const known = this.#ends.get(key);
    this.#ends.delete(key);
    this.#begun.delete(key);
    finishFiles(this.#prepared.get(key)?.files ?? []);
    this.#prepared.delete(key);
    return known?.end;
  }

  /**
   * The ends that nobody has taken. An attempt that was begun and not run ends here; that includes one
   * whose begin is still being recorded, though nobody else waits for it any more.
   */
  async takeEnds(): Promise<(NodeAttempt & { end: AttemptEnd })[]> {
    await allSettled(this.#beginning);
    const unrun = [...this.#prepared.values()].map(({ nodeId, attempt, files }) => {
      finishFiles(files);
      return { nodeId, attempt, end: { termination: "Aborted", durationMs: 0 } as const };
    });
    const ends = [...this.#ends.values(), ...unrun];
    this.#ends.clear();
    this.#prepared.clear();
    for (const attempt of ends) this.#begun.delete(attemptKey(attempt));
    return ends;
  }

  /** Whether the begin of an attempt was recorded, and nobody has taken its end. */
  hasBegun(attempt: NodeAttempt): boolean {
    return this.#begun.has(attemptKey(attempt));
  }

  /** The same as when the attempt had ended, but for what only its process knew. */
  async readPastEnd(attempt: NodeAttempt, termination: RunTermination): Promise<AttemptEnd> {
    const run = this.#options;
    if (termination !== "Completed") {
      const path = outputPath(run, { ...attempt, stream: "err" });
      return { termination, message: readFailureMessage(path) };
    }
    const path = outputPath(run, { ...attempt, stream: "out" });
    const outputHash = await hashOutput(path).catch(() => undefined);
    return { termination, ...(outputHash !== undefined && { outputHash }) };
  }

  /** Resolves when nothing begins or runs any more. */
  async settled(): Promise<void> {
    await allSettled(this.#beginning);
    await allSettled(this.#running);
  }

  /** What comes of a part of an attempt; where that cannot be recorded the whole run ends. */
  async #orFatal<T>(
    part: Promise<T>,
    { among, otherwise }: { among: Set<Promise<unknown>>; otherwise: T },
  ): Promise<T> {
    among.add(part);
    try {
      return await part;
    } catch (error) {
      this.#options.onFatal(error);
      return otherwise;
    } finally {
      among.delete(part);
    }
  }

  async #begin({ nodeId, attempt }: NodeAttempt): Promise<void> {
    const { recorder, observer } = this.#options;
    const node = this.#nodes.get(nodeId)!;
    const files = this.#createFiles(nodeId, attempt);
    const begin = {
      nodeId,
      attempt,
      kind: "command",
      ...defined({ task: node.task }),
      name: commandLine(node.run),
      input: inputOf(node),
    } as const;
    await recorder.nodeStarted(begin).catch((error) => {
      finishFiles(files);
      throw error;
    });
    const key = attemptKey(begin);
    this.#begun.add(key);
    this.#prepared.set(key, { nodeId, attempt, files });
    observer.nodeStarted(node);
  }

  async #runNode(
    { nodeId, attempt }: NodeAttempt,
    signal: AbortSignal,
    files: [OutputFile, OutputFile],
  ): Promise<RunTermination> {
    const node = this.#nodes.get(nodeId)!;
    const { end, recordingError } = await this.#attempt(node, { attempt, signal }, files);
    const key = attemptKey({ nodeId, attempt });
    // The end of one that was abandoned is recorded already.
    if (this.#begun.has(key)) this.#ends.set(key, { nodeId, attempt, end });
    if (recordingError !== undefined) throw recordingError;
    return end.termination;
  }

  #createFiles(nodeId: string, attempt: number): [OutputFile, OutputFile] {
    const { root, runId, maxOutputBytes } = this.#options;
    const create = (stream: OutputStream) => {
      const path = outputPath({ root, runId }, { nodeId, attempt, stream });
      return new OutputFile(path, maxOutputBytes);
    };
    try {
      makeOwnDirectory(runPaths(root, runId).nodes);
      return [create("out"), create("err")];
    } catch (cause) {
      throw outputError(nodeId, cause);
    }
  }

  async #attempt(
    node: FlowNode,
    request: Pick<RunRequest, "attempt" | "signal">,
    files: [OutputFile, OutputFile],
  ): Promise<{ end: AttemptEnd; recordingError?: RecordingError }> {
    const { observer } = this.#options;
    let end: CommandEnd | undefined;
    let failure: unknown;
    try {
      end = await this.#runCommand(node, request, files);
    } catch (error) {
      failure = error;
    }
    const unfinished = finishFiles(files);
    if (failure instanceof RecordingError) throw failure;
    if (end === undefined) return { end: hostMissing(failure) };
    const lost = end.outputError ?? unfinished;
    if (lost !== undefined) return lostOutput(node, end, lost);
    if (end.leftProcesses) observer.note(`${node.id} left processes behind, which were ended`);
    if (end.leftOutputOpen) {
      observer.note(`${node.id} left a process behind that keeps its output open`);
    }
    try {
      return { end: await this.#endOf(end, request.signal, files) };
    } catch (cause) {
      return lostOutput(node, end, cause);
    }
  }

  async #endOf(
    end: CommandEnd,
    abort: AbortSignal,
    [out, err]: [OutputFile, OutputFile],
  ): Promise<AttemptEnd> {
    const { code, signal, durationMs } = end;
    const termination = this.#terminationOf(end, abort);
    const [outputHash, errorHash] = [await hashOutput(out.path), await hashOutput(err.path)];
    const recorded = { termination, durationMs, outputHash, errorHash };
    if (termination === "Completed") return { ...recorded, exitCode: code };
    const base = { ...recorded, message: readFailureMessage(err.path) };
    if (signal !== null) return { ...base, signal };
    return end.endedBy === undefined ? { ...base, exitCode: code } : base;
  }

  #terminationOf({ endedBy, code, signal }: CommandEnd, { reason }: AbortSignal): RunTermination {
    if (endedBy === "timeout") return "TimedOut";
    // The reason of a deadline is a TimeoutError.
    if (endedBy === "stop") return reason?.name === "TimeoutError" ? "TimedOut" : "Aborted";
    return code === 0 && signal === null ? "Completed" : { Failed: "RuntimeError" };
  }

  async #runCommand(
    node: FlowNode,
    request: Pick<RunRequest, "attempt" | "signal">,
    [outputFile, errorFile]: [OutputFile, OutputFile],
  ): Promise<CommandEnd> {
    const { graceMs, kill, passThrough } = this.#options;
    const attempt = { nodeId: node.id, attempt: request.attempt };
    return await runCommand(this.#command(node, request.attempt), {
      onSpawned: (pid) => this.#recordProcess(attempt, pid),
      takeOutput: recordInto(outputFile, passThrough?.output),
      takeErrors: recordInto(errorFile, passThrough?.errors),
      timeoutMs: node.timeoutMs,
      graceMs,
      stop: request.signal,
      kill,
      endLeft: () => endLeftOutside(attempt, { ...this.#options, note: this.#note }),
    });
  }

  /** What could not be found and ended after a kill of this process may not go on. */
  #recordProcess(attempt: NodeAttempt, pid: number): void {
    try {
      this.#processes.append(attempt, pid);
    } catch (cause) {
      throw new RecordingError("output", { of: `the process of node ${attempt.nodeId}`, cause });
    }
  }

  #command({ id, run, env, cwd }: FlowNode, attempt: number): Command {
    const { programs, root, runId, passThrough, graceMs } = this.#options;
    const mark = { root: resolve(root), runId, nodeId: id, attempt };
    const own = ownVariables(mark, { within: ownEntries(), graceMs });
    return {
      program: programs.get(id)!,
      args: run.slice(1),
      cwd,
      env: { ...env, PATH: pathFor(env.PATH), ...own },
      inheritsInput: passThrough !== undefined && !Deno.stdin.isTerminal(),
    };
  }
}

/** Resolves when the set is empty: what is in it takes itself out. */
async function allSettled(parts: ReadonlySet<Promise<unknown>>): Promise<void> {
  while (parts.size > 0) await Promise.allSettled(parts);
}

/** What the trace has of a command; its timeout is a matter of the flow. */
function inputOf(node: FlowNode): unknown {
  const { run, cwd, env } = commandRecordOf(node);
  return { run, cwd, env };
}

function recordInto(file: OutputFile, passOn?: TakeOutput): TakeOutput {
  return (chunk) => {
    file.write(chunk);
    return passOn?.(chunk);
  };
}

/** Makes the folder of the outputs; a link in its place could lead out of the root. */
function makeOwnDirectory(path: string): void {
  Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  if (Deno.lstatSync(path).isDirectory) return;
  throw new TypeError(`Cannot use ${path}: it is a symbolic link`);
}

/** Tells what went wrong with the first file that could not be finished. */
function finishFiles(files: OutputFile[]): unknown {
  let failure: unknown;
  for (const file of files) {
    try {
      file.finish();
    } catch (error) {
      failure ??= error;
    }
  }
  return failure;
}

function lostOutput(node: FlowNode, { durationMs }: CommandEnd, cause: unknown) {
  const recordingError = outputError(node.id, cause);
  const { message } = recordingError;
  const end: AttemptEnd = { termination: "Aborted", durationMs, message };
  return { end, recordingError };
}

function outputError(nodeId: string, cause: unknown): RecordingError {
  return new RecordingError("output", { of: `what node ${nodeId} prints`, cause });
}

/** The program was there a moment ago, and still the system refuses to start it. */
function hostMissing(error: unknown): AttemptEnd {
  const message = reasonOf(error);
  return { termination: { Failed: "AdapterUnavailable" }, durationMs: 0, message };
}
