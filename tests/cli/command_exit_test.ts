/** `exec` and `run --tasks` exit as what they run did; going on with such a run does so, too. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { signalNumber } from "../../cli/exit_codes.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, taffrail } from "./_command.ts";
import { onlyRun } from "./_runs.ts";

/** A command, and what a shell would exit with for it. */
interface Case {
  what: string;
  /** A text of `sh`, or a program. */
  run: string | string[];
  code: number;
  make?: (cwd: string) => Promise<void>;
  options?: string[];
  /** What stderr says, where nothing was recorded. */
  refused?: string;
}

const script = (text: string, mode = 0o755) => async (cwd: string) => {
  await Deno.writeTextFile(`${cwd}/p`, text, { mode });
};

const CASES: Case[] = [
  { what: "success", run: "exit 0", code: 0 },
  { what: "a failure", run: "exit 7", code: 7 },
  { what: "the greatest exit code", run: "exit 255", code: 255 },
  { what: "a code that others use for themselves", run: "exit 125", code: 125 },
  { what: "SIGTERM", run: "kill -TERM $$", code: 143 },
  { what: "SIGKILL", run: "kill -KILL $$", code: 137 },
  { what: "SIGSEGV", run: "kill -SEGV $$", code: 139 },
  { what: "SIGUSR1", run: "kill -USR1 $$", code: 128 + signalNumber("SIGUSR1") },
  ...(Deno.build.os === "linux"
    ? [{ what: "a signal without a name", run: "kill -34 $$", code: 162 }]
    : []),
  { what: "time out", run: "exec sleep 1000", code: 124, options: ["--timeout", "200ms"] },
  {
    what: "a program that is not on the PATH",
    run: ["no-such-program"],
    code: 127,
    refused:
      'Cannot run "no-such-program", which is not on the PATH: install it, or write its path',
  },
  {
    what: "a path without a program",
    run: ["./p"],
    code: 127,
    refused: 'Cannot run "./p", which does not exist: there is no CWD/p',
  },
  {
    what: "a file that is not executable",
    run: ["./p"],
    make: script("#!/bin/sh\n", 0o644),
    code: 126,
    refused: 'Cannot run "./p", which may not be run: make CWD/p executable',
  },
  {
    what: "a folder",
    run: ["./p"],
    make: (cwd) => Deno.mkdir(`${cwd}/p`),
    code: 126,
    refused: 'Cannot run "./p", which is no file: CWD/p',
  },
  { what: "a missing interpreter", run: ["./p"], make: script("#!/no/such\n"), code: 127 },
  { what: "the line ends of Windows", run: ["./p"], make: script("#!/bin/sh\r\n"), code: 127 },
  { what: "no program for this system", run: ["./p"], make: script("\x01\0\n"), code: 126 },
];

for (const { what, run, code: expected, make, options = [], refused } of CASES) {
  Deno.test({
    name: `taffrail exec exits with ${expected} for ${what}, and resume does so again`,
    ignore: !HAS_SIGNALS,
    fn: () =>
      withTempDir(async (cwd) => {
        await make?.(cwd);
        const before = namesIn(cwd);
        const command = typeof run === "string" ? ["sh", "-c", run] : run;
        const { code, stderr } = await taffrail(["exec", ...options, "--", ...command], { cwd });
        assertEquals(code, expected, stderr);
        if (refused !== undefined) {
          assertEquals(stderr.replaceAll(cwd, "CWD"), `${refused}\n`);
          return assertEquals(namesIn(cwd), before);
        }
        const runId = await onlyRun(`${cwd}/.taffrail`);
        const resumed = await taffrail(["resume", runId], { cwd });
        // There is nothing left to do of what has completed.
        assertEquals(resumed.code, expected === 0 ? 1 : expected, resumed.stderr);
      }),
  });
}

Deno.test({
  name: "a script with the line ends of Windows is told where it happens",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withTempDir(async (cwd) => {
      await script("#!/bin/sh\r\n")(cwd);
      const { stderr } = await taffrail(["exec", "--", "./p"], { cwd });
      assertStringIncludes(
        stderr,
        '/p: its first line asks for "/bin/sh\\r", which is missing (No such file or directory, ' +
          "ENOENT): save it with the line ends of Unix\n",
      );
    }),
});

Deno.test({
  name: "a program that is gone when a run of it is gone on with exits with 127",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      await script("#!/bin/sh\nexit 3\n")(cwd);
      assertEquals((await taffrail(["exec", "--", "./p"], { cwd })).code, 3);
      await Deno.remove(`${cwd}/p`);
      const { code, stderr } = await taffrail(["resume", "p"], { cwd });
      assertEquals(code, 127);
      assertStringIncludes(stderr, 'Cannot run "./p", which does not exist');
    }),
});

Deno.test("what fails of exec itself exits with 125, and being called wrongly with 2", async () => {
  await withTempDir(async (cwd) => {
    await Deno.mkdir(`${cwd}/.taffrail`);
    await Deno.writeTextFile(`${cwd}/.taffrail/runs`, "");
    assertEquals((await taffrail(["exec", "--", "true"], { cwd })).code, 125);
    assertEquals((await taffrail(["exec", "--timeout", "x", "--", "true"], { cwd })).code, 2);
    await Deno.writeTextFile(`${cwd}/deno.json`, '{ "tasks": { "job": "true" } }');
    assertEquals((await taffrail(["run", "--tasks", "job"], { cwd })).code, 125);
    assertEquals((await taffrail(["run", "--tasks", "other"], { cwd })).code, 2);
  });
});

Deno.test("of several failed tasks the first in time says the exit code", async () => {
  await withTempDir(async (cwd) => {
    const until = (test: string) => `until ${test}; do sleep 0.02; done`;
    const tasks = {
      slow: `sh -c '${until("test -e told")}; exit 4'`,
      fast: "exit 5",
      // What is in the log was told before; this very command, which stands there too, is no such line.
      watch: `sh -c '${
        until("grep -q type[^a-z]*node.failed .taffrail/runs/*/events.jsonl")
      }; touch told'`,
    };
    await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify({ tasks }));
    const args = ["run", "--jobs", "3", "--tasks", "slow,fast,watch"];
    assertEquals((await taffrail(args, { cwd })).code, 5);
  });
});
