/**
 * The rules of a log that a server keeps: connections end, and the server crashes and comes back without its
 * last moments. Nothing of that loses or doubles an event silently.
 */
import { assertEquals } from "@std/assert";
import type { EventLog, Gap, Stored } from "../eventlog/types.ts";
import { faultsOf, kindOf } from "./runs_root_use.ts";
import type { ContractEvent, OpenLog, ServerFaults } from "./types.ts";

type Log = EventLog<ContractEvent>;

function iterate(log: Log): AsyncIterator<Stored<ContractEvent> | Gap> {
  return log.follow()[Symbol.asyncIterator]();
}

/** Every append is there once, at the seq that it was told, whatever of it was sent again. */
async function appendsThroughInterruptions(
  open: OpenLog,
  rounds: number,
  faults?: ServerFaults,
): Promise<void> {
  const server = faultsOf(faults);
  await using log = await open();
  await using other = await open();
  let count = 0;
  const seqs = new Map<number, number>();
  const append = async (one: Log) => {
    const n = ++count;
    const { firstSeq } = await one.append({ n }, { durability: n % 3 === 0 ? "disk" : "os" });
    seqs.set(n, firstSeq);
  };
  for (let round = 0; round < rounds; round++) {
    const appending = [append(log), append(other), append(log)];
    const interrupting = server.interrupt();
    appending.push(append(other), append(log));
    await interrupting;
    await Promise.all([...appending, append(log)]);
  }
  const { events } = await log.read({ limit: 10_000 });
  assertEquals(events.map(({ seq }) => seq), Array.from({ length: count }, (_, at) => at + 1));
  const found = new Map(events.map(({ seq, event }) => [event.n, seq]));
  assertEquals([...found].sort(byNumber), [...seqs].sort(byNumber));
}

function byNumber([a]: readonly [number, number], [b]: readonly [number, number]): number {
  return a - b;
}

async function followsThroughInterruptions(
  open: OpenLog,
  rounds: number,
  faults?: ServerFaults,
): Promise<void> {
  const server = faultsOf(faults);
  await using log = await open();
  await using other = await open();
  const items = iterate(other);
  for (let n = 1; n <= rounds; n++) {
    if (n % 2 === 0) await log.append({ n });
    await server.interrupt();
    if (n % 2 === 1) await log.append({ n });
    assertEquals((await items.next()).value, { seq: n, event: { n } });
  }
  await items.return?.();
}

async function tellsWhatIsLost(
  open: OpenLog,
  _rounds: number,
  faults?: ServerFaults,
): Promise<void> {
  const server = faultsOf(faults);
  await using log = await open();
  await using other = await open();
  await log.append({ n: 1 }, { durability: "disk" });
  const items = iterate(other);
  assertEquals((await items.next()).value?.seq, 1);
  let lost = (await log.read()).next;
  await server.rewind(async () => {
    await log.append({ n: 2 }, { durability: "os" });
    assertEquals((await items.next()).value?.seq, 2);
    lost = (await log.read()).next;
  });
  await other.append({ n: 3 }, { durability: "disk" });
  assertEquals(await kindOf(() => log.append({ n: 4 })), "rewound");
  assertEquals(await kindOf(() => items.next()), "cursor");
  assertEquals(await kindOf(() => other.read({ after: lost })), "cursor");
  await using again = await open();
  await again.append({ n: 5 });
  assertEquals((await again.read()).events.map(({ event }) => event.n), [1, 3, 5]);
}

type Check = (open: OpenLog, rounds: number, faults?: ServerFaults) => Promise<void>;

/** The rules of logs that a server keeps. */
export const serverRules: readonly (readonly [name: string, check: Check])[] = [
  ["what is appended through interruptions is there once", appendsThroughInterruptions],
  ["follow goes on behind an interruption", followsThroughInterruptions],
  ["what a crash of the server took back is told", tellsWhatIsLost],
];
