import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { type RunningCommand, start, taffrailCommand } from "./_command.ts";
import { eventsOf, onlyRun, writeFlow } from "./_runs.ts";

/** `script` of util-linux gives a command a terminal; those of other systems are called otherwise. */
const HAS_SCRIPT = Deno.build.os === "linux";

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SCRIPT, fn: () => withTempDir(body) });
}

/** Starts `taffrail` in a terminal of 40 columns. Both of its outputs come together. */
function startInTerminal(
  args: string[],
  { cwd, env }: { cwd: string; env: Record<string, string> },
): RunningCommand {
  const words = taffrailCommand(args).map((word) => `'${word}'`).join(" ");
  const command = `stty cols 40; exec ${words}`;
  return start("script", ["-qec", command, "/dev/null"], { cwd, env: { TERM: "xterm", ...env } });
}

const COLOURED = { NO_COLOR: "" };

test("taffrail run shows what is running in a line of its own on a terminal, in colours", async (cwd) => {
  const flow = await writeFlow(cwd, {
    lint: "true",
    test: { run: "echo not so good >&2; exit 1", needs: ["lint"] },
  });
  await using command = startInTerminal(["run", flow], { cwd, env: COLOURED });
  const { code, stdout } = await command.end();
  assertEquals(code, 1);
  const runId = await onlyRun(`${cwd}/.taffrail`);
  assertEquals(stdout.slice(0, stdout.indexOf("\r\n")), `run_id=${runId}`);
  assertStringIncludes(stdout, "\r\x1b[2K▸ 1/2 lint 0s  sh -c true\r\x1b[2K");
  const cut = "▸ 2/2 test 0s  sh -c 'echo not so good >&2; exit 1'".slice(0, 39);
  assertStringIncludes(stdout, `\r\x1b[2K${cut}\r\x1b[2K`);
  assertStringIncludes(stdout, "\x1b[32m✓\x1b[0m lint ");
  assertStringIncludes(stdout, "\x1b[31m✗\x1b[0m test ");
});

test("taffrail run obeys NO_COLOR, and TERM=dumb", async (cwd) => {
  const flow = await writeFlow(cwd, { lint: "true" });
  await using plain = startInTerminal(["run", flow], { cwd, env: { NO_COLOR: "1" } });
  const { stdout } = await plain.end();
  assertStringIncludes(stdout, "\x1b[2K✓ lint ");
  assertEquals(stdout.includes("\x1b[3"), false);
  await using dumb = startInTerminal(["run", flow], { cwd, env: { ...COLOURED, TERM: "dumb" } });
  assertEquals((await dumb.end()).stdout.includes("\x1b"), false);
});

test("taffrail run is cancelled by Ctrl-C on a terminal", async (cwd) => {
  const flow = await writeFlow(cwd, { slow: "echo $$; exec sleep 1000" });
  await using command = startInTerminal(["run", flow], { cwd, env: COLOURED });
  await command.stdout.find(/^run_id=/);
  // The line that tells what runs has no end until then.
  while (!command.stdout.text.includes("▸ 1/1 slow")) await command.stdout.next();
  await command.write("\x03");
  const { code, stdout } = await command.end();
  assertEquals(code, 130);
  assertStringIncludes(stdout, "SIGINT: ending what runs");
  const root = `${cwd}/.taffrail`;
  assertEquals(eventsOf(root, await onlyRun(root)).at(-1)?.reason, "cancelled by SIGINT");
});

test("taffrail exec gives the command nothing to read when its own input is a terminal", async (cwd) => {
  await using command = startInTerminal(["exec", "--", "cat"], { cwd, env: COLOURED });
  const { code, stdout } = await command.end();
  assertEquals(code, 0);
  assertMatch(stdout, /^run_id=cat-\w+\r\n.*✓.* cat /);
});
