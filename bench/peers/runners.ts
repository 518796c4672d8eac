/** What people would run a flow of commands with instead. */
import { outputOf } from "../harness/run_command.ts";
import { nodeNames, type Shape } from "../harness/flows.ts";

/** A program that runs many commands. */
export interface Runner {
  /** What the tables call it. */
  name: string;
  /** What order its commands have. */
  shape: Shape;
  /** Which program it is. */
  program: string;
  /** Writes what it reads. */
  prepare(directory: string, count: number): Promise<void>;
  /** The words behind its path. */
  args(count: number): string[];
}

/** The npm package with the program, where it is not installed. */
const JUST: Record<string, string> = { "linux-x86_64": "rust-just-linux-x64@1.58.0" };

const nothing = () => Promise.resolve();
const numbers = (count: number) => nodeNames(count).join("\n") + "\n";

/** All of them; a shell is started by none but just. */
export const RUNNERS: readonly Runner[] = [
  {
    name: "make",
    shape: "chain",
    program: "make",
    prepare: (directory, count) => writeMakefile(directory, count, "chain"),
    args: () => ["-s", "all"],
  },
  {
    name: "just",
    shape: "chain",
    program: "just",
    prepare: writeJustfile,
    args: () => ["all"],
  },
  {
    name: "xargs -n 1",
    shape: "chain",
    program: "xargs",
    prepare: writeNumbers,
    args: () => ["-n", "1", "-a", "numbers", "true"],
  },
  {
    name: "make -j8",
    shape: "eight at once",
    program: "make",
    prepare: (directory, count) => writeMakefile(directory, count, "eight at once"),
    args: () => ["-s", "-j8", "all"],
  },
  {
    name: "GNU parallel -j8",
    shape: "eight at once",
    program: "parallel",
    prepare: nothing,
    args: (count) => ["-j8", "--will-cite", "true", ":::", ...nodeNames(count)],
  },
  {
    name: "xargs -n 1 -P 8",
    shape: "eight at once",
    program: "xargs",
    prepare: writeNumbers,
    args: () => ["-n", "1", "-P", "8", "-a", "numbers", "true"],
  },
];

async function writeMakefile(directory: string, count: number, shape: Shape): Promise<void> {
  const names = nodeNames(count);
  const rules = names.map((name, index) => {
    const need = shape === "chain" && index > 0 ? ` ${names[index - 1]}` : "";
    return `${name}:${need}\n\t@true\n`;
  });
  const all = shape === "chain" ? names.at(-1) : names.join(" ");
  const text = `.PHONY: all ${names.join(" ")}\nall: ${all}\n${rules.join("")}`;
  await Deno.writeTextFile(`${directory}/Makefile`, text);
}

async function writeJustfile(directory: string, count: number): Promise<void> {
  const names = nodeNames(count);
  const rules = names.map((name, index) => {
    const need = index > 0 ? ` ${names[index - 1]}` : "";
    return `${name}:${need}\n\t@true\n`;
  });
  await Deno.writeTextFile(`${directory}/justfile`, `all: ${names.at(-1)}\n${rules.join("")}`);
}

async function writeNumbers(directory: string, count: number): Promise<void> {
  await Deno.writeTextFile(`${directory}/numbers`, numbers(count));
}

/**
 * Where a program is, with its version; undefined where it is not installed. just alone is fetched from
 * npm into `directory`, since few machines have it.
 */
export async function findProgram(
  program: string,
  directory: string,
): Promise<{ path: string; version: string } | undefined> {
  for (const path of [program, ...(program === "just" ? await fetchJust(directory) : [])]) {
    const version = (await outputOf([path, "--version"]))?.split("\n")[0];
    if (version !== undefined) return { path, version };
  }
  return undefined;
}

async function fetchJust(directory: string): Promise<string[]> {
  const [, name, version] = /^(.+)@(.+)$/.exec(JUST[`${Deno.build.os}-${Deno.build.arch}`] ?? "") ??
    [];
  if (name === undefined) return [];
  const document = { dependencies: { [name]: version } };
  await Deno.writeTextFile(`${directory}/package.json`, JSON.stringify(document));
  const args = ["install", "--quiet", "--no-lock", "--node-modules-dir=auto"];
  const { success } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: directory,
    stderr: "null",
  }).output();
  return success ? [`${directory}/node_modules/${name}/bin/just`] : [];
}
