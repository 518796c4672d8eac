/**
 * Holds a run and appends to it, until its input ends: `run_writer.ts URL RUN NAME`. It goes on behind what it
 * finds, and prints `os N` for each line that was acknowledged, `disk N` where it was on disk, and where it was
 * told that the server has lost some of them `rewound`; then it is done.
 */
import { openPostgresRoot } from "../../../postgres/mod.ts";
import type { HeldRun, RunsRoot } from "../../../run/types.ts";
import { clientOf } from "../_client.ts";
import { kindOf, say, throughCrashes, untilInputEnds } from "./_writing.ts";

const [url = "", runId = "", writer = ""] = Deno.args;
const over = untilInputEnds();

const root = await throughCrashes(() => openPostgresRoot(clientOf(url)));
try {
  await using held = await throughCrashes(() => beginOrHold(root));
  await work(held);
} catch (error) {
  if (kindOf(error) !== "rewound") throw error;
  say("rewound");
}
await root[Symbol.asyncDispose]();
Deno.exit();

async function beginOrHold(root: RunsRoot): Promise<HeldRun> {
  try {
    return await root.create({ about: { name: "storm" }, runId });
  } catch (error) {
    if (kindOf(error) !== "exists") throw error;
    return await root.hold(runId, { timeoutMs: 60_000 });
  }
}

async function work(held: HeldRun): Promise<void> {
  let n = (await lastNumber(held)) + 1;
  for (; !over.aborted; n++) {
    const line = JSON.stringify({ n, writer });
    await held.append({ capture: [line], processes: [line] });
    say(`os ${n}`);
    if (n % 4 !== 0) continue;
    await held.barrier();
    say(`disk ${n}`);
  }
}

/** The number of the last line of the journal. */
async function lastNumber({ view }: HeldRun): Promise<number> {
  let after: Parameters<typeof view.lines>[1] = {};
  let last = 0;
  for (;;) {
    const { events, next, hasMore } = await view.lines("capture", { ...after, limit: 10_000 });
    last = (events.at(-1)?.event as { n: number } | undefined)?.n ?? last;
    if (!hasMore) return last;
    after = { after: next };
  }
}
