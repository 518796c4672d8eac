/** Programs, folders and tasks that a node makes and another one runs: each is looked for when its node starts. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { eventsOf, onlyRun, outputOf } from "./_runs.ts";

const ROOT = ".taffrail";

/** Runs a flow to its end, and gives what it had to say. */
async function runNodes(cwd: string, nodes: object, members: object = {}) {
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ name: "b", nodes, ...members }));
  const ended = await taffrail(["run", "flow.json"], { cwd });
  const root = `${cwd}/${ROOT}`;
  const runId = await onlyRun(root).catch(() => "");
  return { ...ended, root, runId };
}

const hasCompiler = await new Deno.Command("sh", { args: ["-c", "command -v cc"], stdout: "null" })
  .output().then(({ success }) => success, () => false);

Deno.test({
  name: "a program that a compiler makes is run by the next node",
  ignore: !hasCompiler,
  fn: () =>
    withTempDir(async (cwd) => {
      await Deno.writeTextFile(
        `${cwd}/m.c`,
        '#include <stdio.h>\nint main(void) { puts("made"); return 0; }\n',
      );
      const { code, stderr, ...run } = await runNodes(cwd, {
        cc: { run: ["cc", "m.c", "-o", "hello"] },
        go: { run: ["./hello"], needs: ["cc"] },
      });
      assertEquals(code, 0, stderr);
      assertEquals(await outputOf(run, "go.1.out"), "made\n");
    }),
});

Deno.test("a script, a folder and a task that a node makes are there for those that need it", () =>
  withTempDir(async (cwd) => {
    const make = [
      "mkdir -p out/bin",
      "printf '#!/bin/sh\\necho script in $PWD\\n' >out/bin/tool",
      "chmod +x out/bin/tool",
      'echo \'{"tasks":{"made":"echo task"}}\' >out/deno.json',
    ].join("\n");
    const { code, stderr, ...run } = await runNodes(cwd, {
      make: { sh: make },
      script: { run: ["./bin/tool"], cwd: "out", needs: ["make"] },
      path: { run: ["tool"], cwd: "out", needs: ["make"], env: { PATH: "bin:/usr/bin:/bin" } },
      task: { task: "made", cwd: "out", needs: ["make"] },
    });
    assertEquals(code, 0, stderr);
    assertEquals(await outputOf(run, "script.1.out"), `script in ${cwd}/out\n`);
    assertEquals(await outputOf(run, "path.1.out"), `script in ${cwd}/out\n`);
    assertEquals(await outputOf(run, "task.1.out"), "task\n");
  }));

Deno.test("what no node has made is the failure of the node that runs it, and is not tried again", async () => {
  const cases: [object, (cwd: string) => string][] = [
    [
      { run: ["./hello"] },
      (cwd) => `Cannot run "./hello", which does not exist: there is no ${cwd}/hello`,
    ],
    [
      { run: ["no-such-program"] },
      () => 'Cannot run "no-such-program", which is not on the PATH: install it, or write its path',
    ],
    [
      { run: ["true"], cwd: "out" },
      (cwd) => `Cannot run "true", but in the cwd ${cwd}/out, which is no directory`,
    ],
    [
      { task: "made" },
      (cwd) => `Cannot run the task "made", which is no task of ${cwd}/deno.json: it has no tasks`,
    ],
  ];
  for (const [node, says] of cases) {
    await withTempDir(async (cwd) => {
      await Deno.writeTextFile(`${cwd}/deno.json`, "{}");
      const { code, stdout, root, runId } = await runNodes(cwd, {
        make: { run: ["true"] },
        go: { ...node, needs: ["make"] },
      }, { constraints: { max_retries: 2 } });
      assertEquals(code, 1);
      assertStringIncludes(stdout, says(cwd));
      const failed = eventsOf(root, runId).filter(({ type }) => type === "node.failed");
      assertEquals(failed.map(({ node_id, error, message }) => [node_id, error?.kind, message]), [
        ["go", "host_missing", says(cwd)],
      ]);
    });
  }
});

Deno.test("the program of a node that needs no other is looked for before anything is recorded", () =>
  withTempDir(async (cwd) => {
    const { code, stderr, runId } = await runNodes(cwd, {
      make: { run: ["true"] },
      go: { run: ["./hello"] },
    });
    assertEquals(code, 2);
    assertStringIncludes(stderr, 'node "go" runs "./hello", which does not exist');
    assertEquals(runId, "");
  }));
