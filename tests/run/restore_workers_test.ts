/** The store of a run is made again from its log, whatever became of it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { newEventId, openEventLog, type RunEvent } from "../../eventlog/mod.ts";
import { restoreRunWorkers, RunWorkers } from "../../run/mod.ts";
import { runtimeDirectory, RuntimeStoreError } from "../../store/mod.ts";
import { namesIn, write } from "../_util/files.ts";
import { withMemoryDir, withTempDir } from "../_util/temp.ts";
import { checkWorkers, logOf } from "./_records.ts";

const OF = { runId: "demo-1", name: "demo" };

type Body = Record<string, unknown> & { type: string };

const begin = (node: string, attempt = 1): Body => {
  return { type: "node.started", node_id: node, kind: "command", name: `make ${node}`, attempt };
};
const end = (node: string, attempt = 1): Body => {
  return { type: "node.completed", node_id: node, attempt };
};
const cancelled: Body = {
  type: "node.failed",
  node_id: "b",
  error: { kind: "crash", cancelled: true },
  attempt: 1,
};
const STARTED: Body = { type: "pipe.started", pipe: "demo", inputs: [], distro_version: "0" };
const COMPLETED: Body = { type: "pipe.completed" };
const ABORTED: Body = { type: "pipe.aborted", reason: "cancelled" };
const WORK = [STARTED, begin("a"), begin("b"), end("a"), cancelled, begin("c")];

function eventOf(body: Body): RunEvent {
  return { id: newEventId(), ts: "2026-01-01T00:00:00Z", run_id: OF.runId, ...body };
}

async function writeLog(root: string, bodies: readonly Body[]): Promise<void> {
  await using log = await openEventLog<RunEvent>({ root, runId: OF.runId });
  await log.appendAll(bodies.map(eventOf));
}

/** A store that has taken these events, closed. */
async function writeStore(root: string, bodies: readonly Body[]): Promise<void> {
  await using workers = await RunWorkers.open({ root, ...OF });
  await workers.takeAll(bodies.map(eventOf));
}

/** Restores, compares with the log, and tells whether the store was made again. */
async function restore(root: string): Promise<boolean> {
  const { workers, kept } = await restoreRunWorkers({ root, ...OF });
  await checkWorkers({ root, runId: OF.runId });
  await workers.close();
  await checkWorkers({ root, runId: OF.runId });
  if (kept !== undefined) assert((await Deno.stat(kept)).isDirectory);
  return kept !== undefined;
}

/** Whether restoring makes a store that took `taken` again, of a log of `logged`. */
function isMadeAgain(
  taken: readonly Body[] | undefined,
  logged: readonly Body[],
): Promise<boolean> {
  return withTempDir(async (root) => {
    await writeLog(root, logged);
    if (taken !== undefined) await writeStore(root, taken);
    const isAgain = await restore(root);
    // Done again there is nothing to do.
    assertEquals(await restore(root), false);
    return isAgain;
  });
}

Deno.test("restoreRunWorkers() brings a store that is behind its log up to it, wherever it stands", async () => {
  for (const last of [[], [ABORTED], [COMPLETED]]) {
    const log = [...WORK, ...last];
    for (let length = 0; length <= log.length; length++) {
      assertEquals(await isMadeAgain(log.slice(0, length), log), false);
    }
    assertEquals(await isMadeAgain(undefined, log), false);
  }
  // What is told again stands behind what came later.
  const { length } = WORK;
  const mended = [...WORK.slice(0, 1), ...WORK.slice(2), begin("a")];
  for (let n = 0; n <= length; n++) {
    assertEquals(await isMadeAgain(mended.slice(0, n), mended), false);
  }
});

Deno.test("restoreRunWorkers() makes a store again that has what its log has not", async () => {
  // A power cut took the end of a log whose store had it already.
  for (let length = 1; length < WORK.length; length++) {
    assertEquals(await isMadeAgain(WORK, WORK.slice(0, length)), true, `${length} events`);
  }
  const otherwise = WORK.with(4, { ...cancelled, error: { kind: "crash" } });
  assertEquals(await isMadeAgain(otherwise, WORK), true);
  assertEquals(await isMadeAgain([...WORK, begin("z")], WORK), true);
});

Deno.test("restoreRunWorkers() makes a store again that was stopped and is to take more", async () => {
  // As earlier versions did at the end of a run that was broken off.
  assertEquals(await isMadeAgain([...WORK, COMPLETED], [...WORK, ABORTED]), true);
  const goneOn = [...WORK, ABORTED, { ...STARTED, resumed: true }, begin("c", 2)];
  assertEquals(await isMadeAgain([...WORK, COMPLETED], goneOn), true);
  assertEquals(await isMadeAgain([...WORK, ABORTED], goneOn), false);
  assertEquals(await isMadeAgain([...WORK, COMPLETED], [...WORK, COMPLETED, begin("d")]), true);
});

Deno.test("restoreRunWorkers() mends what became of any file of a store, closed or killed", () =>
  withMemoryDir(async (base) => {
    const damages: [string, (path: string) => void][] = [
      ["removed", (path) => Deno.removeSync(path)],
      ["emptied", (path) => Deno.truncateSync(path, 0)],
      ["NULs", (path) => Deno.writeFileSync(path, new Uint8Array(Deno.statSync(path).size))],
      ["cut", (path) => Deno.truncateSync(path, Deno.statSync(path).size >> 1)],
      ["other", (path) => Deno.writeTextFileSync(path, "[]\n")],
    ];
    let again = 0;
    let number = 0;
    for (const isClosed of [true, false]) {
      const source = `${base}/source-${isClosed}`;
      await Deno.mkdir(source);
      await writeLog(source, WORK);
      const workers = await RunWorkers.open({ root: source, ...OF });
      await workers.takeAll(logOf({ root: source, runId: OF.runId }));
      if (isClosed) await workers.close();
      for (const name of filesIn(runtimeDirectory(source, OF.runId))) {
        for (const [damage, apply] of damages) {
          const root = `${base}/${++number}`;
          copy(source, root);
          apply(`${runtimeDirectory(root, OF.runId)}/${name}`);
          try {
            if (await restore(root)) again++;
          } catch (cause) {
            throw new Error(`${name} ${damage}, ${isClosed ? "closed" : "killed"}`, { cause });
          }
        }
      }
      if (!isClosed) await workers.close();
    }
    assert(again > 20, `${again} of ${number} were made again`);
  }));

Deno.test("restoreRunWorkers() makes a store again when it is asked to, and keeps each earlier one", () =>
  withTempDir(async (root) => {
    await writeLog(root, WORK);
    await writeStore(root, WORK);
    const directory = runtimeDirectory(root, OF.runId);
    for (const number of [1, 2]) {
      const { workers, kept } = await restoreRunWorkers({ root, ...OF }, { anew: true });
      await workers.close();
      assertEquals(kept, `${directory}/quarantine-${number}`);
      assertEquals(namesIn(kept!), ["events.jsonl", "runtime.json", "workers"]);
      await checkWorkers({ root, runId: OF.runId });
    }
  }));

Deno.test("restoreRunWorkers() leaves alone what somebody has open and what a newer version wrote", () =>
  withTempDir(async (root) => {
    await writeLog(root, WORK);
    const open = await RunWorkers.open({ root, ...OF });
    for (const anew of [true, false]) {
      await assertKind("owned", root, anew);
    }
    await open.close();
    const path = `${runtimeDirectory(root, OF.runId)}/runtime.json`;
    const snapshot = JSON.parse(await Deno.readTextFile(path));
    write(path, JSON.stringify({ ...snapshot, schema_version: 2 }));
    for (const anew of [true, false]) {
      await assertKind("store-corrupt", root, anew);
      assertEquals(namesIn(runtimeDirectory(root, OF.runId)).includes("quarantine-1"), false);
    }
  }));

async function assertKind(kind: string, root: string, anew: boolean): Promise<void> {
  const error = await assertRejects(
    () => restoreRunWorkers({ root, ...OF }, { anew }),
    RuntimeStoreError,
  );
  assertEquals(error.kind, kind);
}

/** The files of a directory and of those in it, but for the lock, which may have any content. */
function filesIn(directory: string, prefix = ""): string[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return filesIn(`${directory}/${name}`, `${prefix}${name}/`);
    return name === "owner.lock" ? [] : [prefix + name];
  });
}

function copy(from: string, to: string): void {
  Deno.mkdirSync(to);
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copy(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}
