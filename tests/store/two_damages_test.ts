/** A killed owner's journal, and another file beside it, both damaged: the one does not cost the other. */
import { assert, assertEquals } from "@std/assert";
import { repairStore, verifyStore } from "../../store/mod.ts";
import { namesIn, readBytes, write } from "../_util/files.ts";
import { withMemoryDir } from "../_util/temp.ts";
import {
  KillableRuntime,
  newModel,
  openRuntime,
  openStore,
  pathOf,
  performBoth,
} from "./_runtime.ts";
import { cancelSecond, createPlain, input } from "./_scenes.ts";

const BEFORE = [createPlain, createPlain, input(1, "a"), input(2, "b")];
const AFTER = [input(1, "c"), input(2, "d"), createPlain, input(1, "e"), cancelSecond];
/** The events of all these, and the one that a runtime begins with. */
const EVENTS = 1 + BEFORE.length + AFTER.length;
const SECOND = "id-776f726b65722d3030303030303032";

/** A runtime that was killed behind {@linkcode AFTER}, which only its journal has. */
async function kill(root: string): Promise<{ journal: string; events: string }> {
  const closed = await openRuntime(root);
  const model = newModel();
  for (const operation of BEFORE) await performBoth(closed, model, operation);
  await closed.close();
  const open = await KillableRuntime.open(root, 1000);
  for (const operation of AFTER) await performBoth(open.runtime, model, operation);
  open.kill();
  const [name] = namesIn(pathOf(root)).filter((name) => name.startsWith("journal-"));
  return { journal: pathOf(root, name), events: pathOf(root, "events.jsonl") };
}

/** Takes the line of an index out; one below 0 counts from the end. */
function removeLine(path: string, index: number): void {
  const bytes = readBytes(path);
  const size = bytes.findLastIndex((byte) => byte !== 0) + 1;
  const lines = new TextDecoder().decode(bytes.subarray(0, size)).split(/(?<=\n)/);
  lines.splice(index, 1);
  write(path, lines.join(""));
}

function change(path: string, from: string, to: string): void {
  const text = new TextDecoder().decode(readBytes(path));
  assert(text.includes(from), `${path} has no ${from}`);
  write(path, text.replace(from, to));
}

async function idsIn(root: string): Promise<number[]> {
  const runtime = await openRuntime(root);
  const { events } = await runtime.readEvents({ runtime_id: "rt-1", next_event_id: 1 }, 100);
  await runtime.close();
  return events.map(({ id }) => id);
}

/** Repairs, and looks that nothing that can be repaired is left and that doing it again does nothing. */
async function repairAll(root: string): Promise<void> {
  assertEquals((await verifyStore(root)).ok, false);
  const { problems } = await repairStore(root);
  assertEquals(problems.filter(({ repairable }) => repairable), []);
  assertEquals(await repairStore(root), { ok: problems.length === 0, actions: [], problems });
}

for (
  const [what, damage] of Object.entries({
    "is gone": (path: string) => Deno.removeSync(path),
    "is garbage": (path: string) => write(path, "{"),
    "is empty": (path: string) => write(path, ""),
  })
) {
  Deno.test(`a journal that lacks its end, beside a worker whose snapshot ${what}, is cut once`, () =>
    withMemoryDir(async (root) => {
      const { journal } = await kill(root);
      for (let count = 0; count < 3; count++) removeLine(journal, -1);
      // The transcript has an entry that the journal has lost, and its worker cannot be used.
      damage(pathOf(root, `workers/${SECOND}/worker.json`));
      const path = pathOf(root, `workers/${SECOND}/transcript.jsonl`);
      const entry = new TextDecoder().decode(readBytes(path)).split("\n").at(-2)!;
      write(path, `${new TextDecoder().decode(readBytes(path))}${entry.replace(":2,", ":3,")}\n`);
      await repairAll(root);
      assertEquals(await idsIn(root), Array.from({ length: EVENTS }, (_, index) => index + 1));
    }));
}

for (let index = 0; index <= BEFORE.length; index++) {
  Deno.test(`line ${index + 1} of the events was removed: those that the journal has are not joined to what is left`, () =>
    withMemoryDir(async (root) => {
      const { events } = await kill(root);
      removeLine(events, index);
      await repairAll(root);
      const all = Array.from({ length: EVENTS }, (_, at) => at + 1);
      // A line as long as the removed one took its place, and is then there twice.
      const ids = [...new Set(await idsIn(root))];
      assertEquals(ids, all.filter((id) => id !== index + 1));
    }));
}

Deno.test("a line before those of the journal was changed: opening says so, and keeps what it cuts", () =>
  withMemoryDir(async (root) => {
    const { events } = await kill(root);
    change(events, '"worker input accepted"', '"worker input was accepted"');
    const cursor = { runtime_id: "rt-1", next_event_id: 1 };
    const store = await openStore(root);
    const seen = await store.readEvents(cursor, 100);
    assert(store.problems[0]!.message.includes("no line ends at byte"));
    await store[Symbol.asyncDispose]();
    const runtime = await openRuntime(root);
    const [problem, ...others] = runtime.problems.map(({ message }) => message);
    assertEquals(others, []);
    assert(problem!.includes("no line ends at byte"), problem);
    assertEquals(await runtime.readEvents(cursor, 100), seen);
    await runtime.close();
    const [torn] = namesIn(pathOf(root)).filter((name) => name.includes(".torn-"));
    assert(torn !== undefined);
    const kept = new TextDecoder().decode(readBytes(pathOf(root, torn)));
    assert(kept.startsWith('{"id":5'), kept);
    assertEquals(seen.events.length, EVENTS - 1);
  }));

for (const number of ["00000009", "9zzzzzzz", "000000ff", "ffffffff"]) {
  Deno.test(`an event about a worker ${number} that there never was is believed by nobody`, () =>
    withMemoryDir(async (root) => {
      const { events } = await kill(root);
      change(events, "worker-00000001", `worker-${number}`);
      const { problems } = await verifyStore(root);
      assert(problems.length <= 2, JSON.stringify(problems));
      // Neither does a runtime.json that is made anew, beside which the journal would look old.
      write(pathOf(root, "runtime.json"), "{");
      const { actions, problems: left } = await repairStore(root);
      assert(!actions.some(({ action }) => action === "quarantine"), JSON.stringify(actions));
      assert(left.length <= 2, JSON.stringify(left));
      const runtime = await openRuntime(root);
      const { last_event_id, worker_id } = await runtime.createWorker({
        intent: { kind: "assistant" },
        profile: { kind: "runtime_default" },
      });
      assertEquals([worker_id, last_event_id], ["worker-00000004", EVENTS + 1]);
      await runtime.close();
    }));
}

for (const [what, garbled] of [["NULs", "\0\0\0"], ["no JSON", "{{{"], ["half", "\n{"]] as const) {
  Deno.test(`a last mutation that the journal has lost, and of which the event is ${what}, is told`, () =>
    withMemoryDir(async (root) => {
      const { journal, events } = await kill(root);
      removeLine(journal, -1);
      const bytes = readBytes(events);
      bytes.set(new TextEncoder().encode(garbled), bytes.lastIndexOf(123));
      write(events, bytes);
      const { problems } = await verifyStore(root);
      const [problem, ...others] = problems;
      assertEquals([problem?.kind, problem?.path, problem?.repairable], ["journal", events, true]);
      assertEquals(others, []);
      await repairAll(root);
      const kept = namesIn(pathOf(root)).filter((name) => name.startsWith("events.jsonl.torn-"));
      assertEquals(readBytes(pathOf(root, kept[0])), bytes.subarray(problem!.byteOffset));
      assertEquals((await idsIn(root)).length, EVENTS - 1);
    }));
}

for (
  const [what, from, to] of [
    ["a field that nobody here knows", '"display_name"', '"disqlay_name"'],
    ["a newer schema", '"schema_version": 1', '"schema_version": 2'],
    ["another backend", '"backend": "fs_store"', '"backend": "memory"'],
  ] as const
) {
  Deno.test(`a runtime.json with ${what} keeps its runtime from being repaired, and nothing else is promised`, () =>
    withMemoryDir(async (root) => {
      await kill(root);
      change(pathOf(root, "runtime.json"), from, to);
      write(pathOf(root, `workers/${SECOND}/worker.json`), "{");
      const { problems } = await verifyStore(root);
      assert(problems.length >= 2, JSON.stringify(problems));
      assertEquals(problems.filter(({ repairable }) => repairable), []);
      assertEquals(await repairStore(root), { ok: false, actions: [], problems });
    }));
}
