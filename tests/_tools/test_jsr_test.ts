import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { pathToFileURL } from "node:url";
import { listFiles } from "../../_tools/_list_files.ts";
import { copyWithoutStandIns, registryOf, requireRegistry } from "../../_tools/test_jsr.ts";
import { start } from "../cli/_command.ts";
import { withTempDir } from "../_util/temp.ts";
import { publishStandIns, STAND_INS } from "./_registry.ts";
import { withTree } from "./_tree.ts";

const ROOT = await Deno.realPath(`${import.meta.dirname}/../..`);

Deno.test("copyWithoutStandIns() leaves nothing that could stand in for @std", async () => {
  const config = { name: "@taffrail/taffrail", workspace: ["./_tools/std/path"], tasks: {} };
  const tree = {
    "deno.json": JSON.stringify(config),
    "deno.lock": "{}",
    "_tools/std/path/deno.json": "{}",
    "_tools/tidy.ts": "tidy();",
    "mod.ts": "",
  };
  await withTree(tree, async (root) => {
    await withTempDir(async (target) => {
      await copyWithoutStandIns(root, target);
      assertEquals(await listFiles(target), ["_tools/tidy.ts", "deno.json", "mod.ts"]);
      assertEquals(await Deno.readTextFile(`${target}/_tools/tidy.ts`), "tidy();");
      const { workspace: _, ...rest } = config;
      assertEquals(JSON.parse(await Deno.readTextFile(`${target}/deno.json`)), rest);
    });
  });
});

Deno.test("registryOf() takes what JSR_URL names, and else the registry of everybody", () => {
  assertEquals(registryOf(""), "https://jsr.io/");
  assertEquals(registryOf("http://127.0.0.1:4507"), "http://127.0.0.1:4507/");
  assertEquals(registryOf("file:///srv/jsr/"), "file:///srv/jsr/");
});

Deno.test("requireRegistry() is content with a folder that has the package", async () => {
  await withTree({ "@std/path/meta.json": "{}" }, async (directory) => {
    await requireRegistry(registryOf(`${pathToFileURL(directory)}`));
    await Deno.remove(`${directory}/@std`, { recursive: true });
    await assertRejects(
      () => requireRegistry(registryOf(`${pathToFileURL(directory)}`)),
      Error,
      "Cannot test against the real @std packages: file:///",
    );
  });
});

Deno.test("requireRegistry() says so when the registry cannot be reached", async () => {
  // Nobody listens on port 9 of this machine.
  await assertRejects(
    () => requireRegistry("http://127.0.0.1:9/"),
    Error,
    "Cannot test against the real @std packages: http://127.0.0.1:9/ is out of reach (",
  );
});

Deno.test("requireRegistry() says so when the registry answers with an error", async () => {
  const gone = () => new Response("gone", { status: 503 });
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, gone);
  const url = `http://127.0.0.1:${server.addr.port}/`;
  await assertRejects(
    () => requireRegistry(url),
    Error,
    `${url} is out of reach (it answered with status 503)`,
  );
});

Deno.test("requireRegistry() is content when the registry answers", async () => {
  const answer = ({ url }: Request) => new Response(new URL(url).pathname);
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
  await requireRegistry(`http://127.0.0.1:${server.addr.port}/`);
});

Deno.test(
  "deno task test:jsr tests a copy against what JSR_URL points to, and tells how that ended",
  {
    ignore: STAND_INS === null,
  },
  async () => {
    await withTempDir(async (directory) => {
      const JSR_URL = await publishStandIns(directory, ["1.9.9"]);
      const args = ["task", "--quiet", "test:jsr", "tests/_tools/std_test.ts"];
      const test = async (filter: string) => {
        const words = [...args, "--no-check", `--filter=${filter}`];
        await using process = start(Deno.execPath(), words, { cwd: ROOT, env: { JSR_URL } });
        await process.closeInput();
        return await process.end();
      };
      const { code, stdout, stderr } = await test("/^(join|walk|assertEquals|crypto)/");
      assertEquals(code, 0, stdout + stderr);
      assertMatch(stdout, /\bok\b.* [1-9]\d* passed/);
      // What the tests are asked for must have come from there: without it there is nothing to test.
      await Deno.remove(`${directory}/@std/path/1.9.9/posix/join.ts`);
      const without = await test("/^join/");
      assertEquals(without.code, 1);
      assertMatch(without.stderr, /1\.9\.9\/posix\/join\.ts/);
    });
  },
);
