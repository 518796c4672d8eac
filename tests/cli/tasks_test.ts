import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { parseJsonc } from "../../cli/flow/parse_jsonc.ts";
import { TaskFiles } from "../../cli/flow/task_files.ts";
import { UsageError } from "../../cli/exit_codes.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { eventsOf, onlyRun, outlineOf, outputOf } from "./_runs.ts";
import { taskFlowOf } from "./_tasks.ts";

const ROOT = ".taffrail";

/** Comments and a comma too many, as people write them. */
const DENO_JSONC = `{
  // what is run before a commit
  "tasks": {
    "gen": "echo gen >>order && echo generated",
    "build": { "command": "echo build >>order", "dependencies": ["gen"] },
    "check:types": { "description": "types", "command": "echo check >>order", "dependencies": ["gen"] },
    "all": { "dependencies": ["build", "check:types"] }, /* nothing of its own */
    "odd": "echo out; echo err >&2; exit 7",
    "where": "pwd",
  },
}
`;

async function withTasks(body: (cwd: string) => Promise<void>): Promise<void> {
  await withTempDir(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/deno.jsonc`, DENO_JSONC);
    await body(cwd);
  });
}

async function writeTaskFlow(cwd: string, nodes: Record<string, unknown>): Promise<void> {
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ name: "flow", nodes }));
}

Deno.test("taffrail run --tasks runs each task once, after what it depends on", async () => {
  await withTasks(async (cwd) => {
    const { code, stdout, stderr } = await taffrail(
      ["run", "--tasks", "all,build", "--jobs", "1"],
      { cwd },
    );
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assertEquals(await Deno.readTextFile(`${cwd}/order`), "gen\nbuild\ncheck\n");
    const runId = await onlyRun(`${cwd}/${ROOT}`);
    assertEquals(runId.startsWith("all-build-"), true);
    const started = outlineOf(eventsOf(`${cwd}/${ROOT}`, runId))
      .filter((line) => line.startsWith("node.started"));
    assertEquals(started, [
      "node.started gen",
      "node.started build",
      "node.started check:types",
    ]);
    assertStringIncludes(
      stdout,
      "\n▸ build: echo build >>order\n",
    );
    // What it prints is passed on, and recorded.
    assertMatch(stdout, /\ngen +\| generated\n/);
    assertEquals(await outputOf({ root: `${cwd}/${ROOT}`, runId }, "gen.1.out"), "generated\n");
  });
});

Deno.test("taffrail run --tasks in a folder of the project runs the tasks where their file is", async () => {
  await withTasks(async (cwd) => {
    await Deno.mkdir(`${cwd}/sub/folder`, { recursive: true });
    const ended = await taffrail(["run", "--tasks", "build"], { cwd: `${cwd}/sub/folder` });
    assertEquals(ended.code, 0);
    assertEquals(await Deno.readTextFile(`${cwd}/order`), "gen\nbuild\n");
  });
});

Deno.test("taffrail run --tasks passes outputs and the exit code through", async () => {
  await withTasks(async (cwd) => {
    const { code, stdout, stderr } = await taffrail(["run", "--tasks", "odd"], { cwd });
    assertEquals({ code, stderr }, { code: 7, stderr: "err\n" });
    assertStringIncludes(stdout, "\nout\n✗ odd ");
    const json = await taffrail(["run", "--json", "--tasks", "odd"], { cwd });
    const { nodes } = JSON.parse(json.stdout);
    assertEquals([json.code, nodes[0].exit_code], [7, 7]);
  });
});

Deno.test("taffrail run runs a task of the deno.json that is nearest to the cwd of the node", async () => {
  await withTasks(async (cwd) => {
    await Deno.mkdir(`${cwd}/packages/core/src`, { recursive: true });
    const own = { tasks: { where: "echo core; pwd" } };
    await Deno.writeTextFile(`${cwd}/packages/core/deno.json`, JSON.stringify(own));
    await writeTaskFlow(cwd, {
      top: { task: "where" },
      core: { task: "where", cwd: "packages/core/src" },
      odd: { task: "odd", needs: ["top", "core"] },
    });
    const { code, stdout } = await taffrail(["run", "flow.json"], { cwd });
    assertEquals(code, 1);
    assertStringIncludes(stdout, "▸ top: pwd\n");
    const run = { root: `${cwd}/${ROOT}`, runId: await onlyRun(`${cwd}/${ROOT}`) };
    assertEquals(await outputOf(run, "top.1.out"), `${cwd}\n`);
    assertEquals(await outputOf(run, "core.1.out"), `core\n${cwd}/packages/core\n`);
    assertEquals(await outputOf(run, "odd.1.err"), "err\n");
    assertEquals(eventsOf(run.root, run.runId).at(-2)?.error?.exit_code, 7);
  });
});

Deno.test("taffrail run runs scripts of package.json as deno task does, and tasks of a workspace", async () => {
  await withTempDir(async (cwd) => {
    await Deno.mkdir(`${cwd}/member`);
    const rootFile = { workspace: ["./member"], tasks: { shared: "echo shared" } };
    await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify(rootFile));
    await Deno.writeTextFile(`${cwd}/member/deno.json`, '{"tasks":{"own":"echo own"}}');
    await Deno.writeTextFile(`${cwd}/member/package.json`, '{"scripts":{"script":"echo script"}}');
    const args = ["run", "--root", "../runs", "--tasks", "own,shared,script", "--jobs", "1"];
    const { code, stdout } = await taffrail(args, { cwd: `${cwd}/member` });
    assertEquals(code, 0, stdout);
    for (const printed of ["own", "shared", "script"]) {
      assertStringIncludes(stdout, `\n${printed.padEnd(6)} | ${printed}\n✓ ${printed} `);
    }
  });
});

/** What is wrong, and what is said about it before anything starts. */
const MISTAKES: { args?: string[]; nodes?: Record<string, unknown>; says: string }[] = [
  {
    nodes: { a: { run: ["true"] }, b: { task: "lint" } },
    says: 'Cannot run flow.json: node "b" runs the task "lint", which is no task of ' +
      "CWD/deno.jsonc: there are gen, build, check:types, all, odd, where",
  },
  {
    args: ["--tasks", "gen,lint"],
    says: 'Cannot run the task "lint", which is no task of CWD/deno.jsonc: ' +
      "there are gen, build, check:types, all, odd, where",
  },
  {
    args: ["--tasks", "gen", "flow.json"],
    says: "Give taffrail run a flow file, or --tasks; what tasks are given stands behind --",
  },
  {
    args: ["--tasks", "gen,"],
    says: 'Cannot use --tasks "gen,": write names, as build,test',
  },
  { args: ["--tasks", "gen", "--jobs", "0"], says: "Cannot use --jobs 0: nothing could run" },
  {
    args: ["--jobs", "2", "flow.json"],
    says: '--jobs is for --tasks; a flow file says "max_in_flight"',
  },
];

for (const { args, nodes, says } of MISTAKES) {
  Deno.test(`taffrail run says: ${says}`, async () => {
    await withTasks(async (cwd) => {
      await writeTaskFlow(cwd, nodes ?? {});
      const { code, stdout, stderr } = await taffrail(["run", ...args ?? ["flow.json"]], { cwd });
      const told = { code, stdout, stderr: stderr.replaceAll(cwd, "CWD") };
      assertEquals(told, { code: 2, stdout: "", stderr: `${says}\n` });
      assertEquals(namesIn(cwd), ["deno.jsonc", "flow.json"]);
    });
  });
}

/** Files of tasks that are wrong, and what is said about them. */
const BROKEN: { tasks: unknown; says: string }[] = [
  { tasks: [], says: "they are no object" },
  { tasks: { a: 5 }, says: '"a" is no text and no object' },
  { tasks: { a: { command: 5 } }, says: 'the command of "a" is no text' },
  { tasks: { a: { dependencies: "b" } }, says: 'the dependencies of "a" are no list of texts' },
  {
    tasks: { a: { command: "x", dependencies: ["b"] }, b: { dependencies: ["a"] } },
    says: "Cannot run the task a -> b -> a: it depends on itself",
  },
  {
    tasks: { a: { command: "x", dependencies: ["gone"] } },
    says: 'Cannot run the task "gone", on which "a" depends, which is no task of ',
  },
  { tasks: { a: { dependencies: ["b"] }, b: {} }, says: "Cannot run --tasks a: they run nothing" },
];

for (const { tasks, says } of BROKEN) {
  Deno.test(`makeTaskFlow() of ${JSON.stringify(tasks)} says: ${says}`, async () => {
    await withTempDir(async (cwd) => {
      await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify({ tasks }));
      assertThrows(() => taskFlowOf(["a"], cwd), UsageError, says);
    });
  });
}

Deno.test("TaskFiles says where a file is no JSON, and that there is none", async () => {
  await withTempDir(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/deno.json`, '{\n  "tasks": {\n    oops\n');
    assertThrows(
      () => new TaskFiles().for(cwd),
      UsageError,
      `Cannot read the tasks of ${cwd}/deno.json: line 3, column 5: a name in double quotes`,
    );
    await Deno.remove(`${cwd}/deno.json`);
    assertThrows(
      () => taskFlowOf(["a"], cwd),
      UsageError,
      'Cannot run the task "a", but there is no deno.json, deno.jsonc or package.json here or above',
    );
  });
});

const NO_FILES = ["mkfifo", "ln -s /dev/zero", "ln -s /dev/tty"];

for (const name of ["deno.json", "deno.jsonc", "package.json"]) {
  Deno.test(`what is no regular file as ${name} is named, and not waited for`, {
    ignore: Deno.build.os === "windows",
  }, () =>
    withTempDir(async (cwd) => {
      for (const make of NO_FILES) {
        await Deno.mkdir(`${cwd}/below`, { recursive: true });
        const args = ["-c", `${make} "$1"`, "sh", `${cwd}/${name}`];
        await new Deno.Command("sh", { args }).output();
        for (const at of [cwd, `${cwd}/below`]) {
          const says = `Cannot read the tasks of ${cwd}/${name}: Cannot use`;
          assertThrows(() => new TaskFiles().for(at), UsageError, says);
        }
        await Deno.remove(`${cwd}/${name}`);
      }
      // A link to a file is one, and a folder is none.
      await Deno.writeTextFile(`${cwd}/real`, '{"tasks":{"a":"true"},"scripts":{"a":"true"}}');
      await Deno.symlink(`${cwd}/real`, `${cwd}/${name}`);
      assertEquals(new TaskFiles().for(cwd)[0]?.tasks.has("a"), true);
      await Deno.remove(`${cwd}/${name}`);
      await Deno.mkdir(`${cwd}/${name}`);
      assertEquals(new TaskFiles().for(cwd).some(({ path }) => path.startsWith(cwd)), false);
    }));
}

Deno.test("two tasks whose names make the same id are two nodes", async () => {
  await withTempDir(async (cwd) => {
    const tasks = { "a b": "true", "a-b": "true", "A:b": "true", "A b": "true", "a:b": "true" };
    await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify({ tasks }));
    const { nodes } = taskFlowOf(["a b", "a-b", "A:b", "A b", "a:b"], cwd);
    assertEquals(nodes.map(({ id }) => id), ["a-b", "a-b-2", "A:b-3", "A-b-4", "a:b-5"]);
  });
});

Deno.test("parseJsonc() reads comments and last commas only where they are asked for", () => {
  const text = '// a\n{ "a": [1, 2,], /* b\n */ "c": "//", }\n';
  const value = parseJsonc(text, { comments: true });
  assertEquals(value, new Map<string, unknown>([["a", [1, 2]], ["c", "//"]]) as typeof value);
  assertThrows(() => parseJsonc(text), SyntaxError, "line 1, column 1: a value is missing");
  assertThrows(() => parseJsonc("[1,]"), SyntaxError);
  for (const wrong of ["[,]", "{,}", "[1,,]", "/* [1]", "[1] x", '{"a":1,,}']) {
    assertThrows(() => parseJsonc(wrong, { comments: true }), SyntaxError);
  }
});
