/** The permissions that the documentation names are enough, and nothing is ever asked for. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { openEventLog } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";

const RUN_ID = "permitted";

/** What became of every function. */
async function tryAll(root: string, permissions: string[], cwd?: string): Promise<string[]> {
  await using child = new Child("./_programs/permissions.ts", {
    args: [root, RUN_ID],
    permissions,
    ...(cwd !== undefined && { cwd }),
  });
  await child.ending();
  const lines = child.takeLines();
  assert(lines.length > 15);
  return lines;
}

function assertAllWell(lines: string[]): void {
  for (const line of lines) assertMatch(line, /^(reader|writer) \w+ ok$/);
}

async function makeRun(root: string): Promise<void> {
  await using log = await openEventLog<{ n: number }>({ root, runId: RUN_ID });
  await log.appendAll([{ n: 1 }, { n: 2 }, { n: 3 }]);
}

/** Names and contents of all files below. */
async function snapshot(directory: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) Object.assign(files, await snapshot(path));
    else files[path] = await Deno.readTextFile(path);
  }
  return files;
}

Deno.test("every function works with the permissions to read and write the root, and no more", () =>
  withTempDir(async (directory) => {
    const root = `${directory}/root`;
    assertAllWell(await tryAll(root, [`--allow-read=${root}`, `--allow-write=${root}`]));
  }));

Deno.test("every function works with the permissions for a relative root", () =>
  withTempDir(async (directory) => {
    const permissions = ["--allow-read=.taffrail", "--allow-write=.taffrail"];
    assertAllWell(await tryAll(".taffrail", permissions, directory));
  }));

Deno.test("reading functions work with the permission to read the root alone, and change nothing", () =>
  withTempDir(async (root) => {
    await makeRun(root);
    const before = await snapshot(root);
    const lines = await tryAll(root, [`--allow-read=${root}`]);
    for (const line of lines) {
      if (line.startsWith("reader ")) assertMatch(line, /^reader \w+ ok$/);
      else assertMatch(line, /^writer (repairRun NotCapable -|\w+ EventLogError io NotCapable) /);
    }
    assertEquals(await snapshot(root), before);
  }));

Deno.test("reading functions work beside a writer with the permission to read the root alone", () =>
  withTempDir(async (root) => {
    await using log = await openEventLog<{ n: number }>({ root, runId: RUN_ID });
    await log.appendAll([{ n: 1 }, { n: 2 }]);
    const lines = await tryAll(root, [`--allow-read=${root}`]);
    assertAllWell(lines.filter((line) => line.startsWith("reader ")));
    assertEquals(await log.append({ n: 3 }), { firstSeq: 3, lastSeq: 3 });
  }));

Deno.test("a torn tail is told, and left, with the permission to read the root alone", () =>
  withTempDir(async (root) => {
    await makeRun(root);
    const path = `${root}/runs/${RUN_ID}/events.jsonl`;
    await Deno.writeTextFile(path, '{"n":', { append: true });
    await Deno.remove(`${root}/runs/${RUN_ID}/events.lock`).catch(() => {});
    const before = await snapshot(root);
    const lines = await tryAll(root, [`--allow-read=${root}`]);
    for (const line of lines.filter((line) => line.startsWith("reader "))) {
      if (line.startsWith("reader readRunSync")) assertMatch(line, /EventLogError malformed/);
      else assertMatch(line, /^reader \w+ ok$/);
    }
    assertEquals(await snapshot(root), before);
  }));

Deno.test("without any permission every function fails with an error, and nothing is asked", () =>
  withTempDir(async (root) => {
    await makeRun(root);
    const pure =
      /^reader (deriveRunState|RunFold|attemptChange|isKnownRunEvent|newEventId|\w+Error|FileEventLog) ok$/;
    for (const line of await tryAll(root, [])) {
      if (!pure.test(line)) assertMatch(line, / NotCapable /);
    }
  }));
