import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { isThere } from "../_util/files.ts";
import { RunningProcess } from "../_util/process.ts";
import { withTempDir } from "../_util/temp.ts";
import { startBrowser } from "./_chromium.ts";
import { withPage } from "./_page.ts";

/** The processes of which the command line names a folder. */
async function processesNaming(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const command = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (command.includes(folder)) found.push(`${name} ${command.replaceAll("\0", " ")}`);
  }
  return found;
}

/** Only Linux tells which processes there are in files. */
const ignore = Deno.build.os !== "linux";

Deno.test("a browser is gone with its folder when it is disposed of", { ignore }, async () => {
  const browser = await startBrowser();
  assertEquals(await isThere(browser.folder), true);
  await browser[Symbol.asyncDispose]();
  assertEquals(await isThere(browser.folder), false);
  assertEquals(await processesNaming(browser.folder), []);
});

Deno.test("a browser is gone with its folder when the process that started it is killed", {
  ignore,
}, async () => {
  const script = `import { startBrowser } from "${import.meta.resolve("./_chromium.ts")}";
    const { folder } = await startBrowser();
    console.log(folder);
    await new Promise((resolve) => setTimeout(resolve, 1e9));`;
  await using process = new RunningProcess([Deno.execPath(), "eval", "--no-check", script]);
  const folder = await process.stdout.find(/./);
  process.kill("SIGKILL");
  await process.end();
  // Nothing tells of the end of a process that is no child, nor of the last of its folder.
  while (await isThere(folder) || (await processesNaming(folder)).length > 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});

/** What a page may not do, by what is said of it. */
const MISBEHAVIOURS: Record<string, string> = {
  "console: no": "<script>console.error('no')</script>",
  "exception: Error: no": "<script>throw new Error('no')</script>",
  "dialog: no": "<script>alert('no')</script>",
  "request: image http:": "<img src='http://127.0.0.1:9/image.png'>",
  "policy: ":
    "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\"><script>1</script>",
};

Deno.test("withPage() rejects when a page does what it should not", async () => {
  await withTempDir(async (directory) => {
    for (const [expected, html] of Object.entries(MISBEHAVIOURS)) {
      await Deno.writeTextFile(
        `${directory}/page.html`,
        `<!doctype html><title>page</title>${html}`,
      );
      const error = await assertRejects(
        () => withPage({}, async (page) => void await page.goto(`file://${directory}/page.html`)),
        Error,
        "The page is not as it should be",
      );
      assertStringIncludes(error.message, expected);
    }
  });
});
