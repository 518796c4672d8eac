/**
 * A writer that is suspended (SIGSTOP, Ctrl-Z) while it holds the lock, inside of its line: nobody waits
 * for longer than he said, nobody mends its line, and when it goes on nothing is lost.
 */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { EventLogError, openEventLog, readRunSync } from "../../eventlog/mod.ts";
import { namesIn, readText } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";

const RUN_ID = "suspended";

Deno.test({
  name: "a writer that is suspended inside its line keeps others waiting, and loses nothing",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (root) => {
      const options = { root, runId: RUN_ID, lockTimeoutMs: 30 };
      await using log = await openEventLog<{ n: number }>(options);
      await log.append({ n: 1 });
      await using child = new Child("./_programs/half_line.ts", { args: [log.path] });
      assertEquals(await child.next(), "half");
      Deno.kill(child.pid, "SIGSTOP");

      const uses = [
        () => log.append({ n: 3 }),
        () => log.append({ n: 3 }, { durability: "disk" }),
        () => openEventLog(options),
      ];
      for (const use of uses) {
        assertEquals((await assertRejects(use, EventLogError)).kind, "lock-timeout");
      }
      assertEquals(
        assertThrows(() => log.appendSync({ n: 3 }), EventLogError).kind,
        "lock-timeout",
      );
      const pages = Array.from(readRunSync<{ n: number }>(root, RUN_ID, { strict: true }));
      assertEquals(pages.flatMap(({ events }) => events.map(({ event }) => event.n)), [1]);
      assertEquals(pages.flatMap(({ gaps }) => gaps), [], "the line is in flight, not torn");
      assertEquals(readText(log.path), '{"n":1}\n{"n":');

      Deno.kill(child.pid, "SIGCONT");
      await child.send("");
      await child.ending();
      assertEquals((await log.append({ n: 3 })).lastSeq, 3);
      assertEquals(readText(log.path), '{"n":1}\n{"n":2}\n{"n":3}\n');
      assertEquals(namesIn(`${root}/runs/${RUN_ID}`).filter((name) => name.includes("torn")), []);
    }),
});
