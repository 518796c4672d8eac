import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  atomicReplace,
  atomicReplaceSync,
  atomicReplaceWhole,
  type ReplaceFailure,
  type ReplaceStage,
  sweepTempsSync,
} from "../../_internal/atomic_replace.ts";
import { denoFilePort, type FilePort } from "../../_internal/file_port.ts";
import { reasonOf } from "../../_internal/text.ts";
import { everyCut } from "../_util/every_cut.ts";
import { everyFailure } from "../_util/every_failure.ts";
import { FaultPort } from "../_util/fault_port.ts";
import type { CallName } from "../_util/fault_script.ts";
import { modeOf, namesIn, readText, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";

const isWindows = Deno.build.os === "windows";
const OLD = "old\n".repeat(2000);
const NEW = "new content\n".repeat(1000);

class ReplaceError extends Error {
  constructor(readonly failure: ReplaceFailure) {
    super(failure.stage, { cause: failure.cause });
  }
}

const toError = (failure: ReplaceFailure) => new ReplaceError(failure);

type Replace = (port: FilePort, path: string, text?: string) => void | Promise<void>;

/** Both forms, which every test below runs through. */
const forms: [name: string, replace: Replace][] = [
  [
    "atomicReplaceSync()",
    (port, path, text = NEW) =>
      atomicReplaceSync(port, { path, bytes: new TextEncoder().encode(text), toError }),
  ],
  [
    "atomicReplace()",
    (port, path, text = NEW) =>
      atomicReplace(port, { path, bytes: new TextEncoder().encode(text), toError }),
  ],
  [
    "atomicReplaceWhole()",
    (port, path, text = NEW) => atomicReplaceWhole(port, { path, bytes: inBlocks(text), toError }),
  ],
];

/** A text that comes block by block; of none no block comes. */
async function* inBlocks(text: string): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += 5000) {
    await Promise.resolve();
    yield bytes.subarray(at, at + 5000);
  }
}

/** At which stage a failure of a call is reported. */
function stageOf(name: CallName, path: string): ReplaceStage {
  const isDirectory = !path.endsWith(".tmp") && !path.endsWith("/file");
  if (isDirectory) return "sync-directory";
  const isMade = ["openSync", "tryLockSync", "statSync", "lstatSync"].includes(name);
  if (isMade && path.endsWith(".tmp")) return "create-temp";
  if (name === "renameSync") return "rename";
  return name === "syncSync" || name === "sync" ? "sync" : "write";
}

for (const [name, replace] of forms) {
  Deno.test(`${name} creates a file for its owner alone, and leaves no temp`, () =>
    withTempDir(async (directory) => {
      await replace(denoFilePort, `${directory}/file`);
      assertEquals(readText(`${directory}/file`), NEW);
      if (!isWindows) assertEquals(modeOf(`${directory}/file`), 0o600);
      await replace(denoFilePort, `${directory}/file`, "");
      assertEquals(readText(`${directory}/file`), "");
      assertEquals(namesIn(directory), ["file"]);
    }));

  Deno.test(
    `${name} keeps the mode of the file that it replaces`,
    { ignore: isWindows },
    () =>
      withTempDir(async (directory) => {
        const path = `${directory}/file`;
        for (const mode of [0o644, 0o600, 0o400]) {
          write(path, OLD);
          await Deno.chmod(path, mode);
          await replace(denoFilePort, path);
          assertEquals(modeOf(path), mode);
          assertEquals(readText(path), NEW);
          await Deno.remove(path);
        }
      }),
  );

  Deno.test(
    `${name} replaces a link and leaves what it leads to`,
    { ignore: isWindows },
    () =>
      withTempDir(async (directory) => {
        write(`${directory}/elsewhere`, OLD);
        await Deno.symlink(`${directory}/elsewhere`, `${directory}/file`);
        await replace(denoFilePort, `${directory}/file`);
        const { isFile, mode } = await Deno.lstat(`${directory}/file`);
        assertEquals([isFile, mode! & 0o777], [true, 0o600]);
        assertEquals(readText(`${directory}/elsewhere`), OLD);
      }),
  );

  Deno.test(`${name} goes on after short writes, and fails when none of the bytes are taken`, () =>
    withTempDir(async (directory) => {
      const port = new FaultPort();
      port.shortWriteAt(1, 5);
      port.shortWriteAt(2, 1);
      await replace(port, `${directory}/file`);
      assertEquals(readText(`${directory}/file`), NEW);
      port.shortWriteAt(1, 0);
      await assertRejects(
        async () => await replace(port, `${directory}/file`),
        ReplaceError,
        "write",
      );
      assertEquals(namesIn(directory), ["file"]);
    }));

  Deno.test(`${name}, any of its calls failing, tells the stage and leaves old or new, and no temp`, async () => {
    const stages = new Set<ReplaceStage>();
    await everyFailure(
      (port, root) => replace(port, `${root}/file`),
      (root, { call, error, port }) => {
        assertEquals(port.openCount, 0);
        const removed = namesIn(root);
        assertEquals(removed, ["file"]);
        const text = readText(`${root}/file`);
        if (call === undefined) return assertEquals(text, NEW);
        // Whether the temp could be locked or not, only a sweeper's chances depend on it.
        assertInstanceOf(error, ReplaceError);
        const stage = stageOf(call.name, call.path);
        assertEquals(error.failure.stage, stage);
        assertEquals(error.failure.path, `${root}/file`);
        assertMatch(error.failure.tempPath, /file\.\d+\.\d+\.tmp$/);
        assertEquals(text, stage === "sync-directory" ? NEW : OLD);
        stages.add(stage);
      },
      { before: (root) => write(`${root}/file`, OLD) },
    );
    assertEquals([...stages].sort(), ["create-temp", "rename", "sync", "sync-directory", "write"]);
  });

  Deno.test(`${name}, the power cut after any call, leaves old or new, complete`, async () => {
    await everyCut(async (port, root, done) => {
      await replace(port, `${root}/file`);
      done.push("replaced");
    }, (image, { acknowledged }) => {
      const text = readText(`${image}/file`);
      if (acknowledged.length > 0) assertEquals(text, NEW);
      else assert(text === OLD || text === NEW, "neither old nor new");
    }, { before: (root) => write(`${root}/file`, OLD) });
  });

  Deno.test(`${name} leaves the temp to the sweeper when it cannot remove it`, () =>
    withTempDir(async (directory) => {
      const path = `${directory}/file`;
      const port = new FaultPort();
      port.failAt(1, { only: ["renameSync"], error: new Error("first") });
      port.failAt(1, { only: ["removeSync"], error: new Error("second") });
      const failing = async () => await replace(port, path);
      const { failure } = await assertRejects(failing, ReplaceError, "rename");
      assertEquals((failure.cause as Error).message, "first");
      assertEquals(namesIn(directory).length, 1);
    }));
}

Deno.test("atomicReplaceSync() gives up when every name for a temp is taken", () =>
  withTempDir((directory) => {
    const port = new FaultPort();
    port.failAt(1, { only: ["openSync"], andLater: true, error: new Deno.errors.AlreadyExists() });
    const failing = () =>
      atomicReplaceSync(port, { path: `${directory}/file`, bytes: new Uint8Array(), toError });
    const { failure } = assertThrows(failing, ReplaceError, "exhausted-temp-names");
    assertEquals(port.count("openSync"), 64);
    assertInstanceOf(failure.cause, Deno.errors.AlreadyExists);
  }));

Deno.test("atomicReplaceSync() takes another name for the temp when one is taken", () =>
  withTempDir((directory) => {
    const port = new FaultPort();
    port.failAt(1, { only: ["openSync"], error: new Deno.errors.AlreadyExists() });
    atomicReplaceSync(port, { path: `${directory}/file`, bytes: new Uint8Array([1]), toError });
    assertEquals(namesIn(directory), ["file"]);
  }));

Deno.test(
  "atomicReplaceSync() puts the new content on disk before the rename, and the rename after",
  {
    ignore: isWindows,
  },
  () =>
    withTempDir((root) => {
      const port = new FaultPort({ root });
      atomicReplaceSync(port, { path: `${root}/file`, bytes: new Uint8Array([1]), toError });
      const names = port.calls.map(({ name }) => name)
        .filter((name) => ["writeSync", "syncSync", "renameSync"].includes(name));
      assertEquals(names, ["writeSync", "syncSync", "renameSync", "syncSync"]);
    }),
);

const isOurs = (name: string) => name === "run.json";

Deno.test("sweepTempsSync() takes the temps of the file whose maker is gone, and nothing else", () =>
  withTempDir((directory) => {
    const others = [
      "run.json",
      "notes.tmp",
      "run.json.17.tmp",
      "run.json.17.5.tmp.bak",
      "run.json.x.5.tmp",
      "report.2025.12.tmp",
      "xrun.json.17.3.tmp",
      ".17.3.tmp",
    ];
    for (const name of others) write(`${directory}/${name}`, "precious");
    Deno.mkdirSync(`${directory}/run.json.1.1.tmp`);
    if (!isWindows) Deno.symlinkSync(`${directory}/notes.tmp`, `${directory}/run.json.1.2.tmp`);
    const kept = namesIn(directory);
    write(`${directory}/run.json.17.3.tmp`, "left over");
    write(`${directory}/run.json.17.6.tmp`, "left over");
    const held = Deno.openSync(`${directory}/run.json.17.6.tmp`);
    held.lockSync(true);

    assertEquals(sweepTempsSync(denoFilePort, directory, isOurs), ["run.json.17.3.tmp"]);
    held.close();
    assertEquals(sweepTempsSync(denoFilePort, directory, isOurs), ["run.json.17.6.tmp"]);
    assertEquals(sweepTempsSync(denoFilePort, directory, isOurs), []);
    assertEquals(namesIn(directory), kept);
  }));

Deno.test("sweepTempsSync() passes over a temp that another sweeper takes at the same time", () =>
  withTempDir((directory) => {
    for (const call of ["lstatSync", "openSync", "removeSync"] as const) {
      write(`${directory}/run.json.1.1.tmp`, "left over");
      const port = new FaultPort();
      port.failAt(1, { only: [call], error: new Deno.errors.NotFound() });
      assertEquals(sweepTempsSync(port, directory, isOurs), [], call);
      assertEquals(port.openCount, 0);
    }
  }));

/** Sweeps before the n-th call of a name that a port is asked to make. */
function sweepingPort(directory: string, name: "lstatSync" | "statSync" | "tryLockSync"): FilePort {
  const sweep = () => sweepTempsSync(denoFilePort, directory, isOurs);
  return {
    ...denoFilePort,
    lstatSync: (path) => {
      if (name === "lstatSync") sweep();
      return denoFilePort.lstatSync(path);
    },
    openSync: (path, options) => {
      const file = denoFilePort.openSync(path, options);
      if (name === "lstatSync" || file.statSync().isDirectory) return file;
      const original = file[name].bind(file) as (exclusive: boolean) => never;
      return Object.assign(file, {
        [name]: (exclusive: boolean) => {
          sweep();
          return original(exclusive);
        },
      });
    },
  };
}

for (const name of ["lstatSync", "statSync", "tryLockSync"] as const) {
  Deno.test(`atomicReplaceSync() is not harmed by a sweeper that comes before ${name}`, {
    ignore: isWindows,
  }, () =>
    withTempDir((directory) => {
      const path = `${directory}/run.json`;
      let rounds = 0;
      const real = sweepingPort(directory, name);
      // Whoever sweeps every time lets nobody get ready: only the first temps are taken.
      const port = {
        ...real,
        openSync: (path: string, options: Deno.OpenOptions) =>
          (rounds++ < 3 ? real : denoFilePort).openSync(path, options),
      };
      atomicReplaceSync(port, { path, bytes: new TextEncoder().encode("new"), toError });
      assertEquals(readText(path), "new");
      assertEquals(namesIn(directory), ["run.json"]);
    }));
}

Deno.test("atomicReplace() leaves neither temp nor handle where sync() throws before it makes a promise", () =>
  withTempDir(async (directory) => {
    const path = `${directory}/file`;
    let open = 0;
    const port: FilePort = {
      ...denoFilePort,
      openSync: (path, options) => {
        const file = denoFilePort.openSync(path, options);
        const closeFile = file.close.bind(file);
        open++;
        const sync = () => {
          throw new Error("refused at once");
        };
        const close = () => {
          open--;
          closeFile();
        };
        return Object.assign(file, { sync, close });
      },
    };
    const error = await assertRejects(
      () => atomicReplace(port, { path, bytes: new Uint8Array(3), toError }),
      ReplaceError,
    );
    assertEquals([error.failure.stage, reasonOf(error.failure.cause)], ["sync", "refused at once"]);
    assertEquals([open, namesIn(directory)], [0, []]);
  }));

Deno.test("atomicReplaceWhole() leaves the old file, and no temp, where what is to come fails", () =>
  withTempDir(async (directory) => {
    const path = `${directory}/file`;
    write(path, OLD);
    const failure = new Error("nothing more comes");
    async function* bytes() {
      yield* inBlocks(NEW);
      throw failure;
    }
    const error = await assertRejects(() =>
      atomicReplaceWhole(denoFilePort, { path, bytes: bytes(), toError })
    );
    assert(error === failure);
    assertEquals([readText(path), namesIn(directory)], [OLD, ["file"]]);
  }));
