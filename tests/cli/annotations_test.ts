/** What GitHub Actions is told of failures, with the place in the repository where an output names it. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { annotationsOf } from "../../cli/report/annotations.ts";
import { workflowCommand } from "../../cli/text/workflow_commands.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { write } from "../_util/files.ts";
import { readStepLog } from "./_github_runner.ts";
import { nodeOf, pageOf, printed } from "./_page_data.ts";

function annotate(...args: Parameters<typeof annotationsOf>) {
  return readStepLog(annotationsOf(...args).join("\n")).annotations;
}

Deno.test("any text arrives in a command as it is, and is no command of its own", () => {
  const random = new Random(seed());
  const parts = ["%", "%25", "%0A", "%3A", "\r", "\n", "::", ",", "=", "##[", " ", "a", ":", "é"];
  const text = () => Array.from({ length: random.below(8) }, () => random.pick(parts)).join("");
  for (let round = 0; round < longCount(500, 20_000); round++) {
    // The runner takes the space off that stands before the first property.
    const [title, data] = [`t${text()}`, text()];
    const line = workflowCommand("error", { data, properties: { title, file: undefined } });
    assertEquals(line.includes("\n"), false);
    assertEquals(readStepLog(line).annotations, [{ level: "error", title, data }], line);
  }
});

Deno.test("a failure is an error with why and the end of its output, one that may be is a warning", () => {
  const nodes = [
    nodeOf({ id: "fine", state: "completed" }),
    nodeOf({ id: "may", state: "failed", mayFail: true }),
    nodeOf({ id: "bad", state: "failed" }, { ...printed("a\nno end"), error: ["no end"] }),
    nodeOf({ id: "left", state: "skipped", text: "skipped: needs bad, which failed" }),
  ];
  assertEquals(annotate(pageOf(nodes), undefined), [
    {
      level: "error",
      title: "flow: bad failed, exit code 1: no end",
      data: "bad failed, exit code 1\n\na\nno end",
    },
    {
      level: "warning",
      title: "flow: may failed, exit code 1, which it may",
      data: "may failed, exit code 1, which it may",
    },
  ]);
});

Deno.test("what was ended from outside is told once, of the run", () => {
  const nodes = [nodeOf({ id: "a", state: "cancelled", text: "cancelled, ended by SIGTERM" })];
  const run = {
    outcome: "cancelled",
    outcomeText: "cancelled",
    why: ["cancelled by SIGTERM"],
  } as const;
  assertEquals(annotate(pageOf(nodes, { ...run, why: [...run.why] }), undefined), [
    { level: "error", title: "flow", data: "cancelled: cancelled by SIGTERM" },
  ]);
  const fine = [nodeOf({ id: "a", state: "completed" })];
  assertEquals(annotate(pageOf(fine, { outcome: "completed" }), undefined), []);
});

Deno.test("there are as many as GitHub shows, and none is longer than it takes", () => {
  const nodes = Array.from({ length: 25 }, (_, index) => {
    return nodeOf({ id: `n${index}`, state: "failed" }, printed("é\n".repeat(3000)));
  });
  const lines = annotationsOf(pageOf(nodes), undefined);
  assertEquals(lines.length, 10);
  for (const line of lines) assert(line.length < 16_000, `it has ${line.length} characters`);
  assertStringIncludes(lines.at(-1)!, "::16 more nodes failed: n9");
});

const FILES = ["src/a.ts", "pkg/b.py", "c.rs", "../outside.ts"];

Deno.test("the first file of the repository that an output names with a line is where it is shown", async () => {
  await withTempDir(async (directory) => {
    const workspace = `${directory}/work`;
    await Deno.mkdir(`${workspace}/src`, { recursive: true });
    await Deno.mkdir(`${workspace}/pkg`);
    for (const file of FILES) write(`${workspace}/${file}`, "");
    const cases: [output: string, place: Record<string, string>][] = [
      ["src/a.ts:3:7 - error TS1", { file: "src/a.ts", line: "3", col: "7" }],
      [`    at file://${workspace}/src/a.ts:12:5`, { file: "src/a.ts", line: "12", col: "5" }],
      [`    at f (${workspace}/src/a.ts:2)`, { file: "src/a.ts", line: "2" }],
      ["src/a.ts(4,5): error TS2", { file: "src/a.ts", line: "4", col: "5" }],
      ['  File "pkg/b.py", line 9, in f', { file: "pkg/b.py", line: "9" }],
      ["b.py:5: no", { file: "pkg/b.py", line: "5" }],
      [" --> ./c.rs:1:2", { file: "c.rs", line: "1", col: "2" }],
      ["none.ts:1:2\nsrc/a.ts:8\n", { file: "src/a.ts", line: "8" }],
      [`${directory}/outside.ts:1`, {}],
      ["../outside.ts:1", {}],
      ["src:1 http://a.ts:2 12:30:45", {}],
      ["src/a.ts and no line", {}],
    ];
    for (const [output, place] of cases) {
      const about: [string, string][] = [["in", `${workspace}/pkg`]];
      const node = nodeOf({ id: "n", state: "failed", about }, printed(output));
      const { level: _l, title: _t, data: _d, ...found } = annotate(pageOf([node]), workspace)[0]!;
      assertEquals(found, place, output);
    }
  });
});
