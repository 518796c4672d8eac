import { assert, assertEquals } from "@std/assert";
import { walk } from "@std/fs/walk";
import { onlyRun } from "./_runs.ts";
import { isThere, write } from "../_util/files.ts";
import { withMemoryDir } from "../_util/temp.ts";
import { Answerer } from "./_answerer.ts";
import { HAS_SIGNALS, taffrail } from "./_command.ts";

/** Leaves a run that was killed at its second node, and failed there when it was gone on with: it has all files. */
async function writeRoot(cwd: string): Promise<string> {
  await Deno.mkdir(cwd);
  const nodes = {
    a: { run: ["sh", "-c", "echo printed"] },
    b: { needs: ["a"], run: ["sh", "-c", "echo more; test -e go || kill -9 $PPID; exit 3"] },
  };
  write(`${cwd}/flow.json`, JSON.stringify({ name: "flow", nodes }));
  await taffrail(["run", "flow.json"], { cwd });
  write(`${cwd}/go`, "");
  await taffrail(["resume", "flow"], { cwd });
  return await onlyRun(`${cwd}/.taffrail`);
}

/** All that is below a root, and what the run has only when it is gone on with. */
async function pathsIn(root: string, runId: string): Promise<string[]> {
  const paths = ["nodes/b.3.out", "nodes/b.3.err", "nodes/b.3.times"]
    .map((name) => `runs/${runId}/${name}`);
  for await (const { path } of walk(root)) {
    if (path !== root) paths.push(path.slice(root.length + 1));
  }
  return paths;
}

/** Everything in a folder, by name, as text. */
async function contentOf(directory: string): Promise<string> {
  const parts: string[] = [];
  for await (const { path, isFile } of walk(directory)) {
    parts.push(`${path} ${isFile ? await Deno.readTextFile(path) : ""}`);
  }
  return parts.sort().join("\n");
}

/** Moves what is at a path out of the root, and puts a link there that leads to it. */
async function linkOut(path: string, outside: string, isHard: boolean): Promise<boolean> {
  await Deno.mkdir(outside);
  const target = `${outside}/target`;
  if (!isThere(path)) write(target, "precious");
  else if (isHard && (await Deno.stat(path)).isDirectory) return false;
  else await Deno.rename(path, target);
  await (isHard ? Deno.link : Deno.symlink)(target, path);
  return true;
}

for (const isHard of [false, true]) {
  Deno.test(`no verb writes through a ${isHard ? "hard" : "symbolic"} link in a root`, {
    ignore: !HAS_SIGNALS,
  }, () =>
    withMemoryDir(async (directory) => {
      const [whole, cwd] = [`${directory}/whole`, `${directory}/linked`];
      const runId = await writeRoot(whole);
      const paths = await pathsIn(`${whole}/.taffrail`, runId);
      assert(paths.length > 25, `${paths.length}`);
      await using answerer = new Answerer();
      for (const path of paths) {
        for (const args of [["resume", runId], ["repair"], ["run", "flow.json"]]) {
          await new Deno.Command("cp", { args: ["-a", whole, cwd] }).output();
          if (await linkOut(`${cwd}/.taffrail/${path}`, `${cwd}/outside`, isHard)) {
            const before = await contentOf(`${cwd}/outside`);
            const { stdout, stderr } = await answerer.ask(args, cwd);
            const context = `${args.join(" ")}, ${path} leads out: ${stdout}${stderr}`;
            assertEquals(await contentOf(`${cwd}/outside`), before, context);
          }
          await Deno.remove(cwd, { recursive: true });
        }
      }
    }));
}
