/**
 * Opens a run, appends what it is told by lines, and closes it when its input ends.
 *
 * Usage: holder.ts ROOT RUN_ID exclusive|shared sync|async
 */
import { type FileEventLog, openEventLog, openEventLogSync } from "../../../eventlog/mod.ts";
import { commands, say } from "./_pipe.ts";

const [root = "", runId = "", hold = "", form = ""] = Deno.args;
const options = { root, runId, exclusive: hold === "exclusive" };

const log: FileEventLog<unknown> = form === "sync"
  ? openEventLogSync<unknown>(options)
  : await openEventLog<unknown>(options);
say("open");
for await (const line of commands()) say(String((await log.append(JSON.parse(line))).lastSeq));
await log.close();
say("closed");
