/** The permissions that the store's documentation names are enough, and nothing is ever asked for. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { WorkerRuntime } from "../../store/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";

const RUNTIME_ID = "permitted";

/** What became of every function. */
async function tryAll(root: string, permissions: string[], cwd?: string): Promise<string[]> {
  await using child = new Child("./_programs/store_permissions.ts", {
    args: [root, RUNTIME_ID],
    permissions,
    ...(cwd !== undefined && { cwd }),
  });
  await child.ending();
  const lines = child.takeLines();
  assert(lines.length > 5);
  return lines;
}

function assertAllWell(lines: string[]): void {
  for (const line of lines) assertMatch(line, /^(reader|writer) \w+ ok$/);
}

async function makeRuntime(root: string): Promise<void> {
  await using runtime = await WorkerRuntime.open({ root, runtimeId: RUNTIME_ID });
  const { worker_ref } = await runtime.createWorker({
    intent: { kind: "assistant" },
    profile: { kind: "runtime_default" },
  });
  await runtime.sendInput(worker_ref, { kind: "user", content: "hello" });
}

/** Names and contents of all files below. */
async function snapshot(directory: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) Object.assign(files, { [path]: "" }, await snapshot(path));
    else files[path] = await Deno.readTextFile(path);
  }
  return files;
}

Deno.test("every function of the store works with the permissions to read and write the root, and no more", () =>
  withTempDir(async (directory) => {
    const root = `${directory}/root`;
    assertAllWell(await tryAll(root, [`--allow-read=${root}`, `--allow-write=${root}`]));
  }));

Deno.test("every function of the store works with the permissions for a relative root", () =>
  withTempDir(async (directory) => {
    const permissions = ["--allow-read=.taffrail", "--allow-write=.taffrail"];
    assertAllWell(await tryAll(".taffrail", permissions, directory));
  }));

Deno.test("reading functions of the store work with the permission to read the root alone, and change nothing", () =>
  withTempDir(async (root) => {
    await makeRuntime(root);
    const before = await snapshot(root);
    const lines = await tryAll(root, [`--allow-read=${root}`]);
    for (const line of lines) {
      if (line.startsWith("reader ")) assertMatch(line, /^reader \w+ ok$/);
      else {assertMatch(
          line,
          /^writer (repairStore NotCapable -|\w+ RuntimeStoreError store-io NotCapable) /,
        );}
    }
    assertEquals(await snapshot(root), before);
  }));

Deno.test("reading functions of the store work beside its owner with the permission to read the root alone", () =>
  withTempDir(async (root) => {
    await makeRuntime(root);
    await using runtime = await WorkerRuntime.open({ root, runtimeId: RUNTIME_ID });
    const ref = { runtime_id: RUNTIME_ID, worker_id: "worker-00000001" };
    await runtime.sendInput(ref, { kind: "user", content: "again" });
    const before = await snapshot(root);
    const lines = await tryAll(root, [`--allow-read=${root}`]);
    assertAllWell(lines.filter((line) => line.startsWith("reader ")));
    assertEquals(await snapshot(root), before);
    await runtime.sendInput(ref, { kind: "user", content: "and again" });
  }));

Deno.test("without any permission every function of the store fails with an error, and nothing is asked", () =>
  withTempDir(async (root) => {
    await makeRuntime(root);
    const pure = /^reader (computeConfigBundleDigest|runtimeDirectory|\w+Error) ok$/;
    for (const line of await tryAll(root, [])) {
      if (!pure.test(line)) assertMatch(line, / NotCapable /);
    }
  }));
