import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { openEventLog, readRun, readRunSync, type StandardSchema } from "../../eventlog/mod.ts";
import { readText } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { type AnyEvent, eventsOf, RUN_ID, writeRun } from "./_runs.ts";

type Validate = StandardSchema<AnyEvent>["~standard"]["validate"];

function schemaOf(validate: Validate): StandardSchema<AnyEvent> {
  return { "~standard": { version: 1, vendor: "test", validate } };
}

/** Wants a number `n`. */
const strict = schemaOf((value) => {
  const event = value as AnyEvent;
  return typeof event.n === "number"
    ? { value: event }
    : { issues: [{ message: "n is missing" }, { message: "or no number" }] };
});

Deno.test("a schema keeps an event out that it would refuse on reading", () =>
  withTempDir(async (root) => {
    await using log = await openEventLog({ root, runId: RUN_ID, schema: strict });
    const message = "failed to serialize event: the schema refuses it: n is missing; or no number";
    await assertRejects(() => log.append({ n: "1" }), TypeError, message);
    assertThrows(() => log.appendSync({}), TypeError, message);
    await assertRejects(() => log.appendAll([{ n: 1 }, {}]), TypeError, message);
    await log.append({ n: 1 });
    assertEquals(readText(log.path), '{"n":1}\n');
  }));

Deno.test("a schema sees the event as it will be read: after toJSON and redaction", () =>
  withTempDir(async (root) => {
    const seen: unknown[] = [];
    const schema = schemaOf((value) => {
      seen.push(structuredClone(value));
      return strict["~standard"].validate(value);
    });
    const redact = (value: unknown, path: string) => path === "$.secret" ? "***" : value;
    await using log = await openEventLog<AnyEvent>({ root, runId: RUN_ID, schema, redact });
    await log.append({ n: 1, at: new Date(0), secret: "x", absent: undefined });
    assertEquals(seen, [{ n: 1, at: "1970-01-01T00:00:00.000Z", secret: "***" }]);
    const hides = schemaOf((value) =>
      (value as AnyEvent).secret === "x" ? { issues: [{ message: "seen" }] } : { value: {} }
    );
    await using other = await openEventLog<AnyEvent>({
      root,
      runId: RUN_ID,
      schema: hides,
      redact,
    });
    await other.append({ n: 1, secret: "x" });
  }));

Deno.test("what a schema makes of an event is delivered, and what the caller gave is written", () =>
  withTempDir(async (root) => {
    const schema = schemaOf((value) => ({ value: { n: (value as { n: number }).n * 10 } }));
    await using log = await openEventLog<AnyEvent>({ root, runId: RUN_ID, schema });
    await log.append({ n: 1 });
    assertEquals(readText(log.path), '{"n":1}\n');
    assertEquals((await log.read()).events, [{ seq: 1, event: { n: 10 } }]);
    const [page] = await Array.fromAsync(readRun<AnyEvent>(root, RUN_ID, { schema }));
    assertEquals(page?.events, [{ seq: 1, event: { n: 10 } }]);
    assertEquals(eventsOf(root), [{ n: 1 }]);
  }));

Deno.test("what a schema refuses on reading is a gap, and the lines around it are delivered", () =>
  withTempDir((root) => {
    writeRun(root, '{"n":1}\n{"m":2}\n\0\0{"m":3}\n\0{"n":4}\n{"n":5}\n');
    const [page] = [...readRunSync<AnyEvent>(root, RUN_ID, { schema: strict })];
    assertEquals(page?.events.map(({ seq }) => seq), [1, 4, 5]);
    assertEquals(page?.gaps.map(({ seq, reason }) => [seq, reason]), [
      [2, "schema"],
      [3, "nul-run"],
      [4, "nul-run"],
    ]);
    assertEquals(page?.gaps[0]?.message, "n is missing; or no number");
  }));

Deno.test("a schema that answers later is refused, and its rejection harms nobody", () =>
  withTempDir(async (root) => {
    const message = "Cannot use a schema that validates asynchronously";
    const schema = schemaOf(() => Promise.reject(new Error("later")));
    await using log = await openEventLog<AnyEvent>({ root, runId: RUN_ID, schema });
    await assertRejects(() => log.append({ n: 1 }), TypeError, message);
    assertThrows(() => log.appendSync({ n: 1 }), TypeError, message);
    writeRun(root, '{"n":1}\n');
    await assertRejects(() => log.read(), TypeError, message);
    await assertRejects(() => log.follow().next(), TypeError, message);
    await new Promise((resolve) => setTimeout(resolve));
  }));
