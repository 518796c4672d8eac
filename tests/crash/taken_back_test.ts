/**
 * A batch that fails on a full disk is cut back, but a follower may have seen some of its lines
 * before. It must not go on from the middle of the line that then stands there.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { followOnPort } from "../../eventlog/read_run.ts";
import { EventLogError, type Gap, type Stored } from "../../eventlog/mod.ts";
import { openOnPort } from "../../eventlog/open_event_log.ts";
import { denoFilePort } from "../../_internal/file_port.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { withTempDir } from "../_util/temp.ts";

interface Named {
  name: string;
}

const RUN_ID = "taken-back";

/** Follows a log in which some lines of a failed batch stand when the follower looks. */
async function followPhantom(
  root: string,
  next: string[],
): Promise<AsyncIterableIterator<Stored<Named> | Gap>> {
  const port = new FaultPort();
  await using log = await openOnPort<Named>(port, { root, runId: RUN_ID });
  await log.append({ name: "first" });
  const items = followOnPort<Named>(denoFilePort, { root, runId: RUN_ID }, {});
  assertEquals(await items.next(), { done: false, value: { seq: 1, event: { name: "first" } } });

  port.shortWriteAt(1, 50);
  let seen: Promise<IteratorResult<Stored<Named> | Gap>> | undefined;
  port.failWhen(({ name }) => {
    // After the short write and before the cut; a generator runs at once up to its first wait.
    if (name === "truncateSync") seen ??= items.next();
    return undefined;
  });
  const batch = ["phantom-1", "phantom-2", "phantom-3"].map((name) => ({ name }));
  const error = await assertRejects(() => log.appendAll(batch), EventLogError);
  assertEquals(error.kind, "io");
  assertEquals(await seen, { done: false, value: { seq: 2, event: { name: "phantom-1" } } });

  await log.appendAll(next.map((name) => ({ name })));
  return items;
}

for (const next of [[], ["x"], ["a line that is longer than both"], ["a", "b", "c", "d", "e"]]) {
  Deno.test(`a follower of lines that were taken back is told, where ${next.length} others of ${next.join("").length} letters follow`, () =>
    withTempDir(async (root) => {
      const items = await followPhantom(root, next);
      const error = await assertRejects(async () => {
        for await (const item of items) {
          assert("event" in item && item.event.name === "phantom-2", JSON.stringify(item));
        }
      }, EventLogError);
      assertEquals(error.kind, "cursor");
    }));
}
