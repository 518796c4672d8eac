/**
 * A process that has no descriptor left (EMFILE): what works without one works, everything else is told
 * as what it is, nothing is called torn that is not, and nothing is lost.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { namesIn, readText } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";

const RUN_ID = "full";

Deno.test({
  name: "a log in a process without a descriptor left takes what it can, and says what it cannot",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (root) => {
      const limit = ["sh", "-c", 'ulimit -n 128; exec "$@"', "sh"];
      await using child = new Child("./_programs/no_descriptors.ts", {
        args: [root, RUN_ID],
        wrap: (command) => [...limit, ...command],
      });
      await child.ending();
      const said = child.takeLines().map((line): [string, unknown] => {
        const space = line.indexOf(" ");
        return [line.slice(0, space), JSON.parse(line.slice(space + 1) || "null")];
      });
      const outcomes = said.map(([what]) => what);
      assertEquals(outcomes.length, 10);
      const [torn, read, open, journal, append, disk, replaced, mended, closed, readAgain] = said
        .map(([, outcome]) => outcome);
      for (const error of [torn, read, open]) {
        assertStringIncludes(String(error), "io: I/O error on ");
        assertStringIncludes(String(error), "Too many open files");
      }
      assertStringIncludes(String(journal), "Too many open files");
      assertEquals(append, { firstSeq: 2, lastSeq: 2 });
      assertEquals(disk, { firstSeq: 3, lastSeq: 3 });
      assertStringIncludes(String(replaced), "its lines could not be saved: Too many open files");
      assertEquals(mended, { firstSeq: 2, lastSeq: 2 });
      const folder = `${root}/runs/${RUN_ID}-2`;
      assertStringIncludes(String(closed), `are kept in ${folder}/events.jsonl.lost-1`);
      // The fourth was refused: it is there or not, as that was noticed behind or before the sync.
      const kept = readText(`${folder}/events.jsonl.lost-1`);
      assertStringIncludes(kept, '{"n":1}\n{"n":2}\n{"n":3}\n');
      assertStringIncludes(JSON.stringify(readAgain), '"gaps":[]');
      assertEquals(readText(`${root}/runs/${RUN_ID}/events.jsonl`), '{"n":1}\n{"n":2}\n');
      const tails = namesIn(`${root}/runs/${RUN_ID}`).filter((name) => name.includes(".torn-"));
      assertEquals(tails, ["events.jsonl.torn-1"]);
      assertEquals(readText(`${root}/runs/${RUN_ID}/${tails[0]}`), '{"n":');
    }),
});
