import { assertEquals, assertRejects } from "@std/assert";
import { listFiles } from "../../_tools/_list_files.ts";
import { copyWithoutStandIns, requireRegistry } from "../../_tools/test_jsr.ts";
import { withTempDir } from "../_util/temp.ts";
import { withTree } from "./_tree.ts";

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
