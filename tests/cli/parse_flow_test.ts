import { assertEquals, assertThrows } from "@std/assert";
import { resolve } from "node:path";
import { parseFlow } from "../../cli/flow/parse_flow.ts";
import { type FlowNode, makeFlow, makeNode } from "../../cli/flow/flow.ts";
import { UsageError } from "../../cli/exit_codes.ts";

Deno.test("parseFlow() reads names, commands, needs, timeouts, variables and directories", () => {
  const text = `{
    "name": "ci",
    "nodes": {
      "2": { "run": ["deno", "lint"], "needs": ["1"], "timeout": "1.5s" },
      "1": { "run": ["deno", "fmt"], "env": { "CI": "1" }, "cwd": "../core" }
    }
  }`;
  assertEquals(parseFlow(text, "flows/ci.json"), {
    path: "flows/ci.json",
    name: "ci",
    onFailure: "stop",
    secrets: [],
    nodes: [
      {
        id: "2",
        run: ["deno", "lint"],
        needs: ["1"],
        when: "success",
        allowFailure: false,
        timeoutMs: 1500,
        env: {},
        cwd: resolve("flows"),
        labels: [],
      },
      {
        id: "1",
        run: ["deno", "fmt"],
        needs: [],
        when: "success",
        allowFailure: false,
        env: { CI: "1" },
        cwd: resolve("core"),
        labels: [],
      },
    ],
    constraints: {
      // As many as this machine could run.
      max_in_flight: navigator.hardwareConcurrency,
      max_per_window: null,
      rate_window: null,
      deadline: null,
      max_retries: 0,
    },
  });
});

Deno.test("parseFlow() reads constraints by their names on the wire, durations as text", () => {
  const constraints = {
    max_in_flight: 4,
    max_per_window: 2,
    rate_window: "1.5s",
    deadline: "2m",
    max_retries: 3,
  };
  const nodes = { a: { run: ["true"] } };
  const flow = parseFlow(JSON.stringify({ name: "ci", nodes, constraints }), "ci.json");
  assertEquals(flow.constraints, {
    max_in_flight: 4,
    max_per_window: 2,
    rate_window: { secs: 1, nanos: 500_000_000 },
    deadline: { secs: 120, nanos: 0 },
    max_retries: 3,
  });
});

Deno.test("parseFlow() reads all that a flow may say, with comments and commas too many", () => {
  const text = `{
    // What editors look at.
    "$schema": "./flow.schema.json",
    "name": "ci",
    "description": "all of it", /* and more */
    "env": { "CI": "1", "LEVEL": "flow" },
    "secret": ["TOKEN", "TOKEN"],
    "shell": ["bash", "-euc"],
    "on_failure": "keep_going",
    "deadline": "1d",
    "nodes": {
      "@scope/core:build": { "sh": "make | tee log", "env": { "LEVEL": "node" } },
      "test": {
        "task": "test", "needs": ["@scope/core:build"], "description": "once more", "timeout": "5m",
        "retry": { "max": 3, "delay": "2s", "factor": 2, "max_delay": "1m", "not_on": [2, 64] },
        "allow_failure": true, "on": ["gpu", "linux"], "cwd": "sub"
      },
      "again": { "run": ["x"], "retry": { "max": 1, "delay": "0s" } },
      "tidy": { "run": ["rm", "x"], "needs": ["test"], "when": "always" },
    },
  }`;
  const ofFlow = { CI: "1", LEVEL: "flow" };
  const node = (node: Partial<FlowNode> & Pick<FlowNode, "id" | "run">) => {
    return makeNode({ cwd: resolve("flows"), env: ofFlow, ...node });
  };
  assertEquals(
    parseFlow(text, "flows/ci.json"),
    makeFlow({
      path: "flows/ci.json",
      name: "ci",
      description: "all of it",
      secrets: ["TOKEN"],
      onFailure: "keep_going",
      deadlineMs: 86_400_000,
      nodes: [
        node({
          id: "@scope/core:build",
          run: ["bash", "-euc", "make | tee log"],
          env: { CI: "1", LEVEL: "node" },
        }),
        node({
          id: "test",
          run: ["deno", "task", "--quiet", "test"],
          task: "test",
          needs: ["@scope/core:build"],
          description: "once more",
          timeoutMs: 300_000,
          retry: { maxRetries: 3, delayMs: 2000, factor: 2, maxDelayMs: 60_000, notOn: [2, 64] },
          allowFailure: true,
          labels: ["gpu", "linux"],
          cwd: resolve("flows/sub"),
        }),
        node({
          id: "again",
          run: ["x"],
          retry: { maxRetries: 1, delayMs: 0, factor: 1, notOn: [] },
        }),
        node({ id: "tidy", run: ["rm", "x"], needs: ["test"], when: "always" }),
      ],
    }),
  );
});

Deno.test("parseFlow() has sh run an sh, and end at the first command that fails", () => {
  const flow = parseFlow('{"name":"s","nodes":{"a":{"sh":"echo $1"}}}', "s.json");
  assertEquals(flow.nodes[0]!.run, ["sh", "-euc", "echo $1"]);
});

/** What is wrong in a flow, and what is said about it. */
interface Mistake {
  name: string;
  flow: string | Record<string, unknown>;
  says: string;
}

/** One mistake in node `a`. */
function inNode(name: string, node: unknown, says: string): Mistake {
  return { name, flow: { name: "ci", nodes: { a: node } }, says: `node "a" ${says}` };
}

/** One mistake in the constraints. */
function inConstraints(name: string, constraints: unknown, says: string): Mistake {
  return { name, flow: { name: "ci", nodes: { a: { run: ["x"] } }, constraints }, says };
}

/** One mistake in the flow as a whole. */
function inFlow(name: string, members: Record<string, unknown>, says: string): Mistake {
  return { name, flow: { name: "ci", nodes: { a: { run: ["x"] } }, ...members }, says };
}

/** Nodes with ids that are refused. */
function inIds(name: string, ids: string[], says: string): Mistake {
  const nodes = Object.fromEntries(ids.map((id) => [id, { run: ["x"] }]));
  return { name, flow: { name: "ci", nodes }, says };
}

/** Nodes with needs that are refused. */
function inNeeds(name: string, needs: Record<string, string[]>, says: string): Mistake {
  const nodes = Object.entries(needs).map(([id, needs]) => [id, { run: ["x"], needs }]);
  return { name, flow: { name: "ci", nodes: Object.fromEntries(nodes) }, says };
}

const MISTAKES: Mistake[] = [
  {
    name: "text that is no JSON",
    flow: '{\n  "name": ci }',
    says: "line 2, column 11: a value is missing",
  },
  {
    name: "two commas too many",
    flow: '{"name":"ci",,}',
    says: 'line 1, column 14: a name in double quotes or "}" is missing',
  },
  { name: "an open comment", flow: "{} /* x", says: "line 1, column 4: this comment has no end" },
  {
    name: "an open object",
    flow: '{"name":"ci"',
    says: 'line 1, column 13: "," or "}" is missing',
  },
  { name: "an open list", flow: '{"nodes":[1', says: 'line 1, column 12: "," or "]" is missing' },
  {
    name: "an open text",
    flow: '{"name": "ci',
    says: "line 1, column 10: this text has no closing quote",
  },
  { name: "a missing colon", flow: '{"name" "ci"}', says: 'line 1, column 9: ":" is missing' },
  {
    name: "a number that is none",
    flow: '{"name": 1.2.3}',
    says: "line 1, column 10: 1.2.3 is no JSON",
  },
  {
    name: "text behind the end",
    flow: "{} x",
    says: "line 1, column 4: nothing may follow the value",
  },
  {
    name: "no text at all",
    flow: "",
    says: "line 1, column 1: a value is missing; a flow is JSON, or a module as flow.ts",
  },
  {
    name: "too many lists in lists",
    flow: "[".repeat(100_000),
    says: "line 1, column 66: it is nested too deeply",
  },
  {
    name: "a key that stands twice",
    flow: '{"name":"ci","nodes":{"lint":{"run":["a"],\n"run":["b"]}}}',
    says: 'line 2, column 1: "run" stands here for the second time in nodes.lint',
  },
  { name: "no object", flow: "[]", says: 'it is no JSON object: write { "name": …, "nodes": … }' },
  { name: "no name", flow: { nodes: {} }, says: 'it has no "name": add one, such as "ci"' },
  { name: "a name that is no text", flow: { name: 1, nodes: {} }, says: "name 1 is no text" },
  {
    name: "a name that could be no file",
    flow: { name: "a/b", nodes: {} },
    says: "name \"a/b\" may only have letters, digits, '.', '_' and '-'",
  },
  { name: "no nodes", flow: { name: "ci" }, says: 'it has no "nodes": add at least one' },
  {
    name: "nodes in a list",
    flow: { name: "ci", nodes: [] },
    says: '"nodes" must be an object of nodes by their id',
  },
  {
    name: "an empty node list",
    flow: { name: "ci", nodes: {} },
    says: '"nodes" is empty: add at least one node',
  },
  {
    name: "an unknown key of the flow",
    flow: { name: "ci", node: {} },
    says: 'it has the unknown key "node": known are $schema, name, description, env, ' +
      "env_file, secret, shell, on_failure, deadline, constraints, nodes",
  },
  inFlow(
    "another failure",
    { on_failure: "go" },
    'it has the on_failure "go": known are "stop", "keep_going", "cancel"',
  ),
  inFlow(
    "a deadline of nothing",
    { deadline: "0s" },
    'it has the deadline "0s", which leaves no time: leave it out, or write more',
  ),
  inFlow("a shell that is a text", { shell: "bash" }, 'it has a "shell" that is no list of texts'),
  inFlow("a shell of nothing", { shell: [] }, 'it names no program in "shell"'),
  inFlow("variables of all in a list", { env: [] }, 'it has an "env" that is no object of texts'),
  inFlow(
    "a secret of ours",
    { secret: ["TAFFRAIL_ROOT"] },
    'it calls "TAFFRAIL_ROOT" secret, which is set for every node',
  ),
  inFlow(
    "a schema that is no text",
    { $schema: 1 },
    'it has a "$schema" that is no text, or an empty one',
  ),
  inFlow(
    "a description that is a list",
    { description: [] },
    'it has a "description" that is no text, or an empty one',
  ),
  inConstraints(
    "two mistakes: the first is named",
    { max_retries: -1, retries: 1 },
    "the constraint max_retries must be a whole number from 0 on",
  ),
  inConstraints("constraints that are no object", [], '"constraints" must be an object'),
  inConstraints(
    "an unknown constraint",
    { retries: 1 },
    '"constraints" has the unknown key "retries": known are max_in_flight, max_per_window, ' +
      "max_retries, rate_window, deadline",
  ),
  inConstraints(
    "a constraint that every object has",
    { constructor: 1 },
    '"constraints" has the unknown key "constructor": known are max_in_flight, max_per_window, ' +
      "max_retries, rate_window, deadline",
  ),
  inConstraints(
    "no place in flight",
    { max_in_flight: 0 },
    "the constraint max_in_flight must be a whole number from 1 on",
  ),
  inConstraints(
    "half a retry",
    { max_retries: 0.5 },
    "the constraint max_retries must be a whole number from 0 on",
  ),
  inConstraints(
    "a deadline that is a number",
    { deadline: 30 },
    'the constraint deadline is 30, which is no text: write one, such as "30s"',
  ),
  inConstraints(
    "a deadline that leaves no time",
    { deadline: "0s" },
    'the constraint deadline is "0s", which leaves no time: leave it out, or write more',
  ),
  inConstraints(
    "a window without a count",
    { rate_window: "1s" },
    '"constraints" has only one of max_per_window and rate_window: give both, or none',
  ),

  inNode("a node that is no object", "deno lint", 'must be an object: { "run": [PROGRAM, …] }'),
  inNode(
    "an unknown key of a node",
    { run: ["x"], need: [] },
    'has the unknown key "need": known are run, sh, task, gate, needs, description, timeout, ' +
      "retry, when, allow_failure, env, cwd, on",
  ),
  inNode(
    "a task beside a command",
    { task: "lint", run: ["true"] },
    'has a "run" and a "task": remove one',
  ),
  inNode("a task without a name", { task: "" }, 'has the task "", which is no name of a task'),
  inNode("an sh beside a task", { task: "lint", sh: "x" }, 'has a "sh" and a "task": remove one'),
  inNode(
    "no command",
    {},
    'has no "run": add its command, such as ["deno", "lint"], an "sh" or a "task"',
  ),
  inNode("an empty sh", { sh: "" }, 'has a "sh" that is no text, or an empty one'),
  inNode(
    "a when that is none",
    { run: ["x"], when: "never" },
    'has the when "never": known are "success", "failure", "always"',
  ),
  inNode(
    "a failure of nothing",
    { run: ["x"], when: "failure" },
    'has the when "failure" and no "needs": name the nodes whose failure it is for',
  ),
  inNode(
    "a flag that is a text",
    { run: ["x"], allow_failure: "yes" },
    'has a "allow_failure" that is neither true nor false',
  ),
  inNode("a label that stands twice", { run: ["x"], on: ["a", "a"] }, 'names the label "a" twice'),
  inNode(
    "a retry that is a number",
    { run: ["x"], retry: 3 },
    'has a retry that is no object: write one, such as { "max": 3 }',
  ),
  inNode(
    "a retry without a number",
    { run: ["x"], retry: {} },
    'has a retry that has no "max": say how often it is tried again',
  ),
  inNode(
    "a retry of half a time",
    { run: ["x"], retry: { max: 0.5 } },
    'has a retry that has a "max" that is no whole number from 0 on',
  ),
  inNode(
    "a retry with another key",
    { run: ["x"], retry: { times: 3 } },
    'has a retry that has the unknown key "times": known are max, delay, factor, max_delay, not_on',
  ),
  inNode(
    "a factor that shrinks",
    { run: ["x"], retry: { max: 1, factor: 0.5 } },
    'has a retry that has a "factor" that is no whole number from 1 to 1000',
  ),
  inNode(
    "a delay that is a number",
    { run: ["x"], retry: { max: 1, delay: 2 } },
    'has a retry that has the delay 2, which is no text: write one, such as "30s"',
  ),
  inNode("a delay over the longest", {
    run: ["x"],
    retry: { max: 1, delay: "2s", max_delay: "1s" },
  }, 'has a retry that has a "max_delay" that is shorter than its "delay"'),
  inNode(
    "success as an exit code",
    { run: ["x"], retry: { max: 1, not_on: [0] } },
    'has a retry that has a "not_on" that is no list of exit codes from 1 to 255',
  ),

  inNode(
    "a command as one text",
    { run: "deno lint" },
    'has a text as "run": write a list, such as ["deno", "lint"], or "sh" instead of "run"',
  ),
  inNode("a command of numbers", { run: [1] }, 'has a "run" that is no list of texts'),
  inNode("an empty command", { run: [] }, 'names no program in "run"'),
  inNode(
    "needs that are no list",
    { run: ["x"], needs: "b" },
    'has a "needs" that is no list of texts',
  ),
  inNode("a need that stands twice", { run: ["x"], needs: ["b", "b"] }, 'needs "b" twice'),
  inNode(
    "a timeout that is a number",
    { run: ["x"], timeout: 30 },
    'has the timeout 30, which is no text: write one, such as "30s"',
  ),
  inNode(
    "a bad duration",
    { run: ["x"], timeout: "30 sec" },
    'has the timeout "30 sec", which is no duration: write a number with ms, s, m, h or d, such as "30s"',
  ),
  inNode(
    "a duration of nothing",
    { run: ["x"], timeout: "0s" },
    'has the timeout "0s", which leaves no time: leave it out, or write more',
  ),
  inNode(
    "a duration too long for a timer",
    { run: ["x"], timeout: "597h" },
    'has the timeout "597h", which is too long: write at most 596h',
  ),
  inNode(
    "variables in a list",
    { run: ["x"], env: [] },
    'has an "env" that is no object of texts',
  ),
  inNode(
    "a variable without a name",
    { run: ["x"], env: { "": "x" } },
    'sets the variable "", which is no name of a variable',
  ),
  inNode(
    "a variable that is a number",
    { run: ["x"], env: { CI: 1 } },
    'sets the variable "CI" to something that is no text',
  ),
  inNode(
    "a variable of ours",
    { run: ["x"], env: { TAFFRAIL_ROOT: "x" } },
    'sets the variable "TAFFRAIL_ROOT", which is set for every node',
  ),
  inNode(
    "a variable for what is needed",
    { run: ["x"], env: { TAFFRAIL_OUTPUT_B: "x" } },
    'sets the variable "TAFFRAIL_OUTPUT_B", which is set for what a node needs',
  ),
  inNode(
    "a directory that is no text",
    { run: ["x"], cwd: 1 },
    "has the cwd 1, which is no path",
  ),
  inIds(
    "an id that could be no file",
    ["a b"],
    "node \"a b\" may only have letters, digits, '.', '_', '-', ':', '/' and '@'",
  ),
  inIds(
    "an id that leaves the directory",
    [".."],
    "node \"..\" may not begin or end with '.', '-', ':' or '/'",
  ),
  inIds(
    "an id that could be that of a pump",
    [":pump-1"],
    "node \":pump-1\" may not begin or end with '.', '-', ':' or '/'",
  ),
  inIds("an id that is a device", ["con.x"], 'node "con.x" is the name of a Windows device'),
  inIds(
    "an id that is too long",
    ["x".repeat(65)],
    `node "${"x".repeat(65)}" has 65 characters, and 64 is the most: choose a shorter one`,
  ),
  inIds(
    "ids that differ only in case",
    ["Lint", "lint"],
    'nodes "Lint" and "lint" differ only in case',
  ),
  inNeeds(
    "needs whose outputs have one name",
    { "a:b": [], "a/b": [], c: ["a:b", "a/b"] },
    'node "c" needs "a:b" and "a/b", and would find what both printed in TAFFRAIL_OUTPUT_A_B: ' +
      "call one of them something else",
  ),
  inNeeds(
    "an unknown need",
    { a: [], b: ["c"] },
    'node "b" needs "c", which is no node: the other nodes are a',
  ),
  inNeeds(
    "an unknown need of the only node",
    { a: ["c"] },
    'node "a" needs "c", which is no node: there is no other node',
  ),
  inNeeds(
    "a node that needs itself",
    { a: ["a"] },
    'its nodes need each other in a cycle: "a" needs "a"; remove one of these needs',
  ),
  inNeeds(
    "a cycle behind other nodes",
    { start: [], a: ["start", "c"], b: ["a"], c: ["b"], end: ["c"] },
    'its nodes need each other in a cycle: "a" needs "c", "c" needs "b", "b" needs "a"; remove one of these needs',
  ),
];

for (const { name, flow, says } of MISTAKES) {
  Deno.test(`parseFlow() refuses ${name}`, () => {
    const text = typeof flow === "string" ? flow : JSON.stringify(flow);
    const error = assertThrows(() => parseFlow(text, "ci.json"), UsageError);
    assertEquals(error.message, `Cannot run ci.json: ${says}`);
  });
}

Deno.test("parseFlow() reads the flow that the demo runs", async () => {
  const path = `${import.meta.dirname}/../../examples/ci.flow.json`;
  const flow = parseFlow(await Deno.readTextFile(path), path);
  assertEquals(flow.nodes.map(({ id }) => id), ["format", "lint", "check", "test"]);
  const testFile = flow.nodes.at(-1)!.run.at(-1)!;
  assertEquals(import.meta.filename?.replaceAll("\\", "/").endsWith(testFile), true);
});
