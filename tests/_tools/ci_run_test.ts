import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { withTree } from "./_tree.ts";

const CI_RUN = new URL("../../.ci/run", import.meta.url);

/** Stands in for Deno: it answers as the variables say. */
const FAKE_DENO = `#!/bin/sh
case "$1 $2" in
"--version ") echo "deno 2.9.6 (stable, release)" ;;
"task ok") exit "\${OK_CODE:-0}" ;;
"task test")
  printf '%b' "$TEST_OUTPUT"
  if [ -n "$LEFT_BEHIND" ]; then touch "$LEFT_BEHIND"; fi
  if [ -n "$LEFT_TEMP" ]; then mkdir "$TMPDIR/$LEFT_TEMP"; fi
  exit "\${TEST_CODE:-0}" ;;
esac
`;

const TREE = {
  ".gitignore": "ignored\n",
  ".ci/run": await Deno.readTextFile(CI_RUN),
  "bin/deno": FAKE_DENO,
};

/** Runs `.ci/run` in a checkout of its own and returns its exit code and its lines. */
async function runCi(env: Record<string, string>): Promise<{ code: number; lines: string[] }> {
  return await withTree(TREE, async (cwd) => {
    await Deno.chmod(`${cwd}/bin/deno`, 0o755);
    await new Deno.Command("git", { args: ["init", "--quiet"], cwd }).output();
    const PATH = `${cwd}/bin:${Deno.env.get("PATH")}`;
    const command = new Deno.Command("bash", {
      args: [".ci/run"],
      cwd,
      env: { ...env, PATH, CI: "true" },
      stderr: "inherit",
    });
    const { code, stdout } = await command.output();
    return { code, lines: new TextDecoder().decode(stdout).trimEnd().split("\n") };
  });
}

/** What stands in for Deno is a script, which Windows does not run by its name alone. */
function testCi(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: Deno.build.os === "windows", fn });
}

testCi(".ci/run sums the summary lines of deno test", async () => {
  const { code, lines } = await runCi({
    TEST_OUTPUT: "\\033[0m\\033[32mok\\033[0m | 12 passed (3 steps) | 0 failed \\033[0m(2ms)\\n" +
      "ok | 5 passed | 0 failed | 1 ignored | 2 filtered out (1s)\\n\\n",
  });
  assertEquals([code, lines.at(-1)], [0, "17 passed, 0 failed"]);
});

testCi(".ci/run fails when a test fails", async () => {
  const { code, lines } = await runCi({
    TEST_OUTPUT: "FAILED | 10 passed (1 step) | 2 failed (1 step) | 1 ignored (2ms)\\n",
    TEST_CODE: "1",
  });
  assertEquals([code, lines.at(-1)], [1, "10 passed, 2 failed"]);
});

testCi(".ci/run counts a failure when the tests do not finish", async () => {
  const { code, lines } = await runCi({ TEST_OUTPUT: "error: no\\n", TEST_CODE: "1" });
  assertEquals([code, lines.at(-1)], [1, "0 passed, 1 failed"]);
});

testCi(".ci/run fails when a check fails, and still runs the tests", async () => {
  const { code, lines } = await runCi({
    TEST_OUTPUT: "ok | 1 passed | 0 failed (2ms)\\n",
    OK_CODE: "1",
  });
  assertEquals([code, lines.at(-1)], [1, "1 passed, 0 failed"]);
  assertStringIncludes(lines.join("\n"), "deno task ok: a check failed");
});

testCi(".ci/run fails when the tests leave a file behind", async () => {
  for (const name of ["left", "ignored"]) {
    const { code, lines } = await runCi({
      TEST_OUTPUT: "ok | 1 passed | 0 failed (2ms)\\n",
      LEFT_BEHIND: name,
    });
    assertEquals([code, lines.at(-1)], [1, "1 passed, 0 failed"]);
    assertMatch(
      lines.join("\n"),
      new RegExp(`The tests changed the checkout:\n[^]*> .. ${name}\n`),
    );
  }
});

testCi(
  ".ci/run fails when the tests leave a directory of theirs, and takes what examples leave",
  async () => {
    const answers = { "taffrail-test-1": 1, "of-an-example": 0 };
    for (const [name, expected] of Object.entries(answers)) {
      const { code, lines } = await runCi({
        TEST_OUTPUT: "ok | 1 passed | 0 failed (2ms)\n",
        LEFT_TEMP: name,
      });
      assertEquals([code, lines.at(-1)], [expected, "1 passed, 0 failed"]);
      const said = lines.find((line) => line.endsWith(name));
      assertEquals(said !== undefined, expected === 1, lines.join("\n"));
      if (said !== undefined) await assertRejects(() => Deno.lstat(said), Deno.errors.NotFound);
    }
  },
);
