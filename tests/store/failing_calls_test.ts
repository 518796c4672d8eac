/**
 * The n-th file call fails or writes short, for n = 1, 2, … until a run in which none does: memory and
 * disk agree, the next mutation works, and opening again finds each mutation whole or not at all
 * (W-FRS-6). After a failed sync the runtime is read-only until it is opened again.
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { RuntimeStoreError, type WorkerRuntime } from "../../store/mod.ts";
import { everyFailure } from "../_util/every_failure.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { type Call, type CallName, diskFullError } from "../_util/fault_script.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { withTempDir } from "../_util/temp.ts";
import type { Operation, RuntimeModel } from "./_model.ts";
import {
  assertClean,
  assertSeedFiles,
  KillableRuntime,
  look,
  newModel,
  openRuntime,
  openStore,
  perform,
  performBoth,
  seenIn,
  writeSeedFiles,
} from "./_runtime.ts";
import { createFull, createPlain, everyKind, input, storeBundle } from "./_scenes.ts";

/** One run, as far as it has come. */
interface Progress {
  /** All that was acknowledged. */
  model: RuntimeModel;
  /** The mutation of which nobody knows whether it is on disk. */
  unknown: Operation | undefined;
  errors: RuntimeStoreError[];
  /** Whether calls fail now: not while the test itself looks. */
  armed: boolean;
}

function newProgress(done: readonly Operation[]): Progress {
  const model = newModel();
  model.applyAll(done);
  return { model, unknown: undefined, errors: [], armed: true };
}

/** What readers see is what the model holds; no call fails while they look. */
async function assertAgrees(
  runtime: WorkerRuntime,
  progress: Progress,
  when: string,
): Promise<void> {
  progress.armed = false;
  assertEquals(await look(runtime), seenIn(progress.model), when);
  progress.armed = true;
}

/** Does a mutation. If it fails, memory is as before, and doing it again works or is refused. */
async function insist(
  runtime: WorkerRuntime,
  progress: Progress,
  operation: Operation,
): Promise<void> {
  try {
    return await performOne(runtime, progress, operation);
  } catch (error) {
    assertInstanceOf(error, RuntimeStoreError, String(error));
    progress.errors.push(error);
    await assertAgrees(runtime, progress, "memory is as before the mutation that failed");
    if (error.kind === "read-only") progress.unknown = operation;
    else assertEquals(error.kind, "store-io");
  }
  if (progress.unknown === undefined) await performOne(runtime, progress, operation);
  else await assertReadOnly(runtime, operation);
}

/** The model moves only when the runtime has answered, and then says the same. */
async function performOne(
  runtime: WorkerRuntime,
  progress: Progress,
  operation: Operation,
): Promise<void> {
  const answer = await perform(runtime, operation);
  assertEquals(answer, progress.model.apply(operation));
  await assertAgrees(runtime, progress, "memory has the mutation that was acknowledged");
}

async function assertReadOnly(runtime: WorkerRuntime, operation: Operation): Promise<void> {
  const error = await perform(runtime, operation).then(() => undefined, (error) => error);
  assertInstanceOf(error, RuntimeStoreError);
  assertEquals(error.kind, "read-only");
}

/** Opens, mutates and closes, and keeps what became of it. */
async function liveThrough(
  port: FaultPort,
  root: string,
  { progress, operations, ending }: Ending & {
    progress: Progress;
    operations: readonly Operation[];
  },
): Promise<void> {
  const runtime = await openOrLeaveNothingOpen(port, root, ending);
  for (const operation of operations) {
    if (progress.unknown === undefined) await insist(runtime, progress, operation);
    else await assertReadOnly(runtime, operation);
  }
  // Without a close the journal is all there is of what was acknowledged.
  if (ending === "kill") return port.cutNow();
  await runtime.close().finally(() => assertEquals(port.openCount, 0, "handles stay open"));
}

async function openOrLeaveNothingOpen(
  port: FaultPort,
  root: string,
  ending: Ending["ending"],
): Promise<WorkerRuntime> {
  try {
    return await openRuntime(root, { port, checkpointMutations: ending === "kill" ? 1000 : 4 });
  } catch (error) {
    if (port.openCount > 0) throw new Error("a failed opening left handles open", { cause: error });
    throw error;
  }
}

/** Opens again without faults: what was acknowledged is there, the unknown one whole or not at all. */
async function checkGoesOn(root: string, { model, unknown }: Progress): Promise<void> {
  const runtime = await openRuntime(root);
  const seen = await look(runtime);
  const reached = model.clone();
  const asBefore = JSON.stringify(seen) === JSON.stringify(seenIn(reached));
  if (unknown !== undefined && !asBefore) reached.apply(unknown);
  assertEquals(seen, seenIn(reached));
  await performBoth(runtime, reached, createPlain);
  assertEquals(await look(runtime), seenIn(reached));
  await runtime.close();
  assertSeedFiles(root, reached);
  await assertClean(root);
}

const CALLS: readonly CallName[] = [
  "openSync",
  "mkdirSync",
  "chmodSync",
  "renameSync",
  "removeSync",
  "lstatSync",
  "readDirSync",
  "readSync",
  "seekSync",
  "truncateSync",
  "writeSync",
  "tryLockSync",
];
const SYNCS: readonly CallName[] = ["syncDataSync", "syncData", "syncSync", "sync"];

/** How the process ends. */
interface Ending {
  ending: "close" | "kill";
}

/** What is there before the runtime is opened. */
interface Beginning extends Partial<Ending> {
  before: (root: string) => void | Promise<void>;
  /** What was done to it. */
  done?: readonly Operation[];
  /** What is to be done; one of every kind by default. */
  operations?: readonly Operation[];
}

/** What the check of a run is told. */
interface Told extends Progress {
  call: Call | undefined;
  error: unknown;
}

/** A life in which one fault is made, for each fault there is. */
async function failEach(
  inject: (port: FaultPort, n: number, progress: Progress) => void,
  { done = [], operations = everyKind, ending = "close", before, check = () => {} }: Beginning & {
    check?: (told: Told) => void;
  },
): Promise<number> {
  let progress = newProgress(done);
  return await everyFailure(
    (port, root) => liveThrough(port, root, { progress, operations, ending }),
    async (root, { call, error }) => {
      if (error !== undefined) assertInstanceOf(error, RuntimeStoreError, String(error));
      check({ ...progress, call, error });
      await checkGoesOn(root, progress);
    },
    {
      before,
      inject: (port, n) => inject(port, n, progress = newProgress(done)),
      base: hastyFilePort,
    },
  );
}

/** The n-th of these calls throws, not counting those of the test's own looks. */
function failNth(only: readonly CallName[]): (
  port: FaultPort,
  n: number,
  progress: Progress,
) => void {
  return (port, n, progress) => {
    let seen = 0;
    port.failWhen(({ name }) => {
      if (!progress.armed || !only.includes(name)) return undefined;
      return ++seen === n ? diskFullError() : undefined;
    });
  };
}

const seedRuntime: Beginning = { before: (root) => writeSeedFiles(root, newModel()) };
const journaled = [storeBundle, createFull, input(1, "page ", 5000), createPlain];

const beginnings: Record<string, Beginning> = {
  "an empty directory": { before: () => {}, operations: [createPlain] },
  "a runtime of the seed's program": seedRuntime,
  "the journal of a killed process": {
    before: async (root) => {
      const open = await KillableRuntime.open(root, 1000);
      for (const operation of journaled) await perform(open.runtime, operation);
      open.kill();
    },
    done: journaled,
    operations: [input(1, "next")],
  },
};

for (const [name, beginning] of Object.entries(beginnings)) {
  Deno.test(`any call but a sync that fails, from ${name}, leaves memory and disk agreeing (W-FRS-6)`, async () => {
    const faults = await failEach(failNth(CALLS), {
      ...beginning,
      check: ({ unknown, call: { name, path = "" } = {} }) => {
        // Behind the sync it is looked at whether the journal is still in its place.
        const isLook = name === "lstatSync" && path.includes("/journal-");
        if (!isLook) assertEquals(unknown, undefined, "only a sync makes it read-only");
      },
    });
    assertGreater(faults, 30);
  });

  Deno.test(`any sync that fails, from ${name}, makes it read-only until it is opened again`, async () => {
    const faults = await failEach(failNth(SYNCS), {
      ...beginning,
      check: ({ errors }) => {
        for (const { kind, message, cause } of errors) {
          assertEquals(kind, "read-only");
          assertStringIncludes(message, "open it again");
          assertInstanceOf(cause, Error);
        }
      },
    });
    assertGreater(faults, 5);
  });
}

for (const ending of ["close", "kill"] as const) {
  for (const bytes of [0, 1, 100]) {
    Deno.test(`any write that takes ${bytes} bytes only, then a ${ending}, leaves memory and disk agreeing (W-FRS-6)`, async () => {
      const inject = (port: FaultPort, n: number) => port.shortWriteAt(n, bytes);
      assertGreater(await failEach(inject, { ...seedRuntime, ending }), everyKind.length);
    });
  }
}

for (const bytes of [100, 32_000, 64_000]) {
  Deno.test(`any write of ${bytes} bytes only, where the journal reserves room, leaves memory and disk agreeing`, async () => {
    const operations = [createPlain, ...["a", "b", "c", "d"].map((text) => input(1, text, 30_000))];
    const inject = (port: FaultPort, n: number) => port.shortWriteAt(n, bytes);
    const faults = await failEach(inject, { ...seedRuntime, operations, ending: "kill" });
    assertGreater(faults, operations.length);
  });
}

Deno.test("a disk that stays full refuses every mutation, and once there is room all goes on", () =>
  withTempDir(async (root) => {
    const port = new FaultPort({ base: hastyFilePort });
    const runtime = await openRuntime(root, { port });
    const model = newModel();
    for (const operation of [storeBundle, createFull]) {
      await performBoth(runtime, model, operation);
    }
    port.shortWriteAt(1, 10, { thenFail: true });
    for (let tries = 0; tries < 4; tries++) {
      const failing = () => perform(runtime, input(1, "lost"));
      assertEquals((await assertRejects(failing, RuntimeStoreError)).kind, "store-io");
      assertEquals(await look(runtime), seenIn(model));
    }
    port.reset();
    await performBoth(runtime, model, input(1, "kept"));
    assertEquals(await look(runtime), seenIn(model));
    await runtime.close();
    assertSeedFiles(root, model);
    await assertClean(root);
  }));

Deno.test("reading, any call failing, says where and leaves no handle open", async () => {
  const model = newModel();
  model.applyAll([storeBundle, createFull, input(1, "first")]);
  const faults = await everyFailure(async (port, root) => {
    const store = await openStore(root, { port });
    try {
      assertEquals(await look(store), seenIn(model));
    } finally {
      await store.close();
      assertEquals(port.openCount, 0);
    }
  }, (_root, { error }) => {
    if (error === undefined) return;
    assertInstanceOf(error, RuntimeStoreError, String(error));
    assertEquals(error.kind, "store-io");
    assert(error.details.path !== undefined && error.message.includes(error.details.path));
  }, { before: (root) => writeSeedFiles(root, model) });
  assertGreater(faults, 10);
});
