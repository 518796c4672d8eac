import { followRun, openEventLog } from "../../../eventlog/mod.ts";
import { say } from "./_pipe.ts";

/**
 * Follows a log that an overlay file system shows from its lower, read-only layer, while another program
 * and then this one write to it, which makes the system copy it into the upper layer. Says the `n` of each
 * event, and ends at the fifth.
 *
 * Usage: overlay_follower.ts ROOT RUN_ID
 */

const [root = "", runId = ""] = Deno.args;
const path = `${root}/runs/${runId}/events.jsonl`;

for await (const item of followRun<{ n: number }>(root, runId)) {
  if (!("event" in item)) throw new Error(item.message);
  say(`${item.event.n}`);
  if (item.event.n === 3) {
    const script = `printf '{"n":4}\\n' >> "$1"`;
    await new Deno.Command("sh", { args: ["-c", script, "sh", path] }).output();
  }
  if (item.event.n === 4) {
    await using log = await openEventLog<{ n: number }>({ root, runId });
    await log.append({ n: 5 }, { durability: "disk" });
  }
  if (item.event.n === 5) break;
}
