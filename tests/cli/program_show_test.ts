/** What the verbs tell of the run of a program: at work, killed, stopped, failed, unfinished and completed. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { HAS_SIGNALS, startTaffrail } from "./_command.ts";
import { type Plan, type ProgramFolder, withProgram } from "./_program.ts";

function test(name: string, use: (program: ProgramFolder) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SIGNALS, fn: () => withProgram(use) });
}

/** Everything that a program can do, up to a gate. */
const ALL: Plan = {
  version: "3",
  ops: [
    { record: "source", data: { host: "db1" } },
    { step: "list", gives: ["a", "b"] },
    { step: "import a", input: { file: "a" }, gives: { rows: 3 } },
    { step: "nothing" },
    { step: "big", big: 70_000 },
    { step: "flaky", fails: 1, maxRetries: 1, gives: 7 },
    { step: "caught", fails: 1, caught: true, message: "out of stock" },
    { sleep: "settle", ms: 1 },
    { gate: "approved", wants: true },
  ],
  returns: { rows: 6 },
};

/** The lines that are about its parts, without times. */
function partsOf(shown: string): string[] {
  return shown.split("\n").filter((line) => line.startsWith("  "))
    .map((line) => line.replaceAll(/[\d.]+m?s(?= |$)/g, "").replaceAll(/ +/g, " ").trim());
}

const PARTS = [
  '✓ list → ["a","b"]',
  '✓ import a → {"rows":3}',
  "✓ nothing",
  "✓ big → a long result: taffrail logs prints it",
  "✓ flaky attempt 2 → 7",
  "attempt 1 failed: RangeError: busy",
  "attempt 2 completed → 7",
  "✗ caught failed: RangeError: out of stock",
];

const RECORDED = '• source recorded {"host":"db1"}';
const FAILURES = ["| RangeError: out of stock", "| because Error: socket hang up"];

test("show tells of steps, results, errors, waits and records, and pass of what it does", async (program) => {
  await using running = program.start(ALL);
  const runId = (await running.stdout.find(/^run_id=/)).slice("run_id=".length);
  await using following = startTaffrail(["follow", runId], { cwd: program.cwd });
  await following.stdout.find(/ waits +approved {2}for an answer$/);
  const shown = await program.tells("show", runId);
  assertMatch(shown, /^order-\S+ {2}running\nprogram order, version 3\ncommand .*planned.ts\n/);
  const hint = `taffrail pass ${runId} approved --value JSON`;
  const waits = "⏸ approved waits for an answer";
  assertEquals(partsOf(shown), [...PARTS, waits, hint, RECORDED, ...FAILURES]);

  const early = await program.tells("pass", runId, "later");
  assertEquals(
    early,
    `recorded: the gate later of ${runId} may be passed\n` +
      "the run does not wait there now but at approved: it counts when it comes there\n",
  );
  assertStringIncludes(await program.tells("pass", runId, "later"), "an answer was left before");
  await program.tells("pass", "--by", "eve", "--value", "1", runId, "approved");
  await following.stdout.find(/ recorded +approved#3 {2}the answer was refused: .*by is no text$/);
  assertMatch(await program.tells("show", runId), /an answer of eve was refused: .*by is no text/);
  const sleeps = await program.taffrail("pass", runId, "settle");
  assertEquals([sleeps.code, sleeps.stdout], [1, ""]);
  assertStringIncludes(sleeps.stderr, "it is a sleep");

  const passed = await program.tells(
    "pass",
    "--by",
    "ada",
    "--value",
    '{"by":"ada"}',
    runId,
    "approved",
  );
  assertEquals(passed, `recorded: the gate approved of ${runId} may be passed\n`);
  await running.stdout.find(/^passed {"by":"ada"}$/);
  await running.closeInput();
  assertEquals((await running.end()).code, 0);
  const late = await program.taffrail("pass", runId, "approved");
  assertEquals(late.code, 1);

  const followed = await following.end();
  assertEquals(followed.code, 0);
  const kinds = followed.stdout.split("\n").map((line) =>
    line.split(/ {2,}/).slice(1, 3).join(" ")
  );
  // Of a note and an event of the same millisecond either may be told first.
  const notes = kinds.filter((kind) => /^(waits|waited|recorded|gate)/.test(kind));
  assertEquals(notes, [
    "recorded source",
    "waits settle",
    "waited settle",
    "waits approved",
    "recorded approved#3",
    "gate.passed approved",
  ]);
  const done = await program.tells("show", runId);
  assertEquals(partsOf(done), [
    ...PARTS,
    '✓ approved passed by ada → {"by":"ada"}',
    RECORDED,
    ...FAILURES,
  ]);
  assertMatch(done, /^gives {3}{"rows":6}$/m);
  await program.tells("verify");
  assertStringIncludes(await program.tells("replay", runId), "the replay went as recorded");
  assertStringIncludes(await program.tells("what-if", "--max-retries", "9", runId), "caught");
  assertStringIncludes(await program.tells("trace", runId), "out of stock");
});

test("show --json has results whole, files of long ones, errors, waits and records", async (program) => {
  await program.killAt(
    { ...ALL, ops: [...ALL.ops.slice(0, -1), { print: "here" }, { gate: "approved" }] },
    /^here$/,
  );
  const told = JSON.parse(await program.tells("show", "--json", "order"));
  const { outcome, version, command, waits, records, output } = told;
  assertEquals([outcome, version, output], ["orphan", "3", undefined]);
  assertMatch(command.at(-1), /planned.ts$/);
  assert(waits.length <= 1);
  assertEquals(records.map(({ id, data }: Record<string, unknown>) => [id, data]), [
    ["source", { host: "db1" }],
  ]);
  const nodes = Object.fromEntries(told.nodes.map((node: { id: string }) => [node.id, node]));
  assertEquals(nodes.list.result, ["a", "b"]);
  assertEquals("result" in nodes.nothing, false);
  assertEquals((await Deno.readTextFile(`${program.cwd}/${nodes.big.result_file}`)).length, 70_002);
  assertEquals(nodes.flaky.attempts.map(({ result }: { result: unknown }) => result), [
    undefined,
    7,
  ]);
  const causes = [{ name: "Error", message: "socket hang up" }];
  const { name, message } = nodes.caught.error;
  assertEquals([name, message, nodes.caught.error.causes], ["RangeError", "out of stock", causes]);
});

test("logs prints what steps gave, live too", async (program) => {
  await using running = program.start({
    ops: [{ step: "list", gives: ["a", "b"] }, { reads: true }, { step: "big", big: 70_000 }],
  });
  await running.stdout.find(/^run_id=/);
  await using following = startTaffrail(["logs", "-f", "order"], { cwd: program.cwd });
  await following.stdout.find(/^list \| \["a","b"\]$/);
  await running.closeInput();
  await running.end();
  const { code, stdout } = await following.end();
  assertEquals(code, 0);
  assertEquals(stdout.match(/x/g)?.length, 70_000);
  assertEquals(await program.tells("logs", "order", "list"), 'list | ["a","b"]\n');
  assertEquals(await program.tells("logs", "--stdout", "order", "list").catch(() => ""), "");
  const { node, attempt, stream, text } = JSON.parse(
    await program.tells("logs", "--json", "order", "list"),
  );
  assertEquals([node, attempt, stream, text], ["list", 1, "result", '["a","b"]']);
  await Deno.remove(`${program.root}/runs/${await program.runId()}/nodes/big.1.result`);
  const gone = await program.taffrail("logs", "order");
  assertEquals(gone.code, 1);
  assertStringIncludes(
    gone.stderr,
    "what big gave in attempt 1 is gone: taffrail verify tells more",
  );
});

test("diff compares steps by what they were given and gave", async (program) => {
  await program.run({ ops: [{ step: "a", input: 1, gives: [1] }, { step: "b", gives: 2 }] });
  const first = await program.runId();
  await program.run({ ops: [{ step: "a", input: 2, gives: [1, 2] }, { step: "b", gives: 2 }] });
  const { code, stdout } = await program.taffrail("diff", first, "order");
  assertEquals(code, 1);
  assertEquals(stdout.split("\n")[0], "a: is given 1 → 2; gave [1] → [1,2]");
  assertEquals((await program.taffrail("diff", "order", "order")).code, 0);
});

test("ls says that a program waits, or sleeps", async (program) => {
  await using running = program.start({
    ops: [{ step: "list" }, { gate: "first" }, { print: "sleeps" }, { sleep: "long", ms: 600_000 }],
  });
  await running.stdout.find(/^run_id=/);
  await using following = startTaffrail(["follow", "order"], { cwd: program.cwd });
  await following.stdout.find(/ waits +first/);
  assertMatch(await program.tells("ls", "--state", "running"), / waiting +1\/1 /);
  await program.tells("pass", "order", "first");
  await following.stdout.find(/ waits +long/);
  assertMatch(await program.tells("ls"), / sleeping +2\/2 /);
  const [run] = JSON.parse(await program.tells("ls", "--json")).runs;
  assertEquals([run.outcome, run.waits_for], ["running", "sleep"]);
});

test("stop ends a program at work by a signal, and one that was killed in its records", async (program) => {
  const plan: Plan = { ops: [{ step: "list" }, { step: "load", hangs: true }] };
  await using running = program.start(plan);
  await running.stdout.find(/^hangs/);
  const stopped = await program.tells("stop", "order");
  assertMatch(stopped, /sent SIGTERM to process \d+\nrun order-\S+ was cancelled by SIGTERM\n/);
  await running.end();
  await program.killAt({ ...plan, name: "other" }, /^hangs/);
  assertMatch(await program.tells("stop", "other"), /was cancelled by taffrail stop\n$/);
  assertMatch(await program.tells("ls"), / cancelled [^]* cancelled /);
  await program.tells("verify");
  program.plan({ ops: plan.ops, name: "other" });
  assertEquals((await program.taffrail("resume", "other")).code, 0);
  assertEquals(program.effects(), ["list 1", "load 1", "list 1", "load 1", "load 2"]);
  assertMatch(await program.tells("prune", "--keep", "0"), /other-/);
});
