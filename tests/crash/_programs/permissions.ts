/**
 * Uses every function that `eventlog/mod.ts` exports, with whatever permissions it was given.
 *
 * Usage: permissions.ts ROOT RUN_ID
 */
import * as eventlog from "../../../eventlog/mod.ts";
import { tryAll, type Uses } from "./_permissions.ts";

const [root = "", runId = ""] = Deno.args;

interface Event {
  n: number;
}

async function useLog(log: eventlog.FileEventLog<Event>): Promise<void> {
  const { lastSeq } = await log.append({ n: 1 });
  log.appendSync({ n: 2 }, { durability: "disk" });
  await log.appendAll([{ n: 3 }, { n: 4 }], { durability: "disk", expectedLastSeq: lastSeq + 1 });
  log.appendAllSync([{ n: 5 }]);
  await log.sync();
  log.syncSync();
  const { next } = await log.read({ limit: 2 });
  await log.read({ after: next });
  await log.lastSeq();
  for await (const _ of log.follow({ after: 1 })) break;
  const aborting = new AbortController();
  const waiting = log.follow({ after: "end", signal: aborting.signal }).next();
  aborting.abort();
  await waiting;
  await log.close();
}

/** What must go well with the permission to read alone. */
const readers: Uses = {
  async readRun() {
    let next: string | undefined;
    for await (const page of eventlog.readRun<Event>(root, runId)) next = page.next;
    for await (const _ of eventlog.readRun<Event>(root, runId, { after: next! }));
  },
  readRunSync: () => [...eventlog.readRunSync<Event>(root, runId, { strict: true, after: 1 })],
  async followRun() {
    for await (const _ of eventlog.followRun<Event>(root, runId)) break;
    // At the end of the log, where it has to watch the file.
    const aborting = new AbortController();
    const options = { after: "end", signal: aborting.signal } as const;
    const waiting = eventlog.followRun<Event>(root, runId, options).next();
    setTimeout(() => aborting.abort());
    await waiting;
  },
  peekRun: () => eventlog.peekRun(root, runId),
  viewRun: () => eventlog.viewRun(root, runId).read(),
  listRuns: () => eventlog.listRuns(root),
  runExists: () => eventlog.runExists(root, runId),
  isLive: () => eventlog.isLive(root, runId),
  verifyRun: () => eventlog.verifyRun(root, runId),
  verifyLog: () => eventlog.verifyLog(runId, eventlog.viewRun(root, runId)),
  async sweepRemovedRuns() {
    // It writes only where something was left.
    await Deno.mkdir(`${root}/runs/.removed-1`).catch(() => {});
    await eventlog.sweepRemovedRuns(root);
  },
  deriveRunState: () => eventlog.deriveRunState([], { live: false }),
  RunFold: () => new eventlog.RunFold().take({ type: "x", id: "", ts: "", run_id: "" }),
  attemptChange: () => eventlog.attemptChange({ type: "x", id: "", ts: "", run_id: "" }),
  isKnownRunEvent: () => eventlog.isKnownRunEvent({ type: "x", id: "", ts: "", run_id: "" }),
  newEventId: () => eventlog.newEventId(),
  EventLogError: () => new eventlog.EventLogError("io", "made", { details: { path: root } }),
  TaffrailError: () => eventlog.TaffrailError.name,
  FileEventLog: () => eventlog.FileEventLog.name,
};

/** What needs to write. */
const writers: Uses = {
  openEventLog: async () => await useLog(await eventlog.openEventLog<Event>({ root, runId })),
  openEventLogSync: async () => await useLog(eventlog.openEventLogSync<Event>({ root, runId })),
  newRunId: () => eventlog.newRunId({ root, name: "made" }),
  async repairRun() {
    await Deno.writeTextFile(`${root}/runs/${runId}/events.jsonl`, "{", { append: true });
    const { tornFile } = await eventlog.repairRun(root, runId);
    if (tornFile === undefined) throw new Error("Nothing was mended");
  },
  async removeRun() {
    const another = `${runId}-2`;
    await eventlog.openEventLog({ root, runId: another }).then((log) => log.close(), () => {});
    const isThere = await eventlog.runExists(root, another);
    await eventlog.removeRun(root, isThere ? another : runId);
  },
  probeLock: () => eventlog.probeLock(root),
};

await tryAll(eventlog, { readers, writers });
