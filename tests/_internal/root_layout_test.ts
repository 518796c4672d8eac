import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
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
  verifyRun,
} from "../../eventlog/mod.ts";
import {
  checkRoot,
  checkRunId,
  foreignRunIdProblem,
  isSystemFile,
  outputName,
  runPaths,
} from "../../_internal/root_layout.ts";
import { isWindowsDevice, toHex } from "../../_internal/text.ts";
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
  "x".repeat(120),
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
  "x".repeat(121),
];

Deno.test("checkRunId() allows 1 to 120 of A-Z a-z 0-9 . _ - and nothing else (OLG-8, W-OMN-8)", () => {
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
      inbox: `${directory}${separator}inbox.jsonl`,
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
      await refused(() => isLive(root, runId));
      await refused(() => Array.fromAsync(readRun(root, runId)));
      await refused(() => Array.fromAsync(followRun(root, runId)));
      assertThrows(() => openEventLogSync({ root, runId }), TypeError, "Cannot use run id");
      assertThrows(() => [...readRunSync(root, runId)], TypeError, "Cannot use run id");
    }
    for (const name of ["../outside", "a/b", ".a", "x".repeat(94)]) {
      const says = `Cannot make a run id of the name ${JSON.stringify(name)}: `;
      await assertRejects(() => newRunId({ root, name }), TypeError, says);
    }
    assertEquals(namesIn(directory), []);
  }));

Deno.test("a name that Windows and all file systems take is the longest that newRunId() makes", () =>
  withTempDir(async (root) => {
    const runId = await newRunId({ root, name: "x".repeat(93) });
    assertEquals(runId.length, 120);
    await (await openEventLog({ root, runId })).close();
    assertEquals((await peekRun(root, runId)).size, 0);
    await assertRejects(
      () => newRunId({ root, name: "x".repeat(94) }),
      TypeError,
      "it has 94 characters, and at most 93 leave room for the rest of the run id; choose a shorter name",
    );
  }));

Deno.test("foreignRunIdProblem() takes every name that a folder can have, and no way out", () => {
  for (
    const runId of ["sp ace", "é", ".hidden", "a:b", "x".repeat(250), "é".repeat(127), "\u{1f600}"]
  ) {
    if (Deno.build.os === "windows" && runId.includes(":")) continue;
    assertEquals(foreignRunIdProblem(runId), undefined, runId);
  }
  for (
    const runId of [
      "",
      ".",
      "..",
      "a/b",
      "../x",
      "/",
      "a\0",
      "a\n",
      "\x1b[31m",
      "\x85",
      "x".repeat(256),
      "é".repeat(128),
      "\ud800",
    ]
  ) {
    assertEquals(typeof foreignRunIdProblem(runId), "string", JSON.stringify(runId));
  }
});

Deno.test("checkRoot() refuses every URL, and shows nothing of it but its kind", () => {
  for (
    const root of [
      "postgres://me:secret@db/x",
      "HTTP://secret@h",
      "file:///secret",
      "x1+y://secret",
      " s3://secret",
    ]
  ) {
    const error = assertThrows(() => checkRoot(root), TypeError, ":// URL as root");
    assertEquals(error.message.includes("secret"), false, error.message);
  }
  for (const root of ["", ".", "a//b", "/x", "./postgres://x", "C://x", "a:b", "a:/b"]) {
    checkRoot(root);
  }
});

Deno.test("isSystemFile() knows what operating systems leave, and nothing else", () => {
  const theirs = [
    ".DS_Store",
    "._events.jsonl",
    ".nfs000000000001",
    ".fuse_hidden0000",
    "Thumbs.db",
    "desktop.ini",
  ];
  for (const name of [...theirs, "lost+found", ".Trash-1000"]) {
    assertEquals(isSystemFile(name), true, name);
  }
  for (const name of ["run.json", "run.json~", ".run.json.swp", "notes", ".git", ".nfs", "_"]) {
    assertEquals(isSystemFile(name), false, name);
  }
});

Deno.test("outputName() keeps what is safe in a name, and tells ids apart that differ in case", () => {
  const nameOf = (nodeId: string) => outputName({ nodeId, attempt: 2, stream: "out" });
  assertEquals(nameOf("unit-test_1.a"), "unit-test_1.a.2.out");
  assertEquals(nameOf("Unit"), "%55nit.2.out");
  assertEquals(nameOf("test:unit/a@b"), "test%3Aunit%2Fa%40b.2.out");
  assertEquals(nameOf("é%"), "%C3%A9%25.2.out");
  assertEquals([nameOf("."), nameOf(".."), nameOf("...")], [
    "%2E.2.out",
    "%2E%2E.2.out",
    "....2.out",
  ]);
  // What Windows takes for a device, whatever follows the first dot.
  assertEquals([nameOf("nul"), nameOf("com1.a"), nameOf("console")], [
    "%6Eul.2.out",
    "%63om1.a.2.out",
    "console.2.out",
  ]);
  for (const id of ["con", "PRN", "aux.", "nul.txt", "COM0", "lpt9", "com\u00b2", "LPT\u00b3.x"]) {
    assert(!isWindowsDevice(nameOf(id)), nameOf(id));
  }
});

Deno.test("outputName() cuts a long id, and puts a digest behind it", async () => {
  const nameOf = (nodeId: string) => outputName({ nodeId, attempt: 1, stream: "result" });
  assertEquals(nameOf("x".repeat(100)), `${"x".repeat(100)}.1.result`);
  for (const nodeId of ["x".repeat(101), "É".repeat(17)]) {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(nodeId));
    const begin = nodeId.startsWith("x") ? nodeId.slice(0, 83) : "%C3%89".repeat(17).slice(0, 83);
    assertEquals(nameOf(nodeId), `${begin}-${toHex(new Uint8Array(digest)).slice(0, 16)}.1.result`);
  }
});
