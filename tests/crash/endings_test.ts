/**
 * A program may end in any way right after an acknowledged append: the event is there. What keeps a
 * program from ending is a follow in progress, and nothing else of this module.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { isLive, openEventLog, readRun } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";

const RUN_ID = "ending";
const FORMS = ["sync", "async", "sync-disk", "async-disk"];

async function readWays(root: string): Promise<string[]> {
  const ways: string[] = [];
  for await (const page of readRun<{ way: string }>(root, RUN_ID)) {
    assertEquals(page.gaps, []);
    ways.push(...page.events.map(({ event }) => event.way));
  }
  return ways;
}

/** How a program ended, and that its event is there. */
async function endBy(way: string, form: string) {
  return await withTempDir(async (root) => {
    await using child = new Child("./_programs/ending.ts", { args: [root, RUN_ID, form, way] });
    assertEquals(await child.next(), "acknowledged");
    const outcome = await child.outcome();
    assertEquals((await readWays(root))[0], way);
    assertEquals(await isLive(root, RUN_ID), false);
    return { ...outcome, ways: await readWays(root) };
  });
}

/** Ways that are the program's own business, and its exit code. */
const ABRUPT_WAYS: Record<string, number> = { "exit": 0, "exit-7": 7, "throw": 1, "reject": 1 };

for (const [way, expected] of Object.entries(ABRUPT_WAYS)) {
  Deno.test(`an acknowledged event is there after an end by ${way}`, async () => {
    for (const form of FORMS) {
      const { code, stderr } = await endBy(way, form);
      assertEquals(code, expected, stderr);
      if (code === 1) assertStringIncludes(stderr, "on purpose");
    }
  });
}

Deno.test("an acknowledged event is there after the program killed itself", async () => {
  for (const form of FORMS) {
    const { signal } = await endBy("kill", form);
    if (Deno.build.os !== "windows") assertEquals(signal, "SIGKILL");
  }
});

for (const way of ["end", "close", "read"]) {
  Deno.test(`a log that was opened keeps no program from ending: ${way}`, async () => {
    for (const form of FORMS) {
      const { code, stderr } = await endBy(way, form);
      assertEquals(code, 0, stderr);
    }
  });
}

for (const way of ["left-follow", "aborted-follow", "closed-follow", "unstarted-follow"]) {
  Deno.test(`a follow that is not in progress keeps no program from ending: ${way}`, async () => {
    const { code, stderr } = await endBy(way, "async");
    assertEquals(code, 0, stderr);
  });
}

Deno.test("a program that ends waits for the appends it has not awaited", async () => {
  const { code, ways } = await endBy("append", "async");
  assertEquals(code, 0);
  assertEquals(ways, ["append", "not awaited"]);
});

Deno.test("a follow in progress keeps its program from ending", () =>
  withTempDir(async (root) => {
    const args = [root, RUN_ID, "async", "follow"];
    await using child = new Child("./_programs/ending.ts", { args });
    assertEquals(await child.next(), "acknowledged");
    // Nothing else keeps it: it has no input, and its program is at its end.
    await using log = await openEventLog<{ way: string }>({ root, runId: RUN_ID });
    for (let seq = 1; seq <= 50; seq++) {
      assertEquals(await child.next(), `followed ${seq}`);
      await log.append({ way: "followed" });
    }
    await child.kill();
  }));
