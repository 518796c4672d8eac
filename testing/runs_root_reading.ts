/** The rules of what is told of runs to whoever looks at many, or only at a part of one. */
import { assert, assertEquals } from "@std/assert";
import type { HeldRun, ListingField, RunsRoot } from "../run/types.ts";
import { eventText, kindOf, type RootCheck, type RootUse } from "./runs_root_use.ts";

const ABOUT = { name: "demo" };
const IDS = ["demo-1", "demo-2", "demo-3"];

function lifeText(runId: string, n: number, type: "pipe.started" | "pipe.completed"): string {
  return JSON.stringify({ ...JSON.parse(eventText(runId, n)), type, pipe: "demo" });
}

/** Makes a run that nobody holds. */
async function make(root: RunsRoot, runId: string, fill?: (held: HeldRun) => Promise<void>) {
  await using held = await root.create({ about: ABOUT, runId });
  await fill?.(held);
}

/** The members of what a list tells of one run, but for its id. */
async function told(root: RunsRoot, runId: string, fields: readonly ListingField[]) {
  const { runs } = await root.list({ runIds: [runId], fields });
  return Object.keys(runs[0]!).filter((name) => name !== "runId");
}

async function tellsOfChosenRuns({ open }: RootUse): Promise<void> {
  await using root = await open();
  for (const runId of IDS) await make(root, runId);
  const runIds = ["demo-3", "demo-0", "demo-1", "demo-3"];
  const ids = async (options: Parameters<RunsRoot["list"]>[0]) => {
    return (await root.list({ runIds, fields: [], ...options })).runs.map(({ runId }) => runId);
  };
  assertEquals(await ids({}), ["demo-1", "demo-3"]);
  assertEquals(await ids({ newestFirst: true }), ["demo-3", "demo-1"]);
  assertEquals(await ids({ prefix: "demo-3" }), ["demo-3"]);
  assertEquals(await ids({ after: "demo-1" }), ["demo-3"]);
  assertEquals(await ids({ runIds: [] }), []);
  const { runs: [first], next } = await root.list({ runIds, limit: 1 });
  assertEquals([first?.runId, next], ["demo-1", "demo-1"]);
}

async function tellsWhatIsAskedFor({ open }: RootUse): Promise<void> {
  await using root = await open();
  const [runId = ""] = IDS;
  const events = [1, 2, 3].map((n) => eventText(runId, n));
  await using held = await root.create({ about: ABOUT, runId });
  await held.append({ events });
  const { runs: [listing] } = await root.list({ fields: ["created", "holder", "ends"] });
  assert(listing?.createdAt !== undefined && listing.holder !== undefined);
  assertEquals(
    [listing.first, listing.last],
    [events[0], events[2]].map((text) => JSON.parse(text!)),
  );
  const { runs: [sized] } = await root.list({ fields: ["peek", "size"] });
  assertEquals(sized?.size, await held.view.size());
  assertEquals(sized?.peek, await held.view.peek());
  assertEquals(sized?.peek?.events.length, 3);
  for (
    const [field, member] of [["holder", "holder"], ["peek", "peek"], ["size", "size"]] as const
  ) {
    assert((await told(root, runId, [field])).includes(member), field);
  }
}

async function knowsTheLastLine({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  const { view } = held;
  assertEquals(await view.lastLine("capture"), undefined);
  await held.append({ capture: ['{"n":1}', `{"n":2,"text":"${"é".repeat(2000)}"}`] });
  assertEquals(await view.lastLine("capture"), { n: 2, text: "é".repeat(2000) });
  assertEquals(await view.lastLine("processes"), undefined);
  await root.post(view.runId, { op: "1", gate: "ask" });
  assertEquals(await view.lastLine("inbox"), { op: "1", gate: "ask" });
  assertEquals(await kindOf(() => root.view("demo-0").lastLine("capture")), "missing");
}

async function knowsItsDocuments({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  const { view } = held;
  const has = () => Promise.all([view.has("run.json"), view.has("flow.json")]);
  assertEquals(await has(), [true, false]);
  await held.putDocument("flow.json", Uint8Array.of(1));
  assertEquals(await has(), [true, true]);
  await held.putDocument("flow.json", undefined);
  assertEquals(await has(), [true, false]);
  assertEquals(await kindOf(() => root.view("demo-0").has("run.json")), "missing");
}

/** The seqs of what is followed to the end of a run. */
async function followedIn(root: RunsRoot, runId: string, after = 0): Promise<number[]> {
  const seqs: number[] = [];
  for await (const { seq } of root.view(runId).events.follow({ after, untilEnd: true })) {
    seqs.push(seq);
  }
  return seqs;
}

async function isFollowedToItsEnd({ open }: RootUse): Promise<void> {
  await using root = await open();
  const [left = "", ended = ""] = IDS;
  // Nobody holds it, and it has no end.
  await make(root, left, (held) => held.append({ events: [lifeText(left, 1, "pipe.started")] }));
  assertEquals(await followedIn(root, left), [1]);
  assertEquals(await followedIn(root, left, 1), []);
  await using held = await root.create({ about: ABOUT, runId: ended });
  const following = followedIn(root, ended);
  const begun = [lifeText(ended, 1, "pipe.started"), lifeText(ended, 2, "pipe.completed")];
  // What is gone on with has no end yet.
  await held.append({ events: [...begun, lifeText(ended, 3, "pipe.started")] });
  await held.append({ events: [lifeText(ended, 4, "pipe.completed")] });
  assertEquals(await following, [1, 2, 3, 4]);
}

/** The rules, each with its name. */
export const readingRules: readonly (readonly [name: string, check: RootCheck])[] = [
  ["a list tells of the runs that are chosen, as far as they are there", tellsOfChosenRuns],
  ["a list tells of a run what is asked for", tellsWhatIsAskedFor],
  ["the last line of a stream is known, and that there is none", knowsTheLastLine],
  ["it is known which documents a run has", knowsItsDocuments],
  ["a run is followed to its end, or until nobody holds it", isFollowedToItsEnd],
];
