import { walk } from "@std/fs/walk";

/**
 * The files of a project, relative to `root`, sorted, with `/` on every system: in a git checkout
 * those that git tracks or would track, elsewhere all of them.
 */
export async function listFiles(root: string): Promise<string[]> {
  const files = await isCheckout(root) ? await listByGit(root) : await listByWalk(root);
  return files.toSorted();
}

async function isCheckout(root: string): Promise<boolean> {
  try {
    await Deno.lstat(`${root}/.git`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function listByGit(root: string): Promise<string[]> {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
  const git = new Deno.Command("git", { args, cwd: root, stderr: "inherit" });
  const { success, stdout } = await git.output();
  if (!success) throw new Error("Cannot list the files: git ls-files failed");
  const paths = new TextDecoder().decode(stdout).split("\0").filter((path) => path !== "");
  const isThere = await Promise.all(paths.map((path) => isFile(`${root}/${path}`)));
  return paths.filter((_, index) => isThere[index]);
}

/** A file that is deleted but not yet committed is still listed by git. */
async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.lstat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function listByWalk(root: string): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of walk(root, { includeDirs: false, includeSymlinks: false })) {
    files.push(entry.path.slice(root.length + 1).replaceAll("\\", "/"));
  }
  return files;
}
