/**
 * A disk that is full (W-OMN-2, W-OMN-11), in real processes: the append throws with its cause,
 * leaves nothing of itself, and the next one works as soon as there is room.
 */
import { assert, assertEquals } from "@std/assert";
import { openEventLog, readRun, verifyRun } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";
import type { Answer, Command, Failure } from "./_programs/_full_disk.ts";

const RUN_ID = "full";
const LINE_BYTES = 1000;
/** In blocks of 512 bytes. Large enough for what Deno itself may write. */
const LIMIT_BLOCKS = 4096;
const LIMIT_BYTES = LIMIT_BLOCKS * 512;

/** No file can grow beyond the limit; without the trap the process would be killed instead. */
const LIMIT_SCRIPT = `trap '' XFSZ; ulimit -f ${LIMIT_BLOCKS}; exec "$@"`;

/** The disk is of the process alone and is gone with it. */
const DISK_KIBIBYTES = 256;
const MOUNT_SCRIPT =
  `mount -t tmpfs -o size=${DISK_KIBIBYTES}k,mode=700 taffrail "$1" && shift && exec "$@"`;
const UNSHARE = ["unshare", "--mount", "--map-root-user", "sh", "-c", MOUNT_SCRIPT, "sh"];

async function canMount(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  return await withTempDir(async (directory) => {
    const [command = "", ...args] = [...UNSHARE, directory, "true"];
    try {
      return (await new Deno.Command(command, { args, stderr: "null" }).output()).success;
    } catch {
      return false;
    }
  });
}

/** A process that appends as it is told to. */
class Appender implements AsyncDisposable {
  readonly #child: Child;

  private constructor(child: Child) {
    this.#child = child;
  }

  static async start(root: string, wrap: (command: string[]) => string[]): Promise<Appender> {
    const child = new Child("./_programs/full_disk.ts", { args: [root, RUN_ID], wrap });
    try {
      assertEquals(await child.next(), "ready");
      return new Appender(child);
    } catch (error) {
      await child[Symbol.asyncDispose]();
      throw error;
    }
  }

  async tell(form: Command["form"], more: Partial<Command> = {}): Promise<Answer> {
    const command: Command = { form, events: 1, lineBytes: LINE_BYTES, ...more };
    await this.#child.send(JSON.stringify(command));
    return JSON.parse(await this.#child.next());
  }

  async end(): Promise<void> {
    await this.#child.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}

function assertFull(failure: Failure | undefined): void {
  assertEquals(failure?.kind, "io");
  assert(
    /bytes were written|too large|os error|None of|took none/i.test(failure!.cause),
    failure!.cause,
  );
}

async function sizeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).size;
}

Deno.test({
  name: "an append that meets the largest file size throws its cause and leaves whole lines",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (root) => {
      await using other = await openEventLog<{ other: number }>({ root, runId: RUN_ID });
      await using limited = await Appender.start(
        root,
        (command) => ["sh", "-c", LIMIT_SCRIPT, "sh", ...command],
      );
      assertEquals(await limited.tell("open"), { done: 0 });
      const most = Math.floor(LIMIT_BYTES / LINE_BYTES);
      let lines = 0;

      // All that fits half of the room, then batches and groups that are too large for the other.
      assertEquals(await limited.tell("batch", { events: most >> 1 }), { done: lines = most >> 1 });
      for (const form of ["batch", "group", "batch"] as const) {
        const { done, failure } = await limited.tell(form, { events: most });
        assertEquals(done, 0);
        assertFull(failure);
        assertEquals(await sizeOf(other.path), lines * LINE_BYTES, `nothing of the ${form} stays`);
      }

      // One after the other, until one does not fit.
      for (const form of ["sync", "async"] as const) {
        const { done, failure } = await limited.tell(form, { events: most });
        assertFull(failure);
        lines += done;
        assertEquals(lines, most);
        assertEquals(await sizeOf(other.path), lines * LINE_BYTES);
      }

      // What fits the room that is left, to the last byte; then there is none.
      const room = LIMIT_BYTES - lines * LINE_BYTES;
      assertEquals(await limited.tell("sync", { lineBytes: room }), { done: 1 });
      assertEquals(await sizeOf(other.path), LIMIT_BYTES);
      lines++;
      assertFull((await limited.tell("async", { lineBytes: 30 })).failure);
      assertEquals(await sizeOf(other.path), LIMIT_BYTES);

      // For another process there is room.
      assertEquals(await other.append({ other: 1 }), { firstSeq: lines + 1, lastSeq: ++lines });
      assertFull((await limited.tell("sync", { lineBytes: 30 })).failure);
      assertEquals(await other.append({ other: 2 }), { firstSeq: lines + 1, lastSeq: ++lines });
      await limited.end();
      assertEquals(await verifyRun(root, RUN_ID), { ok: true, lines, problems: [], notes: [] });
    }),
});

Deno.test({
  name: "readers beside appends that fail on a full disk see whole events only",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (root) => {
      await using limited = await Appender.start(
        root,
        (command) => ["sh", "-c", LIMIT_SCRIPT, "sh", ...command],
      );
      await limited.tell("open");
      const most = Math.floor(LIMIT_BYTES / LINE_BYTES);
      await limited.tell("batch", { events: most - 100 });
      for (let round = 0; round < 20; round++) {
        const failing = limited.tell(round % 2 === 0 ? "batch" : "group", { events: 200 });
        let lines = 0;
        for await (const page of readRun<{ n: number }>(root, RUN_ID)) {
          assertEquals(page.gaps.filter(({ reason }) => reason !== "torn"), []);
          lines += page.events.length;
        }
        assert(lines >= most - 100 && lines <= most);
        assertFull((await failing).failure);
      }
      await limited.end();
    }),
});

/** A process with a small disk of its own, and what it knows about that. */
async function withSmallDisk(use: (disk: SmallDisk) => Promise<void>): Promise<void> {
  await withTempDir(async (path) => {
    const wrap = (command: string[]) => [...UNSHARE, path, ...command];
    await using appender = await Appender.start(`${path}/root`, wrap);
    const run = `${path}/root/runs/${RUN_ID}`;
    await use({ appender, run, log: `${run}/events.jsonl`, filler: `${path}/filler` });
    await appender.end();
  });
}

interface SmallDisk {
  appender: Appender;
  /** Seen by the appender only. */
  run: string;
  log: string;
  filler: string;
}

const ignoreWithoutDisk = !await canMount();

Deno.test({
  name: "an append works again once there is room on a disk that was full",
  ignore: ignoreWithoutDisk,
  fn: () =>
    withSmallDisk(async ({ appender, log, filler }) => {
      assertEquals(await appender.tell("open"), { done: 0 });
      const { done } = await appender.tell("batch", { events: 10 });
      assert((await appender.tell("fill", { path: filler })).done > 0);
      // What is left of the last page, perhaps.
      const { done: more, failure } = await appender.tell("async", { events: 1000 });
      assertFull(failure);
      let lines = done + more;
      for (const form of ["sync", "async", "batch", "group"] as const) {
        const again = await appender.tell(form, { events: 10 });
        assertEquals(again.done, 0);
        assertFull(again.failure);
      }
      const { text = "" } = await appender.tell("show", { path: log });
      assertEquals(text.length, lines * LINE_BYTES);
      assert(text.endsWith("\n"));

      await appender.tell("remove", { path: filler });
      for (const form of ["sync", "async", "batch", "group"] as const) {
        assertEquals(await appender.tell(form, { events: 10 }), { done: 10 }, form);
        lines += 10;
      }
      const { text: after = "" } = await appender.tell("show", { path: log });
      const seen = after.trimEnd().split("\n").map((line) => JSON.parse(line).text.length);
      assertEquals(seen.length, lines);
      assert(after.startsWith(text));
    }),
});

Deno.test({
  name: "a run that could not be made on a full disk can be made once there is room",
  ignore: ignoreWithoutDisk,
  fn: () =>
    withSmallDisk(async ({ appender, run, filler }) => {
      await appender.tell("fill", { path: filler });
      for (let round = 0; round < 3; round++) assertFull((await appender.tell("open")).failure);
      await appender.tell("remove", { path: filler });
      assertEquals(await appender.tell("open"), { done: 0 });
      assertEquals(await appender.tell("sync"), { done: 1 });
      const { text } = await appender.tell("list", { path: run });
      assertEquals(text, "events.jsonl live.lock run.json");
    }),
});

for (const opens of [false, true]) {
  Deno.test({
    name: `a torn tail is moved aside once there is room on a disk that was full, ${
      opens ? "by opening" : "by appending"
    }`,
    ignore: ignoreWithoutDisk,
    fn: () =>
      withSmallDisk(async ({ appender, run, log, filler }) => {
        await appender.tell("open");
        await appender.tell("batch", { events: 10 });
        const { text: stub } = await appender.tell("tear", { path: log, lineBytes: 3000 });
        const { text: before } = await appender.tell("show", { path: log });
        const { text: names } = await appender.tell("list", { path: run });
        await appender.tell("fill", { path: filler });

        for (let round = 0; round < 3; round++) {
          assertFull((await appender.tell(opens ? "open" : "sync")).failure);
          assertEquals((await appender.tell("show", { path: log })).text, before);
          assertEquals((await appender.tell("list", { path: run })).text, names);
        }

        await appender.tell("remove", { path: filler });
        if (opens) assertEquals(await appender.tell("open"), { done: 0 });
        assertEquals(await appender.tell("sync"), { done: 1 });
        const { text: after = "" } = await appender.tell("show", { path: log });
        assertEquals(after.split("\n").length - 1, 11);
        const { text: torn } = await appender.tell("show", { path: `${log}.torn-1` });
        assertEquals(torn, stub);
      }),
  });
}
