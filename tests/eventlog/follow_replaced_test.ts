import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { EventLogError, followRun, type Gap, type Stored } from "../../eventlog/mod.ts";
import { followOnPort } from "../../eventlog/read_run.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { appendTo, readText, truncate, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { type AnyEvent, numberedLines, openLog, RUN_ID, writeRun } from "./_runs.ts";

/**
 * A follower whose file is moved, replaced, removed or cut by other programs: it delivers what a new reader
 * finds, or fails, and never anything else.
 */

type Item = Stored<AnyEvent> | Gap;

async function shell(script: string, path: string): Promise<void> {
  const command = new Deno.Command("sh", { args: ["-euc", script, "sh", path] });
  const { success, stderr } = await command.output();
  assert(success, new TextDecoder().decode(stderr));
}

/** A follower that has delivered the three lines of the log and waits. */
async function followThree(root: string, content = numberedLines(3)) {
  const path = writeRun(root, content);
  const port = new FaultPort();
  const items = followOnPort<AnyEvent>(port, { root, runId: RUN_ID }, {});
  for (let seq = 1; seq <= 3; seq++) assertEquals((await items.next()).value?.seq, seq);
  const next = items.next();
  // Nobody else looks at the rejection before the log was changed.
  next.catch(() => {});
  return { path, port, items, next };
}

async function failure(next: Promise<IteratorResult<Item>>): Promise<EventLogError> {
  return await assertRejects(() => next, EventLogError, "Cannot go on reading");
}

const REPLACED: Record<string, string> = {
  "sed -i": `sed -i 's/"n":2/"n":7/' "$1"`,
  "sed -i that makes it longer": `sed -i 's/"n":1/"n":1000/' "$1"`,
  "a filter whose output is moved over it": `grep -v '"n":2' "$1" > "$1.new"; mv "$1.new" "$1"`,
  "a rotation that makes a new file": `mv "$1" "$1.1"; : > "$1"`,
  "a rotation that makes none": `mv "$1" "$1.1"`,
  "rm": `rm "$1"`,
  "rm -r of the run": `rm -r "$(dirname "$1")"`,
  "moving the root away": `mv "$(dirname "$(dirname "$1")")" "$(dirname "$1")/../../moved"`,
  "restoring an older copy": `head -n 2 "$1" > "$1.old"; mv "$1.old" "$1"`,
};

for (const [name, script] of Object.entries(REPLACED)) {
  Deno.test(`follow() fails with kind replaced under ${name}`, () =>
    withTempDir(async (root) => {
      const { path, port, next } = await followThree(root);
      await shell(script, path);
      const error = await failure(next);
      assertEquals([error.kind, error.details], ["replaced", { path }]);
      assertStringIncludes(error.message, "read what is there from the beginning");
      assertEquals(port.openCount, 0);
    }));
}

Deno.test("follow() delivers nothing that a writer appends to the file that was moved away", () =>
  withTempDir(async (root) => {
    const { path, next } = await followThree(root);
    const moved = await Deno.open(path, { append: true });
    await Deno.rename(path, `${path}.1`);
    await moved.write(new TextEncoder().encode('{"n":4}\n'));
    moved.close();
    assertEquals((await failure(next)).kind, "replaced");
  }));

const CUT: Record<string, (path: string) => void> = {
  "cut to nothing": (path) => truncate(path, 0),
  "cut and grown again beyond where it ended": (path) => {
    truncate(path, 0);
    appendTo(path, numberedLines(9, 5));
  },
  "cut by a line": (path) => truncate(path, numberedLines(2).length),
  "written over where it is": (path) => write(path, numberedLines(3, 6)),
};

for (const [name, cut] of Object.entries(CUT)) {
  Deno.test(`follow() fails with kind cursor when the log is ${name}`, () =>
    withTempDir(async (root) => {
      const { path, next } = await followThree(root);
      cut(path);
      assertEquals((await failure(next)).kind, "cursor");
    }));
}

Deno.test("follow() fails with kind cursor under a rotation that copies and cuts, beside a writer", () =>
  withTempDir(async (root) => {
    const { path, next } = await followThree(root);
    const writer = await Deno.open(path, { append: true });
    await shell(`cp "$1" "$1.1"; : > "$1"`, path);
    await writer.write(new TextEncoder().encode('{"n":4,"text":"a new beginning"}\n'));
    writer.close();
    assertEquals((await failure(next)).kind, "cursor");
    assertEquals(readText(`${path}.1`), numberedLines(3));
  }));

const SAME: Record<string, string> = {
  "a copy": `cp "$1" "$1.copy"; mv "$1.copy" "$1"`,
  "a copy that has more": `cp "$1" "$1.copy"; printf '{"n":4}\\n' >> "$1.copy"; mv "$1.copy" "$1"`,
  "sed -i that changes nothing": `sed -i 's/never/there/' "$1"`,
};

for (const [name, script] of Object.entries(SAME)) {
  Deno.test(`follow() goes on with ${name} that takes the place of the log`, () =>
    withTempDir(async (root) => {
      const { path, port, items, next } = await followThree(root);
      await shell(script, path);
      if (!readText(path).includes('"n":4')) appendTo(path, '{"n":4}\n');
      assertEquals((await next).value, { seq: 4, event: { n: 4 } });
      // It watches the new file: this one is told at once or, at the latest, at the look every second.
      const fifth = items.next();
      appendTo(path, '{"n":5}\n');
      assertEquals((await fifth).value, { seq: 5, event: { n: 5 } });
      await items.return!();
      assertEquals(port.openCount, 0);
    }));
}

Deno.test("follow() compares all that it has delivered with what takes the place of the log", () =>
  withTempDir(async (root) => {
    const { path, next } = await followThree(root, '{"n":1}\n{"t":"tick"}\n{"t":"tick"}\n');
    // The last lines are the same, and so are all lengths.
    write(`${path}.new`, '{"n":2}\n{"t":"tick"}\n{"t":"tick"}\n{"t":"tick"}\n');
    await Deno.rename(`${path}.new`, path);
    assertEquals((await failure(next)).kind, "replaced");
  }));

Deno.test("follow() does not follow a link that takes the place of the log", () =>
  withTempDir(async (root) => {
    const { path, port, next } = await followThree(root);
    await Deno.link(path, `${path}.1`);
    await Deno.symlink(`${path}.1`, `${path}.link`);
    await Deno.rename(`${path}.link`, path);
    await assertRejects(() => next, TypeError, "it is a symbolic link");
    assertEquals(port.openCount, 0);
  }));

Deno.test("a follower that began at the end notices a replaced log too, and ends by its signal", () =>
  withTempDir(async (root) => {
    const path = writeRun(root, numberedLines(3));
    const controller = new AbortController();
    const options = { after: "end", signal: controller.signal } as const;
    const items = followRun<AnyEvent>(root, RUN_ID, options);
    const next = items.next();
    next.catch(() => {});
    await shell(`sed -i 's/"n":3/"n":4/' "$1"`, path);
    assertEquals((await failure(next)).kind, "replaced");
    const others = followRun<AnyEvent>(root, RUN_ID, options);
    const waiting = others.next();
    controller.abort();
    assertEquals((await waiting).done, true);
  }));

Deno.test("FileEventLog.follow() notices it as well", () =>
  withTempDir(async (root) => {
    const log = await openLog(root);
    await log.appendAll([{ n: 1 }, { n: 2 }]);
    const items = log.follow({ after: 2 });
    const next = items.next();
    next.catch(() => {});
    await shell(`sed -i 's/"n":1/"n":3/' "$1"`, log.path);
    assertEquals((await failure(next)).kind, "replaced");
    await log.close().catch(() => {});
  }));
