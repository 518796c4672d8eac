import { walk } from "@std/fs/walk";
import { join } from "../../_internal/path.ts";
import { listFiles } from "../../_tools/_list_files.ts";
import { isThere } from "../_util/files.ts";

const ROOT = await Deno.realPath(`${import.meta.dirname}/../..`);

/**
 * Makes a cache for Deno with nothing in it but the packages of npm that the project names, and the bundler:
 * nobody has to download them again, and what Deno has made of any source it makes anew.
 */
export async function makeCache(directory: string): Promise<void> {
  const info = new Deno.Command(Deno.execPath(), { args: ["info", "--json"], cwd: ROOT });
  const { denoDir } = JSON.parse(new TextDecoder().decode((await info.output()).stdout));
  const configs = (await listFiles(ROOT)).filter((path) => /^(_tools\/.*)?deno\.json$/.test(path));
  const texts = await Promise.all(configs.map((path) => Deno.readTextFile(`${ROOT}/${path}`)));
  const named = texts.join().matchAll(/"npm:((?:@[\w-]+\/)?[\w.-]+)@/g);
  const packages = ["@esbuild", ...Array.from(named, ([, name]) => name!)];
  const registries = await Array.fromAsync(Deno.readDir(`${denoDir}/npm`), ({ name }) => name);
  const folders = registries.flatMap((registry) => {
    return packages.map((name) => `npm/${registry}/${name}`);
  });
  for (const folder of ["dl", ...folders]) {
    if (isThere(`${denoDir}/${folder}`)) await copyTree(denoDir, folder, directory);
  }
}

async function copyTree(from: string, folder: string, to: string): Promise<void> {
  for await (const { path, isFile } of walk(join(from, folder))) {
    const target = join(to, path.slice(from.length));
    if (isFile) await Deno.copyFile(path, target);
    else await Deno.mkdir(target, { recursive: true });
  }
}
