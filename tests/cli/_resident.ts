import type { Ended } from "../_util/process.ts";
import type { Answer, Request } from "./_answer.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * One process for all that a test file asks of verbs that start nothing and wait for nothing: to start
 * a process for each would prove nothing more, and took half the time of these tests. It is started
 * while the file is loaded, so that it belongs to no test, and ends with its input.
 */
export class Resident {
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<Uint8Array>;
  #free: Promise<unknown> = Promise.resolve();

  /** @param main The file of the command. */
  constructor(main: string, env: Record<string, string>) {
    const program = new URL("./_answer.ts", import.meta.url).href;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--no-lock", program, main],
      env,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = child.stdin.getWriter();
    this.#output = child.stdout.getReader();
  }

  /** Does what a command line asks for, after what was asked for before. */
  ask(request: Request): Promise<Ended> {
    const answer = this.#free.then(() => this.#ask(request));
    this.#free = answer.catch(() => {});
    return answer;
  }

  async #ask(request: Request): Promise<Ended> {
    await this.#input.write(encoder.encode(JSON.stringify(request) + "\n"));
    let text = "";
    while (!text.endsWith("\n")) {
      const { done, value } = await this.#output.read();
      if (done) throw new Error(`There is no answer to ${JSON.stringify(request)}`);
      text += decoder.decode(value, { stream: true });
    }
    const answer: Answer = JSON.parse(text);
    return { ...answer, signal: null };
  }
}
