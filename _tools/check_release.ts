// deno-lint-ignore-file no-console -- what it finds is for the terminal
/**
 * Checks that a tag is of the version that would be published, and that the changelog is done with it.
 *
 * Usage: `deno task check:release TAG [DIRECTORY]`
 */

/**
 * Finds what is wrong with releasing a project as `tag`.
 *
 * @returns What is wrong, a line each.
 */
export async function checkRelease(directory: string, tag: string): Promise<string[]> {
  const { version } = JSON.parse(await Deno.readTextFile(`${directory}/deno.json`));
  const changelog = await Deno.readTextFile(`${directory}/CHANGELOG.md`);
  const heading = /^## .*$/m.exec(changelog)?.[0] ?? "";
  const problems: string[] = [];
  if (tag !== `v${version}`) {
    problems.push(`The tag is ${tag}, and the version in deno.json ${version}: tag v${version}`);
  }
  if (!heading.startsWith(`## ${version} (`) || !/ \(\d{4}-\d\d-\d\d\)$/.test(heading)) {
    problems.push(`CHANGELOG.md begins with "${heading}": write "## ${version} (YYYY-MM-DD)"`);
  }
  return problems;
}

if (import.meta.main) {
  const [tag = "", directory = "."] = Deno.args;
  const problems = await checkRelease(directory, tag);
  problems.forEach((problem) => console.error(problem));
  if (problems.length > 0) Deno.exit(1);
}
