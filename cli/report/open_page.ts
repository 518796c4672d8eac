/** How a page is shown in the browser of whoever asks for it. */
import { resolve } from "../files.ts";

/** What opens a file, on each system; the file comes behind it. */
const OPENERS: Partial<Record<typeof Deno.build.os, readonly string[]>> = {
  linux: ["xdg-open"],
  darwin: ["open"],
  windows: ["cmd", "/c", "start", ""],
};

/**
 * Shows a page in the browser.
 *
 * @throws If there is nothing to show it with; the message says what to do.
 */
export async function openPage(path: string): Promise<void> {
  const [program, ...args] = OPENERS[Deno.build.os] ?? OPENERS.linux!;
  const page = resolve(path);
  const command = new Deno.Command(program!, {
    args: [...args, page],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  });
  const problem = await command.output().then(
    ({ success, code }) => success ? undefined : `${program} exits with ${code}`,
    (error) => error instanceof Deno.errors.NotFound ? `there is no ${program} here` : `${error}`,
  );
  if (problem === undefined) return;
  throw new Error(`Cannot open ${page} in a browser: ${problem}; open it by hand`);
}
