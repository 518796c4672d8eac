import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { FilePort } from "../../_internal/file_port.ts";
import { verifyStoreOnPort } from "../../store/check/verify_store.ts";
import { repairStore, RuntimeStoreError, verifyStore } from "../../store/mod.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { namesIn, readBytes, write } from "../_util/files.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { longCount, withMemoryDir } from "../_util/temp.ts";
import type { RuntimeModel } from "./_model.ts";
import {
  assertClean,
  KillableRuntime,
  look,
  newModel,
  openRuntime,
  openStore,
  pathOf,
  performBoth,
  seenIn,
  workerRef,
} from "./_runtime.ts";
import { createFull, createPlain, input, storeBundle } from "./_scenes.ts";
import { copyTree } from "./_tree.ts";

/** Journals that a killed owner left, and of which something was damaged since (W-FRS-3, W-FRS-13). */

/** Where the one journal is. */
function journalOf(root: string): string {
  const names = namesIn(pathOf(root)).filter((name) => /^journal-\d+\.jsonl$/.test(name));
  assertEquals(names.length, 1);
  return pathOf(root, names[0]);
}

/** Where the lines of a journal begin, and where the last one ends. */
function lineStarts(bytes: Uint8Array): number[] {
  const starts = [0];
  for (const [index, byte] of bytes.entries()) if (byte === 10) starts.push(index + 1);
  return starts;
}

function flip(path: string, offset: number): void {
  const bytes = readBytes(path);
  bytes[offset]! ^= 1;
  write(path, bytes);
}

/** A runtime that was killed behind these mutations; the last ones shared a write. */
async function kill(root: string, { group = 1 } = {}): Promise<RuntimeModel> {
  const open = await KillableRuntime.open(root, 1000);
  const model = newModel();
  for (const operation of [storeBundle, createFull, createPlain, input(1, "first")]) {
    await performBoth(open.runtime, model, operation);
  }
  const last = Array.from({ length: group }, (_, index) => input(2, `m${index}`));
  await Promise.all(last.map((operation) => performBoth(open.runtime, model, operation)));
  open.kill();
  return model;
}

/** Everybody says which line was damaged, and nobody writes anything. */
async function assertDamaged(root: string, path: string, line: number): Promise<void> {
  const { ok, problems } = await verifyStore(root);
  assertEquals([ok, problems.map(({ kind, line }) => [kind, line])], [false, [["journal", line]]]);
  assertStringIncludes(problems[0]!.message, "an acknowledged mutation is damaged");
  for (const open of [() => openRuntime(root), () => openStore(root)]) {
    const error = await assertRejects(open, RuntimeStoreError);
    assertEquals([error.kind, error.details.path, error.details.line], [
      "store-corrupt",
      path,
      line,
    ]);
    assertStringIncludes(error.message, `line ${line}: an acknowledged mutation is damaged`);
  }
}

for (const group of [1, 6]) {
  Deno.test(`damage to an acknowledged line among the last ${group} is told, and repairing loses no entry`, () =>
    withMemoryDir(async (root) => {
      const model = await kill(root, { group });
      const path = journalOf(root);
      const whole = readBytes(path);
      const starts = lineStarts(whole);
      const end = starts.at(-1)!;
      const [from] = starts.slice(-1 - group);
      for (let offset = from!; offset < end; offset += longCount(97, 1)) {
        await withMemoryDir(async (copy) => {
          copyTree(root, copy);
          const damaged = journalOf(copy);
          flip(damaged, offset);
          await assertDamaged(copy, damaged, starts.findLastIndex((start) => start <= offset) + 1);
          if (offset > from!) return;
          const { actions } = await repairStore(copy);
          assertEquals(actions[0]?.action, "cut-journal");
          await assertClean(copy);
          const runtime = await openRuntime(copy);
          const seen = await look(runtime);
          assertEquals([seen.events, seen.transcripts], [
            seenIn(model).events,
            seenIn(model).transcripts,
          ]);
          await runtime.close();
        });
      }
    }));
}

Deno.test("damage to the only mutation of a journal is told", () =>
  withMemoryDir(async (root) => {
    const closed = await openRuntime(root);
    await performBoth(closed, newModel(), createPlain);
    await closed.close();
    const open = await KillableRuntime.open(root, 1000);
    await open.runtime.sendInput(workerRef(1), { kind: "user", content: "last" });
    open.kill();
    const path = journalOf(root);
    flip(path, lineStarts(readBytes(path))[1]! + 50);
    await assertDamaged(root, path, 2);
  }));

Deno.test("damage to the mutation that began a runtime is told", () =>
  withMemoryDir(async (root) => {
    const open = await KillableRuntime.open(root, 1000);
    open.kill();
    const path = journalOf(root);
    flip(path, lineStarts(readBytes(path))[1]! + 50);
    await assertDamaged(root, path, 2);
  }));

Deno.test("a line that was never acknowledged may be torn anywhere, and nobody says a word", () =>
  withMemoryDir(async (root) => {
    const model = await kill(root);
    const whole = readBytes(journalOf(root));
    const starts = lineStarts(whole);
    const [start, end] = [starts.at(-2)!, starts.at(-1)!];
    // What is not acknowledged looks like the last line, and has left nothing in the logs.
    const next = whole.slice(start, end);
    for (let length = 1; length <= next.length; length += longCount(41, 1)) {
      await withMemoryDir(async (copy) => {
        copyTree(root, copy);
        const bytes = whole.slice();
        bytes.set(next.subarray(0, length), end);
        write(journalOf(copy), bytes);
        await assertClean(copy);
        await using store = await openStore(copy);
        assertEquals([store.problems, await look(store)], [[], seenIn(model)]);
        const runtime = await openRuntime(copy);
        assertEquals([runtime.problems, await look(runtime)], [[], seenIn(model)]);
        await runtime.close();
      });
    }
  }));

Deno.test("what an owner goes on from is on disk before it is in the logs", () =>
  withMemoryDir(async (root) => {
    await kill(root);
    const path = journalOf(root);
    const port = new FaultPort();
    const runtime = await openRuntime(root, { port });
    await runtime.close();
    const calls = port.calls.map(({ name, path: at }) => [name, at?.slice(pathOf(root).length)]);
    const name = path.slice(pathOf(root).length);
    const synced = calls.findIndex(([call, at]) => call === "syncDataSync" && at === name);
    const written = calls.findIndex(([call, at]) => call === "writeSync" && at === "/events.jsonl");
    assertEquals(synced !== -1 && synced < written, true);
  }));

/** Shows the files whose names match with other bytes, as long as there are any. */
function showing(pattern: RegExp, contents: Uint8Array[]): FilePort {
  const openSync: FilePort["openSync"] = (path, options) => {
    const file = hastyFilePort.openSync(path, options);
    const bytes = pattern.test(path) ? contents.shift() : undefined;
    if (bytes === undefined) return file;
    let position = 0;
    return {
      ...file,
      seekSync: (offset, whence) =>
        position = whence === Deno.SeekMode.End ? bytes.length + offset : offset,
      readSync: (buffer) => {
        const part = bytes.subarray(position, position + buffer.length);
        buffer.set(part);
        position += part.length;
        return part.length === 0 ? null : part.length;
      },
      statSync: () => file.statSync(),
      close: () => file.close(),
    };
  };
  return { ...hastyFilePort, openSync };
}

Deno.test("a reader who is stopped between two pages while others are written reads once more", () =>
  withMemoryDir(async (root) => {
    const runtime = await openRuntime(root);
    const model = newModel();
    const path = journalOf(root);
    await performBoth(runtime, model, createPlain);
    const before = readBytes(path);
    await performBoth(runtime, model, input(1, "A".repeat(5000)));
    await performBoth(runtime, model, input(1, "B"));
    const mixed = readBytes(path);
    // The pages that were read before the two inputs are old, those behind them are new.
    const pages = Math.ceil((lineStarts(before).at(-1)! + 1) / 4096);
    mixed.set(before.subarray(0, pages * 4096));
    for (const times of [1, 2]) {
      const contents = () => Array.from({ length: times }, () => mixed);
      await using store = await openStore(root, { port: showing(/journal-/, contents()) });
      assertEquals([store.problems, await look(store)], [[], seenIn(model)]);
      const verdict = await verifyStoreOnPort(showing(/journal-/, contents()), root);
      assertEquals(verdict.problems, []);
    }
    await runtime.close();
  }));

Deno.test("journals whose numbers have a gap are read as an owner reads them", () =>
  withMemoryDir(async (root) => {
    const model = await kill(root);
    const stray = pathOf(root, "journal-7.jsonl");
    write(stray, '{"format":1,"journal":7}\n');
    {
      await using store = await openStore(root);
      assertEquals([store.problems, await look(store)], [[], seenIn(model)]);
    }
    await assertClean(root);
    const runtime = await openRuntime(root);
    assertEquals([runtime.problems, await look(runtime)], [[], seenIn(model)]);
    await runtime.close();
    await assertClean(root);
  }));

Deno.test("damage to a journal's head is told, and repairing loses nothing", () =>
  withMemoryDir(async (root) => {
    const model = await kill(root);
    const path = journalOf(root);
    const whole = readBytes(path);
    const damages: [what: string, bytes: Uint8Array][] = [];
    for (const offset of [0, 2, '{"format":'.length, lineStarts(whole)[1]! - 1]) {
      const bytes = whole.slice();
      bytes[offset]! ^= 1;
      damages.push([`bit of byte ${offset}`, bytes]);
    }
    damages.push(["a newline", whole.with(5, 10)]);
    damages.push(["cut", whole.slice(7)]);
    for (const [what, bytes] of damages) {
      await withMemoryDir(async (copy) => {
        copyTree(root, copy);
        const damaged = journalOf(copy);
        write(damaged, bytes);
        const error = await assertRejects(() => openRuntime(copy), RuntimeStoreError, "head");
        assertEquals([error.kind, error.details.path, error.details.line], [
          "store-corrupt",
          damaged,
          1,
        ], what);
        const { ok, actions } = await repairStore(copy);
        assertEquals([ok, actions.map(({ action }) => action)], [true, ["mend-journal"]], what);
        assertEquals([readBytes(damaged), readBytes(actions[0]!.evidence!)], [whole, bytes]);
        await using store = await openStore(copy);
        assertEquals([store.problems, await look(store)], [[], seenIn(model)]);
        const runtime = await openRuntime(copy);
        assertEquals([runtime.problems, await look(runtime)], [[], seenIn(model)]);
        await runtime.close();
      });
    }
  }));
