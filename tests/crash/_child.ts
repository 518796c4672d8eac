/**
 * Real child processes for the crash tests. A test and its child talk by lines over pipes, so that
 * nobody has to sleep to be right. No child outlives its test: leaving the block kills it, and a
 * child whose test is gone ends by the end of its input or by its broken output.
 */

/** What to start, and how. */
export interface ChildOptions {
  /** What the program gets. */
  args?: readonly (string | number)[];
  /** Permission flags; all permissions without them. */
  permissions?: readonly string[];
  /** Where it runs; where the test runs without it. */
  cwd?: string;
  /** Makes another command of the command, for one with a shell around it that `exec`s it. */
  wrap?: (command: string[]) => string[];
  /** Gets every line of output at once; otherwise {@linkcode Child.next} hands them out. */
  onLine?: (line: string) => void;
}

/** A running program of `_programs/`. */
export class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #errors: Promise<string>;
  readonly #reading: Promise<void>;
  readonly #onLine: (line: string) => void;
  readonly #lines: string[] = [];
  #changed = Promise.withResolvers<void>();
  #ended = false;

  /** @param program Its path relative to this file. */
  constructor(program: string, options: ChildOptions = {}) {
    const { args = [], permissions = ["--allow-all"], wrap = (command) => command } = options;
    const flags = ["run", "--quiet", "--no-prompt", ...permissions];
    const url = new URL(program, import.meta.url).href;
    const command = wrap([Deno.execPath(), ...flags, url, ...args.map(String)]);
    this.#process = new Deno.Command(command[0]!, {
      args: command.slice(1),
      ...(options.cwd !== undefined && { cwd: options.cwd }),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#errors = new Response(this.#process.stderr).text();
    this.#onLine = options.onLine ?? ((line) => this.#lines.push(line));
    this.#reading = this.#read();
  }

  /** Its process id. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Whether its output has ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Resolves when more output has come, or it has ended. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** The next line that it says. */
  async next(): Promise<string> {
    while (this.#lines.length === 0) {
      if (this.#ended) throw new Error(`The child ended: ${await this.#errors}`);
      await this.changed;
    }
    return this.#lines.shift()!;
  }

  /** All whole lines of its output that nobody has taken yet. */
  takeLines(): string[] {
    return this.#lines.splice(0);
  }

  /** Gives it a line. */
  async send(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(line + "\n"));
  }

  /** Ends its input, waits for its end, and throws when that is not a good one. */
  async end(): Promise<void> {
    await this.#input.close();
    await this.ending();
  }

  /** Waits for its end, and throws when that is not a good one. */
  async ending(): Promise<void> {
    await this.#reading;
    const { success, code, signal } = await this.#process.status;
    if (success) return;
    throw new Error(`The child ended with ${signal ?? code}: ${await this.#errors}`);
  }

  /** Its exit code and what it said to standard error, when it has ended. */
  async outcome(): Promise<{ code: number; signal: string | null; errors: string }> {
    await this.#reading;
    const { code, signal } = await this.#process.status;
    return { code, signal, errors: await this.#errors };
  }

  /** Kills it without a warning. What it said before is there when this resolves. */
  async kill(): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch { /* It has ended by itself. */ }
    await this.#reading;
    const { success, signal } = await this.#process.status;
    if (success || signal === "SIGKILL" || Deno.build.os === "windows") return;
    throw new Error(`The child had failed before it was killed: ${await this.#errors}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch { /* It has ended. */ }
    await this.#reading;
    await this.#errors;
    await this.#process.status;
    await this.#input.abort().catch(() => {});
  }

  /** Reads to the end. A last line without its newline was cut by the child's death: it is no line. */
  async #read(): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop()!;
      lines.forEach(this.#onLine);
      this.#tell();
    }
    this.#ended = true;
    this.#tell();
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
