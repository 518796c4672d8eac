import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import {
  EventLogError,
  isLive,
  listRuns,
  newRunId,
  openEventLog,
  peekRun,
  readRun,
  readRunSync,
  removeRun,
  runExists,
  verifyRun,
} from "../../eventlog/mod.ts";
import { openRun } from "../../run/mod.ts";
import { FsRuntimeStore, verifyStore } from "../../store/mod.ts";
import { isThere, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";

Deno.test("listRuns() is empty without a root or without runs (OLG-6)", () =>
  withTempDir(async (root) => {
    assertEquals(await listRuns(`${root}/nothing`), []);
    assertEquals(await listRuns(root), []);
    await Deno.mkdir(`${root}/runs`);
    assertEquals(await listRuns(root), []);
  }));

Deno.test("listRuns() gives the folders sorted by bytes, also without a log, and nothing else (OLG-6)", () =>
  withTempDir(async (root) => {
    for (const name of ["b", "a.1", "B2", "a-1", "a_1", "Z"]) {
      await Deno.mkdir(`${root}/runs/${name}`, { recursive: true });
    }
    write(`${root}/runs/file`, "");
    if (Deno.build.os !== "windows") await Deno.symlink(root, `${root}/runs/link`);
    assertEquals(await listRuns(root), ["B2", "Z", "a-1", "a.1", "a_1", "b"]);
  }));

Deno.test("listRuns() lists what other programs call their runs, and readers read them (OLG-6)", () =>
  withTempDir(async (root) => {
    const long = "x".repeat(250);
    const names = ["sp ace", long, "é", "\uff5e", "\u{1f600}"];
    for (const name of names) {
      await Deno.mkdir(`${root}/runs/${name}`, { recursive: true });
      write(`${root}/runs/${name}/events.jsonl`, "{}\n");
    }
    assertEquals(await listRuns(root), names);
    for (const name of names) {
      assert(await runExists(root, name), name);
      assertEquals((await peekRun(root, name)).size, 3, name);
      assertEquals((await Array.fromAsync(readRun(root, name)))[0]?.events.length, 1, name);
      assertEquals([...readRunSync(root, name)][0]?.events.length, 1, name);
      assert((await verifyRun(root, name)).ok, name);
      assertEquals(await isLive(root, name), false, name);
      await assertRejects(
        () => openEventLog({ root, runId: name }),
        TypeError,
        "Cannot use run id",
      );
    }
    await removeRun(root, long);
    assertFalse(await runExists(root, long));
  }));

Deno.test("listRuns() passes over what is no run, at all levels", () =>
  withTempDir(async (root) => {
    await (await openEventLog({ root, runId: "demo" })).close();
    const system = [".DS_Store", "._demo", ".nfs0001", ".fuse_hidden1", "Thumbs.db", "lost+found"];
    const others = ["demo~", ".demo.swp", "4913", "notes.txt"];
    for (const directory of [root, `${root}/runs`, `${root}/runs/demo`]) {
      for (const name of [...system, ...others]) {
        if (name === "lost+found") await Deno.mkdir(`${directory}/${name}`);
        else write(`${directory}/${name}`, "x");
      }
    }
    assertEquals(await listRuns(root), ["demo"]);
    assert((await verifyRun(root, "demo")).ok);
    for (const name of system) {
      await Deno.remove(`${root}/runs/${name}`);
      await Deno.mkdir(`${root}/runs/${name}`);
    }
    for (const name of [".removed-1", ".hidden", ".git"]) await Deno.mkdir(`${root}/runs/${name}`);
    assertEquals(await listRuns(root), ["demo"]);
  }));

Deno.test("runExists() is false for a name that no run can have (OLG-7)", () =>
  withTempDir(async (root) => {
    await Deno.mkdir(`${root}/runs`);
    for (
      const runId of ["", ".", "..", "../runs", "a/b", "a\0", "x".repeat(300), "sp ace", "con"]
    ) {
      assertFalse(await runExists(root, runId), JSON.stringify(runId));
    }
  }));

Deno.test("no function takes a URL for a root, and none shows its password", async () => {
  const root = "postgres://me:secret@db/x";
  const calls = [
    () => listRuns(root),
    () => runExists(root, "a"),
    () => openEventLog({ root, runId: "a" }),
    () => newRunId({ root, name: "a" }),
    () => Array.fromAsync(readRun(root, "a")),
    () => peekRun(root, "a"),
    () => isLive(root, "a"),
    () => verifyRun(root, "a"),
    () => removeRun(root, "a"),
    () =>
      openRun({
        root,
        name: "a",
        constraints: { max_retries: 0 },
        invoker: { run: () => "Completed" },
      }),
    () => FsRuntimeStore.open({ root, runtimeId: "a" }),
    () => FsRuntimeStore.open({ root, runtimeId: "a", readOnly: true }),
    () => verifyStore(root),
  ];
  for (const call of calls) {
    const error = await assertRejects(async () => await call(), TypeError, "a postgres:// URL");
    assertFalse(error.message.includes("secret"), `${call}: ${error.message}`);
  }
  assertFalse(isThere("postgres:"));
});

Deno.test("listRuns() passes over a name that is not UTF-8 (OLG-6)", {
  ignore: Deno.build.os !== "linux",
}, () =>
  withTempDir(async (root) => {
    await Deno.mkdir(`${root}/runs/good`, { recursive: true });
    const make = new Deno.Command("sh", {
      args: ["-c", `mkdir "$(printf '${root}/runs/b\\377d')"`],
    });
    assert((await make.output()).success);
    assertEquals(await listRuns(root), ["good"]);
  }));

Deno.test("listRuns() says why it cannot", () =>
  withTempDir(async (root) => {
    write(`${root}/runs`, "");
    const error = await assertRejects(() => listRuns(root), EventLogError, "I/O error on");
    assertEquals([error.kind, error.details.path], ["io", `${root}/runs`]);
  }));

Deno.test("runExists() tells whether the run's folder exists (OLG-7)", () =>
  withTempDir(async (root) => {
    assertFalse(await runExists(root, "demo"));
    await (await openEventLog({ root, runId: "demo" })).close();
    assert(await runExists(root, "demo"));
    await Deno.mkdir(`${root}/runs/empty`);
    assert(await runExists(root, "empty"));
    write(`${root}/runs/file`, "");
    assertFalse(await runExists(root, "file"));
    if (Deno.build.os === "windows") return;
    await Deno.symlink(`${root}/runs/demo`, `${root}/runs/link`);
    assertFalse(await runExists(root, "link"));
  }));
