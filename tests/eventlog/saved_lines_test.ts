/**
 * What is kept of a log that was moved away is on disk before anybody is told of it, whole or not at all,
 * whatever fails meanwhile.
 */
import { assert, assertEquals } from "@std/assert";
import type { FilePort } from "../../_internal/file_port.ts";
import type { EventLogError } from "../../eventlog/mod.ts";
import { openOnPortSync } from "../../eventlog/open_event_log.ts";
import { everyFailure } from "../_util/every_failure.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { isThere, readText } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { type AnyEvent, numbered, numberedLines, pathOf, RUN_ID } from "./_runs.ts";

const LOST = "events.jsonl.lost-1";

/** Moves a log with three acknowledged events away, and gives what the next append and closing throw. */
function moveAndAppend(port: FilePort, root: string): EventLogError[] {
  const log = openOnPortSync<AnyEvent>(port, { root, runId: RUN_ID, durability: "disk" });
  try {
    log.appendAllSync(numbered(3));
  } catch (error) {
    log[Symbol.dispose]();
    throw error;
  }
  const uses = [
    () => port.renameSync(log.path, `${log.path}.moved`),
    () => log.appendSync({ n: 4 }),
    () => log[Symbol.dispose](),
  ];
  return uses.flatMap((use) => {
    try {
      use();
      return [];
    } catch (error) {
      return [error as EventLogError];
    }
  });
}

/** The lines that are kept are the three, with or without the one that was refused behind its sync. */
function assertWhole(path: string): void {
  const text = readText(path);
  assert([numberedLines(3), numberedLines(4)].includes(text), JSON.stringify(text));
}

Deno.test("lines of a log that was moved away survive a power cut as soon as it is told", () =>
  withTempDir(async (directory) => {
    for (const seed of [0, 1, 3, 4, 5]) {
      const root = `${directory}/root-${seed}`;
      await Deno.mkdir(root);
      const port = new FaultPort({ root });
      const errors = moveAndAppend(port, root);
      assertEquals(errors.map(({ kind, cause }) => [kind, cause]), [["replaced", undefined]]);
      port.crashImage(`${directory}/image-${seed}`, seed);
      assertWhole(`${directory}/image-${seed}/runs/${RUN_ID}/${LOST}`);
    }
  }));

Deno.test("lines of a log that was moved away are kept whole or not at all, whatever call fails", async () => {
  let told = 0;
  await everyFailure((port, root, acknowledged: string[]) => {
    acknowledged.push(...moveAndAppend(port, root).map(({ message }) => message));
  }, (root, { acknowledged: messages }) => {
    const path = pathOf(root, LOST);
    if (isThere(path)) assertWhole(path);
    if (messages.some((message) => message.includes(`are kept in ${path}`))) {
      assertWhole(path);
      told++;
    }
    if (isThere(pathOf(root, "events.jsonl.moved"))) {
      const moved = readText(pathOf(root, "events.jsonl.moved"));
      assertEquals(moved.slice(0, numberedLines(3).length), numberedLines(3));
    }
  });
  assert(told > 3);
});
