/** Nodes whose ids are those of packages, tasks and paths, and variables whose values are recorded nowhere. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { onlyRun, outputOf, writeFlow } from "./_runs.ts";

const ROOT = ".taffrail";

Deno.test("ids with ':', '/' and '@' are run, shown, verified, replayed and gone on with", () =>
  withTempDir(async (cwd) => {
    await writeFlow(cwd, {
      "@scope/core:build": "echo built",
      "con:x": { run: "echo device", needs: ["@scope/core:build"] },
      "a/../b": { run: "test -e ok", needs: ["con:x", "@scope/core:build"] },
    });
    assertEquals((await taffrail(["run", "flow.json"], { cwd })).code, 1);
    const root = `${cwd}/${ROOT}`;
    const runId = await onlyRun(root);
    assertEquals(await outputOf({ root, runId }, "%40scope%2Fcore%3Abuild.1.out"), "built\n");
    assertEquals(await outputOf({ root, runId }, "con%3Ax.1.out"), "device\n");
    const { stdout } = await taffrail(["show", "--json", "flow"], { cwd });
    const shown: { id: string; output: { out: string } }[] = JSON.parse(stdout).nodes;
    assertEquals(shown.map(({ id }) => id), ["@scope/core:build", "con:x", "a/../b"]);
    assertEquals(shown[0]!.output.out.endsWith("%40scope%2Fcore%3Abuild.1.out"), true);

    await Deno.writeTextFile(`${cwd}/ok`, "");
    await writeFlow(cwd, {
      "@scope/core:build": "echo built again",
      "con:x": { run: "echo other", needs: ["@scope/core:build"] },
      "a/../b": { run: "test -e ok", needs: ["con:x", "@scope/core:build"] },
    });
    const refused = await taffrail(["resume", "flow"], { cwd });
    assertStringIncludes(refused.stderr, "--accept @scope/core:build keeps");
    const args = ["resume", "--accept", "@scope/core:build,con:x", "flow"];
    const { code, stderr } = await taffrail(args, { cwd });
    assertEquals(code, 0, stderr);
    for (const verb of ["verify", "replay"]) {
      const checked = await taffrail([verb, "flow"], { cwd });
      assertEquals(checked.code, 0, checked.stdout + checked.stderr);
    }
  }));

Deno.test("the values of env and env_file reach the commands, and are recorded nowhere", () =>
  withTempDir(async (cwd) => {
    await Deno.writeTextFile(
      `${cwd}/.env`,
      "FROM_FILE=value-of-the-file\nBOTH=value-of-the-file\n",
    );
    const flow = {
      name: "flow",
      env_file: ".env",
      env: { BOTH: "value-of-the-flow", OUTER: "value-of-the-flow" },
      nodes: {
        a: {
          sh: 'test "$FROM_FILE" = value-of-the-"file" && test "$BOTH" = value-of-the-"flow" && ' +
            'test "$OUTER" = value-of-the-"node" && test "$PROCESS" = process && exit 3',
          env: { OUTER: "value-of-the-node" },
        },
      },
    };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
    const env = { OUTER: "process", PROCESS: "process", FROM_FILE: "process" };
    const { code, stdout } = await taffrail(["run", "flow.json"], { cwd, env });
    assertEquals(code, 1);
    assertStringIncludes(stdout, "exit code 3");
    const root = `${cwd}/${ROOT}`;
    const directory = `${root}/runs/${await onlyRun(root)}`;
    for (const name of namesIn(directory)) {
      const path = `${directory}/${name}`;
      if (!(await Deno.stat(path)).isFile) continue;
      const text = await Deno.readTextFile(path);
      for (const value of ["value-of-the-file", "value-of-the-flow", "value-of-the-node"]) {
        assertEquals(text.includes(value), false, path);
      }
    }
  }));
