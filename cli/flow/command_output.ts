import { OutputPump, patienceFor, type TakeOutput } from "./output_pump.ts";
import { aborted, wait } from "./wait.ts";

/** Both outputs of a command. */
export class CommandOutput {
  /** Resolves when both have ended, or one could not be taken. */
  readonly ended: Promise<void>;
  readonly #pumps: OutputPump[];
  #error: unknown;

  /** Begins to read. */
  constructor(
    child: Deno.ChildProcess,
    takers: { takeOutput: TakeOutput; takeErrors: TakeOutput },
  ) {
    this.#pumps = [
      new OutputPump(child.stdout, takers.takeOutput),
      new OutputPump(child.stderr, takers.takeErrors),
    ];
    this.ended = this.#end();
  }

  /** What was thrown by whoever took it. */
  get error(): unknown {
    return this.#error;
  }

  /**
   * Waits for what the command has printed, once it has ended itself.
   *
   * @returns Whether something else keeps the output open.
   */
  async end(
    { graceMs, stop, hurry }: { graceMs: number; stop: AbortSignal; hurry: AbortSignal },
  ): Promise<boolean> {
    for (const pump of this.#pumps) void pump.limit(graceMs, hurry);
    // Whoever reads our own output may be slow; only a user who wants to stop need not wait for it.
    const givenUp = aborted(stop).then(() => {
      const { milliseconds, signals } = patienceFor(graceMs, hurry);
      return wait(milliseconds, ...signals);
    });
    await Promise.race([this.ended, givenUp]);
    await Promise.all(this.#pumps.map((pump) => pump.close()));
    return this.#pumps.some(({ isGivenUp }) => isGivenUp);
  }

  async #end(): Promise<void> {
    try {
      await Promise.all(this.#pumps.map(({ done }) => done));
    } catch (error) {
      this.#error = error;
    }
  }
}
