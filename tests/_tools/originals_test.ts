import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);
const MODULES = ["supervisor", "capture", "trace", "store", "eventlog", "run"];

/** All that the modules are made of, comments included. */
function sources(): string {
  const texts: string[] = [];
  const read = (folder: URL) => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      if (isDirectory) read(new URL(`${name}/`, folder));
      else if (name.endsWith(".ts")) texts.push(Deno.readTextFileSync(new URL(name, folder)));
    }
  };
  for (const module of [...MODULES, "_internal", "cli"]) read(new URL(`${module}/`, ROOT));
  return texts.join("\n");
}

Deno.test("docs/originals.md names nothing of ours that is not there", () => {
  const known = new Set(sources().match(/\w+/g));
  const page = Deno.readTextFileSync(new URL("docs/originals.md", ROOT));
  const rows = page.split("\n").filter((line) => line.startsWith("| ")).map((line) => {
    return line.split(/(?<!\\) \| /);
  });
  assert(rows.length > 100, `${rows.length} rows`);
  const unknown = rows.flatMap(([, ours = ""]) => ours.match(/`[^`]+`/g) ?? [])
    .flatMap((span) => span.match(/[A-Za-z_]\w{3,}/g) ?? [])
    .filter((word) => word !== "Sync" && !known.has(word));
  assertEquals(unknown, []);
});
