/** What another root says of its processes is theirs: nothing is signalled by way of a copy. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readProcesses } from "../../cli/process/process_log.ts";
import { readBootId, readStat } from "../../cli/process/processes.ts";
import { withTempDir } from "../_util/temp.ts";
import { start, startTaffrail, taffrail } from "./_command.ts";
import { isRunning, onlyRun, poll, untilChanged, untilExists, writeFlow } from "./_runs.ts";

const IS_LINUX = Deno.build.os === "linux";

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !IS_LINUX, fn: () => withTempDir(body) });
}

/** Writes a file at once, so that who waits for it finds it whole. */
const TELL = "echo $$ > pid.new; mv pid.new pid";
const HANGS_ONCE = `test $TAFFRAIL_ATTEMPT -gt 1 || { ${TELL}; exec sleep 1000; }`;
const HANGS_BARE =
  `test $TAFFRAIL_ATTEMPT -gt 1 || exec env -i sh -c '${TELL}; exec /bin/sleep 1000'`;

/** Starts a run whose node hangs, and gives it when its process is recorded. */
async function startHanging(cwd: string, script = HANGS_ONCE) {
  await writeFlow(cwd, { a: script });
  const command = startTaffrail(["run", "flow.json"], { cwd });
  await untilExists(cwd, "pid");
  const root = `${cwd}/.taffrail`;
  const run = { root, runId: await onlyRun(root) };
  await untilChanged(`${root}/runs/${run.runId}`, () => readProcesses(run).has("a#1"));
  const pid = Number(await Deno.readTextFile(`${cwd}/pid`));
  return { command, pid, ...run };
}

async function copyTo(cwd: string, name: string): Promise<string> {
  const copy = `${cwd}/${name}`;
  await Deno.mkdir(copy);
  await start("cp", ["-r", ".taffrail", "flow.json", copy], { cwd }).end();
  return copy;
}

for (
  const [name, script] of [["", HANGS_ONCE], [" that cleared their mark", HANGS_BARE]] as const
) {
  test(`resume in a copy of a root leaves the commands${name} of the living original alone`, async (cwd) => {
    const { command, pid, runId } = await startHanging(cwd, script);
    await using _ = command;
    const copy = await copyTo(cwd, "copy");
    const { code, stderr } = await taffrail(["resume", "flow"], { cwd: copy });
    assertEquals([code, stderr.includes("ending")], [0, false], stderr);
    assert(isRunning(pid));
    command.kill("SIGTERM");
    assertEquals((await command.end()).code, 143);
    const verify = await taffrail(["verify", runId], { cwd });
    assertEquals(verify.code, 0, verify.stdout);
  });
}

test("resume in a copy leaves what is left of a dead original alone, and there it is ended", async (cwd) => {
  const { command, pid } = await startHanging(cwd);
  await using _ = command;
  command.kill("SIGKILL");
  await command.end();
  const copy = await copyTo(cwd, "copy");
  assertEquals((await taffrail(["resume", "flow"], { cwd: copy })).code, 0);
  assert(isRunning(pid));
  assertEquals((await taffrail(["resume", "flow"], { cwd })).code, 0);
  assertEquals(isRunning(pid), false);
});

test("resume finds what is left when its root is reached by a link, or was renamed", async (cwd) => {
  // By the mark, or by the record, which survives the new name; with one a mark that names the old one is no doubt.
  const ways = [["link", HANGS_ONCE], ["rename", HANGS_BARE], ["rename", HANGS_ONCE]] as const;
  for (const [move, script] of ways) {
    await withTempDir(async (cwd) => {
      const { command, pid } = await startHanging(cwd, script);
      await using _ = command;
      command.kill("SIGKILL");
      await command.end();
      if (move === "link") await Deno.symlink(".taffrail", `${cwd}/other`);
      else await Deno.rename(`${cwd}/.taffrail`, `${cwd}/other`);
      const { code, stderr } = await taffrail(["resume", "--root", "other", "flow"], { cwd });
      assertEquals(code, 0, stderr);
      assertEquals(isRunning(pid), false);
    });
  }
  await Promise.resolve(cwd);
});

test("resume does not guess whose a process is when the root that it names is gone", async (cwd) => {
  const { command, pid } = await startHanging(cwd);
  await using _ = command;
  command.kill("SIGKILL");
  await command.end();
  const copy = await copyTo(cwd, "copy");
  await Deno.remove(`${cwd}/.taffrail`, { recursive: true });
  try {
    const { code, stderr } = await taffrail(["resume", "flow"], { cwd: copy });
    assertEquals(code, 1);
    assertStringIncludes(stderr, `nobody can tell whether process ${pid} is left of attempt 1`);
    const assumed = await taffrail(["resume", "--assume-ended", "flow"], { cwd: copy });
    assertEquals([assumed.code, isRunning(pid)], [0, true], assumed.stderr);
  } finally {
    Deno.kill(pid, "SIGKILL");
  }
});

test("a record that names somebody else's process ends nobody", async (cwd) => {
  const { command, pid, ...run } = await startHanging(cwd);
  await using _ = command;
  command.kill("SIGKILL");
  await command.end();
  Deno.kill(pid, "SIGKILL");
  await poll(() => !isRunning(pid));
  await using bystander = start("setsid", ["sleep", "1000"], { cwd });
  const path = `${run.root}/runs/${run.runId}/processes.jsonl`;
  const line = JSON.parse((await Deno.readTextFile(path)).trimEnd());
  const identityOf = (of: number) => ({
    pid: of,
    start_time: readStat(of)?.startTime,
    boot_id: readBootId(),
  });
  const own = identityOf(bystander.pid);
  const forged = [
    { ...own, root_ino: 1, root: "/" },
    { ...own, root: undefined, root_ino: undefined },
    { ...own, boot_id: "other" },
    { ...own, start_time: 1 },
    identityOf(1),
    identityOf(Deno.pid),
    identityOf(Deno.ppid),
    { pid: -1 },
    { pid: "1" },
  ];
  for (const members of forged) {
    await Deno.writeTextFile(path, JSON.stringify({ ...line, ...members }) + '\n{"torn');
    // It may not begin, so that the next one finds the same.
    const copyBack = await Deno.makeTempDir({ dir: cwd });
    await start("cp", ["-r", `${run.root}/runs`, copyBack], { cwd }).end();
    const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
    assertEquals([code, stderr], [0, ""], JSON.stringify(members));
    assert(isRunning(bystander.pid));
    await Deno.remove(`${run.root}/runs`, { recursive: true });
    await Deno.remove(`${run.root}/runtimes`, { recursive: true });
    await Deno.rename(`${copyBack}/runs`, `${run.root}/runs`);
  }
});
