import { write } from "../_util/files.ts";
import { RunningProcess } from "../_util/process.ts";
import type { Answer } from "./_answer.ts";
import { ENVIRONMENT, MAIN, taffrail } from "./_command.ts";

/** One that hangs is killed after so long, which fails the test; nothing else depends on it. */
const DEADLINE_MS = 120_000;

/** What does command lines one after the other, with a memory that is not endless. */
export class Answerer implements AsyncDisposable {
  readonly #child = new RunningProcess(
    ["sh", "-c", 'ulimit -d 2000000; exec "$@"', "sh", ...[Deno.execPath(), "run"], "--allow-all"]
      .concat(["--no-lock", new URL("./_answer.ts", import.meta.url).href, MAIN]),
    { env: ENVIRONMENT },
  );

  async ask(args: string[], cwd: string): Promise<Answer> {
    const { stdout, stderr } = this.#child;
    const answered = stdout.lines.length;
    const deadline = setTimeout(() => this.#child.kill("SIGKILL"), DEADLINE_MS);
    try {
      await this.#child.write(JSON.stringify({ args, cwd }) + "\n");
      await stdout.until(() => stdout.lines.length > answered);
      return JSON.parse(stdout.lines[answered]!);
    } catch (cause) {
      throw new Error(`taffrail ${args.join(" ")} gave no answer: ${stderr.text}`, { cause });
    } finally {
      clearTimeout(deadline);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]();
  }
}

/** A root with runs that failed, and one that was killed. */
export async function writeDamagedRoot(cwd: string): Promise<void> {
  await Deno.mkdir(cwd);
  const flow = (name: string, last: string) =>
    JSON.stringify({
      name,
      nodes: {
        z: { run: ["sh", "-c", "echo out; echo err >&2"] },
        a: { needs: ["z"], run: ["sh", "-c", last] },
      },
    });
  write(`${cwd}/ended.json`, flow("ended", "exit 3"));
  write(`${cwd}/killed.json`, flow("killed", "test -e go || kill -9 $PPID"));
  for (const name of ["ended", "ended", "killed"]) await taffrail(["run", `${name}.json`], { cwd });
  write(`${cwd}/go`, "");
}
