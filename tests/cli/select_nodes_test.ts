/** Parts of a flow, and what a flow would do. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/exit_codes.ts";
import { type FlowNode, makeFlow, makeNode } from "../../cli/flow/flow.ts";
import { type Selection, selectNodes } from "../../cli/flow/select_nodes.ts";
import { isThere } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { eventsOf, onlyRun, outlineOf, writeFlow } from "./_runs.ts";

const ROOT = ".taffrail";
const node = (id: string, needs: string[] = [], more: Partial<FlowNode> = {}) => {
  return makeNode({ id, run: ["x"], needs, cwd: "/", ...more });
};

const FLOW = makeFlow({
  name: "f",
  nodes: [
    node("pack", ["test", "lint"]),
    node("gen"),
    node("build", ["gen"]),
    node("test", ["build"]),
    node("lint", ["build"]),
    node("mourn", ["test"], { when: "failure" }),
    node("tidy", ["pack"], { when: "always" }),
    node("all", ["lint"], { run: [] }),
  ],
});

const PARTS: [Selection, Record<string, string[]>][] = [
  [{ only: ["test"] }, { gen: [], build: ["gen"], test: ["build"] }],
  [{ only: ["all", "gen"] }, { gen: [], build: ["gen"], lint: ["build"], all: ["lint"] }],
  [
    { skip: ["build"] },
    {
      pack: ["test", "lint"],
      gen: [],
      test: ["gen"],
      lint: ["gen"],
      mourn: ["test"],
      tidy: ["pack"],
      all: ["lint"],
    },
  ],
  // What only a skipped node needs is not wanted, and what is for its failure goes with it.
  [{ only: ["test", "mourn"], skip: ["build"] }, { test: [], mourn: ["test"] }],
  [{ only: ["mourn", "all"], skip: ["test", "lint"] }, {}],
  [
    { skip: ["gen", "test", "lint"] },
    { pack: ["build"], build: [], mourn: ["build"], tidy: ["pack"], all: ["build"] },
  ],
];

for (const [selection, expected] of PARTS) {
  Deno.test(`selectNodes() leaves what ${JSON.stringify(selection)} asks for, in order`, () => {
    if (Object.keys(expected).length === 0) {
      assertThrows(() => selectNodes(FLOW, selection), UsageError, "leave no node");
      return;
    }
    const { nodes, only, skip } = selectNodes(FLOW, selection);
    assertEquals(Object.fromEntries(nodes.map(({ id, needs }) => [id, needs])), expected);
    assertEquals({ only, skip }, { only: selection.only, skip: selection.skip });
  });
}

const STEPS = {
  gen: "echo gen",
  build: { run: "echo build", needs: ["gen"] },
  test: { run: "test -e ok", needs: ["build"], timeout: "1m" },
  more: "echo more",
};

Deno.test("run --only and --skip run a part of a flow, and resume goes on with that part", () =>
  withTempDir(async (cwd) => {
    await writeFlow(cwd, STEPS);
    const args = ["run", "--only", "test", "--skip", "build", "flow.json"];
    const { code, stdout, stderr } = await taffrail(args, { cwd });
    assertEquals(code, 1, stderr);
    assertStringIncludes(stdout + stderr, "skipped: build (--skip)");
    const root = `${cwd}/${ROOT}`;
    const runId = await onlyRun(root);
    const begun = () => {
      return outlineOf(eventsOf(root, runId)).filter((line) => line.startsWith("node.started"));
    };
    assertEquals(begun(), ["node.started test"]);
    await Deno.writeTextFile(`${cwd}/ok`, "");
    const again = await taffrail(["resume", "flow"], { cwd });
    assertEquals(again.code, 0, again.stderr);
    assertStringIncludes(again.stdout + again.stderr, "skipped: build (--skip)");
    assertEquals(begun(), ["node.started test", "node.started test"]);
  }));

Deno.test("run --only and --skip refuse names that no node has", () =>
  withTempDir(async (cwd) => {
    await writeFlow(cwd, STEPS);
    for (const option of ["only", "skip"]) {
      const args = ["run", `--${option}`, "gen,none", "flow.json"];
      const { code, stderr } = await taffrail(args, { cwd });
      const says = `Cannot use --${option} "none": the flow has gen, build, test, more\n`;
      assertEquals({ code, stderr }, { code: 2, stderr: says });
    }
  }));

Deno.test("run --dry-run shows what would run, and runs and records nothing", () =>
  withTempDir(async (cwd) => {
    await writeFlow(cwd, STEPS);
    const plan = await taffrail(["run", "--dry-run", "--skip", "gen", "flow.json"], { cwd });
    assertEquals(plan.code, 0, plan.stderr);
    const lines = plan.stdout.split("\n");
    assertEquals(lines[0], "flow    flow");
    assertEquals(lines[2], "nodes   3, none of them was run");
    assertEquals(lines.slice(4), [
      "build  sh -c 'echo build'",
      "test   sh -c 'test -e ok'",
      "         after build; timeout 1m 00s",
      "more   sh -c 'echo more'",
      "",
    ]);
    const json = await taffrail(["run", "--dry-run", "--json", "--only", "test", "flow.json"], {
      cwd,
    });
    const { name, only, nodes } = JSON.parse(json.stdout);
    assertEquals({ name, only }, { name: "flow", only: ["test"] });
    assertEquals(nodes.map(({ id }: { id: string }) => id), ["gen", "build", "test"]);
    assertEquals(isThere(`${cwd}/${ROOT}`), false);
    await writeFlow(cwd, { gone: "x" });
    await Deno.writeTextFile(`${cwd}/bad.json`, '{"name":"b","nodes":{"a":{"run":["./none"]}}}');
    const bad = await taffrail(["run", "--dry-run", "bad.json"], { cwd });
    assertEquals(bad.code, 2);
    assertStringIncludes(bad.stderr, 'node "a" runs "./none", which does not exist');
  }));
