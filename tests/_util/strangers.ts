/**
 * What may stand where a file is expected, and is none: it hangs whoever opens it, never ends, or leads
 * somewhere else. POSIX only.
 */

/** All kinds of them, as they are called in errors. */
export const STRANGERS = [
  "a named pipe",
  "a socket",
  "a device",
  "a directory",
  "a symbolic link",
] as const;

/** One of them. */
export type Stranger = typeof STRANGERS[number];

/**
 * Puts one in the place of what is at a path. The device never ends, and the link leads to such a one.
 * False where this user may make no device.
 */
export async function makeStranger(stranger: Stranger, path: string): Promise<boolean> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  switch (stranger) {
    case "a named pipe":
      return await succeeds("mkfifo", path);
    case "a device":
      return await succeeds("mknod", path, "c", "1", "5");
    case "a directory":
      await Deno.mkdir(path);
      return true;
    case "a symbolic link":
      await Deno.symlink("/dev/zero", path);
      return true;
    case "a socket":
      await makeSocket(path);
      return true;
  }
}

async function succeeds(program: string, ...args: string[]): Promise<boolean> {
  return (await new Deno.Command(program, { args, stderr: "null" }).output()).success;
}

/** Its path may have some hundred bytes at most while it is made. */
async function makeSocket(path: string): Promise<void> {
  const short = await Deno.makeTempDir({ prefix: "taffrail-test-" });
  try {
    // Deno removes it when it is closed, if it is still there.
    using _listener = Deno.listen({ transport: "unix", path: `${short}/s` });
    await succeeds("mv", `${short}/s`, path);
  } finally {
    await Deno.remove(short, { recursive: true });
  }
}
