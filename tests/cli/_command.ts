/** Runs the `taffrail` command as a process, as its users do. */

/** The entry of the command: its source, or the bundle that `TAFFRAIL_TEST_COMMAND` names. */
export const MAIN = Deno.env.get("TAFFRAIL_TEST_COMMAND") ??
  `${import.meta.dirname}/../../cli/main.ts`;

/** Whether the system has process groups and signals. */
export const HAS_SIGNALS = Deno.build.os !== "windows";

/** How a process is started. */
export interface StartOptions {
  /** Where it runs. */
  cwd: string;
  /** Variables on top of the environment of the tests. */
  env?: Record<string, string>;
  /** A shell command that starts what stands in `"$@"`, such as `ulimit -f 1; exec "$@"`. */
  shell?: string;
}

/** How a process ended. */
export interface Ended {
  code: number;
  signal: Deno.Signal | null;
  stdout: string;
  stderr: string;
}

/** A line of a stream, waited for. */
class Lines {
  text = "";
  readonly done: Promise<void>;
  #wake = Promise.withResolvers<void>();

  constructor(stream: ReadableStream<Uint8Array>) {
    this.done = this.#read(stream);
  }

  /** The first whole line that matches, as soon as it is there. */
  async find(pattern: RegExp): Promise<string> {
    for (;;) {
      const lines = this.text.split("\n").slice(0, -1);
      const found = lines.find((line) => pattern.test(line));
      if (found !== undefined) return found;
      await this.next();
    }
  }

  /** Resolves when more has come; rejects when nothing more comes. */
  async next(): Promise<void> {
    const end = this.done.then(() => "end");
    if (await Promise.race([this.#wake.promise, end]) === "end") {
      throw new Error(`Nothing more comes after: ${this.text}`);
    }
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      this.text += chunk;
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    }
  }
}

/** A process that runs. */
export class RunningCommand implements AsyncDisposable {
  readonly stdout: Lines;
  readonly stderr: Lines;
  readonly #child: Deno.ChildProcess;
  #isEnded = false;

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.stdout = new Lines(child.stdout);
    this.stderr = new Lines(child.stderr);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Sends a signal, unless the process has ended. */
  kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /** Writes to its standard input, and leaves that open. */
  async write(text: string): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(text));
    writer.releaseLock();
  }

  async closeInput(): Promise<void> {
    await this.#child.stdin.close();
  }

  /** Waits for its end. */
  async end(): Promise<Ended> {
    const { code, signal } = await this.#child.status;
    this.#isEnded = true;
    await Promise.all([this.stdout.done, this.stderr.done]);
    return { code, signal, stdout: this.stdout.text, stderr: this.stderr.text };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isEnded) this.kill("SIGKILL");
    try {
      await this.#child.stdin.close();
    } catch {
      // It is closed, or its reader is gone.
    }
    await this.end();
  }
}

/** Starts any program. */
export function start(program: string, args: string[], options: StartOptions): RunningCommand {
  const env = { NO_COLOR: "1", ...options.env };
  const command = new Deno.Command(program, {
    args,
    cwd: options.cwd,
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  return new RunningCommand(command.spawn());
}

/** The words that start `taffrail`. */
export function taffrailCommand(args: string[]): string[] {
  return [Deno.execPath(), "run", "--allow-all", "--no-lock", MAIN, ...args];
}

/** Starts `taffrail`. */
export function startTaffrail(args: string[], options: StartOptions): RunningCommand {
  const command = taffrailCommand(args);
  const [program, ...rest] = options.shell === undefined
    ? command
    : ["sh", "-c", options.shell, "sh", ...command];
  return start(program!, rest, options);
}

/** Runs `taffrail` with nothing to read, to its end. */
export async function taffrail(args: string[], options: StartOptions): Promise<Ended> {
  await using command = startTaffrail(args, options);
  await command.closeInput();
  return await command.end();
}
