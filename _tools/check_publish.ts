// deno-lint-ignore-file no-console -- what it finds is for the terminal
/**
 * Checks what would be published: a dry run of publishing, which also refuses slow types, whether that takes
 * the files that it should, and whether the sources get all the points that jsr.io gives for them. The
 * command must have been built.
 *
 * Usage: `deno task check:publish [DIRECTORY]`
 */
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Config, folderOf, LIBRARY, TESTING } from "./_project.ts";
import { askDeno } from "./_task.ts";
import { scoreOf } from "./publish/score.ts";

/** The folders of which files are published: the library, the built command, and its documentation. */
const FOLDERS = [...LIBRARY, TESTING, "dist", "docs"];

/** What must be there besides the entries. */
const REQUIRED = ["LICENSE", "README.md", "deno.json"];

/** The registry refuses more. */
const MOST_BYTES = 20 * 2 ** 20;

/**
 * Finds all that is wrong with what the project at `directory` would publish.
 *
 * @returns What is wrong, a line each, and what is right.
 */
export async function checkPublish(
  directory: string,
): Promise<{ problems: string[]; findings: string[] }> {
  const root = await Deno.realPath(directory);
  const config: Config = JSON.parse(await Deno.readTextFile(`${root}/deno.json`));
  const dryRun = await askDeno(root, ["publish", "--dry-run", "--allow-dirty"]);
  if (!dryRun.success) return { problems: [`Cannot publish:\n${dryRun.text}`], findings: [] };
  const listed = await listPublished(root, dryRun.text);
  const score = await scoreProject(root, config);
  return {
    problems: [...checkFiles(listed, config), ...score.problems],
    findings: [...score.findings, `${listed.size} files would be published`],
  };
}

/** The files that a dry run names, by their path in the project, with their sizes. */
async function listPublished(root: string, text: string): Promise<Map<string, number>> {
  const urls = Array.from(text.matchAll(/^ +(file:\/\/\S+) \(/gm), ([, url]) => url!);
  const files = new Map<string, number>();
  for (const path of urls.map((url) => fileURLToPath(url))) {
    files.set(path.slice(root.length + 1).replaceAll("\\", "/"), (await Deno.stat(path)).size);
  }
  return files;
}

/** What is wrong with the list of files that would be published. */
export function checkFiles(files: ReadonlyMap<string, number>, config: Config): string[] {
  const entries = Object.values(config.exports).map((path) => path.replace("./", ""));
  const missing = [...REQUIRED, ...entries].filter((path) => !files.has(path));
  const strange = [...files.keys()].filter((path) => !isExpected(path));
  const names = Map.groupBy(files.keys(), (path) => path.toLowerCase());
  const alike = [...names.values()].filter((paths) => paths.length > 1);
  const bytes = files.values().reduce((sum, size) => sum + size, 0);
  return [
    ...missing.map((path) => `${path} would not be published`),
    ...strange.map((path) => {
      return `${path} would be published: name it in publish.exclude of deno.json, or its folder here`;
    }),
    ...alike.map((paths) => `${paths.join(" and ")} differ only in case, which JSR refuses`),
    ...bytes > MOST_BYTES ? [`${bytes} bytes would be published, and JSR takes ${MOST_BYTES}`] : [],
  ];
}

function isExpected(path: string): boolean {
  if (path.includes("/")) return FOLDERS.includes(folderOf(path));
  return !path.startsWith(".");
}

async function scoreProject(
  root: string,
  { exports }: Config,
): Promise<{ problems: string[]; findings: string[] }> {
  // In the order in which the registry reads them: the first entry that exports a name documents it.
  const entries = Object.values(exports).map((path) => path.replace("./", "")).toSorted();
  const { success, text, output } = await askDeno(root, ["doc", "--json", ...entries]);
  if (!success) return { problems: [`Cannot read the documentation:\n${text}`], findings: [] };
  const documentation = JSON.parse(output);
  const main = new URL(exports["."] ?? "", `${pathToFileURL(root)}/`).href;
  const readme = await Deno.readTextFile(`${root}/README.md`).catch(() => null);
  const score = scoreOf(documentation, { readme, main });
  const given = score.filter(({ points, most }) => points === most);
  return {
    problems: score.filter(({ points, most }) => points < most).map(
      ({ name, points, most, missing }) => {
        return `${points} of ${most} points for "${name}"; missing: ${missing.join(", ")}`;
      },
    ),
    findings: given.map(({ name, points, most }) => `${points} of ${most} points: ${name}`),
  };
}

if (import.meta.main) {
  const { problems, findings } = await checkPublish(Deno.args[0] ?? ".");
  findings.forEach((finding) => console.log(finding));
  problems.forEach((problem) => console.error(problem));
  if (problems.length > 0) Deno.exit(1);
}
