/** What the rules of roots are written with. */
import { assertRejects } from "@std/assert";
import type { HeldRun, RunsRoot, RunStream, RunView } from "../run/types.ts";
import type { ServerFaults } from "./types.ts";

/** A root under test. */
export interface RootUse {
  /** Opens the root: each time another one, of the same runs. */
  open: () => RunsRoot | Promise<RunsRoot>;
  /**
   * A command whose program opens the root and calls {@linkcode holdUntilKilled} with this run. Without it
   * the tests of a holder's death find nothing to kill, and fail.
   */
  holder: (runId: string) => readonly string[];
  /** What its server can be made to do, where it has one and the rules of that are asked for. */
  server?: ServerFaults;
}

/** A rule, as it is checked. */
export type RootCheck = (root: RootUse, rounds: number) => Promise<void>;

/** The kind of the error that a call rejects with. */
export async function kindOf(call: () => Promise<unknown>): Promise<unknown> {
  const error = await assertRejects(call, Error);
  return (error as { kind?: unknown }).kind;
}

/** What a server can be made to do, as `provide` has said it. */
export function faultsOf(server: ServerFaults | undefined): ServerFaults {
  if (server !== undefined) return server;
  throw new TypeError("Cannot check the rules of a server: `provide` gives no `server`");
}

/** A process that holds a run, until it is killed or disposed of. */
export class HolderProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #printed: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor({ holder }: RootUse, runId: string) {
    const [program = "", ...args] = holder(runId);
    const pipes = { stdin: "piped", stdout: "piped", stderr: "inherit" } as const;
    this.#child = new Deno.Command(program, { args, ...pipes }).spawn();
    this.#printed = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** The next line that it prints; undefined when it has ended. */
  async line(): Promise<string | undefined> {
    while (!this.#text.includes("\n")) {
      const { value } = await this.#printed.read();
      if (value === undefined) return undefined;
      this.#text += value;
    }
    const end = this.#text.indexOf("\n");
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return line;
  }

  /** The token by which it holds the run, which is the first that it says. */
  async token(): Promise<bigint> {
    const line = await this.line();
    if (line === undefined) throw new Error("the holder ended before it held the run");
    return BigInt(line);
  }

  /** Has it append another line; it says what became of that. */
  async append(): Promise<string | undefined> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(Uint8Array.of(10));
    writer.releaseLock();
    return await this.line();
  }

  /** Sends a signal, unless it has ended. */
  kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /** Has it give the run up; resolves when it has ended. */
  async end(): Promise<void> {
    // It is closed, or its reader is gone.
    await this.#child.stdin.close().catch(() => {});
    await this.#child.status;
  }

  /** Kills it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.end();
    await this.#printed.cancel();
  }
}

/** The ids of all runs. */
export async function idsOf(root: RunsRoot): Promise<string[]> {
  return (await root.list()).runs.map(({ runId }) => runId);
}

/** The member `n` of each line of a stream. */
export async function numbersIn(view: RunView, stream: RunStream): Promise<unknown[]> {
  const { events } = await view.lines(stream, { limit: 1000 });
  return events.map(({ event }) => (event as { n: unknown }).n);
}

/** The text of an event that is right in every log. */
export function eventText(runId: string, n: number): string {
  const id = `01hzzzzzzzzzzzzzzzzzzz${String(n).padStart(4, "0")}`;
  const ts = "2026-01-01T00:00:00.000Z";
  return JSON.stringify({ id, ts, run_id: runId, type: "pipe.started", name: "demo", n });
}

/**
 * The program of a holder that is to be killed: it holds a run, appends a line to each stream, waits for
 * the barrier, prints its token, and stays until it is killed or its input ends. For each chunk of input it
 * appends another line and prints `appended`, or why that was refused.
 *
 * @param root The root of the test.
 * @param runId The run.
 *
 * @example Usage
 * ```ts
 * import { openFileRoot } from "@taffrail/taffrail/run";
 * import { holdUntilKilled } from "@taffrail/taffrail/testing";
 *
 * async function main([path = "", runId = ""]: string[]) {
 *   await holdUntilKilled(openFileRoot(path), runId);
 * }
 *
 * if (Deno.args.length > 0) await main(Deno.args);
 * ```
 */
export async function holdUntilKilled(root: RunsRoot, runId: string): Promise<void> {
  const held: HeldRun = await root.hold(runId);
  await held.append({
    capture: ['{"n":1}'],
    events: [eventText(runId, 1)],
    processes: [`{"n":${Deno.pid}}`],
  });
  await held.barrier();
  // Behind the barrier, and not yet on disk: it survives the process all the same.
  await held.append({ capture: ['{"n":2}'] });
  say(String(held.token));
  for await (const _ of Deno.stdin.readable) say(await appendOne(held));
  await held[Symbol.asyncDispose]();
}

/** Appends a line that is on disk then, or gives the kind of the error. */
async function appendOne(held: HeldRun): Promise<string> {
  try {
    await held.append({ capture: ['{"n":0}'] });
    await held.barrier();
    return "appended";
  } catch (error) {
    return String((error as { kind?: unknown }).kind);
  }
}

function say(line: string): void {
  const bytes = new TextEncoder().encode(`${line}\n`);
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
}
