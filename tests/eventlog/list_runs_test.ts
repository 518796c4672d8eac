import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { EventLogError, listRuns, openEventLog, runExists } from "../../eventlog/mod.ts";
import { write } from "../_util/files.ts";
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
    for (const name of ["b", "a.1", "B2", "a-1", "a_1", "Z", ".hidden", "con", "sp ace", "é"]) {
      await Deno.mkdir(`${root}/runs/${name}`, { recursive: true });
    }
    write(`${root}/runs/file`, "");
    if (Deno.build.os !== "windows") await Deno.symlink(root, `${root}/runs/link`);
    assertEquals(await listRuns(root), ["B2", "Z", "a-1", "a.1", "a_1", "b"]);
  }));

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
