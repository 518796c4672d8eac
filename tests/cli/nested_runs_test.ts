/** A run that is a command of another run: what is left of the outer one is the inner one's too. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { isThere } from "../_util/files.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { startTaffrail, taffrail, taffrailCommand } from "./_command.ts";
import { eventsOf, isRunning, onlyRun, poll, untilChanged } from "./_runs.ts";

const IS_LINUX = Deno.build.os === "linux";

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !IS_LINUX, fn: () => withTempDir(body) });
}

/** Says who it is, whole at once, and goes on. */
const TELL = 'echo $$ > "$0/pids/$$.new"; mv "$0/pids/$$.new" "$0/pids/$$"';

/**
 * Runs within runs, each in a root of its own; the innermost command says who it is and hangs. Each level
 * completes at its second attempt.
 */
async function writeNested(cwd: string, levels: number, hangs = "exec sleep 1000"): Promise<void> {
  await Deno.mkdir(`${cwd}/pids`);
  const script = `test -e "$0/go" || { ${TELL}; ${hangs}; }`;
  let run = ["sh", "-c", script, cwd];
  for (let level = levels; level > 0; level--) {
    const path = `${cwd}/flow-${level}.json`;
    await Deno.writeTextFile(
      path,
      JSON.stringify({ name: `flow-${level}`, nodes: { a: { run } } }),
    );
    run = taffrailCommand(["run", "--root", `${cwd}/root-${level}`, path]);
  }
}

/** The commands that have said who they are. */
function told(cwd: string): number[] {
  return Array.from(Deno.readDirSync(`${cwd}/pids`), ({ name }) => name)
    .filter((name) => /^\d+$/.test(name)).map(Number);
}

/** The same as soon as there is one. */
async function firstTold(cwd: string): Promise<number> {
  await untilChanged(`${cwd}/pids`, () => told(cwd).length > 0);
  return told(cwd)[0]!;
}

function startOuter(cwd: string, options: string[] = []) {
  return startTaffrail(["run", ...options, "--root", "root-1", "flow-1.json"], { cwd });
}

/** Goes on with the outermost run, and sees that it leaves nobody behind. */
async function resumeToEnd(cwd: string): Promise<string> {
  await Deno.writeTextFile(`${cwd}/go`, "");
  const { code, stderr } = await taffrail(["resume", "--root", "root-1", "flow-1"], { cwd });
  assertEquals(code, 0, stderr);
  return stderr;
}

for (const levels of [2, 3]) {
  test(`resume ends the commands of runs nested ${levels} levels deep`, async (cwd) => {
    await writeNested(cwd, levels);
    await using outer = startOuter(cwd);
    const pid = await firstTold(cwd);
    outer.kill("SIGKILL");
    await outer.end();
    assert(isRunning(pid));
    const stderr = await resumeToEnd(cwd);
    assertStringIncludes(stderr, "ending what is left of a: processes ");
    assertStringIncludes(stderr, String(pid));
    assertEquals(isRunning(pid), false);
  });
}

test("resume ends what bears the mark though its own runner is killed, too", async (cwd) => {
  await writeNested(cwd, 3);
  await using outer = startOuter(cwd);
  const pid = await firstTold(cwd);
  outer.kill("SIGKILL");
  await outer.end();
  for (const level of [2, 3]) {
    const root = `${cwd}/root-${level}`;
    const path = `${root}/runs/${await onlyRun(root)}/live.lock`;
    Deno.kill(JSON.parse(await Deno.readTextFile(path)).pid, "SIGKILL");
  }
  assert(isRunning(pid));
  await resumeToEnd(cwd);
  assertEquals(isRunning(pid), false);
});

test("resume of an inner run ends its own commands, and leaves the outer run alone", async (cwd) => {
  await writeNested(cwd, 2);
  await using outer = startOuter(cwd);
  const pid = await firstTold(cwd);
  const root = `${cwd}/root-2`;
  const path = `${root}/runs/${await onlyRun(root)}/live.lock`;
  Deno.kill(JSON.parse(await Deno.readTextFile(path)).pid, "SIGKILL");
  // The outer run sees that its command has ended, badly, and ends what bears its mark.
  assertEquals((await outer.end()).code, 1);
  await poll(() => !isRunning(pid));
  await Deno.writeTextFile(`${cwd}/go`, "");
  const { code, stderr } = await taffrail(["resume", "--root", "root-2", "flow-2"], { cwd });
  assertEquals(code, 0, stderr);
});

const STUBBORN = "trap '' TERM INT HUP QUIT; while :; do sleep 0.05; done";
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 };

for (
  const [signal, levels] of [["SIGTERM", 3], ["SIGINT", 2], ["SIGHUP", 3], ["SIGQUIT", 2]] as const
) {
  test(`nothing of ${levels} nested runs outlives ${signal} to the outermost, whatever ignores it`, async (cwd) => {
    await writeNested(cwd, levels, STUBBORN);
    await using outer = startOuter(cwd, ["--grace", "4s"]);
    const pid = await firstTold(cwd);
    outer.kill(signal);
    assertEquals((await outer.end()).code, EXIT_CODES[signal]);
    assertEquals(isRunning(pid), false);
    for (let level = 1; level <= levels; level++) {
      const root = `${cwd}/root-${level}`;
      const last = eventsOf(root, await onlyRun(root)).at(-1);
      // An inner run takes a shorter grace than the outer one, so that it can say how it ended.
      assertEquals(last?.type, "pipe.aborted", `level ${level}`);
      assertEquals(last?.reason, `cancelled by ${signal}`, `level ${level}`);
    }
  });
}

test("a command that is a part of a run at any level cannot go on with that run", async (cwd) => {
  await writeNested(cwd, 2);
  const resume = taffrailCommand(["resume", "--root", `${cwd}/root-1`, "flow-1"]);
  const until = 'while ! test -e "$0/now"; do sleep 0.05; done';
  const tries = `env -u TAFFRAIL_RUN_ID ${resume.join(" ")} > "$0/said" 2>&1; echo $? > "$0/code"`;
  await Deno.writeTextFile(
    `${cwd}/flow-2.json`,
    JSON.stringify({
      name: "flow-2",
      nodes: { a: { run: ["sh", "-c", `${TELL}; ${until}; ${tries}; exec sleep 1000`, cwd] } },
    }),
  );
  await using outer = startOuter(cwd);
  const pid = await firstTold(cwd);
  outer.kill("SIGKILL");
  await outer.end();
  await Deno.writeTextFile(`${cwd}/now`, "");
  await untilChanged(
    cwd,
    async () => (await Deno.readTextFile(`${cwd}/code`).catch(() => "")) !== "",
  );
  assertEquals(await Deno.readTextFile(`${cwd}/code`), "1\n");
  const said = await Deno.readTextFile(`${cwd}/said`);
  assertStringIncludes(
    said,
    "this was started by one of its own commands; resume it from outside\n",
  );
  assert(isRunning(pid));
  await Deno.writeTextFile(
    `${cwd}/flow-2.json`,
    JSON.stringify({ name: "flow-2", nodes: { a: { run: ["true"] } } }),
  );
  await resumeToEnd(cwd);
  assertEquals(isRunning(pid), false);
});

test("nested runs that are killed at random leave nothing behind that goes on", async () => {
  const random = new Random(seed());
  for (let round = 0; round < longCount(3, 20); round++) {
    await withTempDir(async (cwd) => {
      await writeNested(cwd, 2 + random.below(2));
      await using outer = startOuter(cwd);
      const isEarly = random.chance(0.5);
      if (isEarly) await new Promise((resolve) => setTimeout(resolve, random.below(800)));
      else await firstTold(cwd);
      outer.kill("SIGKILL");
      await outer.end();
      // Killed before there was anything to go on with, its command was not started either.
      const runId = await onlyRun(`${cwd}/root-1`).catch(() => undefined);
      if (runId === undefined) return;
      await Deno.writeTextFile(`${cwd}/go`, "");
      const { code, stderr } = await taffrail(["resume", "--root", "root-1", "flow-1"], { cwd });
      const hasLog = isThere(`${cwd}/root-1/runs/${runId}/events.jsonl`);
      if (!hasLog) assertStringIncludes(stderr, "it has no log");
      const hasBegun = hasLog && !stderr.includes("it died before it began");
      assertEquals(code, hasBegun ? 0 : 1, stderr);
      assertEquals(told(cwd).filter(isRunning), []);
    });
  }
});
