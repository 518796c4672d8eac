/** The records of a program's run are compared with each other, results too, and made again of each other. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { HAS_SIGNALS } from "./_command.ts";
import { type Plan, type ProgramFolder, withProgram } from "./_program.ts";

const PLAN: Plan = {
  ops: [
    { record: "source", data: { host: "db1" } },
    { step: "list files", gives: [1.5, 1e21, "ü"] },
    { step: "big", big: 70_000 },
    { step: "flaky", fails: 1, maxRetries: 1, gives: null },
    { sleep: "settle", ms: 1 },
    { step: "last", gives: { rows: 6 } },
  ],
  returns: { rows: 6 },
};

interface Found {
  part: string;
  kind: string;
  message: string;
  repair: string | null;
}

async function problems(program: ProgramFolder): Promise<Found[]> {
  const { stdout } = await program.taffrail("verify", "--json");
  return JSON.parse(stdout).problems;
}

/** A run that has completed, and where its files are. */
async function completed(program: ProgramFolder): Promise<string> {
  assertEquals((await program.run(PLAN)).code, 0);
  assertEquals(await problems(program), []);
  return `${program.root}/runs/${await program.runId()}`;
}

async function change(path: string, of: (text: string) => string): Promise<void> {
  await Deno.writeTextFile(path, of(await Deno.readTextFile(path)));
}

const DAMAGES: Record<string, {
  damage: (directory: string) => Promise<void>;
  part: string;
  kind: string;
  says: string;
}> = {
  "a long result that is gone": {
    damage: (directory) => Deno.remove(`${directory}/nodes/big.1.result`),
    part: "output",
    kind: "missing",
    says: 'the result of step big (attempt 1) is gone; .* retryFailed: ["big"]',
  },
  "a long result that was changed": {
    damage: (directory) => change(`${directory}/nodes/big.1.result`, (text) => `${text} `),
    part: "output",
    kind: "differs",
    says: "the result of step big (attempt 1) was changed",
  },
  "another result in the log": {
    damage: (directory) =>
      change(
        `${directory}/events.jsonl`,
        (text) => text.replace('"output":{"rows":6}', '"output":1'),
      ),
    part: "log",
    kind: "differs",
    says: "what it says that step last (attempt 1) gave is not what the capture journal has",
  },
  "another digest in the log": {
    damage: (directory) =>
      change(
        `${directory}/events.jsonl`,
        (text) => text.replace('"result_hash":"', '"result_hash":"0'),
      ),
    part: "log",
    kind: "differs",
    says: "what it says that step big (attempt 1) gave",
  },
  "another end in the log": {
    damage: (directory) =>
      change(`${directory}/events.jsonl`, (text) => {
        const at = text.lastIndexOf('"output":');
        return text.slice(0, at) + text.slice(at).replace("6", "7");
      }),
    part: "log",
    kind: "differs",
    says: "what it says that the run gave is not what the capture journal has",
  },
};

for (const [what, { damage, part, kind, says }] of Object.entries(DAMAGES)) {
  Deno.test(`verify finds ${what}`, () =>
    withProgram(async (program) => {
      await damage(await completed(program));
      const [found, ...more] = await problems(program);
      assertEquals([found?.part, found?.kind, found?.repair, more], [part, kind, null, []]);
      for (const text of says.split(" .* ")) assertStringIncludes(found!.message, text);
    }));
}

const LOSSES: Record<string, (directory: string) => Promise<void>> = {
  "the last lines of its log": (directory) =>
    change(`${directory}/events.jsonl`, (text) => text.split("\n").slice(0, 4).join("\n") + "\n"),
  "its log": (directory) => Deno.remove(`${directory}/events.jsonl`),
  "its journal": (directory) => Deno.remove(`${directory}/capture.jsonl`),
  "its bundle": (directory) => Deno.remove(`${directory}/capture.json`),
};

for (const [what, lose] of Object.entries(LOSSES)) {
  Deno.test(`repair makes ${what} again, with all results`, () =>
    withProgram(async (program) => {
      const directory = await completed(program);
      const before = await told(program);
      await lose(directory);
      assert((await problems(program)).length > 0);
      const { code, stdout, stderr } = await program.taffrail("repair");
      assertEquals(code, 0, stdout + stderr);
      assertEquals(await problems(program), []);
      assertEquals(await told(program), before);
      assertEquals((await program.run(PLAN)).code, 0);
    }));
}

/** What is told of steps and the run, without times. */
async function told(program: ProgramFolder): Promise<unknown> {
  const text = await program.tells("show", "--json", await program.runId());
  const { nodes, output, records, state } = JSON.parse(text);
  const results = nodes.map(
    ({ id, attempt, status, result, result_hash }: Record<string, unknown>) => {
      return { id, attempt, status, result, result_hash };
    },
  );
  return { results, output, records, state };
}

Deno.test({
  name: "verify has nothing to say of a program that was killed, unfinished or stopped",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withProgram(async (program) => {
      const hangs: Plan = { ops: [...PLAN.ops, { step: "hangs", hangs: true }] };
      await program.killAt(hangs, /^hangs/);
      assertEquals(await problems(program), []);
      await program.run({ ...PLAN, name: "left", leaves: true });
      await program.killAt({ ...hangs, name: "stopped" }, /^hangs/);
      await program.tells("stop", "stopped");
      assertEquals(await problems(program), []);
    }),
});
