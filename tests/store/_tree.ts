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
