/** What commands leave behind in sessions of their own: it bears the mark of its attempt, and ends with that. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { startTaffrail, taffrail } from "./_command.ts";
import { eventsOf, isRunning, onlyRun, poll, writeFlow } from "./_runs.ts";

/** Elsewhere nobody can tell what another process was started with. */
function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: Deno.build.os !== "linux", fn: () => withTempDir(body) });
}

/** Leaves a process in a session of its own, as a daemon does, and writes its pid. */
const LEAVE = "setsid sh -c 'echo $$ >$TAFFRAIL_NODE_ID.$TAFFRAIL_ATTEMPT; exec sleep 1000' " +
  ">/dev/null 2>&1 & until test -s $TAFFRAIL_NODE_ID.$TAFFRAIL_ATTEMPT; do sleep 0.01; done";

async function pidIn(path: string): Promise<number> {
  return Number(await Deno.readTextFile(path));
}

const ENDS: { name: string; then: string; code: number; options?: string[] }[] = [
  { name: "succeeds", then: "exit 0", code: 0 },
  { name: "fails", then: "exit 3", code: 3 },
  { name: "is ended by a signal", then: "kill -9 $$", code: 137 },
  {
    name: "runs out of time",
    then: "sleep 1000",
    code: 124,
    options: ["--timeout", "1s", "--grace", "60s"],
  },
];

for (const { name, then, code, options = [] } of ENDS) {
  test(`a command that ${name} leaves nothing behind`, async (cwd) => {
    const args = ["exec", ...options, "--name", "job", "--", "sh", "-c", `${LEAVE}; ${then}`];
    const ended = await taffrail(args, { cwd });
    assertEquals(ended.code, code, ended.stderr);
    const pid = await pidIn(`${cwd}/job.1`);
    assertEquals(isRunning(pid), false);
    assertStringIncludes(ended.stderr, `ending what is left of job: process ${pid}, within `);
  });
}

for (const [how, script] of Object.entries({ removes: "rm -r", moves: "mv -t .." })) {
  test(`a command that ${how} the root of its run leaves nothing behind`, async (directory) => {
    const cwd = `${directory}/place`;
    await Deno.mkdir(cwd);
    const flow = await writeFlow(cwd, { job: `${LEAVE}; ${script} .taffrail; exit 3` });
    const { code, stderr } = await taffrail(["run", flow], { cwd });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "has been moved, replaced or removed");
    assertEquals(isRunning(await pidIn(`${cwd}/job.1`)), false);
  });
}

for (const signal of ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"] as const) {
  test(`a command that is ended by ${signal} leaves nothing behind`, async (cwd) => {
    const script = `${LEAVE}; echo ready; exec sleep 1000`;
    const args = ["exec", "--name", "job", "--", "sh", "-c", script];
    await using command = startTaffrail(args, { cwd });
    await command.stdout.find(/^ready$/);
    command.kill(signal);
    await command.end();
    assertEquals(isRunning(await pidIn(`${cwd}/job.1`)), false);
  });
}

test("what an attempt has left has ended before the next one begins", async (cwd) => {
  const script =
    `test -e w.1 && grep -q . /proc/$(cat w.1)/cmdline && echo together; ${LEAVE}; sleep 1000`;
  const flow = await writeFlow(cwd, { w: { run: script, timeout: "1s" } });
  const text = JSON.parse(await Deno.readTextFile(`${cwd}/${flow}`));
  const constraints = { max_retries: 1 };
  await Deno.writeTextFile(`${cwd}/${flow}`, JSON.stringify({ ...text, constraints }));
  assertEquals((await taffrail(["run", flow], { cwd })).code, 1);
  const root = `${cwd}/.taffrail`;
  const starts = eventsOf(root, await onlyRun(root)).filter(({ type }) => type === "node.started");
  assertEquals(starts.length, 2);
  const nodes = `${root}/runs/${await onlyRun(root)}/nodes`;
  assertEquals(await Deno.readTextFile(`${nodes}/w.2.out`).catch(() => ""), "");
  for (const attempt of [1, 2]) assertEquals(isRunning(await pidIn(`${cwd}/w.${attempt}`)), false);
});

test("what a node that succeeded has left serves the others, and ends with the run", async (cwd) => {
  const flow = await writeFlow(cwd, {
    server: LEAVE,
    client: { run: "kill -0 $(cat server.1)", needs: ["server"] },
  });
  const { code, stdout, stderr } = await taffrail(["run", flow], { cwd });
  assertEquals(code, 0, stderr);
  const pid = await pidIn(`${cwd}/server.1`);
  assertStringIncludes(stdout + stderr, `ending what is left of server: process ${pid}`);
  assertEquals(isRunning(pid), false);
});

test("a run ends nothing of another run, nor what has put its mark off", async (cwd) => {
  const other = ["exec", "--name", "other", "--", "sh", "-c", `${LEAVE}; exec sleep 1000`];
  await using running = startTaffrail(other, { cwd });
  await poll(() => Deno.lstatSync(cwd).isDirectory && hasText(`${cwd}/other.1`));
  const script = "setsid env -u TAFFRAIL_WITHIN sleep 1000 >/dev/null 2>&1 & echo $! >kept";
  const args = ["exec", "--name", "job", "--", "sh", "-c", `${script}; sleep 0.2`];
  assertEquals((await taffrail(args, { cwd })).code, 0);
  const pids = [await pidIn(`${cwd}/other.1`), await pidIn(`${cwd}/kept`)];
  assertEquals(pids.map(isRunning), [true, true]);
  Deno.kill(pids[1]!, "SIGKILL");
  running.kill("SIGTERM");
  await running.end();
  assertEquals(isRunning(pids[0]!), false);
});

function hasText(path: string): boolean {
  try {
    return Deno.readTextFileSync(path) !== "";
  } catch {
    return false;
  }
}
