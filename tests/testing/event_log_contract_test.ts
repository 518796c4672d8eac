/** The proof that the contract suite catches logs that break it. */

import { assert, assertEquals } from "@std/assert";
import { openEventLog } from "../../eventlog/mod.ts";
import type { EventLog, FollowOptions, ReadOptions } from "../../eventlog/types.ts";
import { type ContractEvent, eventLogContract, type OpenLog } from "../../testing/mod.ts";
import { withTempDir } from "../_util/temp.ts";

type Log = EventLog<ContractEvent>;

/** A log that passes everything on; the mistakes below change one thing of it. */
function passOn(log: Log): Log {
  return {
    runId: log.runId,
    append: (event, options) => log.append(event, options),
    appendAll: (events, options) => log.appendAll(events, options),
    read: (options) => log.read(options),
    follow: (options) => log.follow(options),
    lastSeq: () => log.lastSeq(),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}

async function* firstEvent(log: Log, options?: FollowOptions) {
  const controller = new AbortController();
  const signals = [controller.signal, ...(options?.signal ? [options.signal] : [])];
  for await (const item of log.follow({ ...options, signal: AbortSignal.any(signals) })) {
    yield item;
    controller.abort();
  }
}

/** Mistakes that an engine may make, with the rule that catches each. */
const mistakes: Record<string, { rule: string; change: (log: Log) => Partial<Log> }> = {
  "it counts from 0": {
    rule: "events get the seqs",
    change: (log) => ({
      append: async (event, options) => {
        const { firstSeq, lastSeq } = await log.append(event, options);
        return { firstSeq: firstSeq - 1, lastSeq: lastSeq - 1 };
      },
    }),
  },
  "it takes the event later": {
    rule: "taken as it is at the call",
    change: (log) => ({
      append: async (event, options) => {
        await Promise.resolve();
        return await log.append(event, options);
      },
    }),
  },
  "it writes a batch one by one, the others in between": {
    rule: "a batch gets consecutive seqs",
    change: (log) => ({
      appendAll: async (events, options) => {
        let appended = { firstSeq: 1, lastSeq: 0 };
        for (const event of events) appended = await log.append(event, options);
        return appended;
      },
    }),
  },
  "it ignores expectedLastSeq": {
    rule: "of equal expectedLastSeq from 8 callers",
    change: (log) => ({ append: (event) => log.append(event) }),
  },
  "it looks at expectedLastSeq before it writes": {
    rule: "of equal expectedLastSeq from 8 handles",
    change: (log) => ({
      append: async (event, { expectedLastSeq, ...options } = {}) => {
        const actual = await log.lastSeq();
        if (expectedLastSeq !== undefined && expectedLastSeq !== actual) {
          return await log.append(event, { ...options, expectedLastSeq });
        }
        return await log.append(event, options);
      },
    }),
  },
  "its pages have one event too many": {
    rule: "pages follow each other",
    change: (log) => ({
      read: (options: ReadOptions = {}) =>
        log.read({ ...options, limit: Math.min(10_000, (options.limit ?? 100) + 1) }),
    }),
  },
  "it reads from the beginning when the cursor is bad": {
    rule: "places that are none are refused",
    change: (log) => ({
      read: (options) => log.read(options).catch(() => log.read({ limit: 100 })),
    }),
  },
  "it takes what is sent again": {
    rule: "what is sent again behind the same seq",
    change: (log) => ({
      appendAll: async (events, options) =>
        await log.appendAll(events, options).catch(() => log.appendAll(events)),
    }),
  },
  "it ignores the signal of an append": {
    rule: "an aborted signal gives up",
    change: (log) => ({
      append: (event, { signal: _, ...options } = {}) => log.append(event, options),
    }),
  },
  "it follows the first event only": {
    rule: "follow catches up",
    change: (log) => ({ follow: (options) => firstEvent(log, options) }),
  },
  "it follows from the beginning always": {
    rule: "follow begins behind",
    change: (log) => ({ follow: ({ after: _, ...options } = {}) => log.follow(options) }),
  },
  "it loses who waits when it closes": {
    rule: "closing answers who waits",
    change: (log) => ({
      append: async (event, options) => {
        await new Promise((resolve) => setTimeout(resolve));
        return await log.append(event, options);
      },
    }),
  },
};

/** The names of the rules, of those whose name includes `part`, that a log breaks. */
async function brokenRules(part: string, change: (log: Log) => Partial<Log>): Promise<string[]> {
  const tests = eventLogContract((use) =>
    withTempDir(async (root) => {
      const logs: Log[] = [];
      const open: OpenLog = async () => {
        const log = await openEventLog<ContractEvent>({ root, runId: "demo" });
        logs.push(log);
        return { ...passOn(log), ...change(log) };
      };
      try {
        await use(open);
      } finally {
        for (const log of logs) await log[Symbol.asyncDispose]();
      }
    })
  );
  const broken: string[] = [];
  for (const { name, fn } of tests.filter(({ name }) => name.includes(part))) {
    await fn().catch(() => broken.push(name));
  }
  return broken;
}

Deno.test("eventLogContract() finds nothing wrong with a log that only passes on", async () => {
  assertEquals(await brokenRules("", () => ({})), []);
});

for (const [mistake, { rule, change }] of Object.entries(mistakes)) {
  Deno.test(`eventLogContract() catches a log when ${mistake}`, async () => {
    const [broken] = await brokenRules(rule, change);
    assert(broken?.includes(rule), `"${rule}" is kept`);
  });
}
