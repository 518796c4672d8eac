/**
 * The digest of what is kept of an output: `sha256:` and 64 hexadecimal digits. Of an output that
 * was too long to be kept whole it covers the kept halves and how much lies between them.
 */
export async function hashOutput(path: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
  return `sha256:${new Uint8Array(digest).toHex()}`;
}
