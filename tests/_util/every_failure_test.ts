/** The proof that {@linkcode everyFailure} finds what careless programs do, and leaves careful ones alone. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { FilePort } from "../../_internal/file_port.ts";
import { everyFailure, type EveryFailureOptions } from "./every_failure.ts";

const encoder = new TextEncoder();

/** Which care the program under test takes. */
interface Care {
  /** Looks at what writeSync returned. */
  checksCount: boolean;
  /** Cuts an incomplete line back. */
  cutsBack: boolean;
  /** Gives up after a failed sync instead of trying again. */
  givesUp: boolean;
}

const CAREFUL: Care = { checksCount: true, cutsBack: true, givesUp: true };

/** Appends two lines and acknowledges those that are done; returns at the first that is not. */
function appendLines(care: Care, port: FilePort, root: string, acknowledged: string[]): void {
  const file = port.openSync(`${root}/log`, { write: true });
  try {
    for (const line of ["first\n", "second\n"]) {
      appendLine(care, file, encoder.encode(line));
      acknowledged.push(line);
    }
  } finally {
    file.close();
  }
}

function appendLine(care: Care, file: ReturnType<FilePort["openSync"]>, line: Uint8Array): void {
  const start = file.seekSync(0, Deno.SeekMode.End);
  const written = file.writeSync(line);
  if (care.checksCount && written < line.length) {
    if (care.cutsBack) file.truncateSync(start);
    throw new Error("Cannot append: the disk is full");
  }
  try {
    file.syncDataSync();
  } catch (cause) {
    if (care.givesUp) throw new Error("Cannot append: the outcome is unknown", { cause });
    file.syncDataSync();
  }
}

function textOf(path: string): string {
  return Deno.readTextFileSync(path);
}

/** Everything acknowledged is whole, now and after a power cut, and nothing else is half there. */
function everyFailureOfAppends(care: Care, options: EveryFailureOptions = {}): Promise<number> {
  return everyFailure(
    (port, root, acknowledged) => appendLines(care, port, root, acknowledged),
    (root, { acknowledged, port, call, error }) => {
      assertEquals(textOf(`${root}/log`).split("\n").at(-1), "", "the last line is torn");
      port.crashImage(`${root}-image`, 0);
      const kept = textOf(`${root}-image/log`);
      for (const line of acknowledged) assert(kept.includes(line), `${line.trim()} is lost`);
      if (call === undefined) assertEquals([acknowledged.length, error], [2, undefined]);
    },
    { before: (root) => Deno.writeTextFile(`${root}/log`, ""), ...options },
  );
}

Deno.test("everyFailure() never blames a careful writer", async () => {
  assertEquals(await everyFailureOfAppends(CAREFUL), 7, "open, two of seek, write and sync");
  assertEquals(await everyFailureOfAppends(CAREFUL, { only: ["writeSync"] }), 2);
  assertEquals(await everyFailureOfAppends(CAREFUL, { andLater: true }), 7);
});

Deno.test("everyFailure() finds a second sync taken for a success", async () => {
  const run = everyFailureOfAppends({ ...CAREFUL, givesUp: false });
  const error = await assertRejects(() => run, Error, "first is lost") as Error;
  assertMatch(
    error.message,
    /^Failure n=4, in call 4 \(syncDataSync \.\/log\) \(again: \{ onlyRun: 4 \}\): /,
  );
  const again = everyFailureOfAppends({ ...CAREFUL, givesUp: false }, { onlyRun: 4 });
  assertEquals((await assertRejects(() => again, Error) as Error).message, error.message);
});

Deno.test("everyFailure() with short writes finds a count that is not looked at", async () => {
  const inject: EveryFailureOptions["inject"] = (port, n) => port.shortWriteAt(n, 3);
  assertEquals(await everyFailureOfAppends(CAREFUL, { inject }), 2);
  for (const care of [{ ...CAREFUL, checksCount: false }, { ...CAREFUL, cutsBack: false }]) {
    await assertRejects(() => everyFailureOfAppends(care, { inject }), Error);
  }
});

Deno.test("everyFailure() throws the error it is given and tells the check", async () => {
  const given = new Deno.errors.PermissionDenied("not you");
  const seen: unknown[] = [];
  await everyFailure(
    (port, root) => {
      port.lstatSync(root);
    },
    (_root, { n, call, error }) => {
      seen.push([n, call?.name, error]);
    },
    { error: given },
  );
  assertEquals(seen, [[1, "lstatSync", given], [2, undefined, undefined]]);
});

Deno.test("everyFailure() takes no error that does not come from the fault", async () => {
  const run = everyFailure(
    (port, root) => {
      try {
        port.lstatSync(root);
      } catch {
        throw new TypeError("a mistake");
      }
    },
    () => {},
  );
  await assertRejects(() => run, Error, "the workload failed by itself: TypeError: a mistake");
});

Deno.test("everyFailure() does not let close() and unlockSync() fail, unless asked", async () => {
  const workload = (port: FilePort, root: string) => {
    port.openSync(`${root}/log`, { write: true, create: true }).close();
  };
  assertEquals(await everyFailure(workload, () => {}), 1);
  assertEquals(await everyFailure(workload, () => {}, { only: ["openSync", "close"] }), 2);
});

Deno.test("everyFailure() closes what a failing workload leaves open", async () => {
  const openCounts: number[] = [];
  await everyFailure(
    (port, root) => {
      port.openSync(`${root}/log`, { write: true, create: true });
      port.lstatSync(root);
    },
    (_root, { port }) => {
      openCounts.push(port.openCount);
    },
  );
  assertEquals(openCounts, [0, 0, 0]);
});

Deno.test("everyFailure() refuses a workload that makes no call", async () => {
  await assertRejects(() => everyFailure(() => {}, () => {}), Error, "makes fewer calls");
});
