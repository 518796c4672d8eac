import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import * as eventlog from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { RUN_ID } from "./_runs.ts";

/** What plain JavaScript can call: no compiler stands in between. */
type Call = (...parameters: unknown[]) => unknown;

const calls = eventlog as unknown as Record<string, Call>;

/** Calls, and goes through what it gives, if that is a sequence. */
async function run(call: () => unknown): Promise<void> {
  const result = await call();
  if (typeof result !== "object" || result === null) return;
  if (Symbol.iterator in result) Array.from(result as Iterable<unknown>);
  if (Symbol.asyncIterator in result) await Array.fromAsync(result as AsyncIterable<unknown>);
}

/** The calls that lack something or have it of a wrong type, and what the error must name. */
function wrongCalls(root: string): [string, unknown[], string][] {
  const opening = ["openEventLog", "openEventLogSync"].flatMap((name) =>
    [
      [[], "options"],
      [[null], "options"],
      [[{}], "root"],
      [[{ runId: RUN_ID }], "root"],
      [[{ root }], "runId"],
      [[{ root, runId: 7 }], "runId"],
      [[{ root, runId: null }], "runId"],
      [[{ root, runId: RUN_ID, lockTimeoutMs: "5" }], "lockTimeoutMs"],
      [[{ root, runId: RUN_ID, durability: 1 }], "durability"],
      [[{ root, runId: RUN_ID, exclusive: "yes" }], "exclusive"],
      [[{ root, runId: RUN_ID, schema: "zod" }], "schema"],
      [[{ root, runId: RUN_ID, schema: { "~standard": {} } }], "schema"],
      [[{ root, runId: RUN_ID, redact: {} }], "redact"],
    ].map((wrong) => [name, ...wrong] as [string, unknown[], string])
  );
  const ofOneRun = [
    "readRun",
    "readRunSync",
    "followRun",
    "peekRun",
    "runExists",
    "isLive",
    "removeRun",
    "repairRun",
    "verifyRun",
  ].flatMap((name): [string, unknown[], string][] => [
    [name, [], "r"],
    [name, [undefined, RUN_ID], "root"],
    [name, [root], "runId"],
    [name, [root, 7], "runId"],
  ]);
  const reading = ["readRun", "readRunSync", "followRun"].flatMap((
    name,
  ): [string, unknown[], string][] => [
    [name, [root, RUN_ID, null], "options"],
    [name, [root, RUN_ID, { after: {} }], "after"],
    [name, [root, RUN_ID, { signal: 1 }], "signal"],
    [name, [root, RUN_ID, { strict: 1 }], "strict"],
    [name, [root, RUN_ID, { schema: null }], "schema"],
  ]);
  return [
    ...opening,
    ...ofOneRun,
    ...reading,
    ["listRuns", [], "root"],
    ["sweepRemovedRuns", [7], "root"],
    ["probeLock", [], "directory"],
    ["newRunId", [], "options"],
    ["newRunId", [{ root }], "name"],
    ["newRunId", [{ name: "n" }], "root"],
    ["newEventId", [null], "options"],
    ["newEventId", [{ after: 7 }], "after"],
  ];
}

Deno.test("every function refuses a missing or mistyped argument with a TypeError that names it", () =>
  withTempDir(async (root) => {
    await (await eventlog.openEventLog({ root, runId: RUN_ID })).close();
    for (const [name, parameters, named] of wrongCalls(root)) {
      const what = `${name}(${Deno.inspect(parameters)})`;
      const failing = () => run(() => calls[name]!(...parameters));
      const error = await assertRejects(failing, TypeError, "Cannot ", what);
      assertStringIncludes(error.message, named, what);
    }
    assertEquals(await eventlog.listRuns(root), [RUN_ID]);
  }));

Deno.test("every method of a log refuses a mistyped argument with a TypeError that names it", () =>
  withTempDir(async (root) => {
    await using log = await eventlog.openEventLog({ root, runId: RUN_ID });
    const methods = log as unknown as Record<string, Call>;
    const wrong: [string, unknown[], string][] = [
      ...["append", "appendSync"].flatMap((name): [string, unknown[], string][] => [
        [name, [{}, null], "options"],
        [name, [{}, { expectedLastSeq: "1" }], "expectedLastSeq"],
        [name, [{}, { durability: "maybe" }], "durability"],
      ]),
      ["append", [{}, { signal: "now" }], "signal"],
      ["appendAll", [], "events"],
      ["appendAllSync", [{ length: 1 }], "events"],
      ["read", [null], "options"],
      ["read", [{ limit: "7" }], "limit"],
      ["read", [{ after: true }], "after"],
      ["follow", [null], "options"],
      ["follow", [{ signal: 7 }], "signal"],
    ];
    for (const [name, parameters, named] of wrong) {
      const what = `${name}(${Deno.inspect(parameters)})`;
      const failing = () => run(() => methods[name]!.apply(log, parameters));
      const error = await assertRejects(failing, TypeError, "Cannot ", what);
      assertStringIncludes(error.message, named, what);
    }
    assertEquals(await log.lastSeq(), 0);
  }));
