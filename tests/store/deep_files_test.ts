/** Values nested deeper than any stack, and numbers that JavaScript cannot hold, in each file of a store. */
import { assert, assertEquals } from "@std/assert";
import {
  FsRuntimeStore,
  repairStore,
  RuntimeStoreError,
  verifyStore,
  WorkerRuntime,
} from "../../store/mod.ts";
import { encodeMutation } from "../../store/journal/mutation_record.ts";
import { appendTo, readText, write } from "../_util/files.ts";
import { longCount, withMemoryDir } from "../_util/temp.ts";
import { FIRST, goldenPath, SECOND, writeGoldenStore } from "./_damages.ts";
import { GOLDEN_EVENTS } from "./_golden.ts";
import { RUNTIME_ID, workerRef } from "./_runtime.ts";

const ENGINE_WORDS = /call stack|Cannot read prop|undefined|is not a function|Invalid string/;

function nested(depth: number): string {
  return "[".repeat(depth) + "]".repeat(depth);
}

/** Puts a text where a value is expected. */
const PLACES: Record<string, (root: string, value: string) => void> = {
  "runtime.json": (root, value) => replace(root, "runtime.json", '"demo"', value),
  "a bundle in runtime.json": (root, value) => replace(root, "runtime.json", '"Coder"', value),
  "an unknown member in runtime.json": (root, value) =>
    replace(root, "runtime.json", '"label": "Coder"', `"label": "Coder", "more": ${value}`),
  "worker.json": (root, value) => replace(root, `${FIRST}/worker.json`, '"do it"', value),
  "an event": (root, value) => replace(root, "events.jsonl", '"done"', value),
  "an unknown member of an event": (root, value) =>
    replace(root, "events.jsonl", '"message":"done"', `"message":"done","more":${value}`),
  "an entry": (root, value) => replace(root, `${FIRST}/transcript.jsonl`, '"user"', value),
  "a line that is nothing else": (root, value) =>
    appendTo(goldenPath(root, `${SECOND}/transcript.jsonl`), `${value}\n`),
  "a torn end": (root, value) => appendTo(goldenPath(root, "events.jsonl"), value),
  "the head of a journal": (root, value) =>
    write(goldenPath(root, "journal-1.jsonl"), `{"format":1,"journal":1,"more":${value}}\n`),
  "a journal that is nothing else": (root, value) =>
    write(goldenPath(root, "journal-1.jsonl"), `${value}\n`),
  "a mutation": (root, value) => journal(root, `{"id":6,"more":${value}}`),
  "owner.lock": (root, value) => write(goldenPath(root, "owner.lock"), `${value}\n`),
};

function replace(root: string, name: string, from: string, to: string): void {
  const path = goldenPath(root, name);
  const text = readText(path);
  assert(text.includes(from), `${name} has ${from}`);
  write(path, text.replace(from, to));
}

/** A journal whose checksums are right. */
function journal(root: string, line: string): void {
  const runtime = {
    status: "running",
    next_worker_sequence: 3,
    next_event_id: 7,
    next_diagnostic_id: 3,
  } as const;
  const offset = new TextEncoder().encode(GOLDEN_EVENTS).length;
  const path = goldenPath(root, "journal-1.jsonl");
  write(path, '{"format":1,"journal":1}\n');
  const logs = [{ file: "events.jsonl", offset, lines: [line] }];
  appendTo(path, encodeMutation({ sequence: 1, synced: 0, runtime }, logs));
}

/** Everything that is said of a store by whoever opens, reads, verifies and repairs it. */
async function allWords(root: string): Promise<string[]> {
  const said: string[] = [];
  const say = (error: unknown) => {
    assert(error instanceof RuntimeStoreError, String(error).slice(0, 1000));
    said.push(error.message);
  };
  const read = async (reader: FsRuntimeStore) => {
    reader.problems.forEach(say);
    await reader.readEvents(reader.eventCursorFromStart(), 100).catch(say);
    for (const n of [1, 2]) {
      await reader.readTranscript(workerRef(n), { start: 0, limit: 100 }).catch(say);
      await reader.workerDetail(workerRef(n)).catch(say);
    }
    await reader.close();
  };
  const options = { root, runtimeId: RUNTIME_ID };
  await FsRuntimeStore.open({ ...options, readOnly: true }).then(read).catch(say);
  said.push(...(await verifyStore(root)).problems.map(({ message }) => message));
  const { actions, problems } = await repairStore(root);
  said.push(...[...actions, ...problems].map(({ message }) => message));
  await WorkerRuntime.open(options).then((runtime) => runtime.close()).catch(say);
  return said;
}

for (const [place, put] of Object.entries(PLACES)) {
  Deno.test(`values nested deeper than any stack in ${place} are refused in words of the store`, async () => {
    for (const depth of [200, 20_000, longCount(200_000, 2_000_000)]) {
      await withMemoryDir(async (root) => {
        writeGoldenStore(root);
        put(root, nested(depth));
        const said = await allWords(root);
        const engine = said.filter((message) => ENGINE_WORDS.test(message));
        assertEquals(engine.map((message) => message.slice(0, 300)), []);
      });
    }
  });
}

Deno.test("numbers beyond 2^53 - 1 in any file are refused in words of the store", async () => {
  const numbers = ["9007199254740992", "1e400", "-1", "1.5", "18446744073709551616"];
  for (const number of numbers) {
    const puts: ((root: string) => void)[] = [
      (root) => replace(root, "runtime.json", '"next_event_id": 6', `"next_event_id": ${number}`),
      (root) =>
        replace(root, `${FIRST}/worker.json`, '"last_event_id": 5', `"last_event_id": ${number}`),
      (root) => replace(root, "events.jsonl", '"id":5', `"id":${number}`),
      (root) => replace(root, `${FIRST}/transcript.jsonl`, '"event_id":3', `"event_id":${number}`),
    ];
    for (const put of puts) {
      await withMemoryDir(async (root) => {
        writeGoldenStore(root);
        put(root);
        const said = await allWords(root);
        assert(said.length > 0, number);
        assertEquals(said.filter((message) => ENGINE_WORDS.test(message)), []);
      });
    }
  }
});
