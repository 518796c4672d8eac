import { delimiter, dirname, isAbsolute, resolve } from "node:path";

/** Where a program is looked for. */
export interface ProgramPlace {
  /** The directory that the program will run in. */
  cwd: string;
  /** The directories to search, as the variable PATH has them. */
  path: string;
}

const IS_WINDOWS = Deno.build.os === "windows";

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

/** Finds a program as the system would; tells in words why it cannot be run. */
export function findProgram(name: string, place: ProgramPlace): string | { problem: string } {
  const isPath = name.includes("/") || (IS_WINDOWS && name.includes("\\")) || isAbsolute(name);
  if (isPath) {
    const path = resolve(place.cwd, name);
    return firstProgram([path]) ?? { problem: problemOf(path) };
  }
  const directories = place.path.split(delimiter).map((entry) => resolve(place.cwd, entry));
  const candidates = directories.map((directory) => resolve(directory, name));
  return firstProgram(candidates) ??
    { problem: "is not on the PATH: install it, or write its path" };
}

function firstProgram(paths: string[]): string | undefined {
  const suffixes = IS_WINDOWS ? ["", ...(Deno.env.get("PATHEXT") ?? ".EXE").split(";")] : [""];
  return paths.flatMap((path) => suffixes.map((suffix) => path + suffix)).find(isProgram);
}

function isProgram(path: string): boolean {
  const info = lookAt(path);
  return info?.isFile === true && (info.mode === null || (info.mode & 0o111) !== 0);
}

function problemOf(path: string): string {
  const info = lookAt(path);
  if (info === undefined) return `does not exist: there is no ${path}`;
  return info.isFile ? `may not be run: make ${path} executable` : `is no file: ${path}`;
}

function lookAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    // That is no missing program: the message says which permission to give.
    if (error instanceof Deno.errors.NotCapable) throw error;
    return undefined;
  }
}

/** Whether a directory is there. */
export function isDirectory(path: string): boolean {
  return lookAt(path)?.isDirectory === true;
}
