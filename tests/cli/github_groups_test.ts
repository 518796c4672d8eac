/** What commands print, in groups that the runner of GitHub Actions folds. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { isThere, write } from "../_util/files.ts";
import { start, startTaffrail, taffrail, taffrailCommand } from "./_command.ts";
import { readStepLog, STEP } from "./_github_runner.ts";
import { writeFlow } from "./_runs.ts";

/** Lines that are commands to the runner, or look so. */
const COMMANDS = [
  "::error file=a.ts,line=1::injected",
  "  ::warning::injected",
  "\t::endgroup::",
  "::group::injected",
  "::GROUP::injected",
  "##[endgroup]",
  "text before ##[group]injected",
  "##[ERROR]injected",
  "::stop-commands::injected",
  "::set-output name=x::injected",
  "\u00a0::error::injected",
  "a\r::endgroup::",
  "::endgroup::\r",
];

Deno.test("on GitHub Actions taffrail run prints one group for each attempt, when it has ended", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, {
      first: "echo out; echo err >&2; printf last",
      silent: "true",
      again: { run: "echo try $TAFFRAIL_ATTEMPT; test $TAFFRAIL_ATTEMPT -gt 1", retry: { max: 1 } },
    });
    const { code, stdout, stderr } = await taffrail(["run", flow], { cwd, env: STEP });
    assertEquals([code, stderr], [0, ""]);
    const { groups, lines, annotations, problems } = readStepLog(stdout);
    assertEquals(problems, []);
    assertEquals(groups.map(({ title, lines }) => [title, lines.toSorted()]), [
      ["first", ["err", "last", "out"]],
      ["again", ["try 1"]],
      ["again, attempt 2", ["try 2"]],
    ]);
    assertEquals(annotations, []);
    const ends = lines.filter((line) => /^[✓✗] /.test(line)).map((line) => line.split("  ")[0]);
    assertEquals(ends, ["✓ first", "✓ silent", "✗ again", "✓ again"]);
  });
});

Deno.test("nothing that a command prints is a command to the runner, or breaks a group", async () => {
  await withTempDir(async (cwd) => {
    write(`${cwd}/commands`, COMMANDS.map((line) => `${line}\n`).join(""));
    const script = "cat commands; cat commands >&2; exit 1";
    const flow = await writeFlow(cwd, { a: script, b: script, c: "echo '##[endgroup]'" });
    for (const mode of [[], ["--output", "labelled"], ["--output", "failed"]]) {
      const args = ["run", "-k", ...mode, flow];
      const { stdout, stderr } = await taffrail(args, { cwd, env: STEP });
      for (const text of [stdout, stderr]) {
        const { groups, annotations, problems } = readStepLog(text);
        assertEquals([problems, annotations.filter(({ title }) => title === undefined)], [[], []]);
        const titles = mode.length > 0 || text === stderr ? [] : ["a", "b", "c"];
        assertEquals(groups.map(({ title }) => title), titles);
        for (const { lines } of groups.slice(0, 2)) assertEquals(lines.length, 2 * COMMANDS.length);
      }
    }
    // Nor is it in what other verbs print of the run.
    for (const verb of ["show", "logs"]) {
      const { groups, annotations, problems } = readStepLog(
        (await taffrail([verb, "flow"], { cwd, env: STEP })).stdout,
      );
      assertEquals([groups, annotations, problems], [[], [], []]);
    }
    const shown = await taffrail(["show", "flow", "--json"], { cwd, env: STEP });
    assertEquals(readStepLog(shown.stdout).annotations, []);
    assertEquals(JSON.parse(shown.stdout).nodes[1].name.includes("##[endgroup]"), false);
    assertStringIncludes(JSON.parse(shown.stdout).nodes[2].name, "##[endgroup]");
  });
});

Deno.test("commands that run at the same time have groups of their own, one after the other", async () => {
  await withTempDir(async (cwd) => {
    // Each prints a line when the other one has printed its own, and so both at the same time.
    const script = (own: string, other: string) =>
      `for i in 1 2 3; do echo $i; touch ${own}$i; until test -e ${other}$i; do :; done; done`;
    const flow = JSON.stringify({
      name: "flow",
      constraints: { max_in_flight: 2 },
      nodes: { a: { sh: script("a", "b") }, b: { sh: script("b", "a") } },
    });
    write(`${cwd}/flow.json`, flow);
    const { code, stdout } = await taffrail(["run", "flow.json"], { cwd, env: STEP });
    assertEquals(code, 0);
    const { groups, problems } = readStepLog(stdout);
    assertEquals([problems, groups.map(({ lines }) => lines)], [[], [
      ["1", "2", "3"],
      ["1", "2", "3"],
    ]]);
  });
});

Deno.test("what a command asks to keep out of the log is told to the runner, and not shown", async () => {
  await withTempDir(async (cwd) => {
    const script = "echo ::add-mask::s3cr3t-1; echo then; echo '##[add-mask]s3cr3t-2'; exit 1";
    const flow = await writeFlow(cwd, { a: script });
    const summary = `${cwd}/summary.md`;
    const env = { ...STEP, GITHUB_STEP_SUMMARY: summary };
    const args = ["run", "--junit", "junit.xml", flow];
    const { stdout } = await taffrail(args, { cwd, env });
    const { masks, groups, annotations } = readStepLog(stdout);
    assertEquals(masks, ["s3cr3t-1", "s3cr3t-2"]);
    assertEquals(groups.map(({ lines }) => lines), [["then"]]);
    const shown = stdout.replaceAll(/^(▸ |::add-mask::).*$/gm, "");
    for (const text of [shown, await Deno.readTextFile(summary)]) {
      assertEquals(text.includes("s3cr3t"), false, text);
    }
    assertEquals(annotations.length, 1);
    const junit = await Deno.readTextFile(`${cwd}/junit.xml`);
    assertStringIncludes(junit, "::add-mask::***\nthen\n##[add-mask]***");
    assertEquals(junit.includes("s3cr3t"), false);
  });
});

Deno.test("a run in a command of a run begins no groups, and tells the runner nothing", async () => {
  await withTempDir(async (cwd) => {
    await writeFlow(cwd, { in: "echo in the inner one; exit 1" });
    const inner = taffrailCommand(["run", "flow.json"]);
    const exec = taffrailCommand(["exec", "--", "echo", "executed"]);
    const nodes = { inner: { run: inner }, exec: { run: exec } };
    write(`${cwd}/outer.json`, JSON.stringify({ name: "outer", on_failure: "keep_going", nodes }));
    const summary = `${cwd}/summary.md`;
    const env = { ...STEP, GITHUB_STEP_SUMMARY: summary };
    const { code, stdout } = await taffrail(["run", "outer.json"], { cwd, env });
    assertEquals(code, 1);
    const { groups, annotations, problems } = readStepLog(stdout);
    assertEquals(problems, []);
    assertEquals(groups.map(({ title }) => title).toSorted(), ["exec", "inner"]);
    assertEquals(annotations.map(({ title }) => title!.slice(0, 20)), ["outer: inner failed,"]);
    const { lines } = groups.find(({ title }) => title === "inner")!;
    assertStringIncludes(lines.join("\n"), "  | in the inner one");
    const headings = (await Deno.readTextFile(summary)).match(/^## .*$/gm);
    assertEquals(headings, ["## ❌ `outer` failed"]);
  });
});

Deno.test("the runs of a drill tell the runner nothing", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { a: "echo ::error::x; exit 1" });
    const summary = `${cwd}/summary.md`;
    const env = { ...STEP, GITHUB_STEP_SUMMARY: summary };
    const args = ["drill", "--sample", "1", flow];
    const { stdout, stderr } = await taffrail(args, { cwd, env });
    for (const text of [stdout, stderr]) {
      const { groups, annotations, problems } = readStepLog(text);
      assertEquals([groups, annotations, problems], [[], [], []]);
    }
    assertEquals(isThere(summary), false);
  });
});

Deno.test("taffrail exec begins and ends its group on stderr, and passes every byte on", async () => {
  await withTempDir(async (cwd) => {
    const bytes = 'printf "::notice::mine\\n##[x]\\001\\377 no newline"; printf begun >&2; exit 7';
    const args = ["exec", "--", "sh", "-c", bytes];
    const { code, stdout, stderr } = await taffrail(args, { cwd, env: STEP });
    assertEquals([code, stdout], [7, "::notice::mine\n##[x]\u0001\ufffd no newline"]);
    const { groups, lines, annotations, problems } = readStepLog(stderr);
    assertEquals(problems, []);
    assertEquals(groups.map(({ lines }) => lines), [["begun"]]);
    assertMatch(groups[0]!.title, /^sh -c 'printf/);
    assertMatch(lines.join("\n"), /^run_id=sh-\w+\n✗ sh .* failed, exit code 7 {2}log: /);
    assertEquals(annotations.map(({ title }) => title), ["sh failed, exit code 7: begun"]);
  });
});

Deno.test("what a program prints that cannot be started is no group, nor is one left open", async () => {
  await withTempDir(async (cwd) => {
    write(`${cwd}/no-program`, "#!/no/such/interpreter\n");
    await Deno.chmod(`${cwd}/no-program`, 0o755);
    for (const args of [["exec", "--", "./no-program"], ["run", "flow.json"]]) {
      const nodes = { a: { run: ["./no-program"] } };
      write(`${cwd}/flow.json`, JSON.stringify({ name: "flow", nodes }));
      const { stdout, stderr } = await taffrail(args, { cwd, env: STEP });
      for (const text of [stdout, stderr]) assertEquals(readStepLog(text).problems, []);
    }
  });
});

Deno.test("a single task has one group around what it prints as it comes", async () => {
  await withTempDir(async (cwd) => {
    write(`${cwd}/deno.json`, JSON.stringify({ tasks: { build: "echo building && cat go" } }));
    await using running = startTaffrail(["run", "--tasks", "build"], { cwd, env: STEP });
    await running.closeInput();
    const { code, stdout } = await running.end();
    assertEquals(code, 1);
    const { groups, problems } = readStepLog(stdout);
    assertEquals([problems, groups.map(({ lines }) => lines)], [[], [["building"]]]);
  });
});

Deno.test("a flow that is cut off by a signal leaves no group open", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { slow: "echo begun; exec sleep 1000" });
    await using running = startTaffrail(["run", flow], { cwd, env: STEP });
    await running.stdout.find(/^▸ slow/);
    running.kill("SIGTERM");
    const { code, stdout } = await running.end();
    assertEquals(code, 143);
    const { groups, annotations, problems } = readStepLog(stdout);
    assertEquals(problems, []);
    assertEquals(groups.length <= 1, true);
    assertEquals(annotations, [{
      level: "error",
      title: "flow",
      data: "cancelled: cancelled by SIGTERM",
    }]);
  });
});

Deno.test("--output grouped shows what each has printed when it has ended, anywhere", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { a: "echo out; echo ::error::x", b: "true" });
    const { code, stdout } = await taffrail(["run", "--output", "grouped", flow], { cwd });
    assertEquals(code, 0);
    const [, ...lines] = stdout.split("\n").slice(0, 6);
    assertEquals(lines.map((line) => line.replace(/ {2}\d+ms$/, "")), [
      "▸ a: sh -c 'echo out; echo ::error::x'",
      "  | out",
      "  | ::error::x",
      "✓ a",
      "▸ b: sh -c true",
    ]);
  });
});

Deno.test("on GitHub Actions who reads the groups and goes away ends nothing but what is printed", async () => {
  await withTempDir(async (cwd) => {
    await writeFlow(cwd, { a: "seq 100000", b: "echo done >done" });
    const command = taffrailCommand(["run", "flow.json"]).map((word) => `'${word}'`).join(" ");
    await using shell = start("sh", ["-c", `${command} | head -n 3`], { cwd, env: STEP });
    await shell.closeInput();
    await shell.end();
    assertEquals(await Deno.readTextFile(`${cwd}/done`), "done\n");
  });
});
