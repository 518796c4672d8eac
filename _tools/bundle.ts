// deno-lint-ignore-file no-console -- what it writes is told on the terminal
/**
 * Builds what is published of the command: `dist/taffrail.js`, one file for each verb, and files for
 * what several verbs share. A start then loads the few files of its verb instead of a hundred sources.
 *
 * The code is minified, which saves a twentieth of a start. The names of functions, classes and public
 * methods are kept, so that a stack trace that somebody reports says where it was; error texts are not
 * touched. The same sources give the same bytes with the same Deno, wherever they are.
 *
 * Usage: `deno task bundle [--jsr [PACKAGE…]] [DIRECTORY]`. With `--jsr` the `@std` packages come from JSR,
 * as they must in what is released, and their versions are printed: who gives these, as in
 * `--jsr @std/path@1.1.6`, builds the same bytes later. Otherwise the stand-ins of `_tools/std/` are built in.
 */
import { join } from "@std/path/posix/join";
import { askDeno, makeEmptyDirectory, runTask } from "./_task.ts";
import { copyWithoutStandIns } from "./test_jsr.ts";

/** The file that starts the command, as `./cli` in `deno.json` names it. */
const ENTRY = "taffrail.js";
const SOURCE = "cli/main.ts";
/** Written by hand, since the command is called and hardly ever imported. */
const DECLARATIONS = "taffrail.d.ts";
/** JSR and `deno check` read the types of a JavaScript file from where this says. */
const TYPES = `/* @ts-self-types="./${DECLARATIONS}" */\n`;

/** A file as the bundler names it in an import: `"./exec-7X7JLF3E.js"`. */
const FILE_NAME = /(?<="\.\/)[\w-]+\.js(?=")/g;

/**
 * Bundles the command of a project.
 *
 * @param root The project.
 * @param directory Where the files go; what is there is removed first.
 * @returns The names of the files, the entry first.
 */
export async function bundleCommand(root: string, directory: string): Promise<string[]> {
  const scratch = await Deno.makeTempDir({ prefix: "taffrail-bundle-" });
  try {
    await runBundler(root, scratch);
    const codes = await readFiles(scratch);
    const names = nameFiles(codes);
    await makeEmptyDirectory(directory);
    for (const [file, name] of names) {
      const code = codes.get(file)!.replaceAll(FILE_NAME, (found) => names.get(found) ?? found);
      await Deno.writeTextFile(join(directory, name), name === ENTRY ? TYPES + code : code);
    }
    await Deno.copyFile(join(root, "cli", DECLARATIONS), join(directory, DECLARATIONS));
    return [...names.values(), DECLARATIONS];
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

async function runBundler(root: string, directory: string): Promise<void> {
  const style = ["--quiet", "--code-splitting", "--minify", "--keep-names"];
  const args = ["bundle", ...style, "--outdir", directory, SOURCE];
  const { success, text } = await askDeno(root, args);
  if (!success) throw new Error(`Cannot bundle ${SOURCE}: ${text.trim()}`);
}

async function readFiles(directory: string): Promise<Map<string, string>> {
  const codes = new Map<string, string>();
  for await (const { name } of Deno.readDir(directory)) {
    codes.set(name, await Deno.readTextFile(join(directory, name)));
  }
  return codes;
}

/**
 * What each file of the bundler is to be called, in the order in which they name each other. The bundler's
 * own names have hashes in them that depend on where Deno's cache is.
 */
function nameFiles(codes: ReadonlyMap<string, string>): Map<string, string> {
  const names = new Map([["main.js", ENTRY]]);
  let shared = 0;
  for (const [file] of names) {
    for (const [found] of codes.get(file)!.matchAll(FILE_NAME)) {
      if (names.has(found) || !codes.has(found)) continue;
      const verb = found.replace(/-[A-Z0-9]{8}\.js$/, "");
      names.set(found, verb === "chunk" ? `shared_${++shared}.js` : `${verb}.js`);
    }
  }
  return names;
}

/**
 * Bundles a copy that knows no stand-ins, and tells which packages it found instead.
 *
 * @param packages Those that must have this version.
 */
async function bundleAgainstJsr(
  root: string,
  directory: string,
  packages: readonly string[],
): Promise<string[]> {
  const copy = await Deno.makeTempDir({ prefix: "taffrail-jsr-" });
  try {
    await copyWithoutStandIns(root, copy, { packages });
    const files = await bundleCommand(copy, directory);
    const lock = JSON.parse(await Deno.readTextFile(join(copy, "deno.lock")));
    console.log(`Built in: ${Object.keys(lock.jsr ?? {}).join(" ")}`);
    return files;
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

if (import.meta.main) {
  await runTask(async (root, args) => {
    const [directory = "dist"] = args.filter((arg) => !/^--jsr$|^@/.test(arg));
    const packages = args.filter((arg) => arg.startsWith("@"));
    const files = args[0] === "--jsr"
      ? await bundleAgainstJsr(root, directory, packages)
      : await bundleCommand(root, directory);
    console.log(`Wrote ${files.length} files to ${directory}`);
    return 0;
  });
}
