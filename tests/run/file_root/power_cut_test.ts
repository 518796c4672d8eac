import { assert, assertEquals } from "@std/assert";
import { basename } from "../../../_internal/path.ts";
import { runPaths } from "../../../_internal/root_layout.ts";
import { readRun } from "../../../eventlog/mod.ts";
import { openFileRoot } from "../../../run/mod.ts";
import { openRootOnPort } from "../../../run/file_root/file_root.ts";
import type { HeldRun } from "../../../run/types.ts";
import { everyCut } from "../../_util/every_cut.ts";
import { FaultPort } from "../../_util/fault_port.ts";
import { namesIn } from "../../_util/files.ts";
import { withMemoryDir, withTempDir } from "../../_util/temp.ts";

const ABOUT = { name: "demo" };
const OUT = { nodeId: "Build", attempt: 1, stream: "out" } as const;

/** What a run of the command writes, up to its end. */
async function record(held: HeldRun, acknowledged: string[]): Promise<void> {
  const { runId } = held.view;
  await held.putDocument("flow.json", new TextEncoder().encode('{"flow":1}'));
  acknowledged.push("flow");
  for (const n of [1, 2]) {
    await held.append({ capture: [`{"n":${n}}`] });
    await held.barrier({ of: ["capture"] });
    acknowledged.push(`capture ${n}`);
    await held.append({ events: [JSON.stringify({ run_id: runId, n })] });
  }
  const sink = held.openOutput(OUT, { maxBytes: 100 });
  sink.write(new TextEncoder().encode("printed\n"), 1000);
  await sink.close({ sync: true });
  acknowledged.push("output");
  await Promise.all([held.barrier(), held.putDocument("capture.json", new Uint8Array([1]))]);
  acknowledged.push("events", "bundle");
  await held[Symbol.asyncDispose]();
}

Deno.test("what was behind a barrier is there after a power cut at any operation, and can be gone on with", async () => {
  const { cuts } = await everyCut(
    async (port, path, acknowledged) => {
      const root = openRootOnPort(port, path);
      await record(await root.create({ about: ABOUT, runId: "demo-1" }), acknowledged);
    },
    async (path, { acknowledged }) => {
      const root = openFileRoot(path);
      const has = (what: string) => acknowledged.includes(what);
      const { runs } = await root.list();
      if (runs.length === 0) return assertEquals(acknowledged, []);
      await using held = await root.hold("demo-1");
      const { view } = held;
      const numbers = (await view.lines("capture")).events.map(({ event }) => event);
      const promised = [1, 2].filter((n) => has(`capture ${n}`)).map((n) => ({ n }));
      assertEquals(numbers.slice(0, promised.length), promised);
      const flow = await view.document("flow.json");
      assert(flow === undefined ? !has("flow") : new TextDecoder().decode(flow) === '{"flow":1}');
      const output = await view.output(OUT);
      if (has("output")) assertEquals(new TextDecoder().decode(output), "printed\n");
      if (has("events")) assertEquals(await view.events.lastSeq(), 2);
      if (has("bundle")) assertEquals(await view.document("capture.json"), new Uint8Array([1]));
      await held.append({ capture: ['{"n":3}'] });
      await held.barrier();
      assertEquals((await view.lines("capture")).events.at(-1)?.event, { n: 3 });
    },
  );
  assert(cuts > 30, `only ${cuts} cuts`);
});

Deno.test("a run that is begun in a new root is there as soon as something of it is on disk", async () => {
  await everyCut(
    async (port, path, acknowledged) => {
      const held = await openRootOnPort(port, `${path}/root`).create({ about: ABOUT });
      await held.append({ capture: ['{"n":1}'] });
      await held.barrier({ of: ["capture"] });
      acknowledged.push(held.view.runId);
      await held[Symbol.asyncDispose]();
    },
    async (path, { acknowledged: [runId] }) => {
      if (runId === undefined) return;
      const { events } = await openFileRoot(`${path}/root`).view(runId).lines("capture");
      assertEquals(events, [{ seq: 1, event: { n: 1 } }]);
    },
    { before: (root) => Deno.mkdirSync(`${root}/root`) },
  );
});

Deno.test("a message is on disk when its sender is answered", async () => {
  await everyCut(
    async (port, path, acknowledged) => {
      await openRootOnPort(port, path).post("demo-1", { op: "1", gate: "ask" });
      acknowledged.push("1");
    },
    async (path, { acknowledged }) => {
      const { events } = await openFileRoot(path).view("demo-1").lines("inbox");
      if (acknowledged.length > 0) assertEquals(events.map(({ seq }) => seq), [1]);
    },
    {
      before: async (path) => {
        const held = await openFileRoot(path).create({ about: ABOUT, runId: "demo-1" });
        await held[Symbol.asyncDispose]();
      },
    },
  );
});

Deno.test("a message for a run that has only just been made is not lost with that", async () => {
  await everyCut(
    async (port, path, acknowledged) => {
      await using root = openRootOnPort(port, path);
      await using _held = await root.create({ about: ABOUT, runId: "demo-1" });
      await root.post("demo-1", { op: "1", gate: "ask" });
      acknowledged.push("1");
    },
    async (path, { acknowledged }) => {
      if (acknowledged.length === 0) return;
      const { events } = await openFileRoot(path).view("demo-1").lines("inbox");
      assertEquals(events.map(({ seq }) => seq), [1]);
    },
  );
});

Deno.test("a key that somebody has got is never another one after a power cut", async () => {
  await everyCut(
    async (port, path, acknowledged) => {
      acknowledged.push((await openRootOnPort(port, path).digestKey()).id);
    },
    async (path, { acknowledged: [id] }) => {
      const root = openFileRoot(path);
      const key = await root.digestKey();
      if (id !== undefined) assertEquals(key.id, id);
      assertEquals(await root.digestKey(), key);
    },
  );
});

/** The syncs that a port has seen, of files and folders. */
function countSyncs(port: FaultPort): number {
  const names = ["sync", "syncSync", "syncData", "syncDataSync"] as const;
  return names.reduce((sum, name) => sum + port.count(name), 0);
}

Deno.test("a run in an existing root costs ten syncs at most, and without output and documents five", () =>
  withMemoryDir(async (path) => {
    const first = await openFileRoot(path).create({ about: ABOUT });
    await first[Symbol.asyncDispose]();

    const port = new FaultPort();
    const held = await openRootOnPort(port, path).create({ about: ABOUT });
    assertEquals(countSyncs(port), 1, "run.json alone");
    await held.append({ capture: ['{"n":1}'] });
    await held.barrier({ of: ["capture"] });
    assertEquals(
      countSyncs(port),
      4,
      "and the journal, the run's folder and the folder of the runs",
    );
    await held[Symbol.asyncDispose]();
    assertEquals(countSyncs(port), 4);

    const whole = new FaultPort();
    const other = await openRootOnPort(whole, path).create({ about: ABOUT });
    await other.putDocument("flow.json", new Uint8Array(3));
    await other.append({ capture: ['{"n":1}'] });
    await other.barrier({ of: ["capture"] });
    await other.append({ events: ["{}"], capture: ['{"n":2}'], processes: ["{}"] });
    await Promise.all([
      other.barrier({ of: ["capture", "events"] }),
      other.putDocument("capture.json", new Uint8Array(3)),
    ]);
    await other[Symbol.asyncDispose]();
    assert(countSyncs(whole) <= 10, `${countSyncs(whole)} syncs`);
  }));

Deno.test("all who wait for outputs at the same time share the syncs of the folders", () =>
  withMemoryDir(async (path) => {
    const port = new FaultPort();
    const held = await openRootOnPort(port, path).create({ about: ABOUT });
    await held.barrier();
    const before = countSyncs(port);
    const sinks = Array.from({ length: 8 }, (_, n) => {
      const sink = held.openOutput({ nodeId: `n${n}`, attempt: 1, stream: "out" }, { maxBytes: 9 });
      sink.write(new Uint8Array([n]), 1000);
      return sink;
    });
    await Promise.all(sinks.map((sink) => sink.close({ sync: true })));
    // Each file, the folder of the outputs and that of the run, in which it is new.
    const count = countSyncs(port) - before;
    assert(count <= 8 + 4, `${count} syncs`);
    const silent = held.openOutput({ nodeId: "silent", attempt: 1, stream: "out" }, {
      maxBytes: 9,
    });
    const calls = countSyncs(port);
    await silent.close({ sync: true });
    assertEquals(countSyncs(port), calls);
    await held[Symbol.asyncDispose]();
  }));

Deno.test("a holder whose journal is replaced has lost the run, and says so at once", () =>
  withTempDir(async (path) => {
    const root = openFileRoot(path);
    const held = await root.create({ about: ABOUT });
    await held.append({ capture: ['{"n":1}'] });
    const { journal } = runPaths(path, held.view.runId);
    await Deno.rename(journal, `${journal}.moved`);
    await Deno.writeTextFile(journal, "");
    const error = await held.barrier({ of: ["capture"] }).then(() => undefined, (error) => error);
    assertEquals(error?.kind, "lost");
    assert(held.lost.aborted);
    assertEquals(held.lost.reason, error);
    const again = await held.append({ capture: ['{"n":2}'] }).catch((error) => error.kind);
    assertEquals(again, "lost");
    await Promise.resolve(held[Symbol.asyncDispose]()).catch(() => {});
    assertEquals(await Deno.readTextFile(`${journal}.lost-1`), '{"n":1}\n');
  }));

Deno.test("a barrier whose sync fails rejects, and so does every later one", () =>
  withMemoryDir(async (path) => {
    const port = new FaultPort();
    const held = await openRootOnPort(port, path).create({ about: ABOUT });
    await held.append({ capture: ['{"n":1}'] });
    port.failAt(1, { only: ["syncData", "syncDataSync"] });
    const kindOf = (call: () => Promise<void>) => call().then(() => "none", ({ kind }) => kind);
    const barrier = () => held.barrier({ of: ["capture"] });
    assertEquals(await Promise.all([kindOf(barrier), kindOf(barrier)]), ["sync", "sync"]);
    assertEquals(await kindOf(barrier), "sync");
    assertEquals(await kindOf(() => held.append({ capture: ['{"n":2}'] })), "sync");
    await held[Symbol.asyncDispose]();
  }));

Deno.test("a log that another program has begun can be held and appended to", () =>
  withTempDir(async (path) => {
    const { directory, events, journal } = runPaths(path, "their-run");
    await Deno.mkdir(directory, { recursive: true });
    await Deno.writeTextFile(events, '{"n":1}\n');
    await using held = await openFileRoot(path).hold("their-run");
    await held.append({ events: ['{"n":2}'] });
    await held.barrier();
    const pages = await Array.fromAsync(readRun<{ n: number }>(path, "their-run"));
    assertEquals(pages.flatMap(({ events }) => events.map(({ event }) => event.n)), [1, 2]);
    assertEquals(namesIn(directory).includes(basename(journal)), false);
  }));
