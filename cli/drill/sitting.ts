/**
 * One process of a drill: the run begins in it, or is gone on with. It is watched from outside: where it says
 * that it stands at its point it is cut off, and where it waits at a gate that gate is passed.
 */
import { isObject } from "../../_internal/errors.ts";
import { denoFilePort, readFileSync } from "../../_internal/file_port.ts";
import { join } from "../../_internal/path.ts";
import { DEFAULT_ROOT, drillPath, runPaths, runsDirectory } from "../../_internal/root_layout.ts";
import { decodeUtf8 } from "../../_internal/text.ts";
import { type DrillLine, drillVariable } from "../../run/drill_point.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import { openFileRoot } from "../../run/file_root/file_root.ts";
import { RunError } from "../../run/run_error.ts";
import { passGate } from "../../run/pass_gate.ts";
import { UsageError } from "../exit_codes.ts";
import { exists, isDirectory, lookAt, removeIfThere } from "../files.ts";
import { wait } from "../process/end_processes.ts";
import type { SignalTarget } from "../process/interrupts.ts";
import { failureMessageOf } from "../process/output_file.ts";
import { readProcesses } from "../process/process_log.ts";
import { killGroup, readStat } from "../process/processes.ts";
import { type CommandEnd, runCommand } from "../process/run_command.ts";
import { quoted } from "../text/printable.ts";
import type { Cut } from "./cuts.ts";
import type { Scratch } from "./scratch.ts";
import { type CommandToRun, findProgram } from "./subject.ts";

/** How processes of a drill are run. */
export interface SittingOptions {
  /** Where. */
  scratch: Scratch;
  /** The root of the run, where that is known; else it is looked for. */
  root: string | undefined;
  /** The answers for gates, each JSON or nothing. */
  passes: ReadonlyMap<string, { value?: unknown }>;
  /** The processes that signals of the terminal are passed on to. */
  commands: Set<SignalTarget>;
  /** Ends it, at once. */
  stop: AbortSignal;
  /** How long it may take at most, in milliseconds. */
  limitMs: number;
}

/** What came of a process. */
export interface Sitting {
  /** The run that it has begun, or gone on with; undefined where it has told of none. */
  run: { root: string; runId: string } | undefined;
  /** Whether it came to the point where it was to be cut off. */
  isReached: boolean;
  /** How it ended, in words. */
  how: string;
  /** How long it took, in milliseconds. */
  durationMs: number;
  /** The gates that were passed. */
  passed: ReadonlySet<string>;
}

const GRACE_MS = 1000;
const MOST_KEPT = 8 * 1024;
const FIRST_PAUSE_MS = 4;
const LONGEST_PAUSE_MS = 60;
const MOST_FILE_BYTES = 64 * 1024;

/**
 * Runs a process to its end, or up to where it is cut off.
 *
 * @throws {UsageError} If it waits at a gate for which there is no answer.
 */
export async function sit(
  { words, env }: CommandToRun,
  options: SittingOptions,
  cut?: Cut,
): Promise<Sitting> {
  const { scratch, stop, limitMs } = options;
  const cwd = scratch.cwd;
  const program = findProgram(words, cwd);
  if (options.root !== undefined) removeIfThere(drillPath(options.root));
  const watch = new Watch(options, cut);
  const limit = AbortSignal.timeout(limitMs);
  const end = AbortSignal.any([stop, limit, watch.failed]);
  const output = new Tail();
  const { nodeId = "", attempt = 0, point = "decided" } = cut ?? {};
  const ending = runCommand({
    program,
    args: words.slice(1),
    cwd,
    env: {
      ...scratch.env,
      ...drillVariable(cut && { nodeId, attempt, point }),
      ...env,
    },
    unset: "TAFFRAIL_RESUME" in env ? [] : ["TAFFRAIL_RESUME"],
    inheritsInput: false,
  }, {
    takeOutput: (chunk) => output.take(chunk),
    takeErrors: (chunk) => output.take(chunk),
    onSpawned: () => {},
    graceMs: GRACE_MS,
    stop: end,
    kill: end,
    commands: options.commands,
    endLeft: () => Promise.resolve(),
  });
  const [ended] = await Promise.all([ending.finally(() => watch.end()), watch.done]);
  watch.throwIfFailed();
  stop.throwIfAborted();
  const how = limit.aborted ? "it did not end in its time, and was ended" : endText(ended, output);
  return { ...watch.result, how, durationMs: ended.durationMs };
}

function endText({ code, signal }: CommandEnd, output: Tail): string {
  const how = signal === null ? `exit code ${code}` : signal;
  const said = output.text;
  return said === "" ? how : `${how}: ${said}`;
}

/** The end of what a process has printed. */
class Tail {
  #text = "";
  readonly #decoder = new TextDecoder();

  take(chunk: Uint8Array): void {
    this.#text = (this.#text + this.#decoder.decode(chunk, { stream: true })).slice(-MOST_KEPT);
  }

  /** Its last lines that are for people, as one. */
  get text(): string {
    const lines = failureMessageOf(this.#text).split("\n").map((line) => line.trim());
    return lines.filter((line) => line !== "" && !/^at .*:\d+\)?$/.test(line)).slice(-3).join("; ");
  }
}

/** Watches a process until it has ended. */
class Watch {
  /** Resolves when nothing is done any more. */
  readonly done: Promise<void>;
  readonly #options: SittingOptions;
  readonly #cut: Cut | undefined;
  readonly #over = new AbortController();
  readonly #halt = new AbortController();
  /** The gates at which it waits, as far as the journal was read, that were not passed here. */
  readonly #waiting = new Set<string>();
  readonly #passed = new Set<string>();
  #run: { root: string; runId: string } | undefined;
  #isReached = false;
  #failure: { error: unknown } | undefined;
  /** How far the journal was read. */
  #after: string | number = 0;

  constructor(options: SittingOptions, cut: Cut | undefined) {
    this.#options = options;
    this.#cut = cut;
    this.done = this.#watch();
  }

  /** Aborts when the process has to be ended, as nothing can come of it. */
  get failed(): AbortSignal {
    return this.#halt.signal;
  }

  /** What was seen. */
  get result(): Pick<Sitting, "run" | "isReached" | "passed"> {
    return { run: this.#run, isReached: this.#isReached, passed: this.#passed };
  }

  /** The process has ended. */
  end(): void {
    this.#over.abort();
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #watch(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    try {
      for (let isOver = false; !isOver;) {
        // What it said last is looked at when it has ended.
        isOver = this.#over.signal.aborted;
        const isAtPoint = this.#look();
        if (this.#run !== undefined && !isOver) await this.#passGates(this.#run);
        if (isAtPoint) this.#act();
        else if (!isOver) await wait(pauseMs, this.#over.signal);
        const isWaited = this.#cut !== undefined && !this.#isReached;
        pauseMs = Math.min(pauseMs * 2, isWaited ? FIRST_PAUSE_MS * 2 : LONGEST_PAUSE_MS);
      }
    } catch (error) {
      this.#failure = { error };
      this.#halt.abort();
    }
  }

  /** Whether it stands at a point. */
  #look(): boolean {
    const { scratch } = this.#options;
    const known = this.#run?.root ?? this.#options.root;
    // Looked at first: who may read the variable tells of a run before its journal begins.
    const fresh = scratch.isHere ? [scratch.root] : rootsNear(scratch);
    const hasBegun = known === undefined && fresh.some(hasRun);
    const root = known ?? findDrilledRoot(scratch);
    const lines = root === undefined ? [] : readLines(drillPath(root));
    if (hasBegun && root === undefined) this.#halt.abort();
    if (scratch.isHere && lines.length > 0 && root !== scratch.root) {
      removeIfThere(drillPath(root!));
      throw new UsageError(
        `Cannot drill here: it records in ${root}, where its own runs are; let it take its root ` +
          "from TAFFRAIL_ROOT, or drill a copy",
      );
    }
    const begun = lines.find((line) => "run_id" in line);
    if (begun !== undefined) this.#run = { root: root!, runId: begun.run_id };
    return lines.some((line) => "at" in line);
  }

  /** Cuts it off, once; whoever comes to the point again, as what is started anew by a script, goes on. */
  #act(): void {
    const cut = this.#cut!;
    const run = this.#run!;
    if (!this.#isReached) {
      this.#isReached = true;
      if (cut.kills !== "command") {
        for (const command of this.#options.commands) command.send("SIGKILL");
      }
      if (cut.kills !== "program") killCommandOf(run, cut);
    }
    removeIfThere(drillPath(run.root));
  }

  async #passGates({ root, runId }: { root: string; runId: string }): Promise<void> {
    await using runs = openFileRoot(root);
    const page = await runs.view(runId).lines("capture", { after: this.#after })
      .catch(() => undefined);
    if (page === undefined) return;
    this.#after = page.next;
    for (const { event } of page.events) {
      if (!isObject(event)) continue;
      if (event.type === "wait" && event.kind === "gate") this.#waiting.add(String(event.id));
      else if (event.type === "waited") this.#waiting.delete(String(event.id));
    }
    for (const gate of this.#waiting) {
      const answer = this.#options.passes.get(gate);
      if (answer === undefined) {
        throw new UsageError(
          `Cannot drill: it waits at the gate ${quoted(gate)}; say --pass ${gate}, or ` +
            `--pass ${gate}=JSON`,
        );
      }
      // Said again when the run is gone on with, it is the same message.
      await passGate(runs, runId, gate, { ...answer, by: "drill", op: `drill ${gate}` })
        .catch(ignoreCompleted);
      this.#passed.add(gate);
      this.#waiting.delete(gate);
    }
  }
}

/** It has passed the gate, as this was said before, and gone on to its end meanwhile. */
function ignoreCompleted(error: unknown): void {
  if (!(error instanceof RunError) || error.kind !== "stopped") throw error;
}

function killCommandOf(run: { root: string; runId: string }, cut: Cut): void {
  const recorded = readProcesses(run).get(attemptKey(cut));
  if (recorded === undefined) return;
  const { pid, startTime } = recorded;
  // Its number may be another's since it has ended.
  if (startTime !== undefined && readStat(pid)?.startTime !== startTime) return;
  try {
    killGroup(pid);
  } catch {
    // It has ended.
  }
}

function readLines(path: string): DrillLine[] {
  if (!exists(path)) return [];
  const text = decodeUtf8(readFileSync(denoFilePort, path, MOST_FILE_BYTES));
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  return whole.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** The root in which a program says that it is drilled: the given one, or one in the folder. */
function findDrilledRoot(scratch: Scratch): string | undefined {
  const found = rootsNear(scratch).find((path) => exists(drillPath(path)));
  return scratch.isHere ? found : found ?? findBelow(scratch.folder);
}

/** Where programs record most often. */
function rootsNear({ root, cwd, folder }: Scratch): string[] {
  return [root, join(cwd, DEFAULT_ROOT), join(folder, DEFAULT_ROOT)];
}

/** Whether a run was begun in a root. */
function hasRun(root: string): boolean {
  if (!isDirectory(runsDirectory(root))) return false;
  return Array.from(Deno.readDirSync(runsDirectory(root)))
    .some(({ name }) => (lookAt(runPaths(root, name).journal)?.size ?? 0) > 0);
}

const NEVER_ROOTS: ReadonlySet<string> = new Set([".git", "node_modules"]);

function findBelow(directory: string): string | undefined {
  if (exists(drillPath(directory))) return directory;
  try {
    for (const { name, isDirectory } of Deno.readDirSync(directory)) {
      const found = isDirectory && !NEVER_ROOTS.has(name) && findBelow(join(directory, name));
      if (found) return found;
    }
  } catch {
    // What it is just removing is no root.
  }
  return undefined;
}
