/** What tests do with whole directories. */

/** Everything below a directory: names, kinds and contents, to see that nothing has changed. */
export function treeOf(directory: string): Record<string, string> {
  const tree: Record<string, string> = {};
  for (const { name, isDirectory, isSymlink } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isSymlink) tree[name] = `-> ${Deno.readLinkSync(path)}`;
    else if (!isDirectory) tree[name] = contentOf(path);
    else {
      tree[`${name}/`] = "";
      for (const [key, value] of Object.entries(treeOf(path))) tree[`${name}/${key}`] = value;
    }
  }
  return tree;
}

function contentOf(path: string): string {
  const bytes = Deno.readFileSync(path);
  return bytes.length > 100_000 ? `${bytes.length} bytes` : bytes.toBase64();
}

/** Copies what is in one directory into another. */
export function copyTree(from: string, to: string): void {
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (!isDirectory) {
      Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
      continue;
    }
    Deno.mkdirSync(`${to}/${name}`);
    copyTree(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Removes a file, or a directory with all that is in it. */
export function remove(path: string): void {
  Deno.removeSync(path, { recursive: true });
}

/** Makes a directory, and those above it. */
export function makeDirectory(path: string): void {
  Deno.mkdirSync(path, { recursive: true });
}
