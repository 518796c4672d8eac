import { assertEquals, assertThrows } from "@std/assert";
import { findChromium } from "../../_tools/browser/installation.ts";
import { testArguments } from "../../_tools/_test_arguments.ts";
import { BROWSER_TESTS, takeScreenshots } from "../../_tools/test_browser.ts";
import { withTree } from "./_tree.ts";

Deno.test("findChromium() looks in PATH by every name, and where others install it", async () => {
  const tree = { "a/google-chrome": "", "b/chromium": "", "c/Chromium": "" };
  await withTree(tree, async (root) => {
    const places = [`${root}/c/Chromium`];
    const find = (path: string) => findChromium({ path, places });
    assertEquals(await find(`/nowhere:${root}/b`), `${root}/b/chromium`);
    assertEquals(await find(`${root}/b:${root}/a`), `${root}/a/google-chrome`);
    assertEquals(await find("/nowhere"), `${root}/c/Chromium`);
    assertEquals(await findChromium({ path: "", places: [] }), undefined);
  });
});

Deno.test("testArguments() takes every file that needs a browser, one file at a time", async () => {
  const tree = {
    "tests/browser/report_browser.ts": "",
    "tests/browser/_chromium.ts": "",
    "tests/browser/_page.ts": "",
  };
  await withTree(tree, async (root) => {
    assertEquals(
      await testArguments({ root, args: ["--filter", "zoom"] }, BROWSER_TESTS),
      [
        "test",
        "--allow-all",
        "--trace-leaks",
        "--filter",
        "zoom",
        "tests/browser/report_browser.ts",
      ],
    );
  });
});

Deno.test("takeScreenshots() takes the folder for pictures out of the arguments", () => {
  const rest = ["a_browser.ts", "--filter", "x"];
  assertEquals(takeScreenshots(rest), { args: rest });
  const expected = { folder: "pictures", args: rest };
  assertEquals(takeScreenshots(["--screenshots", "pictures", ...rest]), expected);
  assertEquals(takeScreenshots([...rest, "--screenshots=pictures"]), expected);
  for (const args of [["--screenshots"], ["--screenshots="]]) {
    assertThrows(() => takeScreenshots(args), Error, "--screenshots needs a folder");
  }
});
