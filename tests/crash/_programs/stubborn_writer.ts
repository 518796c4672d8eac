/**
 * Appends to a run until it is told to end, and says each number that was acknowledged. When the log is
 * replaced under it, it opens the one that is there. `stubborn_writer.ts <root> <run id> <name> <durability>`
 */
import { EventLogError, openEventLogSync } from "../../../eventlog/mod.ts";

const [root = "", runId = "", name = "", durability = ""] = Deno.args;
const encoder = new TextEncoder();
let isOver = false;
let n = 0;

/** Runs a use of the log; false when the log was replaced. */
async function tryUse(use: () => unknown): Promise<boolean> {
  try {
    await use();
    return true;
  } catch (error) {
    if (error instanceof EventLogError && error.kind === "replaced") return false;
    throw error;
  }
}

async function write(): Promise<void> {
  const options = { root, runId, durability: durability as "os" | "disk", lockTimeoutMs: 60_000 };
  const log = openEventLogSync<{ name: string; n: number }>(options);
  const append = async () => {
    n++;
    const event = { name, n };
    await (n % 2 === 0 ? log.append(event) : log.appendSync(event));
    Deno.stdout.writeSync(encoder.encode(`${n}\n`));
  };
  while (!isOver && await tryUse(append)) {
    // Lets the end of the input be seen.
    await new Promise((resolve) => setTimeout(resolve));
  }
  await tryUse(() => log.close());
}

const ending = (async () => {
  for await (const _ of Deno.stdin.readable);
  isOver = true;
})();
while (!isOver) await write();
await ending;
