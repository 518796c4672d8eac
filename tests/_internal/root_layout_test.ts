import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  followRun,
  isLive,
  newRunId,
  openEventLog,
  openEventLogSync,
  peekRun,
  readRun,
  readRunSync,
  repairRun,
  runExists,
  verifyRun,
} from "../../eventlog/mod.ts";
import { checkRunId, runPaths } from "../../_internal/root_layout.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";

const good = [
  "a",
  "A",
  "0",
  "_",
  "-",
  "feature-01kpfntqeej7vhn935kc0tm9vn",
  "a.b..c",
  "con1",
  "console",
  "com",
  "com10",
  "x".repeat(128),
];

const bad = [
  "",
  ".",
  "..",
  "...",
  "../x",
  "x/..",
  "a/b",
  "/etc",
  "a\\b",
  "..\\x",
  "C:",
  "C:\\x",
  "a:b",
  "a b",
  "a\0b",
  "a\n",
  "\na",
  ".hidden",
  "trailing.",
  "é",
  "а", // the Cyrillic letter
  "a\u202eb",
  "%2e%2e",
  "~",
  "*",
  "con",
  "CON",
  "nul.txt",
  "prn",
  "AUX",
  "com1",
  "LPT9.log",
  "x".repeat(129),
];

Deno.test("checkRunId() allows 1 to 128 of A-Z a-z 0-9 . _ - and nothing else (OLG-8, W-OMN-8)", () => {
  for (const runId of good) checkRunId(runId);
  for (const runId of bad) {
    assertThrows(() => checkRunId(runId), TypeError, "Cannot use run id", JSON.stringify(runId));
  }
});

Deno.test("runPaths() stays inside the root (OLG-1)", () => {
  const separator = Deno.build.os === "windows" ? "\\" : "/";
  for (const runId of good) {
    const paths = runPaths("root", runId);
    const directory = ["root", "runs", runId].join(separator);
    assertEquals(paths, {
      directory,
      run: `${directory}${separator}run.json`,
      events: `${directory}${separator}events.jsonl`,
      eventsLock: `${directory}${separator}events.lock`,
      liveLock: `${directory}${separator}live.lock`,
      flow: `${directory}${separator}flow.json`,
      journal: `${directory}${separator}capture.jsonl`,
      bundle: `${directory}${separator}capture.json`,
      trace: `${directory}${separator}trace.json`,
      processes: `${directory}${separator}processes.jsonl`,
      nodes: `${directory}${separator}nodes`,
    });
  }
});

Deno.test("every function refuses a run id that escapes, before it touches anything (W-OMN-8)", () =>
  withTempDir(async (directory) => {
    const root = `${directory}/root`;
    for (const runId of ["../outside", "..", "a/../../outside", ""]) {
      const refused = (call: () => Promise<unknown>) =>
        assertRejects(call, TypeError, "Cannot use run id");
      await refused(async () => await openEventLog({ root, runId }));
      await refused(() => verifyRun(root, runId));
      await refused(() => repairRun(root, runId));
      await refused(() => peekRun(root, runId));
      await refused(() => runExists(root, runId));
      await refused(() => isLive(root, runId));
      await refused(() => Array.fromAsync(readRun(root, runId)));
      await refused(() => Array.fromAsync(followRun(root, runId)));
      assertThrows(() => openEventLogSync({ root, runId }), TypeError, "Cannot use run id");
      assertThrows(() => [...readRunSync(root, runId)], TypeError, "Cannot use run id");
    }
    for (const name of ["../outside", "a/b", ".a", "x".repeat(102)]) {
      const says = `Cannot make a run id of the name ${JSON.stringify(name)}: `;
      await assertRejects(() => newRunId({ root, name }), TypeError, says);
    }
    assertEquals(namesIn(directory), []);
  }));
