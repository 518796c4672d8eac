/** Whether all records of a run say the same, as the command itself would tell it. */
import { ask } from "../cli/_command.ts";

/** Throws unless journal, log, store and outputs of all runs agree, and each replay is exact. */
export async function checkRecords(root: string): Promise<void> {
  await expectDone(["verify", "--root", root], root);
  await checkReplays(root);
}

/** Throws unless each replay is exact. */
export async function checkReplays(root: string): Promise<void> {
  for await (const { name: runId } of Deno.readDir(`${root}/runs`)) {
    const text = await expectDone(["replay", "--json", "--root", root, runId], root);
    const { ok, undecided, interrupted, damage } = JSON.parse(text);
    if (ok && undecided.length === 0 && interrupted.length === 0 && damage === null) continue;
    throw new Error(`The replay of ${runId} is not exact: ${text}`);
  }
}

async function expectDone(args: string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await ask(args, cwd);
  if (code !== 0) throw new Error(`${args[0]} says: ${stdout}${stderr}`);
  return stdout;
}
