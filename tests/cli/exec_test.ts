import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { startTaffrail, taffrail, taffrailCommand } from "./_command.ts";
import { eventsOf, onlyRun, outlineOf, outputOf } from "./_runs.ts";

Deno.test("taffrail exec passes both outputs through, records them, and speaks on stderr", async () => {
  await withTempDir(async (cwd) => {
    const args = ["exec", "--", "sh", "-c", "printf 'out\\n'; printf err >&2"];
    const { code, stdout, stderr } = await taffrail(args, { cwd });
    const root = `${cwd}/.taffrail`;
    const runId = await onlyRun(root);
    assertEquals({ code, stdout }, { code: 0, stdout: "out\n" });
    assertEquals(
      stderr.replace(/(?<=✓ sh {2})(?:\d+ms|\d+\.\ds)/, "TIME"),
      `run_id=${runId}\nerr\n✓ sh  TIME  log: .taffrail/runs/${runId}/events.jsonl\n`,
    );
    assertEquals(await outputOf({ root, runId }, "sh.1.out"), "out\n");
    assertEquals(await outputOf({ root, runId }, "sh.1.err"), "err");
  });
});

Deno.test("taffrail exec exits as the command does, and tells its exit code", async () => {
  await withTempDir(async (cwd) => {
    const args = ["exec", "--name", "job", "--", "sh", "-c", "echo out; exit 42"];
    const { code, stderr } = await taffrail(args, { cwd });
    assertEquals(code, 42);
    assertMatch(
      stderr,
      /^run_id=job-\w{26}\n✗ job {2}(?:\d+ms|\d+\.\ds) {2}failed, exit code 42 {2}log: /,
    );

    const json = await taffrail(["exec", "--json", ...args.slice(1)], { cwd });
    assertEquals({ code: json.code, stdout: json.stdout }, { code: 42, stdout: "out\n" });
    const report = JSON.parse(json.stderr.trimEnd().split("\n").at(-1)!);
    assertEquals(report.state, { Aborted: { reason: "node job failed: crash" } });
    assertEquals(report.nodes[0].exit_code, 42);
  });
});

Deno.test({
  name: "taffrail exec says why a program cannot be started",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (cwd) => {
      await Deno.writeTextFile(`${cwd}/p`, "#!/no/such/interpreter\n", { mode: 0o755 });
      const { code, stderr } = await taffrail(["exec", "--", "./p"], { cwd });
      assertEquals(code, 127);
      assertMatch(
        stderr,
        /^run_id=p-\w{26}\nCannot run .*\/p: its first line asks for "\/no\/such\/interpreter", .*\n✗ p /,
      );
      const json = await taffrail(["exec", "--json", "--", "./p"], { cwd });
      const [, document, ...rest] = json.stderr.trimEnd().split("\n");
      assertEquals(rest, []);
      assertStringIncludes(JSON.parse(document!).nodes[0].status.Failed.message, "Cannot run ");
    }),
});

Deno.test("taffrail exec gives the command what it is given to read, and passes output on live", async () => {
  await withTempDir(async (cwd) => {
    await using command = startTaffrail(["exec", "--", "cat"], { cwd });
    await command.write("one\n");
    assertEquals(await command.stdout.find(/./), "one");
    await command.write("two\n");
    assertEquals(await command.stdout.find(/two/), "two");
    await command.closeInput();
    assertEquals((await command.end()).code, 0);
  });
});

Deno.test("taffrail exec passes bytes on as they are", async () => {
  await withTempDir(async (cwd) => {
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256);
    await Deno.writeFile(`${cwd}/bytes`, bytes);
    const shell = '"$@" >copy';
    const { code } = await taffrail(["exec", "--", "cat", "bytes"], { cwd, shell });
    assertEquals(code, 0);
    assertEquals(await Deno.readFile(`${cwd}/copy`), bytes);
    const root = `${cwd}/.taffrail`;
    const recorded = `${root}/runs/${await onlyRun(root)}/nodes/cat.1.out`;
    assertEquals(await Deno.readFile(recorded), bytes);
  });
});

Deno.test("taffrail exec tells the command when nobody reads its output any more", async () => {
  await withTempDir(async (cwd) => {
    const shell = '{ "$@"; echo $? >code; } | head -n 1';
    const { stdout } = await taffrail(["exec", "--", "yes"], { cwd, shell });
    assertEquals(stdout, "y\n");
    // That of SIGPIPE, as without taffrail.
    assertEquals(await Deno.readTextFile(`${cwd}/code`), "141\n");
    const root = `${cwd}/.taffrail`;
    const events = eventsOf(root, await onlyRun(root));
    assertEquals(outlineOf(events).slice(-2), ["node.failed yes", "pipe.aborted"]);
    assertEquals(events[2]?.error?.kind, "crash");
  });
});

Deno.test({
  name: "taffrail exec exits with 125 when what the command prints cannot be passed on",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withTempDir(async (cwd) => {
      const shell = '"$@" >/dev/full';
      const { code, stderr } = await taffrail(["exec", "--", "echo", "hi"], { cwd, shell });
      assertEquals(code, 125);
      assertStringIncludes(stderr, "Cannot pass on what the command prints: No space left");
      const root = `${cwd}/.taffrail`;
      assertEquals(await outputOf({ root, runId: await onlyRun(root) }, "echo.1.out"), "hi\n");
    }),
});

Deno.test("taffrail exec leaves alone what stands behind --", async () => {
  await withTempDir(async (cwd) => {
    const args = ["exec", "--", "printf", "%s\\n", "--help", "-h", "--", "--json"];
    const { code, stdout } = await taffrail(args, { cwd });
    assertEquals({ code, stdout }, { code: 0, stdout: "--help\n-h\n--\n--json\n" });
  });
});

Deno.test("taffrail exec makes a name of any program", async () => {
  await withTempDir(async (cwd) => {
    const body = "#!/bin/sh\n";
    await Deno.writeTextFile(`${cwd}/söme töol!`, body, { mode: 0o755 });
    const { code, stderr } = await taffrail(["exec", "--", "./söme töol!"], { cwd });
    assertEquals(code, 0);
    assertStringIncludes(stderr, "run_id=s-me-t-ol-01");
  });
});

Deno.test("taffrail exec can be run by a command that it runs", async () => {
  await withTempDir(async (cwd) => {
    const inner = taffrailCommand(["exec", "--root", "inner", "--", "echo", "deep"]);
    const { code, stdout } = await taffrail(["exec", "--", ...inner], { cwd });
    assertEquals({ code, stdout }, { code: 0, stdout: "deep\n" });
    assertMatch(await onlyRun(`${cwd}/inner`), /^echo-/);
  });
});
