/** What tasks come to as nodes: patterns, arguments, members of a workspace, and what they share. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { DEFAULT_CONSTRAINTS, type Flow, type TaskRequest } from "../../cli/flow/flow.ts";
import { readFlow } from "../../cli/flow/read_flow.ts";
import { makeTaskFlow } from "../../cli/flow/tasks.ts";
import { UsageError } from "../../cli/exit_codes.ts";
import { dirname } from "../../_internal/path.ts";
import { withTempDir } from "../_util/temp.ts";
import { ask, taffrail } from "./_command.ts";

/** Files by their paths, as JSON. */
async function withFiles(
  files: Record<string, unknown>,
  body: (cwd: string) => Promise<void> | void,
): Promise<void> {
  await withTempDir(async (cwd) => {
    for (const [path, json] of Object.entries(files)) {
      await Deno.mkdir(dirname(`${cwd}/${path}`), { recursive: true });
      await Deno.writeTextFile(`${cwd}/${path}`, JSON.stringify(json));
    }
    await body(cwd);
  });
}

function flowOf(cwd: string, request: Partial<TaskRequest>): Flow {
  return makeTaskFlow({ names: [], arguments: [], cwd, ...request }, DEFAULT_CONSTRAINTS);
}

/** Nodes with what they need, and where they run below a directory. */
function outline({ nodes }: Flow, cwd?: string): string[] {
  return nodes.map(({ id, needs, cwd: at }) => {
    const place = cwd === undefined ? "" : ` in ${at.slice(cwd.length + 1) || "."}`;
    return `${id}${place} <- ${needs.join(", ")}`;
  });
}

const TESTS = {
  "test:a": "echo a",
  "test:b": { command: "echo b", dependencies: ["gen"] },
  "mytest:c": "echo c",
  "test:none": { dependencies: ["gen"] },
  gen: "echo gen",
};

Deno.test("a pattern means all tasks that it fits whole, each once", () =>
  withFiles({
    "deno.json": { tasks: TESTS },
    "package.json": { scripts: { "test:s": "echo s" } },
  }, (cwd) => {
    const ids = (names: string[]) => flowOf(cwd, { names }).nodes.map(({ id }) => id);
    assertEquals(ids(["test:*"]), ["test:a", "gen", "test:b", "test:s"]);
    assertEquals(ids(["test:*", "test:a", "*:a"]), ["test:a", "gen", "test:b", "test:s"]);
    assertEquals(ids(["t*b"]), ["gen", "test:b"]);
    const says = `Cannot run the tasks "est:*", which fits no task of ${cwd}/deno.json`;
    assertThrows(() => ids(["est:*"]), UsageError, says);
  }));

Deno.test("arguments are for the tasks that were named, and not for what they depend on", () =>
  withFiles({
    "deno.json": { tasks: TESTS },
    "package.json": { scripts: { "test:s": "echo s" } },
  }, (cwd) => {
    const given = ["--release", "a b"];
    const { nodes } = flowOf(cwd, { names: ["test:b", "test:s"], arguments: given });
    const runs = nodes.map(({ run }) => run.slice(run.includes("--eval") ? -3 : 3));
    assertEquals(runs, [
      [".", "--eval", "echo gen"],
      ["echo b", "--release", "a b"],
      ["test:s", "--release", "a b"],
    ]);
    const some = flowOf(cwd, { names: ["test:*"], arguments: given }).nodes;
    assertEquals(some.filter(({ run }) => run.at(-1) === "a b").map(({ id }) => id), [
      "test:a",
      "test:b",
      "test:s",
    ]);
    assertThrows(
      () => flowOf(cwd, { names: ["test:none", "test:a"], arguments: given }),
      UsageError,
      'Cannot give arguments to the task "test:none": it runs nothing itself',
    );
  }));

const WORKSPACE = {
  "deno.json": {
    name: "@x/root",
    workspace: ["./packages/*", "tools", "!packages/old"],
    tasks: {
      gen: "echo gen",
      shared: { command: "echo shared", dependencies: ["gen"] },
      build: { command: "echo root", dependencies: ["gen"] },
    },
  },
  "packages/core/deno.json": {
    name: "@x/core",
    tasks: {
      gen: "echo own",
      build: { command: "echo core", dependencies: ["gen", "shared"] },
    },
  },
  "packages/web/deno.jsonc": {
    tasks: { build: { command: "echo web", dependencies: ["gen"] } },
  },
  "packages/old/deno.json": { tasks: { build: "echo old" } },
  "packages/docs/readme.json": {},
  "tools/package.json": { name: "tools-pkg", scripts: { build: "echo tools" } },
};

Deno.test("--recursive runs a task of all members that have it, and what they share once", () =>
  withFiles(WORKSPACE, (cwd) => {
    const request = { names: ["build"], recursive: true };
    const expected = [
      "@x/root:gen in . <- ",
      "@x/root:build in . <- @x/root:gen",
      "@x/core:gen in packages/core <- ",
      "@x/root:shared in . <- @x/root:gen",
      "@x/core:build in packages/core <- @x/core:gen, @x/root:shared",
      "web:build in packages/web <- @x/root:gen",
      "tools-pkg:build in tools <- ",
    ];
    for (const at of [cwd, `${cwd}/packages/core`]) {
      assertEquals(outline(flowOf(at, request), cwd), expected);
    }
    // No member of the workspace: alone.
    assertEquals(outline(flowOf(`${cwd}/packages/old`, request)), ["old:build <- "]);
    // What only the root has, members have too, and it runs once.
    const shared = outline(flowOf(cwd, { names: ["shared"], recursive: true }), cwd);
    assertEquals(shared, ["@x/root:gen in . <- ", "@x/root:shared in . <- @x/root:gen"]);
  }));

Deno.test("--filter takes the members whose names contain it", () =>
  withFiles(WORKSPACE, (cwd) => {
    const ids = (filter: string) => {
      return flowOf(cwd, { names: ["build"], filter }).nodes.map(({ id }) => id);
    };
    assertEquals(ids("web"), ["@x/root:gen", "web:build"]);
    assertEquals(ids("t*pkg"), ["tools-pkg:build"]);
    const says = 'Cannot use --filter "nope": no member has such a name; there are ' +
      "@x/root, @x/core, web, tools-pkg";
    assertThrows(() => ids("nope"), UsageError, says);
    assertThrows(
      () => flowOf(cwd, { names: ["nothing"], recursive: true }),
      UsageError,
      'Cannot run the task "nothing", which is no task of ',
    );
  }));

/** What is wrong with a workspace, and what is said of it. */
const BROKEN: { workspace: unknown; says: string }[] = [
  { workspace: "packages", says: "its members are no list of texts" },
  { workspace: ["gone"], says: 'its member "gone" has no deno.json, deno.jsonc or package.json' },
];

for (const { workspace, says } of BROKEN) {
  Deno.test(`a workspace of ${JSON.stringify(workspace)} is refused: ${says}`, () =>
    withFiles({ "deno.json": { workspace, tasks: { a: "x" } } }, (cwd) => {
      assertThrows(() => flowOf(cwd, { names: ["a"], recursive: true }), UsageError, says);
    }));
}

Deno.test("a workspace of package.json, and one with ** in it", () =>
  withFiles({
    "package.json": { name: "root", workspaces: { packages: ["p/**"] }, scripts: { t: "echo" } },
    "p/a/package.json": { scripts: { t: "echo" } },
    "p/b/c/package.json": { name: "deep", scripts: { t: "echo" } },
    "p/node_modules/no/package.json": { scripts: { t: "echo" } },
  }, (cwd) => {
    const { nodes } = flowOf(cwd, { names: ["t"], recursive: true });
    assertEquals(nodes.map(({ id }) => id), ["root:t", "a:t", "deep:t"]);
  }));

/** Flow files with tasks, and the nodes that they come to. */
const FLOWS: { name: string; nodes: Record<string, unknown>; becomes: string[] }[] = [
  {
    name: "what two tasks depend on is one node",
    nodes: { x: { task: "a" }, y: { task: "b" } },
    becomes: ["gen <- ", "x <- gen", "y <- gen"],
  },
  {
    name: "a node of the flow that runs the task is that node",
    nodes: { x: { task: "a" }, g: { task: "gen" } },
    becomes: ["x <- g", "g <- "],
  },
  {
    name: "a node of the flow keeps its name",
    nodes: { gen: { run: ["true"] }, x: { task: "a" } },
    becomes: ["gen <- ", "gen-2 <- ", "x <- gen-2"],
  },
  {
    name: "other variables make another node",
    nodes: {
      x: { task: "a", env: { A: "1" } },
      y: { task: "b", env: { A: "2" } },
      z: { task: "b", env: { A: "1" } },
    },
    becomes: ["gen <- ", "x <- gen", "gen-2 <- ", "y <- gen-2", "z <- gen"],
  },
  {
    name: "what a task depends on begins when what all need that depend on it has completed",
    nodes: {
      p: { run: ["true"] },
      q: { run: ["true"], needs: ["p"] },
      x: { task: "a", needs: ["q"] },
      y: { task: "b", needs: ["x"] },
    },
    becomes: ["p <- ", "q <- p", "gen <- q", "x <- q, gen", "y <- x, gen"],
  },
  {
    name: "a task that is not there is looked for when its node starts",
    nodes: { x: { task: "a", cwd: "made" }, y: { task: "later", needs: ["x"] } },
    becomes: ["x <- ", "y <- x"],
  },
  {
    name: "what is begun in other cases than success takes what it depends on along",
    nodes: {
      x: { task: "a" },
      y: { task: "b", needs: ["x"], when: "always" },
      z: { task: "gen", when: "always" },
    },
    becomes: ["gen <- ", "x <- gen", "y <- x", "z <- "],
  },
  {
    name: "what runs nothing itself stands for what it depends on",
    nodes: {
      x: { task: "both" },
      y: { task: "both", timeout: "1m" },
      z: { task: "a", needs: ["x"] },
    },
    becomes: ["gen <- ", "b <- gen", "x <- gen, b", "y <- ", "z <- x, gen"],
  },
  {
    name: "what hands on is no node",
    nodes: { x: { task: "c" } },
    becomes: ["gen <- ", "a <- gen", "x <- a"],
  },
];

const SHARING = {
  gen: "echo gen",
  a: { command: "echo a", dependencies: ["gen"] },
  b: { command: "echo b", dependencies: ["gen"] },
  only: { dependencies: ["a"] },
  both: { dependencies: ["gen", "b"] },
  c: { command: "echo c", dependencies: ["only"] },
};

for (const { name, nodes, becomes } of FLOWS) {
  Deno.test(`of tasks in a flow file: ${name}`, () =>
    withFiles({
      "deno.json": { tasks: SHARING },
      "f.json": { name: "f", nodes },
    }, async (cwd) => {
      assertEquals(outline(await readFlow(`${cwd}/f.json`)), becomes);
    }));
}

Deno.test("needs and what tasks depend on may make no cycle", () =>
  withFiles({
    "deno.json": { tasks: SHARING },
    "f.json": { name: "f", nodes: { x: { task: "a" }, g: { task: "gen", needs: ["x"] } } },
  }, async (cwd) => {
    const { code, stderr } = await taffrail(["run", "f.json"], { cwd });
    assertEquals(code, 2);
    assertStringIncludes(
      stderr,
      "Cannot run f.json: with what its tasks depend on its nodes need each other in a cycle: ",
    );
  }));

/** What cannot be asked for, and what is said of it. */
const REFUSED: { args: string[]; says: string }[] = [
  {
    args: ["--tasks", "--", "x"],
    says: "Name the tasks to run: --tasks NAME,NAME; without names they are listed",
  },
  { args: ["--recursive", "flow.json"], says: "--recursive is for --tasks" },
  { args: ["--filter", "x", "flow.json"], says: "--filter is for --tasks" },
  {
    args: ["--tasks"],
    says: "Cannot list tasks: there is no deno.json, deno.jsonc or package.json here or above",
  },
  {
    args: ["--tasks", "a", "--recursive"],
    says: "Cannot look for members of a workspace: there is no deno.json, deno.jsonc or " +
      "package.json here or above",
  },
];

for (const { args, says } of REFUSED) {
  Deno.test(`taffrail run ${args.join(" ")} says: ${says}`, () =>
    withFiles({}, async (cwd) => {
      const { code, stderr } = await ask(["run", ...args], cwd);
      assertEquals({ code, stderr }, { code: 2, stderr: `${says}\n` });
    }));
}

Deno.test("taffrail run --tasks without names lists them", () =>
  withFiles(WORKSPACE, async (cwd) => {
    const { code, stdout } = await ask(["run", "--tasks"], `${cwd}/packages/core`);
    assertEquals(
      { code, stdout: stdout.replaceAll(cwd, "CWD") },
      {
        code: 0,
        stdout: `CWD/packages/core/deno.json  @x/core
  gen    echo own
  build  echo core
           after gen, shared
CWD/deno.json  @x/root
  gen     echo gen
  shared  echo shared
            after gen
  build   echo root
            after gen
`,
      },
    );
    const json = await ask(["run", "--tasks", "--json", "--filter", "tools"], cwd);
    const [{ path, ...file }] = JSON.parse(json.stdout).files;
    assertEquals(path, `${cwd}/tools/package.json`);
    const tasks = [{ name: "build", command: "echo tools", dependencies: [] }];
    assertEquals(file, { package: "tools-pkg", tasks });
  }));
