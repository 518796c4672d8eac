import { writeError } from "../../capture/errors.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { sweepTempsSync } from "../../_internal/atomic_replace.ts";
import { denoFilePort, runSteps, runStepsSync } from "../../_internal/file_port.ts";
import { bundleSteps } from "../../capture/bundle/write_capture_bundle.ts";
import {
  CaptureWriteError,
  type CaptureWriteStage,
  parseCaptureBundle,
  readCaptureBundle,
  stringifyCaptureBundle,
  type V3CaptureBundle,
  writeCaptureBundle,
  writeCaptureBundleSync,
} from "../../capture/mod.ts";
import { everyCut } from "../_util/every_cut.ts";
import { everyFailure } from "../_util/every_failure.ts";
import type { FaultPort } from "../_util/fault_port.ts";
import type { CallName } from "../_util/fault_script.ts";
import { withTempDir } from "../_util/temp.ts";
import { NO_LIMITS, RUNTIME, sampleBundle } from "./_util.ts";

function bundleOf(graphId: string): V3CaptureBundle {
  return {
    capture_version: "v3",
    graph_id: graphId,
    config: NO_LIMITS,
    events: [],
    decisions: [],
    adapter_provenance: "none",
    runtime_provenance: RUNTIME,
  };
}

function names(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).toSorted();
}

Deno.test("a bundle is written with one newline at its end, over an old one (CWR-1)", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/a/b/run.json`;
    const bundle = await sampleBundle();
    await writeCaptureBundle(path, bundle, { style: "pretty" });
    assertEquals(await Deno.readTextFile(path), stringifyCaptureBundle(bundle, "pretty"));
    writeCaptureBundleSync(path, bundle);
    assertEquals(await Deno.readTextFile(path), stringifyCaptureBundle(bundle));
    assertEquals(await readCaptureBundle(path), bundle);
    assertEquals(names(`${directory}/a/b`), ["run.json"]);
    if (Deno.build.os !== "windows") {
      assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
      assertEquals((await Deno.stat(`${directory}/a`)).mode! & 0o777, 0o700);
    }
  });
});

Deno.test("InvalidDestination: a path needs a file name, and nothing is created", async () => {
  await withTempDir(async (directory) => {
    for (const path of ["", "/", ".", "..", `${directory}/new/..`, `${directory}/new/.`]) {
      const error = await assertRejects(
        () => writeCaptureBundle(path, bundleOf("g")),
        CaptureWriteError,
      );
      assertEquals(error.stage, "InvalidDestination");
      assertEquals(
        error.message,
        `write capture bundle '${path}': destination must include a file name`,
      );
    }
    assertEquals(names(directory), []);
  });
});

Deno.test("Serialize: a bundle that has no text leaves nothing behind (W-ERGO-5, J-5)", async () => {
  await withTempDir(async (directory) => {
    const bundle = await sampleBundle();
    bundle.decisions[0]!.effects[0]!.effect.writes[0]!.value = { Number: NaN };
    const path = `${directory}/new/run.json`;
    const error = assertThrows(
      () => writeCaptureBundleSync(path, bundle, { style: "pretty" }),
      CaptureWriteError,
    );
    assertEquals([error.stage, error.details.style, error.details.path], [
      "Serialize",
      "pretty",
      path,
    ]);
    assert(error.cause instanceof TypeError);
    const prefix = `serialize capture bundle '${path}' (pretty): Cannot print $.decisions[0]`;
    assert(error.message.startsWith(prefix), error.message);
    assertEquals(names(directory), []);
  });
});

Deno.test("CreateOutputDirectory: a file stands in the way, as the parent or above it", async () => {
  await withTempDir(async (directory) => {
    await Deno.writeTextFile(`${directory}/file`, "as it was");
    await Deno.symlink(`${directory}/file`, `${directory}/link`);
    await Deno.symlink(`${directory}/nowhere`, `${directory}/dangling`);
    const paths = ["file/sub/run.json", "file/run.json", "link/run.json", "dangling/run.json"];
    for (const path of paths) {
      const error = await assertRejects(
        () => writeCaptureBundle(`${directory}/${path}`, bundleOf("g")),
        CaptureWriteError,
      );
      assertEquals([error.stage, error.kind], ["CreateOutputDirectory", "io"], path);
      assert(error.message.startsWith("create capture output directory: "), error.message);
      assert(error.cause instanceof Error);
    }
    assertEquals(names(directory), ["dangling", "file", "link"]);
    assertEquals(await Deno.readTextFile(`${directory}/file`), "as it was");
  });
});

Deno.test("a directory that is reached by a link is written to", async () => {
  await withTempDir(async (directory) => {
    await Deno.mkdir(`${directory}/real`);
    await Deno.symlink(`${directory}/real`, `${directory}/link`);
    await writeCaptureBundle(`${directory}/link/run.json`, bundleOf("g"));
    assertEquals(names(`${directory}/real`), ["run.json"]);
  });
});

Deno.test("RenameTempFile: a path with a slash at its end names no file, and nothing is changed", async () => {
  await withTempDir(async (directory) => {
    await Deno.writeTextFile(`${directory}/file`, "as it was");
    await Deno.mkdir(`${directory}/folder`);
    for (const path of ["file/", "file//", "new/", "folder/", "folder"]) {
      const write = () => writeCaptureBundle(`${directory}/${path}`, bundleOf("g"));
      const error = await assertRejects(write, CaptureWriteError);
      assertEquals([error.stage, error.kind], ["RenameTempFile", "io"], path);
    }
    assertEquals(names(directory), ["file", "folder"]);
    assertEquals(await Deno.readTextFile(`${directory}/file`), "as it was");
  });
});

Deno.test("WriteTempFile: a pipe or a device is not replaced", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await withTempDir(async (directory) => {
    new Deno.Command("mkfifo", { args: [`${directory}/pipe`] }).outputSync();
    using _listener = Deno.listen({ transport: "unix", path: `${directory}/socket` });
    for (const [name, kind] of [["pipe", "a named pipe"], ["socket", "a socket"]] as const) {
      const write = () => writeCaptureBundle(`${directory}/${name}`, bundleOf("g"));
      const error = await assertRejects(write, CaptureWriteError, `it is ${kind}`);
      assertEquals([error.stage, error.kind], ["WriteTempFile", "io"]);
    }
    assertEquals(names(directory), ["pipe", "socket"]);
  });
});

Deno.test("every message names the paths and the cause (CWR)", () => {
  const cause = new Error("why");
  const temp = { path: "d", tempPath: "t" };
  const messages = [
    writeError("CreateTempFile", temp, cause),
    writeError("WriteTempFile", temp, cause),
    writeError("SyncTempFile", temp, cause),
    writeError("RenameTempFile", temp, cause),
    writeError("ExhaustedTempFileAttempts", { path: "d" }),
    writeError("SyncDirectory", { path: "d" }, cause),
  ];
  assertEquals(messages.map(({ message }) => message), [
    "write capture bundle 'd': create temp file 't': why",
    "write capture bundle 'd': write temp file 't': why",
    "write capture bundle 'd': sync temp file 't': why",
    "write capture bundle 'd': rename temp file 't': why",
    "write capture bundle 'd': exhausted temp file creation attempts",
    "write capture bundle 'd': sync directory: why",
  ]);
  assertEquals(messages.map((error) => error.cause), [
    cause,
    cause,
    cause,
    cause,
    undefined,
    cause,
  ]);
});

Deno.test("ExhaustedTempFileAttempts: after 64 names that are taken (CWR-2)", async () => {
  await withTempDir((directory) => {
    let attempts = 0;
    const port = {
      ...denoFilePort,
      openSync: (path: string, options: Deno.OpenOptions) => {
        if (!options.createNew) return denoFilePort.openSync(path, options);
        attempts++;
        throw new Deno.errors.AlreadyExists(path);
      },
    };
    const error = assertThrows(
      () => runStepsSync(bundleSteps(port, `${directory}/run.json`, { bundle: bundleOf("g") })),
      CaptureWriteError,
    );
    assertEquals([error.stage, attempts], ["ExhaustedTempFileAttempts", 64]);
  });
});

/** The stages that a failing call may lead to; a call that only sweeps leads to none. */
const STAGES: Partial<Record<CallName, (CaptureWriteStage | undefined)[]>> = {
  mkdirSync: ["CreateOutputDirectory"],
  lstatSync: ["CreateOutputDirectory", "CreateTempFile", "WriteTempFile"],
  statSync: ["CreateTempFile"],
  openSync: ["CreateTempFile", "SyncDirectory"],
  readDirSync: [undefined],
  tryLockSync: ["CreateTempFile"],
  chmodSync: ["WriteTempFile"],
  writeSync: ["WriteTempFile"],
  sync: ["SyncTempFile"],
  syncSync: ["SyncTempFile", "SyncDirectory"],
  renameSync: ["RenameTempFile"],
};

for (const isSync of [false, true]) {
  Deno.test(`the n-th call fails: the stage tells what is on disk (CWR-3), sync: ${isSync}`, async () => {
    const before = stringifyCaptureBundle(bundleOf("before"));
    const after = stringifyCaptureBundle(bundleOf("after"));
    const failures = await everyFailure(
      async (port, root) => {
        const toWrite = { bundle: bundleOf("after") };
        if (isSync) runStepsSync(bundleSteps(port, `${root}/run.json`, toWrite));
        else await runSteps(bundleSteps(port, `${root}/run.json`, toWrite));
      },
      (root, { call, error }) => {
        const text = Deno.readTextFileSync(`${root}/run.json`);
        parseCaptureBundle(text);
        if (call !== undefined && error === undefined) assertEquals(call.name, "readDirSync");
        if (error === undefined) return assertEquals(text, after);
        assert(error instanceof CaptureWriteError);
        assert(STAGES[call!.name]!.includes(error.stage), `${call!.name}: ${error.stage}`);
        assertEquals(text, error.stage === "SyncDirectory" ? after : before);
        sweepTempsSync(denoFilePort, root, (name) => name === "run.json");
        assertEquals(names(root), ["run.json"]);
      },
      { before: (root) => Deno.writeTextFileSync(`${root}/run.json`, before) },
    );
    assert(failures >= 8, `${failures}`);
  });
}

Deno.test("the n-th call fails where directories are created", async () => {
  await everyFailure(
    (port, root) => runSteps(bundleSteps(port, `${root}/a/b/run.json`, { bundle: bundleOf("g") })),
    (root, { call, error }) => {
      if (error === undefined) {
        parseCaptureBundle(Deno.readTextFileSync(`${root}/a/b/run.json`));
        return;
      }
      assert(error instanceof CaptureWriteError);
      assert(STAGES[call!.name]!.includes(error.stage), `${call!.name}: ${error.stage}`);
    },
  );
});

Deno.test("the power goes: the old bundle or the new one, once acknowledged the new one (W-ERGO-2)", async () => {
  const before = stringifyCaptureBundle(bundleOf("before"));
  const after = stringifyCaptureBundle(bundleOf("after"));
  await everyCut(
    async (port: FaultPort, root, acknowledged: string[]) => {
      await runSteps(bundleSteps(port, `${root}/run.json`, { bundle: bundleOf("after") }));
      acknowledged.push("over");
      await runSteps(bundleSteps(port, `${root}/a/b/run.json`, { bundle: bundleOf("after") }));
      acknowledged.push("new");
    },
    (image, { acknowledged }) => {
      const text = Deno.readTextFileSync(`${image}/run.json`);
      assert(text === after || !acknowledged.includes("over") && text === before);
      if (!acknowledged.includes("new")) return;
      assertEquals(Deno.readTextFileSync(`${image}/a/b/run.json`), after);
    },
    { before: (root) => Deno.writeTextFileSync(`${root}/run.json`, before) },
  );
});

Deno.test("temp files that killed processes left are swept (W-ERGO-4)", async () => {
  await withTempDir((directory) => {
    const left = `${directory}/run.json.12345.0.tmp`;
    const held = `${directory}/run.json.12345.1.tmp`;
    const others = `${directory}/report.2025.12.tmp`;
    for (const path of [left, held, others]) Deno.writeTextFileSync(path, "half");
    using maker = Deno.openSync(held);
    maker.lockSync(true);
    writeCaptureBundleSync(`${directory}/run.json`, bundleOf("g"));
    assertEquals(names(directory), ["report.2025.12.tmp", "run.json", "run.json.12345.1.tmp"]);
  });
});
