import { formatProblem, type Problem } from "../../_tools/_problem.ts";
import { dirname, join } from "../../_internal/path.ts";
import { withTempDir } from "../_util/temp.ts";

/** Files of a small project: path and text. */
export type Tree = Record<string, string>;

/** Writes `tree` to a fresh directory, runs `use` there and removes it. */
export async function withTree<T>(tree: Tree, use: (directory: string) => Promise<T>): Promise<T> {
  return await withTempDir(async (directory) => {
    for (const [path, text] of Object.entries(tree)) {
      const file = join(directory, path);
      await Deno.mkdir(dirname(file), { recursive: true });
      await Deno.writeTextFile(file, text);
    }
    return await use(directory);
  });
}

/** What `check` prints for `tree`, one line a problem. */
export async function problemsOf(
  check: (directory: string) => Promise<Problem[]>,
  tree: Tree,
): Promise<string[]> {
  return await withTree(tree, async (directory) => (await check(directory)).map(formatProblem));
}

/** Runs a script of `_tools/` on `tree` as `deno task` does. */
export async function runTool(script: string, tree: Tree): Promise<{ code: number; text: string }> {
  return await withTree(tree, async (directory) => {
    const permissions = ["--allow-read", "--allow-env", "--allow-run=git"];
    const path = join(new URL(`../../_tools/${script}`, import.meta.url));
    const args = ["run", "--quiet", "--no-prompt", ...permissions, path, directory];
    const { code, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    return { code, text: new TextDecoder().decode(stderr) };
  });
}
