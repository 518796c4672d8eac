/**
 * A browser of the tests' own, without a window, in a folder of its own. Invariants:
 *
 * - It keeps nothing anywhere but in its folder, and finds nothing of the user's: its home is there too.
 * - It is gone with its folder when the test is over, also when the test's process was killed: a shell waits
 *   for the end of a pipe to it, and clears up.
 */
import { findChromium } from "../../_tools/browser/installation.ts";
import { RunningProcess } from "../_util/process.ts";

/** The variable by which `deno task test:browser` tells of the browser that the tests share. */
export const SHARED_BROWSER = "TAFFRAIL_BROWSER";

/** The variable that names the folder for pictures, where somebody wants to see them. */
export const SCREENSHOTS = "TAFFRAIL_SCREENSHOTS";

/** Nothing is asked of the network that no test asks for; scroll bars lie above the page, as on a phone. */
const FLAGS = [
  "--headless",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
  "--remote-debugging-port=0",
];

/** The sandbox cannot be had by root. */
const IS_ROOT = Deno.build.os !== "windows" && Deno.uid() === 0;

/** Starts the browser in a group of its own, and ends that group and removes the folder when its input ends. */
const ATTENDANT = `trap '' INT TERM HUP
set -m
folder=$1
shift
export HOME="$folder" TMPDIR="$folder" XDG_CONFIG_HOME="$folder" XDG_CACHE_HOME="$folder"
"$@" </dev/null &
browser=$!
# Who reads what is said here may be gone.
exec 2>/dev/null
cat >/dev/null
kill -KILL -- -$browser
wait $browser
# What has just been killed may still be making a file.
while [ -e "$folder" ]; do rm -rf "$folder" || sleep 0.1; done`;

/** A browser that runs, and who clears up behind it. */
export class TestBrowser implements AsyncDisposable {
  /** Where it takes commands: the address of a WebSocket. */
  readonly address: string;
  /** All that it keeps. */
  readonly folder: string;
  readonly #attendant: RunningProcess;

  /** Use {@linkcode startBrowser}. */
  constructor(address: string, folder: string, attendant: RunningProcess) {
    this.address = address;
    this.folder = folder;
    this.#attendant = attendant;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#attendant.closeInput();
    await this.#attendant.end();
  }
}

/** Starts a browser; resolves when it takes commands. */
export async function startBrowser(): Promise<TestBrowser> {
  const program = await findChromium();
  if (program === undefined) {
    throw new Error('Cannot start a browser: there is none; run "deno task test:browser"');
  }
  // The path of a socket that it makes there may have 107 bytes, and TMPDIR may be long.
  const at = Deno.build.os === "windows" ? {} : { dir: "/tmp" };
  const made = await Deno.makeTempDir({ ...at, prefix: "taffrail-test-browser-" });
  const folder = await Deno.realPath(made);
  const flags = [...FLAGS, ...IS_ROOT ? ["--no-sandbox"] : [], `--user-data-dir=${folder}/profile`];
  const command = [program, ...flags, "about:blank"];
  const attendant = new RunningProcess(["bash", "-c", ATTENDANT, "attendant", folder, ...command]);
  try {
    const line = await attendant.stderr.find(/^DevTools listening on /);
    return new TestBrowser(line.slice("DevTools listening on ".length), folder, attendant);
  } catch (error) {
    await new TestBrowser("", folder, attendant)[Symbol.asyncDispose]();
    throw error;
  }
}
