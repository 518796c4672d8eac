import { assert, assertEquals, assertThrows } from "@std/assert";
import { EventLogError, readRunSync, type RunEvent, runEventSchema } from "../../eventlog/mod.ts";
import { originalReads } from "../_util/original_events.ts";
import { withTempDir } from "../_util/temp.ts";
import { writeRun } from "./_runs.ts";

const BASE = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00Z", run_id: "ci-1" };
const NODE = { ...BASE, node_id: "lint" };

/** One event of each of the eight types, with all members that the original program knows. */
const EVENTS: Record<string, unknown>[] = [
  {
    type: "pipe.started",
    ...BASE,
    pipe: "ci",
    inputs: [{ key: "k", value: "v" }, { key: "", value: "" }],
    distro_version: "2.0.0",
  },
  { type: "pipe.completed", ...BASE },
  { type: "pipe.aborted", ...BASE, reason: "node lint failed: crash" },
  { type: "node.started", ...NODE, kind: "bash", name: "lint it", model: null },
  { type: "node.completed", ...NODE },
  { type: "node.failed", ...NODE, error: { kind: "gate_failed" }, message: "no" },
  { type: "gate.passed", ...NODE, gate: "review", method: "human_cli" },
  { type: "iteration.started", ...NODE, iteration: 4294967295, byte_offset: 9007199254740991 },
];

const WRONG_VALUES: unknown[] = [
  undefined,
  null,
  true,
  5,
  -1,
  1.5,
  4294967296,
  "",
  "word",
  "cancelled",
  "task",
  "\ud800",
  [],
  {},
  ["x"],
  [null],
  [{ key: "k" }],
  [{ key: "k", value: 1 }],
  { kind: "cancelled" },
  { kind: 3 },
  { kind: "timeout", cancelled: true, exit_code: "any" },
];

function problemOf(value: unknown): string | undefined {
  const result = runEventSchema["~standard"].validate(value);
  assert(!(result instanceof Promise));
  return result.issues?.[0]?.message;
}

Deno.test("runEventSchema takes and refuses what the original program does, member by member", () => {
  assertEquals(runEventSchema["~standard"].version, 1);
  let refused = 0;
  for (const event of EVENTS) {
    assertEquals(problemOf(event), undefined);
    for (const name of [...Object.keys(event), "added"]) {
      for (const value of WRONG_VALUES) {
        const changed = { ...event, [name]: value };
        const problem = problemOf(changed);
        const line = JSON.stringify(changed);
        assertEquals(problem === undefined, originalReads(line), `${line}: ${problem}`);
        if (problem !== undefined) refused++;
      }
    }
  }
  assert(refused > 500, `${refused}`);
  for (const value of [null, 5, "text", [], [EVENTS[0]], undefined]) {
    assertEquals(problemOf(value)?.endsWith("expected internally tagged enum Event"), true);
  }
});

Deno.test("runEventSchema says what is wrong in the words of the original program", () => {
  const [, completed, , started, , failed, , iteration] = EVENTS;
  const types = "`pipe.started`, `pipe.completed`, `pipe.aborted`, `node.started`, " +
    "`node.completed`, `node.failed`, `gate.passed`, `iteration.started`";
  const cases: [unknown, string][] = [
    [
      { ...completed, type: "node.spawned" },
      `unknown variant \`node.spawned\`, expected one of ${types}`,
    ],
    [
      { ...completed, type: "__proto__" },
      `unknown variant \`__proto__\`, expected one of ${types}`,
    ],
    [BASE, "missing field `type`"],
    [{ ...BASE, type: 7 }, "invalid type: integer `7`, expected variant identifier"],
    [{ ...started, node_id: undefined }, "missing field `node_id`"],
    [{ ...started, ts: null }, "invalid type: null, expected a string"],
    [
      { ...started, kind: "task" },
      "unknown variant `task`, expected one of `bash`, `command`, `prompt`, `loop`",
    ],
    [{ ...failed, error: "crash" }, 'invalid type: string "crash", expected struct NodeError'],
    [{ ...failed, error: {} }, "missing field `kind`"],
    [{ type: "node.started", ts: 5 }, "invalid type: integer `5`, expected a string"],
    [
      { type: "node.failed", message: true, error: {}, id: 1 },
      "invalid type: boolean `true`, expected a string",
    ],
    [{ ...failed, error: {}, id: undefined }, "missing field `kind`"],
    [{ ...iteration, iteration: -1 }, "invalid value: integer `-1`, expected u32"],
    [{ ...iteration, iteration: 1.5 }, "invalid type: floating point `1.5`, expected u32"],
    [{ ...EVENTS[0], inputs: {} }, "invalid type: map, expected a sequence"],
  ];
  for (const [event, message] of cases) assertEquals(problemOf(event), message);
});

Deno.test("runEventSchema refuses nesting and lone surrogates where the original program cannot read on", () => {
  const nest = (levels: number) => {
    let value: unknown = "deepest";
    for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { value };
    return { ...EVENTS[1], value };
  };
  assertEquals(problemOf(nest(126)), undefined);
  assertEquals(problemOf(nest(127)), "recursion limit exceeded");
  assertEquals(problemOf(nest(1_000_000)), "recursion limit exceeded");
  assertEquals(originalReads(JSON.stringify(nest(126))), true);
  assertEquals(originalReads(JSON.stringify(nest(127))), false);
  for (const value of ["\udfff", ["a", { b: "\ud800x" }], { "\ud83d": 1 }]) {
    assertEquals(problemOf({ ...EVENTS[1], value }), "unexpected end of hex escape");
  }
  assertEquals(problemOf({ ...EVENTS[1], value: "🙂" }), undefined);
});

Deno.test("strict reading with runEventSchema names the line; without it the line is an event or a gap", () =>
  withTempDir((root) => {
    const lines = EVENTS.map((event) => JSON.stringify(event));
    writeRun(root, [...lines, '{"type":"node.slept"}', ""].join("\n"), "ci-1");
    const strict = readRunSync(root, "ci-1", { strict: true, schema: runEventSchema });
    const error = assertThrows(() => [...strict], EventLogError);
    assertEquals(error.details.line, 9);
    assert(error.message.includes("unknown variant `node.slept`"), error.message);
    const [lenient] = [...readRunSync<RunEvent>(root, "ci-1", { schema: runEventSchema })];
    assertEquals(lenient?.events.length, 8);
    assertEquals(lenient?.gaps.map(({ seq, reason }) => [seq, reason]), [[9, "schema"]]);
    assertEquals([...readRunSync(root, "ci-1")][0]?.events.length, 9);
  }));
