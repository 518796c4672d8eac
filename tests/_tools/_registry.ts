/** A registry of packages as JSR is one, in a folder: what Deno finds there when `JSR_URL` names it. */
import { pathToFileURL } from "node:url";
import { dirname, join } from "../../_internal/path.ts";
import { listFiles } from "../../_tools/_list_files.ts";
import { Sha256, toHex } from "../../_internal/text.ts";

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
  for (const path of await listFiles(source)) {
    await Deno.mkdir(dirname(join(target, path)), { recursive: true });
    const text = asPublished(await Deno.readTextFile(`${source}/${path}`));
    await Deno.writeTextFile(join(target, path), text);
  }
  await listPackage(target);
}

/** Lists what a version of a package has, in the file beside its folder. */
async function listPackage(folder: string): Promise<void> {
  const manifest: Record<string, unknown> = {};
  for (const path of await listFiles(folder)) {
    const bytes = await Deno.readFile(join(folder, path));
    manifest[`/${path}`] = { size: bytes.length, checksum: `sha256-${toHex(Sha256.of(bytes))}` };
  }
  const { exports } = JSON.parse(await Deno.readTextFile(join(folder, "deno.json")));
  await writeJson(`${folder}_meta.json`, { manifest, exports });
}

/** A registry that answers on this machine. */
export interface RegistryServer extends AsyncDisposable {
  /** What `JSR_URL` is to be. */
  url: string;
}

/**
 * Serves the registry in `directory` to this machine alone, and puts into it what `deno publish` sends. For
 * Deno its packages are remote ones, as those of jsr.io are: of a folder it would check the bodies, too.
 */
export function serveRegistry(directory: string): RegistryServer {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      const [, scope, name, version] =
        /^\/api\/scopes\/([^/]+)\/packages\/([^/]+)(?:\/versions\/([^/]+))?$/.exec(pathname) ?? [];
      if (scope === undefined) return await answerFile(join(directory, decodeURI(pathname)));
      if (version === undefined) return Response.json({ scope, name });
      const code = "packageVersionNotFound";
      if (request.method === "GET") return Response.json({ code }, { status: 404 });
      const folder = join(directory, `@${scope}`, name!);
      await Deno.mkdir(join(folder, version), { recursive: true });
      await unpack(new Uint8Array(await request.arrayBuffer()), join(folder, version));
      await listPackage(join(folder, version));
      await writeJson(join(folder, "meta.json"), { scope, name, versions: { [version]: {} } });
      return Response.json({ id: crypto.randomUUID(), status: "success", error: null });
    },
  );
  const url = `http://127.0.0.1:${server.addr.port}/`;
  return { url, [Symbol.asyncDispose]: () => server.shutdown() };
}

async function answerFile(path: string): Promise<Response> {
  try {
    return new Response(await Deno.readFile(path));
  } catch {
    return new Response("there is no such file", { status: 404 });
  }
}

async function unpack(archive: Uint8Array, directory: string): Promise<void> {
  const tar = new Deno.Command("tar", { args: ["-xzf", "-", "-C", directory], stdin: "piped" })
    .spawn();
  const writer = tar.stdin.getWriter();
  await writer.write(archive);
  await writer.close();
  const { success } = await tar.status;
  if (!success) throw new Error("Cannot unpack what was published");
}

/** Publishing writes out what `deno.json` says of the names in imports. */
function asPublished(text: string): string {
  return text.replaceAll(/from "(@std\/\w+)/g, 'from "jsr:$1@^1.0.0')
    .replaceAll('from "@noble/hashes', 'from "npm:@noble/hashes@2.4.0');
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await Deno.writeTextFile(path, JSON.stringify(value));
}
