/** The verb `report`: where the page goes, what is printed, and how it is shown. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, taffrail } from "./_command.ts";
import { dataIn } from "./_page.ts";
import { onlyRun, writeFlow } from "./_runs.ts";

async function withRun(use: (cwd: string, runId: string) => Promise<void>): Promise<void> {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { test: "echo bad >&2; exit 4" });
    await taffrail(["run", flow], { cwd });
    await use(cwd, await onlyRun(`${cwd}/.taffrail`));
  });
}

Deno.test("taffrail report writes the page of a run beside whoever asks, and prints its path", async () => {
  await withRun(async (cwd, runId) => {
    const { code, stdout, stderr } = await taffrail(["report", "flow"], { cwd });
    assertEquals({ code, stdout, stderr }, { code: 0, stdout: `${runId}.html\n`, stderr: "" });
    const html = await Deno.readTextFile(`${cwd}/${runId}.html`);
    const { run, nodes } = dataIn(html);
    assertEquals([run.id, run.outcome, nodes.length], [runId, "failed", 1]);
    assertStringIncludes(html, "<title>flow: failed</title>");
    if (Deno.build.os === "windows") return;
    // What commands print is for the eyes of their user.
    const { mode } = await Deno.stat(`${cwd}/${runId}.html`);
    assertEquals(mode! & 0o777, 0o600);
  });
});

Deno.test("taffrail report takes a name for the page, or a directory, or writes to stdout", async () => {
  await withRun(async (cwd, runId) => {
    await Deno.mkdir(`${cwd}/pages`);
    for (const [given, path] of [["a.html", "a.html"], ["pages", `pages/${runId}.html`]]) {
      const { code, stdout } = await taffrail(["report", "-", "-o", given!], { cwd });
      assertEquals([code, stdout], [0, `${path}\n`]);
      assertEquals(dataIn(await Deno.readTextFile(`${cwd}/${path}`)).run.id, runId);
    }
    const { stdout } = await taffrail(["report", "-", "--output", "-"], { cwd });
    assertEquals(dataIn(stdout).run.id, runId);
    assertMatch(stdout, /^<!doctype html>\n[^]*<\/html>\n$/);
    assertEquals(namesIn(cwd).filter((name) => name.endsWith(".html")), ["a.html"]);
  });
});

Deno.test("taffrail report --json tells where the page is and what became of the run", async () => {
  await withRun(async (cwd, runId) => {
    const { code, stdout } = await taffrail(["report", "-", "--json", "-o", "p.html"], { cwd });
    const { size } = await Deno.stat(`${cwd}/p.html`);
    assertEquals(JSON.parse(stdout), {
      run_id: runId,
      path: "p.html",
      size_bytes: size,
      outcome: "failed",
    });
    assertEquals(code, 0);
    for (const option of ["--json", "--open"]) {
      const refused = await taffrail(["report", "-", "-o", "-", option], { cwd });
      assertEquals([refused.code, refused.stdout], [2, ""]);
      assertStringIncludes(refused.stderr, "Cannot write the page to stdout with");
    }
  });
});

Deno.test("taffrail report replaces a page as a whole, and leaves the old one where it cannot", async () => {
  await withRun(async (cwd, runId) => {
    await Deno.writeTextFile(`${cwd}/p.html`, "old");
    await taffrail(["report", runId, "-o", "p.html"], { cwd });
    assertEquals(dataIn(await Deno.readTextFile(`${cwd}/p.html`)).run.id, runId);
    const { code, stderr } = await taffrail(["report", runId, "-o", "none/p.html"], { cwd });
    assertEquals(code, 1);
    assertMatch(stderr, /^Cannot write none\/p\.html: .*; name another file with -o\n$/);
    assertEquals(namesIn(cwd).filter((name) => name.includes("p.html")), ["p.html"]);
    const gone = await taffrail(["report", "gone"], { cwd });
    assertEquals(gone.code, 1);
    assertStringIncludes(gone.stderr, 'Cannot find run "gone"');
  });
});

Deno.test("taffrail report --open hands the page to what opens files here, or says what to do", {
  ignore: !HAS_SIGNALS,
}, async () => {
  await withRun(async (cwd, runId) => {
    const opener = Deno.build.os === "darwin" ? "open" : "xdg-open";
    const deno = Deno.execPath();
    const open = async (script: string | undefined) => {
      await Deno.mkdir(`${cwd}/bin`, { recursive: true });
      if (script === undefined) await Deno.remove(`${cwd}/bin/${opener}`);
      else await Deno.writeTextFile(`${cwd}/bin/${opener}`, script, { mode: 0o755 });
      assert(deno.startsWith("/"));
      const env = { PATH: `${cwd}/bin` };
      return await taffrail(["report", runId, "--open", "-o", "p.html"], { cwd, env });
    };
    const opened = await open(`#!/bin/sh\necho "$1" >${cwd}/opened\n`);
    assertEquals([opened.code, opened.stdout, opened.stderr], [0, "p.html\n", ""]);
    const path = await Deno.realPath(`${cwd}/p.html`);
    assertEquals(await Deno.realPath((await Deno.readTextFile(`${cwd}/opened`)).trim()), path);
    const failed = await open("#!/bin/sh\nexit 3\n");
    assertEquals([failed.code, failed.stdout], [1, "p.html\n"]);
    assertMatch(
      failed.stderr,
      new RegExp(`^Cannot open .*/p.html in a browser: ${opener} exits with 3; open it by hand\n$`),
    );
    const none = await open(undefined);
    assertMatch(none.stderr, new RegExp(`: there is no ${opener} here; open it by hand\n$`));
  });
});
