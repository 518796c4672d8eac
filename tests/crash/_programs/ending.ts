/**
 * Appends one event, says so, and ends at once in the way it is told to.
 *
 * Usage: ending.ts ROOT RUN_ID FORM WAY
 */
import { openEventLog, openEventLogSync } from "../../../eventlog/mod.ts";
import { say } from "./_pipe.ts";

const [root = "", runId = "", form = "", way = ""] = Deno.args;

const options = { root, runId, durability: form.endsWith("disk") ? "disk" : "os" } as const;
const log = form.startsWith("sync")
  ? openEventLogSync<{ way: string }>(options)
  : await openEventLog<{ way: string }>(options);
if (form.startsWith("sync")) log.appendSync({ way });
else await log.append({ way });
say("acknowledged");

async function sayWhatFollows(): Promise<void> {
  for await (const { seq } of log.follow()) say(`followed ${seq}`);
}

switch (way) {
  case "end":
    break;
  case "close":
    await log.close();
    break;
  case "exit":
    Deno.exit(0);
    break;
  case "exit-7":
    Deno.exit(7);
    break;
  case "throw":
    throw new Error("thrown on purpose");
  case "reject":
    void Promise.reject(new Error("rejected on purpose"));
    break;
  case "kill":
    Deno.kill(Deno.pid, "SIGKILL");
    break;
  case "append": {
    // Nobody waits for it; the program ends when it is answered.
    void log.append({ way: "not awaited" });
    break;
  }
  case "read":
    await log.read();
    await log.lastSeq();
    break;
  case "left-follow":
    for await (const _ of log.follow()) break;
    break;
  case "aborted-follow": {
    const aborting = new AbortController();
    const items = log.follow({ signal: aborting.signal });
    await items.next();
    const waiting = items.next();
    aborting.abort();
    await waiting;
    break;
  }
  case "closed-follow": {
    const items = log.follow();
    await items.next();
    const waiting = items.next();
    await log.close();
    await waiting;
    break;
  }
  case "unstarted-follow":
    log.follow();
    break;
  case "follow":
    void sayWhatFollows();
    break;
  default:
    throw new Error(`There is no way "${way}" to end`);
}
