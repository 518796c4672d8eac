/**
 * Commands that meddle with the log of the run that they are part of: the run is stopped, nothing that
 * was recorded is lost, and it goes on where it was.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { namesIn, readText } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, taffrail } from "./_command.ts";
import { eventsOf, onlyRun, outlineOf, writeFlow } from "./_runs.ts";

const LOG = ".taffrail/runs/*/events.jsonl";

const WAYS: Record<string, string> = {
  "edits a line (sed -i)": `sed -i s/echo/print/ ${LOG}`,
  "rotates it with a copy back": `for f in ${LOG}; do mv $f $f.1; cp $f.1 $f; done`,
  "writes it anew (cat > x && mv x)": `for f in ${LOG}; do cat $f > $f.x && mv $f.x $f; done`,
};

/** While a folder is being emptied the run saves there what is gone already, so it is moved away at once. */
const REMOVALS: Record<string, string> = {
  moves: "mv .taffrail ..",
  removes: "mv .taffrail .. && rm -r ../.taffrail",
};

for (const [how, script] of Object.entries(REMOVALS)) {
  Deno.test({
    name: `a run whose command ${how} the root is stopped, and leaves nothing where it was`,
    ignore: !HAS_SIGNALS,
    fn: () =>
      withTempDir(async (directory) => {
        const cwd = `${directory}/place`;
        await Deno.mkdir(cwd);
        const flow = await writeFlow(cwd, { a: "echo a", b: script, c: "echo c" });
        const { code, stderr } = await taffrail(["run", flow], { cwd });
        assertEquals(code, 1, stderr);
        assertStringIncludes(stderr, "has been moved, replaced or removed");
        assertEquals(namesIn(cwd), [flow]);
      }),
  });
}

for (const [way, script] of Object.entries(WAYS)) {
  Deno.test({
    name: `a run whose command ${way} is stopped, is in order, and is resumed`,
    ignore: !HAS_SIGNALS,
    fn: () =>
      withTempDir(async (cwd) => {
        // The command may be done again.
        const once = `test -e meddled || { touch meddled; ${script}; }`;
        const flow = await writeFlow(cwd, { a: "echo a", b: `${once}; echo b`, c: "echo c" });
        const stopped = await taffrail(["run", flow], { cwd });
        assertEquals(stopped.code, 1, stopped.stderr);
        assertStringIncludes(stopped.stderr, "has been moved, replaced or removed");
        const runId = await onlyRun(`${cwd}/.taffrail`);
        const verified = await taffrail(["verify"], { cwd });
        assertEquals(verified.code, 0, verified.stdout + verified.stderr);
        const resumed = await taffrail(["resume", runId], { cwd });
        assertEquals(resumed.code, 0, resumed.stderr);
        const outline = outlineOf(eventsOf(`${cwd}/.taffrail`, runId));
        assertEquals(outline.filter((line) => line.startsWith("node.completed")).length, 3);
        const folder = `${cwd}/.taffrail/runs/${runId}`;
        for (const name of namesIn(folder).filter((name) => name.includes(".lost-"))) {
          for (const line of readText(`${folder}/${name}`).split("\n").slice(0, -1)) {
            assertEquals(JSON.parse(line).run_id, runId, line);
          }
        }
      }),
  });
}
