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
"task test:postgres")
  printf '%b' "$POSTGRES_OUTPUT"
  exit "\${POSTGRES_CODE:-0}" ;;
"task test:browser")
  printf '%b' "$BROWSER_OUTPUT"
  exit "\${BROWSER_CODE:-0}" ;;
esac
`;

/** Stands in for the installer of packages: what it installs does nothing. */
const FAKE_APT_GET = `#!/bin/sh
[ "$1" = update ] && exit 0
[ "$INSTALL" = no ] && exit 100
echo "#!/bin/sh" >"bin/$4"
chmod +x "bin/$4"
`;

const TREE: Record<string, string> = {
  ".gitignore": "ignored\n",
  ".ci/run": await Deno.readTextFile(CI_RUN),
  "bin/deno": FAKE_DENO,
};

/** What it installs where it is missing. */
const TOOLS = ["strace", "zsh", "fish", "mandoc"];
for (const tool of TOOLS) TREE[`bin/${tool}`] = "#!/bin/sh\n";

/**
 * Runs `.ci/run` in a checkout of its own and returns its exit code and its lines.
 *
 * @param tree What is in the checkout; a `bin/tools` in it says which programs there are beside its own.
 */
async function runCi(
  env: Record<string, string>,
  tree: Record<string, string> = TREE,
): Promise<{ code: number; lines: string[] }> {
  return await withTree(tree, async (cwd) => {
    for (const path of Object.keys(tree)) {
      if (path.startsWith("bin/")) await Deno.chmod(`${cwd}/${path}`, 0o755);
    }
    await new Deno.Command("git", { args: ["init", "--quiet"], cwd }).output();
    const tools = tree["bin/tools"]?.split(" ");
    for (const tool of tools ?? []) await Deno.symlink(await whereIs(tool), `${cwd}/bin/${tool}`);
    const PATH = tools === undefined ? `${cwd}/bin:${Deno.env.get("PATH")}` : `${cwd}/bin`;
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

async function whereIs(tool: string): Promise<string> {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", `command -v ${tool}`] }).output();
  return new TextDecoder().decode(stdout).trim();
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

testCi(".ci/run repeats at its end what failed, where the end is all that is shown", async () => {
  const { lines } = await runCi({
    TEST_OUTPUT: "a ... FAILED\\n\\033[0m\\033[41m ERRORS \\033[0m\\n\\na => ./a_test.ts:1:6\\n" +
      "FAILED | 0 passed | 1 failed (2ms)\\n",
    TEST_CODE: "1",
    POSTGRES_OUTPUT: "ok | 4 passed | 0 failed (2ms)\\n",
  });
  const last = ["", "a => ./a_test.ts:1:6", "FAILED | 0 passed | 1 failed (2ms)"];
  const passed = Deno.build.os === "linux" ? 4 : 0;
  assertEquals(lines.slice(-5), [" ERRORS ", ...last, `${passed} passed, 1 failed`]);
});

for (const kind of ["POSTGRES", "BROWSER"]) {
  Deno.test({
    name: `.ci/run adds the tests of test:${kind.toLowerCase()}, and fails when they do`,
    ignore: Deno.build.os !== "linux",
    fn: async () => {
      const outputs = {
        "ok | 4 passed | 0 failed (2ms)\\n": [0, "16 passed, 0 failed"],
        "FAILED | 3 passed | 1 failed (2ms)\\n": [1, "15 passed, 1 failed"],
        "Cannot test what needs more\\n": [1, "12 passed, 1 failed"],
      };
      for (const [output, [expected, last]] of Object.entries(outputs)) {
        const { code, lines } = await runCi({
          TEST_OUTPUT: "ok | 12 passed | 0 failed (2ms)\\n",
          [`${kind}_OUTPUT`]: output,
          [`${kind}_CODE`]: String(expected),
        });
        assertEquals([code, lines.at(-1)], [expected, last]);
      }
    },
  });
}

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

Deno.test({
  name: ".ci/run installs the tools of tests that it misses, and fails where it cannot",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const others = Object.entries(TREE).filter(([path]) => !TOOLS.includes(path.slice(4)));
    const tools = "sh bash env git mktemp rm mkdir uname awk sed tee diff dirname cat chmod touch";
    const tree = {
      ...Object.fromEntries(others),
      "bin/apt-get": FAKE_APT_GET,
      "bin/tools": tools,
      ".gitignore": "bin\n",
    };
    const answers = { yes: [0, "1 passed, 0 failed"], no: [1, /^Cannot check: strace is missing/] };
    for (const [INSTALL, [expected, last]] of Object.entries(answers)) {
      const { code, lines } = await runCi(
        { INSTALL, TEST_OUTPUT: "ok | 1 passed | 0 failed (2ms)\n" },
        tree,
      );
      const installed = lines.flatMap((line) => /^Installing (.*)$/.exec(line)?.[1] ?? []);
      assertEquals([code, installed], [expected, INSTALL === "yes" ? TOOLS : ["strace"]]);
      assertMatch(lines.at(-1)!, new RegExp(last as string | RegExp));
    }
  },
});
