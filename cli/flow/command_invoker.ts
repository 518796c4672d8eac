import { join, resolve } from "node:path";
import type { AttemptRequest, Flow, FlowNode, NodeInvoker, Termination } from "./flow.ts";
import { pathFor } from "./find_program.ts";
import { OutputFile } from "./output_file.ts";
import type { TakeOutput } from "./output_pump.ts";
import { outputPath } from "./output_path.ts";
import type { OwnVariable } from "./parse_flow.ts";
import { readOutputTail } from "./output_tail.ts";
import { RecordingError } from "./recording_error.ts";
import { type Command, type CommandEnd, runCommand } from "./run_command.ts";
import type { AttemptEnd, RunRecorder } from "./run_recorder.ts";

/** What a run tells whoever watches it. */
export interface RunView {
  /** The run has its id. */
  runStarted(runId: string): void;
  /** An attempt begins. */
  nodeStarted(node: FlowNode): void;
  /** An attempt has ended. */
  nodeEnded(node: FlowNode, end: AttemptEnd): void;
  /** Something that people should know. */
  note(text: string): void;
}

/** What a {@linkcode CommandInvoker} works with. */
export interface CommandInvokerOptions {
  /** The flow. */
  flow: Flow;
  /** The paths of the programs, by the ids of the nodes. */
  programs: ReadonlyMap<string, string>;
  /** The directory that holds the runs. */
  root: string;
  /** The run. */
  runId: string;
  /** Records the attempts. */
  recorder: RunRecorder;
  /** Shows them. */
  view: RunView;
  /** How much of each output of a node is kept. */
  maxOutputBytes: number;
  /** The time between SIGTERM and SIGKILL. */
  graceMs: number;
  /** Cuts the grace short. */
  hurry: AbortSignal;
  /** Gets what a command prints as it comes; its standard input is then that of this process. */
  passThrough?: { output: TakeOutput; errors: TakeOutput };
}

const MESSAGE_LINES = 20;
const MESSAGE_CHARACTERS = 2000;

/** Makes an attempt at a node by running its command, and records its begin and its end. */
export class CommandInvoker implements NodeInvoker {
  readonly #options: CommandInvokerOptions;

  constructor(options: CommandInvokerOptions) {
    this.#options = options;
  }

  /** Runs the command of a node, and resolves when nothing of it runs any more. */
  async run(request: AttemptRequest): Promise<Termination> {
    const { flow, recorder, view } = this.#options;
    const { nodeId, attempt } = request;
    const node = flow.nodes.find(({ id }) => id === nodeId)!;
    const files = this.#createFiles(nodeId, attempt);
    await recorder.nodeStarted(node, attempt);
    view.nodeStarted(node);
    const { end, recordingError } = await this.#attempt(node, request, files);
    await recorder.nodeEnded(node, attempt, end);
    view.nodeEnded(node, end);
    if (recordingError !== undefined) throw recordingError;
    return end.termination;
  }

  #createFiles(nodeId: string, attempt: number): [OutputFile, OutputFile] {
    const { root, runId, maxOutputBytes } = this.#options;
    const create = (stream: "out" | "err") => {
      const path = outputPath({ root, runId }, { nodeId, attempt, stream });
      return new OutputFile(path, maxOutputBytes);
    };
    try {
      Deno.mkdirSync(join(root, "runs", runId, "nodes"), { recursive: true, mode: 0o700 });
      return [create("out"), create("err")];
    } catch (cause) {
      throw outputError(nodeId, cause);
    }
  }

  async #attempt(
    node: FlowNode,
    request: AttemptRequest,
    files: [OutputFile, OutputFile],
  ): Promise<{ end: AttemptEnd; recordingError?: RecordingError }> {
    const { view } = this.#options;
    let end: CommandEnd | undefined;
    let failure: unknown;
    try {
      end = await this.#runCommand(node, request, files);
    } catch (error) {
      failure = error;
    }
    const unfinished = finishFiles(files);
    if (end === undefined) return { end: hostMissing(failure) };
    const lost = end.outputError ?? unfinished;
    if (lost !== undefined) {
      const recordingError = outputError(node.id, lost);
      const { durationMs } = end;
      const { message } = recordingError;
      return { end: { termination: "Aborted", durationMs, message }, recordingError };
    }
    if (end.leftProcesses) view.note(`${node.id} left processes behind, which were ended`);
    if (end.leftOutputOpen) {
      view.note(`${node.id} left a process behind that keeps its output open`);
    }
    return { end: attemptEnd(end, files[1].path) };
  }

  async #runCommand(
    node: FlowNode,
    request: AttemptRequest,
    [outputFile, errorFile]: [OutputFile, OutputFile],
  ): Promise<CommandEnd> {
    const { graceMs, hurry, passThrough } = this.#options;
    return await runCommand(this.#command(node, request.attempt), {
      takeOutput: recordInto(outputFile, passThrough?.output),
      takeErrors: recordInto(errorFile, passThrough?.errors),
      timeoutMs: node.timeoutMs,
      graceMs,
      stop: request.signal,
      hurry,
    });
  }

  #command({ id, run, env, cwd }: FlowNode, attempt: number): Command {
    const { programs, root, runId, passThrough } = this.#options;
    const own: Record<OwnVariable, string> = {
      TAFFRAIL_RUN_ID: runId,
      TAFFRAIL_NODE_ID: id,
      TAFFRAIL_ATTEMPT: String(attempt),
      TAFFRAIL_ROOT: resolve(root),
    };
    return {
      program: programs.get(id)!,
      args: run.slice(1),
      cwd,
      env: { ...env, PATH: pathFor(env.PATH), ...own },
      inheritsInput: passThrough !== undefined && !Deno.stdin.isTerminal(),
    };
  }
}

function recordInto(file: OutputFile, passOn?: TakeOutput): TakeOutput {
  return (chunk) => {
    file.write(chunk);
    return passOn?.(chunk);
  };
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

function outputError(nodeId: string, cause: unknown): RecordingError {
  return new RecordingError("output", { of: `what node ${nodeId} prints`, cause });
}

/** The program was there a moment ago, and still the system refuses to start it. */
function hostMissing(error: unknown): AttemptEnd {
  const message = error instanceof Error ? error.message : String(error);
  return { termination: { Failed: "AdapterUnavailable" }, durationMs: 0, message };
}

function attemptEnd(end: CommandEnd, errorPath: string): AttemptEnd {
  const { code, signal, durationMs } = end;
  const termination = terminationOf(end);
  if (termination === "Completed") return { termination, durationMs, exitCode: code };
  const message = readOutputTail(errorPath, MESSAGE_LINES).join("\n").slice(-MESSAGE_CHARACTERS);
  const base = { termination, durationMs, message };
  if (signal !== null) return { ...base, signal };
  return end.endedBy === undefined ? { ...base, exitCode: code } : base;
}

function terminationOf({ endedBy, code, signal }: CommandEnd): Termination {
  if (endedBy === "timeout") return "TimedOut";
  if (endedBy === "stop") return "Aborted";
  return code === 0 && signal === null ? "Completed" : { Failed: "RuntimeError" };
}
