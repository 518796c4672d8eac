/** `eventlog/mod.ts` alone loads nothing of other modules, and nothing of Node or npm. */
import { assert, assertEquals } from "@std/assert";
import { registryOf } from "../../_tools/test_jsr.ts";

interface ModuleInfo {
  modules: { specifier: string; error?: string }[];
}

const repository = new URL("../../", import.meta.url).href;
const ALLOWED = [
  `${repository}eventlog/`,
  `${repository}_internal/`,
  `${repository}_tools/std/path/`,
  `${registryOf()}@std/path/`,
];

async function modulesOf(path: string): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL(path, repository).href],
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as ModuleInfo;
  assertEquals(modules.filter(({ error }) => error !== undefined), []);
  return modules.map(({ specifier }) => specifier);
}

Deno.test("importing ./eventlog loads that module, the shared machinery and @std/path only", async () => {
  const modules = await modulesOf("eventlog/mod.ts");
  assert(modules.length > 10);
  assertEquals(modules.filter((url) => !ALLOWED.some((allowed) => url.startsWith(allowed))), []);
});
