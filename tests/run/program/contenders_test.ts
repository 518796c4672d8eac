/** Two processes that go for one run of a program at the same time: one works on it. */
import { assert, assertEquals } from "@std/assert";
import { listRuns } from "../../../eventlog/mod.ts";
import { passGate } from "../../../run/mod.ts";
import { readText } from "../../_util/files.ts";
import { longCount, withMemoryDir } from "../../_util/temp.ts";
import { Child } from "../../crash/_child.ts";
import { checkRecords } from "../_records.ts";
import { attemptsIn } from "./_model/checks.ts";
import { effectsIn } from "./_model/effects.ts";
import type { Planned, PlannedProgram } from "./_model/planned.ts";

const PROGRAM = "../run/program/_programs/planned.ts";
const RUN_ID = "run";

const BEFORE: Planned[] = [
  { op: "step", id: "a", gives: { json: "1" }, delayMs: 2 },
  { op: "step", id: "b", gives: { json: "2" } },
];

function programOf(parts: Planned[]): PlannedProgram {
  const main: Planned = { op: "seq", parts: [...BEFORE, ...parts] };
  return { by: "durable", durability: "os", constraints: { max_retries: 0 }, main };
}

/** A program that nobody finishes before the others have asked for its run, too. */
const WAITING = programOf([
  { op: "gate", id: "ask", by: "step", value: { json: "3" } },
  { op: "step", id: "c", gives: { json: "4" } },
]);

/** Runs a test with a program, and what starts it. */
async function withProgram(
  program: PlannedProgram,
  use: (
    place: { root: string; folder: string; start: (...way: string[]) => Child },
  ) => Promise<void>,
): Promise<void> {
  await withMemoryDir(async (folder) => {
    await Deno.writeTextFile(`${folder}/program.json`, JSON.stringify(program));
    const root = `${folder}/root`;
    const start = (...way: string[]) =>
      new Child(PROGRAM, { args: [root, RUN_ID, folder, ...way] });
    await use({ root, folder, start });
  });
}

/** How a process has ended: by what it gave, or the kind of its error. */
async function answerOf(child: Child): Promise<{ value?: unknown; kind?: string }> {
  const { stdout, stderr } = await child.outcome();
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  assert(line.startsWith("{"), `${stdout}${stderr}`);
  return JSON.parse(line);
}

/** Every step was made once. */
function checkOnce(folder: string, steps: string[]): void {
  const attempts = attemptsIn(effectsIn(readText(`${folder}/effects`)));
  assertEquals(attempts, new Map(steps.map((step) => [step, [1]])));
}

for (const way of ["newest", "runId"]) {
  Deno.test(`of two processes that go on with one run at the same time one is told that it is live (${way})`, async () => {
    for (let round = 0; round < longCount(3, 40); round++) {
      await withProgram(WAITING, async ({ root, folder, start }) => {
        if (way === "newest" || round % 2 === 1) {
          // They go on with what another one has left; otherwise they begin it.
          await using first = start(way);
          while (!/^\["learned","b"/.test(await first.next())) { /* It works. */ }
          await first.kill();
        }
        await using one = start(way);
        await using other = start(way);
        const ended = Promise.race([one, other].map((child) => child.outcome().then(() => child)));
        const loser = await ended;
        assertEquals(await answerOf(loser), { kind: "live" });
        const [runId = "", ...others] = await listRuns(root);
        assertEquals(others, []);
        await passGate(root, runId, "ask", { value: 3 });
        const winner = loser === one ? other : one;
        assertEquals(await answerOf(winner), { value: ["1", "2", "3", "4"] });
        checkOnce(folder, ["a", "b", "c"]);
        await checkRecords({ root, runId });
      });
    }
  });
}

Deno.test("of processes that go for one run one works, and the others get its result or are told that it is live", async () => {
  for (let round = 0; round < longCount(4, 60); round++) {
    await withProgram(programOf([]), async ({ root, folder, start }) => {
      await using one = start();
      await using two = start();
      await using three = start();
      const answers = await Promise.all([one, two, three].map(answerOf));
      const values = answers.filter(({ kind }) => kind !== "live");
      assert(values.length > 0);
      for (const answer of values) assertEquals(answer, { value: ["1", "2"] });
      checkOnce(folder, ["a", "b"]);
      await checkRecords({ root, runId: RUN_ID });
    });
  }
});
