/**
 * Makes one run after the other, appends one event to each, and says the run's id when that was
 * acknowledged.
 *
 * Usage: creator.ts ROOT NAME sync|async
 */
import { openEventLog, openEventLogSync } from "../../../eventlog/mod.ts";
import { nextTurn, say } from "./_pipe.ts";

const [root = "", name = "", form = ""] = Deno.args;

for (let number = 0;; number++) {
  const runId = `${name}-${number}`;
  {
    await using log = form === "sync"
      ? openEventLogSync<{ runId: string }>({ root, runId })
      : await openEventLog<{ runId: string }>({ root, runId });
    log.appendSync({ runId });
  }
  say(runId);
  await nextTurn();
}
