/** A run of a command, or of tasks, is gone on with as the verb does that began it. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { onlyRun } from "./_runs.ts";

/** Fails at the first attempt. */
const SECOND_TIME = 'echo "attempt $TAFFRAIL_ATTEMPT"; test "$TAFFRAIL_ATTEMPT" = 2';

Deno.test("resume passes on what the command of an exec prints, and nothing else", async () => {
  await withTempDir(async (cwd) => {
    await taffrail(["exec", "--", "sh", "-c", SECOND_TIME], { cwd });
    const runId = await onlyRun(`${cwd}/.taffrail`);
    const { code, stdout, stderr } = await taffrail(["resume", runId], { cwd });
    assertEquals({ code, stdout }, { code: 0, stdout: "attempt 2\n" });
    assertMatch(stderr, new RegExp(`^run_id=${runId}\n✓ sh .*log: .*\n$`));
  });
});

Deno.test("resume --json of an exec prints the document to stderr", async () => {
  await withTempDir(async (cwd) => {
    await taffrail(["exec", "--", "sh", "-c", SECOND_TIME], { cwd });
    const { code, stdout, stderr } = await taffrail(["resume", "--json", "sh"], { cwd });
    assertEquals({ code, stdout }, { code: 0, stdout: "attempt 2\n" });
    assertEquals(JSON.parse(stderr.trimEnd().split("\n").at(-1)!).state, "Completed");
  });
});

Deno.test("resume passes on what tasks print", async () => {
  await withTempDir(async (cwd) => {
    const tasks = { job: SECOND_TIME };
    await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify({ tasks }));
    await taffrail(["run", "--tasks", "job"], { cwd });
    const { code, stdout } = await taffrail(["resume", "job"], { cwd });
    assertEquals(code, 0);
    assertStringIncludes(stdout, "attempt 2\n");
  });
});
