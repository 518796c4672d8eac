/**
 * Runs the tests of pages in a browser, `tests/browser/*_browser.ts`, with one that it starts for all of them.
 * Where there is no Chromium it installs Debian's, if it may.
 *
 * Usage: `deno task test:browser [FILE…] [--screenshots DIR] [OPTION OF deno test…]`
 *
 * `--screenshots DIR` keeps pictures of pages there, for people to look at.
 */
import { SCREENSHOTS, SHARED_BROWSER, startBrowser } from "../tests/browser/_chromium.ts";
import { requireChromium } from "./browser/installation.ts";
import { runDeno, runTask } from "./_task.ts";
import { testArguments, type TestFiles } from "./_test_arguments.ts";

/** Which tests need a browser. They are run one file at a time: the browser alone keeps two processors busy. */
export const BROWSER_TESTS: TestFiles = { folder: "tests/browser", suffix: "_browser.ts" };

/** Takes `--screenshots DIR` or `--screenshots=DIR` out of the arguments. */
export function takeScreenshots(args: readonly string[]): { folder?: string; args: string[] } {
  const at = args.findIndex((arg) => /^--screenshots(=|$)/.test(arg));
  if (at === -1) return { args: [...args] };
  const isJoined = args[at] !== "--screenshots";
  const folder = isJoined ? args[at]!.slice("--screenshots=".length) : args[at + 1];
  if (folder === undefined || folder === "") {
    throw new Error("Cannot keep pictures: --screenshots needs a folder");
  }
  return { folder, args: args.toSpliced(at, isJoined ? 1 : 2) };
}

async function testInBrowser(root: string, allArgs: readonly string[]): Promise<number> {
  const { folder, args } = takeScreenshots(allArgs);
  await requireChromium();
  await using browser = await startBrowser();
  if (folder !== undefined) await Deno.mkdir(folder, { recursive: true });
  return await runDeno(root, await testArguments({ root, args }, BROWSER_TESTS), {
    [SHARED_BROWSER]: browser.address,
    ...(folder !== undefined && { [SCREENSHOTS]: await Deno.realPath(folder) }),
  });
}

if (import.meta.main) await runTask(testInBrowser);
