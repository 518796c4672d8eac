/** The words that completion asks for, and what the scripts are made of. */
import { assert, assertEquals } from "@std/assert";
import { offeredVerbs, UNKNOWN_VALUES } from "../../cli/completions/offers.ts";
import { type Question, wordsFor } from "../../cli/completions/words.ts";
import { durable, openRun } from "../../run/mod.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { ask, startTaffrail, taffrail } from "./_command.ts";
import { writeFlow } from "./_runs.ts";
import { VERBS } from "./_verbs.ts";

async function words(kind: string, rest: Partial<Question> = {}): Promise<string[]> {
  const found = await wordsFor({ kind, typed: "", root: "", operand: "", ...rest });
  return found.map(({ word }) => word);
}

const verbs = await offeredVerbs(VERBS);

Deno.test("of each value and operand of a verb it is known what shells offer for it", () => {
  for (const { name, options, operands } of verbs) {
    const unknown = [...options, ...operands.map((one) => ({ ...one, value: one.name }))]
      .filter(({ value, offers }) => value !== undefined && offers.length === 0)
      .filter(({ value }) => !UNKNOWN_VALUES.includes(value!));
    // A new word in capitals belongs to what is offered, or to UNKNOWN_VALUES.
    assertEquals(unknown, [], name);
  }
});

Deno.test("the usage of a verb names the operands that shells offer something for", async () => {
  for (const [name, load] of VERBS) {
    const { usage = [], operands = [], takesCommand } = (await load()).help;
    if (name === "diff") continue;
    for (const operand of operands) assert(usage[0]!.includes(operand), `${name} ${operand}`);
    assertEquals(usage.join().includes("-- COMMAND"), takesCommand ?? false, name);
  }
});

Deno.test("taffrail completions prints a script, with --json as JSON, and refuses other shells", async () => {
  const cwd = Deno.cwd();
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, stdout } = await ask(["completions", shell], cwd);
    assertEquals(code, 0);
    for (const { name, options } of verbs) {
      assert(stdout.includes(name), name);
      for (const option of options) assert(stdout.includes(option.name), option.name);
    }
    const json = await ask(["completions", "--json", shell], cwd);
    assertEquals(JSON.parse(json.stdout), { shell, script: stdout.trimEnd() });
  }
  const answers = {
    tcsh: 'Cannot complete in "tcsh": say bash, zsh or fish\n',
    "--root=x": "Cannot use --root with completions: a script looks at the root at hand\n",
  };
  for (const [given, says] of Object.entries(answers)) {
    const { code, stdout, stderr } = await ask(["completions", given], cwd);
    assertEquals({ code, stdout, stderr }, { code: 2, stdout: "", stderr: says });
  }
});

Deno.test("runs are offered by flow and by id, the newest first, in the states that a verb takes", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    for (const [name, command] of [["b", "true"], ["a", "false"]] as const) {
      await using run = startTaffrail(["exec", "--name", name, "--", command], { cwd });
      await run.end();
    }
    await durable({ root, runId: "own", name: "x" }, () => Promise.resolve());
    {
      await using run = await openRun({ root, runId: "left", name: "x" });
      await run.step("one", () => 1);
    }
    const [a = "", b = "", ...others] = (await words("runs", { root })).slice(2);
    assert(a.startsWith("a-") && b.startsWith("b-"), `${a} ${b}`);
    assertEquals(others.toSorted(), ["left", "own"]);
    assertEquals((await words("runs", { root })).slice(0, 2), ["a", "b"]);
    assertEquals(await words("runs=aborted", { root }), ["a", a, "left"]);
    assertEquals(await words("runs=running", { root }), []);
    const told = await wordsFor({ kind: "runs=completed", typed: "", root, operand: "" });
    assertEquals(told.map(({ about }) => about.replace(/\d+[smh] ago/, "AGO")), [
      "the newest: completed, AGO",
      "completed, AGO",
      "completed",
    ]);
    // As the scripts ask, where no root was typed.
    const asked = await taffrail(["completions", "--words", "runs=aborted", "--", "", "", ""], {
      cwd,
    });
    const lines = asked.stdout.trimEnd().split("\n").map((line) => line.split("\t")[0]);
    assertEquals([asked.code, asked.stderr, lines], [0, "", ["a", a, "left"]]);
  });
});

Deno.test("TAFFRAIL_ROOT says which runs are offered where nobody else does", async () => {
  await withTempDir(async (cwd) => {
    await durable({ root: `${cwd}/other`, runId: "own", name: "x" }, () => Promise.resolve());
    const args = ["completions", "--words", "runs", "--", "", "", ""];
    const env = { TAFFRAIL_ROOT: `${cwd}/other` };
    assertEquals((await taffrail(args, { cwd, env })).stdout, "own\tcompleted\n");
    assertEquals((await taffrail(args, { cwd })).stdout, "");
    const home = ["completions", "--words", "runs", "--", "", "~/other", ""];
    assertEquals((await taffrail(home, { cwd, env: { HOME: cwd } })).stdout, "own\tcompleted\n");
  });
});

Deno.test("of very many runs those are offered that have what was typed", async () => {
  await withTempDir(async (cwd) => {
    const runs = `${cwd}/runs`;
    const id = (index: number) => `many-01m8pqsx85w5nyt8ygt3z${String(index).padStart(5, "0")}`;
    for (let index = 0; index < 300; index++) {
      await Deno.mkdir(`${runs}/${id(index)}`, { recursive: true });
    }
    const newest = await words("runs", { root: cwd });
    assertEquals(newest.slice(0, 3), ["many", id(299), id(298)]);
    assertEquals(newest.length, 100);
    assertEquals(await words("runs", { root: cwd, typed: id(17) }), ["many", id(17)]);
  });
});

Deno.test("nodes and gates are those of the run, or of the flow file", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await writeFlow(cwd, { b: "false", a: { run: "true", needs: ["b"] } });
    const gates = {
      name: "gates",
      nodes: { first: { gate: "Go?" }, then: { gate: "On?", needs: ["first"] } },
    };
    await Deno.writeTextFile(
      `${cwd}/gates.json`,
      `// As people write them.\n${JSON.stringify(gates)}`,
    );
    const flow = (name: string) => ({ operand: `${cwd}/${name}` });
    assertEquals(await words("flow-nodes", flow("flow.json")), ["b", "a"]);
    assertEquals(await words("flow-gates", flow("flow.json")), []);
    assertEquals(await words("flow-gates", flow("gates.json")), ["first", "then"]);
    {
      await using run = startTaffrail(["run", "flow.json"], { cwd });
      await run.end();
    }
    assertEquals(await words("nodes", { root, operand: "flow" }), ["b", "a"]);
    assertEquals(await words("gates", { root, operand: "flow" }), []);

    await using waiting = startTaffrail(["run", "gates.json"], { cwd });
    await waiting.stdout.find(/first waits/);
    assertEquals(await words("gates", { root, operand: "gates" }), ["first", "then"]);
    assertEquals((await taffrail(["pass", "gates", "first"], { cwd })).code, 0);
    await waiting.stdout.find(/then waits/);
    assertEquals(await words("gates", { root, operand: "gates" }), ["then"]);
    assertEquals((await taffrail(["stop", "gates"], { cwd })).code, 0);
  });
});

Deno.test("steps and gates of a program are offered, but none that a terminal or a verb would misread", async () => {
  await withTempDir(async (root) => {
    const names = [
      "import a.csv",
      "$(x)",
      "new\nline",
      "\x1b[2J",
      "tab\there",
      "-x",
      "\u202eright",
    ];
    await using run = await openRun({ root, runId: "own", name: "x" });
    for (const name of names) await run.step(name, () => 1);
    const waits = run.waitFor("agreed").catch(() => {});
    await run.record("waits", true);
    assertEquals(await words("nodes", { root, operand: "own" }), [
      "import a.csv",
      "$(x)",
    ]);
    assertEquals(await words("gates", { root, operand: "own" }), ["agreed"]);
    await run[Symbol.asyncDispose]();
    await waits;
  });
});

Deno.test("tasks of deno.json and package.json are offered, here and from below", async () => {
  await withTempDir(async (cwd) => {
    const tasks = {
      build: "x",
      "test:a": { command: "y", description: "tests\nof a" },
      "a,b": "z",
    };
    await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify({ tasks }));
    await Deno.writeTextFile(`${cwd}/package.json`, JSON.stringify({ scripts: { pack: "p" } }));
    await Deno.mkdir(`${cwd}/sub`);
    const args = ["completions", "--words", "tasks", "--", "", "", ""];
    const { stdout } = await taffrail(args, { cwd: `${cwd}/sub` });
    assertEquals(stdout, "build\tx\ntest:a\ttests of a\npack\tp\n");
    await Deno.writeTextFile(`${cwd}/deno.json`, "{");
    const broken = await taffrail(args, { cwd });
    assertEquals([broken.code, broken.stdout, broken.stderr], [0, "", ""]);
  });
});

Deno.test("a flow that is a program is not evaluated because somebody types", async () => {
  await withTempDir(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/flow.ts`, `Deno.writeTextFileSync("${cwd}/ran", "");`);
    const args = ["completions", "--words", "flow-nodes", "--", "", "", "flow.ts"];
    const { code, stdout, stderr } = await taffrail(args, { cwd });
    assertEquals([code, stdout, stderr], [0, "", ""]);
    assertEquals(namesIn(cwd), ["flow.ts"]);
  });
});

Deno.test("where something is missing or wrong there are no words, and no errors", async () => {
  await withTempDir(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/file`, "");
    await Deno.mkdir(`${cwd}/odd/runs/own`, { recursive: true });
    await Deno.writeTextFile(`${cwd}/odd/runs/own/flow.json`, "{");
    if (Deno.build.os !== "windows") {
      // Whoever opened it would wait for somebody to write.
      await new Deno.Command("mkfifo", { args: [`${cwd}/pipe`] }).output();
      await Deno.mkdir(`${cwd}/odd/runs/pipe`);
      await new Deno.Command("mkfifo", { args: [`${cwd}/odd/runs/pipe/flow.json`] }).output();
      await new Deno.Command("mkfifo", { args: [`${cwd}/odd/runs/pipe/events.jsonl`] }).output();
    }
    const questions = [
      ["runs", "", "gone", ""],
      ["runs", "", "file", ""],
      ["runs", "", "mysql://host/db", ""],
      ["runs", "", "postgres://user:secret@host/db", ""],
      ["nodes", "", "odd", "own"],
      ["nodes", "", "odd", "pipe"],
      ["gates", "", "odd", "pipe"],
      ["gates", "", "odd", "gone"],
      ["flow-nodes", "", "", "gone.json"],
      ["flow-nodes", "", "", "file"],
      ["flow-nodes", "", "", "pipe"],
      ["flow-nodes", "", "", "--help"],
      ["no such kind", "--help", "", ""],
      [""],
      [],
    ];
    for (const [kind, ...given] of questions) {
      const args = [
        "completions",
        "--words",
        ...(kind === undefined ? [] : [kind, "--", ...given]),
      ];
      const { code, stdout, stderr } = await ask(args, cwd);
      assertEquals([code, stdout, stderr], [0, "", ""], args.join(" "));
    }
  });
});

Deno.test("a database that does not answer holds up nobody who types", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const root = `postgres://nobody@127.0.0.1:${listener.addr.port}/none`;
  const accepted = listener.accept();
  await withTempDir(async (cwd) => {
    const args = ["completions", "--words", "runs", "--", "", root, ""];
    await using asked = startTaffrail(args, { cwd });
    // It stays open, and nothing is said there.
    using _connection = await accepted;
    const { code, stdout, stderr } = await asked.end();
    assertEquals([code, stdout, stderr], [0, "", ""]);
  });
});
