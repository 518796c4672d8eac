import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { digestKeyPath, lastUlidPath, runPaths } from "../../../_internal/root_layout.ts";
import { restoreLastUlid } from "../../../cli/inspect/restore_files.ts";
import { openRootOnPort } from "../../../run/file_root/file_root.ts";
import { openFileRoot, RunError } from "../../../run/mod.ts";
import { everyFailure } from "../../_util/every_failure.ts";
import { FaultPort } from "../../_util/fault_port.ts";
import { namesIn } from "../../_util/files.ts";
import { withTempDir } from "../../_util/temp.ts";

const ABOUT = { name: "demo" };

Deno.test("openFileRoot() makes nothing, and refuses a URL without showing its password", () =>
  withTempDir(async (directory) => {
    const path = `${directory}/root`;
    const root = openFileRoot(path);
    assertEquals(root.name, path);
    assertEquals([await root.list(), await root.sweep()], [{ runs: [] }, 0]);
    assertEquals(namesIn(directory), []);
    const error = assertThrows(() => openFileRoot("postgres://ada:secret@db"), TypeError);
    assert(!error.message.includes("secret"));
  }));

Deno.test("what a killed replacement left is removed by the next holder, however young it is", () =>
  withTempDir(async (path) => {
    const root = openFileRoot(path);
    const held = await root.create({ about: ABOUT });
    const { runId } = held.view;
    await held[Symbol.asyncDispose]();
    const { directory } = runPaths(path, runId);
    const before = namesIn(directory);
    const left = ["run", "flow", "capture", "trace"].map((name) => `${name}.json.17.3.tmp`);
    for (const name of [...left, "capture.jsonl.17.4.tmp", "mine.tmp"]) {
      await Deno.writeTextFile(`${directory}/${name}`, "half");
    }
    const again = await root.hold(runId);
    await again[Symbol.asyncDispose]();
    assertEquals(namesIn(directory), [...before, "mine.tmp"].toSorted());

    await Deno.writeTextFile(`${lastUlidPath(path)}.17.3.tmp`, "half");
    await Deno.writeTextFile(lastUlidPath(path), "damaged");
    restoreLastUlid(path, [runId]);
    assertEquals(namesIn(path).filter((name) => name.endsWith(".tmp")), []);
  }));

Deno.test("a holder is named by its process and the time since when it holds the run", () =>
  withTempDir(async (path) => {
    const before = Date.now() - 1000;
    const root = openFileRoot(path);
    await using held = await root.create({ about: ABOUT });
    const holder = await held.view.holder();
    assertEquals(holder?.pid, Deno.pid);
    assert(holder?.since !== undefined && holder.since >= before);
    const copied = runPaths(path, held.view.runId).liveLock;
    // A lock that was put in place of the one that is held tells nothing of who holds it.
    await Deno.copyFile(copied, `${copied}.copy`);
    await Deno.rename(`${copied}.copy`, copied);
    assertEquals((await held.view.holder())?.pid, undefined);
    assert(await held.view.holder() !== undefined, "its folder is still held");
  }));

Deno.test("a run of a newer version is refused, and nothing in it is changed", () =>
  withTempDir(async (path) => {
    const root = openFileRoot(path);
    const held = await root.create({ about: ABOUT });
    const { runId } = held.view;
    await held[Symbol.asyncDispose]();
    const { run, directory } = runPaths(path, runId);
    await Deno.writeTextFile(run, '{"format":2}');
    const before = namesIn(directory);
    const calls = [
      () => root.hold(runId),
      () => root.post(runId, { op: "1", gate: "ask" }),
      () => root.remove(runId),
      () => root.view(runId).events.read(),
    ];
    for (const call of calls) {
      const error = await assertRejects(call, RunError);
      assertEquals([error.kind, error.details.runId], ["format", runId]);
    }
    assertEquals(namesIn(directory), before);
  }));

Deno.test("a key file that holds no key is refused, and one that was cut off is made anew", () =>
  withTempDir(async (path) => {
    const root = openFileRoot(path);
    const file = digestKeyPath(path);
    await Deno.writeTextFile(file, "0123");
    const { id, key } = await root.digestKey();
    assertEquals((await Deno.readTextFile(file)).length, 65);
    if (Deno.build.os !== "windows") assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);
    assertEquals(await root.digestKey(), { id, key });
    await Deno.writeTextFile(file, "x".repeat(65));
    assertEquals((await assertRejects(() => root.digestKey(), RunError)).kind, "damaged");
    await Deno.remove(file);
    await root.digestKey();
    if (Deno.build.os !== "windows") assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);
  }));

Deno.test("a link in place of the outputs of a run is never followed", () =>
  withTempDir(async (path) => {
    const root = openFileRoot(path);
    await using held = await root.create({ about: ABOUT });
    const { nodes } = runPaths(path, held.view.runId);
    const outside = `${path}/outside`;
    await Deno.mkdir(outside);
    await Deno.symlink(outside, nodes);
    const of = { nodeId: "a", attempt: 1, stream: "out" } as const;
    const sink = held.openOutput(of, { maxBytes: 10 });
    assertThrows(() => sink.write(new Uint8Array([1]), 0), TypeError, "symbolic link");
    await sink.close();
    await Deno.remove(nodes);
    const next = held.openOutput(of, { maxBytes: 10 });
    next.write(new Uint8Array([1]), 0);
    await next.close();
    await Deno.symlink(`${outside}/file`, `${nodes}/b.1.out`);
    const linked = held.openOutput({ ...of, nodeId: "b" }, { maxBytes: 10 });
    assertThrows(() => linked.write(new Uint8Array([1]), 0), TypeError, "symbolic link");
    await linked.close();
    assertEquals(namesIn(outside), []);
  }));

Deno.test("a message for a run that is removed meanwhile arrives before that, or its sender hears of it", () =>
  withTempDir(async (path) => {
    const root = openFileRoot(path);
    for (let round = 0; round < 20; round++) {
      const held = await root.create({ about: ABOUT });
      await held[Symbol.asyncDispose]();
      const { runId } = held.view;
      const posts = ["a", "b", "c"].map((op) => root.post(runId, { op, gate: "ask" }));
      const [removed, ...sent] = await Promise.allSettled([root.remove(runId), ...posts]);
      assertEquals(removed.status, "fulfilled");
      for (const one of sent) {
        if (one.status === "rejected") assertEquals(one.reason.kind, "missing", one.reason);
      }
    }
  }));

Deno.test("a run that cannot be held, whatever fails, has nothing open, and can be held by the next", async () => {
  let runId = "";
  await everyFailure(async (port, root) => {
    try {
      await using _held = await openRootOnPort(port, root).hold(runId);
    } finally {
      assertEquals(port.openCount, 0);
    }
  }, async (root) => {
    await using held = await openFileRoot(root).hold(runId);
    assertEquals(held.token, 1n);
  }, {
    before: async (root) => {
      await using held = await openFileRoot(root).create({ about: ABOUT });
      await held.append({ capture: ["{}"], processes: ["{}"] });
      ({ runId } = held.view);
    },
  });
});

Deno.test("a run that is given up has nothing open any more, and keeps what was printed", () =>
  withTempDir(async (path) => {
    const port = new FaultPort();
    const held = await openRootOnPort(port, path).create({ about: ABOUT });
    await held.append({ capture: ["{}"], processes: ["{}"] });
    const of = { nodeId: "a", attempt: 1, stream: "out" } as const;
    const sink = held.openOutput(of, { maxBytes: 10 });
    sink.write(new Uint8Array([1]), 0);
    held.openOutput({ ...of, stream: "err" }, { maxBytes: 10 });
    assert(port.openCount > 0);
    await held[Symbol.asyncDispose]();
    assertEquals(port.openCount, 0);
    assertEquals(await held.view.output(of), new Uint8Array([1]));
  }));
