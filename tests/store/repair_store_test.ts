import { assert, assertEquals } from "@std/assert";
import type { FilePort } from "../../_internal/file_port.ts";
import { repairStoreOnPort } from "../../store/check/repair_store.ts";
import { repairStore, type StoreRepair, verifyStore, WorkerRuntime } from "../../store/mod.ts";
import { everyCut } from "../_util/every_cut.ts";
import { everyFailure } from "../_util/every_failure.ts";
import type { CallName } from "../_util/fault_script.ts";
import { isThere, namesIn, readBytes, readText, truncate, write } from "../_util/files.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { Random } from "../_util/random.ts";
import { isLongRun, longCount, seed, withTempDir } from "../_util/temp.ts";
import {
  type Damage,
  damagesOfGolden,
  FIRST,
  goldenPath,
  type Told,
  toldOf,
  writeGoldenStore,
} from "./_damages.ts";
import { GOLDEN_EVENTS, GOLDEN_TRANSCRIPT } from "./_golden.ts";
import { plainRequest } from "./_scenes.ts";
import { copyTree, remove, treeOf } from "./_tree.ts";

function sorted(told: readonly Told[]): string[] {
  return told.map((one) => JSON.stringify(one)).sort();
}

function damage(root: string, { make }: Damage): void {
  writeGoldenStore(root);
  make((name) => goldenPath(root, name));
}

/** A directory that gets its right name changes the paths of what is in it. */
function actionsOf({ actions }: StoreRepair): string[] {
  return actions.map(({ action, path }) => `${action} ${path.split("/").at(-1)}`).sort();
}

/** The texts of all files, to see that every line is still somewhere. */
function allLines(root: string): Set<string> {
  const lines = new Set<string>();
  for (const value of Object.values(treeOf(root))) {
    const text = new TextDecoder().decode(Uint8Array.fromBase64(/^[-\d]/.test(value) ? "" : value));
    for (const line of text.split("\n")) lines.add(line.replaceAll("\0", ""));
  }
  return lines;
}

for (const [name, row] of Object.entries(damagesOfGolden)) {
  const { left = [] } = row;
  const outcome = left.length === 0 ? "mends" : "leaves to a person what is lost by";
  Deno.test(`repairStore() ${outcome} ${name}, keeps everything, and does nothing a second time`, () =>
    withTempDir(async (root) => {
      damage(root, row);
      const before = treeOf(root);
      const linesBefore = allLines(root);
      const dry = await repairStore(root, { dryRun: true });
      assertEquals(treeOf(root), before, "a dry run changes nothing");

      const repaired = await repairStore(root);
      const told = repaired.problems.map((problem) => toldOf(root, problem));
      assertEquals(sorted(told), sorted(left), JSON.stringify(repaired, null, 1));
      assertEquals(repaired.ok, left.length === 0);
      assertEquals(repaired.problems.filter(({ repairable }) => repairable), []);
      assertEquals((await verifyStore(root)).problems, repaired.problems);
      const done = new Set(actionsOf(repaired));
      for (const action of actionsOf(dry)) assert(done.has(action), `${action} was announced`);
      for (const { evidence } of repaired.actions) if (evidence) assert(isThere(evidence));
      assertKept(root, linesBefore);

      const after = treeOf(root);
      const again = await repairStore(root);
      assertEquals(again.actions, []);
      assertEquals(again.problems, repaired.problems);
      assertEquals(treeOf(root), after);
    }));
}

/** Every line of a log is where it was or in the evidence. */
function assertKept(root: string, lines: ReadonlySet<string>): void {
  const kept = allLines(root);
  for (const line of lines) {
    if (line.startsWith("{") && line.endsWith("}")) assert(kept.has(line), line);
  }
}

Deno.test("repairStore() lets a repaired runtime be opened, with a word about what was lost (W-FRS-12)", () =>
  withTempDir(async (root) => {
    damage(root, damagesOfGolden["a torn worker.json (W-FRS-12)"]!);
    await repairStore(root);
    const { diagnostics } = JSON.parse(readText(goldenPath(root, "runtime.json")));
    const { id, severity, code, message, worker_ref } = diagnostics.at(-1);
    assertEquals([id, severity, code], [3, "warning", "worker.quarantined"]);
    assertEquals(worker_ref.worker_id, "worker-00000001");
    assert(message.includes("/quarantine-1/workers/"), message);
    const runtime = await WorkerRuntime.open({ root, runtimeId: "rt-1" });
    assertEquals((await runtime.summary()).worker_count, 1);
    await runtime.close();
  }));

Deno.test("repairStore() makes runtime.json anew from logs and workers", () =>
  withTempDir(async (root) => {
    damage(root, damagesOfGolden["a torn runtime.json"]!);
    const torn = readText(goldenPath(root, "runtime.json"));
    const { actions } = await repairStore(root);
    const [rebuilt] = actions.filter(({ action }) => action === "rebuild-runtime");
    assertEquals(readText(rebuilt!.evidence!), torn);
    const { next_event_id, next_worker_sequence, diagnostics } = JSON.parse(
      readText(goldenPath(root, "runtime.json")),
    );
    assertEquals([next_event_id, next_worker_sequence], [6, 3]);
    assertEquals(diagnostics.map(({ code }: { code: string }) => code), [
      "runtime.snapshot_rebuilt",
    ]);
  }));

Deno.test("repairStore() writes the first event again when nothing else can have been in the log (W-FRS-8)", () =>
  withTempDir(async (root) => {
    writeGoldenStore(root);
    remove(goldenPath(root, "workers"));
    remove(goldenPath(root, "events.jsonl"));
    const path = goldenPath(root, "runtime.json");
    const fresh = {
      ...JSON.parse(readText(path)),
      next_worker_sequence: 1,
      next_event_id: 2,
      next_diagnostic_id: 1,
      config_bundles: {},
      diagnostics: [],
    };
    write(path, `${JSON.stringify(fresh, null, 2)}\n`);
    assertEquals((await repairStore(root)).ok, true);
    assertEquals(readText(goldenPath(root, "events.jsonl")), GOLDEN_EVENTS.split(/(?<=\n)/)[0]);
  }));

Deno.test("repairStore() leaves alone a runtime that somebody has open, and mends the others", () =>
  withTempDir(async (root) => {
    damage(root, damagesOfGolden["the counters behind the log"]!);
    const open = await WorkerRuntime.open({ root, runtimeId: "open" });
    const stray = `${root}/runtimes/id-6f70656e/stray`;
    write(stray, "x");
    const { problems, actions } = await repairStore(root);
    assertEquals(actions.map(({ runtime }) => runtime), ["rt-1"]);
    assertEquals(problems.map(({ runtime, kind }) => [runtime, kind]), [
      ["open", "owned"],
      ["open", "foreign-file"],
    ]);
    assert(problems[0]!.message.includes(`process ${Deno.pid}`), problems[0]!.message);
    await open.close();
    assertEquals((await repairStore(root, { runtimeId: "open" })).ok, true);
  }));

Deno.test("repairStore() brings a journal's lines to their places before it mends the rest", () =>
  withTempDir(async (root) => {
    const runtime = await WorkerRuntime.open({ root, runtimeId: "rt-1" });
    const { worker_ref } = await runtime.createWorker(plainRequest);
    await runtime.sendInput(worker_ref, { kind: "user", content: "one" });
    await withTempDir(async (copy) => {
      copyTree(root, copy);
      write(goldenPath(copy, "stray"), "x");
      const journaled = await repairStore(copy);
      assertEquals(journaled.ok, true);
      assertEquals((await verifyStore(copy)).runtimes[0]?.events, 3);
      assertEquals(journaled.actions.map(({ action }) => action), ["quarantine"]);
    });
    await withTempDir(async (copy) => {
      copyTree(root, copy);
      // The journal holds what was in these.
      for (const name of namesIn(goldenPath(copy, "workers"))) {
        remove(goldenPath(copy, `workers/${name}`));
      }
      truncate(goldenPath(copy, "events.jsonl"), 7);
      assertEquals((await verifyStore(copy)).problems, []);
      assertEquals((await repairStore(copy)).actions, []);
    });
    await withTempDir(async (copy) => {
      copyTree(root, copy);
      const journal = namesIn(goldenPath(copy)).find((name) => name.startsWith("journal-"))!;
      const bytes = readBytes(goldenPath(copy, journal));
      const lines = new TextDecoder().decode(bytes).split("\n");
      bytes[lines[0]!.length + 60]! ^= 1;
      write(goldenPath(copy, journal), bytes);
      const { actions } = await repairStore(copy);
      const [cut] = actions;
      assertEquals(cut?.action, "cut-journal");
      assertEquals(readBytes(cut!.evidence!), bytes);
      const { problems } = await verifyStore(copy);
      assertEquals(problems.filter(({ repairable }) => repairable), []);
      const again = await WorkerRuntime.open({ root: copy, runtimeId: "rt-1" });
      await again.close();
    });
    await runtime.close();
  }));

Deno.test("repairStore() copes with logs cut at every byte of their last lines (W-FRS-2)", async () => {
  const random = new Random(seed());
  const starts: [file: string, text: string, from: number][] = [
    ["events.jsonl", GOLDEN_EVENTS, GOLDEN_EVENTS.lastIndexOf("\n", GOLDEN_EVENTS.length - 2) + 1],
    [`${FIRST}/transcript.jsonl`, GOLDEN_TRANSCRIPT, 0],
  ];
  for (const [file, text, from] of starts) {
    const bytes = new TextEncoder().encode(text);
    for (let length = from; length <= bytes.length; length += 1 + random.below(longCount(30, 1))) {
      await withTempDir(async (root) => {
        writeGoldenStore(root);
        const path = goldenPath(root, file);
        truncate(path, length);
        const { problems } = await repairStore(root);
        assertEquals(problems.filter(({ repairable }) => repairable), []);
        const rest = bytes.subarray(bytes.subarray(0, length).lastIndexOf(10) + 1, length);
        const isWhole = rest.length > 0 && rest.at(-1) === 125 && length === bytes.length - 1;
        assertEquals(problems.length === 0, length >= bytes.length - 1, `${file} ${length}`);
        if (rest.length > 0 && !isWhole) assertEquals(readBytes(`${path}.torn-1`), rest);
        const runtime = await WorkerRuntime.open({ root, runtimeId: "rt-1" });
        await runtime.close();
      });
    }
  }
});

const manyDamages: Damage = {
  make: (path) => {
    for (
      const name of [
        "a line that is no JSON",
        "a stub of an entry",
        "the counter of entries behind the transcript",
        "a torn runtime.json",
        "a worker directory copied (FRS-4)",
      ]
    ) damagesOfGolden[name]!.make(path);
  },
  found: [],
};

async function assertNothingLost(root: string, context: string): Promise<void> {
  const { problems } = await repairStoreOnPort(hastyFilePort, root);
  assertEquals(problems, [], context);
  const kept = allLines(root);
  for (const line of (GOLDEN_EVENTS + GOLDEN_TRANSCRIPT).trimEnd().split("\n")) {
    assert(kept.has(line), line);
  }
  assert(kept.has("oops"), "the line that was no JSON is kept");
  assert(kept.has('{"seq'), "the stub is kept");
}

const repair = (port: FilePort, root: string) => repairStoreOnPort(port, root).then(() => {});
const before = (root: string) => damage(root, manyDamages);
const base = hastyFilePort;
const CHANGING: readonly CallName[] = [
  "openSync",
  "mkdirSync",
  "renameSync",
  "removeSync",
  "writeSync",
  "truncateSync",
  "syncSync",
  "tryLockSync",
];

Deno.test("repairStore() that fails at any call loses nothing, and can be done again", async () => {
  const only = isLongRun() ? {} : { only: CHANGING };
  await everyFailure(
    repair,
    (root, { error, call }) => assertNothingLost(root, `after ${call?.name} and ${error}`),
    { before, base, ...only },
  );
});

Deno.test("repairStore() loses nothing when the power is cut after any call, and can be done again", async () => {
  const only = CHANGING.filter((name) =>
    isLongRun() || (name !== "openSync" && name !== "tryLockSync")
  );
  const options = { before, base, only, seeds: longCount(3, 16) };
  await everyCut(repair, (root, { n }) => assertNothingLost(root, `cut ${n}`), options);
});
