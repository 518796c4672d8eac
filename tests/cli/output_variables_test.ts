/** What a command finds of what the nodes that it needs have printed. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { makeNode, nodesById } from "../../cli/flow/flow.ts";
import { NeededOutputs, outputVariable } from "../../cli/flow/output_variables.ts";
import { write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrailUntil } from "./_at_point.ts";
import { HAS_SIGNALS, taffrail } from "./_command.ts";
import { onlyRun, outputOf, writeFlow } from "./_runs.ts";

const ROOT = ".taffrail";

Deno.test("the variable of a need is its id in upper case, with _ for all that is no letter or digit", () => {
  assertEquals(outputVariable("gen"), "TAFFRAIL_OUTPUT_GEN");
  assertEquals(outputVariable("@scope/core-2:build.x"), "TAFFRAIL_OUTPUT__SCOPE_CORE_2_BUILD_X");
});

Deno.test("an aggregate stands for its members, and those of its members, each once", () => {
  const LENGTH = 20_000;
  const node = (id: string, needs: string[], run = ["x"]) => makeNode({ id, run, needs, cwd: "/" });
  const nodes = nodesById([
    node("a", []),
    node("b", []),
    node("ask", []),
    node("some", ["a"], []),
    node("more", ["some", "b"], []),
    node("n0", ["more", "some"], []),
    ...Array.from(
      { length: LENGTH },
      (_, index) => node(`n${index + 1}`, [`n${index}`, "more"], []),
    ),
    node("end", ["b", `n${LENGTH}`]),
  ]);
  assertEquals(new NeededOutputs(nodes).of(nodes.get("end")!), ["b", "a"]);
  nodes.set("ask", makeNode({ id: "ask", run: [], gate: "Deploy?", cwd: "/" }));
  assertEquals(new NeededOutputs(nodes).of(node("last", ["ask", "a"])), ["a"]);
});

Deno.test("a command finds what the nodes that it needs have printed, and of no other", () =>
  withTempDir(async (cwd) => {
    await writeFlow(cwd, {
      "gen:a/x": {
        run: 'test -e once || { touch once; echo bad; exit 1; }; echo "from $TAFFRAIL_ATTEMPT"',
      },
      silent: "true",
      other: "echo other",
      take: {
        run:
          'cat "$TAFFRAIL_OUTPUT_GEN_A_X" "$TAFFRAIL_OUTPUT_SILENT"; echo "<${TAFFRAIL_OUTPUT_OTHER-unset}>"',
        needs: ["gen:a/x", "silent"],
        retry: { max: 0 },
      },
    });
    const text = await Deno.readTextFile(`${cwd}/flow.json`);
    const flow = { ...JSON.parse(text), constraints: { max_retries: 1 } };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
    const env = { TAFFRAIL_OUTPUT_GEN_A_X: "/dev/null", TAFFRAIL_OUTPUT_KEPT: "kept" };
    const { code, stderr } = await taffrail(["run", "flow.json"], { cwd, env });
    assertEquals(code, 0, stderr);
    const run = { root: `${cwd}/${ROOT}`, runId: await onlyRun(`${cwd}/${ROOT}`) };
    assertEquals(await outputOf(run, "take.1.out"), "from 2\n<unset>\n");
  }));

Deno.test("of an output that was cut a command is not told, and people are", () =>
  withTempDir(async (cwd) => {
    await writeFlow(cwd, {
      gen: "head -c 5000 /dev/zero",
      take: { run: 'echo "<${TAFFRAIL_OUTPUT_GEN-unset}>"', needs: ["gen"] },
    });
    const env = { TAFFRAIL_OUTPUT_GEN: "/of/another/run" };
    const args = ["run", "--max-output", "1KiB", "flow.json"];
    const { code, stdout, stderr } = await taffrail(args, { cwd, env });
    assertEquals(code, 0, stderr);
    const run = { root: `${cwd}/${ROOT}`, runId: await onlyRun(`${cwd}/${ROOT}`) };
    assertEquals(await outputOf(run, "take.1.out"), "<unset>\n");
    const note =
      "take is not told of what gen printed (TAFFRAIL_OUTPUT_GEN): 3.9KiB of it were left out";
    assertStringIncludes(stdout + stderr, note);
  }));

Deno.test("a run that is gone on with finds what was printed before, and starts nothing where that was changed", () =>
  withTempDir(async (cwd) => {
    await writeFlow(cwd, {
      gen: "echo made",
      take: { run: 'cat "$TAFFRAIL_OUTPUT_GEN"; test -e ok', needs: ["gen"] },
    });
    assertEquals((await taffrail(["run", "flow.json"], { cwd })).code, 1);
    const run = { root: `${cwd}/${ROOT}`, runId: await onlyRun(`${cwd}/${ROOT}`) };
    assertEquals((await taffrail(["resume", "flow"], { cwd })).code, 1);
    assertEquals(await outputOf(run, "take.2.out"), "made\n");

    const path = `${run.root}/runs/${run.runId}/nodes/gen.1.out`;
    await Deno.writeTextFile(path, "forged\n");
    const refused = await taffrail(["resume", "flow"], { cwd });
    assertEquals(refused.code, 1);
    assertStringIncludes(
      refused.stdout,
      `Cannot use what node gen printed: ${path} was changed; taffrail resume --rerun gen makes it again`,
    );
    await Deno.writeTextFile(`${cwd}/ok`, "");
    const { code, stderr } = await taffrail(["resume", "--rerun", "gen", "flow"], { cwd });
    assertEquals(code, 0, stderr);
    assertEquals(await outputOf(run, "take.4.out"), "made\n");
  }));

Deno.test({
  name: "a run that is gone on with finds what was printed before, whatever its log lacked",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const nodes = {
        a: { sh: "echo said" },
        b: { needs: ["a"], sh: 'cat "$TAFFRAIL_OUTPUT_A" > heard' },
      };
      write(`${cwd}/flow.json`, JSON.stringify({ name: "d", nodes }));
      const point = {
        file: "events.jsonl",
        at: { line: "node.completed" },
        how: "before",
      } as const;
      assertEquals((await taffrailUntil(point, ["run", "flow.json"], cwd)).code, 137);
      const { code, stderr } = await taffrail(["resume", "d"], { cwd });
      assertEquals(code, 0, stderr);
      assertEquals(await Deno.readTextFile(`${cwd}/heard`), "said\n");
    }),
});
