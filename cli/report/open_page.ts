/** How a page is shown in the browser of whoever asks for it. */
import { reasonOf } from "../../_internal/text.ts";
import { resolve } from "../files.ts";

/** What could not open a page says so at once. */
const PATIENCE_MS = 3000;

/** What opens a file or an address, on each system; that comes behind it. */
const OPENERS: Partial<Record<typeof Deno.build.os, readonly string[]>> = {
  linux: ["xdg-open"],
  darwin: ["open"],
  windows: ["cmd", "/c", "start", ""],
};

/**
 * Shows the page in a file in the browser.
 *
 * @throws If there is nothing to show it with; the message says what to do.
 */
export async function openPage(path: string): Promise<void> {
  await openInBrowser(resolve(path));
}

/**
 * Shows what is at a path or an address in the browser.
 *
 * @throws If there is nothing to show it with; the message says what to do.
 */
export async function openInBrowser(page: string): Promise<void> {
  const [program, ...args] = OPENERS[Deno.build.os] ?? OPENERS.linux!;
  const problem = await problemOf(program!, [...args, page]);
  if (problem === undefined) return;
  throw new Error(`Cannot open ${page} in a browser: ${problem}; open it by hand`);
}

/** Why a program could not do what it should; undefined where it has, or is still at it. */
async function problemOf(program: string, args: string[]): Promise<string | undefined> {
  const pipes = { stdin: "null", stdout: "null", stderr: "null" } as const;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, { args, ...pipes }).spawn();
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? `there is no ${program} here` : reasonOf(error);
  }
  // Where there is no desktop it is the browser itself, which runs for hours.
  child.unref();
  const patience = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => patience.resolve(undefined), PATIENCE_MS);
  const ended = await Promise.race([child.status, patience.promise]);
  clearTimeout(timer);
  return ended === undefined || ended.success ? undefined : `${program} exits with ${ended.code}`;
}
