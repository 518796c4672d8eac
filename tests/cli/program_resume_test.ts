/** A program whose run did not end is started again by `taffrail resume`, as if by hand. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { HAS_SIGNALS, startTaffrail } from "./_command.ts";
import { type Plan, PROGRAM_COMMAND, ProgramFolder, withProgram } from "./_program.ts";
import { isRunning, poll } from "./_runs.ts";
import { HAS_SCRIPT, startInTerminal } from "./_terminal.ts";

function test(name: string, use: (program: ProgramFolder) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SIGNALS, fn: () => withProgram(use) });
}

const HANGS: Plan = { ops: [{ step: "list", gives: ["a"] }, { step: "load", hangs: true }] };

test("resume starts a program that was killed, and passes on what it prints and its exit code", async (program) => {
  await program.killAt(HANGS, /^hangs/);
  const runId = await program.runId();
  // Nobody whom the program starts is to go on with the run.
  const variables = ["TAFFRAIL_ROOT", "TAFFRAIL_RESUME"].map((variable) => ({ variable }));
  program.plan({ ...HANGS, ops: [...HANGS.ops, ...variables], returns: 7, exits: 3 });
  const { code, stdout, stderr } = await program.taffrail("resume", "order");
  const said = `TAFFRAIL_ROOT=${program.root}\nTAFFRAIL_RESUME=undefined\n`;
  assertEquals([code, stdout], [3, `run_id=${runId}\n${said}`]);
  assertMatch(stderr, new RegExp(`^run_id=${runId}\n▸ .*planned.ts\n${runId}  completed\n$`));
  assertEquals(program.effects(), ["list 1", "load 1", "load 2"]);
  assertEquals(await program.runId(), runId);
  await program.tells("verify");
  assertStringIncludes(await program.tells("replay", runId), "the replay went as recorded");
});

const ENDS: Record<string, { plan: Plan; outcome: string }> = {
  "a step of which failed": {
    plan: { ops: [{ step: "a", fails: 1 }] },
    outcome: "failed",
  },
  "that let go of its run": { plan: { ops: [{ step: "a" }], leaves: true }, outcome: "unfinished" },
};

for (const [what, { plan, outcome }] of Object.entries(ENDS)) {
  test(`resume goes on with a program ${what}`, async (program) => {
    await program.run(plan);
    assertMatch(await program.tells("ls"), new RegExp(` ${outcome} `));
    const shown = await program.tells("show", "order");
    assertStringIncludes(shown, `go on   taffrail resume ${await program.runId()}\n`);
    program.plan({ ops: plan.ops });
    assertEquals((await program.taffrail("resume", "order")).code, 0);
    assertMatch(await program.tells("ls"), / completed /);
  });
}

test("resume of a program gives it its input, and signals as they are", async (program) => {
  await program.killAt(HANGS, /^hangs/);
  program.plan({ ops: [{ reads: true }, { step: "later", hangs: true }] });
  await using resuming = startTaffrail(["resume", "order"], { cwd: program.cwd });
  await resuming.write("words");
  await resuming.closeInput();
  await resuming.stdout.find(/^read words$/);
  await resuming.stdout.find(/^hangs/);
  resuming.kill("SIGINT");
  const { code, stdout, stderr } = await resuming.end();
  assertEquals(code, 1);
  assertMatch(stdout, /threw The run .* was stopped by SIGINT/);
  assertMatch(stderr, /cancelled\nreason {2}cancelled by SIGINT\ngo on {3}taffrail resume/);
});

/** Kills a program in a step that has started a process; gives the pid of that. */
async function leaveServing(program: ProgramFolder): Promise<number> {
  const ops = [{ step: "serve", starts: true, hangs: true }];
  const said = await program.killAt({ ops }, /^hangs/);
  return Number(/^started (\d+)/m.exec(said)![1]);
}

test("resume of a program ends what is left of its steps first", async (program) => {
  const pid = await leaveServing(program);
  try {
    assert(isRunning(pid));
    program.plan({ ops: [{ step: "serve" }] });
    const { code, stderr } = await program.taffrail("resume", "order");
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, `ending what is left of serve: process ${pid}, within 5.0s\n`);
    await poll(() => !isRunning(pid));
  } finally {
    if (isRunning(pid)) Deno.kill(pid, "SIGKILL");
  }
});

test("resume --wait of a program waits for what is left of its steps", async (program) => {
  const pid = await leaveServing(program);
  program.plan({ ops: [{ step: "serve" }] });
  const args = ["resume", "--wait", "--assume-ended", "order"];
  await using resuming = startTaffrail(args, { cwd: program.cwd });
  try {
    await resuming.stderr.find(/^waiting for what is left of serve: process \d+$/);
    assertEquals(program.effects(), ["serve 1"]);
  } finally {
    Deno.kill(pid, "SIGKILL");
  }
  await resuming.closeInput();
  assertEquals((await resuming.end()).code, 0);
  assertEquals(program.effects(), ["serve 1", "serve 2"]);
});

Deno.test({
  name: "on a terminal a resumed program shares that, and Ctrl-C reaches it once",
  ignore: !HAS_SCRIPT,
  fn: () =>
    withProgram(async (program) => {
      await program.killAt(HANGS, /^hangs/);
      program.plan({ ops: [...HANGS.ops, { step: "later", hangs: true }] });
      await using resuming = startInTerminal(["resume", "order"], {
        cwd: program.cwd,
        columns: 400,
      });
      await resuming.stdout.find(/^hangs/);
      await resuming.write("\x03");
      const { code, stdout } = await resuming.end();
      assertEquals(code, 1);
      assertMatch(stdout, /threw The run .* was stopped by SIGINT[^]* cancelled/);
      assertMatch(await program.tells("ls"), / cancelled /);
    }),
});

test("resume of a program ends what a program has left that was a step of it, and both go on", async (program) => {
  const inner = new ProgramFolder(`${program.cwd}/inner`);
  await Deno.mkdir(inner.cwd);
  inner.plan({ ops: [{ step: "slow", hangs: true }] });
  await using running = program.start({ ops: [{ step: "nested", runs: "inner" }] });
  const pid = Number((await running.stdout.find(/^hangs/)).split(" ")[1]);
  running.kill("SIGKILL");
  try {
    const live = await inner.taffrail("resume", "order");
    assertStringIncludes(live.stderr, `it is still being worked on by process ${pid}`);
    const { code, stderr } = await program.taffrail("resume", "order");
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, `ending what is left of nested: process ${pid}, within`);
  } finally {
    if (isRunning(pid)) Deno.kill(pid, "SIGKILL");
  }
  await running.end();
  assertEquals(inner.effects(), ["slow 1", "slow 2"]);
  assertMatch(await inner.tells("ls"), / completed /);
  await inner.tells("verify");
});

test("resume tells when a program ends without having gone on with its run", async (program) => {
  await program.killAt(HANGS, /^hangs/);
  for (const [exits, expected] of [[0, 1], [5, 5]] as const) {
    program.plan({ ops: [], ignores: true, exits });
    const { code, stderr } = await program.taffrail("resume", "order");
    assertEquals(code, expected);
    assertStringIncludes(stderr, `ended with exit code ${exits}, and has not gone on with order-`);
  }
  program.plan({ ops: [{ step: "list", input: "other" }, { step: "load" }] });
  await program.run();
  const { code, stdout } = await program.taffrail("resume", "order");
  assertEquals(code, 1);
  assertStringIncludes(stdout, "its input is another one");
});

test("resume finds the run of a program whose root has another path", async (program) => {
  await program.killAt(HANGS, /^hangs/);
  await Deno.symlink(program.root, `${program.cwd}/link`);
  const { code, stderr } = await program.taffrail("resume", "--root", "link", "order");
  assertEquals(code, 0, stderr);
  assertMatch(await program.tells("ls"), / completed /);
});

test("resume --json of a program prints the document behind all that it prints", async (program) => {
  await program.killAt(HANGS, /^hangs/);
  const { stderr } = await program.taffrail("resume", "--json", "order");
  const { run_id, state } = JSON.parse(stderr.trimEnd().split("\n").at(-1)!);
  assertEquals([run_id, state], [await program.runId(), "Completed"]);
});

const REFUSED: Record<
  string,
  { plan?: Partial<Plan>; args?: string[]; code?: number; says: RegExp }
> = {
  "without a command": {
    plan: { command: null },
    says: /has not recorded by what it is started: .* with "command" among the options/,
  },
  "that is gone": {
    plan: { command: ["./gone", "x"] },
    says: /its program cannot be started: Cannot run "\.\/gone", which does not exist/,
  },
  "that may not be executed": {
    plan: { command: ["./plan.json"] },
    says: /its program cannot be started: Cannot run .*make .*plan.json executable/,
  },
  "with an option of flows": {
    args: ["--rerun", "a", "-k"],
    code: 2,
    says: /Cannot use --rerun and --keep-going|Cannot use --rerun, --keep-going/,
  },
};

for (const [what, { plan, args = [], code: expected = 1, says }] of Object.entries(REFUSED)) {
  test(`resume refuses a program ${what}`, async (program) => {
    await program.killAt({ ...HANGS, ...plan }, /^hangs/);
    const { code, stdout, stderr } = await program.taffrail("resume", ...args, "order");
    assertEquals([code, stdout], [expected, ""]);
    assertMatch(stderr, says);
    assertEquals(program.effects(), ["list 1", "load 1"]);
  });
}

test("resume refuses a program that has completed, and one at work", async (program) => {
  await using running = program.start(HANGS);
  await running.stdout.find(/^hangs/);
  const live = await program.taffrail("resume", "order");
  assertEquals(live.code, 1);
  assertStringIncludes(live.stderr, `it is still being worked on by process ${running.pid}`);
  running.kill("SIGKILL");
  await running.end();
  assertEquals((await program.taffrail("resume", "order")).code, 0);
  const ended = await program.taffrail("resume", "order");
  assertEquals(ended.code, 1);
  assertStringIncludes(ended.stderr, "it has completed; there is nothing left to do");
});

test("a program that a flow runs is gone on with by itself, or by its flow", async (program) => {
  const flow = { name: "outer", nodes: { inner: { run: PROGRAM_COMMAND } } };
  await Deno.writeTextFile(`${program.cwd}/flow.json`, JSON.stringify(flow));
  program.plan({ ops: [{ step: "list" }, { step: "load", fails: 2 }] });
  assertEquals((await program.taffrail("run", "flow.json")).code, 1);
  assertEquals((await program.taffrail("resume", "order")).code, 1);
  assertEquals((await program.taffrail("resume", "outer")).code, 0);
  assertEquals(program.effects(), ["list 1", "load 1", "load 2", "load 3"]);
  assertEquals(
    (await program.tells("ls", "--state", "completed")).match(/ completed /g)?.length,
    2,
  );
});
