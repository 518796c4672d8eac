/** A node edits the records of its own run while that goes on: it is told, and what was told stands. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, taffrail } from "./_command.ts";
import { eventsOf, onlyRun, outlineOf, writeFlow } from "./_runs.ts";

const FOLDER = "$TAFFRAIL_ROOT/runs/$TAFFRAIL_RUN_ID";

/** What a node does to a file of its run; the content stays as it is. */
const EDITS: Record<string, (path: string) => string> = {
  "sed -i": (path) => `sed -i s/no[w]here/x/ ${path}`,
  "a copy put in its place": (path) => `cp ${path} ${path}.new; mv ${path}.new ${path}`,
  "a copy put back": (path) => `cp ${path} ${path}.bak; rm ${path}; mv ${path}.bak ${path}`,
};

for (const [how, edit] of Object.entries(EDITS)) {
  for (const name of ["events.jsonl", "capture.jsonl"]) {
    Deno.test({
      name: `a node that edits ${name} of its own run (${how}) is told of, and the run goes on`,
      ignore: !HAS_SIGNALS,
      fn: () =>
        withTempDir(async (cwd) => {
          await writeFlow(cwd, {
            a: "echo a >> done",
            b: {
              run: `echo b >> done; test $TAFFRAIL_ATTEMPT -gt 1 || { ${
                edit(`${FOLDER}/${name}`)
              }; }`,
              needs: ["a"],
            },
            c: { run: "echo c >> done", needs: ["b"] },
          });
          const { code, stderr } = await taffrail(["run", "flow.json"], { cwd });
          assertEquals(code, 1);
          assertStringIncludes(stderr, `${name}: the file that was open has been moved, replaced`);
          const root = `${cwd}/.taffrail`;
          const runId = await onlyRun(root);
          const resumed = await taffrail(["resume", "flow"], { cwd });
          const done = (await Deno.readTextFile(`${cwd}/done`)).trimEnd().split("\n");
          assertEquals(resumed.code, 0, resumed.stderr);
          // Where the journal is another file its own end could not be recorded. Where it is the log, what
          // had begun before that was found out was cut off.
          const ran = name === "events.jsonl" ? /^a,b,(?:b,)?(?:c,)?c$/ : /^a,b,b,c$/;
          assertMatch(done.join(), ran);
          // What the log lacks the journal has.
          assertEquals(
            outlineOf(eventsOf(root, runId)).filter((line) => line.startsWith("node.completed")),
            ["node.completed a", "node.completed b", "node.completed c"],
          );
          const verified = await taffrail(["verify", runId], { cwd });
          assertEquals(verified.code, 0, verified.stdout);
          const names = namesIn(`${root}/runs/${runId}`);
          assertEquals(names.filter((found) => /\.(?:new|bak|torn-\d+)$/.test(found)), []);
        }),
    });
  }
}
