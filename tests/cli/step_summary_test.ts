/** The summary of a step: appended to, never longer than GitHub takes it, and no reason for a run to fail. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { appendSummary } from "../../cli/report/step_summary.ts";
import { isThere, readText, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, start, startTaffrail, taffrail } from "./_command.ts";
import { nodeOf, pageOf, printed } from "./_page_data.ts";
import { writeFlow } from "./_runs.ts";

const MOST = 1024 * 1024;
const PAGE = pageOf([nodeOf({ id: "a", state: "failed" }, printed("no end"))]);

Deno.test("a summary stands behind what is there, on a line of its own", async () => {
  await withTempDir((directory) => {
    const path = `${directory}/summary.md`;
    assertEquals(appendSummary(path, PAGE), undefined);
    const alone = readText(path);
    assertMatch(alone, /^## ❌ `flow` failed\n/);
    for (const [before, between] of [["no newline", "\n\n"], ["a line\n", "\n"]] as const) {
      write(path, before);
      assertEquals(appendSummary(path, PAGE), undefined);
      assertEquals(readText(path), before + between + alone);
    }
  });
});

Deno.test("it is never longer than GitHub takes it, and is told where there is no room", async () => {
  await withTempDir((directory) => {
    const path = `${directory}/summary.md`;
    const nodes = Array.from({ length: 500 }, (_, index) => {
      return nodeOf({ id: `n${index}`, state: "failed" }, printed("é".repeat(6000)));
    });
    const page = pageOf(nodes);
    let problem: string | undefined;
    let appended = 0;
    for (; problem === undefined; appended++) {
      problem = appendSummary(path, page);
      const { size } = Deno.statSync(path);
      assert(size <= MOST, `it has ${size} bytes`);
    }
    assert(appended > 1);
    assertMatch(problem, /^Cannot write the summary to .*: it is full: GitHub takes 1 MiB /);
  });
});

Deno.test({
  name: "what cannot be appended to is a warning, and waited for by nobody",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      await using mkfifo = start("mkfifo", ["fifo"], { cwd });
      await mkfifo.end();
      const flow = await writeFlow(cwd, { a: "true" });
      using locked = await Deno.open(`${cwd}/locked`, { write: true, create: true });
      await locked.lock(true);
      await Deno.symlink(`${cwd}/locked`, `${cwd}/link`);
      for (const path of ["locked", "link", "fifo", cwd, `${cwd}/none/summary.md`, "/dev/full"]) {
        const env = { GITHUB_STEP_SUMMARY: path };
        const { code, stderr } = await taffrail(["run", flow], { cwd, env });
        assertEquals(code, 0, path);
        assertMatch(stderr, /^Cannot write the summary to .*, as GITHUB_STEP_SUMMARY says: .*\n$/);
      }
      assertEquals([isThere(`${cwd}/none`), readText(`${cwd}/locked`)], [false, ""]);
    }),
});

Deno.test("those who append at the same time leave whole summaries, one behind the other", async () => {
  await withTempDir(async (cwd) => {
    const summary = `${cwd}/summary.md`;
    const args = ["exec", "--", "sh", "-c", "cat; exit 3"];
    const options = { cwd, env: { GITHUB_STEP_SUMMARY: summary } };
    const running = Array.from({ length: 4 }, () => startTaffrail(args, options));
    try {
      // None ends before all are there.
      for (const one of running) await one.stderr.find(/^run_id=/);
      await Promise.all(running.map((one) => one.closeInput()));
      for (const one of running) assertEquals((await one.end()).code, 3);
    } finally {
      for (const one of running) await one[Symbol.asyncDispose]();
    }
    const parts = readText(summary).split(/\n\n(?=## )/);
    assertEquals(parts.length, 4);
    for (const part of parts) assertMatch(part, /^## ❌ `sh` failed\n[^]*`failed, exit code 3`/);
  });
});
