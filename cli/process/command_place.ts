/**
 * Makes the attempts at the nodes of a flow, by running their commands.
 *
 * - A command is started before `run` returns, and `run` resolves when nothing of it runs any more.
 * - Outputs and processes are recorded through the held run alone, never by a path; what cannot be recorded
 *   ends the command, and the run of it rejects.
 * - A command that prints nothing makes no output, no file and no timer.
 */
import { defined } from "../../_internal/errors.ts";
import type { FlowNode } from "../flow/flow.ts";
import { type NoProgram, pathFor } from "../flow/find_programs.ts";
import type { TraceParent } from "../../run/attempt_queue.ts";
import type {
  AttemptEnd,
  AttemptPlace,
  AttemptRequest,
  HeldRun,
  NodeAttempt,
} from "../../run/types.ts";
import type { RunTermination } from "../../supervisor/types.ts";
import { RecordingError } from "../engine/errors.ts";
import { isOfFiles } from "../reading/open_root.ts";
import { AttemptOutput } from "./attempt_output.ts";
import { NotStartedError } from "./cannot_run.ts";
import type { SignalTarget } from "./interrupts.ts";
import { ownEntries, ownVariables, TRACE_VARIABLES, traceVariables } from "../../run/marks.ts";
import { endLeftOutside } from "./orphan_processes.ts";
import type { PassedOutput } from "./output_pump.ts";
import type { PrintedOutputs } from "./printed_outputs.ts";
import type { SecretMask } from "./secret_mask.ts";
import { ProcessLines } from "./process_log.ts";
import { colourVariables, type SharedTerminal } from "./shared_terminal.ts";
import { type Command, type CommandEnd, endWithinMs, runCommand } from "./run_command.ts";

/** What a {@linkcode CommandPlace} works with. */
export interface CommandPlaceOptions {
  /** Keeps what the commands print, and which processes they are. */
  held: Pick<HeldRun, "append" | "openOutput">;
  /** The nodes, by their ids. */
  nodes: ReadonlyMap<string, FlowNode>;
  /** Takes what is secret out of what is kept; undefined where nothing is. */
  mask?: SecretMask | undefined;
  /** The path of the program of a node that starts, or why there is none. */
  findProgram: (node: FlowNode) => string | NoProgram;
  /** The name of the root, an absolute path or a URL; processes are told apart by it. */
  root: string;
  /** The run. */
  runId: string;
  /** How much of each output of a node is kept. */
  maxOutputBytes: number;
  /** The time between what asks a command to end and SIGKILL, in milliseconds. */
  graceMs: number;
  /** Cuts the grace short. */
  kill: AbortSignal;
  /** The commands that run, to which signals are passed on. */
  commands?: Set<SignalTarget>;
  /** The terminal that the command shares: there may be only one. */
  terminal?: SharedTerminal | undefined;
  /** Whether the standard input of this process, unless that is a terminal, is that of the commands. */
  givesInput?: boolean;
  /** Gets what a command prints as it comes. */
  passThrough?: Pick<PassedOutput, "to" | "isRaw"> | undefined;
  /** Told what people should know. */
  note: (text: string) => void;
  /** What others have printed; a command that is run again alone finds nothing of it. */
  outputs?: Pick<PrintedOutputs, "check" | "variablesOf" | "add">;
  /** Whether others need what a node prints: then that is on disk before its attempt ends. */
  isNeeded: (nodeId: string) => boolean;
}

/** What opens a root in a database is not for what runs there; a flow may give its commands their own. */
export const PASSWORD_VARIABLES: readonly string[] = ["PGPASSWORD", "PGPASSFILE"];

/** Makes an attempt at a node by running its command. */
export class CommandPlace implements AttemptPlace {
  /** The time within which a command is over once it is asked to end. */
  readonly endWithinMs: number;
  readonly #options: CommandPlaceOptions;
  /** What commands do not get of the environment of this process. */
  readonly #kept: readonly string[];
  readonly #processes: ProcessLines;
  readonly #entries = ownEntries();
  readonly #defaultPath = pathFor(undefined);
  readonly #inheritsInput: boolean;
  readonly #mask: SecretMask | undefined;
  #hasRun = false;

  constructor(options: CommandPlaceOptions) {
    this.#options = options;
    this.#mask = options.mask;
    this.#kept = isOfFiles(options.root) ? [] : PASSWORD_VARIABLES;
    this.#processes = new ProcessLines(options.root);
    // Of several only one could read what is typed, and without the terminal none can.
    this.#inheritsInput = options.terminal !== undefined ||
      (options.givesInput === true && !Deno.stdin.isTerminal());
    this.endWithinMs = endWithinMs(options.graceMs);
  }

  /**
   * Runs the command of a node.
   *
   * @throws {RecordingError} If what happens cannot be recorded; nothing of the command runs any more.
   */
  async run({ nodeId, attempt, signal, trace }: AttemptRequest): Promise<AttemptEnd> {
    const damage = this.#options.outputs?.check(this.#options.nodes.get(nodeId)!);
    // A command starts before this returns, unless something has to be looked at before.
    const problem = damage && await damage;
    if (signal.aborted) return { termination: abortedBy(signal), end: { begun: false } };
    if (problem !== undefined) {
      const error = { message: problem, kind: "damaged" };
      return { termination: { Failed: "ValidationFailed" }, end: { duration_ms: 0, error } };
    }
    const { held, nodes, maxOutputBytes: maxBytes, passThrough, graceMs, kill, commands } =
      this.#options;
    const of = { nodeId, attempt };
    const [output, errors] = (["out", "err"] as const).map((stream) => {
      const passOn = passThrough?.to({ ...of, stream });
      const mask = this.#mask?.stream();
      // What is the command's own goes through as it is; what is shown of it is not to show more than is kept.
      const passesKept = !passThrough?.isRaw;
      return new AttemptOutput({ held, of: { ...of, stream }, maxBytes, mask, passOn, passesKept });
    }) as [AttemptOutput, AttemptOutput];
    this.#hasRun = true;
    let end: CommandEnd;
    try {
      end = await runCommand(this.#command(of, trace), {
        onSpawned: (pid) => this.#record(of, pid),
        takeOutput: output.take,
        takeErrors: errors.take,
        timeoutMs: nodes.get(nodeId)!.timeoutMs,
        graceMs,
        stop: signal,
        kill,
        commands,
        endLeft: () => this.#endLeftOutside(of),
      });
    } catch (error) {
      if (error instanceof NotStartedError) {
        const { termination, record } = error;
        const message = this.#mask?.text(record.message) ?? record.message;
        return { termination, end: { duration_ms: 0, error: { ...record, message } } };
      }
      await Promise.allSettled([output.close(), errors.close()]);
      throw error;
    }
    this.#tellLeft(nodeId, end);
    const { retry } = nodes.get(nodeId)!;
    const termination = terminationOf(end, { stop: signal, notOn: retry?.notOn ?? [] });
    return await this.#endOf(of, { end, termination, output, errors });
  }

  /**
   * Ends what the whole run has left, when nothing of it is to run any more: what a command that ended well
   * has left in a session of its own is looked for only then, as each look reads of every process there is.
   */
  async endLeft(): Promise<void> {
    if (this.#hasRun) await this.#endLeftOutside("wholeRun");
  }

  async #endLeftOutside(attempt: NodeAttempt | "wholeRun"): Promise<void> {
    await endLeftOutside(attempt, { ...this.#options, rootIdentity: this.#processes.root });
  }

  /** What could not be found and ended after a kill of this process may not go on. */
  async #record(attempt: NodeAttempt, pid: number): Promise<void> {
    try {
      await this.#options.held.append({ processes: [this.#processes.encode(attempt, pid)] });
    } catch (cause) {
      throw new RecordingError("output", { of: `the process of node ${attempt.nodeId}`, cause });
    }
  }

  #tellLeft(nodeId: string, { leftProcesses, leftOutputOpen }: CommandEnd): void {
    const { note } = this.#options;
    if (leftProcesses) note(`${nodeId} left processes behind, which were ended`);
    if (leftOutputOpen) note(`${nodeId} left a process behind that keeps its output open`);
  }

  /** What is recorded of an end, when all that was printed is kept. */
  async #endOf(of: NodeAttempt, ended: Ended): Promise<AttemptEnd> {
    const { nodeId } = of;
    const { end: { code, signal, endedBy, durationMs, outputError }, termination } = ended;
    const { output, errors } = ended;
    try {
      const sync = this.#options.isNeeded(nodeId);
      const [kept, keptErrors] = await Promise.all([output.close({ sync }), errors.close()]);
      if (outputError !== undefined) throw outputError;
      this.#options.outputs?.add(of, { ...kept, isMasked: output.isMasked });
      const message = termination === "Completed" ? "" : errors.failureMessage;
      const how = signal !== null ? { signal } : { exit_code: code };
      const printed = this.#options.terminal?.leavesOutput ? { terminal: true } as const : {
        output_hash: kept.hash,
        error_hash: keptErrors.hash,
        ...defined({ output_cut: kept.cut, error_cut: keptErrors.cut }),
        ...(output.isMasked && { output_masked: true as const }),
      };
      const end = {
        ...(signal !== null || endedBy === undefined ? how : {}),
        duration_ms: durationMs,
        ...printed,
        ...(message !== "" && { error: { message } }),
      };
      return { termination, end };
    } catch (cause) {
      throw new RecordingError("output", { of: `what node ${nodeId} prints`, cause });
    }
  }

  #command({ nodeId, attempt }: NodeAttempt, trace: TraceParent | undefined): Command {
    const { nodes, findProgram, root, runId, graceMs, outputs, note, terminal, passThrough } =
      this.#options;
    const node = nodes.get(nodeId)!;
    const { run, env, cwd } = node;
    const program = findProgram(node);
    if (typeof program !== "string") throw NotStartedError.notFound(run[0]!, program);
    const mark = { root, runId, nodeId, attempt };
    const printed = outputs?.variablesOf(node);
    for (const text of printed?.notes ?? []) note(text);
    const path = env.PATH === undefined ? this.#defaultPath : pathFor(env.PATH);
    const marks = { ...ownVariables(mark, this.#entries), TAFFRAIL_GRACE_MS: String(graceMs) };
    const colours = passThrough?.isRaw && !terminal?.leavesOutput ? colourVariables(env) : {};
    // A flow may say itself of which span its commands are a part.
    const own = trace === undefined || "TRACEPARENT" in env ? undefined : trace;
    const traced = traceVariables(own);
    // What this process is a part of is not that of which the command is one.
    const stale = own === undefined ? [] : TRACE_VARIABLES.filter((name) => !(name in traced));
    return {
      program,
      args: run.slice(1),
      cwd,
      env: { ...colours, ...traced, ...env, ...printed?.env, PATH: path, ...marks },
      unset: [...this.#kept, ...printed?.unset ?? [], ...stale],
      inheritsInput: this.#inheritsInput,
      terminal,
    };
  }
}

/** How a command ended, and what it printed. */
interface Ended {
  end: CommandEnd;
  termination: RunTermination;
  output: AttemptOutput;
  errors: AttemptOutput;
}

/** `notOn`: the exit codes that say that trying again is of no use. */
function terminationOf(
  { endedBy, code, signal }: CommandEnd,
  { stop, notOn }: { stop: AbortSignal; notOn: readonly number[] },
): RunTermination {
  if (endedBy === "timeout") return "TimedOut";
  if (endedBy === "stop") return abortedBy(stop);
  if (code === 0 && signal === null) return "Completed";
  return { Failed: signal === null && notOn.includes(code) ? "SemanticError" : "RuntimeError" };
}

/** The reason of a deadline is a TimeoutError. */
function abortedBy({ reason }: AbortSignal): RunTermination {
  return reason?.name === "TimeoutError" ? "TimedOut" : "Aborted";
}
