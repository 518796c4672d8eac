/**
 * What is pure runs in Node and Bun as it does in Deno: the records of a run are read, replayed and
 * converted there from a bundle of the sources.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { openRun } from "../../run/mod.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { withTempDir } from "../_util/temp.ts";
import { readRecords, type Records, superviseOnce } from "./_portable.ts";
import { installRuntime, run } from "./_runtimes.ts";

const PROJECT = await Deno.realPath(`${import.meta.dirname}/../..`);

/** The records of a run in which an attempt fails and its retry does not. */
async function record(root: string): Promise<Records> {
  const demo = await openRun({
    root,
    name: "demo",
    constraints: { max_in_flight: 1, max_retries: 1 },
    invoker: {
      run({ eventId, attempt }) {
        if (eventId !== "b" || attempt > 1) return "Completed";
        throw new Error("Cannot read b", { cause: new Error("the disk was busy") });
      },
    },
    trace: { mode: "always", captureInputs: true },
  });
  await demo.submit("a", { width: 80, sizes: [1.5] });
  await demo.submit("b");
  await demo.finish();
  const { bundle, events, trace } = runPaths(root, demo.runId);
  return {
    bundle: await Deno.readTextFile(bundle),
    events: await Deno.readTextFile(events),
    trace: await Deno.readTextFile(trace),
  };
}

/** Bundles a program that does with the records what this test does, for a runtime that knows no Deno. */
async function bundleProgram(directory: string, records: Records): Promise<string> {
  await Deno.writeTextFile(
    `${directory}/program.ts`,
    `import * as portable from "${import.meta.resolve("./_portable.ts")}";
    const records = ${JSON.stringify(records)};
    const read = await portable.readRecords(records);
    const decided = await portable.superviseOnce();
    const said = await portable.callWithoutFiles(records);
    console.log(JSON.stringify({ read, decided, said }));`,
  );
  const program = `${directory}/program.mjs`;
  const options = ["--quiet", "--platform=browser", `--config=${PROJECT}/deno.json`];
  await run(Deno.execPath(), {
    args: ["bundle", ...options, "--output", program, `${directory}/program.ts`],
    cwd: directory,
  });
  return program;
}

Deno.test("Node and Bun read, replay and decide as Deno does, and say what needs Deno", () =>
  withTempDir(async (directory) => {
    const records = await record(`${directory}/root`);
    const here = JSON.parse(JSON.stringify({
      read: await readRecords(records),
      decided: await superviseOnce(),
    }));
    assertEquals(here.read.replay, { ok: true, divergences: [] });
    assertEquals(here.read.isSameText, true);
    assertEquals(here.read.state.state, "Completed");
    assertEquals(here.decided.length, 3);

    const program = await bundleProgram(directory, records);
    for (const name of ["node", "bun"] as const) {
      const runtime = await installRuntime(name, `${directory}/${name}`);
      const there = JSON.parse(await run(runtime, { args: [program], cwd: directory }));
      assertEquals({ read: there.read, decided: there.decided }, here, name);
      const said = Object.entries<string>(there.said);
      assert(said.length > 10);
      for (const [call, text] of said) {
        assertStringIncludes(text, "this function needs Deno", `${name}: ${call}`);
      }
    }
  }));
