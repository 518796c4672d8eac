// deno-lint-ignore-file no-console -- what it finds is for the terminal
/**
 * Builds the documentation as a site of its own, in `site`: the README as its start, the guides and formats,
 * the examples with their source, and behind them the library as `deno doc` shows it. Nothing is loaded from
 * elsewhere, so that it can be read from the disk, and every link is checked.
 *
 * Usage: `deno task docs [DIRECTORY]`
 */
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { listFiles } from "./_list_files.ts";
import { openProject, type Project } from "./_project.ts";
import { askDeno, makeEmptyDirectory } from "./_task.ts";
import { layOut, STYLE } from "./site/layout.ts";
import { collectPages, groupPages } from "./site/pages.ts";
import { checkSite } from "./site/site_links.ts";

/** Where a page of `deno doc` begins, and gets a way back to the guides. */
const API_BODY = "<body>";

/**
 * Builds the site of the project in `root`.
 *
 * @param directory Where it goes; what is there is removed first.
 * @returns The paths of its files, and what is wrong with its links, a line each.
 */
export async function buildSite(
  root: string,
  directory: string,
): Promise<{ files: string[]; problems: string[] }> {
  const project = await openProject(root);
  await makeEmptyDirectory(directory);
  await writeApi(root, project, join(directory, "api"));
  await writePages(root, project, directory);
  await Deno.copyFile(`${import.meta.dirname}/site/${STYLE}`, join(directory, STYLE));
  const files = await listFiles(directory);
  const texts = await Promise.all(files.map((path) => readText(join(directory, path))));
  const problems = checkSite(new Map(files.map((path, index) => [path, texts[index]!])));
  return { files, problems };
}

/** What is no text has no links. */
async function readText(path: string): Promise<string | null> {
  return /\.(html|css)$/.test(path) ? await Deno.readTextFile(path) : null;
}

async function writePages(root: string, project: Project, directory: string): Promise<void> {
  const pages = await collectPages(project, (path) => Deno.readTextFile(join(root, path)));
  const { version } = JSON.parse(project.documents.get("deno.json")!);
  const options = { pages, groups: groupPages(pages), version };
  for (const page of pages.values()) {
    const path = join(directory, page.url);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, layOut(page, options));
  }
}

/** The library, with a way back to the guides at the top of each page. */
async function writeApi(root: string, { config }: Project, directory: string): Promise<void> {
  const declarations = { "./cli": "./cli/taffrail.d.ts" };
  const entries = Object.values({ ...config.exports, ...declarations });
  const args = ["doc", "--quiet", "--html", "--name=taffrail", `--output=${directory}`, ...entries];
  const { success, text } = await askDeno(root, args);
  if (!success) throw new Error(`Cannot document the library: ${text.trim()}`);
  const style = await Deno.readTextFile(`${import.meta.dirname}/site/api.css`);
  await Deno.writeTextFile(join(directory, "page.css"), style, { append: true });
  for (const path of await listFiles(directory)) {
    if (!path.endsWith(".html")) continue;
    const html = await Deno.readTextFile(join(directory, path));
    const up = "../".repeat(path.split("/").length);
    const back = `<p style="margin: 0.5rem 1rem"><a href="${up}index.html">Guides</a></p>`;
    const page = unlinkVariables(html).replace(API_BODY, API_BODY + back);
    await Deno.writeTextFile(join(directory, path), page);
  }
}

/** `deno doc` takes the variable of a mapped type for a type parameter, and links it to none. */
function unlinkVariables(html: string): string {
  return html.replaceAll(/<a href="#(type_param_\w+)"[^>]*>(\w+)<\/a>/g, (link, anchor, name) => {
    return html.includes(`id="${anchor}"`) ? link : name;
  });
}

if (import.meta.main) {
  const [directory = "site"] = Deno.args;
  const { files, problems } = await buildSite(await Deno.realPath("."), directory);
  problems.forEach((problem) => console.error(problem));
  if (problems.length > 0) Deno.exit(1);
  console.log(`Wrote ${files.length} files to ${directory}: open ${directory}/index.html`);
}
