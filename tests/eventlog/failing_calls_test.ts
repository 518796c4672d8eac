import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { followOnPort, readPageSync } from "../../eventlog/read_run.ts";
import { EventLogError, type FileEventLog } from "../../eventlog/mod.ts";
import { openOnPort, openOnPortSync } from "../../eventlog/open_event_log.ts";
import {
  everyFailure,
  type EveryFailureOptions,
  type FailureInfo,
} from "../_util/every_failure.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { isThere, namesIn, readText } from "../_util/files.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { withTempDir } from "../_util/temp.ts";
import {
  type AnyEvent,
  numbered,
  numberedLines,
  pathOf,
  readAll,
  RUN_ID,
  writeRun,
} from "./_runs.ts";

/**
 * The n-th call fails, for n = 1, 2, … until a run in which none does: callers get the truth, the
 * file ends in a whole line, nothing acknowledged is gone, and the log goes on or says why not.
 */

type Log = FileEventLog<AnyEvent>;

const run = (root: string) => ({ root, runId: RUN_ID });

/** What callers were told. */
class Outcomes {
  readonly errors: EventLogError[] = [];

  constructor(readonly acknowledged: number[]) {}

  /** Appends event `n` in any way, and keeps the answer. */
  async of(n: number, append: () => unknown): Promise<void> {
    try {
      await append();
      this.acknowledged.push(n);
    } catch (error) {
      assertInstanceOf(error, EventLogError, `event ${n}`);
      this.errors.push(error);
    }
  }
}

/** Appends 1 to 6 alone and 7 to 70 in one group, in every way there is. */
async function appendInEveryWay(log: Log, outcomes: Outcomes): Promise<void> {
  await outcomes.of(1, () => log.append({ n: 1 }));
  await outcomes.of(2, () => log.appendSync({ n: 2 }));
  await outcomes.of(3, () => log.append({ n: 3 }, { durability: "disk" }));
  await outcomes.of(4, () => log.appendSync({ n: 4 }, { durability: "disk" }));
  await outcomes.of(5, () => log.appendAll([{ n: 5 }]));
  await Promise.all(
    numbered(64, 7).map((event) =>
      outcomes.of(event.n as number, () => log.append(event, { durability: "disk" }))
    ),
  );
  await outcomes.of(71, () => log.append({ n: 71 }));
}

const ALL = [1, 2, 3, 4, 5, ...numbered(64, 7).map(({ n }) => n as number), 71];

function found(root: string): number[] {
  return readAll(root).events.map(({ event }) => event.n as number);
}

/** The workload: opens, appends in every way and closes, and says when handles stay open. */
async function workload(
  port: FaultPort,
  root: string,
  acknowledged: number[],
  errors: EventLogError[] = [],
): Promise<void> {
  let log: Log;
  try {
    log = await openOnPort<AnyEvent>(port, run(root));
  } catch (error) {
    if (port.openCount > 0) throw new Error("a failed opening left handles open");
    throw error;
  }
  const outcomes = new Outcomes(acknowledged);
  await appendInEveryWay(log, outcomes);
  errors.push(...outcomes.errors);
  await log.close();
  if (port.openCount > 0) throw new Error("closing left handles open");
}

/** Opens the run again, on a file system without faults, and appends to it. */
function checkGoesOn(root: string): void {
  using log = openOnPortSync<AnyEvent>(hastyFilePort, run(root));
  const { lastSeq } = log.appendSync({ n: 100 });
  assertEquals(readAll(root).events.at(-1), { seq: lastSeq, event: { n: 100 } });
}

interface Told {
  errors: EventLogError[];
}

/** Runs the workload with each call of some names failing; gives the check what callers were told. */
async function failEach(
  options: EveryFailureOptions,
  check: (root: string, info: FailureInfo<number> & Told) => void,
): Promise<number> {
  let errors: EventLogError[] = [];
  return await everyFailure<number>(
    (port, root, acknowledged) => workload(port, root, acknowledged, errors = []),
    (root, info) => {
      check(root, { ...info, errors });
      checkGoesOn(root);
    },
    { before: (root) => void writeRun(root, ""), ...options },
  );
}

Deno.test("any write that fails rejects its own callers with the cause, and the next append works (W-OMN-11)", async () => {
  const faults = await failEach(
    { only: ["writeSync"] },
    (root, { call, errors, acknowledged, error }) => {
      if (call !== undefined && !call.path.endsWith("events.jsonl")) {
        return assertInstanceOf(error, EventLogError);
      }
      assertEquals(found(root), acknowledged);
      assert(readText(pathOf(root)).endsWith("\n"));
      assertEquals(acknowledged.length + errors.length, ALL.length);
      if (call !== undefined) assert([1, 64].includes(errors.length), `${errors.length} errors`);
      for (const { kind, message, cause } of errors) {
        assertEquals([kind, (cause as Error).message], [
          "io",
          "No space left on device (os error 28)",
        ]);
        assert(message.startsWith(`I/O error on ${pathOf(root)}: No space left`));
      }
    },
  );
  assertEquals(faults, 8);
});

for (const bytes of [0, 1, 7, 500]) {
  Deno.test(`any write that takes ${bytes} bytes only is cut back and told, and the next append works (W-OMN-2)`, async () => {
    const inject = (port: FaultPort, n: number) => port.shortWriteAt(n, bytes);
    await failEach({ inject }, (root, { errors, acknowledged, error }) => {
      if (error !== undefined) return;
      assertEquals(found(root), acknowledged);
      assertEquals(readText(pathOf(root)), acknowledged.map((n) => `{"n":${n}}\n`).join(""));
      assertEquals(acknowledged.length + errors.length, ALL.length);
      for (const { kind, message } of errors) {
        assertEquals(kind, "io");
        assert(/Only \d+ of \d+ bytes were written: is the disk full\?/.test(message), message);
      }
    });
  });
}

Deno.test("any fdatasync that fails closes the log to writing, and says what is unknown (W-OMN-1)", async () => {
  const options = { only: ["syncData", "syncDataSync"] as const };
  const faults = await failEach(options, (root, { call, errors, acknowledged, port }) => {
    // Who did not ask for the disk has been answered already; everybody else is told.
    assertEquals(acknowledged.length + errors.length, ALL.length);
    for (const error of errors) {
      assertEquals(error.kind, "sync");
      assert(error.message.includes("open the log again and verify it"));
      assertEquals((error.cause as Error).message, "No space left on device (os error 28)");
    }
    assertEquals(errors.length > 0, call !== undefined);
    assert(readText(pathOf(root)).endsWith("\n"));
    assertEquals(acknowledged.filter((n) => !found(root).includes(n)), []);
    // Nothing is cut: the lines are in the file, and a power cut now may take those not synced.
    port.crashImage(`${root}-image`, 0);
    const onDisk = new Set(found(`${root}-image`));
    const promised = acknowledged.filter((n) => [3, 4].includes(n) || (n >= 7 && n < 71));
    assertEquals(promised.filter((n) => !onDisk.has(n)), []);
    if (call !== undefined) assert(!acknowledged.includes(71), "it goes on after a failed sync");
  });
  assertEquals(faults, 3);
});

Deno.test("any other call that fails while appending is told to its callers, who lose nothing", async () => {
  const only = ["seekSync", "tryLockSync", "readSync"] as const;
  await failEach({ only }, (root, { errors, acknowledged, error }) => {
    if (error !== undefined) return assertInstanceOf(error, EventLogError);
    assertEquals(found(root), acknowledged);
    assertEquals(acknowledged.length + errors.length, ALL.length);
    assert(errors.every(({ kind }) => kind === "io"));
  });
});

/** Opens and closes the run, and says when handles stay open. */
async function openAndClose(port: FaultPort, root: string): Promise<void> {
  const opening = openOnPort<AnyEvent>(port, run(root)).then((log) => log.close());
  await Promise.allSettled([opening]);
  if (port.openCount > 0) throw new Error("it left handles open");
  await opening;
}

const beginnings: Record<string, { before: (root: string) => void; events: number }> = {
  "a new run": { before: () => {}, events: 0 },
  "a run": { before: (root) => void writeRun(root, numberedLines(3)), events: 3 },
  "a run with a whole tail": {
    before: (root) => void writeRun(root, numberedLines(2) + '{"n":3}'),
    events: 3,
  },
  "a run with a torn tail": {
    before: (root) => void writeRun(root, numberedLines(3) + '{"n":4'),
    events: 3,
  },
};

for (const [name, { before, events }] of Object.entries(beginnings)) {
  Deno.test(`opening ${name}, any call failing, says why, leaves no handle open and loses nothing`, async () => {
    const faults = await everyFailure(openAndClose, (root, { error, call }) => {
      if (call === undefined) assertEquals(error, undefined);
      if (error !== undefined) {
        assertInstanceOf(error, EventLogError);
        assertEquals(error.kind, "io");
      }
      // A run that could not be begun leaves nothing, or a folder that says its format.
      const directory = `${root}/runs/${RUN_ID}`;
      if (isThere(directory)) {
        assert(events > 0 || namesIn(directory).includes("run.json"), "a folder without run.json");
      }
      checkGoesOn(root);
      assertEquals(found(root).slice(0, -1), numbered(events).map(({ n }) => n as number));
    }, { before });
    assert(faults > 15);
  });
}

Deno.test("reading a page or following, any call failing, says why and leaves no handle open", async () => {
  const reads = {
    page: (port: FaultPort, root: string) =>
      void readPageSync(port, run(root), { after: 2, limit: 100 }),
    follow: async (port: FaultPort, root: string) => {
      const items = followOnPort(port, run(root), { after: 2 });
      await items.next();
      await items.return!();
    },
  };
  for (const [name, read] of Object.entries(reads)) {
    const faults = await everyFailure(async (port, root) => {
      const reading = (async () => await read(port, root))();
      await Promise.allSettled([reading]);
      if (port.openCount > 0) throw new Error("it left handles open");
      await reading;
    }, (_root, { error }) => {
      if (error === undefined) return;
      assertInstanceOf(error, EventLogError);
      assertEquals(error.kind, "io");
    }, { before: (root) => void writeRun(root, numberedLines(3) + '{"n"') });
    assert(faults > 5, name);
  }
});

Deno.test("a write that fails and cannot be cut back either is told, and mended by the next append", () =>
  withTempDir(async (root) => {
    const port = new FaultPort();
    await using log = await openOnPort<AnyEvent>(port, run(root));
    await log.append({ n: 1 });
    port.reset();
    port.shortWriteAt(1, 10);
    port.failAt(1, { only: ["truncateSync"], error: new Error("no cut either") });
    const failing = () => log.appendAll(numbered(3, 2));
    const error = await assertRejects(failing, EventLogError, "could not be cut back");
    const { cause } = error;
    assertInstanceOf(cause, AggregateError);
    assertEquals(cause.errors.length, 2);
    assertEquals(readText(pathOf(root)), '{"n":1}\n{"n":2}\n{"');
    assertEquals((await log.append({ n: 9 })).firstSeq, 3);
    assertEquals(readText(pathOf(root)), '{"n":1}\n{"n":2}\n{"n":9}\n');
    assertEquals(readText(pathOf(root, "events.jsonl.torn-1")), '{"');
    assertEquals(log.recovery.tornFile, pathOf(root, "events.jsonl.torn-1"));
  }));

Deno.test("a disk that stays full rejects every append with its cause, and the log is whole", () =>
  withTempDir(async (root) => {
    const port = new FaultPort();
    await using log = await openOnPort<AnyEvent>(port, run(root));
    await log.appendAll(numbered(3));
    port.shortWriteAt(1, 3, { thenFail: true });
    for (let n = 4; n < 8; n++) {
      assertEquals((await assertRejects(() => log.append({ n }), EventLogError)).kind, "io");
      assertEquals(readText(pathOf(root)), numberedLines(3));
    }
    port.reset();
    assertEquals(await log.append({ n: 4 }, { expectedLastSeq: 3 }), { firstSeq: 4, lastSeq: 4 });
    assertEquals(readText(pathOf(root)), numberedLines(4));
  }));

Deno.test("a failed sync rejects who waits behind it too, and closing still works", () =>
  withTempDir(async (root) => {
    const port = new FaultPort();
    const log = await openOnPort<AnyEvent>(port, { ...run(root), durability: "disk" });
    port.reset();
    port.failAt(1, { only: ["syncData"] });
    const first = log.append({ n: 1 });
    while (port.count("syncData") === 0) await Promise.resolve();
    const outcomes = await Promise.allSettled([first, log.append({ n: 2 }), log.sync()]);
    assertEquals(outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason.kind), [
      "sync",
      "sync",
      "sync",
    ]);
    for (const call of [() => log.appendSync({ n: 3 }), () => log.syncSync()]) {
      assertEquals((await assertRejects(() => Promise.try(call), EventLogError)).kind, "sync");
    }
    await log.close();
    assertEquals(port.openCount, 0);
    assertEquals((await assertRejects(() => log.append({}), EventLogError)).kind, "closed");
    await using again = await openOnPort<AnyEvent>(port, run(root));
    await again.append({ n: 4 });
  }));
