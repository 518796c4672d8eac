/** Runs the body with a directory of its own, which is removed afterwards. */
export async function withDirectory<T>(
  body: (directory: string) => T | Promise<T>,
): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix: "taffrail_bench_" });
  try {
    return await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
