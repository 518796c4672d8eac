import { type Ended, RunningProcess } from "../_util/process.ts";

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
  /** Gets every line of output at once, besides {@linkcode Child.next}. */
  onLine?: (line: string) => void;
}

/** A running program of `_programs/`, with which a test speaks line by line. */
export class Child implements AsyncDisposable {
  readonly #process: RunningProcess;
  /** How many lines of its output somebody has taken. */
  #taken = 0;

  /** @param program Its path relative to this file. */
  constructor(program: string, options: ChildOptions = {}) {
    const { args = [], permissions = ["--allow-all"], wrap = (command) => command } = options;
    const flags = ["run", "--quiet", "--no-prompt", ...permissions];
    const url = new URL(program, import.meta.url).href;
    const command = wrap([Deno.execPath(), ...flags, url, ...args.map(String)]);
    this.#process = new RunningProcess(command, options);
  }

  /** Its process id. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Whether its output has ended. */
  get ended(): boolean {
    return this.#process.stdout.isOver;
  }

  /** Resolves when more output has come, or it has ended. */
  get changed(): Promise<void> {
    return this.#process.stdout.changed;
  }

  /** The next line that it says. */
  async next(): Promise<string> {
    const { stdout } = this.#process;
    while (this.#taken === stdout.lines.length) {
      if (stdout.isOver) throw new Error(`The child ended: ${(await this.#process.end()).stderr}`);
      await stdout.changed;
    }
    return stdout.lines[this.#taken++]!;
  }

  /** All whole lines of its output that nobody has taken yet. */
  takeLines(): string[] {
    const lines = this.#process.stdout.lines.slice(this.#taken);
    this.#taken += lines.length;
    return lines;
  }

  /** Gives it a line, and throws what it has said where it has ended instead of listening. */
  async send(line: string): Promise<void> {
    try {
      await this.#process.write(line + "\n");
    } catch (cause) {
      throw new Error(`The child does not listen: ${(await this.outcome()).stderr}`, { cause });
    }
  }

  /** Ends its input, waits for its end, and throws when that is not a good one. */
  async end(): Promise<void> {
    await this.#process.closeInput();
    await this.ending();
  }

  /** Waits for its end, and throws when that is not a good one. */
  async ending(): Promise<void> {
    const { code, signal, stderr } = await this.outcome();
    if (code !== 0) throw new Error(`The child ended with ${signal ?? code}: ${stderr}`);
  }

  /** How it has ended. */
  async outcome(): Promise<Ended> {
    return await this.#process.end();
  }

  /** Kills it without a warning. What it said before is there when this resolves. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    const { code, signal, stderr } = await this.outcome();
    if (code === 0 || signal === "SIGKILL" || Deno.build.os === "windows") return;
    throw new Error(`The child had failed before it was killed: ${stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
