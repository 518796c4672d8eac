/** `trace/mod.ts` alone loads nothing of other modules, and nothing of Node. */
import { assert, assertEquals } from "@std/assert";
import { registryOf } from "../../_tools/test_jsr.ts";

interface ModuleInfo {
  modules: { specifier: string; error?: string }[];
}

const repository = new URL("../../", import.meta.url).href;
const ALLOWED = [
  `${repository}trace/`,
  `${repository}_internal/`,
  `${repository}_tools/std/path/`,
  `${repository}_tools/std/crypto/`,
  `${registryOf()}@std/path/`,
  `${registryOf()}@std/crypto/`,
  // What the stand-in of @std/crypto is made of.
  "npm:",
];

Deno.test("importing ./trace loads that module, the shared machinery, @std/path and @std/crypto only", async () => {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", `${repository}trace/mod.ts`],
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as ModuleInfo;
  assertEquals(modules.filter(({ error }) => error !== undefined), []);
  const urls = modules.map(({ specifier }) => specifier);
  assert(urls.length > 20);
  assertEquals(urls.filter((url) => !ALLOWED.some((allowed) => url.startsWith(allowed))), []);
});
