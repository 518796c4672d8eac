import { delimiter, isAbsolute, isDirectory, lookAt, resolve } from "../files.ts";
import { basename, dirname, isWindows } from "../../_internal/path.ts";
import { ProgramError, UsageError } from "../exit_codes.ts";
import { fitTo, quoted } from "../text/printable.ts";
import { type Flow, type FlowNode, makeNode } from "./flow.ts";
import { findTask, TaskFiles } from "./task_files.ts";

/** A path may be longer than any system takes. */
const LONGEST_MESSAGE = 8192;

/**
 * Finds the programs of nodes. What earlier nodes may make, a program, a folder or a task, is looked for when
 * its node starts; the others are looked for before anything is recorded, so that a flow that cannot run does
 * not begin to.
 */
export class Programs {
  readonly #path: string | undefined;
  /** Many nodes run the same program, or tasks of the same file. */
  readonly #found = new Map<string, string>();
  #taskFiles = new TaskFiles();

  /** `path`: that of the flow file, for messages. */
  constructor({ path }: Pick<Flow, "path"> = {}) {
    this.#path = path;
  }

  /**
   * Looks for the programs of the nodes that need no others.
   *
   * @throws {UsageError} Its message names the node and what to do.
   */
  check(nodes: readonly FlowNode[]): this {
    for (const node of nodes) {
      if (node.needs.length > 0 || node.run.length === 0) continue;
      const found = this.#look(node);
      if (typeof found === "string") continue;
      const subject = this.#path === undefined
        ? ""
        : ` ${this.#path}: node ${quoted(node.id)} runs`;
      const message = fitTo(`Cannot run${subject} ${found.problem}`, LONGEST_MESSAGE);
      const { isThere } = found;
      throw isThere === undefined
        ? new UsageError(message)
        : new ProgramError(message, { isThere });
    }
    return this;
  }

  /** The path of the program of a node that starts now; or why there is none, as a sentence. */
  find(node: FlowNode): string | NoProgram {
    if (node.needs.length > 0) {
      this.#found.clear();
      this.#taskFiles = new TaskFiles();
    }
    try {
      const found = this.#look(node);
      if (typeof found === "string") return found;
      return { ...found, problem: fitTo(`Cannot run ${found.problem}`, LONGEST_MESSAGE) };
    } catch (error) {
      if (error instanceof UsageError) return { problem: error.message };
      throw error;
    }
  }

  #look({ run, task, taskText, env, cwd }: FlowNode): string | NoProgram {
    const [name] = run as [string];
    const what = task === undefined ? quoted(name) : `the task ${quoted(task)}`;
    const because = (problem: string) => ({ problem: `${what}, ${problem}` });
    if (!isDirectory(cwd)) return because(`but in the cwd ${cwd}, which is no directory`);
    if (task !== undefined) {
      // A task is looked for as Deno will: a flow with one that is not there does not begin to run.
      const known = taskText === undefined && findTask(task, this.#taskFiles.for(cwd));
      if (known && "problem" in known) return because(known.problem);
      // An executable that deno compile made cannot stand for deno.
      if (!Deno.build.standalone) return Deno.execPath();
    }
    const found = this.#findOnce(name, { cwd, path: pathFor(env.PATH) });
    if (typeof found === "string") return found;
    return {
      ...found,
      ...because(`${task === undefined ? "which" : "but deno"} ${found.problem}`),
    };
  }

  #findOnce(name: string, place: ProgramPlace): string | NoProgram {
    const key = JSON.stringify([name, place]);
    const program = this.#found.get(key) ?? findProgram(name, place);
    if (typeof program === "string") this.#found.set(key, program);
    return program;
  }
}

/** The path of the program of a command that stands alone; or why there is none, as a sentence. */
export function findCommand(words: readonly string[], cwd: string): string | NoProgram {
  return new Programs().find(makeNode({ id: "command", run: [...words], cwd }));
}

/** Where a program is looked for. */
interface ProgramPlace {
  /** The directory that the program will run in. */
  cwd: string;
  /** The directories to search, as the variable PATH has them. */
  path: string;
}

/**
 * The PATH that a command gets: its own or that of this process, and last the directory of the
 * running executable, so that a command can call `deno` where deno came from elsewhere, as with
 * `npx deno`.
 */
export function pathFor(own: string | undefined): string {
  const path = own ?? Deno.env.get("PATH");
  const directory = dirname(Deno.execPath());
  return path === undefined || path === "" ? directory : `${path}${delimiter}${directory}`;
}

/** Why a program cannot be run, in words. */
export interface NoProgram {
  problem: string;
  /** Whether something is there that cannot be executed; undefined where it was not looked for. */
  isThere?: boolean;
}

/** Finds a program as the system would. */
function findProgram(name: string, place: ProgramPlace): string | NoProgram {
  const isPath = name.includes("/") || (isWindows && name.includes("\\")) || isAbsolute(name);
  if (isPath) {
    const path = resolve(place.cwd, name);
    return firstProgram([path]) ?? problemOf(path);
  }
  const directories = place.path.split(delimiter).map((entry) => resolve(place.cwd, entry));
  const candidates = directories.map((directory) => resolve(directory, name));
  const found = firstProgram(candidates);
  if (found !== undefined) return found;
  const file = candidates.find((path) => lookAt(path)?.isFile);
  if (file !== undefined) return problemOf(file);
  const problem = isPathUnset(place)
    ? "is not on the PATH, which is not set: set it, or write its path"
    : "is not on the PATH: install it, or write its path";
  return { problem, isThere: false };
}

/** A directory that Deno adds to the PATH of its own process, which has one even where none was set. */
const DENO_DIRECTORY = "node_compat_bin";

/** Whether there is no variable PATH, so that nothing was searched but what Deno and we have added. */
function isPathUnset({ path }: ProgramPlace): boolean {
  const given = (Deno.env.get("PATH") ?? "").split(delimiter);
  const isUnset = given.every((entry) => entry === "" || basename(entry) === DENO_DIRECTORY);
  return isUnset && path === pathFor(undefined);
}

function firstProgram(paths: string[]): string | undefined {
  const suffixes = isWindows ? ["", ...(Deno.env.get("PATHEXT") ?? ".EXE").split(";")] : [""];
  return paths.flatMap((path) => suffixes.map((suffix) => path + suffix)).find(isProgram);
}

function isProgram(path: string): boolean {
  const info = lookAt(path);
  return info?.isFile === true && (info.mode === null || (info.mode & 0o111) !== 0);
}

function problemOf(path: string): NoProgram {
  const info = lookAt(path);
  if (info === undefined) return { problem: `does not exist: there is no ${path}`, isThere: false };
  const problem = info.isFile ? `may not be run: make ${path} executable` : `is no file: ${path}`;
  return { problem, isThere: true };
}
