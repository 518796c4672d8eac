// deno-lint-ignore-file no-console -- a list is to be printed
/**
 * Lists the runs of a root with bare file calls: the first and the last line of each log are parsed.
 *
 * Usage: `list_by_hand.ts ROOT`
 */
const [root] = Deno.args;
const lines: string[] = [];
for (const { name } of Deno.readDirSync(`${root}/runs`)) {
  const about = JSON.parse(Deno.readTextFileSync(`${root}/runs/${name}/run.json`));
  const log = Deno.readTextFileSync(`${root}/runs/${name}/events.jsonl`).split("\n");
  const [first, last] = [log[0], log.at(-2)].map((line) => JSON.parse(line!));
  lines.push(`${name}  ${about.name}  ${first.ts}  ${last.type}`);
}
console.log(lines.toSorted().join("\n"));
