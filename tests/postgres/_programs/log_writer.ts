/**
 * Appends to a log that others append to as well, until its input ends: `log_writer.ts URL RUN NAME DURABILITY`.
 * It prints `ack N SEQ` for each event that was acknowledged, and `rewound` where it was told that the server
 * has lost one of them.
 */
import { openPostgresLog } from "../../../postgres/mod.ts";
import { clientOf } from "../_client.ts";
import { kindOf, say, throughCrashes, untilInputEnds } from "./_writing.ts";

interface StormEvent {
  writer: string;
  n: number;
}

const [url = "", runId = "", writer = "", durability = ""] = Deno.args;
const over = untilInputEnds();

function open() {
  const options = { runId, durability: durability as "os" | "disk" };
  return openPostgresLog<StormEvent>(clientOf(url), options);
}

for (let n = 0; !over.aborted;) {
  await using log = await throughCrashes(open);
  try {
    while (!over.aborted) {
      const { firstSeq } = await log.append({ writer, n: ++n });
      say(`ack ${n} ${firstSeq}`);
    }
  } catch (error) {
    if (kindOf(error) !== "rewound") throw error;
    say("rewound");
  }
}
