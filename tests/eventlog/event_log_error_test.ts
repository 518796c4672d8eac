import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { denoFilePort } from "../../_internal/file_port.ts";
import { EventLogError } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { lockedPathOf, openLog, pathOf, readAll, writeRun } from "./_runs.ts";

Deno.test("EventLogError says what, where and why, and is an Error of its own name", () => {
  const cause = new Error("why");
  const error = new EventLogError("malformed", "what", {
    details: { path: "/p", line: 2, byteOffset: 8, expected: 1, actual: 0 },
    remedy: "do this",
    cause,
  });
  assertInstanceOf(error, Error);
  assertEquals([error.name, error.kind, error.message], ["EventLogError", "malformed", "what"]);
  assertEquals(error.details, { path: "/p", line: 2, byteOffset: 8, expected: 1, actual: 0 });
  assertEquals([error.remedy, error.cause], ["do this", cause]);
  assert(error.stack?.startsWith("EventLogError: what"));
  assert(!("cause" in new EventLogError("io", "")));
});

Deno.test("the seed's four errors keep their messages (spec 5.2)", () =>
  withTempDir(async (root) => {
    const missing = assertThrows(() => readAll(root), EventLogError);
    assertInstanceOf(missing.cause, Deno.errors.NotFound);
    assertEquals(missing.message, `I/O error on ${pathOf(root)}: ${missing.cause.message}`);

    await using log = await openLog(root, { lockTimeoutMs: 20 });
    const unserializable = await assertRejects(() => log.append({ n: NaN }), TypeError);
    assertEquals(
      unserializable.message,
      "failed to serialize event: $.n is NaN, which JSON cannot hold",
    );

    const lockPath = lockedPathOf(root);
    const holder = denoFilePort.openSync(lockPath, { read: true, append: true });
    assert(holder.tryLockSync(true));
    const timeout = await assertRejects(() => log.append({ n: 1 }), EventLogError);
    holder.close();
    assertEquals(
      timeout.message,
      `event log lock ${lockPath} was not released within the acquire budget`,
    );

    const path = writeRun(root, '{"n":1}\n{"n":"half\n');
    const malformed = assertThrows(() => readAll(root, { strict: true }), EventLogError);
    const reason = malformed.message.slice(`malformed event at ${path}:2: `.length);
    assertEquals(malformed.message, `malformed event at ${path}:2: ${reason}`);
    assert(reason !== "");
  }));
