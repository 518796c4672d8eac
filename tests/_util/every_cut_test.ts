/** The proof that {@linkcode everyCut} finds what careless programs do, and leaves careful ones alone. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { FilePort } from "../../_internal/file_port.ts";
import { type CutInfo, everyCut, type EveryCutOptions } from "./every_cut.ts";
import type { FaultPort } from "./fault_port.ts";
import { PowerCut } from "./fault_script.ts";
import { textOf } from "./files.ts";

/** Fixed, so that what is shown here is shown in every run. */
const SEEDS = Array.from({ length: 12 }, (_, index) => index);
const encoder = new TextEncoder();

function syncDirectory(port: FilePort, path: string): void {
  const directory = port.openSync(path, { read: true });
  try {
    directory.syncSync();
  } finally {
    directory.close();
  }
}

/** Which care the program under test takes. */
interface Care {
  syncFile: boolean;
  syncDirectory: boolean;
}

const CAREFUL: Care = { syncFile: true, syncDirectory: true };

/** Appends ten lines and acknowledges each. */
function appendLines(
  care: Care,
  port: FilePort,
  root: string,
  acknowledged: string[],
  text = (index: number) => `line ${index} ${"x".repeat(900)}`,
): void {
  const file = port.openSync(`${root}/log`, { append: true, create: true, mode: 0o600 });
  try {
    if (care.syncDirectory) syncDirectory(port, root);
    for (let index = 0; index < 10; index++) {
      file.writeSync(encoder.encode(text(index) + "\n"));
      if (care.syncFile) file.syncDataSync();
      acknowledged.push(text(index));
    }
  } finally {
    file.close();
  }
}

function checkLines(image: string, { acknowledged }: CutInfo<string>): void {
  const lines = textOf(`${image}/log`).split("\n");
  for (const line of acknowledged) assert(lines.includes(line), `"${line.slice(0, 6)}" is lost`);
}

function everyCutOfAppends(care: Care, options: EveryCutOptions = {}) {
  return everyCut(
    (port, root, acknowledged) => appendLines(care, port, root, acknowledged),
    checkLines,
    { seeds: SEEDS, ...options },
  );
}

Deno.test("everyCut() never blames a writer that syncs before it acknowledges", async () => {
  const { cuts, images } = await everyCutOfAppends(CAREFUL);
  assertEquals(cuts, 25, "open, open, sync, close, ten writes and syncs, close");
  assertEquals(images, cuts * SEEDS.length);
});

Deno.test("everyCut() finds a writer that acknowledges without a sync", async () => {
  for (const seed of [0, 2]) {
    const run = everyCutOfAppends({ ...CAREFUL, syncFile: false }, { seeds: [seed] });
    await assertRejects(() => run, Error, "is lost");
  }
  const kind = everyCutOfAppends({ ...CAREFUL, syncFile: false }, { seeds: [1] });
  assertEquals((await kind).cuts, 15, "a disk that keeps everything shows nothing");
});

Deno.test("everyCut() finds that lost acknowledgement in drawn images too", async () => {
  const run = everyCutOfAppends({ ...CAREFUL, syncFile: false }, { seeds: SEEDS.slice(3) });
  await assertRejects(() => run, Error, "is lost");
});

Deno.test("everyCut() finds a new file whose directory was not synced", async () => {
  const run = everyCutOfAppends({ ...CAREFUL, syncDirectory: false });
  await assertRejects(() => run, Error, "is lost");
});

Deno.test("everyCut() does not ask for a directory sync of a file that was there", async () => {
  await everyCutOfAppends({ ...CAREFUL, syncDirectory: false }, {
    before: (root) => Deno.writeTextFile(`${root}/log`, "before\n"),
  });
});

Deno.test("everyCut() says where it failed, and the failure can be had again", async () => {
  const care = { ...CAREFUL, syncFile: false };
  const error = await assertRejects(() => everyCutOfAppends(care), Error) as Error;
  const again = /again: \{ onlyCut: (\d+), seeds: \[(\d+)\] \}/.exec(error.message);
  assertMatch(
    error.message,
    /^Power cut n=5, after call 5 \(writeSync \.\/log, 908 bytes\), seed=0 /,
  );
  assert(again !== null);
  const options = { onlyCut: Number(again[1]), seeds: [Number(again[2])] };
  const second = await assertRejects(() => everyCutOfAppends(care, options), Error) as Error;
  assertEquals(second.message, error.message);
});

/** Replaces a file by a temporary one that is renamed. */
function replace(care: Care, port: FilePort, root: string, text: string): void {
  const options = { write: true, createNew: true, mode: 0o600 };
  const file = port.openSync(`${root}/state.tmp`, options);
  try {
    file.writeSync(encoder.encode(text));
    if (care.syncFile) file.syncSync();
  } finally {
    file.close();
  }
  port.renameSync(`${root}/state.tmp`, `${root}/state`);
  if (care.syncDirectory) syncDirectory(port, root);
}

function everyCutOfReplacing(care: Care, seeds: readonly number[] = SEEDS) {
  return everyCut<string>(
    (port, root, acknowledged) => {
      for (const text of ["one", "two", "three"]) {
        replace(care, port, root, text);
        acknowledged.push(text);
      }
    },
    (image, { acknowledged }) => {
      const text = textOf(`${image}/state`);
      assert(["zero", "one", "two", "three"].includes(text), `the file holds ${inspect(text)}`);
      const order = ["zero", "one", "two", "three"];
      const last = acknowledged.at(-1) ?? "zero";
      assert(order.indexOf(text) >= order.indexOf(last), `"${last}" was replaced by "${text}"`);
    },
    { seeds, before: (root) => Deno.writeTextFile(`${root}/state`, "zero") },
  );
}

function inspect(text: string): string {
  return /^\0+$/.test(text) ? "NULs" : JSON.stringify(text);
}

Deno.test("everyCut() never blames an atomic replacement with both syncs", async () => {
  const { cuts } = await everyCutOfReplacing(CAREFUL);
  assertEquals(cuts, 3 * 8);
});

Deno.test("everyCut() finds a file of NULs behind a rename without fsync", async () => {
  const careless = { ...CAREFUL, syncFile: false };
  await assertRejects(() => everyCutOfReplacing(careless, [2]), Error, "the file holds NULs");
  await assertRejects(() => everyCutOfReplacing(careless, [0]), Error, 'the file holds ""');
  await assertRejects(() => everyCutOfReplacing(careless, SEEDS.slice(3)), Error, "the file holds");
});

Deno.test("everyCut() finds a rename that was undone for want of a directory sync", async () => {
  const careless = { ...CAREFUL, syncDirectory: false };
  for (const seeds of [[0], SEEDS.slice(3)]) {
    await assertRejects(() => everyCutOfReplacing(careless, seeds), Error, "was replaced by");
  }
});

Deno.test("everyCut() finds a file that is rewritten in place", async () => {
  const run = everyCut(
    (port, root) => {
      const file = port.openSync(`${root}/state`, { write: true, truncate: true });
      file.writeSync(encoder.encode("new"));
      file.syncDataSync();
      file.close();
    },
    (image) => assert(["old", "new"].includes(textOf(`${image}/state`)), "neither old nor new"),
    { seeds: [1], before: (root) => Deno.writeTextFile(`${root}/state`, "old") },
  );
  await assertRejects(() => run, Error, "neither old nor new");
});

Deno.test("everyCut() finds a reader that trusts whatever follows the last newline", async () => {
  const run = everyCut(
    (port, root, acknowledged) => {
      appendLines(CAREFUL, port, root, acknowledged, (index) => `${index}`.repeat(3000));
    },
    (image) => {
      for (const line of textOf(`${image}/log`).split("\n")) {
        assert(line === "" || line.length === 3000, "a torn line is taken for a whole one");
      }
    },
    { seeds: SEEDS },
  );
  await assertRejects(() => run, Error, "a torn line");
});

Deno.test("everyCut() finds a group that is acknowledged while its sync is under way", async () => {
  const appendGroup = (isPatient: boolean) =>
    everyCut<string>(
      async (port, root, acknowledged) => {
        const file = port.openSync(`${root}/log`, { append: true });
        file.writeSync(encoder.encode("a\nb\n"));
        const sync = file.syncData();
        if (!isPatient) acknowledged.push("a", "b");
        await sync;
        if (isPatient) acknowledged.push("a", "b");
      },
      checkLines,
      { seeds: SEEDS, before: (root) => Deno.writeTextFile(`${root}/log`, "") },
    );
  await appendGroup(true);
  // A sync that cannot even begin says so only later: by then the lines are acknowledged.
  await assertRejects(() => appendGroup(false), Error, "is lost");
});

Deno.test("everyCut() takes a wrapped PowerCut, and no other error", async () => {
  const wrapped = everyCut(
    (port, root) => {
      try {
        appendLines(CAREFUL, port, root, []);
      } catch (cause) {
        throw new AggregateError([new Error("Cannot append", { cause })], "two things");
      }
    },
    () => {},
    { seeds: [0] },
  );
  assertEquals((await wrapped).cuts, 25);
  const broken = everyCut(
    (port, root) => {
      port.lstatSync(root);
      throw new TypeError("a mistake");
    },
    () => {},
  );
  await assertRejects(
    () => broken,
    Error,
    "The workload failed by itself (power cut n=1): TypeError",
  );
});

Deno.test("everyCut() refuses a workload that makes no call", async () => {
  await assertRejects(() => everyCut(() => {}, () => {}), Error, "the workload makes fewer calls");
});

Deno.test("everyCut() leaves no handle open and no directory behind", async () => {
  const ports: FaultPort[] = [];
  const directories: string[] = [];
  const leaky = everyCut(
    (port, root) => {
      ports.push(port);
      directories.push(root);
      port.openSync(`${root}/log`, { append: true, create: true });
      port.lstatSync(root);
    },
    (image, { n }) => {
      directories.push(image);
      assert(n < 2, "the second cut");
    },
  );
  await assertRejects(() => leaky, Error, "the second cut");
  for (const directory of directories) {
    await assertRejects(() => Deno.lstat(`${directory}/..`), Deno.errors.NotFound);
  }
  assertEquals(ports.map((port) => port.openCount), [0, 0]);
});

Deno.test("everyCut() with `only` cuts only after those calls", async () => {
  const { cuts } = await everyCutOfAppends(CAREFUL, { only: ["syncDataSync"] });
  assertEquals(cuts, 10);
});

Deno.test("PowerCut names the call", () => {
  const call = { n: 3, name: "writeSync", path: "/log", bytes: 5 } as const;
  assertEquals(new PowerCut(call).message, "Power was cut after call 3 (writeSync /log, 5 bytes)");
});
