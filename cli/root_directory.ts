/**
 * Creates the directory that holds the runs, where it is missing, with a `.gitignore` that keeps
 * all of it out of a repository. An existing directory is left as it is.
 */
export function prepareRootDirectory(root: string): void {
  try {
    if (!exists(root)) createRootDirectory(root);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot create ${root}: ${reason}; choose another --root`, { cause });
  }
}

function createRootDirectory(root: string): void {
  Deno.mkdirSync(root, { recursive: true, mode: 0o700 });
  try {
    Deno.writeTextFileSync(`${root}/.gitignore`, "*\n", { createNew: true, mode: 0o600 });
  } catch (error) {
    // Another run created the directory at the same time.
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
