/** A registry of packages as JSR is one, in a folder: what Deno finds there when `JSR_URL` names it. */
import { pathToFileURL } from "node:url";
import { dirname, join } from "../../_internal/path.ts";
import { listFiles } from "../../_tools/_list_files.ts";
import { encodeUtf8, Sha256, toHex } from "../../_internal/text.ts";

/** Where the stand-ins for `@std` are; a copy of the project for `test:jsr` has none. */
export const STAND_INS = await Deno.realPath(`${import.meta.dirname}/../../_tools/std`)
  .catch(() => null);

/**
 * Publishes the stand-ins of `_tools/std/` to a registry in `directory`, as each of some versions: these tell
 * them from those of the workspace.
 *
 * @returns Its URL.
 */
export async function publishStandIns(directory: string, versions: string[]): Promise<string> {
  for (const name of ["assert", "crypto", "fs", "path"]) {
    const folder = join(directory, "@std", name);
    for (const version of versions) await publish(`${STAND_INS}/${name}`, join(folder, version));
    const all = Object.fromEntries(versions.map((version) => [version, {}]));
    await writeJson(join(folder, "meta.json"), { scope: "std", name, versions: all });
  }
  return `${pathToFileURL(directory)}/`;
}

/** Copies one package, and lists what it has in the file beside it. */
async function publish(source: string, target: string): Promise<void> {
  const manifest: Record<string, unknown> = {};
  for (const path of await listFiles(source)) {
    const bytes = encodeUtf8(asPublished(await Deno.readTextFile(`${source}/${path}`)));
    await Deno.mkdir(dirname(join(target, path)), { recursive: true });
    await Deno.writeFile(join(target, path), bytes);
    manifest[`/${path}`] = { size: bytes.length, checksum: `sha256-${toHex(Sha256.of(bytes))}` };
  }
  const { exports } = JSON.parse(await Deno.readTextFile(`${source}/deno.json`));
  await writeJson(`${target}_meta.json`, { manifest, exports });
}

/** Publishing writes out what `deno.json` says of the names in imports. */
function asPublished(text: string): string {
  return text.replaceAll(/from "(@std\/\w+)/g, 'from "jsr:$1@^1.0.0')
    .replaceAll('from "@noble/hashes', 'from "npm:@noble/hashes@2.4.0');
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await Deno.writeTextFile(path, JSON.stringify(value));
}
