/**
 * Appends with `expectedLastSeq`. To `expect <seq>` it says `won <seq>` or `conflict <actual>`; to
 * `count <times>` it appends so many events, each expecting what the one before or the conflict
 * told, and says `counted <conflicts>`.
 *
 * Usage: contender.ts ROOT RUN_ID NAME sync|async
 */
import { EventLogError, openEventLog } from "../../../eventlog/mod.ts";
import { commands, nextTurn, say } from "./_pipe.ts";

const [root = "", runId = "", name = "", form = ""] = Deno.args;

interface Claim {
  name: string;
  /** The seq that this event must get. */
  seq: number;
}

await using log = await openEventLog<Claim>({ root, runId });

/** The seq it got; the negative end of the log at a conflict. */
async function claim(expectedLastSeq: number): Promise<number> {
  const event = { name, seq: expectedLastSeq + 1 };
  try {
    const { lastSeq } = form === "sync"
      ? log.appendSync(event, { expectedLastSeq })
      : await log.append(event, { expectedLastSeq });
    return lastSeq;
  } catch (error) {
    if (!(error instanceof EventLogError) || error.kind !== "conflict") throw error;
    if (error.details.expected !== expectedLastSeq) throw error;
    return -error.details.actual!;
  }
}

async function count(times: number): Promise<void> {
  let conflicts = 0;
  let lastSeq = await log.lastSeq();
  for (let done = 0; done < times;) {
    const outcome = await claim(lastSeq);
    if (outcome === lastSeq + 1) done++;
    else conflicts++;
    if (Math.abs(outcome) <= lastSeq) throw new Error(`${outcome} follows ${lastSeq}`);
    lastSeq = Math.abs(outcome);
    await nextTurn();
  }
  say(`counted ${conflicts}`);
}

say("ready");
for await (const command of commands()) {
  const [word, number] = command.split(" ");
  if (word === "count") {
    await count(Number(number));
  } else {
    const outcome = await claim(Number(number));
    say(outcome > 0 ? `won ${outcome}` : `conflict ${-outcome}`);
  }
}
