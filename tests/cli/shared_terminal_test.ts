/** Where `exec` has a terminal, its command shares that: prompts and keys are the command's own. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { eventsOf, isRunning, onlyRun, outlineOf, outputOf } from "./_runs.ts";
import { HAS_SCRIPT, startInTerminal, startShellInTerminal } from "./_terminal.ts";

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SCRIPT, fn: () => withTempDir(body) });
}

/** What is typed on a terminal for it to send a signal. */
const [INTERRUPT, QUIT, SUSPEND] = ["\x03", "\x1c", "\x1a"];

function exec(script: string, options: string[] = []): string[] {
  return ["exec", "--name", "job", ...options, "--", "sh", "-c", script];
}

/** Waits in such a way that every signal is taken at once. */
const WAIT = "while :; do sleep 0.05; done";

test("a prompt of the command is shown before its line ends, and answered", async (cwd) => {
  const ask = "printf 'Password: '; read answer; echo \"got $answer\"";
  await using command = startInTerminal(exec(ask), { cwd });
  await command.stdout.until(() => command.stdout.text.endsWith("Password: "));
  await command.write("secret\n");
  const { code, stdout } = await command.end();
  assertEquals(code, 0);
  assertStringIncludes(stdout, "got secret");
  const root = `${cwd}/.taffrail`;
  const recorded = await outputOf({ root, runId: await onlyRun(root) }, "job.1.out");
  assertEquals(recorded, "Password: got secret\n");
});

test("a prompt that opens /dev/tty, as those of sudo and ssh, works", async (cwd) => {
  const ask = "exec 3<>/dev/tty; printf 'Password: ' >&3; read answer <&3; echo \"got $answer\"";
  for (const redirection of ["", "</dev/null"]) {
    const shell = `"$@" ${redirection}`;
    await using command = startShellInTerminal(shell, { cwd, args: exec(ask) });
    await command.stdout.until(() => command.stdout.text.endsWith("Password: "));
    await command.write("secret\n");
    const { code, stdout } = await command.end();
    assertEquals(code, 0);
    assertStringIncludes(stdout, "got secret");
  }
});

test("the command is in the session and the group of taffrail, and sees the terminal as its input", async (cwd) => {
  const look = "test -t 0 && echo in; test -t 1 && echo out; test -t 2 && echo err; " +
    "cut -d ' ' -f 5,6 /proc/$$/stat /proc/$PPID/stat | uniq | wc -l";
  await using recorded = startInTerminal(exec(look), { cwd });
  assertMatch((await recorded.end()).stdout, /\r\nin\r\n1\r\n/);
  await using left = startInTerminal(exec(look, ["--terminal"]), { cwd });
  assertMatch((await left.end()).stdout, /\r\nin\r\nout\r\nerr\r\n1\r\n/);
});

test("Ctrl-C is for the command: what it makes of it is how it ends", async (cwd) => {
  const handler = `trap 'echo tidied; exit 0' INT; echo ready; ${WAIT}`;
  await using command = startInTerminal(exec(handler), { cwd });
  await command.stdout.find(/^ready/);
  await command.write(INTERRUPT);
  const { code, stdout } = await command.end();
  assertEquals(code, 0);
  assertStringIncludes(stdout, "tidied");
  assertEquals(stdout.includes("SIGINT"), false);
  const root = `${cwd}/.taffrail`;
  assertEquals(outlineOf(eventsOf(root, await onlyRun(root))).at(-1), "pipe.completed");
});

test("a command that takes no notice of Ctrl-C and Ctrl-\\ goes on, and others end by them", async (cwd) => {
  const stubborn = "trap 'echo no; echo no >>said' INT QUIT; echo ready; " +
    'while [ "$(cat said 2>/dev/null | wc -l)" -lt 2 ]; do sleep 0.05; done; exit 6';
  await using command = startInTerminal(exec(stubborn), { cwd });
  await command.stdout.find(/^ready/);
  await command.write(INTERRUPT);
  await command.stdout.find(/no\r?$/);
  await command.write(QUIT);
  assertEquals((await command.end()).code, 6);
  for (const [key, code] of [[INTERRUPT, 130], [QUIT, 131]] as const) {
    await using ended = startInTerminal(exec(`ulimit -c 0; echo ready; exec ${"sleep 1000"}`), {
      cwd,
    });
    await ended.stdout.find(/^ready/);
    await ended.write(key);
    assertEquals((await ended.end()).code, code);
  }
});

test("Ctrl-Z stops the command and taffrail, and fg continues both", async (cwd) => {
  const script = "echo ready; read _ <go; echo done";
  // With job control each command of this shell has the terminal for itself, as when a person types it.
  const shell = 'mkfifo go; set -m; "$@"; echo "status $?"; cat state; fg; echo "status $?"';
  await using command = startShellInTerminal(shell, { cwd, args: exec(script) });
  await command.stdout.find(/^ready/);
  await Deno.writeTextFile(`${cwd}/state`, "stopped\n");
  await command.write(SUSPEND);
  // The terminal shows the key as ^Z, wherever the shell has come to by then.
  await command.stdout.find(/status 14[78]\r?$/);
  await command.stdout.find(/stopped\r?$/);
  await Deno.writeTextFile(`${cwd}/go`, "\n");
  const { stdout } = await command.end();
  assertMatch(stdout, /done[^]*✓[^]*status 0/);
});

test("SIGTERM and SIGHUP are passed to the command alone, and nobody else in its group gets them", async (cwd) => {
  for (const [name, code] of [["TERM", 143], ["HUP", 129]] as const) {
    const script = `trap 'echo got ${name}; exit 0' ${name}; echo begun=$PPID; ${WAIT}`;
    // Without job control the neighbour is in the group of both.
    const shell =
      'sleep 1000 & echo $! >neighbour; "$@"; echo "status $?"; kill -0 $! && echo alive; kill $!';
    await using command = startShellInTerminal(shell, { cwd, args: exec(script) });
    const pid = Number((await command.stdout.find(/^begun=/)).slice("begun=".length));
    Deno.kill(pid, `SIG${name}`);
    const { stdout } = await command.end();
    assertStringIncludes(stdout, `got ${name}`);
    assertMatch(stdout, new RegExp(`status ${code}\r\nalive`));
  }
});

test("what a command leaves behind on a terminal is found by its environment, and ended", async (cwd) => {
  const script =
    "sleep 1000 >/dev/null 2>&1 & echo pid=$!; setsid sleep 1000 >/dev/null 2>&1 & echo pid=$!";
  await using command = startInTerminal(exec(script), { cwd });
  const { code, stdout } = await command.end();
  assertEquals(code, 0);
  const pids = [...stdout.matchAll(/pid=(\d+)/g)].map(([, pid]) => Number(pid));
  assertEquals(pids.map(isRunning), [false, false]);
});

test("exec --timeout on a terminal ends the command, and nobody else", async (cwd) => {
  const shell = '"$@"; echo "status $?"';
  const args = exec("exec sleep 1000", ["--timeout", "300ms"]);
  await using command = startShellInTerminal(shell, { cwd, args });
  assertStringIncludes((await command.end()).stdout, "status 124");
});

test("with --terminal the output is not recorded, and that is said", async (cwd) => {
  await using command = startInTerminal(exec("echo seen; exit 3", ["--terminal"]), {
    cwd,
    columns: 200,
  });
  const { code, stdout } = await command.end();
  assertEquals(code, 3);
  assertMatch(stdout, /seen\r\n.*exit code 3 {2}output not recorded {2}log: /);
  const root = `${cwd}/.taffrail`;
  const runId = await onlyRun(root);
  const [, , ended] = eventsOf(root, runId);
  assertEquals([ended?.terminal, ended?.output_hash, ended?.error_hash], [
    true,
    undefined,
    undefined,
  ]);
  const shown = await taffrail(["show", runId], { cwd });
  assertStringIncludes(
    shown.stdout,
    "exit code 3, output not recorded: it was left to the terminal",
  );
  const { nodes: [node] } = JSON.parse((await taffrail(["show", "--json", runId], { cwd })).stdout);
  assertEquals([node.terminal, node.output], [true, undefined]);
  assertEquals((await taffrail(["verify"], { cwd })).code, 0);
  // Gone on with where there is no terminal, it is recorded as ever.
  const resumed = await taffrail(["resume", runId], { cwd });
  assertEquals([resumed.code, resumed.stdout], [3, "seen\n"]);
  assertEquals(await outputOf({ root, runId }, "job.2.out"), "seen\n");
  await using again = startInTerminal(["resume", runId], { cwd });
  assertEquals((await again.end()).code, 3);
  assertEquals(eventsOf(root, runId).at(-2)?.terminal, true);
});

Deno.test("exec --terminal is refused where there is none", async () => {
  await withTempDir(async (cwd) => {
    const { code, stderr } = await taffrail(exec("true", ["--terminal"]), { cwd });
    assertEquals(code, 2);
    assertEquals(stderr, "Cannot use --terminal: neither input nor output is a terminal\n");
  });
});

test("what is run, its flow kept, is gone on with on the terminal, too", async (cwd) => {
  const script = 'test "$TAFFRAIL_ATTEMPT" = 1 && exit 1; read answer; echo "got $answer"';
  await taffrail(exec(script), { cwd });
  await using command = startInTerminal(["resume", "job"], { cwd });
  await command.write("word\n");
  const { code, stdout } = await command.end();
  assertEquals(code, 0);
  assertStringIncludes(stdout, "got word");
});

const COLOURS: [env: Record<string, string>, shell: string, seen: string][] = [
  [{ NO_COLOR: "" }, '"$@"', "1"],
  [{ NO_COLOR: "1" }, '"$@"', "none"],
  [{ NO_COLOR: "", FORCE_COLOR: "3" }, '"$@"', "3"],
  [{ NO_COLOR: "", FORCE_COLOR: "0" }, '"$@"', "0"],
  [{ NO_COLOR: "", TERM: "dumb" }, '"$@"', "none"],
  [{ NO_COLOR: "" }, '"$@" | cat', "none"],
  [{ NO_COLOR: "" }, '"$@" 2>/dev/null', "none"],
];

for (const [env, shell, seen] of COLOURS) {
  const how = `${shell.slice(4).trim()} ${JSON.stringify(env)}`.trim();
  test(`FORCE_COLOR is ${seen} for what prints to a terminal, with ${how}`, async (cwd) => {
    const tasks = { look: "sh -c 'echo colour=${FORCE_COLOR-none}'" };
    await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify({ tasks }));
    for (const args of [exec("echo colour=${FORCE_COLOR-none}"), ["run", "--tasks", "look"]]) {
      const text = "FORCE_COLOR" in env ? shell : `unset FORCE_COLOR; ${shell}`;
      await using command = startShellInTerminal(text, { cwd, env, args });
      assertStringIncludes((await command.end()).stdout, `colour=${seen}\r\n`);
    }
  });
}
