import { openEventLogSync } from "../../eventlog/mod.ts";
import { askProgram } from "../harness/child.ts";
import { withTaffrail } from "../harness/flows.ts";
import { mib, runAndWatch } from "../harness/run_command.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import type { Fact, Ratio, Topic } from "../harness/topic.ts";

const REPLAY = new URL("../programs/replay_events.ts", import.meta.url);
const REPLAYED = [25_000, 50_000, 100_000];
const EVENTS = 1_000_000;
const CHUNK = 10_000;
const RUN_ID = "bench";
/** What `show` may take of a log of {@linkcode EVENTS}, in MiB. */
const MOST_FOR_SHOW = 300;

/** How many attempts each node of a log has: few nodes with many, or many with one. */
const ATTEMPTS = [500, 1];

/** Writes a run whose nodes have so many attempts each; each attempt has a begin and an end. */
function writeLog(root: string, attempts: number): void {
  using log = openEventLogSync<Record<string, unknown> & { type: string }>({ root, runId: RUN_ID });
  const of = { id: "01j9zk3v5m8q2r7w4x6y0a1b2c", ts: "2026-06-01T12:00:00Z", run_id: RUN_ID };
  const begin = { type: "pipe.started", ...of, pipe: "bench", inputs: [] };
  log.appendAllSync([{ ...begin, distro_version: "0.1.0" }]);
  for (let first = 0; first < EVENTS / 2; first += CHUNK / 2) {
    log.appendAllSync(
      Array.from({ length: CHUNK / 2 }, (_, index) => first + index).flatMap((index) => {
        const attempt = 1 + index % attempts;
        const node = { ...of, node_id: `n${Math.floor(index / attempts)}`, attempt };
        const isLast = attempt === attempts;
        return [
          { type: "node.started", ...node, kind: "command", name: "true" },
          isLast
            ? { type: "node.completed", ...node, duration_ms: 1 }
            : { type: "node.failed", ...node, error: { kind: "crash", exit_code: 1 } },
        ];
      }),
    );
  }
  log.appendAllSync([{ type: "pipe.completed", ...of, duration_ms: 1 }]);
}

/** What `show` takes of the longest logs. */
async function measureShow(bundle: readonly string[]): Promise<{ ratios: Ratio[]; facts: Fact[] }> {
  const ratios: Ratio[] = [];
  const facts: Fact[] = [];
  for (const attempts of ATTEMPTS) {
    await withDirectory(async (root) => {
      writeLog(root, attempts);
      const nodes = (EVENTS / 2 / attempts).toLocaleString("en");
      for (const flags of [[], ["--json"]]) {
        const words = ["show", ...flags, "--root", root, RUN_ID];
        const { milliseconds, peakMib = NaN } = await runAndWatch([...bundle, ...words], root);
        const name = ["show", ...flags].join(" ");
        const what = `${name} of ${EVENTS.toLocaleString("en")} events, ${nodes} nodes`;
        const value = `${mib(peakMib)} at most, ${(milliseconds / 1000).toFixed(1)} s`;
        facts.push({ what, value });
        if (flags.length > 0) continue;
        const spread = { median: peakMib, low: peakMib, high: peakMib };
        ratios.push({ what: `MiB for ${what}`, spread, atMost: MOST_FOR_SHOW });
      }
    });
  }
  return { ratios, facts };
}

/** The memory of a replay for bundles of several sizes, and how it grows. */
async function measureReplay(): Promise<Fact[]> {
  const facts: Fact[] = [];
  const growth: number[] = [];
  for (const events of REPLAYED) {
    const found = await askProgram<{ mib: number; start: number; seconds: number }>(REPLAY, {
      args: [String(events)],
    });
    growth.push((found.mib - found.start) / events);
    const value = `${mib(found.mib)} at most, ${found.seconds.toFixed(2)} s`;
    facts.push({ what: `replay of ${events.toLocaleString("en")} events`, value });
  }
  const value = (growth.at(-1)! / growth[0]!).toFixed(2);
  return [...facts, { what: "memory an event, 100,000 events ÷ 25,000 events", value }];
}

/** What the longest records take. */
export const memory: Topic = {
  name: "memory",
  title: "the greatest memory of a process that reads long records",
  async measure() {
    return await withTaffrail(async ({ bundle }) => {
      const { ratios, facts } = await measureShow(bundle);
      return { operation: "a record", ratios, facts: [...facts, ...await measureReplay()] };
    });
  },
};
