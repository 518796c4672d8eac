/**
 * Runs the tests against the real `@std` packages instead of the stand-ins of `_tools/std/`: on a
 * copy of the project that names no workspace, so that `@std` can only come from JSR, or from where
 * `JSR_URL` points: Deno reads that too, and it may be a folder (`file:///…/`).
 *
 * Usage: `deno task test:jsr [FILE…] [OPTION OF deno test…]`
 */
import { dirname } from "@std/path/posix/dirname";
import { listFiles } from "./_list_files.ts";
import { runDeno, runTask } from "./_task.ts";

/** The registry that Deno asks for `jsr:` imports. */
export function registryOf(jsrUrl = Deno.env.get("JSR_URL") ?? ""): string {
  const url = jsrUrl === "" ? "https://jsr.io/" : jsrUrl;
  return url.endsWith("/") ? url : `${url}/`;
}

/** Copies the files of the project at `root` to `target`, but for those that are not wanted. */
export async function copyProject(
  root: string,
  target: string,
  { isWanted = (_path: string): boolean => true } = {},
): Promise<void> {
  for (const path of (await listFiles(root)).filter(isWanted)) {
    await Deno.mkdir(`${target}/${dirname(path)}`, { recursive: true });
    await Deno.copyFile(`${root}/${path}`, `${target}/${path}`);
  }
}

/**
 * Copies the project at `root` to `target`, without the stand-ins and without the lock file.
 *
 * @param options.packages Takes these versions, as `@std/path@1.1.6`, and of others the newest that fits.
 */
export async function copyWithoutStandIns(
  root: string,
  target: string,
  { packages = [] }: { packages?: readonly string[] } = {},
): Promise<void> {
  const isWanted = (path: string) => !path.startsWith("_tools/std/") && path !== "deno.lock";
  await copyProject(root, target, { isWanted });
  const config = JSON.parse(await Deno.readTextFile(`${root}/deno.json`));
  delete config.workspace;
  for (const wanted of packages) {
    const name = /^(@std\/[\w-]+)@\d/.exec(wanted)?.[1];
    if (name === undefined || config.imports?.[name] === undefined) {
      throw new Error(`Cannot take ${wanted}: name a package of deno.json, as @std/path@1.1.6`);
    }
    config.imports[name] = `jsr:${wanted}`;
  }
  await Deno.writeTextFile(`${target}/deno.json`, JSON.stringify(config, null, 2) + "\n");
}

/** Throws unless the package registry at `url` answers. */
export async function requireRegistry(url: string): Promise<void> {
  try {
    const response = await fetch(new URL("@std/path/meta.json", url), {
      signal: AbortSignal.timeout(10_000),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`it answered with status ${response.status}`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `Cannot test against the real @std packages: ${url} is out of reach (${reason})`,
      { cause },
    );
  }
}

async function testAgainstJsr(root: string, args: readonly string[]): Promise<number> {
  await requireRegistry(registryOf());
  const target = await Deno.makeTempDir({ prefix: "taffrail-jsr-" });
  try {
    await copyWithoutStandIns(root, target);
    return await runDeno(target, ["task", "test", ...args]);
  } finally {
    await Deno.remove(target, { recursive: true });
  }
}

if (import.meta.main) await runTask(testAgainstJsr);
