/**
 * A killed owner's journal of which the end, or all, was lost since, while events and transcripts have
 * what it told: everybody says so, and repairing gets back what the logs have (W-FRS-3). Nobody was
 * killed inside of a write here, so all was acknowledged.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { repairStore, RuntimeStoreError, verifyStore } from "../../store/mod.ts";
import { namesIn, readBytes, write } from "../_util/files.ts";
import { withMemoryDir } from "../_util/temp.ts";
import type { Operation, RuntimeModel } from "./_model.ts";
import {
  assertClean,
  KillableRuntime,
  look,
  newModel,
  openRuntime,
  openStore,
  pathOf,
  performAll,
  performBoth,
  type Seen,
  seenIn,
} from "./_runtime.ts";
import {
  cancelSecond,
  createFull,
  createPlain,
  input,
  stopAll,
  stopFirst,
  storeBundle,
} from "./_scenes.ts";
import { copyTree } from "./_tree.ts";

/** What the snapshots have. */
const BEFORE: readonly Operation[] = [storeBundle, createFull, createPlain, input(1, "before")];

/** What only the journal and the logs have, by what comes last. */
const SCENES: Record<string, readonly Operation[]> = {
  "an input": [input(1, "a"), input(2, "b"), input(1, "c")],
  "a stop": [input(1, "a"), stopFirst],
  "a cancel": [input(2, "a"), cancelSecond],
  "the runtime's stop": [input(1, "a"), cancelSecond, stopAll],
  "inputs to one that ends": [input(2, "a"), input(2, "b"), cancelSecond, input(1, "c")],
};

interface Loss {
  /** What is done to the journal; `early` is what it was behind its first mutation. */
  lose: (path: string, journal: { lines: Uint8Array[]; size: number; early: Uint8Array }) => void;
  /** Whether even opening for reading fails. */
  found: "journal" | "counter";
}

function joined(lines: readonly Uint8Array[], size = 0): Uint8Array {
  const bytes = lines.flatMap((line) => [...line]);
  return Uint8Array.from({ length: Math.max(size, bytes.length) }, (_, at) => bytes[at] ?? 0);
}

function nuls(line: Uint8Array): Uint8Array {
  return new Uint8Array(line.length);
}

const LOSSES: Record<string, Loss> = {
  "NULs over the last line": {
    lose: (path, { lines, size }) =>
      write(path, joined([...lines.slice(0, -1), nuls(lines.at(-1)!)], size)),
    found: "journal",
  },
  "NULs over the newline of the last line": {
    lose: (path, { lines, size }) => {
      const bytes = joined(lines, size);
      bytes[joined(lines).length - 1] = 0;
      write(path, bytes);
    },
    found: "journal",
  },
  "NULs over all mutations": {
    lose: (path, { lines, size }) =>
      write(path, joined([lines[0]!, ...lines.slice(1).map(nuls)], size)),
    found: "journal",
  },
  "NULs over the whole file": {
    lose: (path, { size }) => write(path, new Uint8Array(size)),
    found: "journal",
  },
  "the last line removed": {
    lose: (path, { lines }) => write(path, joined(lines.slice(0, -1))),
    found: "journal",
  },
  "a line in the middle removed": {
    lose: (path, { lines, size }) => write(path, joined(lines.toSpliced(-2, 1), size)),
    found: "journal",
  },
  "a bit of the last line": {
    lose: (path, { lines, size }) => {
      const bytes = joined(lines, size);
      bytes[joined(lines).length - 20]! ^= 1;
      write(path, bytes);
    },
    found: "journal",
  },
  "truncated to 0": { lose: (path) => write(path, ""), found: "journal" },
  "an older copy of it": { lose: (path, { early }) => write(path, early), found: "journal" },
  "the file removed": { lose: (path) => Deno.removeSync(path), found: "counter" },
};

function journalOf(root: string): string {
  const [name] = namesIn(pathOf(root)).filter((name) => name.startsWith("journal-"));
  return pathOf(root, name);
}

/** A runtime that was killed behind these mutations. */
async function kill(
  root: string,
  operations: readonly Operation[],
): Promise<{ model: RuntimeModel; early: Uint8Array }> {
  const model = newModel();
  const closed = await openRuntime(root);
  for (const operation of BEFORE) await performBoth(closed, model, operation);
  await closed.close();
  const open = await KillableRuntime.open(root, 1000);
  let early: Uint8Array | undefined;
  for (const operation of operations) {
    await performBoth(open.runtime, model, operation);
    early ??= readBytes(journalOf(root));
  }
  open.kill();
  return { model, early: early! };
}

/** The lines of a journal with their newlines, without the NULs behind them. */
function linesOf(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let from = 0; bytes.indexOf(10, from) !== -1;) {
    const end = bytes.indexOf(10, from) + 1;
    lines.push(bytes.slice(from, end));
    from = end;
  }
  return lines;
}

/** Who only looks is told too, and nothing is written. */
async function assertTold(root: string, found: Loss["found"]): Promise<void> {
  const { ok, problems } = await verifyStore(root);
  const told = problems.find(({ kind }) => kind === found);
  assert(!ok && told?.repairable, JSON.stringify(problems));
  for (const open of [() => openRuntime(root), () => openStore(root)]) {
    const error = await assertRejects(open, RuntimeStoreError);
    assertEquals(error.kind, "store-corrupt");
    assert(error.remedy?.includes("repair"), error.message);
  }
}

/** What must be there but for the diagnostics, of which repairing makes one. */
function withoutDiagnostics(seen: Seen): Seen {
  return { ...seen, summary: seen.summary.replace(/"diagnostic_count":\d+/, "") };
}

for (const [what, operations] of Object.entries(SCENES)) {
  for (const [loss, { lose, found }] of Object.entries(LOSSES)) {
    Deno.test(`${what} that was acknowledged, and then ${loss}: told, and repaired from the logs`, () =>
      withMemoryDir(async (root) => {
        const { model, early } = await kill(root, operations);
        const path = journalOf(root);
        const whole = readBytes(path);
        lose(path, { lines: linesOf(whole), size: whole.length, early });
        await assertTold(root, found);
        const dry = await repairStore(root, { dryRun: true });
        assert(dry.actions.length > 0);
        const { ok, problems } = await repairStore(root);
        assertEquals([ok, problems], [true, []]);
        await assertClean(root);
        await using store = await openStore(root);
        const expected = withoutDiagnostics(seenIn(model));
        assertEquals(withoutDiagnostics(await look(store)), expected);
        const runtime = await openRuntime(root);
        assertEquals(runtime.problems, []);
        assertEquals(withoutDiagnostics(await look(runtime)), expected);
        await runtime.close();
        assertEquals((await repairStore(root)).actions, []);
      }));
  }
}

Deno.test("a worker whose making was lost with the journal is missed, and its number is not given out again", async () => {
  for (const { lose } of Object.values(LOSSES)) {
    await withMemoryDir(async (root) => {
      const { early } = await kill(root, [input(1, "a"), input(2, "b"), createPlain]);
      const path = journalOf(root);
      const whole = readBytes(path);
      lose(path, { lines: linesOf(whole), size: whole.length, early });
      assertEquals((await verifyStore(root)).ok, false);
      const { problems } = await repairStore(root);
      const kinds = new Set(problems.map(({ kind }) => kind));
      assertEquals(kinds, new Set(["lost"]), JSON.stringify(problems));
      const runtime = await openRuntime(root);
      assert(runtime.problems.length > 0);
      const { worker_id } = await runtime.createWorker({
        intent: { kind: "assistant" },
        profile: { kind: "runtime_default" },
      });
      assertEquals(worker_id, "worker-00000004");
      await runtime.close();
    });
  }
});

Deno.test("entries without their events tell of a lost mutation too", () =>
  withMemoryDir(async (root) => {
    await kill(root, [input(1, "a"), input(1, "b")]);
    const path = journalOf(root);
    write(path, joined(linesOf(readBytes(path)).slice(0, -1)));
    // A power cut has taken the event, which nobody had synced.
    const events = pathOf(root, "events.jsonl");
    write(events, joined(linesOf(readBytes(events)).slice(0, -1)));
    await assertTold(root, "journal");
    const { problems } = await repairStore(root);
    assertEquals(new Set(problems.map(({ kind }) => kind)), new Set(["lost", "dangling"]));
    const runtime = await openRuntime(root);
    const { items } = await runtime.readTranscript(
      { runtime_id: "rt-1", worker_id: "worker-00000001" },
      { start: 0, limit: 10 },
    );
    assertEquals(items.map(({ content }) => content), ["before", "a", "b"]);
    await runtime.close();
  }));

Deno.test("a last line of which nothing is anywhere else is a mutation that never happened", () =>
  withMemoryDir(async (root) => {
    const { model } = await kill(root, [input(1, "a")]);
    const path = journalOf(root);
    const whole = readBytes(path);
    const lines = linesOf(whole);
    // As it would stand there, cut anywhere, before its events are written.
    const next = new TextEncoder().encode(new TextDecoder().decode(lines[1]!).replace("0", "1"));
    for (const length of [1, 20, next.length - 1, next.length]) {
      await withMemoryDir(async (copy) => {
        copyTree(root, copy);
        write(journalOf(copy), joined([...lines, next.subarray(0, length)], whole.length));
        await assertClean(copy);
        const runtime = await openRuntime(copy);
        assertEquals([runtime.problems, await look(runtime)], [[], seenIn(model)]);
        await runtime.close();
      });
    }
  }));

Deno.test("a journal of another number is told from one that belongs there, and costs nothing", () =>
  withMemoryDir(async (root) => {
    const { model } = await kill(root, [input(1, "a"), input(2, "b")]);
    const path = journalOf(root);
    const other = pathOf(root, "journal-7.jsonl");
    const changes: (() => void)[] = [
      () => Deno.copyFileSync(path, other),
      () => Deno.renameSync(path, other),
      () => write(other, joined(linesOf(readBytes(path)).slice(0, 2))),
    ];
    for (const change of changes) {
      change();
      await assertTold(root, "journal");
      const { ok, actions } = await repairStore(root);
      assertEquals(ok, true, JSON.stringify(actions));
      await assertClean(root);
      await using store = await openStore(root);
      assertEquals(await look(store), seenIn(model));
      const source = namesIn(pathOf(root)).find((name) => name.startsWith("journal-"));
      if (source !== "journal-1.jsonl") {
        await Deno.rename(pathOf(root, source), path);
        write(
          path,
          new TextDecoder().decode(readBytes(path)).replace('"journal":7', '"journal":1'),
        );
      }
    }
  }));

Deno.test("a journal older than the snapshots is put aside, and changes nothing", () =>
  withMemoryDir(async (root) => {
    const { model } = await kill(root, [input(1, "a"), input(2, "b")]);
    const path = journalOf(root);
    const old = readBytes(path);
    const runtime = await openRuntime(root);
    const rest = [stopFirst, createPlain];
    for (const operation of rest) await performBoth(runtime, model, operation);
    await performAll(runtime, [input(2, "c")]);
    model.apply(input(2, "c"));
    await runtime.close();
    write(path, old);
    await assertTold(root, "journal");
    const { ok, actions } = await repairStore(root);
    assertEquals([ok, actions.map(({ action }) => action)], [true, ["quarantine"]]);
    assertEquals(readBytes(actions[0]!.evidence!), old);
    await assertClean(root);
    await using store = await openStore(root);
    assertEquals(await look(store), seenIn(model));
  }));
