/** Which tests a task takes that needs more of the machine than `deno task test`, and how it starts them. */

/** The tests of a task. */
export interface TestFiles {
  /** Where they are. */
  folder: string;
  /** How their names end, so that nothing else takes them. */
  suffix: string;
  /** Options of `deno test` for all of them. */
  options?: readonly string[];
}

/** The arguments of `deno test`: all files of the task, unless some are named. */
export async function testArguments(
  { root, args }: { root: string; args: readonly string[] },
  { folder, suffix, options = [] }: TestFiles,
): Promise<string[]> {
  const names = (await Array.fromAsync(Deno.readDir(`${root}/${folder}`))).map(({ name }) => name);
  const all = names.filter((name) => name.endsWith(suffix)).map((name) => `${folder}/${name}`);
  const files = args.filter((arg) => arg.endsWith(suffix));
  const others = args.filter((arg) => !arg.endsWith(suffix));
  const chosen = files.length > 0 ? files : all.toSorted();
  return ["test", "--allow-all", "--trace-leaks", ...options, ...others, ...chosen];
}
