import { runCommand } from "./run_command.ts";

/** How many folders are made at once. */
const AT_ONCE = 64;

/** A root of a run that was recorded with the command, and of copies of what `ls` reads of it. */
export interface ManyRuns {
  /** A run with all its files. */
  whole: string;
  /** One of the copies. */
  copy: string;
}

/**
 * Records one run in a directory, and copies its `run.json` and its log under so many other ids.
 *
 * @param exec The words that record `true` there.
 */
export async function makeManyRuns(
  directory: string,
  count: number,
  exec: readonly string[],
): Promise<ManyRuns> {
  await runCommand(exec, directory);
  const runs = `${directory}/.taffrail/runs`;
  const [whole] = await Array.fromAsync(Deno.readDir(runs), ({ name }) => name);
  if (whole === undefined) throw new Error("No run was recorded");
  const files = await Promise.all(
    ["run.json", "events.jsonl"].map(async (name) =>
      [name, await Deno.readTextFile(`${runs}/${whole}/${name}`)] as const
    ),
  );
  const write = async (index: number) => {
    const id = idOf(whole, index);
    await Deno.mkdir(`${runs}/${id}`, { mode: 0o700 });
    for (const [name, text] of files) {
      await Deno.writeTextFile(`${runs}/${id}/${name}`, text.replaceAll(whole, id), {
        mode: 0o600,
      });
    }
  };
  for (let first = 0; first < count; first += AT_ONCE) {
    const length = Math.min(AT_ONCE, count - first);
    await Promise.all(Array.from({ length }, (_, index) => write(first + index)));
  }
  return { whole, copy: idOf(whole, count >> 1) };
}

/** Ids of one name whose times lie before that of the run. */
function idOf(whole: string, index: number): string {
  const dash = whole.lastIndexOf("-");
  return `${whole.slice(0, dash)}-01${String(index).padStart(24, "0")}`;
}
