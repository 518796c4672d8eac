/** A program that awaits what can never come ends as without what listens to its signals. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readTrace } from "../../trace/mod.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";

const PROGRAM = "./_programs/pending.ts";
const STALLED = "Top-level await promise never resolved";

const LISTENERS = ["none", "flush", "flush second", "flush disposed", "run", "flush run"];

for (const wait of ["nothing", "late"]) {
  for (const what of LISTENERS) {
    Deno.test(`what listens to signals (${what}) keeps no program that waits for ${wait} for ever`, () =>
      withTempDir(async (directory) => {
        await using child = new Child(PROGRAM, { args: [directory, what, wait] });
        const { code, stderr } = await child.outcome();
        assertEquals(code, 1, stderr);
        assertStringIncludes(stderr, STALLED);
      }));
  }
}

for (const what of LISTENERS.slice(1)) {
  const signals = [["SIGTERM", 143, "long"], ["SIGINT", 130, "timer"], [
    "SIGHUP",
    129,
    "timer",
  ]] as const;
  for (const [signal, expected, wait] of signals) {
    Deno.test({
      name: `${what}: ${signal} is taken while the program has something else to wait for`,
      ignore: Deno.build.os === "windows",
      fn: () =>
        withTempDir(async (directory) => {
          await using child = new Child(PROGRAM, { args: [directory, what, wait] });
          assertEquals(await child.next(), "waiting");
          Deno.kill(child.pid, signal);
          if (what === "run") {
            assertEquals(await child.next(), "stopped");
            // The next one ends the program, as it would without a run.
            Deno.kill(child.pid, signal);
          }
          const { code, signal: by, stderr } = await child.outcome();
          assertEquals([code, by], [expected, what === "run" ? signal : null], stderr);
          const traces = namesIn(directory).filter((name) => name.endsWith(".json"));
          if (what.includes("flush")) assert(traces.includes("trace.json"));
          for (const name of traces) {
            assertEquals((await readTrace(`${directory}/${name}`)).reason, signal);
          }
        }),
    });
  }
}
