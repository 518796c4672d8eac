import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { denoFilePort, type FilePort } from "../../_internal/file_port.ts";
import { verifyStoreOnPort } from "../../store/check/verify_store.ts";
import { type StoreProblem, verifyStore, WorkerRuntime } from "../../store/mod.ts";
import { namesIn, readBytes, write } from "../_util/files.ts";
import { withMemoryDir, withTempDir } from "../_util/temp.ts";
import { damagesOfGolden, goldenPath, type Told, toldOf, writeGoldenStore } from "./_damages.ts";
import { openRuntime, pathOf, performAll, workerPathOf } from "./_runtime.ts";
import { createPlain, input, plainRequest } from "./_scenes.ts";
import { copyTree, makeDirectory, treeOf } from "./_tree.ts";

function sorted(told: readonly Told[]): string[] {
  return told.map((one) => JSON.stringify(one)).sort();
}

/** Everything a person or program can do with a problem is there. */
function assertTelling(root: string, problems: readonly StoreProblem[]): void {
  for (const { runtime, path, message, line, byteOffset } of problems) {
    assert(path.startsWith(root), path);
    assert(message.length > 5, message);
    assert(runtime === "rt-1" || !path.includes("/id-72"), runtime);
    if (path.endsWith(".jsonl")) {
      assertEquals(line === undefined, byteOffset === undefined, message);
    }
  }
}

for (const [name, damage] of Object.entries(damagesOfGolden)) {
  Deno.test(`verifyStore() finds ${name}, and changes nothing`, () =>
    withTempDir(async (root) => {
      writeGoldenStore(root);
      damage.make((name) => goldenPath(root, name));
      const before = treeOf(root);
      const { ok, problems, runtimes } = await verifyStore(root);
      assertEquals(treeOf(root), before);
      const told = problems.map((problem) => toldOf(root, problem));
      assertEquals(
        sorted(told),
        sorted(damage.found),
        problems.map(({ message }) => message).join("\n"),
      );
      assertEquals(ok, damage.found.length === 0);
      assertEquals(runtimes.map(({ runtime }) => runtime), ["rt-1"]);
      assertTelling(root, problems);
    }));
}

Deno.test("verifyStore() counts what there is", () =>
  withTempDir(async (root) => {
    assertEquals(await verifyStore(root), { ok: true, runtimes: [], problems: [] });
    writeGoldenStore(root);
    makeDirectory(`${root}/runtimes/id-78/workers`);
    const { ok, runtimes } = await verifyStore(root);
    assertEquals(ok, true);
    assertEquals(runtimes, [
      { runtime: "rt-1", path: goldenPath(root), state: "clean", events: 5, workers: 2 },
      { runtime: "x", path: `${root}/runtimes/id-78`, state: "empty", events: 0, workers: 0 },
    ]);
    const one = await verifyStore(root, { runtimeId: "x" });
    assertEquals(one.runtimes.map(({ runtime }) => runtime), ["x"]);
    const others = await verifyStore(root, { except: new Set(["x"]) });
    assertEquals(others.runtimes.map(({ runtime }) => runtime), ["rt-1"]);
    assertEquals((await verifyStore(root, { runtimeId: "y" })).runtimes, []);
    assertEquals((await verifyStore(root, { runtimeId: "y".repeat(128) })).runtimes, []);
    const port: FilePort = {
      ...denoFilePort,
      readDirSync(path) {
        assertNotEquals(path, `${root}/runtimes`, "one runtime costs no listing of all");
        return denoFilePort.readDirSync(path);
      },
    };
    assertEquals(await verifyStoreOnPort(port, root, { runtimeId: "x" }), one);
  }));

Deno.test("verifyStore() stops by its signal", () =>
  withTempDir(async (root) => {
    writeGoldenStore(root);
    const reason = new Error("enough");
    const error = await verifyStore(root, { signal: AbortSignal.abort(reason) })
      .then(() => undefined, (error) => error);
    assertEquals(error, reason);
  }));

Deno.test("verifyStore() finds nothing wrong in a runtime that was not closed", () =>
  withTempDir(async (root) => {
    const runtime = await WorkerRuntime.open({ root, runtimeId: "rt-1" });
    const { worker_ref } = await runtime.createWorker(plainRequest);
    await runtime.sendInput(worker_ref, { kind: "user", content: "one" });
    const before = treeOf(root);
    const open = await verifyStore(root);
    assertEquals(treeOf(root), before);
    assertEquals(open.problems, []);
    assertEquals(open.runtimes.map(({ state, events, workers }) => [state, events, workers]), [
      ["journaled", 3, 1],
    ]);
    await runtime.close();
    const closed = await verifyStore(root);
    assertEquals([closed.ok, closed.runtimes[0]?.state], [true, "clean"]);
  }));

Deno.test("verifyStore() raises no alarm beside an owner who works and makes checkpoints", () =>
  withTempDir(async (root) => {
    const runtime = await WorkerRuntime.open({ root, runtimeId: "rt-1" });
    let isOver = false;
    const work = async () => {
      for (let round = 0; !isOver; round++) {
        const { worker_ref } = await runtime.createWorker(plainRequest);
        const content = "x".repeat(200_000);
        for (let n = 0; n < 5; n++) await runtime.sendInput(worker_ref, { kind: "user", content });
        await runtime.stopWorker(worker_ref);
      }
    };
    const working = work();
    for (let round = 0; round < 25; round++) {
      const { problems } = await verifyStore(root);
      assertEquals(problems, []);
    }
    isOver = true;
    await working;
    await runtime.close();
    assertEquals((await verifyStore(root)).problems, []);
  }));

Deno.test("verifyStore() finds damage in an acknowledged part of a journal", () =>
  withTempDir(async (root) => {
    const path = await writeJournaledStore(root);
    const bytes = readBytes(path);
    const secondLine = bytes.indexOf(10) + 1;
    bytes[secondLine + 40]! ^= 1;
    write(path, bytes);
    const { problems } = await verifyStore(root);
    assertEquals(problems.map(({ kind, line, byteOffset }) => [kind, line, byteOffset]), [
      ["journal", 2, secondLine],
    ]);
  }));

/** A runtime whose owner was killed; the path of its journal. */
async function writeJournaledStore(root: string): Promise<string> {
  await withTempDir(async (elsewhere) => {
    const runtime = await WorkerRuntime.open({ root: elsewhere, runtimeId: "rt-1" });
    const { worker_ref } = await runtime.createWorker(plainRequest);
    await runtime.sendInput(worker_ref, { kind: "user", content: "one" });
    await runtime.sendInput(worker_ref, { kind: "user", content: "two" });
    copyTree(elsewhere, root);
    await runtime.close();
  });
  const name = namesIn(goldenPath(root)).find((name) => name.startsWith("journal-"))!;
  return goldenPath(root, name);
}

for (
  const [log, from, to] of [
    ["events.jsonl", '"id":4', '"id":6'],
    ["events.jsonl", '"id":4', '"id":0'],
    [
      "events.jsonl",
      '"id":7',
      '"id":77',
    ],
    ["transcript.jsonl", '"sequence":2', '"sequence":9'],
    [
      "transcript.jsonl",
      '"sequence":1',
      '"sequence":3',
    ],
  ] as const
) {
  Deno.test(`verifyStore() has one word for ${from} that became ${to} inside of ${log}`, () =>
    withMemoryDir(async (root) => {
      const runtime = await openRuntime(root);
      const scene = [createPlain, ...Array.from({ length: 8 }, (_, n) => input(1, `text ${n}`))];
      await performAll(runtime, scene);
      await runtime.close();
      const path = log === "events.jsonl"
        ? pathOf(root, log)
        : workerPathOf(root, "worker-00000001", log);
      await Deno.writeTextFile(path, (await Deno.readTextFile(path)).replace(from, to));
      const { problems, runtimes } = await verifyStore(root);
      assertEquals(problems.map(({ kind, path }) => [kind, path]), [["order", path]]);
      assertEquals([runtimes[0]!.events, problems[0]!.repairable], [10, false]);
    }));
}
