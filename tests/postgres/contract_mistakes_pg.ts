/** The proof that the rules of servers catch roots and logs that break them. */
import { assert, assertEquals } from "@std/assert";
import type { EventLog } from "../../eventlog/types.ts";
import { openPostgresLog, openPostgresRoot } from "../../postgres/mod.ts";
import type { RunEvents, RunView } from "../../run/types.ts";
import { type ContractEvent, eventLogContract, runsRootContract } from "../../testing/mod.ts";
import { changed, type Mistake, withMistake } from "../testing/_mistakes.ts";
import { clientOf } from "./_client.ts";
import { faultsOf, startForgetfulServer } from "./_faults.ts";
import { holderCommand } from "./_holder.ts";
import { withRoles } from "./_roles.ts";

const server = await startForgetfulServer();
server.printsLog = false;
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

function hasKind(error: unknown, kind: string): boolean {
  return (error as { kind?: unknown }).kind === kind;
}

/** Follows, and takes a loss for the end. */
async function* endingAtLoss<T>(items: AsyncIterable<T>): AsyncGenerator<T, void> {
  try {
    yield* items;
  } catch (error) {
    if (!hasKind(error, "cursor")) throw error;
  }
}

/** Follows, and takes the first item for all. */
async function* firstOf<T>(items: AsyncIterable<T>): AsyncGenerator<T, void> {
  for await (const item of items) {
    yield item;
    return;
  }
}

let appends = 0;

const rootMistakes: Record<string, Mistake> = {
  "it sends again what has arrived": {
    rule: "a run stays held through interruptions",
    held: (held) => ({
      append: async (lines) => {
        await held.append(lines);
        if (++appends % 7 === 0) await held.append(lines);
      },
    }),
  },
  "it gives a run to whoever asks when its session was lost": {
    rule: "a run stays held through interruptions",
    root: (root) => ({
      hold: (runId, options) => root.hold(runId, { ...options, takeOver: true }),
    }),
  },
  "it follows until the connection ends": {
    rule: "whoever follows goes on behind an interruption",
    view: (view) => ({
      events: changed<RunEvents>(view.events, {
        follow: (options) => firstOf(view.events.follow(options)),
      }),
    }),
  },
  "it goes on behind what its holder has lost": {
    rule: "a holder is told what a crash of the server took back",
    held: (held) => ({
      append: (lines) =>
        held.append(lines).catch((error) => {
          if (!hasKind(error, "rewound")) throw error;
        }),
    }),
  },
  "it reads on behind what its reader has lost": {
    rule: "whoever reads is told what a crash of the server took back",
    view: (view) => ({
      events: changed<RunEvents>(view.events, {
        read: (options) => view.events.read(options).catch(() => view.events.read()),
      }),
    }),
  },
  "it says nothing to who follows what is lost": {
    rule: "whoever reads is told what a crash of the server took back",
    view: (view) => ({
      events: changed<RunEvents>(view.events, {
        follow: (options) => endingAtLoss(view.events.follow(options)),
      }),
    }),
  },
  "it takes nothing over": {
    rule: "a frozen holder is taken over",
    root: (root) => ({
      hold: (runId, options) => root.hold(runId, { ...options, takeOver: false }),
    }),
  },
};

function rulesOf(mistake: Partial<Mistake>) {
  const provide: Parameters<typeof runsRootContract>[0] = (use) =>
    withRoles(server, ({ runner: url }) =>
      use({
        open: async () => withMistake(await openPostgresRoot(clientOf(url)), mistake),
        holder: (runId) => holderCommand(url, runId),
        server: faultsOf(server),
      }));
  return runsRootContract(provide, { rounds: 3, server: true });
}

Deno.test("runsRootContract() finds nothing wrong with a root on a server that only passes on", async () => {
  const passingOn = {
    held: () => ({}),
    view: (view: RunView) => ({ events: changed<RunEvents>(view.events, {}) }),
  };
  const rules = new Set(Object.values(rootMistakes).map(({ rule }) => rule));
  for (const { name, fn } of rulesOf(passingOn)) {
    if ([...rules].some((rule) => name.includes(rule))) await fn();
  }
});

for (const [what, mistake] of Object.entries(rootMistakes)) {
  Deno.test(`runsRootContract() catches a root on a server when ${what}`, async () => {
    await assertBroken(rulesOf(mistake), mistake.rule);
  });
}

type Log = EventLog<ContractEvent>;

const logMistakes: Record<string, { rule: string; change: (log: Log) => Partial<Log> }> = {
  "it sends again what has arrived": {
    rule: "what is appended through interruptions is there once",
    change: (log) => ({
      append: async (event, options) => {
        if (++appends % 7 === 0) await log.append(event, options);
        return await log.append(event, options);
      },
    }),
  },
  "it follows until the connection ends": {
    rule: "follow goes on behind an interruption",
    change: (log) => ({ follow: (options) => firstOf(log.follow(options)) }),
  },
  "it goes on behind what is lost": {
    rule: "what a crash of the server took back is told",
    change: (log) => ({
      append: (event, options) =>
        log.append(event, options).catch(async (error) => {
          if (!hasKind(error, "rewound")) throw error;
          const lastSeq = await log.lastSeq();
          return { firstSeq: lastSeq + 1, lastSeq: lastSeq + 1 };
        }),
    }),
  },
};

for (const [what, { rule, change }] of Object.entries(logMistakes)) {
  Deno.test(`eventLogContract() catches a log on a server when ${what}`, async () => {
    const tests = eventLogContract(
      (use) =>
        withRoles(server, ({ runner: url }) => {
          const open = async () => {
            const log = await openPostgresLog<ContractEvent>(clientOf(url), { runId: "demo" });
            return changed<Log>(log, change(log));
          };
          return use(open, faultsOf(server));
        }),
      { rounds: 3, server: true },
    );
    await assertBroken(tests, rule);
  });
}

async function assertBroken(
  tests: readonly { name: string; fn: () => Promise<void> }[],
  rule: string,
): Promise<void> {
  const [test, ...others] = tests.filter(({ name }) => name.includes(rule));
  assert(test !== undefined, `there is no rule "${rule}"`);
  assertEquals(others, []);
  const isKept = await test.fn().then(() => true, () => false);
  assert(!isKept, `"${rule}" is kept`);
}
