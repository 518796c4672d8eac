import { delimiter, isAbsolute, isDirectory, lookAt, resolve } from "../files.ts";
import { dirname, isWindows } from "../../_internal/path.ts";
import { ProgramError, UsageError } from "../exit_codes.ts";
import { fitTo, quoted } from "../text/printable.ts";
import type { Flow } from "./flow.ts";
import { findTask, readTaskFiles, type TaskFile } from "./tasks.ts";

/** A path may be longer than any system takes. */
const LONGEST_MESSAGE = 8192;

/**
 * Finds the program of every node, before anything is recorded: a flow that cannot run does not
 * begin to.
 *
 * @returns The paths of the programs, by the ids of the nodes.
 * @throws {UsageError} Its message names the node and what to do.
 */
export function findPrograms(flow: Flow): Map<string, string> {
  const programs = new Map<string, string>();
  // Many nodes run the same program, or tasks of the same file.
  const found = new Map<string, ReturnType<typeof findProgram>>();
  const taskFiles = new Map<string, TaskFile[]>();
  const find = (name: string, place: ProgramPlace) => {
    const key = JSON.stringify([name, place]);
    const program = found.get(key) ?? findProgram(name, place);
    found.set(key, program);
    return program;
  };
  for (const { id, run, task, env, cwd } of flow.nodes) {
    const name = task ?? run[0]!;
    const what = task === undefined ? "" : "the task ";
    const say = (problem: string) => {
      const subject = flow.path === undefined ? "" : ` ${flow.path}: node ${quoted(id)} runs`;
      return fitTo(`Cannot run${subject} ${what}${quoted(name)}, ${problem}`, LONGEST_MESSAGE);
    };
    const fail = (problem: string): never => {
      throw new UsageError(say(problem));
    };
    if (!isDirectory(cwd)) fail(`but in the cwd ${cwd}, which is no directory`);
    if (task !== undefined) {
      const files = taskFiles.get(cwd) ?? readTaskFiles(cwd);
      taskFiles.set(cwd, files);
      // A task is looked for as Deno will: a flow with one that is not there does not begin to run.
      const known = findTask(task, files);
      if ("problem" in known) fail(known.problem);
    }
    // An executable that deno compile made cannot stand for deno.
    const isDeno = task !== undefined && !Deno.build.standalone;
    const program = isDeno ? Deno.execPath() : find(run[0]!, { cwd, path: pathFor(env.PATH) });
    if (typeof program === "string") programs.set(id, program);
    else {
      const message = say(`${task === undefined ? "which" : "but deno"} ${program.problem}`);
      throw new ProgramError(message, program);
    }
  }
  return programs;
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
interface NoProgram {
  problem: string;
  /** Whether something is there that cannot be executed. */
  isThere: boolean;
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
  return { problem: "is not on the PATH: install it, or write its path", isThere: false };
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
