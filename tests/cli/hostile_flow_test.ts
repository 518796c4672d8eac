import { placeOf } from "./_runs.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/exit_codes.ts";
import { makeFlow, makeNode } from "../../cli/flow/flow.ts";
import { Programs } from "../../cli/flow/find_programs.ts";
import { FlowRecordError, readFlowRecord, writeFlowRecord } from "../../cli/flow/flow_record.ts";
import { parseFlow } from "../../cli/flow/parse_flow.ts";
import { parseJsonc } from "../../cli/flow/parse_jsonc.ts";
import { isLongRun, withTempDir } from "../_util/temp.ts";
import { recordAndKill, taffrail } from "./_command.ts";
import { taskFlowOf } from "./_tasks.ts";

const ENGINE_WORDS =
  /Cannot read prop|is not a function|is not iterable|call stack|Invalid (?:array|string) length|undefined|Unexpected token|in JSON at/;

/** A refusal in our words, that fits a screen. */
function assertClear(error: Error): void {
  assert(!ENGINE_WORDS.test(error.message), error.message);
  assert(error.message.length < 10_000, `${error.message.length} characters`);
}

function refusal(text: string): string {
  const error = assertThrows(
    () => new Programs().check(parseFlow(text, "f.json").nodes),
    UsageError,
  );
  assertClear(error);
  return error.message;
}

/** Where a value may stand in a flow file; `@` is the place. */
const PLACES = [
  "@",
  '{"name":@,"nodes":{"a":{"run":["true"]}}}',
  '{"name":"f","nodes":@}',
  '{"name":"f","nodes":{"a":@}}',
  '{"name":"f","nodes":{"a":{"run":@}}}',
  '{"name":"f","nodes":{"a":{"run":["true",@]}}}',
  '{"name":"f","nodes":{"a":{"task":@}}}',
  '{"name":"f","nodes":{"a":{"run":["true"],"needs":@}}}',
  '{"name":"f","nodes":{"a":{"run":["true"],"needs":[@]}}}',
  '{"name":"f","nodes":{"a":{"run":["true"],"timeout":@}}}',
  '{"name":"f","nodes":{"a":{"run":["true"],"env":@}}}',
  '{"name":"f","nodes":{"a":{"run":["true"],"env":{"E":@}}}}',
  '{"name":"f","nodes":{"a":{"run":["true"],"cwd":@}}}',
  '{"name":"f","nodes":{"a":{"run":["true"]}},"constraints":@}',
  '{"name":"f","nodes":{"a":{"run":["true"]}},"constraints":{"max_in_flight":@}}',
  '{"name":"f","nodes":{"a":{"run":["true"]}},"constraints":{"deadline":@}}',
  '{"name":"f","nodes":{"a":{"run":["true"]}},"extra":@}',
];

Deno.test("a flow with null or nesting of 2,000,000 levels in any place is refused in our words", () => {
  const deep = 2_000_000;
  for (const place of PLACES) {
    for (const value of ["null", "[null]", '{"b":null}', "[".repeat(deep), '{"a":'.repeat(deep)]) {
      refusal(place.replace("@", value));
    }
  }
  assert(refusal("[".repeat(deep)).endsWith("it is nested too deeply"));
});

Deno.test("a text of 12 MB in any place of a flow is refused in few words", () => {
  // What must be escaped is the harder of the two.
  const parts = isLongRun() ? ['\\\\"', "x"] : ['\\\\"'];
  for (const text of parts.map((part) => part.repeat(12e6 / part.length))) {
    for (const place of PLACES) refusal(place.replace("@", () => JSON.stringify(text)));
    refusal(`{"name":"f","nodes":{${JSON.stringify(text)}:{"run":["true"]}}}`);
    refusal(`{"name":"f",${JSON.stringify(text)}:1}`);
    refusal(`{"name":"f","nodes":{"a":{"run":["true"],"env":{${JSON.stringify(text)}:"v"}}}}`);
  }
  const args = Array.from({ length: 30 }, () => "y".repeat(100_000));
  const many = { name: "f", nodes: { a: { run: ["true", ...args] } } };
  assert(refusal(JSON.stringify(many)).includes("over 2MiB in all: write it to a file"));
  assertEquals(
    parseFlow(`${" ".repeat(12e6)}{"name":"f","nodes":{"a":{"run":["true"]}}}`, "f").name,
    "f",
  );
});

Deno.test("comments and texts of 12 MB are read in tasks, and a comment without an end is told", () => {
  const text = "x\\".repeat(6e6);
  const tasks = `/*${"*".repeat(12e6)}*/ {"a": ${JSON.stringify(text)}, //${"y".repeat(12e6)}\n}`;
  assertEquals(parseJsonc(tasks, { comments: true }), new Map([["a", text]]));
  for (const wrong of [`/*${"*".repeat(12e6)}`, "{} /* no end", `{"a": 1 /*`]) {
    const error = assertThrows(() => parseJsonc(wrong, { comments: true }), SyntaxError);
    assert(error.message.endsWith("this comment has no end"), error.message);
  }
});

Deno.test("taffrail run refuses such flows, and one from a device that never ends, with exit code 2", () =>
  withTempDir(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/deep.json`, '{"name":'.repeat(2_000_000));
    await Deno.writeTextFile(`${cwd}/null.json`, '{"name":"f","nodes":[null]}');
    const long = { name: "f", nodes: { a: { run: ["true", "x".repeat(12e6)] } } };
    await Deno.writeTextFile(`${cwd}/long.json`, JSON.stringify(long));
    const says = {
      "deep.json": "Cannot run deep.json: line 1, column 521: it is nested too deeply\n",
      "null.json": 'Cannot run null.json: "nodes" must be an object of nodes by their id\n',
      "long.json":
        'Cannot run long.json: node "a" has an argument or a variable of 11MiB, over 128KiB: ' +
        "write it to a file, and name that\n",
      "/dev/zero": "Cannot read the flow /dev/zero: it has over 64MiB\n",
    };
    for (const [flow, message] of Object.entries(says)) {
      if (flow.startsWith("/dev") && Deno.build.os === "windows") continue;
      const { code, stdout, stderr } = await taffrail(["run", flow], { cwd });
      assertEquals({ code, stdout, stderr }, { code: 2, stdout: "", stderr: message });
    }
  }));

const LENGTH = 20_000;

/** Nodes of which each needs the one before it. */
function chainOf(first: string[]): Record<string, unknown> {
  const nodes = Array.from({ length: LENGTH }, (_, index) => {
    const needs = index === 0 ? {} : { needs: [`n${index - 1}`] };
    return [`n${index}`, { run: index === 0 ? first : ["true"], ...needs }];
  });
  return { name: "chain", nodes: Object.fromEntries(nodes) };
}

Deno.test("a chain of 20,000 nodes is read, run and shown; a cycle of them is told", () =>
  withTempDir(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/f.json`, JSON.stringify(chainOf(["false"])));
    const { code, stderr } = await taffrail(["run", "f.json", "--json"], { cwd });
    assertEquals([code, stderr.split("\n").length], [1, 2]);
    const { stdout } = await taffrail(["show", "chain", "--json"], { cwd });
    assertEquals(JSON.parse(stdout).nodes.length, LENGTH);
    const chain = chainOf(["true"]) as { nodes: Record<string, { needs?: string[] }> };
    chain.nodes.n0!.needs = [`n${LENGTH - 1}`];
    const cycle = refusal(JSON.stringify(chain));
    assert(cycle.includes('"n0" needs "n19999", "n19999" needs "n19998"'), cycle);
    assert(cycle.endsWith("and 19980 more; remove one of these needs"), cycle);
    chain.nodes.n0!.needs = ["none"];
    assert(refusal(JSON.stringify(chain)).endsWith("n20 and 19979 more"));
  }));

function tasksOf(make: (index: number) => [name: string, task: unknown]): string {
  const tasks = Object.fromEntries(Array.from({ length: LENGTH }, (_, index) => make(index)));
  return JSON.stringify({ tasks });
}

Deno.test("20,000 tasks that depend on each other, in each form, become a flow", () =>
  withTempDir(async (cwd) => {
    const write = (text: string) => Deno.writeTextFile(`${cwd}/deno.json`, text);
    const before = (index: number) => index === 0 ? [] : [`t${index - 1}`];
    const last = `t${LENGTH - 1}`;

    await write(tasksOf((index) => {
      return [`t${index}`, { command: "echo", dependencies: before(index) }];
    }));
    const chain = taskFlowOf([last], cwd);
    assertEquals(chain.nodes.length, LENGTH);
    assertEquals(chain.nodes.at(-1)?.needs, [`t${LENGTH - 2}`]);
    new Programs(chain).check(chain.nodes);

    // Each second one runs nothing, and hands on what all those before it need.
    await write(tasksOf((index) => {
      if (index % 2 === 0) return [`t${index}`, "echo"];
      return [`t${index}`, { dependencies: [...before(index - 1), `t${index - 1}`] }];
    }));
    const ladder = taskFlowOf([last], cwd);
    assertEquals(ladder.nodes.length, LENGTH / 2);

    await write(tasksOf((index) => [`é${index}`.replaceAll(/\d/g, "$&é"), "echo"]));
    const tasks = Object.keys(JSON.parse(await Deno.readTextFile(`${cwd}/deno.json`)).tasks);
    const ids = taskFlowOf(tasks, cwd).nodes.map(({ id }) => id);
    assertEquals(new Set(ids).size, LENGTH);

    await write(tasksOf((index) => {
      return [`t${index}`, { command: "x", dependencies: [`t${(index + 1) % LENGTH}`] }];
    }));
    const cycle = assertThrows(() => taskFlowOf(["t0"], cwd), UsageError);
    assertEquals(cycle.message.slice(0, 40), "Cannot run the task t0 -> t1 -> t2 -> t3");
    assertClear(cycle);
  }));

const NODE = makeNode({ id: "a", run: ["true"], cwd: "/" });
const FLOW = makeFlow({ name: "f", nodes: [NODE, { ...NODE, id: "b", needs: ["a"] }] });

/** Every way to the members of a value, from the top. */
function pathsIn(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== "object" || value === null) return [path];
  const below = Object.entries(value).flatMap(([key, member]) => pathsIn(member, [...path, key]));
  return [path, ...below];
}

function replaced(value: unknown, [key, ...rest]: (string | number)[], by: unknown): unknown {
  if (key === undefined) return by;
  const copy = structuredClone(value) as Record<string | number, unknown>;
  copy[key] = replaced(copy[key], rest, by);
  return copy;
}

Deno.test("a flow.json with something else in any place is refused with the place, or means the same", () =>
  withTempDir(async (root) => {
    await Deno.mkdir(`${root}/runs/r`, { recursive: true });
    await writeFlowRecord({ root, runId: "r" }, FLOW);
    const path = `${root}/runs/r/flow.json`;
    const whole = JSON.parse(await Deno.readTextFile(path));
    let refused = 0;
    for (const place of pathsIn(whole)) {
      for (const by of [null, undefined, 1, -1, 1.5, "", "../../x", [], [null], {}, { a: null }]) {
        await Deno.writeTextFile(path, JSON.stringify(replaced(whole, place, by)) ?? "");
        await readFlowRecord(placeOf(root, "r")).then((record) => {
          assertEquals(record?.nodes.every(({ id }) => /^\w+$/.test(id)), true, `${place}`);
        }, (error) => {
          assert(error instanceof FlowRecordError, `${place}: ${error}`);
          assert(error.message.startsWith(`Cannot use ${path}: `), error.message);
          assertClear(error);
          refused++;
        });
      }
    }
    assert(refused > 200, `${refused}`);
  }));

Deno.test("what is wrong in a flow.json is named", () =>
  withTempDir(async (root) => {
    await Deno.mkdir(`${root}/runs/r`, { recursive: true });
    await writeFlowRecord({ root, runId: "r" }, FLOW);
    const path = `${root}/runs/r/flow.json`;
    const whole = JSON.parse(await Deno.readTextFile(path));
    const [a, b] = whole.nodes;
    const cases: [unknown, string][] = [
      [null, "it is no object"],
      [{ ...whole, nodes: [null] }, "nodes[0] is no object"],
      [{ ...whole, nodes: [a, { ...b, run: "true" }] }, "nodes[1].run is no list of texts"],
      [{ ...whole, nodes: [{ ...a, id: "x y" }] }, "nodes[0].id may only have letters"],
      [{ ...whole, nodes: [{ ...a, id: "../x" }] }, "nodes[0].id may not begin or end with '.'"],
      [{ ...whole, nodes: [{ ...a, run: [] }] }, "nodes[0].run is empty"],
      [{ ...whole, nodes: [{ ...a, when: "never" }] }, "nodes[0].when is none of success, failure"],
      [{ ...whole, nodes: [{ ...a, retry: { max: 1 } }] }, "nodes[0].retry.factor is no number"],
      [{ ...whole, on_failure: 1 }, '"on_failure" is none of stop, keep_going, cancel'],
      [{ ...whole, nodes: [a, { ...a, id: "A" }] }, "two of its nodes have the same id"],
      [{ ...whole, nodes: [b] }, 'node "b" needs "a", which is no node'],
      [{ ...whole, nodes: [{ ...a, needs: ["b"] }, b] }, "need each other in a cycle"],
      [
        { ...whole, constraints: { max_retries: 0, deadline: 5 } },
        "a deadline that is no duration",
      ],
      [{ ...whole, constraints: {} }, "a max_retries that is no whole number"],
      [{ ...whole, format: 2 }, "its format is 2, and 1 is known; use a newer taffrail"],
    ];
    for (const [value, says] of cases) {
      await Deno.writeTextFile(path, JSON.stringify(value));
      await assertRejects(() => readFlowRecord(placeOf(root, "r")), FlowRecordError, says);
    }
    const texts: [string | Uint8Array<ArrayBuffer>, string][] = [
      ["", "line 1, column 1: a value is missing"],
      ["[".repeat(2_000_000), "it is nested too deeply"],
      [new Uint8Array(100), "line 1, column 1: a value is missing"],
      [new Uint8Array([0xff, 0xfe, 0x7b, 0]), "it is not UTF-8"],
    ];
    for (const [text, says] of texts) {
      if (typeof text === "string") await Deno.writeTextFile(path, text);
      else await Deno.writeFile(path, text);
      await assertRejects(() => readFlowRecord(placeOf(root, "r")), FlowRecordError, says);
    }
  }));

Deno.test("taffrail resume tells what is wrong with a flow.json, and begins nothing", () =>
  withTempDir(async (cwd) => {
    const runId = await recordAndKill(cwd);
    const path = `.taffrail/runs/${runId}/flow.json`;
    for (const text of ['{"format":1,"nodes":[null]}', "null", "[".repeat(2_000_000)]) {
      await Deno.writeTextFile(`${cwd}/${path}`, text);
      const { code, stdout, stderr } = await taffrail(["resume", runId], { cwd });
      assertEquals({ code, stdout }, { code: 1, stdout: "" });
      assert(stderr.startsWith(`Cannot use ${path}: it is no flow of a run: `), stderr);
      assertClear(new Error(stderr));
    }
  }));
