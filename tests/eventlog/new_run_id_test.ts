import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { checkRunId, createUlid, isUlid } from "../../_internal/root_layout.ts";
import { EventLogError, newEventId, newRunId } from "../../eventlog/mod.ts";
import { modeOf, readText, write } from "../_util/files.ts";
import { makeStranger, STRANGERS } from "../_util/strangers.ts";
import { withTempDir } from "../_util/temp.ts";

const isWindows = Deno.build.os === "windows";

const HOUR_MS = 3_600_000;
const GREATEST = "7zzzzzzzzzzzzzzzzzzzzzzzzz";

function ulidOf(runId: string): string {
  return runId.slice(-26);
}

Deno.test("newRunId() makes <name>-<lower-case ULID> (OEV-3), and an allowed run id", () =>
  withTempDir(async (root) => {
    for (const name of ["feature", "a.b_c-d", "x".repeat(93)]) {
      const runId = await newRunId({ root, name });
      assert(runId.startsWith(`${name}-`) && isUlid(ulidOf(runId)));
      checkRunId(runId);
    }
    assertEquals(readText(`${root}/.ulid-last`).length, 27);
    if (Deno.build.os !== "windows") assertEquals(modeOf(`${root}/.ulid-last`), 0o600);
  }));

Deno.test("newRunId() takes the time from the clock (OUL-2)", () =>
  withTempDir(async (root) => {
    const before = createUlid(Date.now()).slice(0, 10);
    const ulid = ulidOf(await newRunId({ root, name: "a" })).slice(0, 10);
    assert(before <= ulid && ulid <= createUlid(Date.now()).slice(0, 10));
  }));

Deno.test("newRunId() is monotonic, also for many callers at once (OUL-1, OUL-2)", () =>
  withTempDir(async (root) => {
    const sequential: string[] = [];
    for (let n = 0; n < 20; n++) sequential.push(ulidOf(await newRunId({ root, name: "a" })));
    assertEquals(sequential, sequential.toSorted());
    const parallel = await Promise.all(
      Array.from({ length: 30 }, () => newRunId({ root, name: "a" })),
    );
    const all = [...sequential, ...parallel.map(ulidOf)];
    assertEquals(new Set(all).size, 50);
    assertGreater(parallel.map(ulidOf).sort()[0]!, sequential.at(-1)!);
  }));

Deno.test("newRunId() goes on from the last id when the clock has gone back (OUL-2)", () =>
  withTempDir(async (root) => {
    const future = createUlid(Date.now() + HOUR_MS).slice(0, 25) + "0";
    write(`${root}/.ulid-last`, `${future}\n`);
    assertEquals(await newRunId({ root, name: "a" }), `a-${future.slice(0, 25)}1`);
    assertEquals(readText(`${root}/.ulid-last`), `${future.slice(0, 25)}1\n`);
    assertEquals(await newRunId({ root, name: "b" }), `b-${future.slice(0, 25)}2`);
  }));

Deno.test("newRunId() refuses a state that it cannot understand, and leaves it (OUL-3)", () =>
  withTempDir(async (root) => {
    for (
      const text of [
        "garbage",
        "01KPFNTQEEJ7VHN935KC0TM9VP\n",
        "01kpfntqee\n",
        "\0x",
        GREATEST + "z",
      ]
    ) {
      write(`${root}/.ulid-last`, text);
      const error = await assertRejects(() => newRunId({ root, name: "a" }), EventLogError);
      assertEquals([error.kind, error.details.path], ["corrupt", `${root}/.ulid-last`]);
      assertMatch(error.message, /remove the file$/);
      assertEquals(readText(`${root}/.ulid-last`), text);
    }
  }));

Deno.test("newRunId() begins anew where a power cut left no content", () =>
  withTempDir(async (root) => {
    for (const text of ["", "\0".repeat(27), "\n"]) {
      write(`${root}/.ulid-last`, text);
      assert(isUlid(ulidOf(await newRunId({ root, name: "a" }))));
    }
  }));

Deno.test("newRunId() says when no greater ULID exists (OUL-3)", () =>
  withTempDir(async (root) => {
    write(`${root}/.ulid-last`, `${GREATEST}\n`);
    const making = () => newRunId({ root, name: "a" });
    await assertRejects(making, RangeError, "Cannot make a ULID greater than");
    assertEquals(readText(`${root}/.ulid-last`), `${GREATEST}\n`);
  }));

Deno.test("newRunId() reports what the file system refuses", () =>
  withTempDir(async (directory) => {
    write(`${directory}/file`, "");
    const root = `${directory}/file/root`;
    const error = await assertRejects(() => newRunId({ root, name: "a" }), EventLogError);
    assertEquals([error.kind, error.details.path], ["io", `${root}/.ulid-last`]);
  }));

Deno.test(
  "newRunId() writes to nothing but a file of its own",
  { ignore: isWindows },
  () =>
    withTempDir(async (root) => {
      const path = `${root}/.ulid-last`;
      for (const stranger of STRANGERS) {
        if (!await makeStranger(stranger, path)) continue;
        await assertRejects(
          () => newRunId({ root, name: "a" }),
          TypeError,
          `it is ${stranger}, not`,
        );
      }
      const precious = `${root}/precious`;
      write(precious, "");
      for (const link of [Deno.link, Deno.symlink]) {
        await Deno.remove(path, { recursive: true });
        await link(precious, path);
        await assertRejects(() => newRunId({ root, name: "a" }), TypeError, " link");
        assertEquals(readText(precious), "");
      }
    }),
);

Deno.test("newEventId() gives lower-case ULIDs, each greater than all before (OEV-1)", () => {
  const ids = Array.from({ length: 5000 }, () => newEventId());
  assert(ids.every(isUlid));
  assertEquals(ids, ids.toSorted());
  assertEquals(new Set(ids).size, ids.length);
});

Deno.test("newEventId() goes on after another process's last id, however far ahead it is", () => {
  const ahead = createUlid(Date.now() + HOUR_MS);
  const next = newEventId({ after: ahead });
  assertGreater(next, ahead);
  assertGreater(newEventId(), next);
  assertGreater(newEventId({ after: createUlid(0) }), next);
});

Deno.test("newEventId() refuses an id that is none", () => {
  for (const after of ["", "ev-0001", "01KPFNTQEEJ7VHN935KC0TM9VP"]) {
    assertThrows(() => newEventId({ after }), TypeError, "it is no lower-case ULID");
  }
  assertThrows(() => newEventId({ after: GREATEST }), RangeError, "greater than");
});
