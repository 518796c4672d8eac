/**
 * Real processes for the tests. A test and its process talk by lines over pipes, so that nobody has to
 * sleep to be right. No process outlives its test: leaving the block kills it, and one whose test is
 * gone ends by the end of its input or by its broken output.
 */

/** Whether the system has process groups and signals. */
export const HAS_SIGNALS = Deno.build.os !== "windows";

/** Whether this machine has a program: where it cannot be installed, what needs it is reported as ignored. */
export function hasProgram(name: string): boolean {
  try {
    const streams = { stdin: "null", stdout: "null", stderr: "null" } as const;
    new Deno.Command(name, { args: ["--version"], ...streams }).outputSync();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** How a process is started. */
export interface StartOptions {
  /** Where it runs; where the test runs without it. */
  cwd?: string;
  /** Variables on top of the environment of the tests. */
  env?: Record<string, string>;
  /** Gets each whole line of standard output as soon as it is there. */
  onLine?: (line: string) => void;
}

/** How a process ended. */
export interface Ended {
  code: number;
  signal: Deno.Signal | null;
  stdout: string;
  stderr: string;
}

/** What a process prints to one of its streams. */
export class Output {
  /** All of it. */
  text = "";
  /** Its whole lines: what a process that was killed had begun to say is none. */
  readonly lines: string[] = [];
  /** Resolves when it is over. */
  readonly done: Promise<void>;
  readonly #onLine: (line: string) => void;
  #rest = "";
  #isOver = false;
  #changed = Promise.withResolvers<void>();

  constructor(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void = () => {}) {
    this.#onLine = onLine;
    this.done = this.#read(stream);
  }

  /** Whether it is over. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves when more has come, or it is over. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Resolves as soon as `isReached`; rejects when it is over before. */
  async until(isReached: () => boolean): Promise<void> {
    while (!isReached()) {
      if (this.#isOver) throw new Error(`Nothing more comes after: ${this.text}`);
      await this.changed;
    }
  }

  /** The first whole line that matches, as soon as it is there. */
  async find(pattern: RegExp): Promise<string> {
    const find = () => this.lines.find((line) => pattern.test(line));
    await this.until(() => find() !== undefined);
    return find()!;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      this.text += chunk;
      const lines = (this.#rest + chunk).split("\n");
      this.#rest = lines.pop()!;
      this.lines.push(...lines);
      lines.forEach(this.#onLine);
      this.#change();
    }
    this.#isOver = true;
    this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}

/** A process that runs. */
export class RunningProcess implements AsyncDisposable {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly #child: Deno.ChildProcess;
  #ending: Promise<Ended> | undefined;
  #hasEnded = false;

  constructor([program = "", ...args]: readonly string[], options: StartOptions = {}) {
    const { cwd, env, onLine } = options;
    this.#child = new Deno.Command(program, {
      args,
      ...(cwd !== undefined && { cwd }),
      ...(env !== undefined && { env }),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.stdout = new Output(this.#child.stdout, onLine);
    this.stderr = new Output(this.#child.stderr);
  }

  /** Its process id. */
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
  async write(text: string | Uint8Array): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    try {
      await writer.write(typeof text === "string" ? new TextEncoder().encode(text) : text);
    } finally {
      writer.releaseLock();
    }
  }

  /** Ends its standard input. */
  async closeInput(): Promise<void> {
    await this.#child.stdin.close();
  }

  /** Waits for its end, and for all that it has printed. */
  end(): Promise<Ended> {
    return this.#ending ??= this.#end();
  }

  async #end(): Promise<Ended> {
    const { code, signal } = await this.#child.status;
    this.#hasEnded = true;
    await Promise.all([this.stdout.done, this.stderr.done]);
    return { code, signal, stdout: this.stdout.text, stderr: this.stderr.text };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) this.kill("SIGKILL");
    await this.end();
    // It is closed, or its reader is gone.
    await this.#child.stdin.close().catch(() => {});
  }
}

/** A running program that says what it is told, until its input ends. Gives it when it has begun. */
export async function startEcho(): Promise<RunningProcess> {
  const script = "await Deno.stdin.readable.pipeTo(Deno.stdout.writable)";
  const child = new RunningProcess([Deno.execPath(), "eval", script]);
  await child.write("started\n");
  while (child.stdout.lines.length === 0) await child.stdout.changed;
  return child;
}
