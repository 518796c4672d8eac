/**
 * Every row of spec 4.5, the states that a crash of the seed's program leaves, with the new outcome: a
 * runtime that can be read and goes on, or an error that names the file, the line and the remedy.
 */
import { assertEquals, assertInstanceOf, assertMatch, assertStringIncludes } from "@std/assert";
import {
  repairStore,
  RuntimeStoreError,
  type StoreProblem,
  verifyStore,
  type WorkerRuntime,
} from "../../store/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { type Damage, damages } from "./_crash_table.ts";
import { readEvents, readTranscript, readWorkers } from "./_read.ts";
import { openRuntime, RUNTIME_ID } from "./_runtime.ts";
import { plainRequest } from "./_scenes.ts";

/** What becomes of one row. */
interface Row {
  /** What readers see after opening, or … */
  opens?: string;
  /** … why it does not open. */
  refused?: { message: RegExp; file: string; line?: number };
  /** The kinds, with their lines, of what `verifyStore` finds. */
  verify: string;
  /** What readers see after `repairStore`, where it helps. */
  repaired?: string;
  /** The kinds of what it leaves: what is lost for good, and what only a person can decide. */
  left?: string;
}

const rows: Record<Damage, Row> = {
  "crash after mkdir, no runtime.json": { opens: "events 1", verify: "", repaired: "events 1" },
  "runtime.json written, events.jsonl absent": {
    opens: "events 1",
    verify: "missing",
    repaired: "events 1",
  },
  "events.jsonl removed from a runtime with history": {
    opens: "events  w1[1,2] w2[]",
    verify: "missing",
    repaired: "events  w1[1,2] w2[]",
    left: "lost",
  },
  "last event line torn": {
    opens: "events 1,2,3,4 w1[1] w2[]",
    verify: "torn@5 dangling lost lost",
    repaired: "events 1,2,3,4 w1[1] w2[]",
    left: "dangling lost lost",
  },
  "only the final newline missing": {
    opens: "events 1,2,3,4,5 w1[1] w2[]",
    verify: "no-newline@5 lost lost",
    repaired: "events 1,2,3,4,5 w1[1] w2[]",
    left: "lost lost",
  },
  "last event lost": {
    opens: "events 1,2,3,4 w1[1] w2[]",
    verify: "dangling lost lost",
    repaired: "events 1,2,3,4 w1[1] w2[]",
    left: "dangling lost lost",
  },
  "event written, transcript entry lost": {
    opens: "events 1,2,3,4,5 w1[1] w2[]",
    verify: "lost lost",
    repaired: "events 1,2,3,4,5 w1[1] w2[]",
    left: "lost lost",
  },
  "event written, transcript entry torn": {
    opens: "events 1,2,3,4,5 w1[1] w2[]",
    verify: "torn@2 lost lost",
    repaired: "events 1,2,3,4,5 w1[1] w2[]",
    left: "lost lost",
  },
  "runtime.json ahead, worker directory absent": {
    opens: "events 1,2,3,4 w1[1] w2[]",
    verify: "lost lost",
    repaired: "events 1,2,3,4 w1[1] w2[]",
    left: "lost lost",
  },
  "runtime.json ahead, worker directory empty": {
    opens: "events 1,2,3,4 w1[1] w2[]",
    verify: "missing lost",
    repaired: "events 1,2,3,4 w1[1] w2[]",
    left: "lost lost",
  },
  "runtime.json and worker.json ahead of the event": {
    opens: "events 1,2,3,4 w1[1] w2[] w3[]",
    verify: "dangling lost",
    repaired: "events 1,2,3,4 w1[1] w2[] w3[]",
    left: "dangling lost",
  },
  "worker directory renamed": {
    opens: "events 1,2,3,4,5 w2[]",
    verify: "directory-name",
    repaired: "events 1,2,3,4,5 w1[1,2] w2[]",
  },
  "append failed once, process lived on": {
    opens: "events 1,2,3,4,6 w1[1,3] w2[]",
    verify: "gap@5 gap@2",
    repaired: "events 1,2,3,4,6 w1[1,3] w2[]",
    left: "gap@5 gap@2",
  },
  "two processes opened the same runtime": {
    opens: "events 1,2,3,4,4 w1[1] w2[]",
    verify: "duplicate@5",
    repaired: "events 1,2,3,4,4 w1[1] w2[]",
    left: "duplicate@5",
  },
  "duplicate event id": {
    opens: "events 1,2,2,4,5 w1[1,2] w2[]",
    verify: "duplicate@3",
    repaired: "events 1,2,2,4,5 w1[1,2] w2[]",
    left: "duplicate@3",
  },
  "left-over temp file": {
    opens: "events 1,2,3,4,5 w1[1,2] w2[]",
    verify: "stale-temp",
    repaired: "events 1,2,3,4,5 w1[1,2] w2[]",
  },
  "left-over temp file inside workers": {
    opens: "events 1,2,3,4,5 w1[1,2] w2[]",
    verify: "stale-temp",
    repaired: "events 1,2,3,4,5 w1[1,2] w2[]",
  },
  "workers missing": {
    opens: "events 1,2,3,4,5",
    verify: "lost lost",
    repaired: "events 1,2,3,4,5",
    left: "lost lost",
  },
  "stray file in workers": {
    opens: "events 1,2,3,4,5 w1[1,2] w2[]",
    verify: "foreign-file",
    repaired: "events 1,2,3,4,5 w1[1,2] w2[]",
  },
  "empty worker directory": {
    opens: "events 1,2,3,4,5 w1[1,2] w2[]",
    verify: "missing counter",
    repaired: "events 1,2,3,4,5 w1[1,2] w2[]",
    left: "lost",
  },
  "schema 2": {
    refused: { message: /unsupported schema version 2, expected 1/, file: "runtime.json" },
    verify: "schema",
    left: "schema",
  },
  "backend memory": {
    refused: { message: /runtime snapshot backend is Memory/, file: "runtime.json" },
    verify: "backend",
    left: "backend",
  },
  "blank lines, CRLF, unknown fields in records": {
    opens: "events 1,2,3,4,5 w1[1,2] w2[]",
    verify: "blank@2 blank@4 blank@6 blank@8 blank@10 blank@1",
    repaired: "events 1,2,3,4,5 w1[1,2] w2[]",
  },
  "an unknown field in runtime.json": {
    refused: {
      message: /unknown field `unknown` at the top of the document/,
      file: "runtime.json",
    },
    verify: "corrupt",
    left: "corrupt",
  },
  "an unknown field in a worker.json": {
    opens: "events 1,2,3,4,5 w1[1,2]",
    verify: "corrupt",
    repaired: "events 1,2,3,4,5 w1[1,2]",
    left: "corrupt",
  },
  "bad UTF-8 in the events": {
    opens: "events up to line 2 w1[1,2] w2[]",
    verify: "not-utf8@2 gap@3",
    repaired: "events 1,3,4,5 w1[1,2] w2[]",
    left: "gap@2",
  },
  "bad UTF-8 in the last event": {
    opens: "events up to line 5 w1[1,2] w2[]",
    verify: "not-utf8@5 dangling dangling lost",
    repaired: "events 1,2,3,4 w1[1,2] w2[]",
    left: "dangling dangling lost",
  },
  "bad UTF-8 in a worker.json": {
    opens: "events 1,2,3,4,5 w2[]",
    verify: "corrupt@8",
    repaired: "events 1,2,3,4,5 w2[]",
    left: "lost",
  },
  "an event line in the middle is garbled": {
    opens: "events up to line 3 w1[1,2] w2[]",
    verify: "not-json@3 gap@4 dangling",
    repaired: "events 1,2,4,5 w1[1,2] w2[]",
    left: "gap@3 dangling",
  },
  "a worker.json is garbled": {
    opens: "events 1,2,3,4,5 w2[]",
    verify: "corrupt@1",
    repaired: "events 1,2,3,4,5 w2[]",
    left: "lost",
  },
  "runtime.json is garbled": {
    refused: {
      message: /EOF while parsing a value at line 4 column 1/,
      file: "runtime.json",
      line: 4,
    },
    verify: "corrupt@4",
    repaired: "events 1,2,3,4,5 w1[1,2] w2[]",
  },
  "a transcript is missing": {
    opens: "events 1,2,3,4,5 w1[] w2[]",
    verify: "missing lost lost",
    repaired: "events 1,2,3,4,5 w1[] w2[]",
    left: "lost lost",
  },
};

/** All that is there, in short. */
async function outline(runtime: WorkerRuntime): Promise<string> {
  const workers: string[] = [];
  for (const { worker_ref, worker_id, transcript_len } of await readWorkers(runtime)) {
    const sequences = (await readTranscript(runtime, worker_ref)).map(({ sequence }) => sequence);
    // Opening looks at the last line alone, so that a gap before it is only seen when it is read.
    assertEquals(transcript_len, Math.max(sequences.length, sequences.at(-1) ?? 0));
    workers.push(`${worker_id.replace(/^worker-0+/, "w")}[${sequences}]`);
  }
  return [`events ${await outlineEvents(runtime)}`, ...workers].join(" ");
}

/** The ids, or the damaged line that stands in the way. */
async function outlineEvents(runtime: WorkerRuntime): Promise<string> {
  try {
    return (await readEvents(runtime, RUNTIME_ID)).map(({ id }) => id).join();
  } catch (error) {
    assertInstanceOf(error, RuntimeStoreError);
    assertNames(error, { file: "events.jsonl", line: error.details.line! });
    return `up to line ${error.details.line}`;
  }
}

/** The error tells which file, which line, and what to do. */
function assertNames(error: RuntimeStoreError, where: { file: string; line?: number }): void {
  assertEquals(error.kind, "store-corrupt");
  assertStringIncludes(error.details.path ?? "", where.file);
  assertStringIncludes(error.message, error.details.path!);
  assertEquals(error.details.line, where.line);
  assertMatch(
    error.remedy ?? error.message,
    /`taffrail repair`|move it away|newer taffrail|remove the field|is not a/,
  );
}

/** Names and contents of all files below. */
function snapshot(directory: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) { for (const [key, value] of snapshot(path)) files.set(key, value); }
    // A lock says who had it last; that is no content.
    else if (!name.endsWith(".lock")) files.set(path, Deno.readFileSync(path).join());
  }
  return files;
}

/** Opens, looks, does one thing more, and finds all of it again. */
async function assertGoesOn(root: string, expected: string): Promise<void> {
  const runtime = await openRuntime(root);
  assertEquals(await outline(runtime), expected);
  const { worker_ref, last_event_id } = await runtime.createWorker(plainRequest);
  await runtime.sendInput(worker_ref, { kind: "user", content: "next" });
  const after = await outline(runtime);
  await runtime.close();
  const again = await openRuntime(root);
  assertEquals(await outline(again), after);
  const cursor = { runtime_id: RUNTIME_ID, next_event_id: last_event_id };
  const { events } = await again.readEvents(cursor, 10);
  assertEquals(events.map(({ id, kind }) => [id, kind.kind]), [
    [last_event_id, "worker_created"],
    [last_event_id + 1, "worker_input_accepted"],
  ]);
  await again.close();
}

/** What is wrong was told when the runtime was opened, each with its file. */
async function assertTold(root: string): Promise<void> {
  const runtime = await openRuntime(root);
  for (const { details: { path }, message } of runtime.problems) {
    assertStringIncludes(message, path!);
  }
  await runtime.close();
}

async function assertRefused(root: string, refused: NonNullable<Row["refused"]>): Promise<void> {
  const files = snapshot(root);
  const error = await openRuntime(root).then(() => undefined, (error) => error);
  assertInstanceOf(error, RuntimeStoreError, "it opens");
  assertMatch(error.message, refused.message);
  assertNames(error, refused);
  assertEquals(snapshot(root), files, "a refused opening changes nothing");
}

/** Kinds and lines, in order. */
function kindsOf(problems: readonly StoreProblem[]): string {
  return problems.map(({ kind, line }) => line === undefined ? kind : `${kind}@${line}`).join(" ");
}

async function assertVerified(root: string, expected: string): Promise<void> {
  const files = snapshot(root);
  const { ok, problems } = await verifyStore(root);
  assertEquals(snapshot(root), files, "verifying changes nothing");
  assertEquals([kindsOf(problems), ok], [expected, expected === ""]);
}

async function assertRepaired(root: string, { repaired, left = "" }: Row): Promise<void> {
  const files = snapshot(root);
  await repairStore(root, { dryRun: true });
  assertEquals(snapshot(root), files, "a dry run changes nothing");
  const { problems } = await repairStore(root);
  assertEquals(kindsOf(problems), left);
  assertEquals((await repairStore(root)).actions, [], "nothing more is to be done");
  await assertVerified(root, left);
  if (repaired !== undefined) await assertGoesOn(root, repaired);
}

for (const [name, row] of Object.entries(rows)) {
  const damage = damages[name as Damage];
  const outcome = row.opens === undefined ? "an error says what to do" : "it opens and goes on";
  Deno.test(`${name}: ${outcome} (spec 4.5)`, () =>
    withTempDir(async (root) => {
      damage(root);
      await assertVerified(root, row.verify);
      if (row.refused !== undefined) return await assertRefused(root, row.refused);
      await assertTold(root);
      await assertGoesOn(root, row.opens!);
    }));

  const repair = row.repaired === undefined ? "leaves it to a person" : "mends what can be mended";
  Deno.test(`${name}: repairStore() ${repair} (spec 4.5)`, () =>
    withTempDir(async (root) => {
      damage(root);
      await assertRepaired(root, row);
    }));
}
