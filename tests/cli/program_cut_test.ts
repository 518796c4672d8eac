/**
 * A program is killed at a line of its records, looked at by every verb, and gone on with by `taffrail resume`:
 * it ends as if nothing had happened, and its records agree.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Point } from "../_util/end_at.ts";
import { HAS_SIGNALS, start } from "./_command.ts";
import { type Plan, PROGRAM_COMMAND, type ProgramFolder, withProgram } from "./_program.ts";

const PLAN: Plan = {
  version: "1",
  ops: [
    { record: "source", data: 1 },
    { step: "list", gives: ["a"] },
    { step: "big", big: 70_000 },
    { step: "flaky", fails: 1, maxRetries: 1, gives: 7 },
    { sleep: "settle", ms: 1 },
    { gate: "approved" },
    { step: "last", gives: { rows: 6 } },
  ],
  returns: { rows: 6 },
};

function cut(line: string, nth: number, how: Point["how"], file = "capture.jsonl"): Point {
  return { file, at: { line }, nth, how };
}

const CUTS: Record<string, Point> = {
  "before its session": cut('"type":"session"', 1, "before"),
  "behind its session": cut('"type":"session"', 1, "behind"),
  "before it asks for a step": cut('"event_id":"list"', 1, "before"),
  "before a decision": cut('"type":"decision"', 1, "before"),
  "with a step begun": cut('"type":"decision"', 1, "behind"),
  "with a step done and not recorded": cut('"type":"completion"', 1, "before"),
  "with the end of a step recorded": cut('"type":"completion"', 1, "behind"),
  "with a long result not recorded": cut('"type":"completion"', 2, "before"),
  "with a long result recorded": cut('"type":"completion"', 2, "behind"),
  "before a retry": cut('"type":"completion"', 3, "behind"),
  "before it sleeps": cut('"type":"wait"', 1, "before"),
  "while it sleeps": cut('"type":"wait"', 1, "behind"),
  "while it waits for an answer": cut('"kind":"gate"', 1, "behind"),
  "with an answer": cut('"how":"passed"', 1, "behind"),
  "before its end": cut('"type":"ended"', 1, "before"),
  "behind its end": cut('"type":"ended"', 1, "behind"),
  "before its log has a step": cut('"type":"node.started"', 1, "before", "events.jsonl"),
  "before its log has the end": cut('"type":"pipe.completed"', 1, "before", "events.jsonl"),
};

/** Starts the program with its answer, and has it killed. */
async function killAt(program: ProgramFolder, at: Point): Promise<void> {
  program.plan(PLAN);
  const preload = import.meta.resolve("../_util/killed_at.ts");
  const [deno, ...words] = PROGRAM_COMMAND;
  const args = words.with(0, "run").toSpliced(1, 0, `--preload=${preload}`);
  const env = { KILLED_AT: JSON.stringify(at) };
  await using running = start(deno!, args, { cwd: program.cwd, env });
  const begun = running.stdout.find(/^run_id=/).catch(() => undefined);
  const runId = (await begun)?.slice("run_id=".length);
  // Where it is killed before it waits this is for whoever goes on.
  if (runId !== undefined) await program.taffrail("pass", "--value", "1", runId, "approved");
  assertEquals((await running.end()).signal, "SIGKILL");
}

const BEHIND = ["behind its end", "before its log has the end"];

for (const [where, at] of Object.entries(CUTS)) {
  Deno.test({
    name: `a program that is killed ${where} is told of, and gone on with by resume`,
    ignore: !HAS_SIGNALS,
    fn: () =>
      withProgram(async (program) => {
        await killAt(program, at);
        const runId = await program.runId();
        for (const verb of ["show", "logs", "follow", "verify"]) {
          const { code, stderr } = await program.taffrail(verb, runId);
          // A run that has an end in its journal alone is told as a problem.
          if (verb !== "verify" || !BEHIND.includes(where)) {
            assertEquals(code, 0, `${verb} ${stderr}`);
          }
        }
        // Its answer may have come too late.
        await program.taffrail("pass", "--value", "1", runId, "approved");
        const { code, stdout, stderr } = await program.taffrail("resume", runId);
        if (BEHIND.includes(where)) {
          assertEquals(code, 1);
          assertStringIncludes(stderr, "completed");
          await program.taffrail("repair");
        } else assertEquals(code, 0, stdout + stderr);
        assertEquals(await program.runId(), runId);
        const told = JSON.parse(await program.tells("show", "--json", runId));
        assertEquals([told.outcome, told.output], ["completed", { rows: 6 }]);
        const results = told.nodes.map(({ id, result }: Record<string, unknown>) => [id, result]);
        assertEquals(results, [
          ["list", ["a"]],
          ["big", undefined],
          ["flaky", 7],
          ["approved", 1],
          ["last", { rows: 6 }],
        ]);
        // What was recorded did not run again, and what was cut off once more.
        assert(program.effects().length <= 6, program.effects().join());
        await program.tells("verify");
        assertStringIncludes(await program.tells("replay", runId), "the replay went as recorded");
      }),
  });
}
