// deno-lint-ignore-file no-console -- what it finds is for the terminal
/**
 * Runs the tests against the real `@std` packages instead of the stand-ins of `_tools/std/`: on a
 * copy of the project that names no workspace, so that `@std` can only come from JSR.
 *
 * Usage: `deno task test:jsr`
 */
import { dirname } from "@std/path/posix/dirname";
import { listFiles } from "./_list_files.ts";

const REGISTRY = "https://jsr.io/";

/** Copies the project at `root` to `target`, without the stand-ins and without the lock file. */
export async function copyWithoutStandIns(root: string, target: string): Promise<void> {
  for (const path of await listFiles(root)) {
    if (path.startsWith("_tools/std/") || path === "deno.lock") continue;
    await Deno.mkdir(`${target}/${dirname(path)}`, { recursive: true });
    await Deno.copyFile(`${root}/${path}`, `${target}/${path}`);
  }
  const config = JSON.parse(await Deno.readTextFile(`${root}/deno.json`));
  delete config.workspace;
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

async function testAgainstJsr(root: string): Promise<number> {
  await requireRegistry(REGISTRY);
  const target = await Deno.makeTempDir({ prefix: "taffrail-jsr-" });
  try {
    await copyWithoutStandIns(root, target);
    const test = new Deno.Command(Deno.execPath(), { args: ["task", "test"], cwd: target });
    return (await test.spawn().status).code;
  } finally {
    await Deno.remove(target, { recursive: true });
  }
}

if (import.meta.main) {
  try {
    Deno.exitCode = await testAgainstJsr(await Deno.realPath(Deno.args[0] ?? "."));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exitCode = 1;
  }
}
