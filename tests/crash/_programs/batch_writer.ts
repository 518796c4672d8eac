/**
 * Appends batches of 1,000 events until it is killed, and says `<batch> <firstSeq> <lastSeq>` of
 * each after it was acknowledged.
 *
 * Usage: batch_writer.ts ROOT RUN_ID LIFE sync|async
 */
import { openEventLog } from "../../../eventlog/mod.ts";
import { type BatchEvent, createBatch } from "./_batches.ts";
import { nextTurn, say } from "./_pipe.ts";

const [root = "", runId = "", life = "", form = ""] = Deno.args;

await using log = await openEventLog<BatchEvent>({ root, runId });
say("ready");
for (let batch = 0;; batch++) {
  const events = createBatch(Number(life), batch);
  const { firstSeq, lastSeq } = form === "sync"
    ? log.appendAllSync(events)
    : await log.appendAll(events);
  say(`${batch} ${firstSeq} ${lastSeq}`);
  await nextTurn();
}
